"""One turn of the gap loop: whether the changed variant is better on questions that no proposal was drawn from.

Numbers only: one value a question, before and after. The more turns were judged on the same questions, the wider the
interval, so that trying often does not win by chance: turn t spends 0.05 / (t (t + 1)), which sums to 0.05 however many
turns there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from graft.decision.inference.intervals import DRAWS, difference_intervals
from graft.decision.inference.resampling import Floats

ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Change:
    """A metric before and after over the questions that both have, with the paired interval of the difference; None
    where it cannot be estimated. `better` is +1 where more is better, else -1."""

    metric: str
    before: float | None
    after: float | None
    difference: float | None
    low: float | None
    high: float | None
    n: int
    better: int = 1

    @property
    def verdict(self) -> str:
        """Which side of zero the interval lies on: "better" or "worse"; "not shown" when it holds zero."""
        if self.low is None or self.high is None or self.low <= 0 <= self.high:
            return "not shown"
        return "better" if (self.low > 0) == (self.better > 0) else "worse"


def level(turn: int) -> float:
    """Return the level of the intervals of the `turn`-th turn (from 1) judged on the same questions."""
    return 1 - ALPHA / (turn * (turn + 1))


def changes(
    before: Mapping[str, Floats],
    after: Mapping[str, Floats],
    clusters: Sequence[str],
    *,
    turn: int,
    lower: frozenset[str] = frozenset(),
    seed: int,
    draws: int = DRAWS,
) -> tuple[Change, ...]:
    """Return the change of each metric of `before` (values along `clusters`, NaN for null). `lower` names those of which
    less is better."""
    found = []
    for metric, old in before.items():
        new = after[metric]
        held = ~np.isnan(old) & ~np.isnan(new)
        n = int(held.sum())
        sign = -1 if metric in lower else 1
        if not n:
            found.append(Change(metric, None, None, None, None, None, 0, sign))
            continue
        gap = np.where(held, new - old, np.nan)[:, None]
        [interval] = difference_intervals(gap, clusters, draws=draws, seed=seed, level=level(turn))
        found.append(
            Change(metric, float(old[held].mean()), float(new[held].mean()), *interval, n=n, better=sign)
        )
    return tuple(found)
