"""Runs side by side: an estimate for every variant and metric, and paired contrasts between variants.

Takes the `Value` of each question (what a metric returned) and gives a `Comparison`. It knows neither what a metric
means nor how an answer was made; the one thing it is told is which metric decides (`primary`). A null never becomes a
number: each estimate prints how many rows it rests on, and a contrast in which one arm lacks more than 2 % of the
rows that the other has is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np

from graft.decision.inference.contrasts import (
    ALPHA,
    NULL_GAP,
    P95_MIN,
    Columns,
    Pair,
    adjusted,
    contrasts,
    estimates,
    explored,
    latency,
    latency_contrasts,
)
from graft.decision.inference.resampling import Floats, cluster_codes
from graft.decision.statistics import DRAWS, holm
from graft.errors import ConfigError, UnknownName
from graft.types import Comparison, Contrast, Estimate, Value

FEW, TOO_FEW = 100, 30
"""Below 100 questions a comparison warns; below 30 it does not say that one variant beats another."""

Scores = Mapping[str, Mapping[str, Sequence[Value]]]


def column(values: Sequence[Value]) -> Floats:
    """Return the values as floats, NaN for null."""
    return np.array([np.nan if v.value is None else v.value for v in values], dtype=np.float64)


def compare(
    scores: Scores,
    *,
    questions: Sequence[str],
    clusters: Sequence[str],
    strata: Sequence[str] = (),
    subsets: Mapping[str, Sequence[bool]] | None = None,
    answerable: Sequence[bool] = (),
    primary: str = "truthfulness",
    reference: str = "base",
    baselines: Sequence[str] = ("extractive", "bm25"),
    latencies: Mapping[str, Sequence[float]] | None = None,
    first_words: Mapping[str, Sequence[float]] | None = None,
    fingerprints: Mapping[str, str] | None = None,
    seed: int,
    draws: int = DRAWS,
) -> Comparison:
    """Compare variants that answered the same questions.

    `scores[variant][metric]`, `clusters`, `strata`, each of `subsets` and `answerable` run along `questions`; a
    question is in one stratum and any number of subsets, which are measured alike. `latencies` are seconds a request of
    each variant, the i-th of each for the same question; `first_words` those until something is said. Contrasts, each
    with its interval and its minimum detectable effect: all pairs of the variants that can win on the primary metric
    (Holm; the effect at the first Holm step), and, exploratory (Benjamini-Hochberg), each variant against `reference`
    on every other metric, on the logarithm of latency, and on the primary metric within each stratum. Contrasts are
    later minus earlier in the order of `scores`. Raises ConfigError when the primary metric is missing or lengths
    differ.
    """
    columns = _columns(scores, len(questions), primary)
    shown = tuple(name for name in baselines if name in scores)
    names = [name for name in scores if name not in shown]
    base = reference if reference in names else next(iter(names), "")
    timed = latencies or {}

    variants = estimates(columns, clusters, draws, seed)
    for name, seconds in timed.items():
        variants.setdefault(name, {}).update(latency(seconds))
    for name, seconds in (first_words or {}).items():
        variants.setdefault(name, {}).update(latency(seconds, "ttft") if seconds else {})
    pairs = [Pair(b, a, primary) for a, b in combinations(names, 2)]
    secondary = [
        Pair(name, base, metric)
        for name in names
        if name != base
        for metric in scores[name]
        if metric != primary and metric in scores[base]
    ]
    alpha = ALPHA / max(1, len(pairs))
    family, refused = contrasts(columns, pairs, clusters, draws, seed, alpha=alpha)
    others, unpaired = contrasts(columns, secondary, clusters, draws, seed)
    others += latency_contrasts(timed, names, base, draws, seed)

    by_stratum: dict[str, Mapping[str, Mapping[str, Estimate]]] = {}
    versus = [Pair(name, base, primary) for name in names if name != base]
    for stratum, within, kept in _parts(columns, clusters, strata, subsets or {}):
        by_stratum[stratum] = estimates(within, kept, draws, seed)
        others += contrasts(within, versus, kept, draws, seed, stratum=stratum)[0]

    warnings = _warnings(clusters, answerable, len(questions)) + _latency_warnings(timed)
    return Comparison(
        questions=len(questions),
        primary=primary,
        variants=variants,
        contrasts=(*adjusted(family, holm), *explored(others)),
        strata=by_stratum,
        baselines=shown,
        warnings=(*warnings, *_refusals(refused + unpaired, primary)),
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


# --- parts -------------------------------------------------------------------------------------------------------------


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


def _parts(
    columns: Columns, clusters: Sequence[str], strata: Sequence[str], subsets: Mapping[str, Sequence[bool]]
) -> Iterator[tuple[str, Columns, list[str]]]:
    """Yield each stratum and subset with its rows of the columns and their clusters; an unnamed stratum is none."""
    named = {stratum: [name == stratum for name in strata] for stratum in sorted(set(strata) - {""})}
    for stratum, chosen in {**named, **subsets}.items():
        rows = np.array(chosen, dtype=bool)
        kept = [cluster for cluster, take in zip(clusters, rows, strict=True) if take]
        yield stratum, {key: values[rows] for key, values in columns.items()}, kept


def _latency_warnings(latencies: Mapping[str, Sequence[float]]) -> list[str]:
    short = [name for name, seconds in latencies.items() if 0 < len(seconds) < P95_MIN]
    if not short:
        return []
    return [
        f"Latency p95 has no interval for {', '.join(short)}: fewer than {P95_MIN} timed answers. Read p50 and the maximum."
    ]


def _warnings(clusters: Sequence[str], answerable: Sequence[bool], n: int) -> list[str]:
    found = []
    if n == 0:
        return ["There are no questions: nothing is compared."]
    if n < TOO_FEW:
        found.append(f"Only {n} questions: below {TOO_FEW} no variant is said to beat another.")
    elif n < FEW:
        found.append(
            f"Only {n} questions: below {FEW} only large differences can be shown; the report says how large."
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


def _refusals(refused: Sequence[Pair], primary: str) -> list[str]:
    found = [
        f"Refused: {a} - {b} on {primary}: more than {NULL_GAP:.0%} of the rows are null in one of them only."
        for a, b, metric in refused
        if metric == primary
    ]
    others: dict[str, dict[str, None]] = {}
    for a, b, metric in refused:
        if metric != primary:
            others.setdefault(f"{a} - {b}", {})[metric] = None
    if others:
        listed = "; ".join(f"{', '.join(sorted(metrics))} ({pair})" for pair, metrics in others.items())
        found.append(f"Not compared, since only one of the two has a value on enough questions: {listed}.")
    return found
