"""Metrics of a judge's verdicts: apart from the lexical ones in name, grade and card, and never mixed with them.

Functions Case → Value with their cards. They are measured only where a judge is configured; a verdict that is missing or
split is null. A failed row counts as wrong where correctness is measured, as everywhere in GRAFT.
"""

from __future__ import annotations

from collections.abc import Callable

from graft.evaluation.checks.groundedness import claims
from graft.evaluation.judging import rubrics
from graft.evaluation.judging.rows import CORRECTNESS, IN_CONTEXT, IN_EVIDENCE, OTHER, PREFERENCE, PREFERRED
from graft.evaluation.metrics.cards import Case, MetricCard
from graft.types import Value

JUDGED = "judged_truthfulness"
"""The one metric of a judge that may decide, where a project declares it."""
NOT_JUDGED = Value(None, "the judge was not asked about this row")
FAILED = Value(None, "the row failed")


def _labels(case: Case, aspect: str) -> tuple[str, ...] | Value:
    """Return the verdict on an aspect of the row, or the null that stands for it."""
    verdict = case.verdicts.get(aspect)
    if verdict is None:
        return NOT_JUDGED
    return Value(None, verdict.null_reason) if verdict.labels is None else verdict.labels


def _outcome(case: Case) -> str | Value:
    """Return right, wrong or declined; an answer without words declines, whoever is asked."""
    if not any(character.isalnum() for character in case.said):
        return rubrics.DECLINED
    labels = _labels(case, CORRECTNESS)
    return labels if isinstance(labels, Value) else labels[0]


def judged_correct(case: Case) -> Value:
    """Return 1 when the judge calls the answer correct; declined and failed are 0."""
    if not case.question.answerable:
        return Value(None, "the question is not answerable")
    if not case.question.answers:
        return Value(None, "the question has no reference answer")
    if case.failed:
        return Value(0.0)
    outcome = _outcome(case)
    return outcome if isinstance(outcome, Value) else Value(float(outcome == rubrics.RIGHT))


def judged_truthfulness(case: Case) -> Value:
    """Return +1 right, 0 declined, -1 wrong; on an unanswerable question +1 declined, -1 answered."""
    if case.failed:
        return Value(-1.0)
    if case.question.answerable and not case.question.answers:
        return Value(None, "the question has no reference answer")
    outcome = _outcome(case)
    if isinstance(outcome, Value):
        return outcome
    if not case.question.answerable:
        return Value(1.0 if outcome == rubrics.DECLINED else -1.0)
    return Value({rubrics.RIGHT: 1.0, rubrics.DECLINED: 0.0}.get(outcome, -1.0))


def _grounded(
    aspect: str, missing: Callable[[Case], str], share: Callable[[tuple[str, ...]], Value]
) -> Callable[[Case], Value]:
    """Return the metric that makes a number of the verdicts on an answer's claims."""

    def metric(case: Case) -> Value:
        answer = case.row.answer
        if answer is None or case.failed:
            return FAILED
        if case.abstained:
            return Value(None, "the answer declines, so it claims nothing")
        if not claims(answer.text, case.question.text):
            return Value(None, "the answer makes no claim")
        reason = missing(case)
        if reason:
            return Value(None, reason)
        labels = _labels(case, aspect)
        return labels if isinstance(labels, Value) else share(labels)

    return metric


def _no_passages(case: Case) -> str:
    shown = case.row.answer is not None and case.row.answer.passages
    return "" if shown else "the variant was shown no passage"


def _no_evidence(case: Case) -> str:
    return "" if case.evidence else "the question has no gold evidence at hand"


def _supported(labels: tuple[str, ...]) -> Value:
    return Value(sum(label == rubrics.SUPPORTED for label in labels) / len(labels), of=len(labels))


def _unsupported(labels: tuple[str, ...]) -> Value:
    return Value(float(any(label != rubrics.SUPPORTED for label in labels)))


judged_ctx_grounded = _grounded(IN_CONTEXT, _no_passages, _supported)
judged_evid_grounded = _grounded(IN_EVIDENCE, _no_evidence, _supported)
judged_hallucination = _grounded(IN_CONTEXT, _no_passages, _unsupported)


def judged_preference(case: Case) -> Value:
    """Return +1 when the answer is preferred to the reference variant's in both orders, -1 when that one is, else 0."""
    if case.failed:
        return FAILED
    labels = _labels(case, PREFERENCE)
    return labels if isinstance(labels, Value) else Value({PREFERRED: 1.0, OTHER: -1.0}.get(labels[0], 0.0))


_JUDGE = ("judge",)
_MISLED = (
    "A judge favours answers of its own model family, and long ones: read its kappa against your labels first.",
)
CARDS = (
    MetricCard(
        JUDGED, "+1 right, 0 declined, −1 wrong by the judge's majority; mean", "higher", "−1–1", "B",
        "Truthfulness by a judge's verdicts in place of the offline rules. A failed row is −1, a split or unreadable verdict null.",
        judged_truthfulness, _MISLED, ("answers", *_JUDGE),
    ),
    MetricCard(
        "judged_correct", "1 when most votes say correct", "higher", "share", "B",
        "Accuracy by a judge: the share of answerable questions whose answer states what a reference states.",
        judged_correct, _MISLED, ("answers", *_JUDGE),
    ),
    MetricCard(
        "judged_ctx_grounded", "claims that most votes call supported by the passages shown / claims", "higher", "0–1", "B",
        "Does the answer keep to what the model was shown? Claims are its sentences without greetings, refusals and the question.",
        judged_ctx_grounded, _MISLED, ("passages", *_JUDGE),
    ),
    MetricCard(
        "judged_evid_grounded", "claims that most votes call supported by gold evidence and references / claims", "higher", "0–1", "B",
        "Is the answer supported by what is known to be true? For every variant alike.",
        judged_evid_grounded, ("A true statement beyond the gold evidence counts as unsupported.", *_MISLED), ("evidence", *_JUDGE),
    ),
    MetricCard(
        "judged_hallucination", "answers with a claim that the passages do not support / answers that claim something", "lower", "share", "B",
        "How many answers say anything that the model was not shown. Read the rate of declining beside it.",
        judged_hallucination, ("A right answer from the model's own knowledge counts.", *_MISLED), ("passages", *_JUDGE),
    ),
    MetricCard(
        "judged_preference", "+1 preferred to base's answer in both orders, −1 base's preferred in both, 0 else; mean", "higher", "−1–1", "B",
        "Wins less losses against base, side by side. Asked in both orders: where the order decides, nobody wins.",
        judged_preference, ("Of two wrong answers the better-sounding one wins.", *_MISLED), _JUDGE,
    ),
)  # fmt: skip
