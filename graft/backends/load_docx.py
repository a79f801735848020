"""DOCX to Markdown-like text: heading styles to `#` lines, lists, tables as pipe tables, in document order.

Headers, footers, comments and footnotes are left out. The zip is checked before it is unpacked. python-docx parses
without entities and network (its lxml parser sets resolve_entities=False), so XXE has nothing to hold on to.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from graft.backends.load_table import pipe_table
from graft.backends.load_text import plain, title_from_name
from graft.errors import DataError
from graft.types import Document

# A 300-page manual unpacks to about 5 MB of XML. Deflate packs at most 1032:1, honest XML about 20:1.
MAX_UNPACKED = 200 * 2**20
MAX_RATIO = 200
_OLE = b"\xd0\xcf\x11\xe0"
_STYLE = re.compile(
    r"(?P<kind>Heading|Title|List Bullet|List Number|List Paragraph|List)(?: (?P<level>\d))?$"
)


class DocxLoader:
    """One Document a file; title and dates from the core properties."""

    suffixes = (".docx",)

    def __init__(self, options: None = None) -> None:
        del options

    def load(self, path: Path, document_id: str) -> Iterator[Document]:
        """Yield the file's Document. Raises DataError for a file that is encrypted, damaged or a zip bomb."""
        check_zip(path)
        import docx
        import docx.opc.exceptions
        import lxml.etree

        try:
            opened = docx.Document(str(path))
            blocks = _blocks(opened)
        except (
            KeyError,
            ValueError,
            EOFError,
            zlib.error,
            zipfile.BadZipFile,
            docx.opc.exceptions.OpcError,
            lxml.etree.LxmlError,
        ) as error:
            raise DataError(
                f"{path}: not a readable Word file ({error}).", "Open it in Word and save it again."
            ) from error
        properties = opened.core_properties
        title = (properties.title or "").strip()
        heading = next((block.lstrip("# ") for block in blocks if block.startswith("#")), "")
        # python-docx's own template has "Word Document" as its title.
        title = "" if title == "Word Document" else title
        yield Document(
            id=document_id,
            text="\n".join(blocks) + "\n",
            title=title or heading or title_from_name(path),
            source=str(path),
            metadata={"type": ".docx", **_properties(properties)},
            modified=path.stat().st_mtime,
        )


def check_zip(path: Path) -> None:
    """Refuse what cannot be opened, is encrypted, or would unpack to far more than an honest document."""
    with path.open("rb") as handle:
        if handle.read(4) == _OLE:
            hint = "Remove the password, or save it as .docx."
            raise DataError(f"{path}: encrypted, or in the old .doc format.", hint)
    try:
        with zipfile.ZipFile(path) as packed:
            sizes = [(entry.file_size, entry.compress_size) for entry in packed.infolist()]
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        hint = "It may be cut short or have a wrong extension."
        raise DataError(f"{path}: not a Word file ({error}).", hint) from error
    unpacked, stored = sum(size for size, _ in sizes), sum(size for _, size in sizes)
    if unpacked > MAX_UNPACKED or unpacked > MAX_RATIO * max(stored, 4096):
        raise DataError(
            f"{path}: would unpack to {unpacked // 2**20} MB, like a zip bomb.", "Exclude the file."
        )


def _blocks(opened: Any) -> list[str]:
    """Return the lines of the document; an empty line separates all but consecutive list items."""
    import docx.table

    lines: list[str] = []
    number, was_item = 0, False
    for part in opened.iter_inner_content():
        if isinstance(part, docx.table.Table):
            text, is_item = pipe_table(_rows(part)), False
        else:
            style = _STYLE.match(part.style.name if part.style is not None else "")
            number = number + 1 if style and style["kind"] == "List Number" else 0
            text, is_item = _paragraph(part, style, number)
        if not text:
            continue
        if lines and not (is_item and was_item):
            lines.append("")
        lines.append(text)
        was_item = is_item
    return lines


def _paragraph(part: Any, style: re.Match[str] | None, number: int) -> tuple[str, bool]:
    """Return the paragraph's text, and whether it is a list item."""
    text = "\n".join(" ".join(line.split()) for line in part.text.splitlines()).strip()
    if not text:
        return "", False
    kind = style["kind"] if style else ""
    level = int(style["level"] or 1) if style else 1
    if kind in {"Heading", "Title"}:
        return f"{'#' * min(level, 6)} {' '.join(text.split())}", False
    numbered = part._p.pPr is not None and part._p.pPr.numPr is not None  # noqa: SLF001 - no public way to ask
    if kind.startswith("List") or numbered:
        mark = f"{number}." if kind == "List Number" else "-"
        return f"{'  ' * (level - 1)}{mark} {' '.join(text.split())}", True
    return text, False


def _rows(table: Any) -> list[list[str]]:
    """Return the table's cells as text. A merged cell counts once in its row."""
    rows = []
    for row in table.rows:
        cells, last = [], None
        for cell in row.cells:
            if cell._tc is not last:  # noqa: SLF001 - merged cells share one element
                cells.append(cell.text)
            last = cell._tc  # noqa: SLF001
        if any(text.strip() for text in cells):
            rows.append(cells)
    return rows


def _properties(properties: Any) -> dict[str, Any]:
    names = ("author", "subject", "keywords", "category", "created", "modified")
    return {name: plain(value) for name in names if (value := getattr(properties, name))}
