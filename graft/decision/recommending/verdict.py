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
from graft.decision.inference.power import mde, sample_size
from graft.decision.inference.resampling import Floats, cluster_codes, standard_error, totals
from graft.decision.recommending.screening import p_value
from graft.decision.statistics import Interval, noninferiority, paired_difference

ALPHA = 0.05
HOPELESS = 10_000
"""Above this many questions to collect, the advice is not to."""

FEW_DOCUMENTS = 10
"""A verdict needs questions of so many documents: a bootstrap of fewer clusters cannot see beyond them."""
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


@dataclass(frozen=True)
class _Contest:
    """What stays the same from step to step. `word`: what the arm that comes first is, "cheaper" or "simpler"."""

    utility: Mapping[str, Floats]
    clusters: Sequence[str]
    margin: float
    level: float
    word: str

    @property
    def lacking(self) -> str:
        """Why these questions are too few for a verdict; empty when they are not."""
        n = len(self.clusters)
        documents = int(cluster_codes(self.clusters, n).max()) + 1
        if n < TOO_FEW:
            return f"Only {n} questions: below {TOO_FEW} no verdict is given."
        if documents < FEW_DOCUMENTS:
            return f"The {n} questions come from {documents} documents: below {FEW_DOCUMENTS} no verdict is given."
        return ""


def decide(
    utility: Mapping[str, Floats],
    cheapest_first: Sequence[str],
    clusters: Sequence[str],
    *,
    margin: float,
    draws: int,
    seed: int,
    word: str = "cheaper",
) -> Verdict:
    """Return the verdict on the arms of `cheapest_first` from their utility a question (paired, without nulls).

    `word` is how the order is told: "simpler" where costs are unknown or equal.
    """
    remaining = list(cheapest_first)
    if len(remaining) == 1:
        only = remaining[0]
        line = f"5 {only} is the only variant left: RECOMMEND {only}"
        reason = f"{only} is the only variant left after limits, guardrails and dominance."
        return Verdict(RECOMMEND, only, (only,), (reason,), (line,))
    contest = _Contest(utility, clusters, margin, 1 - ALPHA / (len(remaining) - 1), word)
    lines: list[str] = []
    beaten: list[str] = []
    while len(remaining) > 1:
        first = remaining[0]
        # On a tie the cheaper one is taken as the best: max returns the first.
        best = max(remaining, key=lambda name: float(utility[name].mean()))
        others = [first] if best != first else remaining[1:]
        gaps = {
            other: paired_difference(
                utility[best], utility[other], clusters, draws=draws, seed=seed, level=contest.level
            )
            for other in others
        }
        lines += [_superiority(contest, best, other, gap) for other, gap in gaps.items()]
        if contest.lacking or not all(_above(gap, margin) for gap in gaps.values()):
            ahead = best != first and (gaps[first].low or 0.0) > 0
            return _alike_or_open(contest, remaining, best, lines, beaten, ahead=ahead)
        beaten += others
        remaining = [name for name in remaining if name not in others]
    winner = remaining[0]
    gain = f"{winner} beats {_list(beaten)} by more than the margin of {margin:g} in utility."
    lines.append(f"5 {winner} beats {_list(beaten)} by more than the margin: RECOMMEND {winner}")
    return Verdict(RECOMMEND, winner, (winner,), (gain,), tuple(lines))


def _above(gap: Interval, margin: float) -> bool:
    return gap.low is not None and gap.low > margin


def _superiority(contest: _Contest, best: str, other: str, gap: Interval) -> str:
    limits = "no interval" if gap.low is None else f"[{gap.low:+.3f}, {gap.high:+.3f}]"
    verdict = "above" if _above(gap, contest.margin) else "not above"
    return (
        f"5 utility of {best} - {other} = {gap.value:+.3f} {limits} ({contest.level:.2%} interval, Holm's first step): "
        f"the lower limit is {verdict} the margin {contest.margin:+.3f}"
    )


def _alike_or_open(
    contest: _Contest,
    remaining: Sequence[str],
    best: str,
    lines: Sequence[str],
    beaten: Sequence[str],
    *,
    ahead: bool,
) -> Verdict:
    """Steps 6 and 7: KEEP_THE_CHEAPER when no other arm is better by the margin, else UNDECIDED. `ahead`: the best is
    shown to be better than the cheapest, and only by the margin it is not."""
    first, utility, margin = remaining[0], contest.utility, contest.margin
    ps = {
        rival: noninferiority(utility[first], utility[rival], margin, contest.clusters)
        for rival in remaining[1:]
    }
    tested = [
        f"6 is {rival} better than {first} by less than {margin:g}? One-sided {p_value(p)}: "
        f"{'yes' if p < ALPHA else 'not shown'}"
        for rival, p in ps.items()
    ]
    if all(p < ALPHA for p in ps.values()) and not contest.lacking:
        reason = f"No other variant is better than {first}, the {contest.word} one, by {margin:g} or more in utility."
        tested.append(f"6 no other variant is worth it: KEEP THE CHEAPER, {first}")
        return Verdict(KEEP, first, (first,), (reason,), (*lines, *tested))
    rival = best if best != first else max(ps, key=lambda name: ps[name])
    told, needed = _open(contest, first, rival)
    apart = (
        f"{rival} is better than {first}, but not shown to be better by the {margin:g} that matters to you"
        if ahead
        else f"The data cannot tell {first} and {rival} apart"
    )
    reasons = [f"{apart}: {told}.", contest.lacking]
    if beaten:
        reasons.append(f"Either is better than {_list(beaten)}.")
    reasons.append(f"Until then {first} is the {contest.word} choice.")
    last = f"7 UNDECIDED between {first} ({contest.word}) and {rival}: {told}"
    shown = tuple(reason for reason in reasons if reason)
    return Verdict(UNDECIDED, None, (first, rival), shown, (*lines, *tested, last), needed)


def _open(contest: _Contest, first: str, rival: str) -> tuple[str, int]:
    """Return what these questions could have shown and how many more would decide, as told and as a number."""
    difference = contest.utility[rival] - contest.utility[first]
    n, alpha = len(difference), 1 - contest.level
    error = float(standard_error(*totals(difference[:, None], cluster_codes(contest.clusters, n)))[0])
    sd = error * float(np.sqrt(n))
    needed = questions_needed(float(difference.mean()), sd, n, margin=contest.margin, alpha=alpha)
    effect = mde(n, sd=sd, alpha=alpha) if sd > SPREAD else None
    if effect is None:
        shown = f"{n} questions show no spread"
    else:
        plan = sample_size(PLAN, sd=sd, alpha=alpha)
        shown = f"{n} questions can show a difference of {effect:.3f} ({plan:,} show {PLAN:.2f})"
    if needed > HOPELESS:
        return (
            f"{shown}; it would take about {needed:,} more to decide: too close to call, take {first}",
            needed,
        )
    return f"{shown}; collect about {needed:,} more to decide, if the difference seen is the true one", needed


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
