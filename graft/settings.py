"""What a project file may say: every table of graft.toml as a frozen dataclass, with its defaults.

Every field has its documentation under it, from which `graft init` writes the comments of a new project file and
scripts/docs.py writes docs/project-file.md. Reading and checking is config.py's.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from graft.decision.advising.situation import Situation
from graft.settings_deciding import (
    CompetitorSection,
    CostsSection,
    DecisionSection,
    JudgeSection,
    OptimizeSection,
)
from graft.settings_serving import ServeSection

Mode = Literal["hybrid", "dense", "bm25"]

FILE = "graft.toml"
VARIANTS = ("base", "rag", "tuned", "hybrid")
BASELINES = ("extractive", "bm25")
DIAGNOSTICS = ("oracle", "few-shot", "held")
RUBRICS = ("correctness", "groundedness", "preference")
RESERVED = frozenset({*VARIANTS, *BASELINES, *DIAGNOSTICS, "graft", "index", "questions"})
"""What no competitor may be called: GRAFT's own names, and those that stand beside them in a comparison."""


@dataclass(frozen=True, slots=True)
class Backend:
    """A backend by name, and its own options: in TOML a table with `name` and the options beside it."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProjectSection:
    """The table [project]."""

    name: str = ""
    """What the reports call it. Default: the folder's name."""
    seed: int = 0
    """Seeds splitting, shuffling, training and the bootstrap."""
    effort: Literal["fast", "balanced", "best"] = "balanced"
    """The one dial: how much time to spend. It sets what you leave out below."""


@dataclass(frozen=True, slots=True)
class DocumentsSection:
    """The table [documents]."""

    paths: tuple[str, ...] = ("documents",)
    """Folders or files, relative to this file."""
    include: tuple[str, ...] = ("**/*",)
    """Globs of the files to take within a folder."""
    exclude: tuple[str, ...] = ()
    """Globs of the files to leave out."""
    parse_seconds: float = 120.0
    """The most processor time that reading one file may take, in seconds, or ten times as many by the clock; then it is
    left out, and reported."""
    parse_memory_mb: int = 2048
    """The most memory (address space) that reading one file may take, in MB."""
    parse_workers: int = 0
    """How many files are read at once; 0: one a core, at most 8."""


@dataclass(frozen=True, slots=True)
class RetrievalSection:
    """The table [retrieval]."""

    mode: Mode = "hybrid"
    """Which lists are searched: hybrid fuses dense and BM25."""
    passages: int = 5
    """How many passages the model is shown."""
    passage_tokens: int = 1200
    """The most tokens that the passages may take together."""
    order: Literal["best-first", "best-last", "document"] = "best-first"
    """How the passages are ordered for the model."""
    candidates: int = 100
    """How many hits of each list enter the fusion."""
    fusion: Literal["weighted", "rrf"] = "weighted"
    """How lists are fused: weighted adds standardised scores (Bruch et al. 2023), rrf reciprocal ranks."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """What a list weighs in the fusion, e.g. { bm25 = 0.5 }; 1 when left out."""
    fusion_k: int = 60
    """The constant of reciprocal rank fusion (Cormack et al. 2009)."""
    spelling: bool = True
    """Search a question that has words the index lacks also with the index's words most like them."""
    feedback: bool = False
    """Search once more with the words that set the first hits apart (pseudo-relevance feedback)."""
    reword: Literal["off", "multi-query", "hyde"] = "off"
    """Let the generator write other phrasings, or a hypothetical passage, to search with."""
    condense: bool = False
    """Let the generator rewrite a follow-up question so that it stands alone; otherwise a rule joins it to the turn before."""
    rounds: int = 1
    """Above 1: let the generator say what is missing and search for that, so many searches in all."""
    round_tokens: int = 4000
    """The tokens after which no further round is begun."""
    boost: Mapping[str, float] = field(default_factory=dict)
    """Lift passages by metadata, in standard deviations of the scores, e.g. { "status=current" = 0.5 }."""
    recency: str = ""
    """The metadata key with a date by which newer passages are lifted."""
    recency_days: float = 365.0
    """Half of the lift is gone for a passage so many days older than the newest found."""
    recency_weight: float = 0.5
    """The lift of the newest, in standard deviations of the scores."""
    rerank: int = 50
    """How many hits the reranker reads, when one is configured."""
    diversity: float = 0.0
    """Share of novelty against relevance (maximal marginal relevance): 0 is off, 0.3 a good start."""
    min_score: float = 0.0
    """Abstain without asking the model when the best dense cosine is below this. 0 switches it off."""
    least: Mapping[str, float] = field(default_factory=dict)
    """Leave out passages whose score by a list is below this, e.g. { rerank = 0.0 }."""
    where: Mapping[str, Any] = field(default_factory=dict)
    """What every passage's metadata must have, e.g. { status = "current", updated = { gte = "2024-01-01" } }."""
    chunker: Backend = Backend("structure")
    """How documents are cut: structure, sentence-window, parent-child, fixed, document."""
    embedder: Backend = Backend("minilm")
    """What turns text into vectors: minilm (offline), sentence-transformers (any such model), openai (any compatible endpoint)."""
    store: Backend = Backend("lancedb")
    """Where chunks and vectors lie."""
    reranker: Backend | None = None
    """Optional: { name = "cross-encoder", model = "…" }."""


@dataclass(frozen=True, slots=True)
class GenerationSection:
    """The table [generation]."""

    model: Backend = Backend("transformers", {"model": "nano"})
    """transformers (a local Hugging Face model; nano ships with GRAFT), openai (any compatible endpoint)."""
    instructions: str = ""
    """Your own instructions, for every variant alike: they follow GRAFT's contract in the system message."""
    max_tokens: int = 96
    """The longest answer, in tokens."""
    temperature: float = 0.0
    """0 is greedy: the same question gives the same answer."""
    schema: str = ""
    """A file with a JSON Schema, relative to this one, that every variant's answers are held to; see docs/formats.md."""
    regex: str = ""
    """A regular expression that every answer matches as a whole, in place of a schema (local models)."""
    min_confidence: Mapping[str, float] = field(default_factory=dict)
    """Variant → the least confidence with which its answer is given, else it declines; graft calibrate --variant finds it."""


@dataclass(frozen=True, slots=True)
class TuningSection:
    """The table [tuning]."""

    examples: str = "examples.jsonl"
    """The examples, relative to this file. Without the file, tuned and hybrid are left out."""
    dev_fraction: float = 0.1
    """Share of the examples kept for early stopping (split by document)."""
    golden_fraction: float = 0.8
    """Hybrid: share of training prompts that hold the golden passage; the rest teach abstaining (RAFT's P)."""
    retention: bool = True
    """After training, measure what the adapter forgot on a small suite of general tasks; see docs/forgetting.md."""
    retention_margin: float = 0.02
    """The loss there, as a share, above which graft warns; [decision] guardrails = { retention = 0.02 } drops the variant."""
    trainer: Backend = Backend("peft")
    """What trains: peft (method = "lora", "qlora" or "full")."""


@dataclass(frozen=True, slots=True)
class EvaluationSection:
    """The table [evaluation]."""

    questions: str = "questions.jsonl"
    """The held-out questions, relative to this file. Never train on them: GRAFT refuses leaks."""
    development: str = "questions-dev.jsonl"
    """Questions on which gaps are found, relative to this file. What stands here is never measured."""
    variants: tuple[str, ...] = VARIANTS
    """Which variants compete. base and the baselines are always shown."""
    diagnostics: tuple[str, ...] = ()
    """Arms that show where the losses are and cannot win: oracle is rag with the gold evidence in place of what it found,
    few-shot is rag (base without an index) with the nearest examples in its prompt, held is rag held to the questions' own format."""
    shots: int = 4
    """How many examples the few-shot arm shows."""
    primary: str = "truthfulness"
    """The one metric that decides; the others are exploratory."""
    likelihood: bool = False
    """Measure bits_per_byte and perplexity of the reference answers too, where the model can tell: local ones."""
    judge: JudgeSection | None = None
    """Optional: a model that grades the answers, as a table [evaluation.judge]."""
    labels: str = "labels.jsonl"
    """Where graft label keeps what people say of the answers, relative to this file."""
    batch_size: int = 16
    """Questions answered together; latency is measured apart, one question at a time."""
    latency_questions: int = 75
    """How many questions are timed one at a time, warm; a 95th percentile has an interval from 72 on."""
    repeats: int = 3
    """How often 30 of the questions are answered in all, to tell what a second run would change; only by endpoints and at a
    temperature above 0. 1 is once."""
    draws: int = 10_000
    """Bootstrap draws."""


@dataclass(frozen=True, slots=True)
class Config:
    """The whole project file."""

    project: ProjectSection = ProjectSection()
    documents: DocumentsSection = DocumentsSection()
    retrieval: RetrievalSection = RetrievalSection()
    generation: GenerationSection = GenerationSection()
    tuning: TuningSection = TuningSection()
    evaluation: EvaluationSection = EvaluationSection()
    optimize: OptimizeSection = field(default_factory=OptimizeSection)
    decision: DecisionSection = field(default_factory=DecisionSection)
    costs: CostsSection = field(default_factory=CostsSection)
    advice: Situation = field(default_factory=Situation)
    serve: ServeSection = field(default_factory=ServeSection)
    variants: Mapping[str, CompetitorSection] = field(default_factory=dict)


def sections() -> dict[str, type]:
    """Return the tables of fixed name, and what each holds."""
    hints = typing.get_type_hints(Config)
    return {name: kind for name, kind in hints.items() if isinstance(kind, type)}


# What the dial sets. Balanced is the dataclasses' own defaults.
EFFORT: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "fast": {
        "retrieval": {"passages": 3, "candidates": 50},
        "tuning": {"trainer": {"name": "peft", "epochs": 2}},
        "evaluation": {"latency_questions": 10, "draws": 2_000},
    },
    "balanced": {},
    "best": {
        "retrieval": {"candidates": 200},
        "tuning": {"trainer": {"name": "peft", "rank": 32, "epochs": 12}},
        "evaluation": {"latency_questions": 100},
    },
}
