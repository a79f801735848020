"""The case that a recommendation decides: outcomes, costs and the user's values, and what changing them would do.

Holds numbers by variant name; knows no model, file or provider. A sensitivity check is the same case with one thing
replaced.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from graft.decision.inference.resampling import Floats, bootstrap_means, cluster_codes, totals
from graft.decision.recommending.screening import money, p_value
from graft.decision.recommending.utility import Shares, Values, utilities
from graft.decision.statistics import mean_intervals, paired_difference, paired_test
from graft.types import Estimate


@dataclass(frozen=True)
class Case:
    """Variants from simple to elaborate, over the questions that all of them have an outcome for.

    `outcome` and `formats` are one number a question (see `utility`); `query` USD an answer, None where unknown;
    `monthly` USD a month whatever the volume; `volume` answers a month. `unanswerable` tells of each question whether
    the right answer is to decline; empty where that is not known.
    """

    names: tuple[str, ...]
    questions: tuple[str, ...]
    clusters: tuple[str, ...]
    outcome: Mapping[str, Floats]
    formats: Mapping[str, Floats]
    query: Mapping[str, float | None]
    monthly: Mapping[str, float]
    volume: float
    values: Values
    seed: int
    draws: int
    strata: tuple[str, ...] = ()
    unanswerable: tuple[bool, ...] = ()

    @property
    def costs(self) -> dict[str, float | None]:
        """USD an answer with its share of what is paid a month: query + monthly / volume."""
        return {
            name: None if cost is None else cost + self.monthly.get(name, 0.0) / self.volume
            for name in self.names
            for cost in [self.query.get(name)]
        }

    def worth(self, name: str) -> Floats:
        """Worth of each answer to the user, its cost left out."""
        return utilities(self.outcome[name], self.formats[name], self.values)

    def silence(self) -> Floats | None:
        """Worth of declining each question, which costs nothing; None where it is not known which have an answer."""
        if not self.unanswerable:
            return None
        return np.where(self.unanswerable, self.values.right, -self.values.abstain)

    def utility(self, name: str) -> Floats:
        """Worth of each answer, the cost of an answer taken off when every variant's is known."""
        costs = self.costs
        cost = costs[name]
        return self.worth(name) if cost is None or None in costs.values() else self.worth(name) - cost

    def cheapest_first(self, names: Sequence[str]) -> list[str]:
        """The names by cost; on a tie, or when a cost is unknown, from simple to elaborate."""
        known = {name: cost for name, cost in self.costs.items() if cost is not None}
        return sorted(names, key=lambda name: known[name]) if len(known) == len(self.names) else list(names)

    def order_word(self, names: Sequence[str]) -> str:
        """What the first of `cheapest_first` is: "cheaper", or "simpler" when costs do not tell them apart."""
        costs = [self.costs[name] for name in names]
        return "simpler" if None in self.costs.values() or len(set(costs)) == 1 else "cheaper"

    def utility_estimates(self) -> dict[str, Estimate]:
        """Mean utility of each variant with its interval: that of the worth, moved by the cost."""
        stacked = np.stack([self.worth(name) for name in self.names], axis=1)
        scales = [self.values.scale] * len(self.names)
        intervals = mean_intervals(stacked, self.clusters, draws=self.draws, seed=self.seed, scales=scales)
        moved = [float((self.utility(name) - self.worth(name)).mean()) for name in self.names]
        n = len(self.questions)
        estimates = {}
        for name, interval, shift in zip(self.names, intervals, moved, strict=True):
            mean, low, high = (None if limit is None else limit + shift for limit in interval)
            estimates[name] = Estimate(mean, low, high, n, n)
        return estimates

    def within(self, stratum: str) -> Case:
        """The case over the questions of one stratum."""
        rows = np.array([name == stratum for name in self.strata])
        return replace(
            self,
            questions=tuple(q for q, take in zip(self.questions, rows, strict=True) if take),
            clusters=tuple(c for c, take in zip(self.clusters, rows, strict=True) if take),
            outcome={name: values[rows] for name, values in self.outcome.items()},
            formats={name: values[rows] for name, values in self.formats.items()},
            strata=(stratum,) * int(rows.sum()),
            unanswerable=tuple(u for u, take in zip(self.unanswerable, rows, strict=False) if take),
        )

    def probability_best(self, names: Sequence[str]) -> dict[str, float]:
        """Share of bootstrap draws in which each of `names` has the highest mean utility; ties are shared."""
        stacked = np.stack([self.utility(name) for name in names], axis=1)
        codes = cluster_codes(self.clusters, len(stacked))
        means = bootstrap_means(*totals(stacked, codes), self.draws, self.seed)
        top = means >= means.max(axis=1, keepdims=True) - 1e-12
        shares = (top / top.sum(axis=1, keepdims=True)).mean(axis=0)
        return {name: round(float(share), 4) for name, share in zip(names, shares, strict=True)}


def utility_lines(case: Case, estimates: Mapping[str, Estimate]) -> list[str]:
    """Step 3 as printed: what the answers are worth, and whether accuracy alone would say something else."""
    v = case.values
    cost_term = "" if None in case.costs.values() else " - cost of an answer"
    formula = f"{v.right:g} x right - {v.wrong:g} x wrong - {v.abstain:g} x not given{cost_term}"
    lines = [f"3 utility = {formula}; {_format_rule(case)}"]
    if any(case.unanswerable):
        lines.append(
            f"3 right is also who declines one of the {sum(case.unanswerable)} questions that have no answer"
        )
    unknown = [name for name, cost in case.costs.items() if cost is None]
    if unknown:
        lines.append(
            f"3 no price is known for {', '.join(unknown)}: costs are left out, and none counts as cheaper"
        )
    contracts = any((~np.isnan(formats)).any() for formats in case.formats.values())
    for name in case.names:
        shares, cost, e = Shares.of(case.outcome[name], case.formats[name]), case.costs[name], estimates[name]
        limits = "" if e.low is None or e.high is None else f" [{e.low:+.3f}, {e.high:+.3f}]"
        broken = f" (format broken {shares.broken:.1%})" if contracts else ""
        lines.append(
            f"3 {name}: {e.mean:+.3f}{limits}; right {shares.right:.1%}{broken}, "
            f"wrong {shares.wrong:.1%}, not given {shares.abstained:.1%}, "
            f"cost {'unknown' if cost is None else money(cost) + ' per 1,000'}"
        )
    return lines


def _format_rule(case: Case) -> str:
    contracts = int(np.sum(~np.isnan(np.stack(list(case.formats.values()))).all(axis=0)))
    if not contracts:
        return "no question has a format contract"
    loss = f"{case.values.format:.0%} of its value"
    return f"a right answer that breaks its format contract loses {loss} ({contracts} questions have one)"


def accuracy_line(case: Case, names: Sequence[str]) -> tuple[str, bool] | None:
    """Return what accuracy alone would say of the most accurate variant against the cheapest, and whether it is
    misled: a significant gain in right answers without a gain in utility. None when they are the same variant."""
    cheapest = case.cheapest_first(names)[0]
    right = {name: np.maximum(case.outcome[name], 0.0) for name in names}
    best = max(names, key=lambda name: float(right[name].mean()))
    if right[best].mean() <= right[cheapest].mean():
        return None
    p = paired_test(right[best], right[cheapest], case.clusters, draws=case.draws, seed=case.seed)
    a, b = (Shares.of(case.outcome[name], case.formats[name]) for name in (best, cheapest))
    worth = paired_difference(
        case.utility(best), case.utility(cheapest), case.clusters, draws=case.draws, seed=case.seed
    )
    told = (
        f"3 Accuracy alone: {best} - {cheapest} = {100 * (a.right - b.right):+.1f} points ({p_value(p)}), "
        f"wrong answers {b.wrong:.1%} -> {a.wrong:.1%}, utility {worth.value:+z.3f}"
    )
    misled = p < 0.05 and (worth.low is None or worth.low <= 0)
    return (f"{told}: more right answers, but no gain in utility shown." if misled else told), misled


def what_ifs(case: Case) -> Iterator[tuple[str, float, Case]]:
    """Yield (what, setting, the changed case): the loss of a wrong answer as a multiple of the value of a right one,
    prices, and volume (which matters only when something is paid by the month). With at most 2,000 draws: enough to
    see that a verdict tips, at a fifth of the time."""
    case = replace(case, draws=min(case.draws, 2_000))
    for ratio in (0.5, 1.0, 2.0, 4.0):
        changed = replace(case.values, wrong=ratio * case.values.right)
        yield "loss of a wrong answer / value of a right one", ratio, replace(case, values=changed)
    for factor in (0.5, 2.0):
        scaled = {name: None if cost is None else cost * factor for name, cost in case.query.items()}
        yield "price of an answer x", factor, replace(case, query=scaled)
    for factor in (0.1, 10.0):
        yield "volume x", factor, replace(case, volume=case.volume * factor)
