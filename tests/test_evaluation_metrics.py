"""The metrics: one number or a null with its reason, for every kind of row."""

from __future__ import annotations

import dataclasses
import json
import math
from importlib.metadata import EntryPoint

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft import plugins
from graft.errors import UnknownName
from graft.evaluation.checks.citations import citation_scores
from graft.evaluation.checks.correctness import correctness, exact_match, token_f1
from graft.evaluation.checks.groundedness import Weights, claims, inverse_frequency, support
from graft.evaluation.checks.longform import content_scores
from graft.evaluation.metrics.cards import GRADES, MetricCard
from graft.evaluation.metrics.catalogue import METRICS, metric_card, metric_names, score
from graft.records import from_dict, to_dict
from graft.types import (
    Answer,
    Chunk,
    Citation,
    Evidence,
    Hit,
    Message,
    Passage,
    Question,
    RankedHit,
    Row,
    Usage,
    Value,
)

QUICK = settings(deadline=None, max_examples=60)
TEXT = "Each team has a yearly budget of $1,200 for books. Ask the service desk for a card. Cards arrive within two weeks."
WHOLE = len(TEXT)
GOLD = Evidence("budget.md", 0, 50)


def question(**changes):
    base = Question("q", (Message("user", "How large is the book budget?"),), ("$1,200",), True, (GOLD,))
    return dataclasses.replace(base, **changes)


def passage(start=0, end=WHOLE, document="budget.md", text=TEXT, page=None):
    return Passage(document, start, end, text, page=page)


def answer(text, passages=(), **changes):
    return Answer(text, "rag", passages=tuple(passages), **changes)


def ranking(passages):
    """The ranked list of a search that found just these passages."""
    return tuple(
        RankedHit(str(at), item.document, item.start, item.end, item.page) for at, item in enumerate(passages)
    )


def found(passages, **changes):
    """An answer whose search found these passages and showed none of them."""
    return answer("x", ranking=ranking(passages), **changes)


def values(asked, answered, *names, status="ok", text=TEXT):
    """The metrics of one row, as plain numbers or the reason of the null."""
    row = Row(asked.id, "rag", status, answered)
    scored = score(
        [asked], [row], names or None, evidence_text=lambda evidence: text[evidence.start : evidence.end]
    )
    found = {name: column[0].null_reason or column[0].value for name, column in scored.items()}
    return found if len(names) != 1 else found[names[0]]


# --- correctness -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "golds", "expected"),
    [
        ("The budget is $1,200.", ["$1,200"], 1.0),
        ("It rose from $900 to $1,205 in all.", ["$1,200"], 0.0),
        ("It rose from $900 to $1,205.4 in all.", ["$1,200"], 1.0),
        ("In 1200 it was $1, then $2, then $3.", ["$1,200"], 0.0),
        ("about 8.7 percent", ["8.7%"], 1.0),
        ("25 days", ["27 days"], 0.0),
        ("They get twenty days.", ["20 days"], 1.0),
        ("2023", ["2024"], 0.0),
        ("Yes, always.", ["yes"], 1.0),
        ("No, never.", ["Yes, with approval"], 0.0),
        ("Yes.", ["Yes, with written approval of Ada"], 0.5),
        ("It needs approval.", ["yes"], 0.0),
        ("Ada Lovelace", ["Ada Lovelace", "A. Lovelace"], 1.0),
        ("Ada", ["Ada Lovelace"], 0.5),
        ("on 3 May", ["3 May 2024"], 0.0),
        ("on May 3rd, 2024", ["3 May 2024"], 1.0),
        ("on 3 June 2024", ["3 May 2024"], 0.0),
        ("$50 since 1 January 2024, before that $40", ["$50"], 1.0),
        ("from 7 am to 7:30 p.m.", ["07:00 to 19:30"], 1.0),
        ("from 07:00 to 18:30", ["07:00 to 19:30"], 0.0),
        ("the 3rd floor of building B", ["the 4th floor of building B"], 0.5 * 4 / 5),
        ("東京都です", ["東京都"], 1.0),
        ("", ["Ada"], 0.0),
        ("Ada", [], 0.0),
    ],
)
def test_offline_correctness(said, golds, expected):
    assert correctness(said, golds) == pytest.approx(expected)


@given(st.text(max_size=40), st.lists(st.text(max_size=20), max_size=3))
@QUICK
def test_correctness_is_bounded_and_aliases_only_help(said, golds):
    assert 0.0 <= correctness(said, golds) <= 1.0
    assert 0.0 <= token_f1(said, golds) <= 1.0
    assert correctness(said, [*golds, "other"]) >= correctness(said, golds)
    if exact_match(said, golds):
        assert token_f1(said, golds) == 1.0


def test_f1_and_em_as_in_squad():
    assert token_f1("the cat sat", ["a cat"]) == pytest.approx(2 * (1 / 2) * 1 / (1 / 2 + 1))
    assert token_f1("dog", ["a cat"]) == 0.0
    assert token_f1("the", ["a"]) == 1.0
    assert exact_match("The Cat!", ["cat"]) == 1.0
    assert exact_match("cats", ["cat"]) == 0.0


def test_a_house_style_is_scored_on_what_it_says():
    """The 2 of a citation is no figure of the answer, and a label costs nothing."""
    styled = answer("Answer: The budget is $1,200. [2]\nDesk: it")
    plain = answer("The budget is $1,200.")
    names = ("correctness", "em", "f1", "truthfulness", "wrong")
    assert values(question(), styled, *names) == values(question(), plain, *names)
    assert values(question(answers=("2",)), styled, "correct") == 0.0


# --- right, wrong, declined ------------------------------------------------------------------------------------------

LABELS = ("truthfulness", "correctness", "correct", "wrong", "em", "f1", "abstain_recall", "over_refusal")
NOT_ANSWERABLE, ANSWERABLE, FAILED = (
    "the question is not answerable",
    "the question is answerable",
    "the row failed",
)


@pytest.mark.parametrize(
    ("answerable", "said", "expected"),
    [
        (True, "$1,200", (1.0, 1.0, 1.0, 0.0, 1.0, 1.0, ANSWERABLE, 0.0)),
        (True, "$900", (-1.0, 0.0, 0.0, 1.0, 0.0, 0.0, ANSWERABLE, 0.0)),
        (True, "I don't know.", (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, ANSWERABLE, 1.0)),
        (True, "", (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, ANSWERABLE, 1.0)),
        (
            False,
            "I don't know.",
            (1.0, *[NOT_ANSWERABLE] * 2, 0.0, *[NOT_ANSWERABLE] * 2, 1.0, NOT_ANSWERABLE),
        ),
        (False, "$900", (-1.0, *[NOT_ANSWERABLE] * 2, 1.0, *[NOT_ANSWERABLE] * 2, 0.0, NOT_ANSWERABLE)),
    ],
)
def test_the_labels_of_an_answer(answerable, said, expected):
    asked = question(answerable=answerable, answers=("$1,200",) if answerable else ())
    assert tuple(values(asked, answer(said), *LABELS).values()) == expected


@pytest.mark.parametrize("status", ["error", "timeout"])
def test_a_failure_counts_as_wrong_where_correctness_is_measured_and_is_null_elsewhere(status):
    found = values(question(), None, status=status)
    assert {name: found[name] for name in ("truthfulness", "correctness", "correct", "em", "f1")} == {
        "truthfulness": -1.0, "correctness": 0.0, "correct": 0.0, "em": 0.0, "f1": 0.0,
    }  # fmt: skip
    unasked = {name for name, card in METRICS.items() if {"judge", "likelihood"} & set(card.needs)}
    content = {"content_f1", "content_precision", "content_recall"}
    assert {found[name] for name in content} == {0.0}
    others = (
        set(METRICS)
        - unasked
        - content
        - {
            "truthfulness",
            "correctness",
            "correct",
            "em",
            "f1",
            "abstain_recall",
            "format",
            "format_repaired",
        }
    )
    assert {found[name] for name in others} == {FAILED}


def test_an_answer_flagged_as_declining_declines():
    assert values(question(), answer("Ask Ada.", abstained=True), "truthfulness") == 0.0


def test_without_a_reference_nothing_is_right_or_wrong():
    asked = question(answers=())
    found = values(asked, answer("$1,200"), "truthfulness", "correctness", "wrong")
    assert set(found.values()) == {"the question has no reference answer"}


def test_a_question_that_was_not_put_is_null():
    found = score([question()], [], ["truthfulness"])
    assert found == {"truthfulness": [Value(None, "the question was not put to this variant")]}


@pytest.mark.parametrize(
    ("contract", "said", "kept"),
    [
        ({"regex": r"Answer: .+\nDesk: (it|people)"}, "Answer: 27 days [1]\nDesk: it", 1.0),
        ({"regex": r"Answer: .+\nDesk: (it|people)"}, "Answer: 27 days\nDesk: legal", 0.0),
        ({"regex": r"Answer: .+"}, "Answer: 27\ndays", 0.0),
        ({"regex": r"\w+"}, "yes [2]", 1.0),
        ({"schema": {"type": "object", "required": ["answer"]}}, '{"answer": "x"} [1]', 1.0),
        ({"schema": {"type": "object", "required": ["answer"]}}, '{"desk": "x"}', 0.0),
        ({"schema": {"type": "object"}}, "no json", 0.0),
        ({"schema": {"type": "object"}}, "[" * 100_000, 0.0),
        (None, "anything", "the question has no format contract"),
    ],
)
def test_format_contracts(contract, said, kept):
    assert values(question(format=contract), answer(said), "format") == kept


# --- retrieval -------------------------------------------------------------------------------------------------------

RANKS = ("recall@5", "success@5", "ndcg@10", "mrr@10")
SHOWN = ("context_recall", "context_precision")


def ranks(evidence, passages, **changes):
    return tuple(values(question(evidence=tuple(evidence)), found(passages, **changes), *RANKS).values())


def test_a_hit_is_relevant_when_it_covers_half_of_the_span():
    half, less = passage(25, 60), passage(26, 60)
    assert ranks([GOLD], [half]) == (1.0, 1.0, 1.0, 1.0)
    assert ranks([GOLD], [less]) == (0.0, 0.0, 0.0, 0.0)
    assert ranks([GOLD], [passage(0, 60, document="other.md")]) == (0.0, 0.0, 0.0, 0.0)


def test_a_span_longer_than_a_hit_is_found_where_the_hits_hold_half_of_it_together():
    """However the document is cut: 300 characters of evidence in hits of 100, of which two overlap."""
    long = Evidence("budget.md", 0, 300)
    pieces = [passage(0, 100), passage(50, 120), passage(0, 100, document="other.md"), passage(120, 220)]
    assert ranks([long], pieces) == pytest.approx((1.0, 1.0, 1 / math.log2(5), 1 / 4))
    assert ranks([long], [passage(0, 100), passage(20, 149)]) == (0.0, 0.0, 0.0, 0.0)
    assert ranks([long], [passage(0, 100), passage(20, 150)])[3] == 1 / 2


def test_pages_and_documents_are_gold_where_no_span_is_given():
    assert ranks([Evidence("budget.md", page=2)], [passage(page=1), passage(page=2)])[3] == 0.5
    assert ranks([Evidence("budget.md")], [passage()]) == (1.0, 1.0, 1.0, 1.0)


def test_gold_units_count_once():
    """The same unit in the gold twice, or found twice, never gives more than 1."""
    twice = [passage(), passage(), passage()]
    assert ranks([GOLD, GOLD], twice) == (1.0, 1.0, 1.0, 1.0)
    two = [GOLD, Evidence("leave.md")]
    assert ranks(two, [*twice, passage(document="leave.md")]) == pytest.approx(
        (1.0, 1.0, (1 + 1 / math.log2(5)) / (1 + 1 / math.log2(3)), 1.0)
    )


def test_one_hit_that_holds_all_the_evidence_is_perfect():
    assert ranks([GOLD, Evidence("budget.md", 60, 90)], [passage()]) == (1.0, 1.0, 1.0, 1.0)


def test_recall_looks_at_five_hits_or_at_twenty():
    far = [passage(document=f"d{number}") for number in range(5)] + [passage()]
    assert ranks([GOLD], far) == pytest.approx((0.0, 0.0, 1 / math.log2(7), 1 / 6))
    assert values(question(), found(far), "recall@20") == 1.0


def test_the_ranking_is_that_of_the_search_and_not_of_what_was_shown():
    """Found at rank 6 and cut from the prompt: the search found it, the model did not see it."""
    far = [passage(document=f"d{number}") for number in range(5)] + [passage()]
    cut = dataclasses.replace(found(far), passages=tuple(far[:5]))
    assert values(question(), cut, "mrr@10", *SHOWN) == {
        "mrr@10": 1 / 6,
        "context_recall": 0.0,
        "context_precision": 0.0,
    }
    merged = dataclasses.replace(found(far), passages=(far[0], passage()))
    assert values(question(), merged, "mrr@10", *SHOWN) == {
        "mrr@10": 1 / 6,
        "context_recall": 1.0,
        "context_precision": 0.5,
    }


def test_no_retrieval_is_null_but_retrieval_that_finds_nothing_is_zero():
    none = answer("x")
    assert set(values(question(), none, *RANKS, *SHOWN).values()) == {"the variant retrieves nothing"}
    assert ranks([GOLD], []) == (0.0, 0.0, 0.0, 0.0)
    assert tuple(values(question(), found([]), *SHOWN).values()) == (0.0, "no passage was shown")
    assert set(ranks([], [passage()])) == {"the question has no gold evidence"}
    assert set(values(question(), None, *RANKS, *SHOWN, status="error").values()) == {"the row failed"}


def test_a_row_from_before_rows_kept_their_ranking_is_read_and_says_so():
    old = {"question": "q", "variant": "rag", "status": "ok", "answer": {"text": "x", "passages": [
        {"document": "budget.md", "start": 0, "end": 60, "text": TEXT}]}}  # fmt: skip
    row = from_dict(Row, old)
    assert set(values(question(), row.answer, *RANKS).values()) == {
        "the row keeps no ranked list of its search; ask again with graft compare"
    }
    assert tuple(values(question(), row.answer, *SHOWN).values()) == (1.0, 1.0)


def test_the_ranking_survives_being_stored():
    hit = Hit(Chunk("c1", "a.md", 20, 30, "x", shown=(0, 90), page=2), 0.12345678, {"bm25": 3}, {"bm25": 7.5})
    row = Row("q", "rag", "ok", answer("x", ranking=(hit.reference(),)))
    stored = json.loads(json.dumps(to_dict(row)))
    assert stored["answer"]["ranking"] == [
        {
            "id": "c1",
            "document": "a.md",
            "start": 0,
            "end": 90,
            "page": 2,
            "score": 0.123457,
            "ranks": {"bm25": 3},
        }
    ]
    assert from_dict(Row, stored) == row


PLACES = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 80), st.integers(1, 60)), max_size=8)


@given(PLACES, PLACES.filter(len))
@QUICK
def test_retrieval_metrics_are_bounded_and_more_hits_never_lower_recall(places, gold):
    passages = [passage(start, start + size, name) for name, start, size in places]
    evidence = [Evidence(name, start, start + size) for name, start, size in gold]
    told = ranks(evidence, passages)
    assert all(0.0 <= value <= 1.0 for value in told)
    assert ranks(evidence, passages[:-1])[0] <= told[0] + 1e-12


# --- groundedness and citations ----------------------------------------------------------------------------------------


def test_claims_leave_out_what_claims_nothing():
    said = "Sure, happy to help! How large is the book budget? The book budget is how large. It is $1,200. [1] Thank you."
    assert claims(said, "How large is the book budget") == ("It is $1,200.",)
    assert claims("I don't know.") == ()
    assert claims("Is the budget large") == ("Is the budget large",)


def test_support_is_high_for_a_copy_and_low_for_another_subject():
    weights = inverse_frequency([TEXT])
    assert support("Each team has a yearly budget of $1,200 for books.", [TEXT], weights) == pytest.approx(
        1.0
    )
    assert support("Penguins breed in the Antarctic winter.", [TEXT], weights) < 0.1
    assert support("", [TEXT], weights) == 0.0
    assert support("Anything", [], weights) == 0.0


def test_two_passages_support_jointly_what_neither_does_alone():
    texts = ["Ada leads the people team.", "The people team sits in Lisbon."]
    claim = "Ada leads the people team, which sits in Lisbon."
    weights = Weights()
    assert support(claim, texts, weights, jointly=True) > max(
        support(claim, [text], weights) for text in texts
    )


WORDS = st.lists(
    st.sampled_from(
        ["ada", "leads", "team", "lisbon", "budget", "card", "desk", "week", "$1,200", "not.", "東京"]
    ),
    max_size=12,
).map(" ".join)


@given(WORDS, st.lists(WORDS, max_size=3), WORDS)
@QUICK
def test_support_is_bounded_and_more_evidence_never_lowers_it(claim, evidence, more):
    weights = inverse_frequency(evidence)
    plain = support(claim, evidence, weights)
    assert 0.0 <= plain <= support(claim, evidence, weights, jointly=True) <= 1.0 + 1e-9
    assert support(claim, [*evidence, more], weights) >= plain - 1e-9


def test_groundedness_needs_claims_context_and_evidence():
    names = ("ctx_grounded", "evid_grounded")
    copied = answer("Each team has a yearly budget of $1,200 for books. [1]", [passage()])
    assert values(question(), copied, *names) == {"ctx_grounded": 1.0, "evid_grounded": 1.0}
    invented = answer("Penguins breed in the Antarctic winter.", [passage()])
    assert values(question(), invented, *names) == {"ctx_grounded": 0.0, "evid_grounded": 0.0}
    assert values(question(), answer("I don't know.", [passage()]), *names) == dict.fromkeys(
        names, "the answer declines, so it claims nothing"
    )
    assert values(question(), answer("$1,200"), "ctx_grounded") == "the variant retrieves nothing"
    assert (
        values(question(evidence=()), answer("$1,200"), "evid_grounded")
        == "the question has no gold evidence"
    )
    assert (
        values(question(), answer("$1,200"), "evid_grounded", text="")
        == "the text of the gold evidence is not at hand"
    )


def entails(sentence, texts):
    """A sentence says the letters that its texts must hold together."""
    return all(any(letter in text for text in texts) for letter in sentence if letter in "XYZ")


@pytest.mark.parametrize(
    ("sentences", "passages", "dropped", "expected"),
    [
        (["X [1]", "Y [2]"], ["X", "Y"], 0, (1.0, 1.0, 1.0)),
        (["X and Y [1][2]"], ["X", "Y"], 0, (1.0, 1.0, 1.0)),
        (["X [1][2]"], ["X", "Z"], 0, (1.0, 0.5, 1.0)),
        (["X [1][2]"], ["X", "X"], 0, (1.0, 1.0, 1.0)),
        (["X [1]", "Y"], ["X"], 0, (0.5, 1.0, 0.5)),
        (["X [7]"], ["X"], 0, (0.0, 0.0, 0.0)),
        (["X [1]"], ["Y"], 0, (0.0, 0.0, 1.0)),
        (["X [1]"], ["X"], 1, (1.0, 0.5, 1.0)),
        (["X"], ["X"], 0, (0.0, None, 0.0)),
    ],
)
def test_citations_as_in_alce(sentences, passages, dropped, expected):
    scores = citation_scores(sentences, passages, entails, dropped)
    assert (scores.recall, scores.precision, scores.coverage) == expected
    assert scores.sentences == len(sentences)
    assert (scores.citations == 0) == (scores.precision is None)


def test_citation_metrics_of_a_row():
    names = ("citation_precision", "citation_recall", "citation_coverage", "citation_correct")
    other = passage(document="other.md", text="Penguins breed in winter.")
    cites = (Citation(1, "budget.md", 0, 10, "Each team"), Citation(2, "other.md", 0, 5, "Pengu"))
    said = "Each team has a yearly budget of $1,200 for books. [1] Ask the service desk for a card. [2]"
    full = answer(said, [passage(), other], citations=cites)
    assert tuple(values(question(), full, *names).values()) == (0.5, 0.5, 1.0, 0.5)
    silent = answer("Each team has a yearly budget of $1,200 for books.", [passage()])
    nothing = "the answer cites nothing"
    assert tuple(values(question(), silent, *names).values()) == (nothing, 0.0, 0.0, nothing)
    closed = answer("It is $1,200.", dropped_citations=1)
    assert tuple(values(question(), closed, *names).values()) == (0.0, 0.0, 0.0, 0.0)


# --- degenerate variants (what decides the rankings of other tools) --------------------------------------------------


def test_a_variant_that_always_declines_wins_nothing():
    found = values(question(), answer("I don't know.", [passage()]))
    assert (found["truthfulness"], found["correct"], found["wrong"], found["over_refusal"]) == (
        0.0,
        0.0,
        0.0,
        1.0,
    )
    assert {
        found[name] for name in ("ctx_grounded", "evid_grounded", "citation_precision", "citation_recall")
    } == {"the answer declines, so it claims nothing"}


def test_a_variant_that_recites_its_context_is_seen_by_f1_and_tokens():
    recited = answer(TEXT, [passage()], usage=Usage(80, 60))
    found = values(question(), recited, "correct", "ctx_grounded", "f1", "tokens_out", "citation_coverage")
    assert found == {
        "correct": 1.0,
        "ctx_grounded": 1.0,
        "f1": pytest.approx(2 / (19 + 1)),
        "tokens_out": 60.0,
        "citation_coverage": 0.0,
    }


def test_usage_is_null_when_nothing_was_reported():
    found = values(question(), answer("x"), "tokens_in", "tokens_out", "cost", "latency")
    assert tuple(found.values()) == (
        *["no token usage was reported"] * 2,
        "no price is known",
        "no time was measured",
    )
    known = answer("x", usage=Usage(7, 3), cost=0.5, timings={"total": 0.25})
    assert tuple(values(question(), known, "tokens_in", "tokens_out", "cost", "latency").values()) == (
        7.0,
        3.0,
        0.5,
        0.25,
    )


@given(st.text(max_size=80), st.booleans(), st.sampled_from(["ok", "error", "timeout", "unparsed"]))
@QUICK
def test_any_answer_gets_a_finite_number_or_a_reason(said, answerable, status):
    asked = question(answerable=answerable, format={"regex": ".*"})
    row = Row("q", "rag", status, answer(said, [passage()]))
    for name, (value,) in score([asked], [row], evidence_text=lambda evidence: TEXT).items():
        if value.value is None:
            assert value.null_reason, name
        else:
            low = -1.0 if name == "truthfulness" else 0.0
            assert low <= value.value <= 1.0, name


# --- cards and plug-ins --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("card", METRICS.values(), ids=list(METRICS))
def test_every_card_says_how_to_read_its_number(card):
    assert card.direction in {"higher", "lower"}
    assert card.grade in GRADES
    assert all([card.formula, card.unit, card.description, card.failure_examples])


def test_words_weigh_the_same_for_every_variant():
    """The weights come from the gold evidence, so what one variant retrieved cannot move another's score."""
    rows = [Row("q", "rag", "ok", answer("A yearly budget.", [passage()]))]
    more = [Row("q", "base", "ok", answer("A yearly budget."))]
    names = ["evid_grounded"]
    assert score([question()], rows, names, evidence_text=lambda _: TEXT) == score(
        [question()], more, names, evidence_text=lambda _: TEXT
    )


def shouting(asked: Question, row: Row) -> Value:
    """Share of capitals."""
    return Value(float(row.answer.text.isupper()))


CARD = MetricCard("loud", "1", "lower", "share", "A", "Loud.", lambda case: Value(float("nan")))


def test_another_package_adds_a_metric(monkeypatch):
    points = [
        EntryPoint("shouting", f"{__name__}:shouting", "graft.metrics"),
        EntryPoint("loud", f"{__name__}:CARD", "graft.metrics"),
    ]
    monkeypatch.setattr(plugins, "_registered", lambda kind: {point.name: point for point in points})
    assert metric_names()[-2:] == ["loud", "shouting"]
    assert (metric_card("shouting").formula, metric_card("shouting").grade) == ("Share of capitals.", "C")
    rows = [Row("q", "rag", "ok", answer("YES"))]
    assert score([question()], rows, ["shouting", "loud"]) == {
        "shouting": [Value(1.0)], "loud": [Value(None, "the metric is not a finite number here")],
    }  # fmt: skip
    failed = score([question()], [Row("q", "rag", "error")], ["shouting"])["shouting"][0]
    assert failed.null_reason.startswith("the metric failed: AttributeError")


def test_an_unknown_metric_names_the_nearest():
    with pytest.raises(UnknownName, match="Did you mean 'truthfulness'"):
        score([question()], [], ["truthfulnes"])


# --- long answers, and more of retrieval -------------------------------------------------------------------------------


def test_long_answers_share_content_words_by_their_weight():
    weights = inverse_frequency(["the budget grows", "the budget shrinks", "the budget of Ada"])
    rare = content_scores("Ada grows", ["the budget of Ada"], weights)
    assert rare.precision == pytest.approx(0.5)
    assert rare.recall == pytest.approx(weights.of("ada") / (weights.of("ada") + weights.of("budget")))
    assert rare.f1 == pytest.approx(2 * rare.precision * rare.recall / (rare.precision + rare.recall))
    assert content_scores("", ["x"], weights) == content_scores("and the", ["x"], weights) == (0.0, 0.0, 0.0)
    assert content_scores("x", [], weights) == (0.0, 0.0, 0.0)
    asked = question(answers=("The budget is $1,200 for books and courses.",))
    full = values(asked, answer("$1,200 for books and courses is the budget."), "content_f1")
    part = values(asked, answer("The budget is $1,200."), "content_recall")
    assert (full, values(asked, answer("I don't know."), "content_f1")) == (1.0, 0.0)
    assert 0 < part < 1
    assert values(asked, answer("The budget is $1,200."), "content_precision") == 1.0


@given(st.text(max_size=80), st.lists(st.text(max_size=80), max_size=3), st.text(max_size=40))
@QUICK
def test_content_scores_are_bounded_and_another_reference_never_lowers_f1(said, golds, more):
    found = content_scores(said, golds, Weights())
    assert all(0.0 <= value <= 1.0 for value in found)
    assert content_scores(said, [*golds, more], Weights()).f1 >= found.f1
    assert (
        content_scores(f"{said} {said}", golds, Weights()) == found or "." in said
    )  # repeating gains nothing


def test_precision_average_precision_and_recall_within_a_budget():
    gold = [GOLD, Evidence("leave.md")]
    hits = [passage(document="x"), passage(), passage(document="leave.md"), passage(document="leave.md")]
    told = values(question(evidence=tuple(gold)), found(hits))
    assert told["precision@5"] == pytest.approx(3 / 5)
    assert told["map@10"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert told["recall@budget"] == 1.0
    long = passage(0, 7950, document="x")
    assert values(question(), found([passage(0, 50), long]), "recall@budget") == 1.0
    assert values(question(), found([long, passage(0, 50)]), "recall@budget") == 1.0
    assert values(question(), found([long, passage(0, 51)]), "recall@budget") == 0.0
    assert values(question(), answer("x"), "recall@budget") == "the variant retrieves nothing"
    assert values(question(), found([]), "precision@5") == 0.0
