"""Embeddings by content: what was embedded once is not embedded again, whatever became of the index.

One SQLite file in WAL mode. A key is the hash of the embedder's fingerprint and the text, so a changed model or text
is simply another key. Losing the file costs time, never correctness.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from graft.errors import WorkspaceError
from graft.protocols import Matrix, Vector
from graft.workspace import guard

_LOOKUP = 500  # SQLite allows 999 variables in old builds


class EmbeddingCache:
    """Vectors of one embedder."""

    def __init__(self, path: Path, embedder: str) -> None:
        self._path = path
        self._embedder = embedder.encode()
        with guard(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        with self._connected() as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB) WITHOUT ROWID"
            )

    def get(self, texts: Sequence[str]) -> dict[str, Vector]:
        """Return the vectors of those texts that are known."""
        keys = {self._key(text): text for text in texts}
        found: dict[str, Vector] = {}
        with self._connected() as connection:
            wanted = list(keys)
            for at in range(0, len(wanted), _LOOKUP):
                part = wanted[at : at + _LOOKUP]
                marks = ",".join("?" * len(part))
                query = f"SELECT key, vector FROM vectors WHERE key IN ({marks})"  # noqa: S608 - question marks only
                for key, vector in connection.execute(query, part):
                    found[keys[key]] = np.frombuffer(vector, dtype="<f4")
        return found

    def put(self, texts: Sequence[str], vectors: Matrix) -> None:
        """Remember the vectors, in one transaction."""
        rows = [
            (self._key(text), vector.astype("<f4").tobytes())
            for text, vector in zip(texts, vectors, strict=True)
        ]
        with self._connected() as connection:
            connection.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)

    def _key(self, text: str) -> bytes:
        return hashlib.sha256(self._embedder + b"\0" + text.encode()).digest()[:16]

    @contextlib.contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        """Open, commit, close: the cache is used in batches of hundreds, so a connection a batch costs nothing."""
        try:
            connection = sqlite3.connect(self._path, timeout=30)
            try:
                with connection:
                    yield connection
            finally:
                connection.close()
        except sqlite3.Error as error:
            hint = f"Free some space if the disk is full; else delete {self._path.name}: it is only a cache."
            raise WorkspaceError(f"Cannot use the embedding cache {self._path} ({error}).", hint) from error
