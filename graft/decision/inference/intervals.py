"""Confidence intervals of means, paired differences, ratios and quantiles, one value a question.

Arrays in, numbers out. What cannot be estimated (no values; a spread from one value) is None, never 0 and never NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from graft.decision.inference.resampling import (
    Floats,
    bca,
    bca_limits,
    bootstrap_means,
    cluster_codes,
    normal_level,
    totals,
)

DRAWS = 10_000
"""Bootstrap and permutation draws unless told otherwise."""


Scale = tuple[float, float]
"""The least and the most that a value can be."""


class Interval(NamedTuple):
    """A number with its confidence limits; None where it cannot be estimated."""

    value: float | None
    low: float | None
    high: float | None


def finite(values: ArrayLike) -> Floats:
    """Return `values` as a vector. Raises ValueError for NaN, infinities and tables: nulls are the caller's to drop."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not np.isfinite(array).all():
        raise ValueError("values are one finite number a question; leave nulls out before")
    return array


def paired(a: ArrayLike, b: ArrayLike) -> tuple[Floats, Floats]:
    """Return both as vectors of one length, one number a question."""
    left, right = finite(a), finite(b)
    if len(left) != len(right):
        raise ValueError(f"paired values differ in number: {len(left)} and {len(right)}")
    return left, right


def is_binary(*arrays: Floats) -> bool:
    """Whether every value is 0 or 1."""
    return all(bool(np.isin(array, (0.0, 1.0)).all()) for array in arrays)


def wilson(successes: float, n: float, *, level: float = 0.95) -> Interval:
    """Return a share with Wilson's score interval (1927). With n = 0 all three are None."""
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n}")
    return Interval(float(successes / n), *_limits(successes, n, level)) if n else Interval(None, None, None)


def _limits(successes: float, n: float, level: float) -> tuple[float, float]:
    """Return Wilson's limits; n is above 0."""
    from scipy import special

    z2 = float(special.ndtri((1 + level) / 2)) ** 2
    share = float(successes / n)
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n**2))) / (1 + z2 / n)
    # At 0 and n of n the limit is exactly the share; rounding must not put it on the wrong side.
    return min(share, max(0.0, float(centre - half))), max(share, min(1.0, float(centre + half)))


def mean_intervals(
    columns: ArrayLike,
    clusters: Sequence[str] | None,
    *,
    draws: int = DRAWS,
    seed: int,
    level: float = 0.95,
    scales: Sequence[Scale | None] | None = None,
) -> list[Interval]:
    """Return the mean of each column of [questions, columns] with its interval; here NaN marks a null.

    One set of draws serves all columns. Which interval a column gets is said at `mean_interval`; `scales` are the least
    and most that a value of each column can be, None where that is not known.
    """
    values = np.asarray(columns, dtype=np.float64)
    codes = cluster_codes(clusters, len(values))
    sums, counts = totals(values, codes)
    known = [column[~np.isnan(column)] for column in values.T]
    # Clustered means that some cluster holds several *values* of the column, nulls not counted.
    closed = [is_binary(column) and counts[:, k].max(initial=0) <= 1 for k, column in enumerate(known)]
    resampled = [k for k, flag in enumerate(closed) if not flag]
    limits = dict(
        zip(
            resampled,
            bca_limits(sums[:, resampled], counts[:, resampled], draws=draws, seed=seed, level=level),
            strict=True,
        )
    )
    intervals = []
    for k, (total, n) in enumerate(zip(sums.sum(axis=0), counts.sum(axis=0), strict=True)):
        if n == 0:
            intervals.append(Interval(None, None, None))
        elif (scale := _scale_if_alike(known[k], scales[k] if scales else None)) is not None:
            intervals.append(_alike(float(known[k][0]), int((counts[:, k] > 0).sum()), scale, level))
        elif closed[k]:
            intervals.append(wilson(total, n, level=level))
        else:
            found = limits[k]
            intervals.append(Interval(float(total / n), *(found if found is not None else (None, None))))
    return intervals


def _scale_if_alike(values: Floats, scale: Scale | None) -> Scale | None:
    """Return the scale of values that are all alike; None when they differ, or lie on a scale that is not known."""
    if np.ptp(values) > 0:
        return None
    # What is always wrong, at -1, might have been right once, at 1; of 0 and 1 alone nothing says that they may be negative.
    return scale or {0.0: (0.0, 1.0), 1.0: (0.0, 1.0), -1.0: (-1.0, 1.0)}.get(float(values[0]))


def _alike(value: float, units: int, scale: Scale, level: float) -> Interval:
    """Return the interval of a mean when all of `units` have the same value, which resampling would give no width.

    At most the share w of Wilson's interval for 0 of `units` would have another value, and that lies at either end of the
    scale at most: value - w (value - least) to value + w (most - value). At 0 or 1 of a 0/1 metric this is Wilson's own.
    """
    same, other = _limits(units, units, level)[0], _limits(0, units, level)[1]
    least, most = scale
    return Interval(value, least + same * (value - least), value + other * (most - value))


def mean_interval(
    values: ArrayLike,
    clusters: Sequence[str] | None = None,
    *,
    draws: int = DRAWS,
    seed: int,
    level: float = 0.95,
) -> Interval:
    """Return the mean of `values` with a confidence interval.

    0/1 values of questions that stand alone get Wilson's interval. Everything else gets the BCa bootstrap over
    clusters: clusters are drawn with replacement, the mean is the sum over drawn questions by their number (a ratio,
    so that large documents weigh as much as they hold questions), the acceleration comes from the jackknife that
    leaves out one cluster at a time, and the normal quantile is widened for few clusters (`normal_level`). Where BCa
    is undefined the percentile limits stand in. Values that are all alike, at 0, 1 or -1 or on a known scale, get the
    interval of `_alike` for as many observations as there are clusters, since resampling would give them no width.
    Elsewhere one value (or one cluster) has no limits.
    """
    column = finite(values)[:, None]
    return mean_intervals(column, clusters, draws=draws, seed=seed, level=level)[0]


def paired_difference(
    a: ArrayLike,
    b: ArrayLike,
    clusters: Sequence[str] | None = None,
    *,
    draws: int = DRAWS,
    seed: int,
    level: float = 0.95,
) -> Interval:
    """Return mean(a - b) over the same questions with the BCa (cluster) bootstrap interval of `mean_interval`."""
    left, right = paired(a, b)
    return difference_intervals((left - right)[:, None], clusters, draws=draws, seed=seed, level=level)[0]


def difference_intervals(
    columns: ArrayLike, clusters: Sequence[str] | None, *, draws: int = DRAWS, seed: int, level: float = 0.95
) -> list[Interval]:
    """Return mean and BCa interval of each column of paired differences [questions, columns]; NaN marks a null."""
    sums, counts = totals(columns, cluster_codes(clusters, len(np.asarray(columns))))
    limits = bca_limits(sums, counts, draws=draws, seed=seed, level=level)
    n = counts.sum(axis=0)
    return [
        Interval(float(total / held) if held else None, *(found if found is not None else (None, None)))
        for total, held, found in zip(sums.sum(axis=0), n, limits, strict=True)
    ]


def percentile_interval(values: ArrayLike, q: float, *, level: float = 0.95) -> Interval:
    """Return the quantile `q` (0..1, linear interpolation) with limits by order statistics, free of any assumption.

    The limits are the observations whose ranks bracket the quantile with binomial probability `level`; they exist for
    the 95th percentile only from n = 72 on (0.95^72 < 2.5 %) and are None below.
    """
    from scipy import special

    array = np.sort(finite(values))
    n = len(array)
    if n == 0:
        return Interval(None, None, None)
    value = float(np.quantile(array, q))
    # The chance of at most so many observations below the quantile.
    below = special.bdtr(np.arange(n + 1), n, q)
    lower = int(np.searchsorted(below, (1 - level) / 2))
    upper = int(np.searchsorted(below, (1 + level) / 2)) + 1
    if lower < 1 or upper > n:
        return Interval(value, None, None)
    return Interval(value, float(array[lower - 1]), float(array[upper - 1]))


def ratio_interval(
    numerators: ArrayLike,
    denominators: ArrayLike,
    clusters: Sequence[str] | None = None,
    *,
    draws: int = DRAWS,
    seed: int,
    level: float = 0.95,
) -> Interval:
    """Return sum(numerators) / sum(denominators) with the BCa (cluster) bootstrap interval of the ratio.

    For what is not a mean over questions: cost a right answer, citations over all sentences. None when the
    denominators sum to 0; no limits when that happens in some draws, or with a single cluster.
    """
    above, below = paired(numerators, denominators)
    codes = cluster_codes(clusters, len(above))
    sums, _ = totals(np.stack([above, below], axis=1), codes)
    top, bottom = sums[:, :1], sums[:, 1:]
    if len(above) == 0 or bottom.sum() == 0:
        return Interval(None, None, None)
    value = float(top.sum() / bottom.sum())
    if len(sums) < 2:
        return Interval(value, None, None)
    drawn = bootstrap_means(top, bottom, draws, seed)[:, 0]
    rest = bottom.sum() - bottom[:, 0]
    if np.isnan(drawn).any() or (rest == 0).any():
        return Interval(value, None, None)
    return Interval(value, *bca(drawn, value, (top.sum() - top[:, 0]) / rest, normal_level(len(sums), level)))
