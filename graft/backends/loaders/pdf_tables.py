"""Rows of a PDF page → tables: found by ruled lines, or by columns that line up.

No model decides: a run of rows whose pieces stand in common columns is a table, unless its cells read like lines of
prose; then it is text in columns, and the columns are read one after the other. Knows nothing of fonts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from graft.backends.loaders.load_table import pipe_table
from graft.backends.loaders.pdf_grids import grids
from graft.backends.loaders.pdf_page import Page, Piece
from graft.backends.loaders.pdf_rows import (
    NUMERIC,
    Row,
    column_by_column,
    columns_of,
    place,
    reads_like_prose,
    rows_of,
)

_YEAR = re.compile(r"(?:19|20)\d\d")
_MAX_SINGLES = 3  # rows of one piece in the middle of a table: section names, labels of two lines
_MIN_ROWS = 3
_SENTENCE = 100  # characters: no cell of a table without lines is as long on one line


@dataclass(frozen=True, slots=True)
class Table:
    """A table as a pipe table."""

    text: str


def laid_out(page: Page) -> list[Row | Table]:
    """Return the rows and tables of a page in reading order."""
    ruled = grids(page.pieces, page.rules)
    at_piece = {id(piece): number for number, (_, inside) in enumerate(ruled) for piece in inside}
    made: list[Row | Table] = []
    loose: list[Piece] = []
    done: set[int] = set()
    for piece in page.pieces:
        number = at_piece.get(id(piece))
        if number is None:
            loose.append(piece)
        elif number not in done:  # a table stands where its first piece stood
            done.add(number)
            made += _aligned(rows_of(loose))
            loose = []
            made.append(Table(ruled[number][0]))
    return made + _aligned(rows_of(loose))


def _aligned(rows: Sequence[Row]) -> list[Row | Table]:
    """Replace the runs of rows that are tables; read text in columns one column after the other."""
    made: list[Row | Table] = []
    at = 0
    while at < len(rows):
        end = _run(rows, at)
        columns = columns_of(rows[at:end]) if end - at >= _MIN_ROWS else []
        if (
            len(columns) < 2
        ):  # a table may begin further down; trying at every row would take the square of them
            step = max(1, (end - at) // 4)
            made += rows[at : at + step]
            at += step
        elif reads_like_prose(rows[at:end], columns):
            made += column_by_column(rows[at:end], columns)
            at = end
        else:
            made, names = _names(made, rows[at], columns)
            made, head = _header(made, (names or rows[at:])[0], columns)
            made.append(Table(_table([*head, *names, *rows[at:end]], columns, len(head))))
            at = end
    return made


def _run(rows: Sequence[Row], start: int) -> int:
    """Return where the run of rows with several pieces ends that begins at `start`; single ones may lie between."""
    if len(rows[start].pieces) < 2:
        return start
    end, singles = start + 1, 0
    for at in range(start + 1, len(rows)):
        above, row = rows[at - 1], rows[at]
        height = max(row.top - row.bottom, 1.0)
        if not 0.3 * height < above.bottom - row.bottom < 4 * height:  # upwards or far below: something else
            break
        if max(len(piece.text) for piece in row.pieces) > _SENTENCE:
            break
        if len(row.pieces) >= 2:
            end, singles = at + 1, 0
        else:
            singles += 1
            if singles > _MAX_SINGLES:
                break
    several = sum(len(row.pieces) >= 2 for row in rows[start:end])
    return end if several >= _MIN_ROWS else start


def _names(
    made: Sequence[Row | Table], first: Row, columns: Sequence[tuple[float, float]]
) -> tuple[list[Row | Table], list[Row]]:
    """Split off the names of a table's first sections ("ASSETS:", "Net sales:"), which stand alone above its rows."""
    rest = list(made)
    names: list[Row] = []
    while (
        rest
        and isinstance(row := rest[-1], Row)
        and len(row.pieces) == 1
        and row.pieces[0].text.endswith(":")
    ):
        height = max(row.top - row.bottom, 1.0)
        below = (names or [first])[0]
        if not (row.left < columns[-1][1] and 0 < row.bottom - below.bottom < 2.5 * height):
            break
        names.insert(0, row)
        rest.pop()
    return rest, names


def _header(
    made: Sequence[Row | Table], first: Row, columns: Sequence[tuple[float, float]]
) -> tuple[list[Row | Table], list[Row]]:
    """Split off the rows before a table that are its header: pieces right above it, none over the first column only.

    Writers often set each header cell on its own, two lines each; they are put into rows by their place.
    """
    rest = list(made)
    taken: list[Piece] = []
    top = first.top
    left, right = columns[0][0], columns[-1][1]
    while rest and isinstance(row := rest[-1], Row):
        height = max(row.top - row.bottom, 1.0)
        near = -1.5 * height < row.bottom - top < 2.5 * height or (taken and row.bottom < top + height)
        narrow = all(piece.right - piece.left < 0.5 * (right - left) for piece in row.pieces)
        inside = all(left - 5 < piece.left < right for piece in row.pieces)
        behind = all(piece.left > columns[0][1] - 5 for piece in row.pieces)
        if not (near and narrow and inside and (behind or len(row.pieces) >= 2)):
            break
        taken += row.pieces
        top = max(top, row.top)
        rest.pop()
    rows: list[list[Piece]] = []
    for piece in sorted(taken, key=lambda piece: -piece.bottom):
        if rows and rows[-1][0].bottom - piece.bottom < 0.5 * (piece.top - piece.bottom):
            rows[-1].append(piece)
        else:
            rows.append([piece])
    return rest, [Row(tuple(sorted(row, key=lambda piece: piece.left))) for row in rows]


def _table(rows: Sequence[Row], columns: Sequence[tuple[float, float]], heads: int) -> str:
    """Return rows as a pipe table. The first `heads`, and those after them without a label, make its header row."""
    grid: list[list[str]] = []
    for row in rows:
        cells = [""] * len(columns)
        parted = (
            row.pieces
            if len(grid) < heads
            else [part for piece in row.pieces for part in _parted(piece, columns)]
        )
        for piece in parted:
            first, last = (0, 0) if len(grid) >= heads and _names_section(row) else place(piece, columns)
            # A header over several columns is repeated in each.
            spans = len(grid) < heads or place(row.pieces[0], columns)[0] > 0
            for at in range(first, last + 1 if spans and first > 0 else first + 1):
                cells[at] = f"{cells[at]} {piece.text}".strip()
        grid.append(cells)
    while heads < len(grid) - 1 and _names_columns(grid[heads]):
        heads += 1
    if heads:
        merged = [" ".join(filter(None, column)) for column in zip(*grid[:heads], strict=True)]
        grid = [merged, *grid[heads:]]
    return pipe_table(_columns_joined(_labels_joined(grid)))


def _names_section(row: Row) -> bool:
    """Whether a row is the name of a part of its table, which is often set in the middle: "ASSETS:"."""
    text = row.pieces[0].text
    return (
        len(row.pieces) == 1
        and (text.endswith(":") or text.isupper() or row.pieces[0].bold)
        and not NUMERIC.match(text)
    )


def _parted(piece: Piece, columns: Sequence[tuple[float, float]]) -> list[Piece]:
    """Cut a piece that runs over several columns where a word begins, or the rest ends, at a column's edge.

    Cells are set apart by less than a letter's height where one is nearly as wide as its column.
    """
    first, last = place(piece, columns)
    if first == last:
        return [piece]
    left, right = columns[first + 1]
    for offset, start, end in piece.words:
        if (
            end < left + 1
            and start > left - 3
            and (start < left + 3 or (last == first + 1 and abs(piece.right - right) < 3))
        ):
            head = replace(piece, text=piece.text[: offset - 1], right=end, words=())
            shifted = tuple((at - offset, begin, before) for at, begin, before in piece.words if at > offset)
            tail = replace(piece, text=piece.text[offset:], left=start, words=shifted)
            return [head, *_parted(tail, columns)]
    return [piece]


def _names_columns(row: Sequence[str]) -> bool:
    """Whether a row at the top of a table goes on with its header: no label but a unit, and no numbers but years."""
    numbers = [cell for cell in row if NUMERIC.match(cell) and not _YEAR.fullmatch(cell)]
    return (not row[0] or row[0].startswith("(")) and not numbers and any(row)


def _columns_joined(grid: list[list[str]]) -> list[list[str]]:
    """Join neighbouring columns that are never both filled and share their name: one column whose cells stand apart,
    such as numbers with and without a percent sign."""
    for at in range(len(grid[0]) - 2, 0, -1):
        names = {grid[0][at], grid[0][at + 1]} - {""}
        if len(names) < 2 and not any(row[at] and row[at + 1] for row in grid[1:]):
            name = next(iter(names), "")
            grid = [
                [*row[:at], row[at] or row[at + 1] if number else name, *row[at + 2 :]]
                for number, row in enumerate(grid)
            ]
    return grid


def _labels_joined(grid: Sequence[Sequence[str]]) -> list[list[str]]:
    """Join a label that goes on in the next row, which begins in lower case, and cells that go on below theirs."""
    made: list[list[str]] = []
    for number, row in enumerate(grid):
        last = made[-1] if len(made) > 1 else None
        label_goes_on = (
            last is not None and not any(last[1:]) and not last[0].endswith(":") and row[0][:1].islower()
        )
        cell_goes_on = (
            last is not None
            and number > 0
            and not row[0]
            and any(row)
            and not any(map(NUMERIC.match, filter(None, row)))
        )
        if last is not None and (label_goes_on or cell_goes_on):
            made[-1] = [f"{above} {below}".strip() for above, below in zip(last, row, strict=True)]
        else:
            made.append(list(row))
    return made
