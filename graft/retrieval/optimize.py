"""The search for better retrieval settings: which to try next, and which to keep.

Two kinds of dimension: those that need another index (minutes) and those that only rank its lists differently
(milliseconds). So the search is by coordinates within an index, cheap ones first, and by successive halving over
indexes: each is looked at with the best ranking found so far, the better half is searched in full. A general optimiser
such as Optuna's TPE does not know this price: it draws an index anew with every try, and brings a database layer with
it. Some 200 settings of a dozen dimensions are little enough to go through in order, and the order can be read.

Chosen is not the highest mean of hundreds of tries, which is partly luck, but the setting that changes least among
those within one standard error of it, paired by question (the one-standard-error rule: Breiman et al. 1984, section
3.4.3). Where nothing is better, a setting that is as good for fewer tokens may be. Pure: a callable measures a setting, another tells the seconds that are left.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graft.errors import BudgetExceeded

Setting = Mapping[str, Any]
SPENT = "the time was used up"
PASSES = 3
FEWER = 0.8  # of today's tokens: a setting that is as good and shows this or less is worth changing for
PATIENCE = 24  # random tries around the best without a better one, after which nothing more is expected


@dataclass(frozen=True, slots=True)
class Dimension:
    """A setting and the values to try, the most promising first. `costly`: another value needs another index. `asked`: the
    user wants these values tried, so they come before anything else."""

    name: str
    values: tuple[Any, ...]
    costly: bool = False
    asked: bool = False


@dataclass(frozen=True, slots=True)
class Measured:
    """What a setting gave on the development questions: the objective and recall for each of them, in the same order, and
    the mean tokens that the model would read of a question's passages."""

    objective: tuple[float, ...]
    recall: tuple[float, ...]
    tokens: float

    @property
    def mean(self) -> float:
        """The mean objective."""
        return float(np.mean(self.objective))

    @property
    def found(self) -> float:
        """The mean recall."""
        return float(np.mean(self.recall))


@dataclass(frozen=True, slots=True)
class Try:
    """A setting and what it gave; `feasible` when it shows the model no more than is allowed."""

    setting: Setting
    measured: Measured
    feasible: bool


@dataclass(slots=True)
class Search:
    """One search. `measure` measures a setting, and may raise BudgetExceeded, which ends the search; so does `seconds_left`
    at 0, before the next try; `limit` is the most mean tokens that a setting may show; `told` hears of every try."""

    dimensions: Sequence[Dimension]
    start: Setting
    measure: Callable[[Setting], Measured]
    seconds_left: Callable[[], float]
    limit: float
    seed: int
    told: Callable[[Try], None] = lambda _: None
    tries: list[Try] = field(default_factory=list)
    stopped: str = ""
    _known: dict[str, Try] = field(default_factory=dict)

    def run(self) -> Try:
        """Search, and return what to use: the start when nothing is better. `tries` holds all, in their order."""
        best = self._try(self.start)
        try:
            for one in self.dimensions:
                if one.asked:
                    best = self._best_along(best, one)
            best = self._by_coordinates(best)
            best = self._over_indexes(best)
            self._around(best)
        except BudgetExceeded as spent:
            self.stopped = spent.message
        return choose(self.tries, self.start)

    def _over_indexes(self, best: Try) -> Try:
        """Look at every other index with the best ranking so far; search the better half of them in full."""
        seen: list[Try] = []
        passages = [one for one in self.dimensions if one.name == "passages"]
        for setting in self._indexes(best.setting):
            # How many passages fit the tokens depends on their size, so it is looked for at once.
            tried = self._along(setting, passages[0]) if passages else [self._try(setting)]
            fitting = [one for one in tried if one.feasible]
            if fitting:
                seen.append(max(fitting, key=_rank))
        seen.sort(key=_rank, reverse=True)
        for one in seen[: math.ceil(len(seen) / 2)]:
            best = max(best, self._by_coordinates(one), key=_rank)
        return best

    def _indexes(self, setting: Setting) -> Iterator[Setting]:
        for one in self.dimensions:
            if one.costly:
                yield from (
                    {**setting, one.name: value} for value in one.values if value != setting.get(one.name)
                )

    def _by_coordinates(self, best: Try) -> Try:
        """Take the best value of one cheap dimension after the other, until a whole pass changes nothing."""
        for _ in range(PASSES):
            before = best
            for one in self.dimensions:
                if not one.costly:
                    best = self._best_along(best, one)
            if best is before:
                break
        return best

    def _best_along(self, best: Try, one: Dimension) -> Try:
        tried = self._along(best.setting, one)
        return max([best, *(other for other in tried if other.feasible)], key=_rank)

    def _along(self, setting: Setting, one: Dimension) -> list[Try]:
        """Try the values of a dimension. More passages show more, so the first that show too much are the last tried."""
        rising = one.name == "passages"
        tried = []
        for value in sorted(one.values) if rising else one.values:
            tried.append(self._try({**setting, one.name: value}))
            if rising and not tried[-1].feasible:
                break
        return tried

    def _around(self, best: Try) -> None:
        """Change two or three cheap dimensions at once: what coordinates alone do not reach."""
        rng = random.Random(self.seed)
        cheap = [one for one in self.dimensions if not one.costly and len(one.values) > 1]
        bad = 0
        while bad < PATIENCE and len(cheap) > 1:
            changed = rng.sample(cheap, min(rng.choice((2, 3)), len(cheap)))
            found = self._try({**best.setting, **{one.name: rng.choice(one.values) for one in changed}})
            better = found.feasible and _rank(found) > _rank(best)
            best, bad = (found, 0) if better else (best, bad + 1)

    def _try(self, setting: Setting) -> Try:
        key = repr(sorted(setting.items()))
        if key not in self._known:
            if self.tries and self.seconds_left() <= 0:
                raise BudgetExceeded(SPENT)
            measured = self.measure(setting)
            # The start is allowed whatever it shows: it is what the others are compared with.
            found = Try(setting, measured, measured.tokens <= self.limit or not self.tries)
            self._known[key] = found
            self.tries.append(found)
            self.told(found)
        return self._known[key]


def _rank(one: Try) -> tuple[float, float]:
    """The higher mean first; among equals, the one that shows less."""
    return (round(one.measured.mean, 9), -one.measured.tokens)


def changes(setting: Setting, start: Setting) -> dict[str, Any]:
    """Return what a setting changes."""
    return {key: value for key, value in setting.items() if start.get(key) != value}


def choose(tries: Sequence[Try], start: Setting) -> Try:
    """Return the try with the fewest changes among those within a standard error of the best; the higher of equals.

    The error is that of the mean difference to the best, paired by question.
    """
    feasible = [one for one in tries if one.feasible]
    best = max(feasible, key=_rank)
    top = np.asarray(best.measured.objective)
    near = []
    for one in feasible:
        apart = top - np.asarray(one.measured.objective)
        error = float(apart.std(ddof=1)) / math.sqrt(len(apart)) if len(apart) > 1 else 0.0
        if float(apart.mean()) <= error + 1e-12:
            near.append(one)
    return max(near, key=lambda one: (-len(changes(one.setting, start)), *_rank(one)))


def lighter(tries: Sequence[Try], start: Setting) -> Try:
    """Return the try that shows the fewest tokens, `FEWER` of the start's or less, of those whose mean objective and mean
    recall are not below the start's; the first of equals; the start when there is none."""
    today = next(one for one in tries if not changes(one.setting, start))

    def as_good(one: Try) -> bool:
        return one.measured.mean >= today.measured.mean and one.measured.found >= today.measured.found

    light = [one for one in tries if one.measured.tokens <= FEWER * today.measured.tokens and as_good(one)]
    return min(light, key=lambda one: one.measured.tokens, default=today)
