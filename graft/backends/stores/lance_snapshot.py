"""One committed version of a LanceDB table as a reader holds it: texts, postings and, while they fit, vectors in memory.

A newer version is reached from an older one by its difference: rows are addresses on disk, which never change their
content, so a scan of the addresses (0.1 µs a row) tells what came and what went. Immutable; a query that began on one
version ends on it. Commits nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from graft.backends.stores.bm25_index import Bm25Index
from graft.backends.stores.lance_disk import Effort, nearest
from graft.backends.stores.lance_rows import (
    HELD,
    ChunkRows,
    Mask,
    dimension_of,
    stamp_of,
    terms_in,
    vectors_in,
)
from graft.backends.stores.memory import give_back
from graft.backends.stores.top import Rows
from graft.backends.stores.vector_index import Fetch, VectorIndex
from graft.errors import Mismatch
from graft.protocols import Filter, Matrix, Vector
from graft.ranked import EMPTY, Listed, ordered
from graft.types import Chunk

Tier = Literal["exact", "int8", "disk"]
"""Where vectors are searched: in memory in full, in memory as 8-bit copies, or by the index on disk."""
Addresses = NDArray[np.uint64]

# A reader starts anew when so many of its rows are gone, or more than half would be new.
_DEAD_ROWS, _DEAD_SHARE = 1000, 0.2
_MASKS = 64
_LARGE = 20_000


@dataclass(frozen=True)
class Snapshot:
    """What a reader holds. Row i of `addresses`, `chunks`, `words` and `vectors` is one chunk; `live` says which rows the
    version still has (None: all of them)."""

    table: Any
    version: int
    tier: Tier
    addresses: Addresses
    chunks: ChunkRows
    words: Bm25Index
    vectors: VectorIndex | None
    effort: Effort
    live: Mask | None = None
    _masks: dict[Any, Mask] = field(default_factory=dict)

    @classmethod
    def load(cls, table: Any, version: int, tier: Tier, effort: Effort, *, many: int | None) -> Self:
        """Read a version whole: 0.2 s for 20,000 chunks. `many`: see VectorIndex."""
        dimension = dimension_of(table.schema)
        vectors = None
        if tier != "disk":
            vectors = VectorIndex.empty(dimension, table.count_rows(), full=tier == "exact", many=many)
        empty = cls(table, version, tier, np.zeros(0, np.uint64), ChunkRows(), Bm25Index(), vectors, effort)
        whole = empty.grown(lambda names: table.search().select(names).with_row_id(True).limit(None))
        give_back()
        return whole

    def advanced(self, table: Any, version: int, tier: Tier) -> Snapshot | None:
        """Return a later version, by what differs; None when reading it whole is less work."""
        if tier != self.tier or stamp_of(table.schema) != stamp_of(self.table.schema):
            return None
        now = np.sort(table.search().select(["_rowid"]).with_row_id(True).limit(None).to_arrow()["_rowid"])
        gone = ~_within(self.addresses, now)
        if self.live is not None:
            gone &= self.live
        added = now[~_within(now, np.sort(self.addresses))]
        addresses = self.addresses
        if len(added) and gone.any():
            addresses, added, gone = self._followed(table, added, gone)
        live = ~gone if self.live is None else self.live & ~gone
        dead = len(live) - int(np.count_nonzero(live))
        if 2 * len(added) > len(live) or dead > max(_DEAD_ROWS, _DEAD_SHARE * len(live)):
            return None
        made = replace(
            self, table=table, version=version, addresses=addresses, live=live if dead else None, _masks={}
        )
        if len(added) == 0:
            return made
        return made.grown(lambda names: table.take_row_ids(added.tolist()).select(names).with_row_id())

    def _followed(self, table: Any, added: Addresses, gone: Mask) -> tuple[Addresses, Addresses, Mask]:
        """Tell rows that compaction moved from new ones: document states cover all that a row is made of, so one with
        the same id and state is the same row."""
        import pyarrow.compute as pc

        found = self._named(table, added)
        rows = np.flatnonzero(gone)
        before = self.chunks.table(("id", "state"), rows)
        where = pc.index_in(found["id"], value_set=before["id"]).combine_chunks()
        same = pc.fill_null(pc.equal(before["state"].take(where), found["state"]), False).to_numpy()
        addresses, gone = self.addresses.copy(), gone.copy()
        moved = rows[where.to_numpy(zero_copy_only=False)[same].astype(np.intp)]
        now = found["_rowid"].to_numpy()
        addresses[moved], gone[moved] = now[same], False
        return addresses, np.sort(now[~same]), gone

    @staticmethod
    def _named(table: Any, added: Addresses) -> Any:
        """Return the id, state and address of rows. A scan of all costs 0.3 µs a row, asking for some of them 1 µs each."""
        if 4 * len(added) < table.count_rows():
            return table.take_row_ids(added.tolist()).select(["id", "state"]).with_row_id().to_arrow()
        found = table.search().select(["id", "state"]).with_row_id(True).limit(None).to_arrow()
        return found.filter(_within(found["_rowid"].to_numpy(), added))

    def grown(self, query: Callable[[list[str]], Any]) -> Self:
        """Return this snapshot with more rows; `query` asks for some columns of them. Texts come first and the rest in
        batches, as all at once would take twice the memory."""
        held = query(list(HELD)).to_arrow()
        terms, counts, places, vectors = [], [], [], self.vectors
        for batch in query(["terms"] if vectors is None else ["terms", "vector"]).to_batches():
            if vectors is not None:
                vectors = vectors.grown(vectors_in(batch))
            words, sizes = terms_in(batch)
            terms.append(words)
            counts.append(sizes)
            # A view of one column would keep the whole batch: 300 MB of vectors at 200,000 rows.
            places.append(batch["_rowid"].to_numpy().copy())
        if held.num_rows == 0:
            return self
        if not np.array_equal(np.concatenate(places), held["_rowid"].to_numpy()):
            raise RuntimeError("two scans of one version gave its rows in different order")
        joined = np.concatenate(terms)
        terms.clear()
        if held.num_rows > _LARGE:
            give_back()
        live = self.live
        if live is not None:
            live = np.concatenate([live, np.ones(held.num_rows, dtype=bool)])
        return replace(
            self,
            addresses=np.concatenate([self.addresses, held["_rowid"].to_numpy()]),
            chunks=self.chunks.grown(held.select(HELD)),
            words=self.words.grown(joined, np.concatenate(counts)),
            vectors=vectors,
            live=live,
        )

    def __len__(self) -> int:
        return len(self.addresses) if self.live is None else int(np.count_nonzero(self.live))

    @property
    def search(self) -> str:
        """How vectors are searched: the tier, or "signs" where full vectors are held but signs choose among them."""
        chosen = self.tier == "exact" and self.vectors is not None and self.vectors.chosen
        return "signs" if chosen else self.tier

    @property
    def nbytes(self) -> int:
        """Memory taken by postings and vectors."""
        return self.words.nbytes + (0 if self.vectors is None else self.vectors.nbytes)

    def dense(self, vector: Vector, k: int, where: Filter | None = None) -> Listed:
        """See `graft.protocols.Reading`."""
        if self.dimension != len(vector):
            message = f"The index holds vectors of length {self.dimension}, the query's has {len(vector)}."
            raise Mismatch(message, "It was built with another embedder: run graft build.")
        allowed = self._allowed(where)
        if k <= 0 or not self._any(allowed):
            return EMPTY
        if self.vectors is not None:
            return self._listed(*self.vectors.search(vector, k, allowed, self._source), k)
        found, scores = nearest(self.table, vector, k, where, self._tags(where), self.effort)
        order, ascending = self._by_address
        return self._listed(order[ascending.searchsorted(found)], scores, k)

    def nearest_addresses(self, query: Vector, k: int) -> Addresses:
        """Return where the nearest rows lie on disk: what `nearest` finds, for measuring it."""
        assert self.vectors is not None
        return self.addresses[self.vectors.search(query, k, self.live, self._source)[0]]

    @cached_property
    def dimension(self) -> int:
        """Length of the vectors. Kept: each look at a table's schema wakes another thread."""
        return dimension_of(self.table.schema)

    @cached_property
    def _by_address(self) -> tuple[Rows, Addresses]:
        order = np.argsort(self.addresses)
        return order, self.addresses[order]

    @property
    def _source(self) -> Fetch | None:
        return None if self.tier == "exact" else self.fetched

    def matching(self, words: Sequence[str], k: int, where: Filter | None = None) -> Listed:
        """Return at most `k` rows by descending BM25; equal ones by chunk id."""
        allowed = self._allowed(where)
        if k <= 0 or not self._any(allowed):
            return EMPTY
        rows, scores = self.words.search(words, k, allowed, self.live)
        return self._listed(rows, scores, k)

    def holds(self, words: Sequence[str], where: Filter | None = None) -> bool:
        """Whether one row that passes the filter has one of the words."""
        return self.words.holds(words, self._allowed(where))

    def ids(self, rows: NDArray[np.int64]) -> list[str]:
        """See `graft.protocols.Reading`."""
        return self.chunks.ids(rows)

    def ordered(self, documents: Sequence[str] | None) -> list[Chunk]:
        """Return the chunks of the documents (all when None), by document then start."""
        where = None if documents is None else Filter(documents=tuple(documents))
        allowed = self._allowed(where)
        rows = np.arange(len(self.addresses)) if allowed is None else np.flatnonzero(allowed)
        return self.chunks.chunks(self.chunks.ordered(rows))

    def fetched(self, rows: Rows) -> Matrix:
        """Return the full vectors of some rows, from disk."""
        order = np.argsort(self.addresses[rows])
        wanted = self.addresses[rows][order].tolist()
        found = self.table.take_row_ids(wanted).select(["vector"]).to_arrow().combine_chunks()
        vectors = np.empty((len(rows), self.dimension), dtype=np.float32)
        vectors[order] = vectors_in(found.to_batches()[0])
        return vectors

    def _listed(self, rows: Rows, scores: NDArray[np.float32], k: int) -> Listed:
        return ordered(rows.astype(np.int64), scores.astype(np.float64), self.ids, k)

    def _tags(self, where: Filter | None) -> list[list[str]]:
        return [] if where is None else self.chunks.tags(where)

    def _any(self, allowed: Mask | None) -> bool:
        return len(self) > 0 if allowed is None else bool(allowed.any())

    def _allowed(self, where: Filter | None) -> Mask | None:
        """Return the rows that exist and pass a filter, None for all. Kept, as the same few rules come again and again."""
        if where is None or where.is_open:
            return self.live
        mask = self._masks.get(where.key)
        if mask is None:
            mask = self.chunks.mask(where)
            if self.live is not None:
                mask &= self.live
            if len(self._masks) >= _MASKS:
                self._masks.clear()
            self._masks[where.key] = mask
        return mask


def _within(values_: Addresses, ascending: Addresses) -> Mask:
    """Return which values occur in an ascending array."""
    if len(ascending) == 0:
        return np.zeros(len(values_), dtype=bool)
    at = np.searchsorted(ascending, values_)
    at[at == len(ascending)] = 0
    found: Mask = ascending[at] == values_
    return found
