"""XLSX: each visible sheet a section; its blocks of cells pipe tables with the header on top.

Values are what the last program that saved the file calculated, shown as the cell's format shows them (dates, percent,
currency). A merged cell stands in every place it covers. Tables on one sheet are told apart by empty rows or columns.
Knows no charts, comments or macros.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from graft.backends.loaders.archives import Archive, local, properties
from graft.backends.loaders.sheets import Rows, workbook
from graft.errors import DataError
from graft.types import Document

# Far beyond what anybody reads, and about 30 s of work: the rest of the sheet would be noise to a search.
MAX_CELLS = 2_000_000
_RANGE = re.compile(r"([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})$")
_CURRENCY = re.compile(r"[$€£¥]")
# ECMA-376, 18.8.31: `[$€-407]` is a currency and a locale, `[$CHF]` a currency, `[$-409]` a locale alone.
_BRACKETED = re.compile(r"\[\$([^\]-]*)(?:-[^\]]*)?\]")
_DECIMALS = re.compile(r"0\.(0+)")
_MAX_MERGED = 100_000


class XlsxLoader:
    """One Document a workbook; a heading for each sheet."""

    suffixes = (".xlsx", ".xlsm")

    def __init__(self, options: None = None) -> None:
        del options

    def load(self, path: Path, document_id: str) -> Iterator[Document]:
        """Yield the workbook's Document. Raises DataError for a file that is encrypted, damaged or a zip bomb."""
        with Archive(path, "Excel file") as archive:
            archive.refuse_dtds()
            if not any(name.startswith("xl/workbook") for name in archive.names):
                raise archive.broken("it holds no workbook")
            sheets = _sheets(path, archive)
            named = properties(archive)
        yield workbook(path, document_id, ".xlsx", sheets, named)


def _sheets(path: Path, archive: Archive) -> list[tuple[str, Rows]]:
    """Return (name, cells as shown by row and column) of each visible sheet."""
    import openpyxl

    with warnings.catch_warnings(), contextlib.ExitStack() as stack:
        warnings.simplefilter("ignore")  # openpyxl names the features it leaves out, such as data validation
        try:
            # By handle: given a path, openpyxl refuses a workbook whose name says something else.
            handle = stack.enter_context(path.open("rb"))
            book = openpyxl.load_workbook(handle, read_only=True, data_only=True, keep_links=False)
            try:
                left = MAX_CELLS
                sheets = []
                for sheet in book.worksheets:
                    if sheet.sheet_state != "visible":
                        continue
                    rows, left = _rows(sheet, left)
                    # The streaming reader leaves the merged ranges out; `_worksheet_path` is where it reads from.
                    _fill_merged(rows, _merged(archive, sheet._worksheet_path))  # noqa: SLF001
                    sheets.append((" ".join(sheet.title.split()), rows))
            finally:
                book.close()
        except DataError:
            raise
        except MemoryError:
            raise
        except (
            Exception
        ) as error:  # openpyxl has no errors of its own: a damaged file raises whatever it hits
            raise archive.broken(f"{type(error).__name__}: {error}") from error
    return sheets


def _rows(sheet: Any, left: int) -> tuple[Rows, int]:
    """Return the cells of a sheet that hold something, and how many more may be read."""
    sheet.reset_dimensions()  # what the file says about its size is often wrong, and may be a lie
    rows: Rows = {}
    for row in sheet.iter_rows():
        for cell in row:
            if cell.value is not None and (text := shown(cell.value, cell.number_format or "")):
                rows.setdefault(cell.row, {})[cell.column] = text
                left -= 1
        if left < 0:
            raise DataError(
                f"{sheet.title!r}: more than {MAX_CELLS} cells.", "Split the workbook, or save it as CSV."
            )
    return rows, left


def shown(value: Any, pattern: str) -> str:
    """Return a cell's value as its number format shows it, or nearly: ISO dates, percent, currency, plain numbers."""
    if isinstance(value, dt.datetime):
        return value.date().isoformat() if value.time() == dt.time() else value.isoformat(" ", "seconds")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return " ".join((str(value).upper() if isinstance(value, bool) else str(value)).split())
    return _number_shown(value, pattern)


def _number_shown(value: float, pattern: str) -> str:
    pattern = pattern.split(";", maxsplit=1)[0]
    found = _DECIMALS.search(pattern)
    decimals = len(found[1]) if found else 0
    if "%" in pattern:
        return f"{value * 100:.{decimals}f}%"
    currency = _currency(pattern)
    if currency:
        return f"{'-' if value < 0 else ''}{currency}{abs(value):,.{decimals}f}"
    return str(value) if isinstance(value, int) else f"{value:.12g}"


def _currency(pattern: str) -> str:
    """Return the currency of a number format, as it stands before the amount; a code such as CHF with a space behind."""
    named = next(filter(None, (name.strip() for name in _BRACKETED.findall(pattern))), "")
    if named:
        return f"{named} " if named[-1].isalpha() else named
    symbol = _CURRENCY.search(_BRACKETED.sub("", pattern))
    return symbol[0] if symbol else ""


def _merged(archive: Archive, name: str) -> list[tuple[int, int, int, int]]:
    """Return the merged ranges of a sheet as (top, left, bottom, right)."""
    name = name.lstrip("/")
    data = archive.read(name) if name in archive.names else b""
    if b"mergeCell " not in data:
        return []
    found = []
    for element in archive.parsed(data).iter("{*}mergeCell"):
        match = _RANGE.match(element.get("ref", ""))
        if local(element) and match:
            left, top, right, bottom = match.groups()
            found.append((int(top), _column(left), int(bottom), _column(right)))
    return found


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number


def _fill_merged(rows: Rows, merged: Sequence[tuple[int, int, int, int]]) -> None:
    """Write a merged cell's value into every row and column it covers, up to a bound: a range may cover the sheet."""
    budget = _MAX_MERGED
    last = max(rows, default=0)
    widest = max((column for row in rows.values() for column in row), default=0)
    for top, left, bottom, right in merged:
        text = rows.get(top, {}).get(left)
        if text is None:
            continue
        for row in range(top, min(bottom, last) + 1):
            for column in range(left, min(right, widest) + 1):
                rows.setdefault(row, {}).setdefault(column, text)
                budget -= 1
                if budget < 0:
                    return
