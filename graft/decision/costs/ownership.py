"""Total cost of ownership: what each variant costs over a horizon, from where one pays for itself, and what tips it.

Bills by variant name in, tables out; USD. Knows no model and no provider: what an answer costs was measured or looked
up before. What nobody knows is None and listed as not counted, never 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

from graft.decision.costs.cost import FixedCost, Running, break_even, total_cost

SCENARIOS: tuple[tuple[str, Mapping[str, float]], ...] = (
    ("as planned", {}),
    ("a tenth of the volume", {"volume": 0.1}),
    ("ten times the volume", {"volume": 10.0}),
    ("half the price an answer", {"query": 0.5}),
    ("twice the price an answer", {"query": 2.0}),
    ("twice the work on examples", {"labels": 2.0}),
    ("twice the upkeep a month", {"monthly": 2.0}),
)
"""What the table of totals tries: a name, and the factors on volume, price an answer, labels and monthly upkeep."""


@dataclass(frozen=True, slots=True)
class Bill:
    """What one variant costs: `fixed` once, `monthly` by item whatever the volume (hosting, indexing again, training
    again), `query` an answer (None: no price is known). `unknown` names what is left out and what to set for it."""

    fixed: FixedCost = field(default_factory=FixedCost)
    monthly: Mapping[str, float] = field(default_factory=dict)
    query: float | None = None
    unknown: tuple[str, ...] = ()

    @property
    def running(self) -> Running | None:
        """The bill as it runs, None when an answer's price is not known."""
        return None if self.query is None else Running(self.query, hosting=sum(self.monthly.values()))

    def per_month(self, months: float) -> float:
        """USD a month whatever the volume, with what was paid once spread over the horizon."""
        return self.fixed.total / months + sum(self.monthly.values())


@dataclass(frozen=True, slots=True)
class Payback:
    """From how many answers a month `dearer`, which costs more before the first answer, costs no more than `cheaper` in
    all. `answers` is None when it never does."""

    cheaper: str
    dearer: str
    answers: float | None

    @property
    def text(self) -> str:
        """The same as a sentence."""
        if self.answers is None:
            return f"{self.dearer} never costs less than {self.cheaper}: it saves nothing on an answer."
        return f"{self.dearer} costs less than {self.cheaper} from {self.answers:,.0f} answers a month on."


@dataclass(frozen=True, slots=True)
class Ownership:
    """The bills of all variants over `months` at `volume` answers a month."""

    bills: Mapping[str, Bill]
    months: float
    volume: float

    def total(self, name: str, factors: Mapping[str, float] | None = None) -> float | None:
        """Return C_fix + H (C_month + Q C_q) of a variant, None when an answer's price is not known. `factors` scale
        "volume", "query", "labels" and "monthly"."""
        by = {"volume": 1.0, "query": 1.0, "labels": 1.0, "monthly": 1.0, **(factors or {})}
        bill = self.bills[name]
        if bill.running is None:
            return None
        fixed = replace(bill.fixed, minutes=bill.fixed.minutes * by["labels"])
        running = Running(bill.running.query * by["query"], hosting=bill.running.hosting * by["monthly"])
        return total_cost(
            fixed.total, running, queries_per_month=self.volume * by["volume"], months=self.months
        )

    def paybacks(self) -> tuple[Payback, ...]:
        """Return, for each pair that differs in what is paid before the first answer, when the dearer one pays."""
        found = []
        for pair in combinations(self.bills, 2):
            ahead = {name: self.bills[name].per_month(self.months) for name in pair}
            cheaper, dearer = sorted(pair, key=lambda name: ahead[name])
            low, high = self.bills[cheaper], self.bills[dearer]
            if low.running is None or high.running is None or ahead[cheaper] == ahead[dearer]:
                continue
            answers = break_even(
                low.fixed.total, low.running, high.fixed.total, high.running, months=self.months
            )
            found.append(Payback(cheaper, dearer, answers))
        return tuple(found)

    def table(self) -> list[list[str]]:
        """Return the bill of each variant as rows of text, the header first."""
        rows = [["", "once", "a month", "per 1,000 answers", "in all", "of which"]]
        for name, bill in self.bills.items():
            total = self.total(name)
            parts = {**bill.fixed.parts, **bill.monthly}
            of_which = ", ".join(f"{what} {dollars(usd)}" for what, usd in parts.items() if usd)
            rows.append(
                [
                    name,
                    dollars(bill.fixed.total),
                    dollars(sum(bill.monthly.values())),
                    "not known" if bill.query is None else dollars(1000 * bill.query),
                    "not known" if total is None else dollars(total),
                    of_which,
                ]
            )
        return rows

    def scenarios(self) -> list[list[str]]:
        """Return the totals under other volumes, prices, labels and upkeep, the header first; the last column names the
        cheapest."""
        names = [name for name in self.bills if self.total(name) is not None]
        rows = [["", *names, "costs least"]]
        for told, factors in SCENARIOS:
            totals = {name: self.total(name, factors) or 0.0 for name in names}
            least = min(totals, key=lambda name: totals[name], default="")
            rows.append([told, *(dollars(total) for total in totals.values()), least])
        return rows

    @property
    def unknown(self) -> tuple[str, ...]:
        """What no bill counts, each once."""
        return tuple(dict.fromkeys(item for bill in self.bills.values() for item in bill.unknown))


def ownership_lines(found: Ownership) -> list[str]:
    """Return the bills, the totals under other settings and the break-even volumes as printed lines."""
    horizon = f"{found.months:g} months at {found.volume:,.0f} answers a month"
    lines = [f"Cost over {horizon}, USD:", *aligned(found.table())]
    if len(found.bills) > 1:
        lines += [
            f"In all over {found.months:g} months, if it turns out otherwise:",
            *aligned(found.scenarios()),
        ]
        lines += _payback_lines(found)
    if found.unknown:
        lines.append(f"Not counted: {'; '.join(found.unknown)}.")
    return lines


def _payback_lines(found: Ownership) -> list[str]:
    """Return the break-even volumes, and in one line the pairs that have none."""
    known = [payback for payback in found.paybacks() if payback.answers is not None]
    never = [f"{one.dearer} against {one.cheaper}" for one in found.paybacks() if one.answers is None]
    lines = [f"Break-even in cost alone: {payback.text}" for payback in known]
    if never:
        lines.append(f"No break-even in cost alone, nothing is saved on an answer: {', '.join(never)}.")
    return lines


def dollars(usd: float) -> str:
    """Return USD with as many digits as are worth reading: two below a dollar, cents below 100, else whole dollars."""
    if usd == 0:
        return "0"
    if abs(usd) < 1:
        return f"{usd:#.2g}"
    return f"{usd:,.2f}" if abs(usd) < 100 else f"{usd:,.0f}"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows of text in columns, indented: the first to the left, numbers to the right, a last column of words to
    the left."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    last = len(widths) - 1
    return [
        "  "
        + "  ".join(
            cell.ljust(width) if at in (0, last) else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
