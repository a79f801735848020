"""Documents → a store that holds exactly their chunks, embedding only what changed.

The store itself remembers what each document was indexed from; there is no second book to disagree with it. Every
commit replaces whole documents atomically, so a build that was killed is finished by the next one, and ends where an
undisturbed build would have. Searching is `search.py`'s business, finding out what changed is `library.py`'s.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Self

import numpy as np

from graft.errors import DataError
from graft.protocols import Chunker, Dated, Embedder, Matrix, Progress, Store, Vector
from graft.retrieval.cache import EmbeddingCache
from graft.retrieval.catalogue import Corpus
from graft.types import Chunk, Document, content_hash
from graft.workspace import Workspace

# A commit costs milliseconds and a kill loses at most the commit under way. 512 chunks are a few seconds of embedding,
# and enough texts of like length to fill batches without padding.
_COMMIT_CHUNKS = 512
_ENCODE_TEXTS = 128


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What an update did. `documents` and `chunks` are what the index holds now; `added`, `changed`, `deleted` and
    `unchanged` count documents, `empty` those without a passage; `embedded` texts went through the model, `cached`
    chunks did not have to. `seconds` by stage: "chunk", "embed", "store"."""

    documents: int
    added: int
    changed: int
    deleted: int
    unchanged: int
    empty: int
    chunks: int
    embedded: int
    cached: int
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Plan:
    """Document ids by what has to be done; `states` is what each document will be stored with."""

    states: dict[str, str]
    added: list[str]
    changed: list[str]
    deleted: list[str]
    foreign: list[str]
    """Those whose vectors another embedder made."""


class Held:
    """A Corpus of documents in memory. Raises DataError when two share an id."""

    def __init__(self, documents: Iterable[Document]) -> None:
        self._documents: dict[str, Document] = {}
        for document in documents:
            if document.id in self._documents:
                raise DataError(
                    f"Two documents have the id {document.id!r}.", "Give each document an id of its own."
                )
            self._documents[document.id] = document
        self.fingerprints = {name: document.fingerprint for name, document in self._documents.items()}

    def read(self, ids: Collection[str]) -> Iterator[Document]:
        """Yield the documents of these ids."""
        return (self._documents[name] for name in ids)


class Index:
    """A store, and how documents get into it. `name` tells the indexes of one workspace apart: two processes may update
    two of them, but not one of them, at the same time."""

    def __init__(
        self, workspace: Workspace, *, store: Store, embedder: Embedder, chunker: Chunker, name: str = ""
    ) -> None:
        self._workspace = workspace
        self._store = store
        self._embedder = embedder
        self._chunker = chunker
        self._lock = f"index-{name}" if name else "index"
        self._known: dict[str, str] | None = None
        self._fingerprint = ("", "")

    @classmethod
    def open(
        cls, workspace: Workspace, *, store: Store, embedder: Embedder, chunker: Chunker, name: str = ""
    ) -> Self:
        """Return the index of a workspace. Nothing is read or loaded yet."""
        return cls(workspace, store=store, embedder=embedder, chunker=chunker, name=name)

    @property
    def fingerprint(self) -> str:
        """Hash of what is indexed: every document with what its chunks and vectors were made from."""
        now = self._store.generation() if isinstance(self._store, Dated) else ""
        if not now or self._fingerprint[0] != now:
            items = sorted(self._store.documents().items())
            self._fingerprint = (now, content_hash(*(part for item in items for part in item)))
        return self._fingerprint[1]

    def plan(self, documents: Corpus | Iterable[Document]) -> dict[str, int]:
        """Return how many documents an update would add, change, delete and leave, without loading a model."""
        plan = self._plan(_corpus(documents).fingerprints, self._store.documents())
        counts = {"added": len(plan.added), "changed": len(plan.changed), "deleted": len(plan.deleted)}
        return {**counts, "unchanged": len(plan.states) - counts["added"] - counts["changed"]}

    def update(
        self,
        documents: Corpus | Iterable[Document],
        progress: Progress,
        *,
        only: Collection[str] | None = None,
        wait: float = 0.0,
    ) -> IndexReport:
        """Make the store hold exactly these documents.

        `only` names the documents that can have changed since this object's last update, so that the work is
        proportional to them and not to the index. `wait`: seconds to wait for another process that is indexing. Raises
        DataError when two share an id, WorkspaceError when another process is indexing or the disk is full.
        """
        corpus = _corpus(documents)
        with self._workspace.lock(self._lock, wait=wait):
            if only is None or self._known is None:
                only, self._known = None, self._store.documents()
            known, self._known = self._known, None  # forgotten when this update fails halfway
            plan = self._plan(corpus.fingerprints, known, only)
            run = _Update(self._store, self._embedder, self._chunker, self._workspace, plan, progress)
            run.remove()
            run.write(corpus.read([*plan.added, *plan.changed]))
            run.finish()
            for name in plan.deleted:
                del known[name]
            known |= {name: plan.states[name] for name in (*plan.added, *plan.changed)}
            for name in run.empty:
                known.pop(name, None)
            self._known = known
        added = [name for name in plan.added if name not in run.empty]
        total = len(corpus.fingerprints)
        return IndexReport(
            documents=len(known),
            added=len(added),
            changed=len(plan.changed),
            deleted=len(plan.deleted),
            unchanged=total - len(plan.added) - len(plan.changed),
            empty=len(run.empty),
            chunks=len(self._store),
            embedded=run.counts["embedded"],
            cached=run.counts["cached"],
            seconds={stage: round(run.seconds[stage], 4) for stage in ("chunk", "embed", "store")},
        )

    def _plan(
        self, prints: Mapping[str, str], known: Mapping[str, str], only: Collection[str] | None = None
    ) -> _Plan:
        wanted = prints if only is None else {name: prints[name] for name in sorted(only) if name in prints}
        stored = known if only is None else {name: known[name] for name in only if name in known}
        states = {name: self._state(fingerprint) for name, fingerprint in wanted.items()}
        embedder = self._embedder.fingerprint
        return _Plan(
            states,
            added=[name for name in states if name not in known],
            changed=[name for name in states if name in known and known[name] != states[name]],
            deleted=sorted(name for name in stored if name not in states),
            foreign=sorted(name for name, state in stored.items() if state.split(":")[0] != embedder),
        )

    def _state(self, fingerprint: str) -> str:
        """Return what a document is stored with: the embedder, then the hash of text, metadata and chunker."""
        return f"{self._embedder.fingerprint}:{content_hash(fingerprint, self._chunker.fingerprint)}"


def _corpus(documents: Corpus | Iterable[Document]) -> Corpus:
    return documents if isinstance(documents, Corpus) else Held(documents)


class _Update:
    """One run of `Index.update`: the parts it needs, and what it has counted so far."""

    def __init__(
        self,
        store: Store,
        embedder: Embedder,
        chunker: Chunker,
        workspace: Workspace,
        plan: _Plan,
        progress: Progress,
    ) -> None:
        self._store, self._embedder, self._chunker = store, embedder, chunker
        self._cache = EmbeddingCache(workspace.embeddings, embedder.fingerprint)
        self._plan, self._progress = plan, progress
        self.counts = Counter[str]()
        self.seconds = defaultdict[str, float](float)
        self.empty: list[str] = []

    def remove(self) -> None:
        """Delete vanished documents, and all that another embedder made: its vectors answer none of our queries."""
        gone = sorted({*self._plan.deleted, *self._plan.foreign})
        if gone:
            started = time.perf_counter()
            self._store.replace(dict.fromkeys(gone, ""), [], np.zeros((0, 0), dtype=np.float32))
            self.seconds["store"] += time.perf_counter() - started

    def write(self, documents: Iterable[Document]) -> None:
        """Chunk, embed and store, a batch of documents a commit."""
        done, total = 0, len(self._plan.added) + len(self._plan.changed)
        self._progress("index", done, total)
        for batch in self._batches(documents):
            size = len(batch)
            states = {document.id: self._plan.states[document.id] for document, _ in batch}
            chunks = [chunk for _, made in batch for chunk in made]
            vectors = self._embed(chunks, partial(self._tell, done, size, total))
            started = time.perf_counter()
            self._store.replace(states, chunks, vectors)
            self.seconds["store"] += time.perf_counter() - started
            done += size
            self._progress("index", done, total)

    def _tell(self, done: int, size: int, total: int, share: float) -> None:
        """Report documents done, counting a share of the batch under way."""
        self._progress("index", done + int(share * size), total)

    def finish(self) -> None:
        """Let the store bring its indexes up to date. Not only after changes: the run before may have been killed."""
        started = time.perf_counter()
        self._store.optimize()
        self.seconds["store"] += time.perf_counter() - started

    def _batches(self, documents: Iterable[Document]) -> Iterator[list[tuple[Document, list[Chunk]]]]:
        batch: list[tuple[Document, list[Chunk]]] = []
        size = 0
        for document in documents:
            started = time.perf_counter()
            chunks = self._chunker.split(document)
            self.seconds["chunk"] += time.perf_counter() - started
            if not chunks:
                self.empty.append(document.id)
            batch.append((document, chunks))
            size += len(chunks)
            if size >= _COMMIT_CHUNKS:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    def _embed(self, chunks: Sequence[Chunk], tell: Callable[[float], None]) -> Matrix:
        """Return the vectors of the chunks, from the cache where it has them; texts of like length go together.

        `tell` hears the share that is done, because a commit's worth of embedding may take half a minute.
        """
        started = time.perf_counter()
        texts = [chunk.searchable for chunk in chunks]
        known: dict[str, Vector] = self._cache.get(texts)
        new = sorted({text for text in texts if text not in known}, key=lambda text: (len(text), text))
        for at in range(0, len(new), _ENCODE_TEXTS):
            part = new[at : at + _ENCODE_TEXTS]
            vectors = self._embedder.encode(part)
            self._cache.put(part, vectors)
            known |= dict(zip(part, vectors, strict=True))
            tell((at + len(part)) / len(new))
        self.counts["embedded"] += len(new)
        self.counts["cached"] += len(texts) - len(new)
        self.seconds["embed"] += time.perf_counter() - started
        stacked = [known[text] for text in texts]
        return np.stack(stacked) if stacked else np.zeros((0, 0), dtype=np.float32)
