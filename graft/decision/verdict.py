"""The last steps of a recommendation: whether a dearer variant is worth it, all are alike, or the data do not tell.

Takes one utility a question and variant, in the order of what the variants cost; knows nothing of how the utility
was made. Arms are compared with the cheapest one still in question; an arm that the best one beats by more than the
margin is set aside and the next cheapest takes its place, so that "RECOMMEND x" also holds against arms that cost
something in between. Deterministic given the seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from graft.decision.compare import TOO_FEW
from graft.decision.power import mde, sample_size
from graft.decision.resampling import Floats, cluster_codes, standard_error, totals
from graft.decision.screening import p_value
from graft.decision.statistics import Interval, noninferiority, paired_difference

ALPHA = 0.05
HOPELESS = 10_000
"""Above this many questions to collect, the advice is not to."""

PLAN = 0.1
"""The difference for which the number of questions is always told: one that most teams would act on."""
SPREAD = 1e-12
"""A standard deviation below this is rounding: all differences are alike."""

RECOMMEND, KEEP, UNDECIDED = "RECOMMEND", "KEEP_THE_CHEAPER", "UNDECIDED"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was decided, why, and the printed steps. `candidates`: the cheaper first, then its rival."""

    kind: str
    variant: str | None
    candidates: tuple[str, ...]
    reasons: tuple[str, ...]
    lines: tuple[str, ...]
    needed: int | None = None


def decide(
    utility: Mapping[str, Floats],
    cheapest_first: Sequence[str],
    clusters: Sequence[str],
    *,
    margin: float,
    draws: int,
    seed: int,
) -> Verdict:
    """Return the verdict on the arms of `cheapest_first` from their utility a question (paired, without nulls)."""
    remaining = list(cheapest_first)
    if len(remaining) == 1:
        only = remaining[0]
        line = f"5 {only} is the only variant left: RECOMMEND {only}"
        reason = f"{only} is the only variant left after limits, guardrails and dominance."
        return Verdict(RECOMMEND, only, (only,), (reason,), (line,))
    n = len(utility[remaining[0]])
    level = 1 - ALPHA / (len(remaining) - 1)
    lines: list[str] = []
    beaten: list[str] = []
    while len(remaining) > 1:
        cheapest = remaining[0]
        # On a tie the cheaper one is taken as the best: max returns the first.
        best = max(remaining, key=lambda name: float(utility[name].mean()))
        others = [cheapest] if best != cheapest else remaining[1:]
        won = n >= TOO_FEW
        for other in others:
            gap = paired_difference(
                utility[best], utility[other], clusters, draws=draws, seed=seed, level=level
            )
            lines.append(_superiority(best, other, gap, level, margin))
            won = won and gap.low is not None and gap.low > margin
        if not won:
            return _alike_or_open(
                utility, remaining, best, clusters, lines, beaten, margin=margin, level=level
            )
        beaten += others
        remaining = [name for name in remaining if name not in others]
    winner = remaining[0]
    gain = f"{winner} beats {_list(beaten)} by more than the margin of {margin:g} in utility."
    lines.append(f"5 {winner} beats {_list(beaten)} by more than the margin: RECOMMEND {winner}")
    return Verdict(RECOMMEND, winner, (winner,), (gain,), tuple(lines))


def _superiority(best: str, other: str, gap: Interval, level: float, margin: float) -> str:
    limits = "no interval" if gap.low is None else f"[{gap.low:+.3f}, {gap.high:+.3f}]"
    verdict = "above" if gap.low is not None and gap.low > margin else "not above"
    return (
        f"5 utility of {best} - {other} = {gap.value:+.3f} {limits} ({level:.2%} interval, Holm's first step): "
        f"the lower limit is {verdict} the margin {margin:+.3f}"
    )


def _alike_or_open(
    utility: Mapping[str, Floats],
    remaining: Sequence[str],
    best: str,
    clusters: Sequence[str],
    lines: list[str],
    beaten: Sequence[str],
    *,
    margin: float,
    level: float,
) -> Verdict:
    """Steps 6 and 7: KEEP_THE_CHEAPER when no dearer arm is better by the margin, else UNDECIDED."""
    cheapest, n = remaining[0], len(utility[best])
    ps = {
        rival: noninferiority(utility[cheapest], utility[rival], margin, clusters) for rival in remaining[1:]
    }
    for rival, p in ps.items():
        word = "yes" if p < ALPHA else "not shown"
        lines.append(
            f"6 is {rival} better than {cheapest} by less than {margin:g}? One-sided {p_value(p)}: {word}"
        )
    if all(p < ALPHA for p in ps.values()) and n >= TOO_FEW:
        reason = f"No dearer variant is better than {cheapest} by {margin:g} or more in utility; {cheapest} costs least."
        lines.append(f"6 no dearer variant is worth it: KEEP THE CHEAPER, {cheapest}")
        return Verdict(KEEP, cheapest, (cheapest,), (reason,), tuple(lines))
    rival = best if best != cheapest else max(ps, key=lambda name: ps[name])
    return _undecided(
        utility[rival] - utility[cheapest], cheapest, rival, clusters, lines, beaten, margin, 1 - level
    )


def _undecided(
    difference: Floats,
    cheaper: str,
    rival: str,
    clusters: Sequence[str],
    lines: list[str],
    beaten: Sequence[str],
    margin: float,
    alpha: float,
) -> Verdict:
    n = len(difference)
    error = float(standard_error(*totals(difference[:, None], cluster_codes(clusters, n)))[0])
    sd = error * float(np.sqrt(n)) if n >= 2 else float("nan")
    needed = questions_needed(float(difference.mean()), sd, n, margin=margin, alpha=alpha)
    effect = mde(n, sd=sd, alpha=alpha) if sd > SPREAD else None
    shown = (
        f"{n} questions can show a difference of {effect:.3f}" if effect else f"{n} questions show no spread"
    )
    if sd > SPREAD:
        shown += f" ({sample_size(PLAN, sd=sd, alpha=alpha):,} show {PLAN:.2f})"
    if needed > HOPELESS:
        advice = f"it would take about {needed:,} more to decide: too close to call, let the cost decide ({cheaper})"
    else:
        advice = f"collect about {needed:,} more to decide, if the difference seen is the true one"
    lines.append(f"7 UNDECIDED between {cheaper} (cheaper) and {rival}: {shown}; {advice}")
    reasons = [f"The data cannot tell {cheaper} and {rival} apart: {shown}; {advice}."]
    if n < TOO_FEW:
        reasons.append(f"Only {n} questions: below {TOO_FEW} no verdict is given.")
    if beaten:
        reasons.append(f"Either is better than {_list(beaten)}.")
    reasons.append(f"Until then {cheaper} is the cheaper choice.")
    return Verdict(UNDECIDED, None, (cheaper, rival), tuple(reasons), tuple(lines), needed)


def questions_needed(difference: float, sd: float, n: int, *, margin: float, alpha: float) -> int:
    """Return how many more questions would decide with 80 % power, should the difference seen be the true one.

    Beyond the margin: enough to put the lower limit above it (two-sided `alpha`); within it: enough for the one-sided
    equivalence test at 5 %. Never more than show a difference as small as the margin itself: whoever is still in doubt
    then can take either. Never less than what is missing to 30 questions; without any spread seen, what is missing
    to the 200 that a first comparison should have.
    """
    if not sd > SPREAD:
        return max(200 - n, TOO_FEW - n, 1)
    total = sample_size(margin, sd=sd, alpha=alpha)
    room = abs(abs(difference) - margin)
    if room > 0:
        beyond = abs(difference) > margin
        total = min(total, sample_size(room, sd=sd, alpha=alpha if beyond else 2 * ALPHA))
    return max(total - n, TOO_FEW - n, 1)


def _list(names: Sequence[str]) -> str:
    return " and ".join(names) if len(names) < 3 else f"{', '.join(names[:-1])} and {names[-1]}"
