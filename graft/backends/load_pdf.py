"""PDF with a text layer: paragraphs, headings by font size, page offsets. No OCR, no table detection.

pdfium gives the characters in reading order with their boxes and font sizes; from these come lines, then paragraphs.
Running headers and footers are dropped. A scan without text and an encrypted file are refused with the reason.
"""

from __future__ import annotations

import ctypes
import datetime as dt
import itertools
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graft.backends.load_text import title_from_name
from graft.errors import DataError
from graft.types import Document

MAX_PAGES = 5000
_BULLET = re.compile(r"^(?:[•◦▪‣●○■–—*-]|\(?(?:\d{1,3}|[a-zA-Z])[.)])\s+")
_SYMBOL_BULLET = re.compile(r"^[•◦▪‣●○■]\s*")
_DATE = re.compile(r"D:(\d{4})(\d{2})?(\d{2})?")
_HYPHENATED = re.compile(r"\u00ad$|[a-zà-öø-ÿ]-$")
_SENTENCE_END = re.compile(r"[.!?:;…\"”)\]]$")


@dataclass(frozen=True, slots=True)
class _Line:
    """A line as set on the page; lengths in points, y upwards. `edge`: in the top or bottom tenth of the page."""

    text: str
    size: float
    bold: bool
    left: float
    right: float
    y: float
    edge: bool


class PdfLoader:
    """One Document a file; `pages` holds the offset of each page."""

    suffixes = (".pdf",)

    def __init__(self, options: None = None) -> None:
        del options

    def load(self, path: Path, document_id: str) -> Iterator[Document]:
        """Yield the file's Document. Raises DataError when it is encrypted, damaged, or has no text layer."""
        pages, info = _read(path)
        pages = _without_running_lines(pages)
        sizes = Counter[float]()
        for line in (line for page in pages for line in page):
            sizes[line.size] += len(line.text)
        if not sizes:
            hint = "Run OCR on it first (for example with ocrmypdf), or exclude it."
            raise DataError(f"{path}: {len(pages)} pages, but no text layer: it is probably a scan.", hint)
        levels, leading = _heading_levels(pages, body=sizes.most_common(1)[0][0]), _leading(pages)
        text, offsets, first_heading = "", [], ""
        for page in pages:
            offsets.append(len(text))
            for block in _paragraphs(page, levels, leading):
                if not first_heading and block.startswith("# "):
                    first_heading = block[2:]
                text += block + "\n\n"
        named = info.pop("title", "")
        yield Document(
            id=document_id,
            text=text,
            title=(named if named.lower() not in {"untitled", "(anonymous)"} else "")
            or first_heading
            or title_from_name(path),
            source=str(path),
            metadata={"type": ".pdf", **info},
            modified=path.stat().st_mtime,
            pages=tuple(offsets),
        )


def _read(path: Path) -> tuple[list[list[_Line]], dict[str, Any]]:
    """Return the lines of each page, and the document information as plain metadata."""
    import pypdfium2 as pdfium

    try:
        opened = pdfium.PdfDocument(path)
    except pdfium.PdfiumError as error:
        if "password" in str(error).lower():
            raise DataError(f"{path}: encrypted with a password.", "Save it without the password.") from error
        raise DataError(
            f"{path}: not a readable PDF ({error}).", "It may be cut short: copy it again."
        ) from error
    try:
        if len(opened) > MAX_PAGES:
            raise DataError(
                f"{path}: {len(opened)} pages, more than {MAX_PAGES}.", "Split it into smaller files."
            )
        pages = [_page_lines(opened[number]) for number in range(len(opened))]
        return pages, {**_information(opened.get_metadata_dict()), "pages": len(pages)}
    except pdfium.PdfiumError as error:
        raise DataError(
            f"{path}: a page cannot be read ({error}).", "Save the file again, or exclude it."
        ) from error
    finally:
        opened.close()


def _information(found: dict[str, str]) -> dict[str, Any]:
    named = {"title": "Title", "author": "Author", "subject": "Subject", "keywords": "Keywords"}
    info: dict[str, Any] = {
        name: value for name, key in named.items() if (value := found.get(key, "").strip())
    }
    info = {
        name: value for name, value in info.items() if value.strip("()") not in {"anonymous", "unspecified"}
    }
    for name, key in (("created", "CreationDate"), ("modified", "ModDate")):
        if date := _DATE.match(found.get(key, "")):
            year, month, day = (int(part or 1) for part in date.groups())
            try:
                info[name] = dt.date(year, month, day).isoformat()
            except ValueError:
                continue  # a made-up date says nothing
    return info


def _page_lines(page: Any) -> list[_Line]:
    textpage = page.get_textpage()
    try:
        height = page.get_height()
        lines, start = [], 0
        # pdfium's text has one UTF-16 unit a character index; indices into a str differ only behind rare plane-1 ones.
        for piece in textpage.get_text_range().split("\r\n"):
            first = start + len(piece) - len(piece.lstrip())
            last = start + len(piece.rstrip()) - 1
            start += len(piece) + 2
            # U+FFFE and U+0002 are pdfium's marks for a hyphen at a line's end.
            text = " ".join(piece.replace("\ufffe", "\u00ad").replace("\x02", "\u00ad").split())
            if not text or last < first:
                continue
            left, bottom, _, _ = textpage.get_charbox(first, loose=True)
            _, _, right, _ = textpage.get_charbox(last, loose=True)
            # The first character may be a bullet in a font of its own: the middle and the last one tell the style.
            size, bold = _font(textpage, (first + last) // 2)
            bold = bold and _font(textpage, last)[1]
            edge = not 0.1 * height < bottom < 0.9 * height
            lines.append(_Line(text, size, bold, left, right, bottom, edge))
        return lines
    finally:
        textpage.close()
        page.close()


def _font(textpage: Any, index: int) -> tuple[float, bool]:
    """Return the size of a character in points, to the half, and whether its font is bold."""
    from pypdfium2 import raw

    flags, matrix, name = ctypes.c_int(), raw.FS_MATRIX(), ctypes.create_string_buffer(128)
    raw.FPDFText_GetMatrix(textpage, index, matrix)  # many writers set size 1 and scale by the matrix
    size = float(raw.FPDFText_GetFontSize(textpage, index)) * math.hypot(matrix.c, matrix.d)
    raw.FPDFText_GetFontInfo(textpage, index, name, 128, flags)
    return round(size * 2) / 2, raw.FPDFText_GetFontWeight(
        textpage, index
    ) >= 600 or b"bold" in name.value.lower()


def _without_running_lines(pages: Sequence[list[_Line]]) -> list[list[_Line]]:
    """Drop the lines at the pages' edges that most pages share, digits aside: headers, footers, page numbers."""
    if len(pages) < 3:
        return list(pages)

    def key(line: _Line) -> str:
        return re.sub(r"\d+", "0", line.text)

    seen = Counter(text for page in pages for text in {key(line) for line in page if line.edge})
    running = {text for text, count in seen.items() if count >= max(3, 0.6 * len(pages))}
    return [[line for line in page if not line.edge or key(line) not in running] for page in pages]


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
            blocks.append(f"{mark} {text}" if mark else text)
        elif _HYPHENATED.search(blocks[-1]) and line.text[:1].islower():
            blocks[-1] = blocks[-1][:-1] + line.text
        else:
            # A line that stops well short of the right edge was ended on purpose: a table row, an address.
            full = mark or previous.right - previous.left >= 0.8 * (
                _right_edge(lines, at - 1) - previous.left
            )
            bullet = _BULLET.match(line.text)
            blocks[-1] += (" " if full and not bullet else "\n") + _SYMBOL_BULLET.sub("- ", line.text)
    return [block.replace("\u00ad", "") for block in blocks]


def _right_edge(lines: Sequence[_Line], at: int) -> float:
    """Return where the column of a line ends: the farthest right of its neighbours that begin near its left."""
    near = lines[max(at - 4, 0) : at + 5]
    return max(line.right for line in near if abs(line.left - lines[at].left) < 40)


def _mark(line: _Line, levels: dict[tuple[float, bool], str]) -> str:
    """Return the heading mark of a line, or nothing: long lines and sentences are text whatever their font."""
    mark = levels.get((line.size, line.bold), "")
    if mark and (
        len(line.text) > 120 or not any(c.isalpha() for c in line.text) or line.text.endswith((".", ";", ","))
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
