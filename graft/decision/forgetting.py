"""What a model lost by being tuned: the same tasks before and after, paired, skill by skill.

Non-inferiority as for any guardrail (`gate.judge`), and the BCa interval of the paired difference over the texts that tasks
share. Arrays in, losses out; knows no tasks and no models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from graft.decision.gate import Status, judge
from graft.decision.inference.intervals import paired, paired_difference

OVERALL = "all skills"


@dataclass(frozen=True, slots=True)
class Loss:
    """One skill before and after, as shares of its `n` tasks. `difference` is after - before with its 95 % interval; `p`
    that of "lost the margin or more"; `status` as for a gate: "regressed" when the mean loss is beyond the margin."""

    skill: str
    n: int
    before: float
    after: float
    difference: float
    low: float | None
    high: float | None
    status: Status
    p: float | None

    @property
    def points(self) -> str:
        """The difference in points with its interval: "-12.5 points (-20.0 to -5.0)"."""
        bounds = (
            "" if self.low is None or self.high is None else f" ({_signed(self.low)} to {_signed(self.high)})"
        )
        return f"{_signed(self.difference)} points{bounds}"


@dataclass(frozen=True, slots=True)
class Shift:
    """Bits per byte of the same `n` texts before and after; `difference` above 0 means that they became stranger."""

    n: int
    before: float
    after: float
    difference: float
    low: float | None
    high: float | None


def losses(
    skills: Sequence[str],
    before: Sequence[float],
    after: Sequence[float],
    sources: Sequence[str],
    *,
    margin: float,
    draws: int,
    seed: int,
) -> tuple[Loss, ...]:
    """Return the loss over all tasks, then skill by skill in the order of their first task.

    `before` and `after` are 1 where a task was passed, along `skills` and `sources`; tasks on one source are resampled
    together. Only the loss over all tasks is a decision: the skills say where to look. Empty when there are no tasks.
    """
    if not skills:
        return ()
    found = []
    for skill in (OVERALL, *dict.fromkeys(skills)):
        take = [at for at, known in enumerate(skills) if skill in (OVERALL, known)]
        then, now = (np.array([column[at] for at in take], dtype=np.float64) for column in (before, after))
        clusters = [sources[at] for at in take]
        judged = judge(skill, then, now, margin=margin, questions=[str(at) for at in take], clusters=clusters)
        gap = paired_difference(now, then, clusters, draws=draws, seed=seed)
        found.append(
            Loss(skill, len(take), float(then.mean()), float(now.mean()), float((now - then).mean()),
                 gap.low, gap.high, judged.status, judged.p)
        )  # fmt: skip
    return tuple(found)


def shift(before: ArrayLike, after: ArrayLike, *, draws: int, seed: int) -> Shift | None:
    """Return how the bits per byte of the same texts moved, one value a text; None without texts."""
    then, now = paired(before, after)
    if not len(then):
        return None
    gap = paired_difference(now, then, draws=draws, seed=seed)
    return Shift(
        len(then), float(then.mean()), float(now.mean()), float((now - then).mean()), gap.low, gap.high
    )


def _signed(share: float) -> str:
    return f"{100 * share:+.1f}".replace("-", "−")
