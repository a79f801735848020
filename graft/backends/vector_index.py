"""Nearest vectors by inner product, in memory: an 8-bit pass over all rows, then full precision for those that could win.

The 8-bit pass reads a quarter of the bytes, and how far it can be off is known (each row's rounding error has a length),
so every row that could be among the best is computed in full and the result is the exact one. Measured on one core with
200,000 × 384: numpy in float32 19.8 ms, the 8-bit pass 5.6 ms. Immutable: growing returns a new index that shares the
old one's memory. Knows row numbers only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from graft.backends.top import Rows, at_least_kth
from graft.protocols import Matrix, Vector

Mask = NDArray[np.bool_]
Fetch = Callable[[Rows], Matrix]
"""Reads the full vectors of some rows from disk."""

# Below this many rows one multiplication in full precision is as fast as two passes.
_FEW = 4096
# What may be read from disk to rescore, as a multiple of k: 50 of 20,000 cost 2.6 ms.
_RESCORED = 4
_SPARE = 1.25


class _Memory:
    """Room for rows, filled from the front. Rows once written are never changed, so indexes of different age share it."""

    def __init__(self, dimension: int, capacity: int, *, full: bool) -> None:
        self.codes = np.empty((capacity, dimension), dtype=np.int8)
        self.scales = np.empty(capacity, dtype=np.float32)
        self.vectors: Matrix | None = np.empty((capacity, dimension), dtype=np.float32) if full else None
        self.used = 0

    def copied(self, rows: int, capacity: int) -> _Memory:
        """Return a larger memory with the first rows of this one."""
        made = _Memory(self.codes.shape[1], capacity, full=self.vectors is not None)
        made.codes[:rows], made.scales[:rows] = self.codes[:rows], self.scales[:rows]
        if made.vectors is not None and self.vectors is not None:
            made.vectors[:rows] = self.vectors[:rows]
        made.used = rows
        return made


@dataclass(frozen=True, slots=True)
class VectorIndex:
    """Rows of float32 vectors with their 8-bit copies; without full vectors, only the copies, rescored from disk."""

    memory: _Memory
    size: int = 0
    error: float = 0.0
    """The greatest distance between a row and its 8-bit copy."""
    norm: float = 0.0
    """The greatest length of a row."""

    @classmethod
    def empty(cls, dimension: int, capacity: int, *, full: bool = True) -> Self:
        """Return an index with room for `capacity` rows and some more; growing beyond that copies everything once."""
        return cls(_Memory(dimension, int(capacity * _SPARE) + _FEW, full=full))

    def __len__(self) -> int:
        return self.size

    @property
    def dimension(self) -> int:
        """Length of the vectors."""
        return int(self.memory.codes.shape[1])

    @property
    def exact(self) -> bool:
        """Whether full vectors are held, so that the result is that of computing every product."""
        return self.memory.vectors is not None

    @property
    def nbytes(self) -> int:
        """Memory taken by the rows in use."""
        return self.size * bytes_per_row(self.dimension, full=self.exact)

    def grown(self, vectors: Matrix) -> VectorIndex:
        """Return an index with more rows."""
        size = self.size + len(vectors)
        memory = self.memory
        if memory.used != self.size or size > len(memory.codes):
            memory = memory.copied(self.size, int(size * _SPARE) + _FEW)
        new = slice(self.size, size)
        memory.codes[new], memory.scales[new], error = quantised(vectors)
        if memory.vectors is not None:
            memory.vectors[new] = vectors
        memory.used = size
        norm = float(np.linalg.norm(vectors, axis=1).max(initial=0))
        return replace(
            self, memory=memory, size=size, error=max(self.error, error), norm=max(self.norm, norm)
        )

    def search(
        self, query: Vector, k: int, allowed: Mask | None = None, fetch: Fetch | None = None
    ) -> tuple[Rows, NDArray[np.float32]]:
        """Return rows and their inner products, unordered: all that are at least as near as the k-th nearest.

        `allowed` says which rows may be found. `fetch` reads full vectors when they are not held; without it the 8-bit
        products are returned as they are.
        """
        count = self.size if allowed is None else int(np.count_nonzero(allowed))
        if self.size <= _FEW or 8 * count <= self.size:
            rows = np.arange(self.size) if allowed is None else np.flatnonzero(allowed)
        else:
            rows = self._candidates(query, min(k, count), allowed, rescored=fetch is not None)
        full = self._full(rows, fetch)
        products = self._approximate(query)[rows] if full is None else full @ query
        # Rounded, because equal vectors may differ in the last bit by where they lie in memory.
        products = np.round(products, 6)
        kept = at_least_kth(products, k)
        return rows[kept], products[kept]

    def _candidates(self, query: Vector, k: int, allowed: Mask | None, *, rescored: bool) -> Rows:
        """Return every row that can be among the best k; without full vectors, those that are likely to be."""
        near = self._approximate(query)
        if allowed is not None:
            near[~allowed] = -np.inf
        if not self.exact:
            return at_least_kth(near, k * _RESCORED if rescored else k)
        code, scale, error = quantised(query[None])
        # |q·v − q̂·v̂| ≤ |q − q̂| |v| + |q̂| |v − v̂|
        length = float(np.linalg.norm(code[0].astype(np.float32)) * scale[0])
        return at_least_kth(near, k, slack=2 * (error * self.norm + length * self.error))

    def _approximate(self, query: Vector) -> NDArray[np.float32]:
        """Return the inner products with the 8-bit copies."""
        import simsimd

        code, scale, _ = quantised(query[None])
        products = np.asarray(simsimd.cdist(code, self.memory.codes[: self.size], metric="dot"))[0]
        found: NDArray[np.float32] = products.astype(np.float32)
        found *= self.memory.scales[: self.size] * scale[0]
        return found

    def _full(self, rows: Rows, fetch: Fetch | None) -> Matrix | None:
        held = self.memory.vectors
        if held is None:
            return None if fetch is None else fetch(rows)
        return held[: self.size] if len(rows) == self.size else held[rows]


def bytes_per_row(dimension: int, *, full: bool) -> int:
    """Return the memory a row takes: 8-bit codes and a scale, and the vector when it is held in full."""
    return dimension * (5 if full else 1) + 4


def quantised(vectors: Matrix) -> tuple[NDArray[np.int8], NDArray[np.float32], float]:
    """Return 8-bit codes [n, d], one scale a row, and the greatest distance between a row and codes × scale."""
    scales = (np.abs(vectors).max(axis=1, initial=0) / 127).astype(np.float32)
    scales[scales == 0] = 1
    codes = np.rint(vectors / scales[:, None]).astype(np.int8)
    apart = np.linalg.norm(vectors - codes * scales[:, None], axis=1)
    return codes, scales, float(apart.max(initial=0))
