"""Small real backends for tests and first steps: an embedder, a store and a generator that need no model.

They satisfy the same Protocols and pass the same conformance suites as the others, are deterministic, and have no
dependency but numpy. They know nothing of quality: hashing is not meaning, and echoing is not reading.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import math
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

from graft.errors import BackendError, DataError
from graft.protocols import Filter, Likelihood, Matrix, StoreHealth, Vector
from graft.records import from_dict, to_dict
from graft.types import Chunk, Generation, Message, Usage, content_hash
from graft.workspace import guard, write_text

_WORD = re.compile(r"\w+")


def words(text: str) -> list[str]:
    """Return the lower-cased words of a text."""
    return _WORD.findall(text.lower())


# --- embedder --------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1 << 16)
def _features(word: str) -> tuple[tuple[int, float], ...]:
    """Return (hash, weight) of a word and of its character trigrams.

    A trigram weighs 0.3, so that a shared stem counts, but less than the shared word.
    """
    padded = f"<{word}>"
    parts = [(word, 1.0), *((padded[at : at + 3], 0.3) for at in range(len(padded) - 2))]
    return tuple(
        (int.from_bytes(hashlib.blake2b(p.encode(), digest_size=8).digest(), "big"), w) for p, w in parts
    )


class HashingEmbedder:
    """Signed feature hashing (Weinberger et al. 2009) of words and character trigrams into unit vectors."""

    @dataclass(frozen=True, slots=True)
    class Options:
        """`dimension`: length of the vectors."""

        dimension: int = 256

    def __init__(self, options: Options | None = None) -> None:
        self.dimension = (options or self.Options()).dimension
        self.fingerprint = content_hash("hashing", "1", str(self.dimension))

    def encode(self, texts: Sequence[str], *, query: bool = False) -> Matrix:
        """Return float32 [len(texts), dimension], unit rows. Queries and passages are treated alike."""
        del query
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in zip(vectors, texts, strict=True):
            for word in words(text):
                for feature, weight in _features(word):
                    row[feature % self.dimension] += weight if feature >> 63 else -weight
            norm = float(np.linalg.norm(row))
            if norm == 0.0:
                row[0] = 1.0  # a text without words still gets a unit vector
            else:
                np.divide(row, norm, out=row)
        return vectors


# --- store -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Snapshot:
    """All that is stored, immutable, with the BM25 statistics of it."""

    documents: Mapping[str, str] = field(default_factory=dict)
    chunks: tuple[Chunk, ...] = ()
    vectors: Matrix = field(default_factory=lambda: np.zeros((0, 0), dtype=np.float32))
    counts: tuple[Counter[str], ...] = ()
    idf: Mapping[str, float] = field(default_factory=dict)
    mean_length: float = 0.0

    @staticmethod
    def of(documents: Mapping[str, str], chunks: Sequence[Chunk], vectors: Matrix) -> _Snapshot:
        counts = tuple(Counter(words(chunk.searchable)) for chunk in chunks)
        frequency = Counter(word for count in counts for word in count)
        total = len(chunks)
        idf = {word: math.log(1 + (total - n + 0.5) / (n + 0.5)) for word, n in frequency.items()}
        mean = sum(count.total() for count in counts) / total if total else 0.0
        return _Snapshot(dict(documents), tuple(chunks), vectors, counts, idf, mean)

    def bm25(self, query: Sequence[str], row: int, k1: float = 1.2, b: float = 0.75) -> float:
        """BM25 as in Lucene (Robertson & Zaragoza 2009, with the idf that is never negative)."""
        count = self.counts[row]
        norm = k1 * (1 - b + b * count.total() / self.mean_length) if self.mean_length else k1
        return sum(self.idf[w] * count[w] * (k1 + 1) / (count[w] + norm) for w in query if w in count)


class MemoryStore:
    """Exact search with numpy and a small BM25 in plain Python; persisted as one file, replaced atomically.

    For tests and a few thousand chunks. Without a folder it lives in memory only.
    """

    FILE = "memory-store.json"

    def __init__(self, folder: Path | None = None, options: None = None) -> None:
        del options
        self._path = folder / self.FILE if folder is not None else None
        self._lock = threading.Lock()
        self._stamp: tuple[int, int] | None = None
        self._held = _Snapshot()

    def replace(self, documents: Mapping[str, str], chunks: Sequence[Chunk], vectors: Matrix) -> None:
        """See `graft.protocols.Store`."""
        if len(chunks) != len(vectors):
            raise DataError(
                f"{len(chunks)} chunks came with {len(vectors)} vectors.", "Embed every chunk once."
            )
        with self._lock:
            old = self._latest()
            keep = [row for row, chunk in enumerate(old.chunks) if chunk.document not in documents]
            merged = [(old.chunks[row], old.vectors[row]) for row in keep]
            merged += list(zip(chunks, vectors, strict=True))
            merged.sort(key=lambda pair: (pair[0].document, pair[0].start, pair[0].end))
            filled = {chunk.document for chunk in chunks}
            states = {name: state for name, state in old.documents.items() if name not in documents}
            states |= {name: state for name, state in documents.items() if name in filled}
            stacked = np.array([vector for _, vector in merged], dtype=np.float32)
            snapshot = _Snapshot.of(states, [chunk for chunk, _ in merged], stacked)
            self._write(snapshot)
            self._held = snapshot

    def optimize(self) -> None:
        """Do nothing: every write computes its statistics."""

    def documents(self) -> dict[str, str]:
        """Return document id → the fingerprint it was stored with."""
        return dict(self._read().documents)

    def search_dense(self, vector: Vector, k: int, where: Filter | None = None) -> list[tuple[Chunk, float]]:
        """Return at most `k` chunks by descending inner product."""
        held = self._read()
        if not held.chunks:
            return []
        scores = held.vectors @ np.asarray(vector, dtype=np.float32)
        return _best(held, {row: float(score) for row, score in enumerate(scores)}, k, where)

    def search_text(self, query: str, k: int, where: Filter | None = None) -> list[tuple[Chunk, float]]:
        """Return at most `k` chunks by descending BM25; chunks that share no word with the query are left out."""
        held = self._read()
        terms = [word for word in words(query) if word in held.idf]
        scores = {row: held.bm25(terms, row) for row in range(len(held.chunks))}
        return _best(held, {row: score for row, score in scores.items() if score > 0}, k, where)

    def chunks(self, documents: Sequence[str] | None = None) -> Iterator[Chunk]:
        """Yield the stored chunks, by document then start."""
        wanted = None if documents is None else set(documents)
        yield from (chunk for chunk in self._read().chunks if wanted is None or chunk.document in wanted)

    def health(self) -> StoreHealth:
        """Return how the store searches: always by computing every product."""
        held = self._read()
        size = self._path.stat().st_size if self._path is not None and self._path.exists() else 0
        return StoreHealth(len(held.chunks), size, held.vectors.nbytes, "exact", 1.0)

    def __len__(self) -> int:
        return len(self._read().chunks)

    def _read(self) -> _Snapshot:
        with self._lock:
            return self._latest()

    def _latest(self) -> _Snapshot:
        """Return what is on disk now, read again only when another process has replaced the file."""
        if self._path is None or not self._path.exists():
            return self._held
        with guard(self._path):
            found = self._path.stat()
            stamp = (found.st_ino, found.st_mtime_ns)
            if stamp != self._stamp:
                data = json.loads(self._path.read_text(encoding="utf-8"))
                flat = np.frombuffer(base64.b64decode(data["vectors"]), dtype="<f4").astype(np.float32)
                chunks = [from_dict(Chunk, item) for item in data["chunks"]]
                vectors = flat.reshape(len(chunks), -1) if chunks else flat.reshape(0, 0)
                self._held, self._stamp = _Snapshot.of(data["documents"], chunks, vectors), stamp
        return self._held

    def _write(self, held: _Snapshot) -> None:
        if self._path is None:
            return
        vectors = base64.b64encode(held.vectors.astype("<f4").tobytes()).decode()
        data = {"documents": held.documents, "chunks": to_dict(held.chunks), "vectors": vectors}
        write_text(self._path, json.dumps(data, ensure_ascii=False))
        found = self._path.stat()
        self._stamp = (found.st_ino, found.st_mtime_ns)


def _best(
    held: _Snapshot, scores: Mapping[int, float], k: int, where: Filter | None
) -> list[tuple[Chunk, float]]:
    rows = (row for row in scores if where is None or where.allows(held.chunks[row]))
    ranked = sorted(rows, key=lambda row: (-scores[row], held.chunks[row].id))[: max(k, 0)]
    return [(held.chunks[row], scores[row]) for row in ranked]


# --- generator -------------------------------------------------------------------------------------------------------

_FIRST_PASSAGE = re.compile(
    r"^\[1\][^\n]*\n(?P<text>.+?)(?=\n\n\[2\] |\n\n[^\n]*\Z|\Z)", re.MULTILINE | re.DOTALL
)
_FIRST_SENTENCE = re.compile(r".+?(?:[.!?](?=\s)|(?=\n\n)|$)", re.DOTALL)


class EchoGenerator:
    """Replies with the first sentence of passage [1] and cites it, or with "I don't know." when no passage is given.

    Counts a token per word, and finds every byte equally likely: 8 bits each. Fails and waits on demand, so that
    errors, time limits and resumption can be tested.
    """

    @dataclass(frozen=True, slots=True)
    class Options:
        """`reply`: say this instead. `delay`: seconds per call. `fail_every`: every n-th call raises BackendError."""

        reply: str = ""
        delay: float = 0.0
        fail_every: int = 0

    def __init__(self, options: Options | None = None) -> None:
        self._options = options or self.Options()
        self._calls = itertools.count(1)
        self.fingerprint = content_hash("echo", "1", self._options.reply)

    def generate(
        self,
        prompts: Sequence[Sequence[Message]],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> list[Generation]:
        """Return one reply a prompt. One call of this method is one call in the sense of `fail_every`."""
        del temperature, seed
        self._tick()
        return [self._reply(prompt, max_tokens) for prompt in prompts]

    def stream(
        self, prompt: Sequence[Message], *, max_tokens: int, temperature: float = 0.0, seed: int = 0
    ) -> Iterator[str | Generation]:
        """Yield the reply word by word, then the Generation."""
        del temperature, seed
        self._tick()
        reply = self._reply(prompt, max_tokens)
        yield from re.findall(r"\s*\S+", reply.text)
        yield reply

    def count_tokens(self, prompt: Sequence[Message]) -> int:
        """Return the number of words."""
        return sum(len(message.content.split()) for message in prompt)

    def log_likelihood(self, rows: Sequence[tuple[Sequence[Message], str]]) -> list[Likelihood]:
        """Return -ln 256 a byte, whatever the text and the prompt."""
        self._tick()
        sizes = [(len(text.encode()), len(text.split())) for _, text in rows]
        return [Likelihood(-math.log(256) * size, words, size) for size, words in sizes]

    def _tick(self) -> None:
        if self._options.delay:
            time.sleep(self._options.delay)
        call = next(self._calls)
        if self._options.fail_every and call % self._options.fail_every == 0:
            raise BackendError(
                f"The echo generator failed on call {call}.", "It was told to: see fail_every."
            )

    def _reply(self, prompt: Sequence[Message], max_tokens: int) -> Generation:
        said = (self._options.reply or _first_sentence(prompt)).split(" ")
        kept = said[:max_tokens]
        usage = Usage(self.count_tokens(prompt), len(kept))
        return Generation(" ".join(kept), usage, "stop" if len(kept) == len(said) else "length")


def _first_sentence(prompt: Sequence[Message]) -> str:
    found = _FIRST_PASSAGE.search(prompt[-1].content) if prompt else None
    sentence = _FIRST_SENTENCE.match(found["text"].strip()) if found else None
    return f"{' '.join(sentence.group().split())} [1]" if sentence else "I don't know."
