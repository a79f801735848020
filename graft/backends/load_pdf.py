"""PDF with a text layer: paragraphs, headings by font size, page offsets. No OCR, no table detection.

pdfium gives the characters in reading order with their boxes and font sizes; from these come lines, then paragraphs.
Running headers and footers are dropped. A scan without text and an encrypted file are refused with the reason.
"""

from __future__ import annotations

import ctypes
import datetime as dt
import itertools
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
    """A line as set on the page; lengths in points, y upwards."""

    text: str
    size: float
    bold: bool
    left: float
    right: float
    y: float


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
    info = {name: value for name, value in info.items() if value not in {"anonymous", "unspecified"}}
    for name, key in (("created", "CreationDate"), ("modified", "ModDate")):
        if date := _DATE.match(found.get(key, "")):
            year, month, day = (int(part or 1) for part in date.groups())
            try:
                info[name] = dt.date(year, month, day).isoformat()
            except ValueError:
                continue  # a made-up date says nothing
    return info


def _page_lines(page: Any) -> list[_Line]:
    from pypdfium2 import raw

    textpage = page.get_textpage()
    try:
        lines, start = [], 0
        flags = ctypes.c_int()
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
            size = round(float(raw.FPDFText_GetFontSize(textpage, first)) * 2) / 2
            weight = raw.FPDFText_GetFontWeight(textpage, first)
            name = ctypes.create_string_buffer(128)
            raw.FPDFText_GetFontInfo(textpage, first, name, 128, flags)
            bold = weight >= 600 or b"bold" in name.value.lower()
            lines.append(_Line(text, size, bold, left, right, bottom))
        return lines
    finally:
        textpage.close()
        page.close()


def _without_running_lines(pages: Sequence[list[_Line]]) -> list[list[_Line]]:
    """Drop the first and last lines that stand on most pages, digits aside (headers, footers, page numbers)."""
    if len(pages) < 3:
        return list(pages)

    def key(line: _Line) -> str:
        return re.sub(r"\d+", "0", line.text)

    seen = Counter[str]()
    for page in pages:
        seen.update({key(line) for line in [*page[:2], *page[-2:]]})
    running = {text for text, count in seen.items() if count >= max(3, 0.6 * len(pages))}
    kept = []
    for page in pages:
        edge = {0, 1, len(page) - 2, len(page) - 1}
        kept.append([line for at, line in enumerate(page) if at not in edge or key(line) not in running])
    return kept


def _heading_levels(pages: Sequence[Sequence[_Line]], body: float) -> dict[tuple[float, bool], str]:
    """Map (font size, bold) of headings to their `#` marks.

    Sizes at least 15 % above the body's come first, by size; then bold lines of the body's size.
    """
    large = sorted({line.size for page in pages for line in page if line.size >= 1.15 * body}, reverse=True)
    marks = {}
    for level, size in enumerate(large[:4], start=1):
        marks[size, True] = marks[size, False] = "#" * level
    bold = sum(len(line.text) for page in pages for line in page if line.size == body and line.bold)
    total = sum(len(line.text) for page in pages for line in page)
    if bold < 0.2 * total:  # in a document set in bold, bold says nothing
        marks[body, True] = "#" * min(len(large) + 1, 5)
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
    previous: _Line | None = None
    edge = max((line.right for line in lines), default=0.0)
    for line in lines:
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
            full = mark or previous.right >= 0.8 * edge
            bullet = _BULLET.match(line.text)
            blocks[-1] += (" " if full and not bullet else "\n") + _SYMBOL_BULLET.sub("- ", line.text)
        previous = line
    return [block.replace("\u00ad", "") for block in blocks]


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
    if gap < -0.5 * line.size or gap > 1.3 * leading:  # next column, or space between paragraphs
        return True
    ended = bool(_SENTENCE_END.search(previous.text))
    return ended and line.left > previous.left + 0.8 * line.size and not _BULLET.match(previous.text)
