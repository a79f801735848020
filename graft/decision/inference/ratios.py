"""Figures that are no mean over questions: ratios of two sums, with the interval of the ratio.

What a right answer costs (all that was paid for answers to questions that have one, over the right ones), the F1 of
declining (2 TP / (2 TP + FP + FN), a declined unanswerable question being a true positive), and the micro average of what is
a share of an answer's parts: of all citations, of all claims, so that a long answer weighs as much as it says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from graft.decision.compare import Scores, column
from graft.decision.inference.intervals import ratio_interval
from graft.decision.inference.resampling import Floats
from graft.types import Estimate, Value

COST_PER_CORRECT, ABSTAIN_F1 = "cost_per_correct", "abstain_f1"
MICRO = "_micro"
"""Behind the name of a metric: pooled over the parts of all rows."""


def ratios(
    scores: Scores, clusters: Sequence[str], *, draws: int, seed: int
) -> dict[str, dict[str, Estimate]]:
    """Return variant → figure → its estimate, for each figure that can be told: a price must be known and something be
    right; a question must have no answer and another one have one. USD, and 0–1."""
    found: dict[str, dict[str, Estimate]] = {}
    for name, metrics in scores.items():
        own = {}
        for figure, (above, below) in _sums(metrics).items():
            told = ~np.isnan(above) & ~np.isnan(below)
            kept = [cluster for cluster, take in zip(clusters, told, strict=True) if take]
            value, low, high = ratio_interval(above[told], below[told], kept, draws=draws, seed=seed)
            if value is not None:
                own[figure] = Estimate(value, low, high, int(told.sum()), len(above))
        found[name] = own
    return found


def _sums(metrics: Mapping[str, Sequence[Value]]) -> dict[str, tuple[Floats, Floats]]:
    """Return figure → what is summed above and below the line, a number a question, NaN for what is not known."""
    found: dict[str, tuple[Floats, Floats]] = {}
    if {"cost", "correct"} <= metrics.keys():
        found[COST_PER_CORRECT] = column(metrics["cost"]), column(metrics["correct"])
    if {"abstain_recall", "over_refusal"} <= metrics.keys():
        caught, refused = column(metrics["abstain_recall"]), column(metrics["over_refusal"])
        if not np.isnan(caught).all() and not np.isnan(refused).all():
            # 2 TP above; 2 TP + FN = 1 + caught of an unanswerable question, FP = refused of another one below.
            above = np.where(np.isnan(caught), np.where(np.isnan(refused), np.nan, 0.0), 2 * caught)
            found[ABSTAIN_F1] = above, np.where(np.isnan(caught), refused, 1 + caught)
    for metric, values in metrics.items():
        if any(value.of for value in values):
            parts = np.array([np.nan if value.of is None else value.of for value in values], dtype=np.float64)
            found[metric + MICRO] = column(values) * parts, parts
    return found
