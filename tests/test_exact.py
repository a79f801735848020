"""Labels and records are right as they stand, or wrong: shared words must not decide."""

from __future__ import annotations

import dataclasses
import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.errors import DataError
from graft.evaluation.checks.exact import are_labels, exactly_right, leaves, record_f1
from graft.evaluation.checks.text import normalise
from graft.evaluation.metrics.catalogue import score
from graft.evaluation.question_sets.questions import check_questions, fingerprint, read_questions
from graft.types import Answer, Message, Question, Row

QUICK = settings(deadline=None, max_examples=50)
GOLD = {"intent": "AddToPlaylist", "slots": {"music_item": "song", "playlist": "Cita Romántica"}}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("abc ", max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("xyz", max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)
RECORDS = st.dictionaries(st.text("xyz", max_size=2), VALUES, max_size=4)


def scores(said, gold, *, match="words", names=("correct", "em", "f1", "truthfulness", "wrong")):
    question = Question("q", (Message("user", "Add a song."),), (gold,), match=match)
    found = score([question], [Row("q", "tuned", "ok", Answer(said, "tuned"))], names)
    return {name: found[name][0].value for name in names}


@pytest.mark.parametrize(
    "said",
    [
        json.dumps(GOLD),
        json.dumps({"slots": dict(reversed(GOLD["slots"].items())), "intent": "addtoplaylist"}),
        f"```json\n{json.dumps(GOLD, indent=2)}\n```",
    ],
)
def test_the_same_record_is_right_however_it_is_written(said):
    right = {"correct": 1.0, "em": 1.0, "f1": 1.0, "truthfulness": 1.0, "wrong": 0.0}
    assert scores(said, json.dumps(GOLD)) == right


@pytest.mark.parametrize(
    ("changed", "f1"),
    [
        ({"intent": "RateBook", "slots": GOLD["slots"]}, 2 / 3),
        ({"intent": "AddToPlaylist", "slots": {"music_item": "Cita Romántica", "playlist": "song"}}, 1 / 3),
        ({"intent": "AddToPlaylist"}, 1 / 2),
        ({**GOLD, "more": True}, 6 / 7),
    ],
)
def test_a_record_with_another_field_or_value_is_wrong(changed, f1):
    found = scores(json.dumps(changed), json.dumps(GOLD))
    wrong = {"correct": 0.0, "em": 0.0, "f1": f1, "truthfulness": -1.0, "wrong": 1.0}
    assert found == pytest.approx(wrong)


def test_prose_beside_a_record_is_not_the_record():
    assert scores("AddToPlaylist song Cita Romántica", json.dumps(GOLD))["correct"] == 0.0


def test_labels_that_share_words_are_told_apart_only_where_the_question_says_so():
    assert scores("card linking", "card arrival")["correct"] == 1.0
    assert scores("card linking", "card arrival", match="exact")["correct"] == 0.0
    assert scores("Answer: Card arrival.", "card arrival", match="exact")["correct"] == 1.0


def test_a_label_that_reads_like_a_refusal_is_an_answer():
    assert scores("unknown", "unknown", match="exact")["truthfulness"] == 1.0
    assert scores("unknown", "card arrival", match="exact")["truthfulness"] == 0.0


@QUICK
@given(RECORDS)
def test_a_record_is_itself_in_any_order(record):
    def turned(value):
        return {key: turned(value[key]) for key in reversed(value)} if isinstance(value, dict) else value

    said = json.dumps(turned(record))
    assert exactly_right(said, [json.dumps(record)], match="words") is True
    assert record_f1(said, [json.dumps(record)]) == 1.0


@QUICK
@given(RECORDS, RECORDS)
def test_another_record_is_right_only_with_the_same_fields_and_values(one, other):
    same = sorted(map(repr, leaves(json.dumps(one)))) == sorted(map(repr, leaves(json.dumps(other))))
    assert (record_f1(json.dumps(one), [json.dumps(other)]) == 1.0) is same
    assert exactly_right(json.dumps(one), [json.dumps(other)], match="words") is alike(one, other)


def alike(one, other):
    """Whether two values are the same, list items in any order: by trying all orders."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        orders = itertools.permutations(other)
        return len(one) == len(other) and any(all(map(alike, one, order)) for order in orders)
    if isinstance(one, str) and isinstance(other, str):
        return (normalise(one) or one.strip()) == (normalise(other) or other.strip())
    return type(one) is type(other) and one == other


def test_calls_that_swap_their_arguments_are_wrong():
    calls = [
        {"name": "play", "arguments": {"artist": artist, "minutes": minutes}}
        for artist, minutes in (("A b", 20), ("C d", 15))
    ]
    swapped = [
        {"name": "play", "arguments": {"artist": artist, "minutes": minutes}}
        for artist, minutes in (("A b", 15), ("C d", 20))
    ]
    assert exactly_right(json.dumps(calls[::-1]), [json.dumps(calls)], match="words")
    assert not exactly_right(json.dumps(swapped), [json.dumps(calls)], match="words")
    assert record_f1(json.dumps(swapped), [json.dumps(calls)]) == 1.0  # slots alone cannot tell


def test_true_is_not_one_and_a_text_is_no_record():
    assert exactly_right('{"a": true}', ['{"a": 1}'], match="words") is False
    assert (leaves("no record"), leaves('{"a": '), leaves("[" * 100_000)) == (None, None, None)
    assert exactly_right("yes", ["yes"], match="words") is None


def test_labels_are_recognised_and_answers_that_repeat_are_not():
    labels = ["card_arrival", "card_linking", "top_up failed"] * 12
    assert are_labels(labels)
    assert not are_labels(labels[:9])
    assert not are_labels(["yes", "no"] * 30)
    assert not are_labels([f"answer {at % 5}" for at in range(60)])
    assert not are_labels([f"name {chr(97 + at)}" for at in range(26)] * 1)
    assert not are_labels([json.dumps(GOLD)] * 60)


def test_a_set_of_labels_graded_by_words_is_warned_of():
    questions = [
        Question(str(at), (Message("user", f"message {at}"),), (("late card", "lost card", "fee")[at % 3],))
        for at in range(60)
    ]
    told = [found.message for found in check_questions(questions) if found.kind == "match"]
    assert told == ['the answers are 3 labels, graded by shared words: give each question "match": "exact"']
    exact = [dataclasses.replace(one, match="exact") for one in questions]
    assert [found for found in check_questions(exact) if found.kind == "match"] == []


def test_a_questions_file_may_hold_records_and_say_how_they_match(tmp_path):
    path = tmp_path / "questions.jsonl"
    lines = [
        {"id": "1", "question": "Add a song.", "answers": [GOLD]},
        {"id": "2", "question": "Where is my card?", "answers": ["card_arrival"], "match": "exact"},
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    first, second = read_questions(path)
    assert (json.loads(first.answers[0]), first.match, second.match) == (GOLD, "words", "exact")
    path.write_text(json.dumps({**lines[1], "match": "fuzzy"}))
    with pytest.raises(DataError, match="\"match\" is 'fuzzy'"):
        read_questions(path)


def test_questions_without_match_keep_the_hash_of_their_stored_runs():
    plain = Question("q", (Message("user", "Why?"),), ("because",))
    assert fingerprint([plain]) == "5a09ed882a746c8f"  # as before there was a match
    assert fingerprint([plain]) != fingerprint([dataclasses.replace(plain, match="exact")])
