"""A store, an embedder and a reranker that remember: every question is computed once, however many settings are tried.

What a search costs is the lists, the query's vector and the reranker's reading; fusing, boosting and cutting them is
arithmetic. So a hundred settings over one index cost little more than one. The wrapped parts stay what they are to
the search, which does not know that it is replayed. Nothing here knows what is searched for, or what is measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from graft.protocols import Embedder, Filter, Matrix, Reranker, Store, StoreHealth, Vector, Weighted
from graft.types import Chunk

Ranked = list[tuple[Chunk, float]]


class RecordedStore:
    """A store whose lists are searched once, `depth` deep, and cut to what is asked for. A deeper one is searched anew."""

    def __init__(self, store: Store, depth: int) -> None:
        self._store = store
        self._depth = depth
        self._lists: dict[tuple[object, ...], Ranked] = {}
        self._chunks: dict[str, list[Chunk]] = {}

    def search_dense(self, vector: Vector, k: int, where: Filter | None = None) -> Ranked:
        """Return at most `k` chunks by descending inner product."""
        key = ("dense", vector.tobytes(), repr(where), max(k, self._depth))
        if key not in self._lists:
            self._lists[key] = self._store.search_dense(vector, max(k, self._depth), where)
        return self._lists[key][:k]

    def search_text(self, query: str, k: int, where: Filter | None = None) -> Ranked:
        """Return at most `k` chunks by descending BM25."""
        key = ("bm25", query, repr(where), max(k, self._depth))
        if key not in self._lists:
            self._lists[key] = self._store.search_text(query, max(k, self._depth), where)
        return self._lists[key][:k]

    def chunks(self, documents: Sequence[str] | None = None) -> Iterator[Chunk]:
        """Yield the stored chunks of the documents (all when None)."""
        if documents is None:
            yield from self._store.chunks()
            return
        for document in documents:
            if document not in self._chunks:
                self._chunks[document] = list(self._store.chunks([document]))
            yield from self._chunks[document]

    def documents(self) -> dict[str, str]:
        """Return document id → the fingerprint it was stored with."""
        return self._store.documents()

    def health(self) -> StoreHealth:
        """Return how the store searches."""
        return self._store.health()

    def replace(self, documents: Mapping[str, str], chunks: Sequence[Chunk], vectors: Matrix) -> None:
        """Refuse: what was remembered would no longer be true."""
        del documents, chunks, vectors
        raise TypeError("a recorded store is for reading")

    def optimize(self) -> None:
        """Do nothing: nothing is written here."""

    def __len__(self) -> int:
        return len(self._store)


class RecordedEmbedder:
    """An embedder that computes each query once. Passages go through: they are searched with by few settings."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._vectors: dict[str, Vector] = {}
        self.fingerprint = embedder.fingerprint
        self.dimension = embedder.dimension

    def encode(self, texts: Sequence[str], *, query: bool = False) -> Matrix:
        """Return float32 [len(texts), dimension], unit rows."""
        if not query:
            return self._embedder.encode(texts)
        new = [text for text in dict.fromkeys(texts) if text not in self._vectors]
        if new:
            self._vectors.update(zip(new, self._embedder.encode(new, query=True), strict=True))
        made: Matrix = (
            np.stack([self._vectors[text] for text in texts]) if texts else self._embedder.encode([])
        )
        return made


class RecordedReranker:
    """A reranker that reads each pair of query and passage once."""

    def __init__(self, reranker: Reranker) -> None:
        self._reranker = reranker
        self._scores: dict[tuple[str, str], float] = {}
        self.fingerprint = reranker.fingerprint
        self.weight = reranker.weight if isinstance(reranker, Weighted) else 1.0

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return one score a text."""
        new = [text for text in dict.fromkeys(texts) if (query, text) not in self._scores]
        if new:
            for text, score in zip(new, self._reranker.score(query, new), strict=True):
                self._scores[query, text] = score
        return [self._scores[query, text] for text in texts]
