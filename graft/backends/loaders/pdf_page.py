"""A PDF page → pieces of text with their boxes and fonts, and the ruled lines drawn on it.

A piece is a run of characters on one line without a gap as wide as a letter is high: a line of prose is one piece, a
table row one for each cell. pdfium gives the characters in the order of the file; that order is kept. Lengths are in
points, y upwards. Knows nothing of paragraphs, columns or tables.
"""

from __future__ import annotations

import ctypes
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

_RTL = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_MIXED = re.compile("([A-Za-z0-9])(?=[\u0590-\u08ff])|([\u0620-\u064a])(?=[A-Za-z0-9])")
# U+FFFE and U+0002 are pdfium's marks for a hyphen at a line's end.
_HYPHENS = {0xFFFE: "\u00ad", 0x02: "\u00ad"}
_LEADERS = re.compile(r"(?:[.·…_] ?){4,}")
# A word space is 0.25 em and, in a badly justified line, up to 0.8; between cells there is at least one em.
CELL_GAP = 1.0
# The box of a line of text is about so much higher than its font's size.
_LOOSE = 1.12
_WORD_GAP = 0.17


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of text. `size` is that of its font, to the half point; `words` holds where each word begins: (offset in
    `text`, left edge, right edge of the word before)."""

    text: str
    left: float
    right: float
    bottom: float
    top: float
    size: float
    bold: bool
    words: tuple[tuple[int, float, float], ...] = ()

    @property
    def rtl(self) -> bool:
        """Whether it is written from right to left."""
        return _RTL.search(self.text) is not None


@dataclass(frozen=True, slots=True)
class Rule:
    """A straight horizontal or vertical line, as (left, bottom, right, top)."""

    left: float
    bottom: float
    right: float
    top: float

    @property
    def horizontal(self) -> bool:
        """Whether it is wider than high."""
        return self.right - self.left >= self.top - self.bottom


@dataclass(frozen=True, slots=True)
class Page:
    """What is on a page. `pictured` is the share of it that pictures cover."""

    width: float
    height: float
    pieces: tuple[Piece, ...]
    rules: tuple[Rule, ...] = ()
    pictured: float = 0.0


def read_page(page: Any) -> Page:
    """Return what is on a pdfium page, which is closed. Text set upright only; on a turned page all of it."""
    textpage = page.get_textpage()
    try:
        rules, pictured = _drawn(page)
        pieces = list(_pieces(textpage, [rule for rule in rules if not rule.horizontal]))
        return Page(page.get_width(), page.get_height(), tuple(pieces), tuple(rules), pictured)
    finally:
        textpage.close()
        page.close()


class _Run:
    """The piece being read: its characters and box."""

    def __init__(self, first: int) -> None:
        self.first = self.last = first
        self.characters: list[str] = []
        self.words: list[tuple[int, float, float]] = []
        self.left = self.bottom = math.inf
        self.right = self.top = -math.inf

    def add(self, at: int, character: str, box: Any) -> None:
        self.last = at
        self.characters.append(character)
        self.left, self.right = min(self.left, box.left), max(self.right, box.right)
        self.bottom, self.top = min(self.bottom, box.bottom), max(self.top, box.top)


def _pieces(textpage: Any, upright: Sequence[Rule]) -> Iterator[Piece]:
    """Yield the pieces of a page in the order of the file; an upright rule parts them however near they are."""
    from pypdfium2 import raw

    box = raw.FS_RECTF()
    pointer = ctypes.byref(box)
    run: _Run | None = None
    space, before_bottom, before_right = False, 0.0, 0.0
    for at, character in _characters(textpage):
        if character == "\n":
            if run is not None:
                yield from _finished(textpage, run)
                run = None
            continue
        if character == " ":
            space = True
            continue
        raw.FPDFText_GetLooseCharBox(textpage, at, pointer)
        height = max(box.top - box.bottom, 1.0)
        if run is not None:
            rtl = _RTL.match(character) is not None or _RTL.match(run.characters[-1]) is not None
            gap = 0.0 if rtl else box.left - before_right
            new_word = space or gap > _WORD_GAP * height
            apart = gap > CELL_GAP * height or (new_word and _between(upright, before_right, box))
            if apart or abs(box.bottom - before_bottom) > 0.6 * height or gap < -1.5 * height:
                yield from _finished(textpage, run)
                run = None
            elif new_word:
                run.characters.append(" ")
                run.words.append((len(run.characters), box.left, before_right))
        if run is None:
            run = _Run(at)
        run.add(at, character, box)
        space, before_bottom, before_right = False, box.bottom, box.right
    if run is not None:
        yield from _finished(textpage, run)


def _characters(textpage: Any) -> Iterator[tuple[int, str]]:
    """Yield (index, character); a line's end as a newline, any other white space as a space."""
    from pypdfium2 import raw

    half = 0
    for at in range(raw.FPDFText_CountChars(textpage)):
        code = raw.FPDFText_GetUnicode(textpage, at)
        if 0xD800 <= code < 0xDC00:  # half of a character beyond the first 65,536; the other half follows
            half = code
            continue
        if 0xDC00 <= code < 0xE000:
            code = 0x10000 + ((half - 0xD800) << 10) + (code - 0xDC00) if half else 0x20
        half = 0
        character = _HYPHENS.get(code) or chr(code or 0x20)
        yield at, "\n" if code in {0x0D, 0x0A} else " " if character.isspace() else character


def _between(upright: Sequence[Rule], right: float, box: Any) -> bool:
    """Whether a rule stands between the end of one word and the box of the next."""
    return any(
        right - 1 < rule.left < box.left + 1 and rule.bottom < box.top and rule.top > box.bottom
        for rule in upright
    )


def _finished(textpage: Any, run: _Run) -> Iterator[Piece]:
    """Yield the piece of a run. Lines of dots, as in tables of contents, are shortened."""
    plain = "".join(run.characters)
    text = _MIXED.sub(r"\1\2 ", plain) if _RTL.search(plain) else plain
    text = " ".join(_LEADERS.sub("... ", text).split())
    if not text:
        return
    words = tuple(run.words) if text == plain else ()
    # The first character may be a bullet in a font of its own: the middle and the last one tell the style.
    size, bold = _font(textpage, (run.first + run.last) // 2)
    bold = bold and _font(textpage, run.last)[1]
    height = (run.top - run.bottom) / _LOOSE
    if not 0.6 * size < height < 1.7 * size:  # scaled by the page rather than by the text: the box tells
        size = round(height * 2) / 2
    yield Piece(text, run.left, run.right, run.bottom, run.top, size, bold, words)


def _font(textpage: Any, index: int) -> tuple[float, bool]:
    """Return the size of a character in points, to the half, and whether its font is bold."""
    from pypdfium2 import raw

    flags, matrix, name = ctypes.c_int(), raw.FS_MATRIX(), ctypes.create_string_buffer(128)
    raw.FPDFText_GetMatrix(textpage, index, matrix)  # many writers set size 1 and scale by the matrix
    size = float(raw.FPDFText_GetFontSize(textpage, index)) * math.hypot(matrix.c, matrix.d)
    raw.FPDFText_GetFontInfo(textpage, index, name, 128, flags)
    heavy = raw.FPDFText_GetFontWeight(textpage, index) >= 600 or b"bold" in name.value.lower()
    return round(size * 2) / 2, heavy


def _drawn(page: Any) -> tuple[list[Rule], float]:
    """Return the ruled lines of a page, and the share of it that pictures cover. Drawings within forms are left out."""
    from pypdfium2 import raw

    rules: list[Rule] = []
    covered = 0.0
    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    for at in range(min(raw.FPDFPage_CountObjects(page), 20_000)):
        thing = raw.FPDFPage_GetObject(page, at)
        kind = raw.FPDFPageObj_GetType(thing)
        if kind not in {raw.FPDF_PAGEOBJ_PATH, raw.FPDF_PAGEOBJ_IMAGE}:
            continue
        if not raw.FPDFPageObj_GetBounds(thing, left, bottom, right, top):
            continue
        box = Rule(left.value, bottom.value, right.value, top.value)
        wide, high = box.right - box.left, box.top - box.bottom
        if kind == raw.FPDF_PAGEOBJ_IMAGE:
            covered += wide * high
        elif min(wide, high) <= 2.5 and max(wide, high) >= 4:
            rules.append(box)
        elif wide > 4 and high > 4 and _stroked(thing):
            rules += [
                Rule(box.left, box.bottom, box.right, box.bottom), Rule(box.left, box.top, box.right, box.top),
                Rule(box.left, box.bottom, box.left, box.top), Rule(box.right, box.bottom, box.right, box.top),
            ]  # fmt: skip
    return rules, covered / max(page.get_width() * page.get_height(), 1.0)


def _stroked(thing: Any) -> bool:
    """Whether a path is a rectangle whose edges are drawn (its bounds are its edges)."""
    from pypdfium2 import raw

    fill, stroke = ctypes.c_int(), ctypes.c_int()
    raw.FPDFPath_GetDrawMode(thing, fill, stroke)
    return bool(stroke.value) and raw.FPDFPath_CountSegments(thing) <= 6
