"""One version of a LanceDB table in memory, and how chunks and filters look in it.

Reads; commits nothing. A row is a chunk; its metadata is JSON for reading and a list of `key=value` words for filtering.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graft.errors import Mismatch
from graft.protocols import Filter, Matrix, Vector, values
from graft.types import Chunk


class Snapshot:
    """One committed version in memory: everything but the texts of chunks nobody has asked for yet."""

    def __init__(self, table: Any, version: int, budget: int) -> None:
        self.table, self.version = table, version
        dimension = dimension_of(table)
        resident = table.count_rows() * dimension * 4 <= budget
        names = [name for name in table.schema.names if name != "vector" or resident]
        rows = table.search().select(names).limit(None).to_arrow().combine_chunks()
        self._rows = rows
        self.ids: list[str] = rows["id"].to_pylist()
        self._row_of = {identity: row for row, identity in enumerate(self.ids)}
        self.vectors: Matrix | None = _matrix(rows["vector"], dimension) if resident else None
        self._chunks: dict[int, Chunk] = {}
        self._metadata: dict[str, Mapping[str, Any]] = {}

    def nearest(self, query: Vector, k: int, where: Filter | None) -> list[tuple[Chunk, float]]:
        """Return the exact nearest rows by inner product; equal ones by id."""
        assert self.vectors is not None
        if self.vectors.shape[1] != len(query):
            message = (
                f"The index holds vectors of length {self.vectors.shape[1]}, the query's has {len(query)}."
            )
            raise Mismatch(message, "It was built with another embedder: run graft build.")
        rows = self._allowed(where)
        if rows is None:
            scores = self.vectors @ query
        elif 4 * len(rows) < len(self.ids):
            scores = self.vectors[rows] @ query  # copying a quarter costs as much as multiplying all
        else:
            scores = (self.vectors @ query)[rows]
        # Rounded, because equal vectors may differ in the last bit by where they lie in memory.
        scores = np.round(scores, 6)
        if len(scores) > k:
            worst = np.partition(scores, len(scores) - k)[len(scores) - k]
            best = np.flatnonzero(scores >= worst)
        else:
            best = np.arange(len(scores))
        pairs = [(int(at if rows is None else rows[at]), float(scores[at])) for at in best]
        pairs.sort(key=lambda pair: (-pair[1], self.ids[pair[0]]))
        return [(self.chunk(row), score) for row, score in pairs[:k]]

    def read(
        self, query: Any, column: str, score: Callable[[float], float], k: int
    ) -> list[tuple[Chunk, float]]:
        """Run a LanceDB query and return its chunks by descending score, equal ones by id."""
        found = query.select(["id", column]).to_arrow()
        pairs = [
            (identity, round(score(value), 5))
            for identity, value in zip(found["id"].to_pylist(), found[column].to_pylist(), strict=True)
        ]
        pairs.sort(key=lambda pair: (-pair[1], pair[0]))
        return [(self.chunk(self._row_of[identity]), value) for identity, value in pairs[:k]]

    def denies_all(self, where: Filter | None) -> bool:
        """Whether no stored chunk passes the filter."""
        rows = self._allowed(where)
        return rows is not None and len(rows) == 0

    def _allowed(self, where: Filter | None) -> NDArray[np.intp] | None:
        """Return the rows that pass a filter, or None for all."""
        if where is None or (not where.equals and where.documents is None):
            return None
        wanted = [[_tag(key, option) for option in values(value)] for key, value in where.equals.items()]
        lookups = [(self._by_tag, tags) for tags in wanted]
        if where.documents is not None:
            lookups.append((self._by_document, list(where.documents)))
        mask = np.ones(len(self.ids), dtype=bool)
        for rows_of, names in lookups:
            hit = np.zeros(len(self.ids), dtype=bool)
            for name in names:
                hit[rows_of.get(name, [])] = True
            mask &= hit
        return np.flatnonzero(mask)

    @cached_property
    def _by_tag(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for row, tags in enumerate(self._rows["tags"].to_pylist()):
            for tag in tags:
                found.setdefault(tag, []).append(row)
        return found

    @cached_property
    def _by_document(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for row, document in enumerate(self._rows["document"].to_pylist()):
            found.setdefault(document, []).append(row)
        return found

    def ordered(self, documents: set[str] | None) -> list[int]:
        """Return the rows of the documents (all when None), by document then start."""
        names = sorted(self._by_document if documents is None else documents & self._by_document.keys())
        spans = list(zip(self._rows["start"].to_pylist(), self._rows["end"].to_pylist(), strict=True))
        return [row for name in names for row in sorted(self._by_document[name], key=lambda row: spans[row])]

    def chunk(self, row: int) -> Chunk:
        """Return a row's chunk, made once."""
        made = self._chunks.get(row)
        if made is None:
            made = self._chunks[row] = self._made(row)
        return made

    def _made(self, row: int) -> Chunk:
        names = (
            "id",
            "document",
            "start",
            "end",
            "title",
            "headings",
            "page",
            "searchable",
            "metadata",
            "shown",
        )
        cell = {name: self._rows[name][row].as_py() for name in names}
        searchable, written = cell.pop("searchable"), cell.pop("metadata")
        if written not in self._metadata:
            self._metadata[written] = json.loads(written)
        metadata, headings = self._metadata[written], tuple(cell.pop("headings"))
        shown = cell.pop("shown")
        length = cell["end"] - cell["start"]
        # The text is the end of what was indexed. An empty one would make [-0:] take everything.
        text = searchable[-length:] if length else ""
        return Chunk(
            **cell, text=text, headings=headings, metadata=metadata, shown=tuple(shown) if shown else None
        )


def schema_of(dimension: int) -> Any:
    """Return the table's columns."""
    import pyarrow as pa

    columns = {
        "id": pa.string(), "document": pa.string(), "state": pa.string(), "start": pa.int64(), "end": pa.int64(),
        "title": pa.string(), "headings": pa.list_(pa.string()), "page": pa.int32(), "searchable": pa.string(),
        "metadata": pa.string(), "shown": pa.list_(pa.int64()), "tags": pa.list_(pa.string()), "vector": pa.list_(pa.float32(), dimension),
    }  # fmt: skip
    return pa.schema(list(columns.items()))


def to_rows(documents: Mapping[str, str], chunks: Sequence[Chunk], vectors: Matrix, schema: Any) -> Any:
    """Return chunks as a table; `documents` gives the state of each."""
    import pyarrow as pa

    columns: dict[str, Any] = {
        "id": [chunk.id for chunk in chunks],
        "document": [chunk.document for chunk in chunks],
        "state": [documents[chunk.document] for chunk in chunks],
        "start": [chunk.start for chunk in chunks],
        "end": [chunk.end for chunk in chunks],
        "title": [chunk.title for chunk in chunks],
        "headings": [list(chunk.headings) for chunk in chunks],
        "page": [chunk.page for chunk in chunks],
        "searchable": [chunk.searchable for chunk in chunks],
        "metadata": [json.dumps(dict(chunk.metadata)) for chunk in chunks],
        "shown": [None if chunk.shown is None else list(chunk.shown) for chunk in chunks],
        "tags": [
            [_tag(k, option) for k, v in chunk.metadata.items() for option in sorted(values(v))]
            for chunk in chunks
        ],
    }
    flat = pa.array(np.ascontiguousarray(vectors, dtype=np.float32).ravel())
    arrays = [pa.array(columns[name], schema.field(name).type) for name in schema.names if name != "vector"]
    return pa.Table.from_arrays(
        [*arrays, pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])], schema=schema
    )


def _matrix(column: Any, dimension: int) -> Matrix:
    flat = np.concatenate(
        [part.flatten().to_numpy(zero_copy_only=False) for part in column.chunks] or [np.zeros(0)]
    )
    return np.ascontiguousarray(flat.reshape(-1, dimension), dtype=np.float32)


def dimension_of(table: Any) -> int:
    """Return the length of the table's vectors."""
    return int(table.schema.field("vector").type.list_size)


def _tag(key: str, value: str) -> str:
    """Return a metadata item as one word. The key's length keeps `a=b: c` and `a: b=c` apart."""
    return f"{len(key)}:{key}={value}"


def narrowed(query: Any, where: Filter | None) -> Any:
    """Put a filter into a LanceDB query, before ranking."""
    if where is None:
        return query
    parts = [
        _any_tag([_tag(key, option) for option in values(wanted)]) for key, wanted in where.equals.items()
    ]
    if where.documents is not None:
        parts.append(among("document", where.documents))
    return query.where(" AND ".join(parts), prefilter=True) if parts else query


def _any_tag(tags: Sequence[str]) -> str:
    return f"array_has_any(tags, [{', '.join(map(_literal, sorted(tags)))}])" if tags else "false"


def among(column: str, names: Collection[str]) -> str:
    """Return the SQL for `column` being one of the names."""
    return f"{column} IN ({', '.join(map(_literal, names))})" if names else "false"


def _literal(text: str) -> str:
    """Return a SQL string literal; a quote is the only character that needs care in DataFusion's dialect."""
    return "'" + text.replace("'", "''") + "'"
