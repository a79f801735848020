"""What an answer costs: machine time for a local model, tokens for an endpoint, and never 0 for what nobody knows."""

from __future__ import annotations

from datetime import date

import pytest

from graft.decision.costs.cost import LOCAL_MACHINE, load_prices
from graft.decision.costs.pricing import MachinePricing, TokenPricing
from graft.types import Usage

THOUSAND = Usage(prompt=1_000, completion=1_000)


def test_a_local_model_costs_its_machines_time() -> None:
    assert MachinePricing(3.6)(THOUSAND, {"total": 2.0}) == pytest.approx(0.002)
    hourly = load_prices().machines[LOCAL_MACHINE].amount
    assert MachinePricing()(THOUSAND, {"total": 3600.0}) == pytest.approx(hourly)


def test_an_endpoint_costs_its_tokens() -> None:
    assert TokenPricing("any", 1.0, 2.0)(THOUSAND, {}) == pytest.approx(0.003)
    assert TokenPricing("gpt-5-mini")(THOUSAND, {}) == pytest.approx((0.25 + 2.0) / 1_000)


def test_a_price_that_nobody_knows_is_asked_for_and_never_zero() -> None:
    unknown = TokenPricing("my-own-model")
    assert unknown(THOUSAND, {}) is None
    assert unknown.warnings(date(2026, 9, 1)) == (
        "No price is known for 'my-own-model', so costs are left out: set [decision] input_price and output_price "
        "(USD per 1M tokens).",
    )


def test_an_old_price_says_so_and_ones_own_never_ages() -> None:
    assert TokenPricing("gpt-5-mini").warnings(date(2026, 8, 6)) == ()
    [old] = TokenPricing("gpt-5-mini").warnings(date(2027, 8, 6))
    assert "gpt-5-mini" in old
    assert TokenPricing("gpt-5-mini", 1.0, 1.0).warnings(date(2036, 1, 1)) == ()
    assert MachinePricing(1.0).warnings(date(2036, 1, 1)) == ()
