"""Right or wrong, supported or not: the split that tells where an answer came from.

RAGChecker (Ru et al. 2024) calls the three telling parts hallucination, self-knowledge and noise sensitivity, claim by
claim with a model; here they are told answer by answer, by shared words and flags. Functions Case → Value with their cards.
"""

from __future__ import annotations

from collections.abc import Callable

from graft.evaluation.metrics.answers import correct
from graft.evaluation.metrics.cards import Case, MetricCard, once
from graft.evaluation.metrics.evidence import ABSTAINED, ctx_grounded
from graft.evaluation.metrics.flags import reversed_claim, unsupported_name, unsupported_number
from graft.types import Value

SUPPORTED = 0.5
"""Lexical support of an answer by its passages from which it counts as supported: a screen, not a measure."""


@once
def supported(case: Case) -> Value:
    """Return 1 when at least half of the answer's claims have lexical support in the passages shown and no flag is raised.

    Of 103 answers that raised one with the evidence before them (18 runs on the handbook and on Natural Questions) 6 were
    right, of 1,358 others 572.
    """
    share = ctx_grounded(case)
    if share.value is None:
        return share
    raised = any(flag(case).value == 1 for flag in (unsupported_number, unsupported_name, reversed_claim))
    return Value(float(share.value >= SUPPORTED and not raised))


def _part(right: bool, with_support: bool) -> Callable[[Case], Value]:
    """Return the metric that is 1 for the answers that are (not) right and (not) supported; null where either is unknown."""

    def metric(case: Case) -> Value:
        if case.abstained:
            return ABSTAINED
        for known in (correct(case), supported(case)):
            if known.value is None:
                return known
        return Value(float(correct(case).value == right and supported(case).value == with_support))

    return metric


_SCREEN = "Shared words and flags stand in for entailment: read rows, quote no rate."
_OF = "answers to answerable questions, with passages shown, that do not decline"
CARDS = (
    MetricCard(
        "unsupported_wrong", f"wrong answers without support in the passages shown / {_OF}", "lower", "share", "C",
        "RAGChecker's hallucination: made up, and wrong. Tighter instructions and examples that decline help.",
        _part(right=False, with_support=False), (_SCREEN,), ("answers", "passages"),
    ),
    MetricCard(
        "supported_wrong", f"wrong answers with support in the passages shown / {_OF}", "lower", "share", "C",
        "RAGChecker's noise sensitivity: taken from a passage, and wrong: the wrong passage, or the wrong sentence of it. Better "
        "ranking, fewer passages or a stronger reader help.",
        _part(right=False, with_support=True), (_SCREEN,), ("answers", "passages"),
    ),
    MetricCard(
        "unsupported_right", f"right answers without support in the passages shown / {_OF}", "lower", "share", "C",
        "RAGChecker's self-knowledge: right, but not from the passages, so no citation can show it.",
        _part(right=True, with_support=False), (_SCREEN,), ("answers", "passages"),
    ),
)  # fmt: skip
