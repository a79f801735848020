"""The recommendation: seven steps from measured variants to a verdict that may be UNDECIDED, printed as a trace.

1 hard limits, 2 guardrails, 3 utility (and whether it is above that of saying nothing), 4 dominance, 5 superiority over
the cheapest, 6 equivalence, 7 undecided. The same input and seed print the same trace. Costs and values come from the
user; no provider, model or file is known here. Baselines are shown by the comparison and cannot win.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from graft.decision.compare import Scores, column
from graft.decision.inference.contrasts import NULL_GAP
from graft.decision.inference.resampling import Floats
from graft.decision.recommending.case import Case, accuracy_line, utility_lines, what_ifs
from graft.decision.recommending.explain import (
    Failures,
    best_two,
    break_even_line,
    drivers,
    failure_lines,
    sensitivity_lines,
    stratum_lines,
)
from graft.decision.recommending.screening import (
    SILENCE,
    Limits,
    Screened,
    chance,
    dominated,
    guardrails,
    hard_limits,
    surely_above,
    surely_as_fast,
    worse_than_silence,
)
from graft.decision.recommending.utility import Values
from graft.decision.recommending.verdict import UNDECIDED, Verdict, decide
from graft.decision.statistics import DRAWS
from graft.errors import ConfigError, UnknownName
from graft.types import Comparison, Estimate, Recommendation, Value

__all__ = ["Limits", "Values", "recommend"]

FIRST_SAMPLE = 200
"""How many questions a first comparison should have: a 9-point difference shows at 20 % discordance."""


@dataclass(frozen=True)
class _Evidence:
    """What the steps rest on and no setting of values, prices or volume changes."""

    metrics: Mapping[str, Mapping[str, Estimate]]
    limits: Limits
    margin: float
    fence: Screened
    faster: set[tuple[str, str]] | None
    p95: Mapping[str, float]


@dataclass(frozen=True)
class _Outcome:
    left: list[str]
    verdict: Verdict | None
    rejected: Mapping[str, str]
    trace: list[str]
    misled: str = ""


def recommend(
    comparison: Comparison,
    scores: Scores,
    *,
    questions: Sequence[str],
    clusters: Sequence[str],
    answerable: Sequence[bool] = (),
    strata: Sequence[str] = (),
    costs: Mapping[str, float | None],
    values: Values | None = None,
    limits: Limits | None = None,
    margin: float = 0.03,
    latencies: Mapping[str, Sequence[float]] | None = None,
    monthly: Mapping[str, float] | None = None,
    queries_per_month: float = 10_000,
    failures: Failures | None = None,
    reference: str = "base",
    outcome: str = "truthfulness",
    contract: str = "format",
    seed: int,
    draws: int = DRAWS,
) -> Recommendation:
    """Return the verdict on the variants of `comparison`, with its trace.

    `scores` as given to `compare`, along `questions` and `clusters`; `outcome` names the metric that is +1 / 0 / -1
    for right / not given / wrong (or between them, where right is a matter of degree), `contract` the one that is 1 or 0
    where a question has a format contract (it counts on `answerable` questions only: declining needs no form; empty means that all are). With `strata` the trace also
    tells which variant is best in each, and a reason warns when that is another one. `costs`
    are USD an answer, None where no price is known (costs are then left out of every utility, and said so);
    `monthly` USD that a variant costs a month whatever the volume (hosting, refresh, training spread over its
    life). Variants stand in the order from simple to elaborate, which breaks ties in cost. `failures` is what
    `failures.attribute` returned for each variant. Raises ConfigError when a setting is out of range.
    """
    values, limits = values or Values(), limits or Limits()
    _check(values, margin, queries_per_month)
    names = [name for name in comparison.variants if name in scores and name not in comparison.baselines]
    kept, gaps = _common_rows(names, scores, outcome, len(questions))
    names = [name for name in names if name not in gaps]
    if not names or not kept.any():
        return _nothing([], gaps, len(questions))
    case = Case(
        names=tuple(names),
        questions=_taken(questions, kept),
        clusters=_taken(clusters, kept),
        outcome={name: column(scores[name][outcome])[kept] for name in names},
        formats={name: _contract(scores[name], contract, answerable, len(kept))[kept] for name in names},
        query={name: costs.get(name) for name in names},
        monthly=dict(monthly or {}),
        volume=queries_per_month,
        values=values,
        seed=seed,
        draws=draws,
        strata=_taken(strata, kept) if strata else (),
        unanswerable=tuple(not known for known, take in zip(answerable, kept, strict=True) if take)
        if answerable
        else (),
    )
    base = reference if reference in names else names[0]
    fence = guardrails(names, base, limits, scores, clusters)
    evidence = _evidence(case, comparison, limits, margin, fence, latencies or {})
    return _assembled(case, evidence, gaps, failures or {})


def _evidence(
    case: Case,
    comparison: Comparison,
    limits: Limits,
    margin: float,
    fence: Screened,
    latencies: Mapping[str, Sequence[float]],
) -> _Evidence:
    timed = {name: list(latencies[name]) for name in case.names if latencies.get(name)}
    return _Evidence(
        metrics=comparison.variants,
        limits=limits,
        margin=margin,
        fence=fence,
        faster=surely_as_fast(timed, case.draws, case.seed) if len(timed) == len(case.names) else None,
        p95={name: float(np.quantile(seconds, 0.95)) for name, seconds in timed.items()},
    )


def _steps(case: Case, evidence: _Evidence) -> _Outcome:
    broken, first = hard_limits(
        case.names, evidence.limits, costs=case.costs, p95=evidence.p95, metrics=evidence.metrics
    )
    fenced, second = evidence.fence
    third = utility_lines(case, case.utility_estimates())
    eligible = [name for name in case.names if name not in broken and name not in fenced]
    accuracy = accuracy_line(case, eligible) if eligible else None
    if accuracy:
        third.append(accuracy[0])
    worth = {name: case.worth(name) for name in case.names}
    if (silence := case.silence()) is not None:
        worth[SILENCE] = silence
    better = surely_above(worth, case.clusters, case.draws, case.seed)
    mute, told = worse_than_silence(eligible, worth, better)
    third += told
    eligible = [name for name in eligible if name not in mute]
    beaten, fourth = dominated(eligible, better=better, faster=evidence.faster, costs=case.costs)
    left = [name for name in eligible if name not in beaten]
    trace, rejected = [*first, *second, *third, *fourth], {**beaten, **mute, **fenced, **broken}
    if not left:
        return _Outcome(left, None, rejected, trace)
    verdict = decide(
        {name: case.utility(name) for name in left},
        case.cheapest_first(left),
        case.clusters,
        margin=evidence.margin,
        draws=case.draws,
        seed=case.seed,
        word=case.order_word(left),
    )
    misled = accuracy[0].removeprefix("3 ") if accuracy and accuracy[1] else ""
    return _Outcome(left, verdict, rejected, [*trace, *verdict.lines], misled)


def _assembled(
    case: Case, evidence: _Evidence, gaps: Mapping[str, str], failures: Failures
) -> Recommendation:
    done = _steps(case, evidence)
    rejected = {**gaps, **done.rejected}
    trace = [f"0 {name} is dropped: {reason}" for name, reason in gaps.items()] + done.trace
    if done.verdict is None:
        nothing = _nothing(trace, rejected, len(case.questions))
        found = {name: dict(causes) for name, causes in failures.items()}
        tried = _sensitivity(case, evidence, (UNDECIDED, ()))
        return replace(nothing, utility=case.utility_estimates(), failures=found, sensitivity=tried,
                       trace=(*nothing.trace, *sensitivity_lines(tried)))  # fmt: skip
    verdict = done.verdict
    sensitivity = _sensitivity(case, evidence, (verdict.kind, verdict.candidates))
    probability = case.probability_best(done.left)
    chances = ", ".join(f"{name} {chance(p)}" for name, p in probability.items())
    trace.append(f"chance of being worth the most, from the bootstrap: {chances}")
    told, torn = stratum_lines(case, done.left, verdict)
    trace += told + sensitivity_lines(sensitivity)
    pair = verdict.candidates if len(verdict.candidates) == 2 else best_two(case, done.left)
    differing = drivers(case, pair)
    if len(pair) == 2:
        trace.append(f"{pair[0]} and {pair[1]} differ on {len(differing)} of {len(case.questions)} questions")
        trace += break_even_line(case, pair)
    trace += failure_lines(verdict, failures)
    return Recommendation(
        kind=verdict.kind,
        variant=verdict.variant,
        reasons=(*verdict.reasons, *([done.misled] if done.misled else []), *torn),
        trace=tuple(trace),
        utility=case.utility_estimates(),
        probability_best=probability,
        questions_needed=verdict.needed,
        sensitivity=sensitivity,
        rejected=rejected,
        candidates=verdict.candidates,
        drivers=differing,
        failures={name: dict(found) for name, found in failures.items()},
    )


def _sensitivity(
    case: Case, evidence: _Evidence, verdict: tuple[str, tuple[str, ...]]
) -> tuple[dict[str, Any], ...]:
    """Decide again under other values, prices and volumes. `verdict` is the kind and candidates that stand now; a kind
    without any candidate means that no variant is fit to serve."""
    rows = []
    for what, at, changed in what_ifs(case):
        other = _steps(changed, evidence).verdict
        kind, variant, candidates = (
            (UNDECIDED, None, ()) if other is None else (other.kind, other.variant, other.candidates)
        )
        rows.append({"what": what, "at": at, "kind": kind, "variant": variant, "candidates": list(candidates),
                     "changes": (kind, candidates) != verdict})  # fmt: skip
    return tuple(rows)


# --- input -----------------------------------------------------------------------------------------------------------


def _check(values: Values, margin: float, queries_per_month: float) -> None:
    if values.right <= 0 or values.wrong < 0 or not 0 <= values.format <= 1:
        raise ConfigError(
            "The value of a right answer must be above 0, the loss of a wrong one not below 0, format within 0..1.",
            "See [decision] in graft.toml.",
        )
    if margin <= 0 or queries_per_month <= 0:
        raise ConfigError(
            "The margin and the queries a month must be above 0.", "See [decision] in graft.toml."
        )


def _common_rows(
    names: Sequence[str], scores: Scores, outcome: str, n: int
) -> tuple[np.ndarray[Any, np.dtype[np.bool_]], dict[str, str]]:
    """Return which questions every usable variant has an outcome for, and the variants that lack more than 2 % of the
    rows that others have: the verdict would be on the rows they happened to answer."""
    lacking = {}
    for name in names:
        if outcome not in scores[name]:
            raise UnknownName("metric", outcome, scores[name], f"the outcome of variant {name!r}")
        lacking[name] = np.isnan(column(scores[name][outcome]))
    anywhere = (
        np.any([~missing for missing in lacking.values()], axis=0) if lacking else np.zeros(n, dtype=bool)
    )
    gaps = {}
    for name, missing in lacking.items():
        share = float(np.mean(missing & anywhere)) if n else 0.0
        if share > NULL_GAP:
            gaps[name] = (
                f"{share:.1%} of its rows have no {outcome} where another variant has one (limit {NULL_GAP:.0%})"
            )
    usable = [~missing for name, missing in lacking.items() if name not in gaps]
    return (np.all(usable, axis=0) if usable else np.zeros(n, dtype=bool)), gaps


def _taken(items: Sequence[str], kept: np.ndarray[Any, np.dtype[np.bool_]]) -> tuple[str, ...]:
    return tuple(item for item, take in zip(items, kept, strict=True) if take)


def _contract(
    metrics: Mapping[str, Sequence[Value]], contract: str, answerable: Sequence[bool], n: int
) -> Floats:
    kept = column(metrics[contract]) if contract in metrics else np.full(n, np.nan)
    return np.where(np.asarray(answerable, dtype=bool), kept, np.nan) if answerable else kept


def _nothing(trace: list[str], rejected: Mapping[str, str], n: int) -> Recommendation:
    """The verdict when no variant or no question is left."""
    needed, details = None, tuple(f"{name}: {why}" for name, why in rejected.items())
    if n == 0:
        needed = FIRST_SAMPLE
        reason = f"There are no questions: write about {needed}, a fifth of them unanswerable."
    elif rejected:
        reason = "No variant is fit to serve."
    else:
        reason = "No variant has an outcome to decide on."
    return Recommendation(
        kind=UNDECIDED,
        variant=None,
        reasons=details or (reason,),
        trace=(*trace, f"7 UNDECIDED: {reason}"),
        questions_needed=needed,
        rejected=dict(rejected),
    )
