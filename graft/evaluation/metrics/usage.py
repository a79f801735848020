"""Metrics of what an answer takes: tokens, money, time. Functions Case → Value with their cards."""

from __future__ import annotations

from graft.evaluation.metrics.cards import Case, MetricCard
from graft.types import Value

FAILED = Value(None, "the row failed")


def tokens_in(case: Case) -> Value:
    """Return the prompt tokens."""
    if case.failed or case.row.answer is None:
        return FAILED
    usage = case.row.answer.usage
    return (
        Value(float(usage.prompt))
        if usage.prompt or usage.completion
        else Value(None, "no token usage was reported")
    )


def tokens_out(case: Case) -> Value:
    """Return the tokens of the answer."""
    if case.failed or case.row.answer is None:
        return FAILED
    usage = case.row.answer.usage
    return (
        Value(float(usage.completion))
        if usage.prompt or usage.completion
        else Value(None, "no token usage was reported")
    )


def cost(case: Case) -> Value:
    """Return the price of the answer in USD."""
    if case.failed or case.row.answer is None:
        return FAILED
    price = case.row.answer.cost
    return Value(None, "no price is known") if price is None else Value(price)


def latency(case: Case) -> Value:
    """Return the seconds that the answer took, all stages together."""
    if case.failed or case.row.answer is None:
        return FAILED
    seconds = case.row.answer.timings.get("total")
    return Value(None, "no time was measured") if seconds is None else Value(seconds)


CARDS = (
    MetricCard(
        "tokens_in", "prompt tokens", "lower", "tokens", "A", "The length of the prompt, passages included.",
        tokens_in, ("Tokens of different tokenizers are different units.",), ("usage",),
    ),
    MetricCard(
        "tokens_out", "completion tokens", "lower", "tokens", "A", "The length of the answer.",
        tokens_out, ("Short is not good: a refusal is the shortest answer.",), ("usage",),
    ),
    MetricCard(
        "cost", "price of the tokens, the search and the machine's time", "lower", "USD", "A",
        "What one answer costs at the prices of the price table.", cost, ("Prices go stale; the table is dated.",), ("usage",),
    ),
    MetricCard(
        "latency", "wall seconds a question", "lower", "s", "A",
        "How long an answer takes. Rows answered in batches share their batch's time: for p50 and p95 a sample is timed alone.",
        latency, ("A cold first question or a busy machine.",), ("usage",),
    ),
)  # fmt: skip
