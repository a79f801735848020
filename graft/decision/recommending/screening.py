"""The first steps of a recommendation: which variants may win at all.

Hard limits, guardrails and dominance, each as a function that returns the variants it drops with the reason, and
the lines to print. Knows numbers and names, not how answers are made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from graft.decision.compare import TOO_FEW, Scores, column
from graft.decision.inference.resampling import Floats, bootstrap_means, cluster_codes, totals
from graft.decision.statistics import noninferiority
from graft.errors import UnknownName
from graft.types import Estimate

ALPHA = 0.05
CONFIDENCE = 0.95
SILENCE = "declining every question"

Screened = tuple[dict[str, str], list[str]]
"""Variant → why it was dropped; the lines to print."""


@dataclass(frozen=True, slots=True)
class Apart:
    """A guarded figure measured on other items than the questions: one value an item of a variant and of the reference,
    along `clusters`; higher is better."""

    own: tuple[float, ...]
    reference: tuple[float, ...]
    clusters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a variant must keep to be eligible.

    `max_p95` seconds and `max_cost_per_query` USD; `floors` the least mean of a metric (higher is better), e.g.
    {"citation_recall": 0.8} where answers must cite; `excluded` variant → reason for what is no measurement (privacy,
    licence, freshness). `guardrails` metric → margin: the variant must not be worse than the reference by the margin
    or more; higher is better, but for the metrics named in `lower`, of which less is better. A variant is dropped when
    its mean is beyond the margin and non-inferiority is not shown; one whose mean is within the margin without proof
    stays, with a note, since proof of a 1-point margin takes thousands of questions. `strict` drops those too. `apart` guarded metric → variant → what was measured elsewhere than
    on the questions; a variant that has nothing there had nothing to lose, so one that was not measured belongs in `excluded`.
    """

    max_p95: float | None = None
    max_cost_per_query: float | None = None
    floors: Mapping[str, float] = field(default_factory=dict)
    guardrails: Mapping[str, float] = field(default_factory=dict)
    lower: frozenset[str] = frozenset()
    excluded: Mapping[str, str] = field(default_factory=dict)
    strict: bool = False
    apart: Mapping[str, Mapping[str, Apart]] = field(default_factory=dict)


def hard_limits(
    names: Sequence[str],
    limits: Limits,
    *,
    costs: Mapping[str, float | None],
    p95: Mapping[str, float],
    metrics: Mapping[str, Mapping[str, Estimate]],
) -> Screened:
    """Step 1: drop what breaks a limit. A limit on what was not measured drops too: unknown is not fine."""
    dropped: dict[str, str] = {}
    for name in names:
        cost, slow = costs.get(name), p95.get(name)
        if name in limits.excluded:
            dropped[name] = limits.excluded[name]
        elif limits.max_cost_per_query is not None and (cost is None or cost > limits.max_cost_per_query):
            told = "unknown" if cost is None else money(cost)
            dropped[name] = (
                f"its cost is {told} per 1,000 answers, the limit {money(limits.max_cost_per_query)}"
            )
        elif limits.max_p95 is not None and (slow is None or slow > limits.max_p95):
            told = "not measured" if slow is None else f"{slow:.2f} s"
            dropped[name] = f"its p95 latency is {told}, the limit {limits.max_p95:g} s"
        else:
            for metric, floor in limits.floors.items():
                mean = _estimate(metrics[name], metric).mean
                if mean is None or mean < floor:
                    told = "not measured" if mean is None else f"{mean:.3f}"
                    dropped[name] = f"its {metric} is {told}, the floor {floor:g}"
    declared = limits.max_p95 or limits.max_cost_per_query or limits.floors or limits.excluded
    lines = [f"1 limits: {name} is dropped: {reason}" for name, reason in dropped.items()]
    return dropped, lines or [f"1 limits: {'all variants keep them' if declared else 'none are set'}"]


def _estimate(metrics: Mapping[str, Estimate], metric: str) -> Estimate:
    if metric not in metrics:
        raise UnknownName("metric", metric, metrics, "in the limits of the decision")
    return metrics[metric]


def guardrails(
    names: Sequence[str], reference: str, limits: Limits, scores: Scores, clusters: Sequence[str]
) -> Screened:
    """Step 2: drop what is worse than the reference on a guarded metric (one-sided non-inferiority at 5 %)."""
    dropped: dict[str, str] = {}
    lines: list[str] = []
    for metric, margin in limits.guardrails.items():
        sign = -1.0 if metric in limits.lower else 1.0
        if metric in limits.apart:
            pairs = {name: limits.apart[metric][name] for name in names if name in limits.apart[metric]}
            if not pairs:
                lines.append(f"2 guardrail {metric}: nothing was measured that a variant could have lost")
        else:
            pairs = {name: _on_questions(metric, name, reference, scores, clusters) for name in names}
        for name, pair in pairs.items():
            if name == reference:
                continue
            if not pair.own:
                lines.append(
                    f"2 guardrail {metric}: {name} and {reference} share no scored question: not judged"
                )
                continue
            own, base = sign * np.asarray(pair.own), sign * np.asarray(pair.reference)
            p = noninferiority(own, base, margin, pair.clusters)
            gap = float((own - base).mean())
            # Printed as measured: more wrong answers are a gap above 0, against a margin above 0.
            told = f"{name} - {reference} = {sign * gap:+.3f}, margin {-sign * margin:+g}, one-sided {p_value(p)}"
            if p < ALPHA:
                lines.append(f"2 guardrail {metric}: {told}: kept")
            elif gap < -margin or limits.strict:
                lines.append(f"2 guardrail {metric}: {told}: {name} is dropped")
                dropped.setdefault(name, f"guardrail {metric}: {told}")
            else:
                lines.append(f"2 guardrail {metric}: {told}: not shown, {name} stays")
    return dropped, lines or ["2 guardrails: none are set"]


def _on_questions(metric: str, name: str, reference: str, scores: Scores, clusters: Sequence[str]) -> Apart:
    """Return a guarded metric of a variant and of the reference on the questions that both have a value of."""
    if metric not in scores[reference]:
        raise UnknownName("metric", metric, scores[reference], "a guardrail of the decision")
    own, base = column(scores[name][metric]), column(scores[reference][metric])
    both = ~np.isnan(own) & ~np.isnan(base)
    kept = tuple(cluster for cluster, take in zip(clusters, both, strict=True) if take)
    return Apart(tuple(own[both].tolist()), tuple(base[both].tolist()), kept)


def surely_above(
    worth: Mapping[str, Floats], clusters: Sequence[str], draws: int, seed: int
) -> set[tuple[str, str]]:
    """Return the pairs (a, b) in which the mean of a is above that of b in at least 95 % of the draws. Strictly above:
    two variants with the same answers are a matter for the equivalence test, which minds how few they were."""
    names = list(worth)
    stacked = np.stack([worth[name] for name in names], axis=1)
    means = bootstrap_means(*totals(stacked, cluster_codes(clusters, len(stacked))), draws, seed)
    return {
        (a, b)
        for i, a in enumerate(names)
        for j, b in enumerate(names)
        if i != j and len(stacked) >= TOO_FEW and np.mean(means[:, i] > means[:, j]) >= CONFIDENCE
    }


def surely_as_fast(latencies: Mapping[str, Sequence[float]], draws: int, seed: int) -> set[tuple[str, str]]:
    """Return the pairs (a, b) in which a's p95 is not above b's in at least 95 % of the draws. Arms with equally many
    timings share their draws: the i-th timing is of the same question."""
    drawn = {}
    for name, seconds in latencies.items():
        if seconds:
            picks = np.random.default_rng(seed).integers(0, len(seconds), size=(draws, len(seconds)))
            drawn[name] = np.quantile(np.asarray(seconds, dtype=np.float64)[picks], CONFIDENCE, axis=1)
    return {(a, b) for a in drawn for b in drawn if a != b and np.mean(drawn[a] <= drawn[b]) >= CONFIDENCE}


def dominated(
    names: Sequence[str],
    *,
    better: set[tuple[str, str]],
    faster: set[tuple[str, str]] | None,
    costs: Mapping[str, float | None],
) -> Screened:
    """Step 4: drop what another variant surely beats in the worth of its answers, at no higher p95 and a lower cost.

    `better` and `faster` hold the pairs (a, b) of `surely_above` and `surely_as_fast`; without timings
    (`faster` None) speed is left out. Costs are compared as they are; equal or unknown costs dominate nothing.
    """
    dropped: dict[str, str] = {}
    for name in names:
        for other in names:
            own, less = costs.get(name), costs.get(other)
            if other == name or other in dropped or own is None or less is None or less >= own:
                continue
            if (other, name) in better and (faster is None or (other, name) in faster):
                dropped[name] = (
                    f"the answers of {other} are worth more{'' if faster is None else ' and no slower'} (95 % sure) and cost less"
                )
                break
    lines = [f"4 dominance: {name} is dropped: {reason}" for name, reason in dropped.items()]
    return dropped, lines or ["4 dominance: no variant is surely beaten by a cheaper one"]


def worse_than_silence(
    names: Sequence[str], worth: Mapping[str, Floats], better: set[tuple[str, str]]
) -> Screened:
    """Step 3: drop a variant if declining every question is surely (95 %) worth more than its answers: whoever serves
    it loses by it, however it stands to the others. `worth` and `better` (of `surely_above`) hold SILENCE beside the
    names; without it nothing is dropped."""
    if SILENCE not in worth:
        return {}, []
    mean = float(worth[SILENCE].mean())
    dropped = {
        name: f"its answers are worth {float(worth[name].mean()):+.3f} a question, declining every one {mean:+.3f} (95 % sure)"
        for name in names
        if (SILENCE, name) in better
    }
    lines = [f"3 silence: {name} is dropped: {reason}" for name, reason in dropped.items()]
    return dropped, lines or [f"3 silence: {SILENCE} is worth {mean:+.3f}, not surely more than any variant"]


def money(usd: float) -> str:
    """Return USD an answer as USD per 1,000 answers, in which the figures are readable."""
    return f"${usd * 1000:.4g}"


def chance(p: float) -> str:
    """Return a probability from draws as a percentage, never as certain: other draws might have shown the rest."""
    return "< 1%" if p < 0.01 else "> 99%" if p > 0.99 else f"{p:.0%}"


def p_value(p: float) -> str:
    """Return a p-value as printed: four decimals, never 0."""
    return f"p = {p:.4f}" if p >= 0.0001 else "p < 0.0001"
