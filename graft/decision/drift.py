"""Do two samples come from one distribution? The tests behind `graft drift`, each with an effect that can be read.

Vectors: a classifier two-sample test (Lopez-Paz & Oquab 2017): how well can a classifier tell, out of fold, from which sample
a vector is? Its AUC is .5 where nothing tells them apart, and its p comes from permuting the labels. Numbers: Kolmogorov and
Smirnov's test, with the population stability index beside it. Shares: Fisher's exact test. Several of them together are
corrected by Holm, and a shift counts as drift only when it is also large enough to matter: with 10,000 queries everything is
significant. Arrays in, findings out; knows no queries and no models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from graft.decision.inference.intervals import finite
from graft.decision.inference.multiplicity import holm
from graft.decision.inference.resampling import Floats

ALPHA = 0.05
FEWEST = 30
"""Observations on each side below which nothing is tested: 30 against 30 show an AUC from about .67 on."""
MOST = 1_000
"""Vectors of each side that the classifier reads: its time grows with the cube, its power no longer needs more."""
PERMUTATIONS = 999
LEAST: Mapping[str, float] = {"auc": 0.55, "distance": 0.1, "share": 0.05}
"""The least effect that counts as drift, by kind. When a tenth of the second sample is of a kind of its own that is told
from everything else, the AUC is .55 and the distance of two distribution functions up to .1; .05 is 5 points."""
PENALTY = 3.0
"""Of the kernel ridge regression. .3, 1, 3 and 10 found a topic's share risen by 30 points among 100 questions in 63,
68, 73 and 78 of 100 draws, another way of asking 60 of them in 73, 73, 70 and 63; a linear kernel found as much, and
cannot see spread."""

Status = Literal["drift", "small", "none", "too few", "not measured"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One test. `before` and `now` are what a reader compares (means, shares; None for vectors); `effect` of the kind that
    LEAST names, `critical` the effect from which the test alone would have been significant, so that "none" says how much
    could have hidden. `p_adjusted` is Holm's over the tests made together."""

    feature: str
    kind: str
    status: Status
    n_before: int
    n_now: int
    before: float | None = None
    now: float | None = None
    effect: float | None = None
    critical: float | None = None
    p: float | None = None
    p_adjusted: float | None = None
    psi: float | None = None
    reason: str = ""


class Told(NamedTuple):
    """How well two samples of vectors are told apart: the AUC, its permutation p, the AUC that 5 % of permutations reach,
    and out of fold for each vector of the second sample how much it looks like the second, higher is more."""

    auc: float
    p: float
    critical: float
    scores: Floats


# --- the tests -------------------------------------------------------------------------------------------------------


def told_apart(
    before: ArrayLike, now: ArrayLike, *, permutations: int = PERMUTATIONS, folds: int = 5, seed: int
) -> Told:
    """Tell two samples of vectors [n, d] and [m, d] apart by kernel ridge regression, out of fold.

    The kernel is Gaussian with the median distance as its width (the usual rule of kernel two-sample tests), so that a
    change of spread is seen as well as one of place. Folds and kernel do not look at the labels, so out-of-fold scores are
    a fixed linear map of them, and 999 permutations cost one matrix product. p = (1 + count) / (1 + permutations).
    """
    left, right = np.asarray(before, dtype=np.float64), np.asarray(now, dtype=np.float64)
    if left.ndim != 2 or right.ndim != 2 or left.shape[1] != right.shape[1]:
        raise ValueError(f"vectors of one length on both sides, not {left.shape} and {right.shape}")
    if len(left) < folds or len(right) < folds:
        raise ValueError(f"{len(left)} and {len(right)} vectors are fewer than {folds} folds")
    rng = np.random.default_rng(seed)
    smoother = _smoother(np.concatenate([left, right]), rng.permutation(len(left) + len(right)) % folds)
    labels = np.zeros((len(left) + len(right), permutations + 1))
    labels[len(left) :, 0] = 1.0
    for column in range(1, permutations + 1):
        labels[rng.permutation(len(labels))[: len(right)], column] = 1.0
    scores = smoother @ (labels - labels.mean(axis=0))
    aucs = _aucs(scores, labels)
    drawn = aucs[1:]
    p = (1 + int(np.sum(drawn >= aucs[0] - 1e-12))) / (1 + permutations)
    critical = float(np.quantile(drawn, 1 - ALPHA)) if permutations else 1.0
    return Told(float(aucs[0]), p, critical, scores[len(left) :, 0])


def _smoother(points: Floats, fold: NDArray[np.int64]) -> Floats:
    """Return [N, N]: labels to out-of-fold scores of kernel ridge regression."""
    norms = np.einsum("ij,ij->i", points, points)
    squared = np.maximum(norms[:, None] + norms[None, :] - 2 * points @ points.T, 0.0)
    width = float(np.median(squared[np.triu_indices(len(points), 1)])) or 1.0
    kernel = np.exp(-squared / width)
    kernel -= kernel.mean(axis=0)
    kernel -= kernel.mean(
        axis=1, keepdims=True
    )  # centred: no intercept, which would lean against its own fold
    smoother = np.zeros_like(kernel)
    for one in np.unique(fold):
        held, rest = np.flatnonzero(fold == one), np.flatnonzero(fold != one)
        inner = kernel[np.ix_(rest, rest)] + PENALTY * np.eye(len(rest))
        smoother[np.ix_(held, rest)] = np.linalg.solve(inner, kernel[np.ix_(rest, held)]).T
    return np.asarray(smoother)


def _aucs(scores: Floats, labels: Floats) -> Floats:
    """Return the AUC of each column: P(score of a 1 > score of a 0), ties counting half."""
    from scipy import stats

    positive = labels.sum(axis=0)
    ranks = (stats.rankdata(scores, axis=0) * labels).sum(axis=0)
    found: Floats = (ranks - positive * (positive + 1) / 2) / (positive * (len(labels) - positive))
    return found


def stability_index(before: ArrayLike, now: ArrayLike, bins: int = 10) -> float:
    """Return the population stability index over quantile bins of the first sample: sum (q - p) ln(q / p), each bin with half
    an observation more, so that an empty one stays finite. By custom .1 is a moderate shift, .25 a large one."""
    left, right = finite(before), finite(now)
    edges = np.unique(np.quantile(left, np.linspace(0, 1, bins + 1)[1:-1]))
    counts = [np.bincount(np.searchsorted(edges, side, side="left"), minlength=len(edges) + 1) + 0.5
              for side in (left, right)]  # fmt: skip
    p, q = (count / count.sum() for count in counts)
    return float(np.sum((q - p) * np.log(q / p)))


# --- findings --------------------------------------------------------------------------------------------------------


def vectors(feature: str, before: ArrayLike, now: ArrayLike, *, seed: int, permutations: int = PERMUTATIONS) -> tuple[Finding, Floats]:  # fmt: skip
    """Return the finding on two samples of vectors, and for each of the second how unlike the first it is (empty when
    nothing was tested)."""
    left, right = np.asarray(before), np.asarray(now)
    few = _too_few(feature, "auc", len(left), len(right))
    if few is not None:
        return few, np.zeros(0)
    told = told_apart(left, right, permutations=permutations, seed=seed)
    found = Finding(
        feature, "auc", "none", len(left), len(right), effect=told.auc, critical=told.critical, p=told.p
    )
    return found, told.scores


def numbers(feature: str, before: ArrayLike, now: ArrayLike) -> Finding:
    """Return the finding on two samples of numbers, by Kolmogorov and Smirnov. Ties make its p too large, never too small."""
    from scipy import stats

    left, right = finite(before), finite(now)
    few = _too_few(feature, "distance", len(left), len(right))
    if few is not None:
        return few
    found = stats.ks_2samp(
        left, right, method="asymp"
    )  # the exact one gives up on some samples, with a warning
    size = (len(left) + len(right)) / (len(left) * len(right))
    return Finding(
        feature, "distance", "none", len(left), len(right), float(left.mean()), float(right.mean()),
        float(found.statistic), float(np.sqrt(-np.log(ALPHA / 2) / 2 * size)), float(found.pvalue),
        psi=stability_index(left, right),
    )  # fmt: skip


def shares(feature: str, before: Sequence[bool], now: Sequence[bool]) -> Finding:
    """Return the finding on two shares, by Fisher's exact test: the z test of two proportions claims too much when few
    decline, and declining is rare."""
    from scipy import stats

    few = _too_few(feature, "share", len(before), len(now))
    if few is not None:
        return few
    n, m = len(before), len(now)
    first, second = sum(before), sum(now)
    p = float(stats.fisher_exact([[first, n - first], [second, m - second]]).pvalue)
    pooled = (first + second) / (n + m)
    critical = 1.96 * np.sqrt(max(pooled * (1 - pooled), 0.25 / (n + m)) * (1 / n + 1 / m))
    return Finding(
        feature, "share", "none", n, m, first / n, second / m, abs(second / m - first / n), float(critical), p
    )


def judged(findings: Sequence[Finding], alpha: float = ALPHA) -> tuple[Finding, ...]:
    """Return the findings with Holm's p over those that were tested, and whether each is drift."""
    tested = [one for one in findings if one.p is not None]
    adjusted = dict(zip((one.feature for one in tested), holm([one.p or 0.0 for one in tested]), strict=True))
    return tuple(
        one if one.p is None else replace(one, p_adjusted=adjusted[one.feature], status=_status(one, adjusted[one.feature], alpha))
        for one in findings
    )  # fmt: skip


def _status(one: Finding, p: float, alpha: float) -> Status:
    if p >= alpha:
        return "none"
    return "drift" if one.effect is not None and one.effect >= LEAST[one.kind] else "small"


def _too_few(feature: str, kind: str, before: int, now: int) -> Finding | None:
    if min(before, now) >= FEWEST:
        return None
    reason = f"{min(before, now)} on one side, at least {FEWEST} are needed"
    return Finding(feature, kind, "too few", before, now, reason=reason)
