"""Embeddings and parsed files by content: what was done once is not done again, whatever became of the index.

SQLite files in WAL mode, shared by all versions of an index. A key is a hash of all that the value depends on, so a
changed model, parser or text is simply another key, and losing a file costs time, never correctness. What a value means
is the business of who puts it in: `index.py` and `library.py`.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from graft.errors import WorkspaceError
from graft.protocols import Matrix, Vector
from graft.workspace import guard

_LOOKUP = 500  # SQLite allows 999 variables in old builds


@dataclass(frozen=True, slots=True)
class Usage:
    """What a cache holds, and what it takes on disk."""

    entries: int
    bytes: int


class EmbeddingCache:
    """Vectors of one embedder; 4 bytes a number and about 40 for the key."""

    def __init__(self, path: Path, embedder: str) -> None:
        self._path = path
        self._embedder = embedder.encode()
        _create(path, "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB)")

    def get(self, texts: Sequence[str]) -> dict[str, Vector]:
        """Return the vectors of those texts that are known."""
        keys = {self.key(text): text for text in texts}
        with connected(self._path) as connection:
            rows = list(_rows(connection, "SELECT key, vector FROM vectors WHERE key IN", list(keys)))
        return {keys[key]: np.frombuffer(vector, dtype="<f4") for key, vector in rows}

    def put(self, texts: Sequence[str], vectors: Matrix) -> None:
        """Remember the vectors, in one transaction."""
        rows = [
            (self.key(text), vector.astype("<f4").tobytes())
            for text, vector in zip(texts, vectors, strict=True)
        ]
        with connected(self._path) as connection:
            connection.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)

    def key(self, text: str) -> bytes:
        """Return what the vector of a text is kept under."""
        return hashlib.sha256(self._embedder + b"\0" + text.encode()).digest()[:16]


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a file was parsed to: `heads` is JSON that says in short what `body` (compressed JSON) holds in full."""

    key: bytes
    heads: str
    body: bytes


class ParseCache:
    """Parsed files by a key of their content, and the content's hash by path, as long as a file's stamp stays."""

    def __init__(self, path: Path) -> None:
        self._path = path
        _create(
            path,
            "CREATE TABLE IF NOT EXISTS files (path TEXT PRIMARY KEY, stamp TEXT, digest BLOB) WITHOUT ROWID",
            "CREATE TABLE IF NOT EXISTS parsed (key BLOB PRIMARY KEY, heads TEXT, body BLOB)",
        )

    def digests(self, paths: Sequence[str] | None = None) -> dict[str, tuple[str, bytes]]:
        """Return path → stamp and content hash, of the paths or of all."""
        with connected(self._path) as connection:
            query = "SELECT path, stamp, digest FROM files"
            rows = (
                connection.execute(query)
                if paths is None
                else _rows(connection, f"{query} WHERE path IN", paths)
            )
            return {path: (stamp, digest) for path, stamp, digest in rows}

    def remember(self, digests: Mapping[str, tuple[str, bytes]], gone: Iterable[str] = ()) -> None:
        """Keep path → stamp and content hash, and forget paths."""
        with connected(self._path) as connection:
            rows = [(path, stamp, digest) for path, (stamp, digest) in digests.items()]
            connection.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", rows)
            connection.executemany("DELETE FROM files WHERE path = ?", [(path,) for path in gone])

    def heads(self, keys: Sequence[bytes]) -> dict[bytes, str]:
        """Return the heads of those keys that are known."""
        with connected(self._path) as connection:
            return dict(_rows(connection, "SELECT key, heads FROM parsed WHERE key IN", keys))

    def bodies(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return the bodies of those keys that are known."""
        with connected(self._path) as connection:
            return dict(_rows(connection, "SELECT key, body FROM parsed WHERE key IN", keys))

    def put(self, parsed: Sequence[Parsed]) -> None:
        """Remember parsed files, in one transaction."""
        with connected(self._path) as connection:
            rows = [(one.key, one.heads, one.body) for one in parsed]
            connection.executemany("INSERT OR REPLACE INTO parsed VALUES (?, ?, ?)", rows)


def usage(path: Path, table: str) -> Usage:
    """Return what a cache file holds; nothing when there is none."""
    if not path.exists():
        return Usage(0, 0)
    with connected(path) as connection:
        (entries,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - our own table's name
    return Usage(entries, sum(part.stat().st_size for part in path.parent.glob(f"{path.name}*")))


def trim(path: Path, table: str, keep: Iterable[bytes]) -> int:
    """Drop every entry whose key is not to be kept, give the space back, and return how many were dropped."""
    if not path.exists():
        return 0
    with connected(path) as connection:
        connection.execute("CREATE TEMP TABLE kept (key BLOB PRIMARY KEY) WITHOUT ROWID")
        connection.executemany("INSERT OR IGNORE INTO kept VALUES (?)", ((key,) for key in keep))
        dropped = connection.execute(f"DELETE FROM {table} WHERE key NOT IN (SELECT key FROM kept)").rowcount  # noqa: S608
    if dropped:
        with connected(path) as connection:
            connection.execute("VACUUM")
    return dropped


@contextlib.contextmanager
def connected(path: Path) -> Iterator[sqlite3.Connection]:
    """Open, commit, close: the caches are used in batches of hundreds, so a connection a batch costs nothing."""
    try:
        connection = sqlite3.connect(path, timeout=30)
        try:
            with connection:
                yield connection
        finally:
            connection.close()
    except sqlite3.Error as error:
        hint = f"Free some space if the disk is full; else delete {path.name}: it is only a cache."
        raise WorkspaceError(f"Cannot use the cache {path} ({error}).", hint) from error


def _create(path: Path, *tables: str) -> None:
    with guard(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with connected(path) as connection:
        # A vector of 384 numbers takes 1.7 kB in pages of this size; 4.5 kB in a table WITHOUT ROWID in the usual ones,
        # where every row spills over into a page of its own.
        connection.execute("PRAGMA page_size=16384")
        connection.execute("PRAGMA journal_mode=WAL")
        for table in tables:
            connection.execute(table)


def _rows(connection: sqlite3.Connection, query: str, values: Sequence[object]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a query that ends in `… IN`, for any number of values."""
    for at in range(0, len(values), _LOOKUP):
        part = values[at : at + _LOOKUP]
        yield from connection.execute(f"{query} ({','.join('?' * len(part))})", part)
