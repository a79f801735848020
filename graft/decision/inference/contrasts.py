"""Estimates and paired contrasts of many columns at once: the arithmetic behind a comparison.

A column is one metric of one variant over all questions, NaN for null. Gives `Estimate`s and `Contrast`s; which
variants and metrics are contrasted is decided by `compare`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from graft.decision.inference.resampling import Floats, cluster_codes, sign_flip_p, standard_error, totals
from graft.decision.statistics import (
    benjamini_hochberg,
    difference_intervals,
    is_binary,
    mcnemar_midp,
    mde,
    mean_intervals,
    percentile_interval,
)
from graft.types import Contrast, Estimate

ALPHA = 0.05
NULL_GAP = 0.02
"""A contrast is refused when more than this share of its rows is null in one arm only."""
CLOCKED = frozenset({"latency", "log_latency", "cost"})
"""Metrics that rest on a clock; a local model's cost is its machine's time."""
SIGNED = frozenset({"truthfulness", "judged_truthfulness", "judged_preference"})
"""Metrics from -1 to 1: forty answers that were not given, at 0 each, do not show that the next is not wrong."""
P95_MIN = 72
"""The fewest timings that bracket a 95th percentile (see `percentile_interval`)."""

Columns = Mapping[tuple[str, str], Floats]
"""(variant, metric) → one number a question."""


class Pair(NamedTuple):
    """Arm `a` minus arm `b` on one metric."""

    a: str
    b: str
    metric: str


def estimates(
    columns: Columns, clusters: Sequence[str], draws: int, seed: int
) -> dict[str, dict[str, Estimate]]:
    """Return variant → metric → mean with its interval; one set of draws serves all columns."""
    table: dict[str, dict[str, Estimate]] = {}
    if not columns:
        return table
    stacked = np.stack(list(columns.values()), axis=1)
    scales = [(-1.0, 1.0) if metric in SIGNED else None for _, metric in columns]
    intervals = mean_intervals(stacked, clusters, draws=draws, seed=seed, scales=scales)
    scored = (~np.isnan(stacked)).sum(axis=0)
    for (variant, metric), interval, n in zip(columns, intervals, scored, strict=True):
        table.setdefault(variant, {})[metric] = Estimate(*interval, int(n), len(stacked))
    return table


def contrasts(
    columns: Columns,
    pairs: Sequence[Pair],
    clusters: Sequence[str],
    draws: int,
    seed: int,
    *,
    alpha: float = ALPHA,
    stratum: str = "",
) -> tuple[list[Contrast], list[Pair]]:
    """Return the contrasts, and the pairs refused for nulls in one arm only. Pairs without a common row are left out."""
    usable, refused, differences = [], [], []
    for pair in pairs:
        a, b = columns[pair.a, pair.metric], columns[pair.b, pair.metric]
        lacks_a, lacks_b = np.isnan(a), np.isnan(b)
        if len(a) == 0 or lacks_a.all() or lacks_b.all():
            continue
        if max(np.mean(lacks_a & ~lacks_b), np.mean(lacks_b & ~lacks_a)) > NULL_GAP:
            refused.append(pair)
        usable.append(pair)
        differences.append(a - b)
    if not usable:
        return [], refused
    stacked = np.stack(differences, axis=1)
    sums, counts = totals(stacked, cluster_codes(clusters, len(stacked)))
    intervals = difference_intervals(stacked, clusters, draws=draws, seed=seed)
    flips = sign_flip_p(sums, draws=draws, seed=seed)
    errors = standard_error(sums, counts)
    contrasts = []
    for k, pair in enumerate(usable):
        n = int(counts[:, k].sum())
        if pair in refused or n == 0:
            contrasts.append(Contrast(*pair, None, None, None, None, n=n, stratum=stratum))
            continue
        held = ~np.isnan(stacked[:, k])
        a, b = columns[pair.a, pair.metric][held], columns[pair.b, pair.metric][held]
        if is_binary(a, b) and counts[:, k].max() <= 1:
            p = mcnemar_midp(a, b)
            effect = mde(n, discordance=float(np.mean(a != b)), alpha=alpha)
        else:
            p = float(flips[k])
            effect = mde(n, sd=float(errors[k] * np.sqrt(n)), alpha=alpha) if n > 1 else None
        contrasts.append(Contrast(*pair, *intervals[k], p, mde=effect, n=n, stratum=stratum))
    return contrasts, refused


def explored(contrasts: Sequence[Contrast]) -> list[Contrast]:
    """Correct what is exploratory, apart for what a clock measured: it differs from run to run, and must not move the
    figures that the same data and seed give again."""
    timed = [contrast for contrast in contrasts if contrast.metric in CLOCKED]
    rest = [contrast for contrast in contrasts if contrast.metric not in CLOCKED]
    return [*adjusted(rest, benjamini_hochberg), *adjusted(timed, benjamini_hochberg)]


def adjusted(
    contrasts: Sequence[Contrast], method: Callable[[Sequence[float]], list[float]]
) -> list[Contrast]:
    """Return the contrasts with their p-values adjusted as one family; refused ones stay as they are."""
    ps = iter(method([c.p for c in contrasts if c.p is not None]))
    return [c if c.p is None else replace(c, p_adjusted=next(ps)) for c in contrasts]


def latency(seconds: Sequence[float], name: str = "latency") -> dict[str, Estimate]:
    """Return p50 and p95 in seconds, and the maximum where there are too few timings for an interval of p95."""
    n = len(seconds)
    found = {f"{name}_p{q}": Estimate(*percentile_interval(seconds, q / 100), n, n) for q in (50, 95)}
    if 0 < n < P95_MIN:
        found[f"{name}_max"] = Estimate(max(seconds), None, None, n, n)
    return found


def latency_contrasts(
    latencies: Mapping[str, Sequence[float]], names: Sequence[str], base: str, draws: int, seed: int
) -> list[Contrast]:
    """Return log-latency contrasts with `base`, of the variants that were timed on as many questions as it."""
    timed = {
        (name, "log_latency"): np.log(np.maximum(latencies[name], 1e-9))
        for name in names
        if len(latencies.get(name, ())) == len(latencies.get(base, ())) > 0
    }
    pairs = [Pair(name, base, metric) for name, metric in timed if name != base]
    n = len(latencies.get(base, ()))
    return contrasts(timed, pairs, [""] * n, draws, seed)[0]
