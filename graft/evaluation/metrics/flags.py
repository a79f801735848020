"""Metrics of the flags: how many answers state a figure or a name that no passage shown has, or turn a "not" around.

Functions Case → Value with their cards, and the flagged words themselves for people to read. Screens, no scores: none of
them enters groundedness or correctness.
"""

from __future__ import annotations

from collections.abc import Sequence

from graft.evaluation.checks.figures import numbers
from graft.evaluation.checks.flags import names, reversed_claims, unsupported_names, unsupported_numbers
from graft.evaluation.checks.groundedness import claims
from graft.evaluation.metrics.cards import Case, MetricCard, once
from graft.evaluation.metrics.evidence import ABSTAINED, NO_CLAIMS
from graft.evaluation.metrics.retrieval import NOTHING_SHOWN, passages_shown
from graft.types import Passage, Question, Row, Value

NO_FIGURE = Value(None, "the answer states no figure")
NO_NAME = Value(None, "the answer names nothing")


def flagged(question: Question, row: Row) -> dict[str, tuple[str, ...]]:
    """Return metric → the words of the answer that raise its flag; only flags that are raised."""
    case = Case(question, row)
    shown = passages_shown(case)
    if isinstance(shown, Value) or not shown or case.abstained or row.answer is None:
        return {}
    texts = _texts(shown)
    found = {
        "unsupported_number": unsupported_numbers(case.said, texts, question.text),
        "unsupported_name": unsupported_names(case.said, texts, question.text),
        "reversed_claim": reversed_claims(claims(row.answer.text, question.text), texts),
    }
    return {name: words for name, words in found.items() if words}


def _texts(shown: Sequence[Passage]) -> list[str]:
    """Return what the model read: a passage's title and headings stand above it in the prompt."""
    return ["\n".join((passage.title, *passage.headings, passage.text)) for passage in shown]


def _read(case: Case) -> list[str] | Value:
    """Return the texts that the answer is held against, or the null that stands for them."""
    shown = passages_shown(case)
    if isinstance(shown, Value):
        return shown
    if not shown:
        return NOTHING_SHOWN
    return ABSTAINED if case.abstained else _texts(shown)


@once
def unsupported_number(case: Case) -> Value:
    """Return 1 when the answer states a figure that no passage shown has, nor the question."""
    texts = _read(case)
    if isinstance(texts, Value):
        return texts
    if not numbers(case.said):
        return NO_FIGURE
    return Value(float(bool(unsupported_numbers(case.said, texts, case.question.text))))


@once
def unsupported_name(case: Case) -> Value:
    """Return 1 when the answer names something that no passage shown names, nor the question."""
    texts = _read(case)
    if isinstance(texts, Value):
        return texts
    if not names(case.said):
        return NO_NAME
    return Value(float(bool(unsupported_names(case.said, texts, case.question.text))))


@once
def reversed_claim(case: Case) -> Value:
    """Return 1 when a claim denies what a passage shown affirms, or affirms what it denies."""
    texts = _read(case)
    if isinstance(texts, Value):
        return texts
    made = claims(case.row.answer.text, case.question.text) if case.row.answer else ()
    return Value(float(bool(reversed_claims(made, texts)))) if made else NO_CLAIMS


_MEASURED = "On people's answers from one passage each (CLAPnq, dev split)"
CARDS = (
    MetricCard(
        "unsupported_number", "answers with a figure that no passage shown has / answers that state a figure", "lower", "share", "C",
        "A flag, no score: figures out of nowhere. The figures of the question count as shown; 1 %, scale words, percent and "
        f"parts of dates agree. {_MEASURED} it is raised on 0 of 109 claims, and on 94 % with a figure changed.",
        unsupported_number,
        ("A sum or a difference that the model worked out rightly is in no passage.",
         "A figure of another thing in the same passages counts as supported."),
        ("passages",),
    ),
    MetricCard(
        "unsupported_name", "answers with a name that no passage shown has / answers that name something", "lower", "share", "C",
        "A flag, no score: names out of nowhere, read from capital letters. "
        f"{_MEASURED} it is raised on 0.7 % of 270 claims, and on 99 % with a name changed.",
        unsupported_name,
        ("German nouns are capitalised and all count as names; scripts without capitals have none.",
         "An answer of one capitalised word (“Monthly”) counts as a name.",
         "A right name in another spelling (“Southeast”, “South East”) is flagged."),
        ("passages",),
    ),
    MetricCard(
        "reversed_claim", "answers with a claim that denies what a passage affirms, or the reverse / answers that claim something",
        "lower", "share", "C",
        "A flag, no score: a “not” too many or too few, by clauses that share most of their words. English only. "
        f"{_MEASURED} it is raised on 0.8 % of 258 claims, and on 93 % with a “not” put in or taken out.",
        reversed_claim,
        ("“Forbidden” for “not allowed” looks like a reversal; “refused” for “granted” does not.",
         "Freely worded answers share too few words with the passage to be compared."),
        ("passages",),
    ),
)  # fmt: skip
