"""What goes with a verdict: what would change it, what drove it, when it pays and what to fix next.

Turns numbers that are already decided into printed lines; decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graft.decision.compare import TOO_FEW, Scores, column
from graft.decision.costs.cost import Running, break_even
from graft.decision.inference.intervals import difference_intervals
from graft.decision.recommending.case import Case
from graft.decision.recommending.failures import CAUSES
from graft.decision.recommending.verdict import Verdict
from graft.types import Comparison

Failures = Mapping[str, Mapping[str, tuple[str, ...]]]


def sensitivity_lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the settings under which the verdict would be another one, or that there is none."""
    flips = [f"{_setting(row)}: {_verdict(row)}" for row in rows if row["changes"]]
    return [f"would change it, {line}" for line in flips] or [
        "nothing tried would change it: a wrong answer costing 0.5 to 4 times what a right one brings, half and twice the "
        "price of an answer, a tenth and ten times the volume"
    ]


_OTHERWISE = {
    "RECOMMEND": "recommend",
    "KEEP_THE_CHEAPER": "keep the cheaper,",
    "UNDECIDED": "undecided between",
}


def _verdict(row: Mapping[str, Any]) -> str:
    if not row["variant"] and not row["candidates"]:
        return "no variant is fit to serve"
    return f"{_OTHERWISE[row['kind']]} {row['variant'] or ' or '.join(row['candidates'])}"


def _setting(row: Mapping[str, Any]) -> str:
    """Return a setting that was tried, in words."""
    if str(row["what"]).startswith("loss"):
        return f"if a wrong answer cost {row['at']:g} times what a right one brings"
    return f"at {row['at']:g} times the {'price of an answer' if 'price' in row['what'] else 'volume'}"


def stratum_lines(case: Case, left: Sequence[str], verdict: Verdict) -> tuple[list[str], list[str]]:
    """Return the utility of each variant within each stratum as lines, and a warning for each stratum of at least 30
    questions in which no variant in question is the best with more than 5 % probability: one figure over seen and
    unseen documents hides just that."""
    lines, warnings = [], []
    for stratum in sorted(set(case.strata) - {""}):
        part = case.within(stratum)
        means = {name: float(part.utility(name).mean()) for name in left}
        best = max(left, key=lambda name: means[name])
        n = len(part.questions)
        told = ", ".join(f"{name} {mean:+.3f}" for name, mean in means.items())
        lines.append(f"in stratum {stratum} ({n} questions): {told}; best: {best}")
        chance = part.probability_best(left)
        if n >= TOO_FEW and sum(chance[name] for name in verdict.candidates) < 0.05:
            warnings.append(
                f"In stratum {stratum} ({n} questions) {best} is worth more "
                f"({told}): if that is your traffic, decide on it apart."
            )
    return lines, warnings


def best_two(case: Case, left: Sequence[str]) -> tuple[str, ...]:
    """Return the two with the highest utility, the best first (one when there is only one)."""
    return tuple(sorted(left, key=lambda name: -float(case.utility(name).mean()))[:2])


def drivers(case: Case, pair: Sequence[str]) -> tuple[str, ...]:
    """Return the questions on which the two differ in what the answer is worth, the largest difference first."""
    if len(pair) < 2:
        return ()
    size = np.abs(case.worth(pair[0]) - case.worth(pair[1]))
    order = np.argsort(-size, kind="stable")
    return tuple(case.questions[k] for k in order if size[k] > 1e-9)


def break_even_line(case: Case, pair: Sequence[str]) -> list[str]:
    """From how many answers a month the one with the higher fixed cost pays, its better answers counted as money."""
    fixed = {name: case.monthly.get(name, 0.0) for name in pair}
    low, high = sorted(pair, key=lambda name: fixed[name])
    # From worth and price, not from `utility`, which leaves all costs out when a third variant's is unknown.
    per_answer = {
        name: cost - float(case.worth(name).mean()) for name in pair if (cost := case.query[name]) is not None
    }
    if fixed[low] == fixed[high] or len(per_answer) < 2:
        return []
    volume = break_even(
        0,
        Running(per_answer[low], hosting=fixed[low]),
        0,
        Running(per_answer[high], hosting=fixed[high]),
        months=1,
    )
    told = "never" if volume is None else f"from {volume:,.0f} answers a month on"
    return [
        f"break-even with better answers counted as money, as large as seen here: {high} "
        f"(${fixed[high] - fixed[low]:,.2f} a month more) pays {told}; you plan {case.volume:,.0f}"
    ]


def headroom_line(
    comparison: Comparison, *, rag: str = "rag", oracle: str = "oracle", metric: str = "correct"
) -> list[str]:
    """Return what is to gain by better retrieval (oracle - rag) and what only a better model can (1 - oracle), in the
    share of right answers; nothing without an oracle arm, the variant that is shown the gold evidence."""
    found = [comparison.variants.get(name, {}).get(metric) for name in (rag, oracle)]
    means = [None if estimate is None else estimate.mean for estimate in found]
    searched, shown = means
    if searched is None or shown is None:
        return []
    return [
        f"Headroom in {metric}: better retrieval can bring {max(0.0, shown - searched):.3f} "
        f"({oracle} {shown:.3f} - {rag} {searched:.3f}), a better generator {1 - shown:.3f} (1 - {oracle})."
    ]


def knowledge_line(comparison: Comparison, *, base: str = "base", metric: str = "correct") -> list[str]:
    """Return what the model answers right without any document: what it knew, or has read in its own training, and no
    variant's merit. Nothing without the base variant, or when that knows nothing."""
    known = comparison.variants.get(base, {}).get(metric)
    if known is None or not known.mean:
        return []
    return [
        f"What the model knows without the documents: {base} is right on {known.mean:.1%} of the questions. That much is no gain "
        "of search or tuning."
    ]


def seed_line(names: Sequence[str], *, trained: Sequence[str] = ("tuned", "hybrid")) -> list[str]:
    """Return that the tuned variants rest on one training each, a single seed; nothing without one."""
    found = [name for name in names if name in trained]
    if not found:
        return []
    return [
        f"{' and '.join(found)}: a single training seed each; another one may score otherwise by more than the intervals say."
    ]


UNTRAINED = {"few-shot": "showing examples", "held": "holding the answers to their format"}
"""Arms that do without training what tuning is for, and what they do."""


def tuning_gain_lines(
    scores: Scores,
    clusters: Sequence[str],
    *,
    metrics: Sequence[str] = ("truthfulness", "format"),
    seed: int,
    draws: int,
) -> list[str]:
    """Return what tuning brings over each arm that needs none, with paired intervals; nothing without such an arm."""
    tuned = next((name for name in ("hybrid", "tuned") if name in scores), None)
    lines = []
    for arm, done in UNTRAINED.items():
        if tuned is None or arm not in scores:
            continue
        told = []
        for metric in metrics:
            gap = column(scores[tuned][metric]) - column(scores[arm][metric])
            [found] = difference_intervals(gap[:, None], clusters, draws=draws, seed=seed)
            if found.value is not None and found.low is not None:
                told.append(f"{found.value:+.3f} [{found.low:+.3f}, {found.high:+.3f}] in {metric}")
        lines += [f"Tuning over {done}: {tuned} - {arm} = {', '.join(told)}."] if told else []
    return lines


def failure_lines(verdict: Verdict, failures: Failures) -> list[str]:
    """Return what to work on next in each variant still in question, with the first question ids behind it."""
    lines = []
    for name in verdict.candidates:
        for reason, ids in failures.get(name, {}).items():
            some = ", ".join(ids[:5]) + (", ..." if len(ids) > 5 else "")
            lines.append(
                f"fix next in {name}: {reason}, {len(ids)} questions ({some}): {CAUSES.get(reason, '')}"
            )
    return lines
