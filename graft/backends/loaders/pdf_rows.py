"""Pieces of a PDF page → rows, and the columns in which rows line up.

Numbers decide: pieces that begin, end or are centred at one place stand in a column. Knows nothing of headers or of how a
table is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from graft.backends.loaders.pdf_page import Piece

# Signs that stand apart from the number they belong to.
_BEFORE = re.compile(r"[$€£¥(+−–-]{1,2}$")
_BEHIND = re.compile(r"[)%]{1,2}$")
NUMERIC = re.compile(r"[$€£¥]?\s*[(+−–—-]?\s*[$€£¥]?\s*\d[\d.,' ]*\s*[)%]*$|[—–-]$|n/?a$", re.IGNORECASE)
_MAX_COLUMNS = 60
_SAMPLE = 200  # rows that are looked at to see whether columns line up: each is compared with each
_PROSE = 30  # mean characters of a cell behind the first column; beyond it the cells are lines of text


@dataclass(frozen=True, slots=True)
class Row:
    """Pieces side by side, from left to right."""

    pieces: tuple[Piece, ...]

    @property
    def top(self) -> float:
        """The upper edge."""
        return max(piece.top for piece in self.pieces)

    @property
    def bottom(self) -> float:
        """The lower edge."""
        return min(piece.bottom for piece in self.pieces)

    @property
    def left(self) -> float:
        """The left edge."""
        return self.pieces[0].left

    @property
    def right(self) -> float:
        """The right edge."""
        return max(piece.right for piece in self.pieces)


def rows_of(pieces: Sequence[Piece]) -> list[Row]:
    """Join the pieces that follow each other on one line; signs join their number."""
    rows: list[list[Piece]] = []
    for piece in pieces:
        last = rows[-1][-1] if rows else None
        overlap = min(last.top, piece.top) - max(last.bottom, piece.bottom) if last is not None else 0.0
        beside = last is not None and overlap > 0.5 * min(last.top - last.bottom, piece.top - piece.bottom)
        if last is None or not beside or piece.left < last.right - 1:
            rows.append([piece])
        elif (_BEFORE.match(last.text) and NUMERIC.match(piece.text)) or _BEHIND.match(piece.text):
            space = "" if _BEHIND.match(piece.text) else " "
            rows[-1][-1] = _joined(last, piece, space)
        else:
            rows[-1].append(piece)
    return [Row(tuple(row)) for row in rows]


def _joined(a: Piece, b: Piece, between: str) -> Piece:
    text = f"{a.text}{between if a.text not in '$€£¥(' else ''}{b.text}"
    return Piece(text, a.left, b.right, min(a.bottom, b.bottom), max(a.top, b.top), b.size, b.bold)


def columns_of(rows: Sequence[Row]) -> list[tuple[float, float]]:
    """Return the columns (left, right) in which the pieces of most rows stand, or nothing.

    Narrow pieces first: a piece that overlaps two known columns spans them and makes none.
    """
    pieces = sorted(
        (piece for row in rows if len(row.pieces) >= 2 for piece in row.pieces),
        key=lambda piece: piece.right - piece.left,
    )
    found: list[list[float]] = []
    for piece in pieces:
        hit = [column for column in found if min(column[1], piece.right) - max(column[0], piece.left) > 1]
        if not hit:
            found.append([piece.left, piece.right])
        elif len(hit) == 1:
            hit[0][:] = [min(hit[0][0], piece.left), max(hit[0][1], piece.right)]
    if len(found) > _MAX_COLUMNS:
        return []
    found.sort()
    columns = [(left, right) for left, right in found]
    several = [row for row in rows if len(row.pieces) >= 2]
    used = [
        sum(place(piece, columns) == (at, at) for row in several for piece in row.pieces)
        for at in range(len(columns))
    ]
    columns = [
        column for column, count in zip(columns, used, strict=True) if count >= max(2, 0.1 * len(several))
    ]
    if len(columns) < 2 or not _lined_up(several, columns):
        return []
    return columns


def _lined_up(rows: Sequence[Row], columns: Sequence[tuple[float, float]]) -> bool:
    """Whether the pieces of a column begin or end at one place, as cells do and words of justified prose do not."""
    rows = rows[:_SAMPLE]
    good, total = 0, sum(len(row.pieces) for row in rows)
    for at in range(len(columns)):
        inside = [piece for row in rows for piece in row.pieces if place(piece, columns) == (at, at)]
        edges = [[piece.left for piece in inside], [piece.right for piece in inside],
                 [(piece.left + piece.right) / 2 for piece in inside]]  # fmt: skip
        good += max(
            (max(sum(abs(edge - other) < 3 for other in some) for edge in some) for some in edges if some),
            default=0,
        )
    return good >= 0.66 * total


def place(piece: Piece, columns: Sequence[tuple[float, float]]) -> tuple[int, int]:
    """Return the first and the last column that a piece covers; the nearest one when it covers none."""
    hit = [
        at for at, (left, right) in enumerate(columns) if min(right, piece.right) - max(left, piece.left) > 1
    ]
    if hit:
        return hit[0], hit[-1]
    middle = (piece.left + piece.right) / 2
    nearest = min(range(len(columns)), key=lambda at: abs(sum(columns[at]) / 2 - middle))
    return nearest, nearest


def reads_like_prose(rows: Sequence[Row], columns: Sequence[tuple[float, float]]) -> bool:
    """Whether what stands side by side is text in columns rather than cells."""
    behind = [piece for row in rows if len(row.pieces) >= 2 for piece in row.pieces[1:]]
    long = sum(len(piece.text) for piece in behind) > _PROSE * len(behind)
    widths = [right - left for left, right in columns]
    filled = sum(piece.right - piece.left > 0.75 * widths[place(piece, columns)[0]] for piece in behind)
    return len(columns) <= 3 and long and filled >= 0.6 * len(behind)


def column_by_column(rows: Sequence[Row], columns: Sequence[tuple[float, float]]) -> Iterator[Row]:
    """Yield the lines of each column from top to bottom, one column after the other."""
    for at in range(len(columns)):
        for row in rows:
            inside = tuple(piece for piece in row.pieces if place(piece, columns)[0] == at)
            if inside:
                yield Row(inside)
