"""Selective answering: give an answer only from a confidence on, and decline below it.

Numbers only, one a question: how sure an answer was, what came of it, and whether there was one to find. The threshold
is the one that makes development answers worth most (El-Yaniv & Wiener 2010, "On the foundations of noise-free
selective classification"; risk and coverage as in Geifman & El-Yaniv 2017). What the confidence is of is the caller's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from graft.decision.calibration import separation, short
from graft.decision.inference.intervals import DRAWS, Interval, paired_difference
from graft.decision.inference.resampling import Floats
from graft.decision.recommending.utility import Values, utilities

Flags = np.ndarray[tuple[int], np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True)
class Answered:
    """The answers of one variant, arrays of one length, at least 1.

    `confidence` is NaN where nothing can be withheld: the answer declines already, or its generator does not tell.
    `outcome` is +1 (right), 0 (an answer not given that there was), -1 (wrong), or a degree of it in between; `formats` as
    in `utility.utilities`; `answerable` whether there was an answer to give: declining is right where there was none.
    """

    confidence: Floats
    outcome: Floats
    formats: Floats
    answerable: Flags
    clusters: Sequence[str]

    def worth(self, values: Values) -> tuple[Floats, Floats]:
        """Return what each answer is worth as it is, and what it would be worth to decline."""
        return utilities(self.outcome, self.formats, values), np.where(
            self.answerable, -values.abstain, values.right
        )


@dataclass(frozen=True, slots=True)
class Shares:
    """How answers fall, as shares of all questions: `right` + `wrong` + `missed` = 1. Right and wrong to any degree count
    whole. To decline is right where there is nothing to say, else the answer is missed."""

    right: float
    wrong: float
    missed: float


@dataclass(frozen=True, slots=True)
class Selection:
    """Decline what is less sure than `threshold`: what that does to a set of questions.

    `gain` is the mean worth of an answer with the threshold minus without, paired and with its interval over whole
    clusters, `worth_declining` what it would be worth to decline everything. `separation` is the probability that a
    right answer is surer than a wrong one (0.5 is chance; None when one kind is missing), `area` the mean share of
    wrong answers over all coverages, the surest first (AURC; lower is better; None without an answer).
    """

    threshold: float
    before: Shares
    after: Shares
    worth_before: float
    worth_after: float
    worth_declining: float
    gain: Interval
    separation: float | None
    area: float | None
    n: int


def choose(answered: Answered, values: Values) -> float:
    """Return the threshold at which the answers are worth most: the lowest of equals, 0 when none is better than none.

    It lies near the middle between the confidences that it divides, in few decimals. It never declines everything: the
    surest answer is given.
    """
    known = ~np.isnan(answered.confidence)
    order = np.argsort(answered.confidence[known], kind="stable")
    ranked = answered.confidence[known][order]
    given, declined = answered.worth(values)
    # gains[i]: what it gains to decline the i least sure. A threshold can only lie where the confidence changes.
    gains = np.concatenate([[0.0], np.cumsum((declined - given)[known][order])[:-1]])
    possible = np.concatenate([[True], ranked[1:] > ranked[:-1]])[: len(gains)]
    best = int(np.argmax(np.where(possible, gains, -np.inf)))
    if gains[best] <= 1e-12:
        return 0.0
    below, above = float(ranked[best - 1]), float(ranked[best])
    return short(below, (below + above) / 2)


def judge(
    threshold: float, answered: Answered, values: Values, *, draws: int = DRAWS, seed: int
) -> Selection:
    """Return what a threshold does to a set of questions, best others than those that chose it."""
    sure, outcome = answered.confidence, answered.outcome
    given, declined = answered.worth(values)
    withheld = sure < threshold  # False where there is no confidence
    after = np.where(withheld, declined, given)
    told = ~np.isnan(sure)
    return Selection(
        threshold,
        _shares(outcome),
        _shares(np.where(withheld, np.where(answered.answerable, 0.0, 1.0), outcome)),
        float(given.mean()),
        float(after.mean()),
        float(declined.mean()),
        paired_difference(after, given, answered.clusters, draws=draws, seed=seed),
        separation(sure[told & (outcome > 0)], sure[told & (outcome < 0)]),
        risk_coverage_area(sure[told], outcome[told] < 0),
        len(sure),
    )


def risk_coverage_area(confidence: ArrayLike, wrong: ArrayLike) -> float | None:
    """Return the area under the risk-coverage curve: the share of wrong answers among the i surest, averaged over i = 1
    to n (AURC, Geifman et al. 2019). Ties share their mean. None without an answer."""
    sure, bad = np.asarray(confidence, dtype=np.float64), np.asarray(wrong, dtype=np.float64)
    if not len(sure):
        return None
    _, group = np.unique(-sure, return_inverse=True)
    mean = np.bincount(group, weights=bad) / np.bincount(group)
    risk = np.cumsum(mean[np.sort(group)]) / np.arange(1, len(sure) + 1)
    return float(risk.mean())


def _shares(outcome: Floats) -> Shares:
    return Shares(float(np.mean(outcome > 0)), float(np.mean(outcome < 0)), float(np.mean(outcome == 0)))
