"""What one answer of a project's model costs: by tokens for an endpoint, by machine time for a local model.

Prices come from the dated table or from the user; a price that nobody knows is None, never 0, and a warning asks for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from graft.decision.costs.cost import (
    LOCAL_MACHINE,
    Price,
    PriceTable,
    Rate,
    cost_per_query,
    load_prices,
    machine_cost,
    price_of,
    stale,
)
from graft.types import Usage


class MachinePricing:
    """USD of a machine's time: `per_hour`, or the table's price of a two-core virtual machine."""

    def __init__(self, per_hour: float | None = None, table: PriceTable | None = None) -> None:
        self._rate = (
            Rate(per_hour) if per_hour is not None else (table or load_prices()).machines[LOCAL_MACHINE]
        )

    def __call__(self, usage: Usage, timings: Mapping[str, float]) -> float:  # noqa: ARG002  (priced by time alone)
        """Return the USD of an answer from its seconds."""
        return machine_cost(timings["total"], self._rate.amount)

    def warnings(self, today: date) -> tuple[str, ...]:
        """Say whether the price is old."""
        return stale({f"the machine {LOCAL_MACHINE}": self._rate}, today)


class TokenPricing:
    """USD of an endpoint's tokens: the user's prices per 1M, or the table's for `model`. `where` says in which table of
    graft.toml the user may set them."""

    def __init__(
        self, model: str, input_price: float | None = None, output_price: float | None = None,
        table: PriceTable | None = None, *, where: str = "[decision]",
    ) -> None:  # fmt: skip
        self._model = model
        self._where = where
        if input_price is not None and output_price is not None:
            self._price: Price | None = Price(input_price, output_price, input_price)
        else:
            self._price = price_of(model, table or load_prices())

    def __call__(self, usage: Usage, timings: Mapping[str, float]) -> float | None:  # noqa: ARG002  (priced by tokens)
        """Return the USD of an answer from its tokens, None when the price is not known."""
        return None if self._price is None else cost_per_query(usage, self._price)

    def warnings(self, today: date) -> tuple[str, ...]:
        """Ask for a price that is not known; say whether a known one is old."""
        if self._price is None:
            remedy = f"set {self._where} input_price and output_price (USD per 1M tokens)."
            return (f"No price is known for {self._model!r}, so costs are left out: {remedy}",)
        return stale({self._model: self._price}, today)
