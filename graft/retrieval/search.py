"""A query → ranked hits: dense and BM25 lists, reciprocal rank fusion, an optional reranker.

The filter goes into both searches before anything is ranked, so a chunk outside it can neither be returned nor push
another one down. Knows nothing of documents, prompts or how the index was built.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from graft.protocols import Embedder, Filter, Reranker, Store, Vector
from graft.types import Chunk, Hit

Mode = Literal["hybrid", "dense", "bm25"]


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Hits, best first, and seconds by stage ("embed", "search", "rerank")."""

    hits: tuple[Hit, ...]
    timings: Mapping[str, float] = field(default_factory=dict)


class Searcher:
    """Searches one store. Safe to share between threads when its parts are.

    `candidates` is how deep each list goes before fusion, and how many of the fused hits a reranker sees.
    """

    def __init__(
        self,
        store: Store,
        embedder: Embedder,
        *,
        reranker: Reranker | None = None,
        fusion_k: int = 60,
        candidates: int = 50,
        mode: Mode = "hybrid",
    ) -> None:
        self._store = store
        self._embedder = embedder
        self._reranker = reranker
        self._fusion_k = fusion_k
        self._candidates = candidates
        self._mode = mode

    def search(self, query: str, k: int, where: Filter | None = None) -> SearchResult:
        """Return at most `k` hits for one query."""
        return self.search_batch([query], k, where)[0]

    def search_batch(self, queries: Sequence[str], k: int, where: Filter | None = None) -> list[SearchResult]:
        """Return one result a query, in order. The queries are embedded in one go; each is charged its share."""
        started = time.perf_counter()
        vectors: Sequence[Vector | None] = [None] * len(queries)
        if self._mode != "bm25" and queries:
            vectors = list(self._embedder.encode(queries, query=True))
        embed = (time.perf_counter() - started) / max(len(queries), 1)
        return [
            self._one(query, vector, k, where, embed) for query, vector in zip(queries, vectors, strict=True)
        ]

    def _one(
        self, query: str, vector: Vector | None, k: int, where: Filter | None, embed: float
    ) -> SearchResult:
        started = time.perf_counter()
        depth = max(self._candidates, k)
        lists: dict[str, Sequence[tuple[Chunk, float]]] = {}
        if vector is not None:
            lists["dense"] = self._store.search_dense(vector, depth, where)
        if self._mode != "dense":
            lists["bm25"] = self._store.search_text(query, depth, where)
        hits = reciprocal_rank_fusion(lists, self._fusion_k)
        if len(lists) == 1:  # with nothing to fuse, the list's own score says more than a rank
            (name,) = lists
            hits = [replace(hit, score=hit.scores[name]) for hit in hits]
        timings = {"embed": embed, "search": time.perf_counter() - started}
        if self._reranker is not None:
            started = time.perf_counter()
            hits = _rerank(self._reranker, query, hits[:depth])
            timings["rerank"] = time.perf_counter() - started
        return SearchResult(tuple(hits[: max(k, 0)]), timings)


def reciprocal_rank_fusion(lists: Mapping[str, Sequence[tuple[Chunk, float]]], k: int = 60) -> list[Hit]:
    """Fuse ranked lists by Σ 1 / (k + rank), rank 1-based; equal scores are ordered by chunk id.

    Cormack, Clarke & Büttcher, SIGIR 2009. Needs no calibration between the lists' scores, which is why it beats
    weighted sums when neither list was tuned.
    """
    chunks: dict[str, Chunk] = {}
    ranks: dict[str, dict[str, int]] = {}
    scores: dict[str, dict[str, float]] = {}
    for name, ranked in lists.items():
        for rank, (chunk, score) in enumerate(ranked, start=1):
            chunks[chunk.id] = chunk
            ranks.setdefault(chunk.id, {})[name] = rank
            scores.setdefault(chunk.id, {})[name] = score
    hits = [
        Hit(
            chunk, sum(1 / (k + rank) for rank in ranks[identity].values()), ranks[identity], scores[identity]
        )
        for identity, chunk in chunks.items()
    ]
    return sorted(hits, key=_order)


def _rerank(reranker: Reranker, query: str, hits: Sequence[Hit]) -> list[Hit]:
    scores = reranker.score(query, [hit.chunk.searchable for hit in hits])
    again = [
        replace(hit, score=score, scores={**hit.scores, "rerank": score})
        for hit, score in zip(hits, scores, strict=True)
    ]
    return sorted(again, key=_order)


def _order(hit: Hit) -> tuple[float, str]:
    return (-hit.score, hit.chunk.id)
