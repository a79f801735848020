"""How chunks and filters look in a table: its columns, rows to chunks and back, and which rows a filter allows.

A row is a chunk. Its metadata is JSON for reading and a list of `key=value` words for filtering. Knows Arrow; nothing of
LanceDB, of versions or of ranking.
"""

from __future__ import annotations

import bisect
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graft.backends.stores.bm25_index import Packed, packed
from graft.backends.stores.top import Rows
from graft.protocols import Filter, Matrix, values
from graft.types import Chunk

Mask = NDArray[np.bool_]
FIELDS = ("id", "document", "start", "end", "title", "headings", "page", "searchable", "metadata", "shown")
"""The columns a chunk is made of."""
HELD = (*FIELDS, "state", "tags")
"""What a reader holds in memory besides vectors and terms."""
_MERGE_FACTOR = 8
_MOST_MADE = 16_384


def schema_of(dimension: int, stamp: str) -> Any:
    """Return the table's columns; `stamp` tells this table from a later one of the same name."""
    import pyarrow as pa

    columns = {
        "id": pa.string(), "document": pa.string(), "state": pa.string(), "start": pa.int64(), "end": pa.int64(),
        "title": pa.string(), "headings": pa.list_(pa.string()), "page": pa.int32(), "searchable": pa.string(),
        "metadata": pa.string(), "shown": pa.list_(pa.int64()), "tags": pa.list_(pa.string()), "terms": pa.binary(),
        "vector": pa.list_(pa.float32(), dimension),
    }  # fmt: skip
    return pa.schema(list(columns.items()), metadata={"stamp": stamp})


def stamp_of(schema: Any) -> bytes:
    """Return the stamp a table was created with."""
    return bytes((schema.metadata or {}).get(b"stamp", b""))


def dimension_of(schema: Any) -> int:
    """Return the length of the table's vectors."""
    return int(schema.field("vector").type.list_size)


def to_rows(
    documents: Mapping[str, str],
    chunks: Sequence[Chunk],
    vectors: Matrix,
    words: Callable[[str], list[str]],
    schema: Any,
) -> Any:
    """Return chunks as a table; `documents` gives the state of each, `words` the terms of a text."""
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
            [tag(k, option) for k, v in chunk.metadata.items() for option in sorted(values(v))]
            for chunk in chunks
        ],
        "terms": [packed(words(chunk.searchable)).tobytes() for chunk in chunks],
    }
    flat = pa.array(np.ascontiguousarray(vectors, dtype=np.float32).ravel())
    arrays = [pa.array(columns[name], schema.field(name).type) for name in schema.names if name != "vector"]
    return pa.Table.from_arrays(
        [*arrays, pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])], schema=schema
    )


def vectors_in(batch: Any) -> Matrix:
    """Return the vectors of a record batch as a matrix, without copying."""
    column = batch.column("vector")
    flat: Matrix = column.flatten().to_numpy()
    return flat.reshape(len(column), -1)


def terms_in(batch: Any) -> tuple[Packed, NDArray[np.int64]]:
    """Return the packed terms of a record batch, one text after the other, and how many each has."""
    column = batch.column("terms")
    _, offsets, data = column.buffers()
    bounds = np.frombuffer(offsets, np.int32)[column.offset : column.offset + len(column) + 1].astype(
        np.int64
    )
    # A buffer need not start where numpy wants 8-byte numbers to.
    terms = np.frombuffer(bytes(data[int(bounds[0]) : int(bounds[-1])]) if data else b"", np.uint64)
    return terms, np.diff(bounds) // 8


class _Part:
    """Consecutive rows as one Arrow table, and what filters need of it, made when first asked for."""

    def __init__(self, table: Any) -> None:
        self.table = table.combine_chunks()
        self.size = int(table.num_rows)

    def mask(self, where: Filter) -> Mask:
        allowed = np.ones(self.size, dtype=bool)
        for names in self.tags(where):
            tags, codes, rows = self._tags
            hit = np.zeros(self.size, dtype=bool)
            hit[rows[np.isin(codes, [tags[name] for name in names])]] = True
            allowed &= hit
        if where.documents is not None:
            documents, codes = self._documents
            allowed &= np.isin(codes, [documents[name] for name in where.documents if name in documents])
        return allowed

    def tags(self, where: Filter) -> list[list[str]]:
        """Return the tags that occur here and satisfy each rule of a filter, rule by rule."""
        known = self._tags[0]
        found = [
            [name for option in values(wanted) if (name := tag(key, option)) in known]
            for key, wanted in where.equals.items()
        ]
        for key, ranges in where.ranges.items():
            start = tag(key, "")
            found.append([
                name for name in known if name.startswith(start) and all(one.admits(name[len(start) :]) for one in ranges)
            ])  # fmt: skip
        return found

    def ids(self, rows: Iterable[int]) -> list[str]:
        """Return the ids of some rows, from Arrow's own memory: its `take` costs 30 µs before the first."""
        bounds, letters = self._ids
        return [str(letters[bounds[row] : bounds[row + 1]], "utf-8") for row in rows]

    @cached_property
    def _ids(self) -> tuple[memoryview, memoryview]:
        column = self.table.column("id").chunk(0)
        _, bounds, letters = column.buffers()
        return memoryview(bounds).cast("i")[column.offset :], memoryview(letters)

    @cached_property
    def _tags(self) -> tuple[dict[str, int], NDArray[np.int32], NDArray[np.int64]]:
        """Each tag's code, and the code and row of each tag of each row."""
        column = self.table.column("tags").combine_chunks()
        encoded = column.flatten().dictionary_encode()
        names = {name: code for code, name in enumerate(encoded.dictionary.to_pylist())}
        return names, encoded.indices.to_numpy(), column.value_parent_indices().to_numpy()

    @cached_property
    def _documents(self) -> tuple[dict[str, int], NDArray[np.int32]]:
        encoded = self.table.column("document").combine_chunks().dictionary_encode()
        names = {name: code for code, name in enumerate(encoded.dictionary.to_pylist())}
        return names, encoded.indices.to_numpy()


@dataclass(frozen=True)
class ChunkRows:
    """The rows a reader holds, numbered in the order they came. Immutable: growing shares what is there."""

    parts: tuple[_Part, ...] = ()
    starts: tuple[int, ...] = ()
    _written: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """Metadata by its JSON: the chunks of a document share one."""
    _made: dict[int, Chunk] = field(default_factory=dict)
    """The chunks that were asked for lately: a row never changes, and the same ones are found again and again."""

    def __len__(self) -> int:
        return self.starts[-1] + self.parts[-1].size if self.parts else 0

    def grown(self, table: Any) -> ChunkRows:
        """Return more rows, from a table with the columns HELD. Small parts are joined, so that there are few."""
        import pyarrow as pa

        parts, tables = list(self.parts), [table]
        while parts and parts[-1].size <= _MERGE_FACTOR * sum(part.num_rows for part in tables):
            tables.insert(0, parts.pop().table)
        parts.append(_Part(pa.concat_tables(tables)))
        sizes = np.cumsum([0, *(part.size for part in parts)])[:-1]
        return ChunkRows(tuple(parts), tuple(sizes.tolist()), self._written, self._made)

    def mask(self, where: Filter) -> Mask:
        """Return which rows a filter allows."""
        return np.concatenate([np.zeros(0, dtype=bool), *(part.mask(where) for part in self.parts)])

    def tags(self, where: Filter) -> list[list[str]]:
        """Return the tags that satisfy each rule of a filter on metadata, rule by rule."""
        rules = zip(*(part.tags(where) for part in self.parts), strict=True)
        return [sorted({name for names in rule for name in names}) for rule in rules]

    def ids(self, rows: Rows) -> list[str]:
        """Return the ids of some rows."""
        if len(self.parts) == 1:
            return self.parts[0].ids(rows.tolist())
        place = [(row, bisect.bisect_right(self.starts, row) - 1) for row in rows.tolist()]
        return [self.parts[part].ids((row - self.starts[part],))[0] for row, part in place]

    def table(self, names: Sequence[str], rows: Rows) -> Any:
        """Return some columns of some rows as an Arrow table."""
        import pyarrow as pa

        return pa.concat_tables([part.table.select(names) for part in self.parts]).take(rows)

    def ordered(self, rows: Rows) -> Rows:
        """Return the rows by document, then start."""
        cells = list(self._cells(rows, ("document", "start", "end")))
        return rows[sorted(range(len(cells)), key=cells.__getitem__)]

    def chunks(self, rows: Rows) -> list[Chunk]:
        """Return the chunks of some rows, in that order."""
        if len(self._made) > _MOST_MADE:
            self._made.clear()
        made = {row: chunk for row in rows.tolist() if (chunk := self._made.get(row)) is not None}
        if len(made) < len(rows):
            new = np.array([row for row in rows.tolist() if row not in made])
            made |= zip(
                new.tolist(), (self._chunk(*cells) for cells in self._cells(new, FIELDS)), strict=True
            )
            self._made.update(made)
        return [made[row] for row in rows.tolist()]

    def _cells(self, rows: Rows, names: Sequence[str]) -> Iterable[tuple[Any, ...]]:
        """Return the cells of each row. Whole columns at a time: 5 µs a chunk instead of 20."""
        if len(self.parts) == 1:
            return _taken(self.parts[0], rows, names)
        found: list[tuple[Any, ...]] = [()] * len(rows)
        places: dict[int, list[int]] = {}
        for at, row in enumerate(rows.tolist()):
            places.setdefault(bisect.bisect_right(self.starts, row) - 1, []).append(at)
        for number, wanted in places.items():
            cells = _taken(self.parts[number], rows[wanted] - self.starts[number], names)
            for at, cell in zip(wanted, cells, strict=True):
                found[at] = cell
        return found

    def _chunk(self, *cells: Any) -> Chunk:
        identity, document, start, end, title, headings, page, searchable, written, shown = cells
        metadata = self._written.get(written)
        if metadata is None:
            metadata = self._written[written] = json.loads(written)
        # The text is the end of what was indexed. An empty one would make [-0:] take everything.
        text = searchable[start - end :] if end > start else ""
        span = (shown[0], shown[1]) if shown else None
        return Chunk(identity, document, start, end, text, title, tuple(headings), page, metadata, span)


def _taken(part: _Part, rows: Rows, names: Sequence[str]) -> Iterable[tuple[Any, ...]]:
    found = part.table.select(names).take(rows)
    return zip(*(column.to_pylist() for column in found.columns), strict=True)


def tag(key: str, value: str) -> str:
    """Return a metadata item as one word. The key's length keeps `a=b: c` and `a: b=c` apart."""
    return f"{len(key)}:{key}={value}"


def among(column: str, names: Collection[str]) -> str:
    """Return the SQL for `column` being one of the names."""
    return f"{column} IN ({', '.join(map(literal, names))})" if names else "false"


def literal(text: str) -> str:
    """Return a SQL string literal; a quote is the only character that needs care in DataFusion's dialect."""
    return "'" + text.replace("'", "''") + "'"
