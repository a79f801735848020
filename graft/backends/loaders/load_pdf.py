"""PDF: one Document a file with its pages, title and dates.

From the pieces of text on a page (pdf_page.py) come rows and tables (pdf_tables.py), from these headings and paragraphs
(pdf_text.py). A page that is a picture is read by OCR (ocr.py) where that is installed; otherwise a scan is refused with
the reason, and a document that is partly scanned is reported. So are encrypted and damaged files.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from graft.backends.loaders import ocr
from graft.backends.loaders.load_text import title_from_name
from graft.backends.loaders.pdf_page import Page, Piece, read_page
from graft.backends.loaders.pdf_text import text_blocks
from graft.errors import DataError
from graft.types import Document

MAX_PAGES = 5000
# 200 dpi is what OCR models are trained for; at 150 they lose small print.
_DPI = 200
_PICTURE = 0.3  # the share of a page that a picture covers when the page is a scan
_FEW = 0.1
_DATE = re.compile(r"D:(\d{4})(\d{2})?(\d{2})?")
_MACHINE_TITLE = re.compile(
    r"^[\W\d_]+$|\.(?:docx?|pdf|indd|xlsx?|pptx?|tex|qxd|dvi|rtf|odt)$|^microsoft word - |^c:\\"
)


class PdfLoader:
    """One Document a file; `pages` holds the offset of each page."""

    suffixes = (".pdf",)

    def __init__(self, options: None = None) -> None:
        del options

    def load(self, path: Path, document_id: str) -> Iterator[Document]:
        """Yield the file's Document. Raises DataError when it is encrypted, damaged, or has no text layer."""
        read, unread, info = _read(path)
        blocks = text_blocks(read)
        if not any(blocks):
            raise DataError(
                f"{path}: {len(read)} pages without a text layer: it is probably a scan.", _scan_hint()
            )
        text, offsets = "", []
        for page in blocks:
            offsets.append(len(text))
            text += "".join(f"{block}\n\n" for block in page)
        heading = next((block[2:] for page in blocks for block in page if block.startswith("# ")), "")
        named = info.pop("title", "")
        yield Document(
            id=document_id,
            text=text,
            title=(named if _says_something(named) else "") or heading or title_from_name(path),
            source=str(path),
            metadata={"type": ".pdf", **info},
            modified=path.stat().st_mtime,
            pages=tuple(offsets),
        )
        if len(unread) > _FEW * len(read):  # a cover without text is none to report
            shown = ", ".join(map(str, unread[:10])) + (" …" if len(unread) > 10 else "")
            raise DataError(
                f"{path}: {len(unread)} of {len(read)} pages are pictures without text: {shown}.",
                _scan_hint(),
            )


def _scan_hint() -> str:
    if ocr.available():
        return "OCR found no text on them. Scan them again, or exclude the file."
    return f"Install OCR with: {ocr.INSTALL}; or exclude the file."


def _read(path: Path) -> tuple[list[Page], list[int], dict[str, Any]]:
    """Return what is on each page, the numbers of pages that are pictures without text, and the document information."""
    import pypdfium2 as pdfium

    try:
        opened = pdfium.PdfDocument(path)
    except pdfium.PdfiumError as error:
        if "password" in str(error).lower():
            raise DataError(f"{path}: encrypted with a password.", "Save it without the password.") from error
        raise DataError(
            f"{path}: not a readable PDF ({error}).",
            "It may be cut short, or be something else than its name says.",
        ) from error
    try:
        if len(opened) > MAX_PAGES:
            raise DataError(
                f"{path}: {len(opened)} pages, more than {MAX_PAGES}.", "Split it into smaller files."
            )
        pages = [read_page(opened[number]) for number in range(len(opened))]
        scanned = [at for at, page in enumerate(pages) if not page.pieces and page.pictured > _PICTURE]
        if scanned and ocr.available():
            for at in scanned:
                pages[at] = recognised(opened[at], pages[at])
        unread = [at + 1 for at in scanned if not pages[at].pieces]
        return pages, unread, {**_information(opened.get_metadata_dict()), "pages": len(pages)}
    except pdfium.PdfiumError as error:
        raise DataError(
            f"{path}: a page cannot be read ({error}).", "Save the file again, or exclude it."
        ) from error
    finally:
        opened.close()


def recognised(page: Any, known: Page) -> Page:
    """Return a scanned page with the text that OCR finds on it; the pdfium page is closed."""
    try:
        picture = page.render(scale=_DPI / 72).to_numpy()
    finally:
        page.close()
    scale = 72 / _DPI
    pieces = []
    for text, left, top, right, bottom in ocr.recognise(picture):
        # The box of a line is about 1.35 times as high as its font's size, more or less: two points are no difference.
        size = max(2.0, round((bottom - top) * scale / 1.35 / 2) * 2.0)
        box = (left * scale, right * scale, known.height - bottom * scale, known.height - top * scale)
        pieces.append(Piece(" ".join(text.split()), *box, size, bold=False))
    return dataclasses.replace(known, pieces=tuple(pieces))


def _says_something(title: str) -> bool:
    """Whether a title was written by a person: not a file name, a number or what a program puts there."""
    plain = title.lower().strip("() ")
    return plain not in {
        "",
        "untitled",
        "anonymous",
        "powerpoint presentation",
        "slide 1",
    } and not _MACHINE_TITLE.search(plain)


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
