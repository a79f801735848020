"""Intervals, paired tests and multiplicity for per-question scores: arrays in, numbers out.

It knows nothing of language models, metrics or variants. Contract of every function: finite numbers without NaN (a
null is the caller's to leave out), one value a question, an explicit seed wherever something is drawn. `clusters`
names the source document of each question; questions that share one are resampled and sign-flipped together, and an
empty name means that the question stands alone. What cannot be estimated (no values; a spread from one value) is
None, never 0 and never NaN.

This is the face of the modules beside it: `power` (planning), `multiplicity`, `ppi` (few labels, many automatic
scores) and `resampling`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from graft.decision.multiplicity import benjamini_hochberg, holm
from graft.decision.power import mde, sample_size
from graft.decision.ppi import PpiEstimate, ppi_mean
from graft.decision.resampling import (
    Floats,
    bca_limits,
    cluster_codes,
    is_clustered,
    sign_flip_p,
    standard_error,
    totals,
)

__all__ = [
    "DRAWS",
    "Interval",
    "PpiEstimate",
    "benjamini_hochberg",
    "difference_intervals",
    "holm",
    "is_binary",
    "mcnemar_midp",
    "mde",
    "mean_interval",
    "mean_intervals",
    "noninferiority",
    "paired_difference",
    "paired_test",
    "percentile_interval",
    "ppi_mean",
    "sample_size",
    "sign_flip",
    "tost",
    "wilson",
]

DRAWS = 10_000
"""Bootstrap and permutation draws unless told otherwise."""


class Interval(NamedTuple):
    """A number with its confidence limits; None where it cannot be estimated."""

    value: float | None
    low: float | None
    high: float | None


def _array(values: ArrayLike) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not np.isfinite(array).all():
        raise ValueError("values are one finite number a question; leave nulls out before")
    return array


def _paired(a: ArrayLike, b: ArrayLike) -> tuple[Floats, Floats]:
    left, right = _array(a), _array(b)
    if len(left) != len(right):
        raise ValueError(f"paired values differ in number: {len(left)} and {len(right)}")
    return left, right


def is_binary(*arrays: Floats) -> bool:
    """Whether every value is 0 or 1."""
    return all(bool(np.isin(array, (0.0, 1.0)).all()) for array in arrays)


# --- intervals -------------------------------------------------------------------------------------------------------


def wilson(successes: float, n: float, *, level: float = 0.95) -> Interval:
    """Return a share with Wilson's score interval (1927). With n = 0 all three are None."""
    from scipy import special

    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n}")
    if n == 0:
        return Interval(None, None, None)
    z2 = float(special.ndtri((1 + level) / 2)) ** 2
    share = float(successes / n)
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n**2))) / (1 + z2 / n)
    # At 0 and n of n the limit is exactly the share; rounding must not put it on the wrong side.
    return Interval(
        share, min(share, max(0.0, float(centre - half))), max(share, min(1.0, float(centre + half)))
    )


def mean_intervals(
    columns: ArrayLike, clusters: Sequence[str] | None, *, draws: int = DRAWS, seed: int, level: float = 0.95
) -> list[Interval]:
    """Return the mean of each column of [questions, columns] with its interval; here NaN marks a null.

    One set of draws serves all columns. Which interval a column gets is said at `mean_interval`.
    """
    values = np.asarray(columns, dtype=np.float64)
    codes = cluster_codes(clusters, len(values))
    sums, counts = totals(values, codes)
    # Clustered means that some cluster holds several *values* of the column, nulls not counted.
    binary = [is_binary(column[~np.isnan(column)]) for column in values.T]
    closed = [flag and counts[:, k].max(initial=0) <= 1 for k, flag in enumerate(binary)]
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
        elif closed[k]:
            intervals.append(wilson(total, n, level=level))
        elif binary[k] and total in (0, n):
            units = int((counts[:, k] > 0).sum())
            intervals.append(wilson(units * total / n, units, level=level))
        else:
            found = limits[k]
            intervals.append(Interval(float(total / n), *(found if found is not None else (None, None))))
    return intervals


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
    is undefined the percentile limits stand in. Clustered 0/1 values that are all alike get Wilson's interval for as
    many observations as there are clusters, since resampling would give them no width. One value (or one cluster)
    has no limits.
    """
    column = _array(values)[:, None]
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
    left, right = _paired(a, b)
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
    from scipy import stats

    array = np.sort(_array(values))
    n = len(array)
    if n == 0:
        return Interval(None, None, None)
    value = float(np.quantile(array, q))
    lower = int(stats.binom.ppf((1 - level) / 2, n, q))
    upper = int(stats.binom.ppf((1 + level) / 2, n, q)) + 1
    if lower < 1 or upper > n:
        return Interval(value, None, None)
    return Interval(value, float(array[lower - 1]), float(array[upper - 1]))


# --- tests -----------------------------------------------------------------------------------------------------------


def mcnemar_midp(a: ArrayLike, b: ArrayLike) -> float:
    """Return the two-sided mid-p of McNemar's test on paired 0/1 values (Fagerland, Lydersen & Laake 2013).

    The exact test is conservative (size .013-.033 at n = 30..200 with 20 % discordance); mid-p is not (.033-.046).
    """
    from scipy import stats

    left, right = _paired(a, b)
    if not is_binary(left, right):
        raise ValueError("McNemar's test takes values of 0 and 1")
    wins, losses = int(np.sum(left > right)), int(np.sum(left < right))
    n, fewer = wins + losses, min(wins, losses)
    if n == 0:
        return 1.0
    return float(min(1.0, 2 * stats.binom.cdf(fewer, n, 0.5) - stats.binom.pmf(fewer, n, 0.5)))


def sign_flip(
    a: ArrayLike, b: ArrayLike, clusters: Sequence[str] | None = None, *, draws: int = DRAWS, seed: int
) -> float:
    """Return the two-sided p of the paired permutation test that swaps the arms within whole clusters.

    p = (1 + count) / (1 + draws), or exact when all 2^C patterns are no more than `draws`. No values: p = 1.
    """
    left, right = _paired(a, b)
    if len(left) == 0:
        return 1.0
    sums, _ = totals((left - right)[:, None], cluster_codes(clusters, len(left)))
    return float(sign_flip_p(sums, draws=draws, seed=seed)[0])


def paired_test(
    a: ArrayLike, b: ArrayLike, clusters: Sequence[str] | None = None, *, draws: int = DRAWS, seed: int
) -> float:
    """Return a two-sided p for "a and b are alike": mid-p McNemar for 0/1 values of questions that stand alone, else
    the sign-flip permutation over clusters."""
    left, right = _paired(a, b)
    if is_binary(left, right) and not is_clustered(cluster_codes(clusters, len(left))):
        return mcnemar_midp(left, right)
    return sign_flip(left, right, clusters, draws=draws, seed=seed)


def noninferiority(a: ArrayLike, b: ArrayLike, margin: float, clusters: Sequence[str] | None = None) -> float:
    """Return the one-sided p of "a is worse than b by `margin` or more": small means that a is not inferior.

    A t test with the cluster-robust standard error of the differences, to which one question with +s and one with -s
    are added, s being the largest deviation from the median (1 if all are alike): with few or no questions that tell
    the arms apart the plain error is too small, or 0. For 0/1 values this is Bonett & Price's (2012) adjusted interval. Fewer than two clusters: p = 1.
    """
    from scipy import stats

    left, right = _paired(a, b)
    if margin <= 0:
        raise ValueError(f"the margin is a positive difference, not {margin}")
    differences = left - right
    codes = cluster_codes(clusters, len(left))
    units = int(codes.max()) + 1 if len(codes) else 0
    if units < 2:
        return 1.0
    largest = float(np.abs(differences - np.median(differences)).max())
    largest = largest if largest > 1e-12 else 1.0
    padded = np.concatenate([differences, [largest, -largest]])[:, None]
    error = standard_error(*totals(padded, np.concatenate([codes, [units, units + 1]])))[0]
    return float(stats.t.sf((differences.mean() + margin) / error, units - 1))


def tost(a: ArrayLike, b: ArrayLike, margin: float, clusters: Sequence[str] | None = None) -> float:
    """Return the p of two one-sided tests (Schuirmann 1987): small means that a and b differ by less than `margin`."""
    return max(noninferiority(a, b, margin, clusters), noninferiority(b, a, margin, clusters))
