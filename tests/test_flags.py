"""The flags on figures, names and negation: what raises them, what does not, and what holds of any text."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.evaluation.checks.flags import (
    denies,
    names,
    reversed_claims,
    unsupported_names,
    unsupported_numbers,
)
from graft.evaluation.checks.text import sentences
from graft.evaluation.metrics.catalogue import score
from graft.evaluation.metrics.flags import flagged
from graft.reporting.notes import notes
from graft.types import Answer, Evidence, Message, Passage, Question, RankedHit, Row

QUICK = settings(deadline=None, max_examples=80)
TEXT = (
    "Each team has a yearly budget of $1,200 for books. Ask Anna Smith for a card. Cards arrive within two weeks. "
    "Visitors may not park in the yard, but members of staff can. The GmbH moved to Berlin on 3 May 2024. "
    "Reports are due no later than the last working day."
)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("The budget is $1,200.", ()),
        ("The budget is 1200 dollars.", ()),
        ("It was $1,300 in 2023.", ("$1,300", "2023")),
        ("Cards take 2 weeks.", ()),
        ("Cards take three weeks, three.", ("three",)),
        ("It moved in May 2024.", ()),
        ("It moved on May 4, 2024.", ("May 4, 2024",)),
        ("1. Ask for a card.\n2. Wait.", ()),
        ("All 40 teams", ()),  # the question says so
        ("", ()),
    ],
)
def test_figures_out_of_nowhere(said, expected):
    assert unsupported_numbers(said, [TEXT], "What do 40 teams get?") == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Ask Anna Smith.", ()),
        ("Ask Ms Smith.", ()),
        ("Ask Anna Jones. Tell Anna Jones.", ("Anna Jones",)),
        ("Anna Jones.", ("Jones",)),
        ("Contact Anna Smith's desk.", ()),  # the first word only begins the sentence
        ("Rome", ("Rome",)),
        ("Rome has it.", ()),
        ("The GmbH is in Berlin.", ()),
        ("The LLC is in berlin.", ("LLC",)),
        ("Yes, I think so.", ()),
        ("Ask Otto.", ()),  # the question says so
        ("東京にあります。", ()),
        ("", ()),
    ],
)
def test_names_out_of_nowhere(said, expected):
    assert unsupported_names(said, [TEXT], "Is it Otto?") == expected


def test_names_are_runs_of_capitalised_words():
    assert names("Ask Anna Lee of the GmbH. It is in New York City, says Mr Fox.") == (
        "Anna Lee", "GmbH", "New York City", "Fox",
    )  # fmt: skip
    assert names("Rome.") == ("Rome",)


@pytest.mark.parametrize(
    ("claim", "is_reversed"),
    [
        ("Visitors may park in the yard.", True),
        ("Visitors may not park in the yard.", False),
        ("Visitors can't park in the yard.", False),
        ("Cards do not arrive within two weeks.", True),
        ("Cards arrive within two weeks.", False),
        ("Reports are due no later than the last working day.", False),
        ("Reports are due on the last working day.", False),
        ("No.", False),
        ("It is not.", False),
        ("Parking costs nothing at the station.", False),  # nothing here is about that
    ],
)
def test_a_not_too_many_or_too_few(claim, is_reversed):
    assert reversed_claims([claim], [TEXT]) == ((claim,) if is_reversed else ())


def test_a_text_that_says_both_clears_both():
    both = ["Guests may park here today.", "Guests may not park here today."]
    assert reversed_claims(both, both) == ()


def test_bounds_and_idioms_deny_nothing():
    assert [denies(text) for text in ("no more than five", "not only books", "whether or not", "no. 7")] == [
        False
    ] * 4
    assert [denies(text) for text in ("it isn't", "never", "without a card", "can not")] == [True] * 4


WORDS = st.lists(
    st.sampled_from([
        "Anna", "Lee", "the", "not", "no", "never", "may", "park", "yard", "3", "$1,200", "2024", "May", "Q3", "GmbH", "but",
        ",", ";", ".", "\n", "isn't", "weeks", "two", "card", "1.", "東京", "Müller-Lüdenscheidt", "O'Brien", "unless", "%",
    ]),
    max_size=30,
).map(" ".join)  # fmt: skip
ANY = st.one_of(WORDS, st.text(max_size=60))


@given(ANY)
@QUICK
def test_what_is_copied_is_never_flagged(text):
    assert unsupported_numbers(text, [text]) == ()
    assert unsupported_names(text, [text]) == ()
    assert reversed_claims(sentences(text), [text]) == ()


@given(ANY, st.lists(ANY, max_size=3), ANY)
@QUICK
def test_more_evidence_never_flags_more_figures_or_names(said, evidence, more):
    for flag in (unsupported_numbers, unsupported_names):
        assert set(flag(said, [*evidence, more])) <= set(flag(said, evidence))
        assert flag(said, evidence, more) == flag(said, [*evidence, more])


# --- on a row --------------------------------------------------------------------------------------------------------

QUESTION = Question("q", (Message("user", "How large is the budget?"),), ("$1,200",))
FLAGS = ("unsupported_number", "unsupported_name", "reversed_claim")


def values(text, *passages, ranking=(), status="ok"):
    answer = Answer(text, "rag", passages=passages, ranking=ranking)
    scored = score([QUESTION], [Row("q", "rag", status, answer)], FLAGS)
    return tuple(column[0].null_reason or column[0].value for column in scored.values())


SHOWN = Passage("a.md", 0, len(TEXT), TEXT, "Money", ("Budgets in Wales",))


def test_the_flags_of_an_answer():
    said = "The budget is $1,300, says Otto Fox. Visitors may park in the yard. [1]"
    assert values(said, SHOWN) == (1.0, 1.0, 1.0)
    row = Row("q", "rag", "ok", Answer(said, "rag", passages=(SHOWN,)))
    assert flagged(QUESTION, row) == {
        "unsupported_number": ("$1,300",),
        "unsupported_name": ("Otto Fox",),
        "reversed_claim": ("Visitors may park in the yard.",),
    }


def test_headings_are_read_too_and_labels_are_not_said():
    assert values("Desk: 77\nAnswer: In Wales it is $1,200.", SHOWN) == (0.0, 0.0, 0.0)


def test_where_there_is_nothing_to_flag():
    hit = (RankedHit("c", "a.md"),)
    assert values("It is $1,200.", ranking=None) == ("the variant retrieves nothing",) * 3
    assert values("It is $1,200.", ranking=hit) == ("no passage was shown",) * 3
    assert values("I don't know.", SHOWN) == ("the answer declines, so it claims nothing",) * 3
    assert values("x", SHOWN, status="error") == ("the row failed",) * 3
    assert values("A card helps.", SHOWN) == ("the answer states no figure", "the answer names nothing", 0.0)
    declined = Row("q", "rag", "ok", Answer("I don't know Otto.", "rag", passages=(SHOWN,), abstained=True))
    assert flagged(QUESTION, declined) == {}


@given(ANY, ANY)
@QUICK
def test_a_flag_is_raised_or_not(said, shown):
    found = values(said, Passage("a.md", 0, len(shown), shown))
    assert all(isinstance(value, str) or value in (0.0, 1.0) for value in found)


# --- for people ------------------------------------------------------------------------------------------------------

ELSEWHERE = Passage("b.md", 0, 9, "Something else.")


@pytest.mark.parametrize(
    ("passages", "found", "told"),
    [
        ((SHOWN,), ("b.md", "a.md"), ["the search found the evidence at rank 2"]),
        ((ELSEWHERE,), ("b.md", "a.md"), ["the search found the evidence at rank 2, and it was not shown"]),
        ((ELSEWHERE,), ("b.md", "b.md"), ["the evidence is not among the first 2 hits of the search"]),
        ((SHOWN,), None, []),
    ],
)
def test_notes_tell_where_the_evidence_was(passages, found, told):
    asked = dataclasses.replace(QUESTION, evidence=(Evidence("a.md"),))
    hits = None if found is None else tuple(RankedHit(str(at), name) for at, name in enumerate(found))
    row = Row("q", "rag", "ok", Answer("It is large.", "rag", passages=passages, ranking=hits))
    assert notes(asked, row) == told
    assert notes(QUESTION, row) == []  # no gold, nothing to tell
    assert notes(asked, Row("q", "rag", "error")) == []


def test_notes_quote_what_was_flagged():
    said = "It is $1,300 or $1,400, says Otto Fox. Visitors may park in the yard."
    assert notes(QUESTION, Row("q", "rag", "ok", Answer(said, "rag", passages=(SHOWN,)))) == [
        "no passage shown has the figure “$1,300”, “$1,400”",
        "no passage shown has the name “Otto Fox”",
        "a passage shown says the opposite of “Visitors may park in the yard.”",
    ]


# --- right or wrong, supported or not --------------------------------------------------------------------------------

SPLIT = ("unsupported_wrong", "supported_wrong", "unsupported_right", "answer_rate")
DECLINES = "the answer declines, so it claims nothing"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Each team has a yearly budget of $1,200 for books.", (0.0, 0.0, 0.0, 1.0)),
        ("The GmbH moved to Berlin on 3 May 2024.", (0.0, 1.0, 0.0, 1.0)),
        ("Penguins sail home at $9,000.", (1.0, 0.0, 0.0, 1.0)),
        ("Penguins sail home at $1,200.", (0.0, 0.0, 1.0, 1.0)),
        ("I don't know.", (DECLINES, DECLINES, DECLINES, 0.0)),
    ],
)
def test_where_an_answer_came_from(said, expected):
    row = Row("q", "rag", "ok", Answer(said, "rag", passages=(SHOWN,)))
    scored = score([QUESTION], [row], SPLIT)
    assert tuple(column[0].null_reason or column[0].value for column in scored.values()) == expected


def test_without_passages_or_references_nothing_is_split():
    row = Row("q", "base", "ok", Answer("It is $1,200.", "base"))
    assert (
        score([QUESTION], [row], SPLIT[:1])["unsupported_wrong"][0].null_reason
        == "the variant retrieves nothing"
    )
    unknown = dataclasses.replace(QUESTION, answerable=False, answers=())
    assert (
        score([unknown], [row], SPLIT[:1])["unsupported_wrong"][0].null_reason
        == "the question is not answerable"
    )
