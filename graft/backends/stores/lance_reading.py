"""One version of a LanceDB table as a question reads it: lists of rows under a filter, and chunks of the rows that are shown.

Nothing is held here: a version's arrays are its snapshot's, and an empty store has none. Knows the analyser of questions.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graft.backends.stores.lance_snapshot import Snapshot
from graft.protocols import Filter, Vector
from graft.ranked import EMPTY, Listed
from graft.types import Chunk


@dataclass(frozen=True, slots=True)
class LanceReading:
    """See `graft.protocols.Reading`. `words` makes terms of a text, `guarded` turns the disk's failures into errors."""

    snapshot: Snapshot | None
    words: Callable[[str], list[str]]
    guarded: Callable[[], AbstractContextManager[None]]

    def dense(self, vector: Vector, k: int, where: Filter | None = None) -> Listed:
        """See the Protocol."""
        if self.snapshot is None:
            return EMPTY
        with self.guarded():
            return self.snapshot.dense(vector, k, where)

    def text(self, query: str, k: int, where: Filter | None = None) -> Listed:
        """See the Protocol."""
        return EMPTY if self.snapshot is None else self.snapshot.matching(self.words(query), k, where)

    def holds(self, word: str, where: Filter | None = None) -> bool:
        """See the Protocol."""
        return self.snapshot is not None and self.snapshot.holds(self.words(word), where)

    def ids(self, rows: NDArray[np.int64]) -> list[str]:
        """See the Protocol."""
        return [] if self.snapshot is None else self.snapshot.ids(rows)

    def chunks(self, rows: NDArray[np.int64]) -> list[Chunk]:
        """See the Protocol."""
        return [] if self.snapshot is None else self.snapshot.chunks.chunks(rows)

    def hits(self, listed: Listed) -> list[tuple[Chunk, float]]:
        """Return a list's chunks with their scores."""
        return list(zip(self.chunks(listed.rows), listed.scores.tolist(), strict=True))
