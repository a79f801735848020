"""The words of GRAFT as frozen dataclasses.

Values only: no I/O, no models, nothing that knows where it is stored. Equal content means equal objects. Every type
that is written to disk round-trips as plain JSON (records.py). The words of what is searched stand in corpus.py and are
imported from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from graft.corpus import Chunk, Context, Document, Hit, Passage, RankedHit, content_hash

__all__ = [
    "Answer", "Chunk", "Citation", "Comparison", "Context", "Contrast", "Document", "Estimate", "Evidence",
    "Example", "Generation", "Hit", "Message", "Passage", "Question", "RankedHit", "Recommendation", "Role",
    "Row", "TrainingRow", "Usage", "Value", "content_hash",
]  # fmt: skip

Role = Literal["system", "user", "assistant"]


# --- messages, examples, questions -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Example:
    """An input and its ideal output, for fine-tuning. `documents` names what grounds it; `where` is file:line."""

    id: str
    messages: tuple[Message, ...]
    output: str
    documents: tuple[str, ...] = ()
    split: str | None = None
    where: str = ""

    @property
    def input(self) -> str:
        """The last user turn."""
        return self.messages[-1].content


@dataclass(frozen=True, slots=True)
class Evidence:
    """Gold evidence: a document, and where in it (characters of Document.text, or a page) when known."""

    document: str
    start: int | None = None
    end: int | None = None
    page: int | None = None


Match = Literal["words", "exact", "sql", "rewrite"]


@dataclass(frozen=True, slots=True)
class Question:
    """A held-out test item, never seen in training. `match` says how answers are held against references: "words" that they
    share; "exact": only the answer itself is right, as with labels (records, JSON, are always compared so); "sql": the same
    statement; "rewrite": a rewriting of the question, which has no right and wrong. `format` is {"regex": …} or
    {"schema": …}; `cluster` defaults to the first evidence document and is the unit that statistics resample; `where` is file:line."""

    id: str
    messages: tuple[Message, ...]
    answers: tuple[str, ...] = ()
    answerable: bool = True
    evidence: tuple[Evidence, ...] = ()
    format: Mapping[str, Any] | None = None
    stratum: str = ""
    cluster: str = ""
    tags: tuple[str, ...] = ()
    where: str = ""
    match: Match = "words"

    @property
    def text(self) -> str:
        """The last user turn."""
        return self.messages[-1].content


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """What a trainer sees: the full prompt and the answer on which the loss is taken."""

    id: str
    prompt: tuple[Message, ...]
    answer: str


# --- generation ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one answer; `cached` are the prompt tokens that were not computed again. `estimated` says that an
    endpoint did not report them and they were counted by characters."""

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    estimated: bool = False

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.prompt + other.prompt, self.completion + other.completion, self.cached + other.cached,
                     self.estimated or other.estimated)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Generation:
    """What a generator returns for one prompt. `finish` is "stop", "length" or "budget"; `timings` are seconds by
    stage ("prefill", "decode"); `logprob` is the mean log-probability of the answer's tokens, where known."""

    text: str
    usage: Usage = Usage()
    finish: str = "stop"
    timings: Mapping[str, float] = field(default_factory=dict)
    logprob: float | None = None


@dataclass(frozen=True, slots=True)
class Citation:
    """A resolved [n]: passage number, document and span, and the quoted text."""

    number: int
    document: str
    start: int
    end: int
    quote: str
    title: str = ""
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a variant says to one question. `text` keeps the [n] markers of `citations`; markers that point nowhere were
    removed and counted in `dropped_citations`. `passages` is the evidence shown to the model, `ranking` what its search
    found, best first: longer than what was shown, in smaller pieces, and None when nothing was searched or the list was
    not kept. `trimmed_passages` counts those passages that did not fit into the prompt, `fallbacks` the times a
    generator that was to help the search failed, and it went on without. `timings` are seconds by stage ("embed",
    "search", "decode", "total"…). `cost` is USD, None when not known. `fingerprint` is the variant's. `confidence` is
    the geometric mean of the probabilities of the generated tokens, also of an answer withheld for it; None where the
    generator does not tell."""

    text: str
    variant: str = ""
    citations: tuple[Citation, ...] = ()
    passages: tuple[Passage, ...] = ()
    abstained: bool = False
    dropped_citations: int = 0
    trimmed_passages: int = 0
    fallbacks: int = 0
    usage: Usage = Usage()
    finish: str = "stop"
    timings: Mapping[str, float] = field(default_factory=dict)
    cost: float | None = None
    fingerprint: str = ""
    ranking: tuple[RankedHit, ...] | None = None
    confidence: float | None = None


# --- measuring and deciding ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """One question put to one variant. `status` is "ok", "error", "timeout" or "unparsed"; an error keeps its text
    in `error` and has no answer."""

    question: str
    variant: str
    status: str
    answer: Answer | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Value:
    """A metric on one row: a number, or null with its reason. A null never becomes 0 or 1. `of` is how many parts (claims,
    citations) the number is a share of, where rows are also pooled by them."""

    value: float | None
    null_reason: str = ""
    of: int | None = None


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its 95 % interval over the rows that could be scored. Null when none could."""

    mean: float | None
    low: float | None
    high: float | None
    n_scored: int
    n_total: int


@dataclass(frozen=True, slots=True)
class Contrast:
    """Variant `a` minus variant `b` on one metric, paired by question. `mde` is the smallest difference that this
    many questions would have shown with 80 % power. `p_adjusted` is Holm's over the family of the primary metric's
    contrasts over all questions; of every other contrast, which is exploratory, Benjamini and Hochberg's. A refused
    contrast (see the comparison's warnings) has neither difference nor p."""

    a: str
    b: str
    metric: str
    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    p_adjusted: float | None = None
    mde: float | None = None
    n: int = 0
    stratum: str = ""


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The verdict. `kind` is "RECOMMEND", "KEEP_THE_CHEAPER" or "UNDECIDED"; `trace` the steps that led to it, as
    printed; `reasons` the short form; `questions_needed` how many more questions would decide it, when undecided;
    `probability_best` P(variant has the highest utility) from the bootstrap; `sensitivity` what would change it.
    `candidates` are the variants still in question, the cheaper first; `drivers` the ids of the questions on which the
    best two differ; `failures` variant → cause → question ids."""

    kind: str
    variant: str | None
    reasons: tuple[str, ...] = ()
    trace: tuple[str, ...] = ()
    utility: Mapping[str, Estimate] = field(default_factory=dict)
    probability_best: Mapping[str, float] = field(default_factory=dict)
    questions_needed: int | None = None
    sensitivity: tuple[Mapping[str, Any], ...] = ()
    rejected: Mapping[str, str] = field(default_factory=dict)
    candidates: tuple[str, ...] = ()
    drivers: tuple[str, ...] = ()
    failures: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Runs side by side. `variants[name][metric]` is an Estimate over all questions, `strata[stratum][name][metric]`
    the same within a stratum; `baselines` names the variants shown for orientation that cannot win."""

    questions: int
    primary: str
    variants: Mapping[str, Mapping[str, Estimate]]
    contrasts: tuple[Contrast, ...] = ()
    strata: Mapping[str, Mapping[str, Mapping[str, Estimate]]] = field(default_factory=dict)
    baselines: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    fingerprints: Mapping[str, str] = field(default_factory=dict)
