"""Runs side by side: an estimate for every variant and metric, and paired contrasts between variants.

Takes the `Value` of each question (what a metric returned) and gives a `Comparison`. It knows neither what a metric
means nor how an answer was made; the one thing it is told is which metric decides (`primary`). A null never becomes a
number: each estimate prints how many rows it rests on, and a contrast in which one arm lacks more than 2 % of the
rows that the other has is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import NamedTuple

import numpy as np

from graft.decision.resampling import Floats, cluster_codes, sign_flip_p, standard_error, totals
from graft.decision.statistics import (
    DRAWS,
    benjamini_hochberg,
    difference_intervals,
    holm,
    is_binary,
    mcnemar_midp,
    mde,
    mean_intervals,
    percentile_interval,
)
from graft.errors import ConfigError, UnknownName
from graft.types import Comparison, Contrast, Estimate, Value

ALPHA = 0.05
FEW, TOO_FEW = 100, 30
"""Below 100 questions a comparison warns; below 30 it does not say that one variant beats another."""
NULL_GAP = 0.02
"""A contrast is refused when more than this share of its rows is null in one arm only."""
CLOCKED = frozenset({"latency", "log_latency", "cost"})
"""Metrics that rest on a clock; a local model's cost is its machine's time."""
P95_MIN = 72
"""The fewest timings that bracket a 95th percentile (see `percentile_interval`)."""

Scores = Mapping[str, Mapping[str, Sequence[Value]]]


class _Pair(NamedTuple):
    a: str
    b: str
    metric: str


def column(values: Sequence[Value]) -> Floats:
    """Return the values as floats, NaN for null."""
    return np.array([np.nan if v.value is None else v.value for v in values], dtype=np.float64)


def compare(
    scores: Scores,
    *,
    questions: Sequence[str],
    clusters: Sequence[str],
    strata: Sequence[str] = (),
    answerable: Sequence[bool] = (),
    primary: str = "truthfulness",
    reference: str = "base",
    baselines: Sequence[str] = ("extractive", "bm25"),
    latencies: Mapping[str, Sequence[float]] | None = None,
    fingerprints: Mapping[str, str] | None = None,
    seed: int,
    draws: int = DRAWS,
) -> Comparison:
    """Compare variants that answered the same questions.

    `scores[variant][metric]`, `clusters`, `strata` and `answerable` run along `questions`. `latencies` are seconds a
    request of each variant, the i-th of each for the same question. Contrasts, each with its interval and its minimum
    detectable effect: all pairs of the variants that can win on the primary metric (Holm; the effect at the first
    Holm step), and, exploratory (Benjamini-Hochberg), each variant against `reference` on every other metric, on the
    logarithm of latency, and on the primary metric within each stratum. Contrasts are later minus earlier in the
    order of `scores`. Raises ConfigError when the primary metric is missing or lengths differ.
    """
    columns = _columns(scores, len(questions), primary)
    shown = tuple(name for name in baselines if name in scores)
    names = [name for name in scores if name not in shown]
    base = reference if reference in names else next(iter(names), "")
    warnings = _warnings(clusters, answerable, len(questions))

    variants = _estimates(columns, clusters, draws, seed)
    for name, seconds in (latencies or {}).items():
        variants.setdefault(name, {}).update(_latency(seconds))
    warnings += _latency_warnings(latencies or {})

    pairs = [_Pair(b, a, primary) for a, b in combinations(names, 2)]
    secondary = [
        _Pair(name, base, metric)
        for name in names
        if name != base
        for metric in scores[name]
        if metric != primary and metric in scores[base]
    ]
    alpha = ALPHA / max(1, len(pairs))
    family, refused = _contrasts(columns, pairs, clusters, draws, seed, alpha=alpha)
    explored, unpaired = _contrasts(columns, secondary, clusters, draws, seed)
    explored += _latency_contrasts(latencies or {}, names, base, draws, seed)
    warnings += _refusals(refused + unpaired, primary)

    by_stratum: dict[str, Mapping[str, Mapping[str, Estimate]]] = {}
    for stratum in sorted(set(strata) - {""}):
        rows = np.array([name == stratum for name in strata])
        within = {key: values[rows] for key, values in columns.items()}
        kept = [cluster for cluster, take in zip(clusters, rows, strict=True) if take]
        by_stratum[stratum] = _estimates(within, kept, draws, seed)
        versus = [_Pair(name, base, primary) for name in names if name != base]
        found, _ = _contrasts(within, versus, kept, draws, seed, stratum=stratum)
        explored += found

    return Comparison(
        questions=len(questions),
        primary=primary,
        variants=variants,
        contrasts=(*_adjusted(family, holm), *_explored(explored)),
        strata=by_stratum,
        baselines=shown,
        warnings=tuple(warnings),
        fingerprints=dict(fingerprints or {}),
    )


def finding(contrast: Contrast) -> str:
    """Return the contrast as a sentence that claims no more than it may: "beats" needs an adjusted p below 5 % and at
    least 30 questions."""
    a, b, metric = contrast.a, contrast.b, contrast.metric
    if contrast.difference is None:
        return f"{a} and {b} cannot be compared on {metric}."
    size = f"{contrast.difference:+.3f}"
    if contrast.low is not None and contrast.high is not None:
        size += f" [{contrast.low:+.3f}, {contrast.high:+.3f}]"
    if contrast.n < TOO_FEW:
        return f"{a} - {b} on {metric}: {size}; {contrast.n} questions are too few to say which is better (30 needed)."
    p = contrast.p_adjusted if contrast.p_adjusted is not None else contrast.p
    if p is not None and p < ALPHA:
        better, worse = (a, b) if contrast.difference > 0 else (b, a)
        return (
            f"{better} scores above {worse} on {metric}: {a} - {b} = {size}, p = {p:.3g}, n = {contrast.n}."
        )
    effect = f"; a difference of {contrast.mde:.3f} would have been seen" if contrast.mde is not None else ""
    return f"{a} - {b} on {metric}: {size}, no difference shown (p = {p:.3g}, n = {contrast.n}{effect})."


# --- parts -----------------------------------------------------------------------------------------------------------


def _columns(scores: Scores, n: int, primary: str) -> dict[tuple[str, str], Floats]:
    columns = {}
    for variant, metrics in scores.items():
        if primary not in metrics:
            raise UnknownName("metric", primary, metrics, f"the primary metric, for variant {variant!r}")
        for metric, values in metrics.items():
            if len(values) != n:
                raise ConfigError(
                    f"{variant}/{metric} has {len(values)} values for {n} questions.",
                    "Score every question, nulls included.",
                )
            columns[variant, metric] = column(values)
    return columns


def _estimates(
    columns: Mapping[tuple[str, str], Floats], clusters: Sequence[str], draws: int, seed: int
) -> dict[str, dict[str, Estimate]]:
    table: dict[str, dict[str, Estimate]] = {}
    if not columns:
        return table
    stacked = np.stack(list(columns.values()), axis=1)
    intervals = mean_intervals(stacked, clusters, draws=draws, seed=seed)
    scored = (~np.isnan(stacked)).sum(axis=0)
    for (variant, metric), interval, n in zip(columns, intervals, scored, strict=True):
        table.setdefault(variant, {})[metric] = Estimate(*interval, int(n), len(stacked))
    return table


def _contrasts(
    columns: Mapping[tuple[str, str], Floats],
    pairs: Sequence[_Pair],
    clusters: Sequence[str],
    draws: int,
    seed: int,
    *,
    alpha: float = ALPHA,
    stratum: str = "",
) -> tuple[list[Contrast], list[_Pair]]:
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


def _explored(contrasts: Sequence[Contrast]) -> list[Contrast]:
    """Correct what is exploratory, apart for what a clock measured: it differs from run to run, and must not move the
    figures that the same data and seed give again."""
    timed = [contrast for contrast in contrasts if contrast.metric in CLOCKED]
    rest = [contrast for contrast in contrasts if contrast.metric not in CLOCKED]
    return [*_adjusted(rest, benjamini_hochberg), *_adjusted(timed, benjamini_hochberg)]


def _adjusted(
    contrasts: Sequence[Contrast], method: Callable[[Sequence[float]], list[float]]
) -> list[Contrast]:
    ps = iter(method([c.p for c in contrasts if c.p is not None]))
    return [c if c.p is None else replace(c, p_adjusted=next(ps)) for c in contrasts]


# --- latency ---------------------------------------------------------------------------------------------------------


def _latency(seconds: Sequence[float]) -> dict[str, Estimate]:
    n = len(seconds)
    found = {f"latency_p{q}": Estimate(*percentile_interval(seconds, q / 100), n, n) for q in (50, 95)}
    if 0 < n < P95_MIN:
        found["latency_max"] = Estimate(max(seconds), None, None, n, n)
    return found


def _latency_contrasts(
    latencies: Mapping[str, Sequence[float]], names: Sequence[str], base: str, draws: int, seed: int
) -> list[Contrast]:
    """Return log-latency contrasts with `base`, of the variants that were timed on as many questions as it."""
    timed = {
        (name, "log_latency"): np.log(np.maximum(latencies[name], 1e-9))
        for name in names
        if len(latencies.get(name, ())) == len(latencies.get(base, ())) > 0
    }
    pairs = [_Pair(name, base, metric) for name, metric in timed if name != base]
    n = len(latencies.get(base, ()))
    return _contrasts(timed, pairs, [""] * n, draws, seed)[0]


def _latency_warnings(latencies: Mapping[str, Sequence[float]]) -> list[str]:
    short = [name for name, seconds in latencies.items() if 0 < len(seconds) < P95_MIN]
    if not short:
        return []
    return [
        f"Latency p95 has no interval for {', '.join(short)}: fewer than {P95_MIN} timed answers. Read p50 and the maximum."
    ]


# --- warnings --------------------------------------------------------------------------------------------------------


def _warnings(clusters: Sequence[str], answerable: Sequence[bool], n: int) -> list[str]:
    found = []
    if n == 0:
        return ["There are no questions: nothing is compared."]
    if n < TOO_FEW:
        found.append(f"Only {n} questions: below {TOO_FEW} no variant is said to beat another.")
    elif n < FEW:
        found.append(
            f"Only {n} questions: below {FEW} only large differences can be shown (see the MDE column)."
        )
    units = int(cluster_codes(clusters, n).max()) + 1
    if not any(clusters):
        found.append("No question names a source document: all questions are treated as independent.")
    elif units < 20:
        found.append(
            f"The {n} questions come from {units} documents: intervals and tests rest on {units} clusters."
        )
    if answerable and all(answerable):
        found.append("No question is unanswerable: abstaining when it should is not measured.")
    return found


def _refusals(refused: Sequence[_Pair], primary: str) -> list[str]:
    found = [
        f"Refused: {a} - {b} on {primary}: more than {NULL_GAP:.0%} of the rows are null in one of them only."
        for a, b, metric in refused
        if metric == primary
    ]
    others = sorted({f"{metric} ({a} - {b})" for a, b, metric in refused if metric != primary})
    if others:
        found.append(f"Not contrasted, too many nulls in one arm only: {', '.join(others)}.")
    return found
