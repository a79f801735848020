"""Nearest vectors by inner product, in memory: a coarse pass over all rows, a finer one over those that could win, and full
precision for the last few.

The 8-bit pass reads a quarter of the bytes, and how far it can be off is known (each row's rounding error has a length),
so every row that could be among the best is computed in full and the result is the exact one. Where there are many rows
that pass is bound by memory (20,000 × 384: 0.3 ms; 200,000: 5.6 ms alone on a machine, 17 ms beside a training job), and
a bit a number, its sign, chooses the rows it reads: 0.8 ms. Immutable: growing returns a new index that shares the old
one's memory. Knows row numbers only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from graft.backends.stores.top import Rows, at_least_kth
from graft.protocols import Matrix, Vector

Mask = NDArray[np.bool_]
Fetch = Callable[[Rows], Matrix]
"""Reads the full vectors of some rows from disk."""
Coded = tuple[NDArray[np.int8], NDArray[np.float32], float]
"""8-bit codes [n, d], one scale a row, and the greatest distance between a row and codes × scale."""

# Below this many rows one multiplication in full precision is as fast as two passes.
_FEW = 4096
# From here on rows are chosen by their signs first. Below, that saves less than 1 ms.
MANY = 1 << 16
# So many of them, or this share of all, go on to the 8-bit pass. Of the 10 (100) nearest of 200 real questions among
# 200,000 passages, 4,000 hold .9995 (.986), 8,000 hold 1.0000 (.996).
_LEAST_CHOSEN, _CHOSEN_SHARE = 4096, 0.04
# What may be read from disk to rescore, as a multiple of k: 50 of 20,000 cost 2.6 ms.
_RESCORED = 4
_SPARE = 1.25


class _Memory:
    """Room for rows, filled from the front. Rows once written are never changed, so indexes of different age share it."""

    def __init__(self, dimension: int, capacity: int, *, full: bool) -> None:
        self.codes = np.empty((capacity, dimension), dtype=np.int8)
        self.scales = np.empty(capacity, dtype=np.float32)
        self.signs = np.empty((capacity, -(-dimension // 8)), dtype=np.uint8)
        self.vectors: Matrix | None = np.empty((capacity, dimension), dtype=np.float32) if full else None
        self.used = 0

    def copied(self, rows: int, capacity: int) -> _Memory:
        """Return a larger memory with the first rows of this one."""
        made = _Memory(self.codes.shape[1], capacity, full=self.vectors is not None)
        made.codes[:rows], made.scales[:rows] = self.codes[:rows], self.scales[:rows]
        made.signs[:rows] = self.signs[:rows]
        if made.vectors is not None and self.vectors is not None:
            made.vectors[:rows] = self.vectors[:rows]
        made.used = rows
        return made


@dataclass(frozen=True, slots=True)
class VectorIndex:
    """Rows of float32 vectors with their 8-bit copies and signs; without full vectors, only those, rescored from disk.
    `many`: from how many rows on the signs choose; None: never, and the result is exact."""

    memory: _Memory
    many: int | None = MANY
    size: int = 0
    error: float = 0.0
    """The greatest distance between a row and its 8-bit copy."""
    norm: float = 0.0
    """The greatest length of a row."""

    @classmethod
    def empty(cls, dimension: int, capacity: int, *, full: bool = True, many: int | None = MANY) -> Self:
        """Return an index with room for `capacity` rows and some more; growing beyond that copies everything once."""
        return cls(_Memory(dimension, int(capacity * _SPARE) + _FEW, full=full), many)

    def __len__(self) -> int:
        return self.size

    @property
    def dimension(self) -> int:
        """Length of the vectors."""
        return int(self.memory.codes.shape[1])

    @property
    def full(self) -> bool:
        """Whether full vectors are held."""
        return self.memory.vectors is not None

    @property
    def chosen(self) -> bool:
        """Whether signs choose among the rows, so that the result need not be that of computing every product."""
        return self.many is not None and self.size >= self.many

    @property
    def nbytes(self) -> int:
        """Memory taken by the rows in use."""
        return self.size * bytes_per_row(self.dimension, full=self.full)

    def grown(self, vectors: Matrix) -> VectorIndex:
        """Return an index with more rows."""
        size = self.size + len(vectors)
        memory = self.memory
        if memory.used != self.size or size > len(memory.codes):
            memory = memory.copied(self.size, int(size * _SPARE) + _FEW)
        new = slice(self.size, size)
        memory.codes[new], memory.scales[new], error = quantised(vectors)
        memory.signs[new] = np.packbits(vectors > 0, axis=1)
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
        products = self._approximate(quantised(query[None]), rows) if full is None else full @ query
        # Rounded, because equal vectors may differ in the last bit by where they lie in memory.
        products = np.round(products, 6)
        kept = at_least_kth(products, k)
        return rows[kept], products[kept]

    def _candidates(self, query: Vector, k: int, allowed: Mask | None, *, rescored: bool) -> Rows:
        """Return every row that can be among the best k; without full vectors, those that are likely to be."""
        rows = self._by_signs(query, k, allowed) if self.chosen else None
        coded = quantised(query[None])
        near = self._approximate(coded, rows)
        if allowed is not None and rows is None:
            near[~allowed] = -np.inf
        if self.full:
            code, scale, error = coded
            # |q·v − q̂·v̂| ≤ |q − q̂| |v| + |q̂| |v − v̂|
            length = float(np.linalg.norm(code[0].astype(np.float32)) * scale[0])
            kept = at_least_kth(near, k, slack=2 * (error * self.norm + length * self.error))
        else:
            kept = at_least_kth(near, k * _RESCORED if rescored else k)
        return kept if rows is None else rows[kept]

    def _by_signs(self, query: Vector, k: int, allowed: Mask | None) -> Rows:
        """Return the rows whose signs differ least from the query's: in expectation, by its angle (Charikar 2002)."""
        import simsimd

        signs = np.packbits(query > 0)[None]
        apart = np.asarray(simsimd.cdist(signs, self.memory.signs[: self.size], "hamming", dtype="bin8"))[0]
        if allowed is not None:
            apart[~allowed] = np.inf
        wanted = max(_LEAST_CHOSEN, int(_CHOSEN_SHARE * self.size), _RESCORED * k)
        rows = np.flatnonzero(
            apart <= np.partition(apart, min(wanted, self.size) - 1)[min(wanted, self.size) - 1]
        )
        return rows if allowed is None else rows[allowed[rows]]

    def _approximate(self, coded: Coded, rows: Rows | None = None) -> NDArray[np.float32]:
        """Return the inner products of a coded query with the 8-bit copies of some rows, None for all."""
        import simsimd

        code, scale, _ = coded
        codes, scales = self.memory.codes[: self.size], self.memory.scales[: self.size]
        if rows is not None:
            codes, scales = codes.take(rows, axis=0), scales.take(rows)
        products = np.asarray(simsimd.cdist(code, codes, metric="dot"))[0]
        found: NDArray[np.float32] = products.astype(np.float32)
        found *= scales * scale[0]
        return found

    def _full(self, rows: Rows, fetch: Fetch | None) -> Matrix | None:
        held = self.memory.vectors
        if held is None:
            return None if fetch is None else fetch(rows)
        return held[: self.size] if len(rows) == self.size else held[rows]


def bytes_per_row(dimension: int, *, full: bool) -> int:
    """Return the memory a row takes: signs, 8-bit codes and a scale, and the vector when it is held in full."""
    return dimension * (5 if full else 1) + -(-dimension // 8) + 4


def quantised(vectors: Matrix) -> Coded:
    """Return 8-bit codes [n, d], one scale a row, and the greatest distance between a row and codes × scale."""
    scales = (np.abs(vectors).max(axis=1, initial=0) / 127).astype(np.float32)
    scales[scales == 0] = 1
    codes = np.rint(vectors / scales[:, None]).astype(np.int8)
    apart = np.linalg.norm(vectors - codes * scales[:, None], axis=1)
    return codes, scales, float(apart.max(initial=0))
