"""CSV and JSONL, and pipe tables for the other loaders.

A CSV row becomes one paragraph `Header: value; Header: value`, because a chunk may begin at any row and must explain
itself without the header line. A JSONL line is a Document of its own. Both are bounded in what they unpack.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from graft.backends.loaders.decoding import decode
from graft.backends.loaders.load_text import plain, title_from_name, valid
from graft.errors import DataError
from graft.types import Document

# A gzip file can unpack to a thousand times its size; 512 MB of text is a million passages.
MAX_UNPACKED = 512 * 2**20
MAX_CELLS = 1_000_000
MAX_COLUMNS = 500
_SHOWN_LINES = 5


def pipe_table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as a Markdown pipe table, the first row its header. Ragged rows are filled up."""
    width = max((len(row) for row in rows), default=0)
    if not width:
        return ""
    lines = []
    for number, row in enumerate(rows):
        cells = [" ".join(cell.split()).replace("|", "\\|") for cell in row] + [""] * (width - len(row))
        lines.append(f"| {' | '.join(cells)} |")
        if number == 0:
            lines.append(f"|{' --- |' * width}")
    return "\n".join(lines)


def spread(rows: Sequence[Sequence[tuple[str, int, int]]]) -> list[list[str]]:
    """Return cells given as (text, columns, rows) as a full grid: a merged cell stands in every place it covers.

    So each row can be read on its own and each cell stays below its header.
    """
    placed: dict[tuple[int, int], str] = {}
    for at, row in enumerate(rows):
        column = 0
        for text, columns, below in row:
            while (at, column) in placed:
                column += 1
            # `colspan="999999"` is cheap to write: past a million cells nothing is spread any more.
            wide, high = (columns, min(below, len(rows) - at)) if len(placed) < MAX_CELLS else (1, 1)
            wide = max(1, min(wide, MAX_COLUMNS))
            for down in range(max(1, high)):
                for right in range(wide):
                    placed.setdefault((at + down, column + right), text)
            column += wide
    widths = [0] * len(rows)
    for at, column in placed:
        widths[at] = max(widths[at], column + 1)
    return [[placed.get((at, column), "") for column in range(width)] for at, width in enumerate(widths)]


class CsvLoader:
    """CSV and TSV with a header line; the delimiter is found by itself."""

    suffixes = (".csv", ".tsv")

    def __init__(self, options: None = None) -> None:
        del options

    def load(self, path: Path, document_id: str) -> Iterator[Document]:
        """Yield one Document for the file, one paragraph a row. Raises DataError when the rows cannot be read."""
        text = decode(path.read_bytes(), path)
        try:
            rows = [
                row for row in csv.reader(io.StringIO(text), _dialect(text, path)) if any(map(str.strip, row))
            ]
        except csv.Error as error:
            raise DataError(
                f"{path}: not a readable table ({error}).", "Save it again as CSV in UTF-8."
            ) from error
        if not rows:
            raise DataError(f"{path}: has no rows.", "Add rows, or exclude the file.")
        header = [cell.strip() for cell in rows[0]]
        body = "\n\n".join(row_text(header, row) for row in rows[1:]) or "; ".join(header)
        metadata = {
            "type": path.suffix.lower(),
            "columns": [name for name in header if name],
            "rows": len(rows) - 1,
        }
        yield Document(
            id=document_id,
            text=body + "\n",
            title=title_from_name(path),
            source=str(path),
            metadata=metadata,
            modified=path.stat().st_mtime,
        )


def row_text(header: Sequence[str], row: Sequence[str]) -> str:
    """Return `Header: value; Header: value` for the cells that hold something."""
    names = [*header, *("" for _ in range(len(row) - len(header)))]
    pairs = (
        (name or f"column {at}", " ".join(cell.split()))
        for at, (name, cell) in enumerate(zip(names, row, strict=False), 1)
    )
    return "; ".join(f"{name}: {cell}" for name, cell in pairs if cell)


def _dialect(text: str, path: Path) -> type[csv.Dialect] | csv.Dialect:
    """Guess the delimiter from the first lines; a comma (a tab for .tsv) when they do not tell."""
    try:
        found = csv.Sniffer().sniff(text[:8192], delimiters=",;\t|")
    except csv.Error:
        return csv.excel_tab if path.suffix.lower() == ".tsv" else csv.excel
    # The first lines say nothing of what quotes look like further down: a doubled one is a quote wherever it comes
    # (RFC 4180), and an apostrophe quotes only where nothing else does.
    found.doublequote = True
    if '"' in text:
        found.quotechar = '"'
    return found


class JsonlLoader:
    """JSON lines `{"id", "title", "text", "metadata"}`, plain or gzipped; each line a Document."""

    suffixes = (".jsonl", ".jsonl.gz")

    def __init__(self, options: None = None) -> None:
        del options

    def load(self, path: Path, document_id: str) -> Iterator[Document]:
        """Yield the good records; then raise DataError naming the bad lines, if there were any."""
        modified = path.stat().st_mtime
        bad: list[str] = []
        for number, line in enumerate(_lines(path), start=1):
            if not line.strip():
                continue
            try:
                yield _record(line, f"{document_id}#{number}", path, modified)
            except ValueError as error:  # json.JSONDecodeError is one
                bad.append(f"{path}:{number}: {error}")
        if bad:
            more = f" … and {len(bad) - _SHOWN_LINES} more" if len(bad) > _SHOWN_LINES else ""
            message = f"{len(bad)} lines were left out: {'; '.join(bad[:_SHOWN_LINES])}{more}."
            raise DataError(message, 'Each line is an object like {"id": "a", "title": "…", "text": "…"}.')


def _lines(path: Path) -> Iterable[str]:
    if path.suffix != ".gz":
        yield from decode(path.read_bytes(), path).split("\n")
        return
    try:
        with gzip.open(path) as packed:
            data = packed.read(MAX_UNPACKED + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{path}: not a readable gzip file ({error}).", "It may be cut short: copy it again."
        ) from error
    if len(data) > MAX_UNPACKED:
        raise DataError(
            f"{path}: unpacks to more than {MAX_UNPACKED // 2**20} MB.", "Split it into smaller files."
        )
    yield from decode(data, path).split("\n")


def _record(line: str, fallback_id: str, path: Path, modified: float) -> Document:
    """Return one line's Document. Raises ValueError with the reason."""
    data: Any = json.loads(line)
    if not isinstance(data, dict):
        raise ValueError("not an object")  # noqa: TRY004 - the caller reports every bad line alike
    text, metadata = data.get("text"), data.get("metadata") or {}
    if not isinstance(text, str) or not text.strip():
        raise ValueError('no "text"')
    if not isinstance(metadata, dict):
        raise ValueError('"metadata" is not an object')  # noqa: TRY004
    given = data.get("id")
    return Document(
        id=fallback_id if given in (None, "") else str(given),  # 0 is an id like any other
        text=valid(text).replace("\r\n", "\n").replace("\r", "\n"),
        title=valid(str(data.get("title") or "")),
        source=str(path),
        metadata={"type": ".jsonl", **plain(metadata)},
        modified=modified,
    )
