"""Prediction-powered inference: a few human labels debias many automatic scores.

Arrays in, numbers out; knows nothing of judges or metrics. It is the bridge from a screening score (groundedness
without a model, a judge) to a rate that may be reported.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class PpiEstimate(NamedTuple):
    """A debiased mean with its limits; `weight` is how far the automatic scores were trusted (lambda: 0 not at all, 1
    fully), `error` the standard error."""

    value: float | None
    low: float | None
    high: float | None
    weight: float
    error: float | None = None


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
    error = float(np.sqrt(variance))
    half = float(stats.t.ppf((1 + level) / 2, n - 1)) * error
    return PpiEstimate(value, value - half, value + half, weight, error)


def ppi_stratified(
    groups: Sequence[tuple[ArrayLike, ArrayLike, ArrayLike]], *, level: float = 0.95
) -> PpiEstimate:
    """Return the mean over all items when the labels were drawn by stratum (of the automatic score, say), at different
    rates: `groups` holds (labels, predicted, unlabelled) of each.

    Each stratum gets its own `ppi_mean`, and the strata are weighted by their items (Fisch et al. 2024): pooling them
    would count the strata that were labelled more. `weight` is the mean weight. A stratum of items without a label
    leaves the whole without an estimate; one with a single label, without limits.
    """
    from scipy import special

    sizes = [len(np.asarray(truth)) + len(np.asarray(rest)) for truth, _, rest in groups]
    found = [ppi_mean(*group, level=level) for group, size in zip(groups, sizes, strict=True) if size]
    shares = [size / sum(sizes) for size in sizes if size]
    if not found or any(part.value is None for part in found):
        return PpiEstimate(None, None, None, 0.0)
    value = sum(share * (part.value or 0.0) for share, part in zip(shares, found, strict=True))
    weight = sum(share * part.weight for share, part in zip(shares, found, strict=True))
    if any(part.error is None for part in found):
        return PpiEstimate(value, None, None, weight)
    error = math.sqrt(
        sum((share * (part.error or 0.0)) ** 2 for share, part in zip(shares, found, strict=True))
    )
    half = float(special.ndtri((1 + level) / 2)) * error
    return PpiEstimate(value, value - half, value + half, weight, error)
