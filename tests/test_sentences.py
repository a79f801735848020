import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.sentences import sentence_spans


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n ", []),
        ("One. Two? Three!", ["One.", "Two?", "Three!"]),
        ('He said "No." Then he left.', ['He said "No."', "Then he left."]),
        ("Ask Dr. Smith, e.g. about p. 4. He knows.", ["Ask Dr. Smith, e.g. about p. 4.", "He knows."]),
        ("It costs 3.50 euros. J. Smith paid.", ["It costs 3.50 euros.", "J. Smith paid."]),
        ("## Leave\nYou get 25 days.\n- ask first", ["## Leave", "You get 25 days.", "- ask first"]),
        ("1. Ask. 2. Wait.", ["1. Ask.", "2. Wait."]),
        ("See graft.toml. and so on", ["See graft.toml. and so on"]),
        ("休暇は25日です。申請は必要です。", ["休暇は25日です。", "申請は必要です。"]),
        ("Wait... What?", ["Wait...", "What?"]),
    ],
)
def test_where_sentences_end(text, expected):
    assert [text[start:end] for start, end in sentence_spans(text)] == expected


@given(st.text(alphabet="aB1 .!?\n\"'()。", max_size=80))
@settings(deadline=None, max_examples=100)
def test_spans_are_ordered_and_lose_nothing_but_white_space(text):
    spans = sentence_spans(text)
    assert all(start < end for start, end in spans)
    assert all(one[1] <= two[0] for one, two in itertools.pairwise(spans))
    joined = "".join(text[start:end] for start, end in spans)
    assert "".join(joined.split()) == "".join(text.split())
