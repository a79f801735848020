"""Prediction-powered inference: a few human labels debias many automatic scores.

Arrays in, numbers out; knows nothing of judges or metrics. It is the bridge from a screening score (groundedness
without a model, a judge) to a rate that may be reported.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class PpiEstimate(NamedTuple):
    """A debiased mean; `weight` is how far the automatic scores were trusted (lambda: 0 not at all, 1 fully)."""

    value: float | None
    low: float | None
    high: float | None
    weight: float


def ppi_mean(
    labels: ArrayLike, predicted: ArrayLike, unlabelled: ArrayLike, *, level: float = 0.95
) -> PpiEstimate:
    """Return the mean of the human `labels` over all items, sharpened by an automatic score.

    `predicted` are the automatic scores of the labelled items, `unlabelled` those of the items without a label; the
    labelled ones must be a random sample of all. Prediction-powered inference with power tuning (Angelopoulos, Duchi
    & Zrnic 2023): mean = l * mean(unlabelled) + mean(labels - l * predicted), with l = cov(labels, predicted) /
    ((1 + n/N) var(predicted)), cut to [0, 1]; limits by the t quantile of n - 1. A useless score gets weight 0 and
    leaves the mean of the labels. Fewer than two labels: no limits.
    """
    from scipy import stats

    truth, scored, rest = (np.asarray(values, dtype=np.float64) for values in (labels, predicted, unlabelled))
    if len(truth) != len(scored):
        raise ValueError(f"{len(truth)} labels and {len(scored)} automatic scores of the same items")
    n, many = len(truth), len(rest)
    if n == 0:
        return PpiEstimate(None, None, None, 0.0)
    if n == 1:
        return PpiEstimate(float(truth[0]), None, None, 0.0)
    weight = 0.0
    pooled = float(np.concatenate([scored, rest]).var(ddof=1)) if many else 0.0
    if many >= 2 and pooled > 0:
        weight = float(np.clip(np.cov(truth, scored)[0, 1] / ((1 + n / many) * pooled), 0.0, 1.0))
    value = float((truth - weight * scored).mean() + (weight * rest.mean() if weight else 0.0))
    variance = (truth - weight * scored).var(ddof=1) / n
    if weight:
        variance += weight**2 * rest.var(ddof=1) / many
    half = float(stats.t.ppf((1 + level) / 2, n - 1) * np.sqrt(variance))
    return PpiEstimate(value, value - half, value + half, weight)
