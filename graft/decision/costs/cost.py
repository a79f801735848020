"""What answers cost: a dated price table and the formulae for one query, training, a horizon and break-even.

USD throughout; token prices are per 1M tokens. It reads one JSON file of prices that lies beside it and knows no
variant, no provider API and no clock: today's date is an argument. A price that is not known is None or an error
that asks for it, never 0 (wrong and missing entries in price tables are a classic way to a wrong bill).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from graft.errors import ConfigError, nearest
from graft.types import Usage

HOURS_PER_MONTH = 730
STALE_DAYS = 90
"""Older prices warn: list prices of models and machines moved about twice a year in 2024-2026."""
LOCAL_MACHINE = "cpu-2"
"""What a local model is charged as unless told otherwise: a 2-vCPU virtual machine on demand (see prices.json)."""


@dataclass(frozen=True, slots=True)
class Price:
    """USD per 1M tokens. `cached` prices prompt tokens read from the provider's cache; the full `input` where the
    source gives no discount."""

    input: float
    output: float
    cached: float
    as_of: date | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Rate:
    """One dated figure: USD per machine-hour, or USD per 1M training tokens."""

    amount: float
    as_of: date | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class PriceTable:
    """The known prices, by name."""

    models: Mapping[str, Price] = field(default_factory=dict)
    training: Mapping[str, Rate] = field(default_factory=dict)
    machines: Mapping[str, Rate] = field(default_factory=dict)


@cache
def _shipped() -> PriceTable:
    data: dict[str, Any] = json.loads(Path(__file__).with_name("prices.json").read_text(encoding="utf-8"))
    origin = {
        name: {"as_of": date.fromisoformat(entry["as_of"]), "source": entry["source"]}
        for name, entry in data["sources"].items()
    }
    models = {
        name: Price(
            entry["input"], entry["output"], entry.get("cached", entry["input"]), **origin[entry["from"]]
        )
        for name, entry in data["models"].items()
    }
    training = {n: Rate(e["per_million_tokens"], **origin[e["from"]]) for n, e in data["training"].items()}
    machines = {n: Rate(e["per_hour"], **origin[e["from"]]) for n, e in data["machines"].items()}
    return PriceTable(models, training, machines)


def load_prices(overrides: Mapping[str, Any] | None = None) -> PriceTable:
    """Return the shipped table with `overrides` laid over it: model name to {"input", "output", "cached"?}, or
    {"per_hour"} to set a machine's price. Overrides carry no date: they never go stale. Raises ConfigError for anything
    that is not so, since they are as a user wrote them."""
    shipped = _shipped()
    models, machines = dict(shipped.models), dict(shipped.machines)
    for name, entry in (overrides or {}).items():
        given = _amounts(name, entry)
        if "per_hour" in given:
            if name not in machines:  # nothing would ever ask for its price
                raise ConfigError(
                    f"'prices' in [costs] names the machine {name!r}, which none is charged by.",
                    f"Known: {', '.join(machines)}.",
                )
            machines[name] = Rate(given["per_hour"], source="your setting")
        else:
            full = given["input"]
            models[name] = Price(full, given["output"], given.get("cached", full), source="your setting")
    return PriceTable(models, shipped.training, machines)


def _amounts(name: str, entry: Any) -> dict[str, float]:
    """Return what a user's setting says of one model or machine as USD by key."""
    if not isinstance(entry, Mapping):
        raise ConfigError(
            f"'prices' in [costs] gives {entry!r} for {name!r}.",
            f'Write prices = {{ "{name}" = {{ input = …, output = … }} }} in USD per 1M tokens; of a machine {{ per_hour = … }}.',
        )
    needed = ("per_hour",) if "per_hour" in entry else ("input", "output")
    known = needed if "per_hour" in entry else (*needed, "cached")
    for key in dict.fromkeys((*needed, *entry)):
        amount = entry.get(key)
        if key not in known:
            raise ConfigError(
                f"'prices' in [costs] has an unknown {key!r} for {name!r}.", f"Known: {', '.join(known)}."
            )
        if isinstance(amount, bool) or not isinstance(amount, int | float) or not 0 <= amount < math.inf:
            raise ConfigError(
                f"'prices' in [costs] has no valid {key!r} for {name!r}.",
                "Give USD as a number that is not negative.",
            )
    return {key: float(amount) for key, amount in entry.items()}


def price_of(model: str, table: PriceTable) -> Price | None:
    """Return the model's price, or None when it is not known. A provider prefix ("openai/") is ignored; nothing else
    is guessed, since a fine-tuned or newer model of a similar name often costs something else."""
    return table.models.get(model) or table.models.get(model.rpartition("/")[2])


def required_price(model: str, table: PriceTable) -> Price:
    """Return the model's price, or raise the ConfigError that asks for it."""
    found = price_of(model, table)
    if found is None:
        near = nearest(model, table.models)
        guess = f" The nearest known model is {near!r}, which may cost something else." if near else ""
        raise ConfigError(
            f"No price is known for the model {model!r}.{guess}",
            f'Set it in graft.toml, in USD per 1M tokens: [costs] prices = {{ "{model}" = {{ input = …, output = … }} }}. '
            'A model on your own machine is called "own" in graft advise.',
        )
    return found


def stale(used: Mapping[str, Price | Rate], today: date) -> tuple[str, ...]:
    """Return a warning for each price in `used` (name to price) that is older than `STALE_DAYS` on `today`."""
    return tuple(
        f"The price of {name} is from {price.as_of} ({(today - price.as_of).days} days old): check it, and set yours under [costs] prices."
        for name, price in used.items()
        if price.as_of is not None and (today - price.as_of).days > STALE_DAYS
    )


# --- one query -------------------------------------------------------------------------------------------------------


def cost_per_query(
    usage: Usage,
    price: Price,
    *,
    query_tokens: float = 0,
    embedding_price: float = 0.0,
    reranked: float = 0,
    rerank_price: float = 0.0,
    store_per_month: float = 0.0,
    queries_per_month: float = 0.0,
) -> float:
    """Return the USD of one answer from a token-priced endpoint.

    [(t_in - t_cache) p_in + t_cache p_cache + t_out p_out] / 1e6 + t_query p_emb / 1e6 + n_rerank p_rr + C_store / Q
    """
    tokens = (usage.prompt - usage.cached) * price.input + usage.cached * price.cached
    tokens += usage.completion * price.output + query_tokens * embedding_price
    store = store_per_month / queries_per_month if store_per_month else 0.0
    return tokens / 1e6 + reranked * rerank_price + store


def machine_cost(seconds: float, per_hour: float, *, utilisation: float = 1.0) -> float:
    """Return the USD of `seconds` of a machine that is kept busy for the share `utilisation` of its paid time."""
    if not 0 < utilisation <= 1:
        raise ConfigError(f"A machine's utilisation lies between 0 and 1, not {utilisation}.")
    return seconds / 3600 * per_hour / utilisation


def hosting_floor(per_hour: float) -> float:
    """Return the USD a month of a machine that is never switched off: 730 G."""
    return HOURS_PER_MONTH * per_hour


# --- training --------------------------------------------------------------------------------------------------------


def training_cost(tokens: float, epochs: float, per_million_tokens: float) -> float:
    """Return the USD of one hosted training run: T E p / 1e6."""
    return tokens * epochs * per_million_tokens / 1e6


# --- over time -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FixedCost:
    """What is paid once (USD): `training` a run times `runs` (tries x seeds), `labels` at `minutes` each and `wage`
    USD/h, indexing the corpus, and setting up."""

    training: float = 0.0
    runs: int = 1
    labels: int = 0
    minutes: float = 0.0
    wage: float = 0.0
    index: float = 0.0
    setup: float = 0.0

    @property
    def parts(self) -> dict[str, float]:
        """USD by item: examples, training, indexing, setting up."""
        return {
            "examples": self.labels * self.minutes / 60 * self.wage,
            "training": self.training * self.runs,
            "indexing": self.index,
            "setting up": self.setup,
        }

    @property
    def total(self) -> float:
        """C_fix = C_train (tries x seeds) + labels x minutes x wage + C_index + setup."""
        return sum(self.parts.values())


@dataclass(frozen=True, slots=True)
class Running:
    """What is paid as it runs (USD): `hosting` a month, `refresh` each time of `refreshes` a month, `query` each."""

    query: float
    hosting: float = 0.0
    refresh: float = 0.0
    refreshes: float = 0.0

    @property
    def monthly(self) -> float:
        """Per month whatever the volume."""
        return self.hosting + self.refreshes * self.refresh


def total_cost(fixed: float, running: Running, *, queries_per_month: float, months: float) -> float:
    """Return the total cost of ownership over the horizon: C_fix + H (C_host + refreshes C_refresh + Q C_q)."""
    return fixed + months * (running.monthly + queries_per_month * running.query)


def break_even(
    fixed_a: float, running_a: Running, fixed_b: float, running_b: Running, *, months: float
) -> float | None:
    """Return the queries a month from which b (more up front, less a query) costs no more than a over the horizon.

    Q* = ((C_fix,b - C_fix,a) / H + C_month,b - C_month,a) / (C_q,a - C_q,b); 0 when b is cheaper from the first query,
    None ("never") when b saves nothing a query.
    """
    saved = running_a.query - running_b.query
    extra = (fixed_b - fixed_a) / months + running_b.monthly - running_a.monthly
    if saved <= 0:
        return 0.0 if extra <= 0 and saved == 0 else None
    volume = extra / saved
    return max(0.0, volume) if math.isfinite(volume) else None
