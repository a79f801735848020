"""What a search reads from: one version of a store that lists rows, whether the store can do that itself or not; and rows
to hits.

Knows the Protocols; nothing of how lists are fused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from graft.protocols import Filter, Readable, Reading, Store, Vector
from graft.ranked import Listed
from graft.types import Chunk, Hit

Lists = Mapping[str, Listed]
"""Ranked lists by name: "dense", "bm25"; for another wording of the question "dense/hyde"."""


def reading(store: Store) -> Reading:
    """Return one version of a store."""
    return store.reading() if isinstance(store, Readable) else Gathered(store)


class Numbered:
    """Chunks numbered in the order in which lists first hold them, so that lists of chunks become lists of rows."""

    def __init__(self) -> None:
        self._rows: dict[str, int] = {}
        self._chunks: list[Chunk] = []

    def listed(self, ranked: Sequence[tuple[Chunk, float]]) -> Listed:
        """Return a list of chunks as one of rows."""
        rows = []
        for chunk, _ in ranked:
            row = self._rows.setdefault(chunk.id, len(self._chunks))
            if row == len(self._chunks):
                self._chunks.append(chunk)
            rows.append(row)
        return Listed(np.array(rows, np.int64), np.array([score for _, score in ranked], np.float64))

    def ids(self, rows: NDArray[np.int64]) -> list[str]:
        """Return the ids of chunks."""
        return [self._chunks[row].id for row in rows.tolist()]

    def chunks(self, rows: NDArray[np.int64]) -> list[Chunk]:
        """Return chunks."""
        return [self._chunks[row] for row in rows.tolist()]


class Gathered(Numbered):
    """Any store as a Reading. Each list is of the store's newest version, as nothing better is to be had."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self._store = store

    def dense(self, vector: Vector, k: int, where: Filter | None = None) -> Listed:
        """See the Protocol."""
        return self.listed(self._store.search_dense(vector, k, where))

    def text(self, query: str, k: int, where: Filter | None = None) -> Listed:
        """See the Protocol."""
        return self.listed(self._store.search_text(query, k, where))

    def holds(self, word: str, where: Filter | None = None) -> bool:
        """See the Protocol."""
        return bool(self._store.search_text(word, 1, where))


def hits(fused: Listed, lists: Lists, source: Reading | Numbered) -> list[Hit]:
    """Return the fused rows as hits, with their rank and score in each list."""
    places = {name: {row: at for at, row in enumerate(one.rows.tolist())} for name, one in lists.items()}
    scores = {name: one.scores.tolist() for name, one in lists.items()}
    made = []
    chunks = source.chunks(fused.rows)
    for row, score, chunk in zip(fused.rows.tolist(), fused.scores.tolist(), chunks, strict=True):
        found = {name: at for name, place in places.items() if (at := place.get(row)) is not None}
        made.append(
            Hit(
                chunk,
                score,
                {name: at + 1 for name, at in found.items()},
                {name: scores[name][at] for name, at in found.items()},
            )
        )
    return made
