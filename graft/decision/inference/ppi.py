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

from graft.decision.inference.resampling import cluster_codes


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
    leaves the mean of the labels. Fewer than two labels: no limits. For labels drawn at random, as the benchmarks draw
    them; only `ppi_stratified` calls it here, since `graft label` draws with known probabilities (`ppi_weighted`).
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
    leaves the whole without an estimate; one with a single label, without limits. For a caller's own labels: nothing here
    calls it.
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


def ppi_weighted(
    scores: ArrayLike,
    labels: ArrayLike,
    probabilities: ArrayLike,
    clusters: Sequence[str] | None = None,
    *,
    span: float = 1.0,
    trust: float | None = None,
    level: float = 0.95,
) -> PpiEstimate:
    """Return the mean of the human labels over all items, when items were drawn for labelling with known probabilities.

    All arguments run along all items: the automatic `scores` (NaN: none), the `labels` (NaN: not labelled), with which
    probability each item came to be labelled (> 0 where it was), and the cluster that it shares with others. The mean is
    l * mean(scores) + the mean of (labels - l * scores) weighted by 1 / probability (Horvitz & Thompson 1952, normalised as
    in Hájek), with l in [0, 1] tuned for the least variance as in PPI++; `trust` fixes it (0: the labels alone). An item
    without a score counts with the mean score: any guess will do, since the labels correct it.

    The error adds up what each cluster contributes, so that overlap, weights and clusters need no formula of their own.
    `span` is the largest error that a score can make. With few labels an error that one in twenty scores makes is often
    not among them, and a plain error would then be near 0: one more error of that size is counted, in the spirit of
    Agresti & Coull (1998). With 30 labels of 150 items and errors on 10 % of them this covers 97 % instead of 92 %.
    Limits by the t quantile of the labelled clusters - 1; fewer than two: no limits.
    """
    from scipy import stats

    score, truth = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    held = ~np.isnan(truth)
    n, total = int(held.sum()), len(truth)
    if n == 0:
        return PpiEstimate(None, None, None, 0.0)
    known = score[~np.isnan(score)]
    score = np.where(np.isnan(score), known.mean() if len(known) else 0.0, score)
    share = np.where(held, 1 / np.where(held, np.asarray(probabilities, dtype=np.float64), 1.0), 0.0)
    share /= share.sum()
    answer = np.where(held, truth, 0.0)
    labelled, guessed = float(share @ answer), float(share @ score)
    # What each item adds to the error: a of the labels, b of trusting the scores.
    a = share * (answer - labelled)
    b = (score - score.mean()) / total - share * (score - guessed)
    codes = cluster_codes(clusters, total)
    count = int(codes.max()) + 1
    fixed, slope = (np.bincount(codes, part, count).astype(np.float64) for part in (a, b))
    steepness = float(slope @ slope)
    best = float(np.clip(-(fixed @ slope) / steepness, 0.0, 1.0)) if steepness > 1e-18 else 0.0
    weight = best if trust is None else trust
    value = labelled + weight * (float(score.mean()) - guessed)
    groups = len(set(codes[held].tolist()))
    if groups < 2:
        return PpiEstimate(value, None, None, weight)
    effective = 1 / float(share @ share)
    unseen = (span / (effective + 2)) ** 2 * (1 - n / total)
    error = math.sqrt(groups / (groups - 1) * float(((fixed + weight * slope) ** 2).sum()) + unseen)
    half = float(stats.t.ppf((1 + level) / 2, groups - 1)) * error
    return PpiEstimate(value, value - half, value + half, weight, error)
