"""The tables of graft.toml about who is compared and what decides: [evaluation.judge], [variants.NAME], [optimize], [decision]
and [costs]."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class JudgeSection:
    """The table [evaluation.judge]: a model that grades answers, shown apart from the other metrics."""

    endpoint: str = ""
    """Base URL of an OpenAI-compatible chat endpoint, with its version: https://…/v1."""
    model: str = ""
    """The judge's name there. Take another model family than the variants': GRAFT warns when they share one."""
    key_env: str = "OPENAI_API_KEY"
    """The environment variable with the key; empty for none, and it may be unset on loopback."""
    rubrics: tuple[str, ...] = ("correctness", "groundedness")
    """What is judged; "preference" also sets each variant's answers against base's, in both orders."""
    votes: int = 3
    """How often each verdict is asked for; more than half must agree."""
    constrain: Literal["schema", "object", "none"] = "schema"
    """How the endpoint is held to JSON: by a schema, to any JSON object, or by the prompt alone."""
    temperature: float = 0.0
    """Sampling temperature of the judge."""
    max_tokens: int = 400
    """The longest reply, in tokens; models that think before they reply need more."""
    concurrency: int = 8
    """Requests in flight."""
    omit: tuple[str, ...] = ()
    """Request fields to leave out for a model that refuses them, e.g. ["temperature", "seed"]."""
    input_price: float | None = None
    """USD per 1M prompt tokens of a judge that is not in the price table."""
    output_price: float | None = None
    """USD per 1M completion tokens of a judge that is not in the price table."""
    budget: float | None = None
    """The most USD that one comparison may spend on the judge; needs its prices. What was judged is kept."""


@dataclass(frozen=True, slots=True)
class CompetitorSection:
    """A table [variants.NAME]: another system in the comparison, by its endpoint or by its recorded answers."""

    endpoint: str = ""
    """Base URL of an OpenAI-compatible chat endpoint, with its version: https://…/v1."""
    model: str = ""
    """The model's name there."""
    key_env: str = "OPENAI_API_KEY"
    """The environment variable with the key; empty for none, and it may be unset on loopback."""
    raw: bool = False
    """Send the bare question without GRAFT's prompt: for a system that brings a prompt of its own."""
    omit: tuple[str, ...] = ()
    """Request fields to leave out for a model that refuses them, e.g. ["temperature", "seed"]."""
    input_price: float | None = None
    """USD per 1M prompt tokens of a model that is not in the price table."""
    output_price: float | None = None
    """USD per 1M completion tokens of a model that is not in the price table."""
    answers: str = ""
    """Instead of an endpoint: a JSONL file of recorded answers, relative to this file: {"id", "answer", "citations"?,
    "retrieved"?, "passages"?, "latency"?, "cost"?, "tokens"?} a line; see docs/trust.md."""


@dataclass(frozen=True, slots=True)
class OptimizeSection:
    """[optimize]: see docs/optimize.md."""

    minutes: float = 10.0
    """How long graft optimize searches, the training of retrievers not counted."""


@dataclass(frozen=True, slots=True)
class DecisionSection:
    """[decision]: what answers are worth to you; see docs/decision.md."""

    right: float = 1.0
    """Value of a right answer."""
    wrong: float = 1.0
    """Loss of a wrong answer."""
    abstain: float = 0.0
    """Loss of an answer not given."""
    format: float = 0.5
    """Share of a right answer's value that is lost when it breaks its format contract."""
    margin: float = 0.03
    """A difference in utility below this does not matter in practice."""
    max_p95_seconds: float | None = None
    """Hard limit on the 95th percentile of latency (seconds)."""
    max_cost_per_query: float | None = None
    """Hard limit on the cost of one answer (USD)."""
    max_declines: float = 0.9
    """Hard limit on the share of answerable questions that a variant declines: who says nothing is never wrong."""
    floors: Mapping[str, float] = field(default_factory=dict)
    """Hard limits on quality: metric → the least mean, e.g. { citation_correct = 0.8 } where answers must cite."""
    exclude: Mapping[str, str] = field(default_factory=dict)
    """Variants that may not win whatever they measure, each with why (privacy, licence, freshness), e.g. { gpt = "answers
    leave our machines" }. They stay in the table."""
    guardrails: Mapping[str, float] = field(default_factory=dict)
    """Metric → margin by which a variant may be worse than base, at most, e.g. { format = 0.01, wrong = 0.02 }: lower in format, or
    higher in wrong, of which less is better."""
    queries_per_month: float = 10_000
    """For cost over time and break-even."""
    machine_per_hour: float | None = None
    """USD per hour of the machine that runs a local model. Default: the dated price table's."""
    input_price: float | None = None
    """USD per 1M prompt tokens of an endpoint that is not in the price table."""
    output_price: float | None = None
    """USD per 1M completion tokens of an endpoint that is not in the price table."""


@dataclass(frozen=True, slots=True)
class CostsSection:
    """[costs]: what owning a variant costs over time; see docs/decision.md."""

    months: float = 12
    """The horizon over which everything is added up."""
    wage: float | None = None
    """USD an hour of the person who writes examples. Without it their work is not counted, and the trace says so."""
    label_minutes: float = 5.0
    """Minutes that one example takes to write and check."""
    runs: int = 1
    """How many trainings stand behind one that is kept: tries times seeds."""
    reindexes_per_month: float = 0.0
    """How often a month all documents are indexed again."""
    retrains_per_month: float = 0.0
    """How often a month the adapters are trained again."""
    hosting: Mapping[str, float] = field(default_factory=dict)
    """Variant → USD a month of the machine that serves it, busy or idle, e.g. { hybrid = 2037 }."""
    prices: Mapping[str, Any] = field(default_factory=dict)
    """Your own prices: model → { input, output, cached } in USD per 1M tokens, machine → { per_hour }."""
