"""Chunks in one LanceDB table on disk: the only truth. Searched in memory, exactly, while the vectors fit `memory_mb`.

Each write is one commit of the table, each reader works on one committed version (lance_snapshot.py) and notices a newer
one by a look at the manifest (0.1 ms). Words and vectors are searched in memory because LanceDB's own queries cost 2–6 ms
(full text) and 13 ms (a scan of 20,000 vectors) against 0.3 and 0.4 ms; what a row's words are is stored beside its
vector. Beyond the budget vectors are held as 8-bit copies, and beyond that LanceDB's index on disk finds them.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from graft.backends.stores import lance_disk, vector_index
from graft.backends.stores.bm25_index import tokens
from graft.backends.stores.lance import lancedb
from graft.backends.stores.lance_reading import LanceReading
from graft.backends.stores.lance_rows import among, dimension_of, schema_of, stamp_of, to_rows
from graft.backends.stores.lance_snapshot import Snapshot, Tier
from graft.backends.stores.vector_index import bytes_per_row
from graft.errors import BackendError, DataError, WorkspaceError
from graft.protocols import Filter, Matrix, StoreHealth, Vector
from graft.types import Chunk

_TABLE = "chunks-3"  # the number is the schema's: a table with another one is not read, and built anew
# Compacting rewrites the table (1.4 s for 100,000 chunks), so it waits until this many commits lie side by side.
_MOST_FRAGMENTS = 32
_CONFLICT = "commit conflict"
_MOST_VERSIONS = 256
# Versions that a slower reader may still have open are kept for a while.
_KEEP_VERSIONS = timedelta(minutes=30)
_CLOCK_TICK_NS = 100_000_000
# LanceDB's stemmers. As a type they are checked with the other options, before anything is embedded or LanceDB imported.
Language = Literal[
    "Arabic", "Danish", "Dutch", "English", "Finnish", "French", "German", "Greek", "Hungarian", "Italian", "Norwegian",
    "Portuguese", "Romanian", "Russian", "Spanish", "Swedish", "Tamil", "Turkish",
]  # fmt: skip


class LanceStore:
    """See `graft.protocols.Store`. Safe to share between threads."""

    @dataclass(frozen=True, slots=True)
    class Options:
        """`memory_mb`: how much the vectors may take in memory. In full they take 5 bytes a number and are searched
        exactly, from 65,536 rows on among those whose signs are nearest (recall@10 ≥ .999); as 8-bit copies 1 byte.
        `vectors`: "auto" takes the best that fits, "exact" does without the signs, "int8" never takes more than copies,
        "disk" none. `language`: the stemmer for words. `stop_words` keeps words like "how" and "can": in questions to a help
        desk they carry meaning (nDCG@10 of BM25 on COVID-FAQ 71.9 with, 67.0 without them; on CISI 35.9 and 40.2).
        """

        memory_mb: int = 512
        vectors: Literal["auto", "exact", "int8", "disk"] = "auto"
        language: Language = "English"
        stop_words: bool = True

    def __init__(self, folder: Path, options: Options | None = None) -> None:
        self._folder = folder
        self._options = options or self.Options()
        self._words = partial(tokens, language=self._options.language, stop_words=self._options.stop_words)
        self._lock = threading.RLock()
        self._writing = threading.Lock()
        """Held by whoever changes the table, and never waited for by a reader."""
        self._compacting: threading.Thread | None = None
        self._failure: Exception | None = None
        self._connection: Any = None
        self._head: Any = None
        self._held: Snapshot | None = None
        self._seen: int | None = None
        self._young = 0
        """Versions that were too young to be dropped at the last compaction: not a reason for the next."""

    def replace(self, documents: Mapping[str, str], chunks: Sequence[Chunk], vectors: Matrix) -> None:
        """See the Protocol. A change of dimension passes through the empty table."""
        if len(chunks) != len(vectors):
            raise DataError(
                f"{len(chunks)} chunks came with {len(vectors)} vectors.", "Embed every chunk once."
            )
        with self._writing:
            # Looking first pays: among 100,000 rows an addition costs 1.4 ms, a merge 120. And what only adds agrees with
            # a compaction under way; of anything else and a compaction, the one that commits later has worked in vain.
            adds = bool(chunks) and self._lacks(documents, vectors.shape[1])
            if not adds:
                self.close()
            with self._lock, _guarded(self._folder):
                self._replace(documents, chunks, vectors, adds=adds)

    def _lacks(self, documents: Mapping[str, str], dimension: int) -> bool:
        with self._lock, _guarded(self._folder):
            table = self._latest()
            if table is None or dimension_of(table.schema) != dimension:
                return False
            return int(table.count_rows(among("document", documents))) == 0

    def _replace(
        self, documents: Mapping[str, str], chunks: Sequence[Chunk], vectors: Matrix, *, adds: bool
    ) -> None:
        table = self._latest()
        if not chunks:
            if table is not None and documents:
                table.delete(among("document", documents))
            return
        if table is None or dimension_of(table.schema) != vectors.shape[1]:
            table, adds = self._created(vectors.shape[1], documents), True
        rows = to_rows(documents, chunks, vectors, self._words, table.schema)
        if adds:
            table.add(rows)
            return
        merge = table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
        merge.when_not_matched_by_source_delete(among("document", documents))
        merge.execute(rows)

    def optimize(self) -> None:
        """Begin to compact the files when there are many, and bring the index on disk up to date where one is needed."""
        with self._writing:
            with self._lock, _guarded(self._folder):
                failure, self._failure = self._failure, None
                if failure is not None:
                    raise failure
                table = self._latest()
                if table is None:
                    return
                many = table.stats()["fragment_stats"]["num_fragments"] > _MOST_FRAGMENTS
                many |= self._versions() - self._young > _MOST_VERSIONS
                on_disk = self._tier(table) == "disk"
            if many and (self._compacting is None or not self._compacting.is_alive()):
                self._compacting = threading.Thread(target=self._compact, name="compact")
                self._compacting.start()
            if on_disk:
                self.close()
                with self._lock, _guarded(self._folder):
                    lance_disk.settle(self._latest(), self._folder)

    def close(self) -> None:
        """Wait until a compaction under way has ended. The store can still be used."""
        if self._compacting is not None:
            self._compacting.join()

    def _compact(self) -> None:
        """Rewrite the table in few files, and drop old versions of it: 1.4 s for 100,000 chunks, in which nobody waits."""
        try:
            table = lancedb().connect(self._folder).open_table(_TABLE)
            table.optimize(cleanup_older_than=_KEEP_VERSIONS)
            self._young = self._versions()
        except (OSError, RuntimeError, ValueError) as error:
            if _CONFLICT not in str(error):  # another process wrote meanwhile; the next update tries again
                self._failure = error

    def documents(self) -> dict[str, str]:
        """Return document id → the fingerprint it was stored with."""
        with self._lock, _guarded(self._folder):
            table = self._latest()
            if table is None:
                return {}
            rows = table.search().select(["document", "state"]).limit(None).to_arrow()
        return dict(sorted(zip(rows["document"].to_pylist(), rows["state"].to_pylist(), strict=True)))

    def reading(self) -> LanceReading:
        """See `graft.protocols.Readable`."""
        return LanceReading(self._snapshot(), self._words, partial(_guarded, self._folder))

    def search_dense(self, vector: Vector, k: int, where: Filter | None = None) -> list[tuple[Chunk, float]]:
        """Return at most `k` chunks by descending inner product."""
        reading = self.reading()
        return reading.hits(reading.dense(np.asarray(vector, dtype=np.float32), k, where))

    def search_text(self, query: str, k: int, where: Filter | None = None) -> list[tuple[Chunk, float]]:
        """Return at most `k` chunks by descending BM25; those that share no word with the query are left out."""
        reading = self.reading()
        return reading.hits(reading.text(query, k, where))

    def chunks(self, documents: Sequence[str] | None = None) -> Iterator[Chunk]:
        """Yield the stored chunks, by document then start."""
        held = self._snapshot()
        if held is not None:
            yield from held.ordered(documents)

    def health(self) -> StoreHealth:
        """Return how vectors are searched, and the recall measured on stored ones: now, where they are in memory; when
        the index was built, where it lies on disk."""
        held = self._snapshot()
        if held is None:
            return StoreHealth(0, 0, 0, "empty")
        with _guarded(self._folder):
            size = sum(path.stat().st_size for path in self._folder.rglob("*") if path.is_file())
            if held.vectors is None:
                effort = lance_disk.effort_in(self._folder)
                return StoreHealth(
                    len(held), size, held.nbytes, held.search, effort.recall, lance_disk.SAMPLE
                )
            queries, truth = lance_disk.sample(held.table)
            found = [held.nearest_addresses(query, lance_disk.DEPTH + 1) for query in queries]
        reached = lance_disk.recall(found, truth)
        return StoreHealth(len(held), size, held.nbytes, held.search, reached, len(queries))

    def generation(self) -> str:
        """See `graft.protocols.Dated`: the table and its version."""
        with self._lock, _guarded(self._folder):
            table = self._latest()
            return "" if table is None else f"{stamp_of(table.schema).hex()} {table.version}"

    def __len__(self) -> int:
        with self._lock, _guarded(self._folder):
            table = self._latest()
            return 0 if table is None else int(table.count_rows())

    def _latest(self) -> Any:
        """Return the table at its newest version, or None before the first write. Call with the lock held."""
        if self._head is not None and not self._folder.exists():
            self._connection = self._head = self._held = self._seen = None
        if self._head is None:
            if not (self._folder / f"{_TABLE}.lance").exists():
                return None
            self._head = self._connect().open_table(_TABLE)
        self._head.checkout_latest()
        return self._head

    def _connect(self) -> Any:
        if self._connection is None:
            self._connection = lancedb().connect(self._folder)
        return self._connection

    def _snapshot(self) -> Snapshot | None:
        """Return what is stored now: what is held, brought up to date when a newer version was committed."""
        seen = self._last_commit()
        if seen is not None and seen == self._seen:
            return self._held
        with self._lock, _guarded(self._folder):
            table = self._latest()
            if table is None:
                return None
            version = table.version
            if self._held is None or self._held.version != version:
                fixed = self._connect().open_table(_TABLE)
                fixed.checkout(version)
                tier = self._tier(fixed)
                newer = None if self._held is None else self._held.advanced(fixed, version, tier)
                if newer is None:
                    self._held = None  # so that two are never in memory at once
                    newer = self._loaded(fixed, version, tier)
                self._held = newer
            self._seen = seen
            return self._held

    def _loaded(self, table: Any, version: int, tier: Tier) -> Snapshot:
        many = None if self._options.vectors == "exact" else vector_index.MANY
        return Snapshot.load(table, version, tier, lance_disk.effort_in(self._folder), many=many)

    def _last_commit(self) -> int | None:
        """Return when the folder of versions last changed: 2 µs instead of the 150 it takes to ask for the version. None
        when that was just now, as a second commit within the clock's tick would not show."""
        try:
            changed = (self._folder / f"{_TABLE}.lance" / "_versions").stat().st_mtime_ns
        except OSError:  # no table yet, or none any more
            return None
        return changed if time.time_ns() - changed > _CLOCK_TICK_NS else None

    def _versions(self) -> int:
        """Return how many versions of the table are kept: asking LanceDB takes 0.2 ms for each of them."""
        return sum(1 for _ in (self._folder / f"{_TABLE}.lance" / "_versions").iterdir())

    def _tier(self, table: Any) -> Tier:
        """Return where the vectors of a table are searched."""
        rows, dimension, allowed = table.count_rows(), dimension_of(table.schema), self._options.vectors
        budget = self._options.memory_mb * 2**20
        if allowed in ("auto", "exact") and rows * bytes_per_row(dimension, full=True) <= budget:
            return "exact"
        if allowed != "disk" and rows * bytes_per_row(dimension, full=False) <= budget:
            return "int8"
        return "disk"

    def _created(self, dimension: int, documents: Mapping[str, str]) -> Any:
        """Return a new empty table. Raises DataError when that would lose documents."""
        kept = [name for name in self.documents() if name not in documents]
        if kept:
            message = (
                f"The store holds {len(kept)} documents with vectors of another length than {dimension}."
            )
            raise DataError(message, "Embed all documents with the same embedder.")
        self._folder.mkdir(parents=True, exist_ok=True)
        mode = "overwrite" if (self._folder / f"{_TABLE}.lance").exists() else "create"
        schema = schema_of(dimension, secrets.token_hex(8))
        self._head = self._connect().create_table(_TABLE, schema=schema, mode=mode)
        return self._head


@contextlib.contextmanager
def _guarded(folder: Path) -> Iterator[None]:
    """Turn LanceDB's and the operating system's failures into errors that say where and what next."""
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        if "No space left" in str(error) or "os error 28" in str(error):
            hint = "Free some space and run the same command again; finished work is kept."
            raise WorkspaceError(f"The disk is full: cannot write {folder}.", hint) from error
        hint = f"Run the same command again; if it stays, delete {folder} and build anew."
        raise BackendError(f"The LanceDB store in {folder} failed: {text}.", hint) from error
