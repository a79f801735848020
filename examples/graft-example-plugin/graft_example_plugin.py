"""Two backends for GRAFT from outside its package: a store in one SQLite file, and a metric.

The store keeps chunks, vectors and an FTS5 index in one database: nothing to run, easy to copy and to look into. Its
vector search is exact and reads every vector, which is fine up to some ten thousand chunks.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from graft.protocols import Filter, StoreHealth
from graft.records import from_dict, to_dict
from graft.types import Chunk, Question, Row, Value

_SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (id TEXT PRIMARY KEY, fingerprint TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS chunks (
    row INTEGER PRIMARY KEY, document TEXT NOT NULL, start INTEGER NOT NULL, chunk TEXT NOT NULL, vector BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS chunks_by_document ON chunks (document, start);
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5 (text, tokenize = '{tokenizer}');
"""


class SqliteStore:
    """Satisfies `graft.protocols.Store`; see there for what each method promises."""

    @dataclass(frozen=True, slots=True)
    class Options:
        """The table [retrieval.store] of graft.toml. `filename`: the database, inside the project's index folder.
        `porter`: match English words by their stem."""

        filename: str = "chunks.sqlite"
        porter: bool = True

    def __init__(self, folder: Path, options: Options | None = None) -> None:
        chosen = options or self.Options()
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / chosen.filename
        with self._open() as database:
            database.executescript(
                _SCHEMA.format(tokenizer="porter unicode61" if chosen.porter else "unicode61")
            )

    def replace(
        self, documents: Mapping[str, str], chunks: Sequence[Chunk], vectors: NDArray[np.float32]
    ) -> None:
        """Make `chunks` all that is stored of `documents`, in one transaction."""
        filled = {chunk.document for chunk in chunks}
        with self._open() as database:
            for document, fingerprint in documents.items():
                database.execute(
                    "DELETE FROM words WHERE rowid IN (SELECT row FROM chunks WHERE document = ?)",
                    (document,),
                )
                database.execute("DELETE FROM chunks WHERE document = ?", (document,))
                database.execute("DELETE FROM documents WHERE id = ?", (document,))
                if document in filled:
                    database.execute("INSERT INTO documents VALUES (?, ?)", (document, fingerprint))
            for chunk, vector in zip(chunks, vectors, strict=True):
                row = database.execute(
                    "INSERT INTO chunks (document, start, chunk, vector) VALUES (?, ?, ?, ?)",
                    (chunk.document, chunk.start, json.dumps(to_dict(chunk)), vector.astype("<f4").tobytes()),
                ).lastrowid
                database.execute("INSERT INTO words (rowid, text) VALUES (?, ?)", (row, chunk.searchable))

    def optimize(self) -> None:
        """Merge the word index into one piece."""
        with self._open() as database:
            database.execute("INSERT INTO words (words) VALUES ('optimize')")

    def documents(self) -> dict[str, str]:
        """Return document id → the fingerprint it was stored with."""
        with self._open() as database:
            return dict(database.execute("SELECT id, fingerprint FROM documents ORDER BY id"))

    def search_dense(
        self, vector: NDArray[np.float32], k: int, where: Filter | None = None
    ) -> list[tuple[Chunk, float]]:
        """Return at most `k` chunks by descending inner product."""
        with self._open() as database:
            stored = list(database.execute("SELECT row, vector FROM chunks ORDER BY row"))
            if not stored:
                return []
            scores = np.stack([np.frombuffer(blob, dtype="<f4") for _, blob in stored]) @ vector
            order = np.argsort(-scores, kind="stable")
            return _allowed(database, ((stored[at][0], float(scores[at])) for at in order), k, where)

    def search_text(self, query: str, k: int, where: Filter | None = None) -> list[tuple[Chunk, float]]:
        """Return at most `k` chunks by descending BM25; a chunk that shares no word with the query is not found."""
        # Quoted, a word is a word and never query syntax; FTS5's bm25() is negative, the best lowest.
        words = " OR ".join(f'"{word}"' for word in dict.fromkeys(re.findall(r"\w+", query)))
        if not words:
            return []
        with self._open() as database:
            found = database.execute(
                "SELECT rowid, -bm25(words) FROM words WHERE words MATCH ? ORDER BY bm25(words), rowid",
                (words,),
            )
            return _allowed(database, iter(found), k, where)

    def chunks(self, documents: Sequence[str] | None = None) -> Iterator[Chunk]:
        """Yield the stored chunks, by document then start."""
        wanted = None if documents is None else set(documents)
        with self._open() as database:
            for document, chunk in database.execute(
                "SELECT document, chunk FROM chunks ORDER BY document, start"
            ):
                if wanted is None or document in wanted:
                    yield from_dict(Chunk, json.loads(chunk))

    def health(self) -> StoreHealth:
        """Return how the store searches: by every product, so that none of the nearest is missed."""
        return StoreHealth(len(self), self._path.stat().st_size, 0, "exact", 1.0)

    def __len__(self) -> int:
        with self._open() as database:
            return int(database.execute("SELECT count(*) FROM chunks").fetchone()[0])

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """A connection for one operation (it costs a fraction of a millisecond, and threads need no lock): committed at
        the end, rolled back on an error."""
        with closing(sqlite3.connect(self._path)) as database, database:
            yield database


def _allowed(
    database: sqlite3.Connection, ranked: Iterator[tuple[int, float]], k: int, where: Filter | None
) -> list[tuple[Chunk, float]]:
    """Return the first `k` ranked chunks that the filter allows."""
    hits: list[tuple[Chunk, float]] = []
    for row, score in ranked:
        if len(hits) >= k:
            break
        [text] = database.execute("SELECT chunk FROM chunks WHERE row = ?", (row,)).fetchone()
        chunk = from_dict(Chunk, json.loads(text))
        if where is None or where.allows(chunk):
            hits.append((chunk, float(score)))
    return hits


def quoted(_: Question, row: Row) -> Value:
    """Share of the answer's words that stand in the quotes it cites.

    0 to 1: 1 copies, near 0 cites for show. Null without an answer or a citation.
    """
    if row.answer is None or row.answer.abstained:
        return Value(None, "no answer")
    if not row.answer.citations:
        return Value(None, "no citation")
    said = _words(re.sub(r"\[\d+\]", "", row.answer.text))
    source = set().union(*(_words(citation.quote) for citation in row.answer.citations))
    return Value(sum(word in source for word in said) / len(said)) if said else Value(None, "no words")


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())
