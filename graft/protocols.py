"""What a backend must be able to do: small structural Protocols.

A backend is one class that satisfies a Protocol, a frozen `Options` dataclass nested in it (checked against
graft.toml), one entry-point line, and one inherited conformance test (`graft.testing`). No base class and no import
of GRAFT is needed. Every backend is constructed as `Backend(options)`, a Store as `Backend(folder, options)`.
Scores: higher is better. All calls are synchronous; streaming is an iterator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from graft.filters import Filter as Filter  # noqa: PLC0414 - part of the protocol of a Store
from graft.filters import values as values  # noqa: PLC0414
from graft.types import Answer, Chunk, Document, Generation, Message, Question, Row, TrainingRow, Value

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from graft.ranked import Listed

    Matrix = NDArray[np.float32]
    Vector = NDArray[np.float32]
else:  # numpy takes 120 of the 300 ms that `graft --help` may take, and annotations are never evaluated
    Matrix = Vector = Any
Progress = Callable[[str, int, int], None]
"""Called as progress(stage, done, total); total 0 means unknown."""


@runtime_checkable
class Loader(Protocol):
    """Reads one kind of file. `suffixes` are lower-case with the dot."""

    suffixes: Sequence[str]

    def load(self, path: Path, document_id: str) -> Iterable[Document]:
        """Yield the file's documents (one for most formats). Raise DataError with a reason for a bad file."""


@runtime_checkable
class Chunker(Protocol):
    """Cuts a document into passages. `fingerprint` changes whenever the chunks would."""

    fingerprint: str

    def split(self, document: Document) -> list[Chunk]:
        """Return the chunks in document order; `chunk.text == document.text[chunk.start:chunk.end]` for each."""


@runtime_checkable
class Embedder(Protocol):
    """Turns texts into unit vectors. `fingerprint` changes whenever the vectors would."""

    fingerprint: str
    dimension: int

    def encode(self, texts: Sequence[str], *, query: bool = False) -> Matrix:
        """Return float32 [len(texts), dimension], rows of unit length, in the order of `texts`."""


@dataclass(frozen=True, slots=True)
class StoreHealth:
    """How a store searches what it holds: `search` in its own words ("exact", say), `recall` of the 10 nearest vectors
    against computing every product, on `sample` stored vectors (None where it was not measured), and what it takes."""

    rows: int
    disk_bytes: int
    memory_bytes: int
    search: str
    recall: float | None = None
    sample: int = 0


@runtime_checkable
class Store(Protocol):
    """Holds chunks with their vectors and searches them by vector and by words. `replace` is atomic: a kill at any
    moment leaves either the state before or the state after. Readers see a consistent snapshot."""

    def replace(self, documents: Mapping[str, str], chunks: Sequence[Chunk], vectors: Matrix) -> None:
        """Make `chunks` all that is stored of `documents` (id → fingerprint of what its chunks were made from): what
        they had before and have no longer is removed. A document without chunks is deleted. `vectors` is
        [len(chunks), dimension]; the dimension may only change when nothing else remains."""

    def optimize(self) -> None:
        """Called after the last `replace` of an update. Bring indexes up to date, so that what a search returns depends
        on what is stored and not on the way there. A store without such indexes does nothing."""

    def documents(self) -> dict[str, str]:
        """Return document id → the fingerprint it was stored with. This, and no file beside the store, is the truth
        about what is indexed."""

    def search_dense(self, vector: Vector, k: int, where: Filter | None = None) -> list[tuple[Chunk, float]]:
        """Return at most `k` chunks by descending inner product with `vector`."""

    def search_text(self, query: str, k: int, where: Filter | None = None) -> list[tuple[Chunk, float]]:
        """Return at most `k` chunks by descending BM25. Any text is a valid query."""

    def chunks(self, documents: Sequence[str] | None = None) -> Iterator[Chunk]:
        """Yield the stored chunks of the documents (all when None), by document then start."""

    def health(self) -> StoreHealth:
        """Return how the store searches, and how well; may take a second."""

    def __len__(self) -> int: ...


@runtime_checkable
class Dated(Protocol):
    """What a Store may do besides: tell cheaply that it was written to. Without it, what depends on the stored documents
    is computed anew for every answer that is looked up in a server's cache."""

    def generation(self) -> str:
        """Return what differs after every commit, by any process; in a millisecond at most."""


class Reading(Protocol):
    """One version of a store, for as long as a question takes: its lists agree with each other and with the chunks that
    are made of them, whatever is written meanwhile. Rows are numbers of this reading's own."""

    def dense(self, vector: Vector, k: int, where: Filter | None = None) -> Listed:
        """Return at most `k` rows by descending inner product."""

    def text(self, query: str, k: int, where: Filter | None = None) -> Listed:
        """Return at most `k` rows by descending BM25; those that share no word with the query are left out."""

    def holds(self, word: str, where: Filter | None = None) -> bool:
        """Whether a chunk that passes the filter has the word, in any form that counts as the same."""

    def ids(self, rows: NDArray[np.int64]) -> Sequence[str]:
        """Return the chunk ids of rows."""

    def chunks(self, rows: NDArray[np.int64]) -> Sequence[Chunk]:
        """Return the chunks of rows."""


@runtime_checkable
class Readable(Protocol):
    """What a Store may do besides: list rows, and make chunks only of those that are shown. Without it every entry of every
    list is made, which at 100 entries costs a question a millisecond."""

    def reading(self) -> Reading:
        """Return what is stored now."""


@runtime_checkable
class Reranker(Protocol):
    """Scores passages against a query."""

    fingerprint: str

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return one score a text; higher is better."""


@runtime_checkable
class Weighted(Protocol):
    """What a Reranker may do besides: say how much its score counts beside that of the search, from 0 to 1. Without it, the
    reranker alone decides the order."""

    @property
    def weight(self) -> float:
        """The share of its standardised score."""


@runtime_checkable
class Generator(Protocol):
    """Answers prompts. `fingerprint` covers model, adapter and decoding."""

    fingerprint: str

    def generate(
        self,
        prompts: Sequence[Sequence[Message]],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> list[Generation]:
        """Return one Generation a prompt, in order. Batched where the backend can."""

    def stream(
        self, prompt: Sequence[Message], *, max_tokens: int, temperature: float = 0.0, seed: int = 0
    ) -> Iterator[str | Generation]:
        """Yield text deltas, then one final Generation whose text is their concatenation."""

    def count_tokens(self, prompt: Sequence[Message]) -> int:
        """Return the length of the prompt in tokens (an estimate for endpoints whose tokenizer is unknown)."""


@dataclass(frozen=True, slots=True)
class Likelihood:
    """How likely a model finds a text: the sum of its tokens' natural log-probabilities, over `tokens` of the model's own
    vocabulary and `bytes` of UTF-8. `nats` is None, with the reason, where that cannot be told."""

    nats: float | None
    tokens: int = 0
    bytes: int = 0
    null_reason: str = ""


@runtime_checkable
class Scorer(Protocol):
    """What a Generator may do besides: say how likely it finds a text that it did not write."""

    def log_likelihood(self, rows: Sequence[tuple[Sequence[Message], str]]) -> list[Likelihood]:
        """Return the likelihood of each (prompt, text), in order: of the text as the reply to the prompt, without the
        token that ends it; of the text by itself, read from its beginning, where the prompt is empty. Exact (teacher
        forcing, temperature 1), whatever the length of a text by itself; null where prompt and reply are longer than
        the model reads, and where its vocabulary cannot write the text."""


@runtime_checkable
class Constrained(Protocol):
    """What a Generator may do besides: hold its answers to a format while it writes them."""

    def constrained(self, contract: Mapping[str, Any], otherwise: str = "") -> Generator:
        """Return a generator, with another fingerprint, whose answers keep the contract ({"schema": a JSON Schema} or
        {"regex": a pattern of the whole answer}) or are, where it can choose, `otherwise` word for word. An answer that
        `max_tokens` cuts is the beginning of one. Raises ConfigError for a contract that it cannot keep."""


@runtime_checkable
class Trainer(Protocol):
    """Makes an adapter from rows. The loss is on `answer` and its end-of-turn token only; nothing is cut silently."""

    fingerprint: str

    def train(
        self,
        rows: Sequence[TrainingRow],
        dev: Sequence[TrainingRow],
        folder: Path,
        *,
        seed: int,
        progress: Progress,
    ) -> dict[str, Any]:
        """Write a standard peft adapter to `folder` and return what happened: {"steps", "tokens", "loss": [[step,
        train, dev]…], "best_step", "seconds", "refused": [row ids too long]…}. A killed run, called again with the
        same folder and rows, resumes from its last checkpoint."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What a model was written as. `base` is its hub id or folder; `dtype` that of the written weights, "" for an adapter
    alone, whose largest `rank` is given. `answers` are what the generator said to the prompts; over these the written
    model had the same likeliest token at every place of `same` of them, and no logit differed by more than `difference`
    (both None where no model was written). `stop` are the texts of the tokens that end an answer, `switches` the
    variables that the chat template is called with."""

    base: str
    dtype: str
    rank: int
    answers: tuple[str, ...]
    same: int | None
    difference: float | None
    stop: tuple[str, ...]
    switches: Mapping[str, bool]


@runtime_checkable
class Exporter(Protocol):
    """What a Generator with an adapter may do besides: write its model so that it runs without GRAFT."""

    def export(
        self,
        folder: Path,
        prompts: Sequence[Sequence[Message]],
        *,
        max_tokens: int,
        adapter_only: bool = False,
        dtype: str = "auto",
    ) -> Exported:
        """Write the base with the adapter merged into it, or the adapter alone, and the tokenizer to the empty `folder`,
        and compare over the prompts. Raise Mismatch when what was written says something else."""


@dataclass(frozen=True, slots=True)
class RankingRow:
    """What a retriever learns from: a query, a passage that answers it, and passages that only look as if they did.
    Texts as they are embedded (Chunk.searchable)."""

    query: str
    positive: str
    negatives: tuple[str, ...] = ()


@runtime_checkable
class RetrieverTrainer(Protocol):
    """Makes an embedder or a reranker from rows."""

    fingerprint: str

    def train(
        self, rows: Sequence[RankingRow], folder: Path, *, seed: int, progress: Progress
    ) -> dict[str, Any]:
        """Write a model to `folder` that its backend opens, and return what happened: {"steps", "seconds", "loss":
        [[step, mean]…]…}. A killed run, called again with the same folder and rows, goes on from its checkpoint."""


@runtime_checkable
class Answerer(Protocol):
    """Anything that answers questions: a Variant, an endpoint, a file of recorded answers. All that evaluation
    knows of the systems it measures."""

    name: str
    fingerprint: str

    def answer_batch(self, questions: Sequence[Sequence[Message]]) -> list[Answer]:
        """Return one Answer a question, in order."""


@runtime_checkable
class Streamer(Protocol):
    """What an Answerer may do besides: say an answer as it comes. Without it, how long its first word takes is not known."""

    def stream(self, question: Sequence[Message]) -> Iterator[str | Answer]:
        """Yield the answer's text in pieces, then the Answer whose text is their concatenation."""


Metric = Callable[[Question, Row], Value]
"""A metric is a pure function from a question and its row to a number, or to null with a reason."""
