"""ODS (LibreOffice Calc): each visible sheet a section; its blocks of cells pipe tables with the header on top.

Cells are taken as they are shown; a merged cell stands in every place it covers. Comments, charts and formulas are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from graft.backends.loaders import odf
from graft.backends.loaders.archives import Archive, local
from graft.backends.loaders.sheets import Rows, workbook
from graft.errors import DataError
from graft.types import Document

# As for Excel. A cell that is repeated is written once, so that a small file may hold any number of them.
MAX_CELLS = 2_000_000


class OdsLoader:
    """One Document a workbook; a heading for each sheet."""

    suffixes = (".ods", ".ots")

    def __init__(self, options: None = None) -> None:
        del options

    def load(self, path: Path, document_id: str) -> Iterator[Document]:
        """Yield the workbook's Document. Raises DataError for a file that is encrypted, damaged or a zip bomb."""
        with Archive(path, "OpenDocument spreadsheet") as archive:
            root, body = odf.content(archive, path, "spreadsheet")
            named = odf.metadata(archive)
        sheets = [
            (" ".join(table.get(odf.attribute(table, "name"), "").split()), _rows(table, path))
            for table in (body.iterfind("./{*}table") if body is not None else ())
            if not _hidden(root, table)
        ]
        yield workbook(path, document_id, ".ods", sheets, named)


def _hidden(root: Any, table: Any) -> bool:
    wanted = table.get(odf.attribute(table, "style-name"))
    for style in root.iterfind("./{*}automatic-styles/{*}style"):
        if wanted and style.get(odf.attribute(style, "name")) == wanted:
            return any(
                value == "false"
                for child in style if local(child) == "table-properties"
                for name, value in child.items() if name.endswith("}display")
            )  # fmt: skip
    return False


def _rows(table: Any, path: Path) -> Rows:
    """Return the cells of a sheet that hold something."""
    rows: Rows = {}
    number, left = 0, MAX_CELLS
    for row in table.iter(odf.attribute(table, "table-row")):
        cells, below = _cells(row)
        times = odf.span(row, "number-rows-repeated")
        for at in range(times if cells else 0):
            left -= len(cells)
            if left < 0:
                raise DataError(
                    f"{path}: more than {MAX_CELLS} cells.", "Split the workbook, or save it as CSV."
                )
            rows.setdefault(number + at, {}).update(cells)
        for column, (text, high) in below.items():
            for down in range(1, min(high, left)):
                rows.setdefault(number + down, {}).setdefault(column, text)
                left -= 1
        number += times
    last = max((at for at, held in rows.items() if held), default=0)
    return {at: held for at, held in rows.items() if at <= last}


def _cells(row: Any) -> tuple[dict[int, str], dict[int, tuple[str, int]]]:
    """Return the cells of a row by column, and those that reach down with how many rows they cover."""
    cells: dict[int, str] = {}
    below: dict[int, tuple[str, int]] = {}
    column = 0
    for cell in _own(row):
        times = odf.span(cell, "number-columns-repeated")
        text = " ".join(" ".join(odf.inline(part, 0).split()) for part in cell if local(part) == "p")
        if local(cell) == "table-cell" and text.strip():
            wide, high = odf.span(cell, "number-columns-spanned"), odf.span(cell, "number-rows-spanned")
            for right in range(min(max(times, wide), MAX_CELLS)):
                cells[column + right] = text
                if high > 1:
                    below[column + right] = (text, high)
        column += times
    return cells, below


def _own(row: Any) -> Iterator[Any]:
    return (cell for cell in row if local(cell) in {"table-cell", "covered-table-cell"})
