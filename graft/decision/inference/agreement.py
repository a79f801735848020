"""How far two judgements of the same items agree beyond chance: Cohen's kappa with its interval.

Names and numbers in, numbers out; knows nothing of who judged: two people, a person and a metric, a person and a judge.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from graft.decision.inference.intervals import wilson
from graft.decision.inference.resampling import cluster_codes


class Kappa(NamedTuple):
    """Cohen's kappa (1: always agree, 0: as often as chance would) with its limits, the share of items on which both
    agree, and on how many items it rests. `value` is None without items, and when both know a single category only,
    since chance alone would then explain everything."""

    value: float | None
    low: float | None
    high: float | None
    agreement: float | None
    n: int


def cohen_kappa(
    one: Sequence[Hashable],
    other: Sequence[Hashable],
    clusters: Sequence[str] | None = None,
    *,
    weights: ArrayLike | None = None,
    level: float = 0.95,
) -> Kappa:
    """Return Cohen's kappa of two judgements of the same items.

    kappa = (p_o - p_e) / (1 - p_e), p_o the share on which both agree, p_e the share on which they would by chance with
    these margins (Cohen 1960). Limits by the delta method, the influence of items of one cluster added up first (with
    every item alone this is Fleiss, Cohen & Everitt 1969), and the t quantile of clusters - 1. `weights` are what each
    item stands for (1 / its probability of being drawn). Where all agree the delta method would claim certainty:
    Wilson's limits of p_o stand in, with p_e held. Raises ValueError when the lengths differ.
    """
    from scipy import stats

    if len(one) != len(other):
        raise ValueError(f"{len(one)} judgements against {len(other)} of the same items")
    n = len(one)
    weight = np.ones(n) if weights is None else np.asarray(weights, dtype=np.float64)
    if n == 0:
        return Kappa(None, None, None, None, 0)
    weight = weight / weight.sum()
    known = {name: code for code, name in enumerate(dict.fromkeys([*one, *other]))}
    left, right = (np.array([known[name] for name in side]) for side in (one, other))
    rows, columns = (np.bincount(side, weight, len(known)) for side in (left, right))
    same = (left == right).astype(np.float64)
    observed, chance = min(1.0, float(weight @ same)), float(rows @ columns)
    if chance >= 1 - 1e-12:
        return Kappa(None, None, None, observed, n)
    value = 1 - (1 - observed) / (1 - chance)
    # What moving a little weight to an item changes: d kappa = d p_o / (1 - p_e) - (1 - p_o) d p_e / (1 - p_e)^2.
    drift = columns[left] + rows[right] - 2 * chance
    influence = weight * ((same - observed) / (1 - chance) - (1 - observed) * drift / (1 - chance) ** 2)
    codes = cluster_codes(clusters, n)
    count = int(codes.max()) + 1
    if count < 2:
        return Kappa(value, None, None, observed, n)
    if not 1e-12 < observed < 1 - 1e-12:
        effective = min(float(count), 1 / float(weight @ weight))
        share = wilson(round(observed) * effective, effective, level=level)
        ends = [1 - (1 - end) / (1 - chance) for end in (share.low, share.high) if end is not None]
        return Kappa(value, min(ends[0], value), max(ends[1], value), observed, n)
    sums = np.bincount(codes, influence, count)
    error = math.sqrt(count / (count - 1) * float(sums @ sums))
    half = float(stats.t.ppf((1 + level) / 2, count - 1)) * error
    return Kappa(value, max(-1.0, value - half), min(1.0, value + half), observed, n)
