"""Paired tests of two arms: alike, one not worse than the other, or the same for practical purposes.

Arrays in, p-values out; one value a question and arm, clusters flipped and counted whole. Never a two-sample test.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from graft.decision.inference.intervals import DRAWS, is_binary, paired
from graft.decision.inference.resampling import (
    cluster_codes,
    is_clustered,
    sign_flip_p,
    standard_error,
    totals,
)


def mcnemar_midp(a: ArrayLike, b: ArrayLike) -> float:
    """Return the two-sided mid-p of McNemar's test on paired 0/1 values (Fagerland, Lydersen & Laake 2013).

    The exact test is conservative (size .013-.033 at n = 30..200 with 20 % discordance); mid-p is not (.033-.046).
    """
    from scipy import special

    left, right = paired(a, b)
    if not is_binary(left, right):
        raise ValueError("McNemar's test takes values of 0 and 1")
    wins, losses = int(np.sum(left > right)), int(np.sum(left < right))
    n, fewer = wins + losses, min(wins, losses)
    if n == 0:
        return 1.0
    # Twice the lower tail less what lies on `fewer` itself: P(≤ fewer) + P(< fewer).
    less = special.bdtr(fewer - 1, n, 0.5) if fewer else 0.0
    return float(min(1.0, special.bdtr(fewer, n, 0.5) + less))


def sign_flip(
    a: ArrayLike, b: ArrayLike, clusters: Sequence[str] | None = None, *, draws: int = DRAWS, seed: int
) -> float:
    """Return the two-sided p of the paired permutation test that swaps the arms within whole clusters.

    p = (1 + count) / (1 + draws), or exact when all 2^C patterns are no more than `draws`. No values: p = 1.
    """
    left, right = paired(a, b)
    if len(left) == 0:
        return 1.0
    sums, _ = totals((left - right)[:, None], cluster_codes(clusters, len(left)))
    return float(sign_flip_p(sums, draws=draws, seed=seed)[0])


def paired_test(
    a: ArrayLike, b: ArrayLike, clusters: Sequence[str] | None = None, *, draws: int = DRAWS, seed: int
) -> float:
    """Return a two-sided p for "a and b are alike": mid-p McNemar for 0/1 values of questions that stand alone, else
    the sign-flip permutation over clusters."""
    left, right = paired(a, b)
    if is_binary(left, right) and not is_clustered(cluster_codes(clusters, len(left))):
        return mcnemar_midp(left, right)
    return sign_flip(left, right, clusters, draws=draws, seed=seed)


def noninferiority(a: ArrayLike, b: ArrayLike, margin: float, clusters: Sequence[str] | None = None) -> float:
    """Return the one-sided p of "a is worse than b by `margin` or more": small means that a is not inferior.

    A t test with the cluster-robust standard error of the differences, to which one question with +s and one with -s
    are added, s being the largest deviation from the median (1 if all are alike): with few or no questions that tell
    the arms apart the plain error is too small, or 0. For 0/1 values this is Bonett & Price's (2012) adjusted interval.
    Fewer than two clusters: p = 1.
    """
    from scipy import special

    left, right = paired(a, b)
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
    return float(special.stdtr(units - 1, -(differences.mean() + margin) / error))


def tost(a: ArrayLike, b: ArrayLike, margin: float, clusters: Sequence[str] | None = None) -> float:
    """Return the p of two one-sided tests (Schuirmann 1987): small means that a and b differ by less than `margin`.

    For a caller's own analysis: nothing here calls it, the verdict asks for one side at a time.
    """
    return max(noninferiority(a, b, margin, clusters), noninferiority(b, a, margin, clusters))
