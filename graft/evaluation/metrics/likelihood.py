"""Metrics of how likely a local model finds the reference answer, given the prompt that it was asked with.

Functions Case → Value with their cards. They look past decoding: a model may put the right answer just below a wrong one.
What was measured stands in the case; knows no model.
"""

from __future__ import annotations

import math

from graft.evaluation.metrics.cards import Case, MetricCard
from graft.protocols import Likelihood
from graft.types import Value

NOT_MEASURED = "not measured: set [evaluation] likelihood = true"


def _known(case: Case) -> Likelihood | Value:
    """Return the likelihood, or the null that stands for it."""
    if not case.question.answerable:
        return Value(None, "the question is not answerable")
    if not case.question.answers:
        return Value(None, "the question has no reference answer")
    found = case.likelihood
    if found is None:
        return Value(None, NOT_MEASURED)
    if found.nats is None:
        return Value(None, found.null_reason)
    if not found.tokens or not found.bytes:
        return Value(None, "the reference answer is empty")
    return found


def bits_per_byte(case: Case) -> Value:
    """Return -log2 of the reference answer's probability, by the bytes of its UTF-8."""
    found = _known(case)
    if isinstance(found, Value):
        return found
    assert found.nats is not None
    return Value(-found.nats / math.log(2) / found.bytes)


def perplexity(case: Case) -> Value:
    """Return exp of the mean negative log-probability of the reference answer's tokens."""
    found = _known(case)
    if isinstance(found, Value):
        return found
    assert found.nats is not None
    return Value(math.exp(min(-found.nats / found.tokens, 700.0)))  # exp overflows at 710


CARDS = (
    MetricCard(
        "bits_per_byte", "−log₂ P(reference answer given the prompt) ÷ bytes of the answer in UTF-8", "lower", "bits a byte", "A",
        "How surprised the model is by the first reference answer as the reply to its own prompt, passages included: teacher "
        "forcing, without the end-of-turn token. Per byte, so that models with different vocabularies compare.",
        bits_per_byte,
        (
            "A variant tuned to a house style finds a bare reference unlikely, however well it knows the fact.",
            "It judges one wording: a model may be certain of another right one.",
            "Endpoints do not tell the likelihood of a text that they did not write: null.",
        ),
        ("answers", "likelihood"),
    ),
    MetricCard(
        "perplexity", "exp(−mean ln P of the reference answer's tokens given the prompt)", "lower", "choices a token", "A",
        "Between how many equally likely tokens the model would have to choose, on average over one answer.",
        perplexity,
        (
            "Tokens of different vocabularies are different units: compare variants of one model; between models use bits_per_byte.",
            "The mean over questions belongs to the few worst ones: look at the rows.",
        ),
        ("answers", "likelihood"),
    ),
)  # fmt: skip
