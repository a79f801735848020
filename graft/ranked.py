"""A ranked list as numbers: rows of one version of a store, and their scores. Chunks are made of the rows that are shown.

Making a chunk takes 5 µs, and a hybrid question lists 200 of them to show 10. Values only; knows no store.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ids = Callable[[NDArray[np.int64]], Sequence[str]]
"""Rows to the ids of their chunks."""


@dataclass(frozen=True, slots=True, eq=False)
class Listed:
    """Rows [n], each once, and their scores [n], best first; rows of equal score by chunk id."""

    rows: NDArray[np.int64]
    scores: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.rows)


EMPTY = Listed(np.zeros(0, np.int64), np.zeros(0, np.float64))


def ordered(rows: NDArray[np.int64], scores: NDArray[np.float64], ids: Ids, k: int | None = None) -> Listed:
    """Return the k best rows (all when None), best first. Ids are asked for only where scores are equal."""
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    if k is not None and k < len(order):  # of those that are as good as the last one, ids decide
        order = order[: np.searchsorted(-ranked, -ranked[k - 1], side="right")] if k > 0 else order[:0]
        ranked = scores[order]
    equal = ranked[1:] == ranked[:-1]
    if equal.any():
        among = np.zeros(len(order), dtype=bool)
        among[1:] |= equal
        among[:-1] |= equal
        places = np.flatnonzero(among)
        keys = zip((-ranked[places]).tolist(), ids(rows[order[places]]), order[places].tolist(), strict=True)
        order[places] = [at for _, _, at in sorted(keys)]
    order = order[:k]
    return Listed(rows[order], scores[order])
