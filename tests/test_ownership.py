"""Total cost of ownership: bills, break-even, other settings, and what is not counted."""

from __future__ import annotations

import pytest

from graft.decision.costs.cost import FixedCost
from graft.decision.costs.ownership import Bill, Ownership, dollars, ownership_lines

RAG = Bill(FixedCost(index=1.0), {"indexing again": 1.0}, 0.001)
HYBRID = Bill(
    FixedCost(training=2.0, runs=3, labels=100, minutes=6, wage=40, index=1.0), {"hosting": 100.0}, 0.0005,
    ("reviews (set [costs] wage)",),
)  # fmt: skip
BOTH = Ownership({"rag": RAG, "hybrid": HYBRID}, months=12, volume=10_000)


def test_the_total_is_the_formula() -> None:
    assert BOTH.total("rag") == pytest.approx(1 + 12 * (1 + 10_000 * 0.001))
    assert BOTH.total("hybrid") == pytest.approx(6 + 400 + 1 + 12 * (100 + 10_000 * 0.0005))


def test_at_break_even_both_cost_the_same() -> None:
    [payback] = BOTH.paybacks()
    assert (payback.cheaper, payback.dearer) == ("rag", "hybrid")
    assert payback.answers is not None
    there = Ownership(BOTH.bills, 12, payback.answers)
    assert there.total("rag") == pytest.approx(there.total("hybrid"))
    assert payback.text == "hybrid costs less than rag from 265,667 answers a month on."


def test_who_saves_nothing_never_pays() -> None:
    dear = Ownership({"rag": RAG, "worse": Bill(FixedCost(index=500), {}, 0.002)}, 12, 10_000)
    assert dear.paybacks()[0].answers is None
    assert any("No break-even in cost alone" in line for line in ownership_lines(dear))


def test_other_settings_name_the_cheapest() -> None:
    rows = {row[0]: row[1:] for row in BOTH.scenarios()}
    assert rows["as planned"][-1] == "rag"
    assert rows["ten times the volume"] == ["1,213", "2,207", "rag"]
    assert rows["twice the work on examples"][1] == "2,067"


def test_an_unknown_price_is_not_free() -> None:
    unknown = Ownership(
        {"rag": RAG, "api": Bill(query=None, unknown=("answers of api (no price)",))}, 12, 1_000
    )
    assert unknown.total("api") is None
    assert unknown.paybacks() == ()
    text = "\n".join(ownership_lines(unknown))
    assert "not known" in text
    assert "Not counted: answers of api (no price)." in text
    assert [row[-1] for row in unknown.scenarios()[1:]] == ["rag"] * 7


@pytest.mark.parametrize(
    ("usd", "told"),
    [(0, "0"), (0.00651, "0.0065"), (0.5, "0.50"), (0.0131, "0.013"), (99.5, "99.50"), (2036.7, "2,037")],
)
def test_money_has_the_digits_worth_reading(usd: float, told: str) -> None:
    assert dollars(usd) == told
