"""The price table and the formulae, against the worked checks of the specification."""

import math
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.decision.costs.cost import (
    FixedCost,
    Price,
    Rate,
    Running,
    break_even,
    cost_per_query,
    hosting_floor,
    load_prices,
    machine_cost,
    price_of,
    required_price,
    stale,
    total_cost,
    training_cost,
)
from graft.errors import ConfigError
from graft.types import Usage

TABLE = load_prices()
MINI = TABLE.models["gpt-5-mini"]
CLOSED, RETRIEVED = Usage(150, 150), Usage(1650, 150)


def test_a_known_model_with_and_without_its_provider():
    assert price_of("gpt-5-mini", TABLE) == Price(0.25, 2.0, 0.025, date(2026, 8, 5), MINI.source)
    assert price_of("openai/gpt-5-mini", TABLE) == MINI
    assert MINI.source


def test_every_price_is_dated_sourced_and_positive():
    everything = [*TABLE.models.values(), *TABLE.training.values(), *TABLE.machines.values()]
    assert len(everything) >= 24
    for entry in everything:
        assert entry.as_of is not None
        assert len(entry.source) > 10
        assert (entry.amount if isinstance(entry, Rate) else entry.input) > 0
    assert all(0 < model.cached <= model.input for model in TABLE.models.values())


@pytest.mark.parametrize("name", ["ft:gpt-5-mini:acme", "gpt-5-mini-2026-01-01", "nano", ""])
def test_an_unknown_model_is_asked_for_and_never_free(name):
    assert price_of(name, TABLE) is None
    with pytest.raises(ConfigError, match=r"No price is known .*\[costs\] prices = "):
        required_price(name, TABLE)


def test_the_question_names_the_nearest_model_and_does_not_take_its_price():
    with pytest.raises(
        ConfigError, match=r"nearest known model is 'gpt-5-mini', which may cost something else"
    ):
        required_price("gpt-5-minl", TABLE)


def test_overrides():
    table = load_prices(
        {
            "mine": {"input": 1, "output": 2},
            "gpt-5-mini": {"input": 3, "output": 4, "cached": 1},
            "cpu-2": {"per_hour": 0.5},
        }
    )
    assert required_price("mine", table) == Price(1.0, 2.0, 1, None, "your setting")
    assert required_price("gpt-5-mini", table) == Price(3.0, 4.0, 1, None, "your setting")
    assert table.machines["cpu-2"] == Rate(0.5, None, "your setting")
    assert load_prices() == TABLE


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"input": 1}, "has no valid 'output' for 'cpu-2'"),
        ({"input": -1, "output": 2}, "has no valid 'input' for 'cpu-2'"),
        ({"input": "0.25", "output": 2}, "has no valid 'input' for 'cpu-2'"),
        ({"input": True, "output": 2}, "has no valid 'input' for 'cpu-2'"),
        ({"input": 1, "output": math.nan}, "has no valid 'output' for 'cpu-2'"),
        ({"input": 1, "output": 2, "cached": -0.1}, "has no valid 'cached' for 'cpu-2'"),
        ({"input": 1, "output": 2, "cashed": 0.1}, "has an unknown 'cashed' for 'cpu-2'"),
        ({"per_hour": -0.1}, "has no valid 'per_hour' for 'cpu-2'"),
        ({"per_hour": 1, "input": 1}, "has an unknown 'input' for 'cpu-2'"),
        (0.25, "gives 0.25 for 'cpu-2'"),
    ],
)
def test_a_bad_override_is_refused(bad, message):
    with pytest.raises(ConfigError) as caught:
        load_prices({"cpu-2": bad})
    assert caught.value.message == f"'prices' in [costs] {message}."


def test_a_price_of_a_machine_that_nothing_rents_is_refused():
    with pytest.raises(ConfigError, match=r"names the machine 'cpu2'.*Known: cpu-2, h100"):
        load_prices({"cpu2": {"per_hour": 0.5}})


def test_old_prices_warn_and_own_ones_do_not():
    own = load_prices({"mine": {"input": 1, "output": 2}}).models["mine"]
    used = {"gpt-5-mini": MINI, "mine": own}
    assert stale(used, date(2026, 11, 3)) == ()
    assert stale(used, date(2026, 11, 4)) == (
        "The price of gpt-5-mini is from 2026-08-05 (91 days old): check it, and set yours under [costs] prices.",
    )


def test_the_worked_check_of_a_query():
    assert cost_per_query(CLOSED, MINI) * 1000 == pytest.approx(0.3375)
    assert cost_per_query(RETRIEVED, MINI) * 1000 == pytest.approx(0.7125)
    assert cost_per_query(Usage(1650, 150, 1000), MINI) * 1000 == pytest.approx(0.7125 - 0.225)


def test_every_term_of_a_query():
    found = cost_per_query(
        Usage(1000, 100, 200), Price(1.0, 10.0, 0.1), query_tokens=20, embedding_price=0.02, reranked=50,
        rerank_price=1e-6, store_per_month=30.0, queries_per_month=10_000,
    )  # fmt: skip
    assert found == pytest.approx((800 * 1.0 + 200 * 0.1 + 100 * 10.0 + 20 * 0.02) / 1e6 + 50e-6 + 0.003)


def test_the_worked_check_of_break_even():
    closed, retrieved = (Running(cost_per_query(usage, MINI)) for usage in (CLOSED, RETRIEVED))
    assert break_even(0, retrieved, 550, closed, months=1) == pytest.approx(1.47e6, rel=0.005)
    assert break_even(0, retrieved, 5_000, closed, months=1) == pytest.approx(13.3e6, rel=0.005)
    assert break_even(0, closed, 550, retrieved, months=1) is None


def test_the_worked_check_of_an_idle_gpu():
    floor = hosting_floor(TABLE.machines["h100"].amount)
    assert round(floor) == 2037
    for model, volume in (("gpt-5-mini", 2.9e6), ("gpt-5.4-mini", 1.1e6)):
        api = Running(cost_per_query(RETRIEVED, required_price(model, TABLE)))
        assert break_even(0, api, 0, Running(0.0, hosting=floor), months=1) == pytest.approx(volume, rel=0.04)


def test_the_worked_check_of_training():
    assert training_cost(2000 * 600, 3, TABLE.training["ori-lora-10b"].amount) == pytest.approx(
        1.66, abs=0.005
    )
    assert training_cost(2000 * 600, 3, TABLE.training["fireworks-lora-16b"].amount) == pytest.approx(1.80)


def test_a_machine_by_the_second():
    assert machine_cost(3600, 0.0816) == 0.0816
    assert machine_cost(1800, 2.0, utilisation=0.25) == 4.0
    with pytest.raises(ConfigError, match="utilisation"):
        machine_cost(1, 1, utilisation=0)


def test_total_cost_of_ownership():
    fixed = FixedCost(training=1.8, runs=6, labels=500, minutes=2, wage=30, index=5, setup=100).total
    assert fixed == pytest.approx(1.8 * 6 + 500 * 2 / 60 * 30 + 5 + 100)
    running = Running(0.001, hosting=60, refresh=10, refreshes=2)
    assert total_cost(fixed, running, queries_per_month=1000, months=12) == pytest.approx(
        fixed + 12 * (60 + 20 + 1)
    )


def test_a_saving_that_rounds_to_nothing_never_pays():
    assert break_even(0, Running(5e-324), 0, Running(0.0, hosting=4.0), months=1) is None


money = st.floats(0, 1e4)
per_query = st.integers(0, 100_000).map(lambda millionths: millionths / 1e6)


@settings(deadline=None, max_examples=50)
@given(money, money, per_query, per_query, money, money, st.integers(1, 36))
def test_at_break_even_both_cost_the_same(fixed_a, fixed_b, query_a, query_b, host_a, host_b, months):
    a, b = Running(query_a, hosting=host_a), Running(query_b, hosting=host_b)
    volume = break_even(fixed_a, a, fixed_b, b, months=months)

    def gap(queries):
        spent = [
            total_cost(f, r, queries_per_month=queries, months=months)
            for f, r in ((fixed_a, a), (fixed_b, b))
        ]
        return spent[1] - spent[0]

    if volume is None:
        assert query_b >= query_a
    elif volume > 0:
        assert gap(volume) == pytest.approx(
            0, abs=1e-6 * (1 + fixed_a + fixed_b + months * (host_a + host_b))
        )
    else:
        assert gap(0.0) <= 1e-6
