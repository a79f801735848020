"""What is on the pages of a PDF → headings, paragraphs and tables, page by page.

Lines become paragraphs by the space between them and by where they end; headings are told by size and weight of the
font. Running headers and footers are dropped, hyphenated words joined. Knows no files.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from graft.backends.loaders.load_text import unmarked
from graft.backends.loaders.pdf_page import Page
from graft.backends.loaders.pdf_tables import Table, laid_out

_BULLET = re.compile(r"^(?:[•◦▪‣●○■–—*-]|\(?(?:\d{1,3}|[a-zA-Z])[.)])\s+")
_SYMBOL_BULLET = re.compile(r"^[•◦▪‣●○■]\s*")
_CONTENTS = re.compile(r"\.\.\. ?\d+$")
_PAGE_NUMBER = re.compile(r"^(\d{1,4})(?=\s|$)(?=.{0,100}$)|^(?=.{0,100}$).*?\s(\d{1,4})$")
_HYPHENATED = re.compile(r"\u00ad$|[a-zà-öø-ÿ]-$")
_SENTENCE_END = re.compile(r"[.!?:;…\"”)\]]$")


@dataclass(frozen=True, slots=True)
class _Line:
    """A line as set on the page; lengths in points, y upwards. `edge`: in the top or bottom eighth of the page, or one
    of its first or last line."""

    text: str
    size: float
    bold: bool
    left: float
    right: float
    y: float
    edge: bool
    rtl: bool = False


def text_blocks(pages: Sequence[Page]) -> list[list[str]]:
    """Return the blocks of each page: `#` headings, paragraphs, pipe tables."""
    read = [_lines(page) for page in pages]
    sizes = Counter[float]()
    for line in (line for page in read for line in page if isinstance(line, _Line)):
        sizes[line.size] += len(line.text)
    body = sizes.most_common(1)[0][0] if sizes else 0.0
    kept = _without_running_lines(read, body)
    lines = [[line for line in page if isinstance(line, _Line)] for page in kept]
    levels, leading = _heading_levels(lines, body), _leading(lines)
    return [list(_blocks(page, levels, leading)) for page in kept]


def _lines(page: Page) -> list[_Line | Table]:
    made: list[_Line | Table] = []
    parts = laid_out(page)
    heights = sorted(part.bottom for part in parts if not isinstance(part, Table))
    outermost = {*heights[:1], *heights[-1:]}
    for part in parts:
        if isinstance(part, Table):
            made.append(part)
            continue
        main = max(part.pieces, key=lambda piece: len(piece.text))
        edge = part.bottom in outermost or not 0.12 * page.height < part.bottom < 0.88 * page.height
        text = " ".join(piece.text for piece in part.pieces)
        bold = all(piece.bold for piece in part.pieces)
        made.append(_Line(text, main.size, bold, part.left, part.right, part.bottom, edge, main.rtl))
    return made


def _without_running_lines(pages: Sequence[list[_Line | Table]], body: float) -> list[list[_Line | Table]]:
    """Drop the lines at the pages' edges that many pages share, digits aside: headers, footers, page numbers.

    A third of the pages is enough: left and right pages often have headers of their own.
    """
    if len(pages) < 3:
        return list(pages)

    def key(line: _Line | Table) -> str:
        return re.sub(r"\d+", "0", line.text) if isinstance(line, _Line) and line.edge else ""

    seen = Counter(text for page in pages for text in {key(line) for line in page})
    running = {text for text, count in seen.items() if text and count >= max(3, len(pages) / 3)}
    numbered = _page_numbers(pages, body)
    return [
        [line for line in page if key(line) not in running and (number, line.text) not in numbered]
        for number, page in enumerate(pages)
    ]


def _page_numbers(pages: Sequence[list[_Line | Table]], body: float) -> set[tuple[int, str]]:
    """Return (page, text) of the lines at the edges that begin or end with a number that counts along with the pages.

    They are page numbers, and headers that name the chapter beside them; "1 Introduction" in large type is neither.
    """
    found: list[tuple[int, int, str]] = []
    for number, page in enumerate(pages):
        for line in page:
            small = isinstance(line, _Line) and line.edge and line.size < 1.15 * body
            match = _PAGE_NUMBER.search(line.text) if small else None
            if match:
                found.append((int(match[1] or match[2]) - number, number, line.text))
    offsets = Counter(offset for offset, _, _ in found)
    usual, count = offsets.most_common(1)[0] if offsets else (0, 0)
    return {
        (number, text)
        for offset, number, text in found
        if offset == usual and count >= max(3, len(pages) / 2)
    }


def _heading_levels(pages: Sequence[Sequence[_Line]], body: float) -> dict[tuple[float, bool], str]:
    """Map (font size, bold) of headings to their `#` marks.

    Sizes at least 15 % above the body's come first, by size; then bold lines of about the body's size.
    """
    sizes = {line.size for page in pages for line in page}
    large = sorted((size for size in sizes if size >= 1.15 * body), reverse=True)[:4]
    marks = {(size, bold): "#" * level for level, size in enumerate(large, start=1) for bold in (True, False)}
    bold = sum(len(line.text) for page in pages for line in page if line.size == body and line.bold)
    total = sum(len(line.text) for page in pages for line in page)
    if bold < 0.2 * total:  # in a document set in bold, bold says nothing
        marks |= {(size, True): "#" * (len(large) + 1) for size in sizes if body <= size < 1.15 * body}
    return marks


def _leading(pages: Sequence[Sequence[_Line]]) -> dict[float, float]:
    """Return the usual distance between the lines of a paragraph, by font size.

    It is the lower quartile of all distances, because some lie between paragraphs, and at most 2.2 times the size
    (double spacing).
    """
    gaps: dict[float, list[float]] = {}
    for page in pages:
        for above, below in itertools.pairwise(page):
            gap = above.y - below.y
            if above.size == below.size and gap > 0.5 * above.size:
                gaps.setdefault(above.size, []).append(gap)
    return {size: min(sorted(found)[len(found) // 4], 2.2 * size) for size, found in gaps.items()}


def _blocks(
    page: Sequence[_Line | Table], levels: dict[tuple[float, bool], str], leading: dict[float, float]
) -> Iterator[str]:
    """Yield the headings, paragraphs and tables of a page."""
    for tables, parts in itertools.groupby(page, key=lambda part: isinstance(part, Table)):
        if tables:
            yield from (part.text for part in parts)
        else:
            yield from _paragraphs([part for part in parts if isinstance(part, _Line)], levels, leading)


def _paragraphs(
    lines: Sequence[_Line], levels: dict[tuple[float, bool], str], leading: dict[float, float]
) -> list[str]:
    """Join the lines of a page into headings and paragraphs."""
    blocks: list[str] = []
    for at, line in enumerate(lines):
        previous = lines[at - 1] if at else None
        mark = _mark(line, levels)
        same_style = previous is not None and _mark(previous, levels) == mark and previous.size == line.size
        if (
            previous is None
            or not same_style
            or _starts_block(previous, line, leading.get(line.size, line.size))
        ):
            text = _SYMBOL_BULLET.sub("- ", line.text)
            blocks.append(f"{mark} {text}" if mark else unmarked(text))
        elif _HYPHENATED.search(blocks[-1]) and line.text[:1].islower():
            blocks[-1] = blocks[-1][:-1] + line.text
        else:
            # A line that stops well short of the right edge was ended on purpose: a table row, an address.
            full = (
                mark
                or line.rtl
                or previous.right - previous.left >= 0.8 * (_right_edge(lines, at - 1) - previous.left)
            )
            bullet = _BULLET.match(line.text) or _CONTENTS.search(previous.text)
            blocks[-1] += (
                " " + line.text
                if full and not bullet
                else "\n" + unmarked(_SYMBOL_BULLET.sub("- ", line.text))
            )
    return [block.replace("\u00ad", "") for block in blocks]


def _right_edge(lines: Sequence[_Line], at: int) -> float:
    """Return where the column of a line ends: the farthest right of its neighbours that begin near its left."""
    near = lines[max(at - 4, 0) : at + 5]
    return max(line.right for line in near if abs(line.left - lines[at].left) < 40)


def _mark(line: _Line, levels: dict[tuple[float, bool], str]) -> str:
    """Return the heading mark of a line, or nothing: long lines and sentences are text whatever their font."""
    mark = levels.get((line.size, line.bold), "")
    # What begins in lower case goes on with the line above it.
    goes_on = line.text[:1].islower() and len(line.text) > 20
    if mark and (
        len(line.text) > 120
        or goes_on
        or not any(c.isalpha() for c in line.text)
        or line.text.endswith((".", ";", ","))
    ):
        return ""
    return mark


def _starts_block(previous: _Line, line: _Line, leading: float) -> bool:
    """Whether the gap or the previous line's end says that a new paragraph begins."""
    gap = previous.y - line.y
    goes_on = line.text[:1].islower() and not _SENTENCE_END.search(previous.text)
    # Upwards is the next column; a larger gap is the space between paragraphs, unless a sentence runs across it.
    if gap < -0.5 * line.size or gap > (2 if goes_on else 1.3) * leading:
        return True
    ended = bool(_SENTENCE_END.search(previous.text))
    return ended and line.left > previous.left + 0.8 * line.size and not _BULLET.match(previous.text)
