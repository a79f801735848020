"""The cells of sheets → a Document: sections with tables. Tables on one sheet are told apart by empty rows or columns.

Shared by the loaders of workbooks. Knows no file format.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from graft.backends.loaders.load_table import pipe_table
from graft.backends.loaders.load_text import title_from_name
from graft.errors import DataError
from graft.types import Document

Rows = dict[int, dict[int, str]]
"""Row number → column number → a cell that holds something, as it is shown."""
_LABEL_LENGTH = 200


def workbook(
    path: Path, document_id: str, kind: str, sheets: Sequence[tuple[str, Rows]], named: Mapping[str, Any]
) -> Document:
    """Return the Document of a workbook's sheets, each a name with its cells. `named` are the file's properties, `kind` its
    suffix. Raises DataError when no sheet holds a value."""
    blocks = _sheet_blocks(sheets)
    if not blocks:
        raise DataError(f"{path}: its {len(sheets)} sheets hold no values.", "Exclude the file.")
    rest = {key: value for key, value in named.items() if key != "title"}
    return Document(
        id=document_id,
        text="\n\n".join(blocks) + "\n",
        title=named.get("title", "") or title_from_name(path),
        source=str(path),
        metadata={"type": kind, **rest, "sheets": [name for name, _ in sheets]},
        modified=path.stat().st_mtime,
    )


def _sheet_blocks(sheets: Sequence[tuple[str, Rows]]) -> list[str]:
    """Return a heading and the tables of each sheet that holds something."""
    blocks: list[str] = []
    for name, rows in sheets:
        tables = [table for band in _bands(rows) for table in _tables(band)]
        if tables:
            blocks += [f"## {name}", *tables]
    return blocks


def _bands(rows: Rows) -> Iterator[list[dict[int, str]]]:
    """Yield the runs of rows without an empty row between them."""
    band: list[dict[int, str]] = []
    before = 0
    for number in sorted(rows):
        if band and number > before + 1:
            yield band
            band = []
        band.append(rows[number])
        before = number
    if band:
        yield band


def _tables(band: Sequence[dict[int, str]]) -> Iterator[str]:
    """Yield the texts of a run of rows: a pipe table for each group of columns, lines for rows of one cell above it."""
    used = sorted({column for row in band for column in row})
    groups: list[list[int]] = []
    for column in used:
        if groups and column == groups[-1][-1] + 1:
            groups[-1].append(column)
        else:
            groups.append([column])
    for columns in groups:
        rows = [[row.get(column, "") for column in columns] for row in band]
        rows = [row for row in rows if any(row)]
        # Above a table, a line with one text in it (perhaps merged over all columns) is its title.
        while len(columns) > 1 and len(rows) > 1 and len(set(filter(None, rows[0]))) == 1:
            yield next(filter(None, rows[0]))
            rows = rows[1:]
        if len(columns) == 1 and (len(rows) == 1 or any(len(row[0]) > _LABEL_LENGTH for row in rows)):
            yield from (row[0] for row in rows)
        elif rows:
            yield pipe_table(rows)
