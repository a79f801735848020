"""DOCX to Markdown-like text: headings with their numbers, nested lists, tables as pipe tables, in document order.

Reads the XML itself, so that text in content controls, tracked insertions and text boxes is not lost. Headers, footers,
comments and deleted text are left out; footnotes stand at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from graft.backends.loaders.archives import Archive, local, properties
from graft.backends.loaders.docx_styles import Shape, Styles
from graft.backends.loaders.load_table import pipe_table
from graft.backends.loaders.load_text import title_from_name, unmarked
from graft.types import Document

_MAIN = "word/document.xml"
_SKIPPED = frozenset({"del", "moveFrom", "delText", "instrText", "rPr", "pPr", "Fallback", "txbxContent", "rt", "sdtPr",
                      "commentReference", "annotationRef", "fldChar"})  # fmt: skip
# Blocks stand inside of these too.
_CONTAINERS = frozenset(
    {"sdt", "sdtContent", "ins", "moveTo", "customXml", "smartTag", "body", "Choice", "AlternateContent"}
)
_MAX_DEPTH = 100
_MAX_SPAN = 200


class DocxLoader:
    """One Document a file; title and dates from the core properties."""

    suffixes = (".docx", ".docm")

    def __init__(self, options: None = None) -> None:
        del options

    def load(self, path: Path, document_id: str) -> Iterator[Document]:
        """Yield the file's Document. Raises DataError for a file that is encrypted, damaged or a zip bomb."""
        with Archive(path, "Word file") as archive:
            archive.refuse_dtds()
            if _MAIN not in archive.names:
                raise archive.broken(f"it holds no {_MAIN}")
            body = archive.xml(_MAIN)
            styles, numbering, footnotes = (
                archive.xml(name) if name in archive.names else None
                for name in ("word/styles.xml", "word/numbering.xml", "word/footnotes.xml")
            )
            named = properties(archive)
        writer = _Writer(Styles(styles, numbering))
        for child in body:
            writer.block(child, 0)
        writer.notes(footnotes)
        title = named.pop("title", "")
        # python-docx's own template has "Word Document" as its title.
        title = "" if title == "Word Document" else title
        heading = next((block.lstrip("# ") for block in writer.blocks if block.startswith("#")), "")
        yield Document(
            id=document_id,
            text="\n".join(writer.lines()) + "\n",
            title=title or heading or title_from_name(path),
            source=str(path),
            metadata={"type": ".docx", **named},
            modified=path.stat().st_mtime,
        )


class _Writer:
    """Walks a document and collects its blocks; `items` tells which of them are list items."""

    def __init__(self, styles: Styles) -> None:
        self._styles = styles
        self.blocks: list[str] = []
        self._items: list[bool] = []

    def lines(self) -> Iterator[str]:
        """Yield the blocks; an empty line separates all but consecutive list items."""
        was_item = True
        for at, (block, is_item) in enumerate(zip(self.blocks, self._items, strict=True)):
            if at and not (is_item and was_item):
                yield ""
            yield block
            was_item = is_item

    def block(self, element: Any, depth: int) -> None:
        """Write a paragraph, a table, or what a container holds."""
        name = local(element)
        if name == "p":
            self._paragraph(element)
        elif name == "tbl":
            self._table(element, depth)
        elif name in _CONTAINERS and depth < _MAX_DEPTH:
            for child in element:
                self.block(child, depth + 1)

    def notes(self, footnotes: Any) -> None:
        """Write the footnotes, each with its number in the file."""
        for number, note in enumerate(footnotes.iter("{*}footnote") if footnotes is not None else ()):
            text = " ".join(" ".join(_text(part, 0) for part in note.iter("{*}p")).split())
            if text:
                self._write(f"[^{number - 1}]: {text}", item=False)

    def _write(self, text: str, *, item: bool) -> None:
        self.blocks.append(text)
        self._items.append(item)

    def _paragraph(self, element: Any) -> None:
        text = "\n".join(" ".join(line.split()) for line in _text(element, 0).split("\n")).strip()
        if text:
            shape = self._styles.shape(next((child for child in element if local(child) == "pPr"), None))
            if shape.item is None:
                self._styles.interrupt()
            self._write(_shown(text, shape), item=shape.item is not None)
        for box in element.iter("{*}txbxContent"):
            if not any(local(parent) == "Fallback" for parent in box.iterancestors()):
                for child in box:
                    self.block(child, _MAX_DEPTH)

    def _table(self, element: Any, depth: int) -> None:
        self._styles.interrupt()
        rows = list(self._rows(element, depth))
        if len(rows) == 1 and len(rows[0]) == 1:  # a frame around text
            cell = next(element.iter("{*}tc"))
            for child in cell if depth < _MAX_DEPTH else ():
                self.block(child, depth + 1)
            return
        rows = [row for row in rows if any(row)]
        if rows:
            self._write(pipe_table(rows), item=False)

    def _rows(self, element: Any, depth: int) -> Iterator[list[str]]:
        """Yield the rows; a merged cell stands in every row and column that it covers."""
        above: list[str] = []
        for row in _within(element, "tr"):
            cells = [""] * min(_setting(row, "trPr", "gridBefore"), _MAX_SPAN)
            for cell in _within(row, "tc"):
                span = max(1, min(_setting(cell, "tcPr", "gridSpan"), _MAX_SPAN))
                merged = next(cell.iterfind("./{*}tcPr/{*}vMerge"), None)
                goes_on = merged is not None and "restart" not in merged.attrib.values()
                covered = goes_on and len(cells) < len(above)
                text = above[len(cells)] if covered else self._cell(cell, depth)
                cells += [text] * span
            yield cells
            above = cells

    def _cell(self, cell: Any, depth: int) -> str:
        """Return a cell's text on one line, with its lists and the tables in it."""
        inner = _Writer(self._styles)
        for child in cell if depth < _MAX_DEPTH else ():
            if local(child) == "tbl":
                flat = ["; ".join(" ".join(filter(None, row)) for row in self._rows(child, depth + 10))]
                inner.blocks += [text for text in flat if text]
            else:
                inner.block(child, depth + 1)
        return " ".join(" ".join(inner.blocks).split())


def _shown(text: str, shape: Shape) -> str:
    if shape.heading:
        number = shape.mark.rstrip(".")  # "2.1" is how texts refer to it, whatever its list shows
        return " ".join(f"{'#' * shape.heading} {number} {text}".split())
    if shape.item is not None:
        return f"{'  ' * min(shape.item, 8)}{shape.mark} {' '.join(text.split())}"
    return unmarked(text)


def _text(element: Any, depth: int) -> str:
    """Return the text of a paragraph: what is shown, without deleted text, field codes and text boxes."""
    pieces = []
    for child in element if depth < _MAX_DEPTH else ():
        name = local(child)
        if name == "t":
            pieces.append(child.text or "")
        elif name in {"br", "cr"}:
            pieces.append("\n")
        elif name in {"tab", "ptab"}:
            pieces.append(" ")
        elif name == "noBreakHyphen":
            pieces.append("-")
        elif name not in _SKIPPED:
            pieces.append(_text(child, depth + 1))
    return "".join(pieces)


def _within(element: Any, name: str) -> Iterator[Any]:
    """Yield the children of a name, also those inside content controls."""
    for child in element:
        if local(child) == name:
            yield child
        elif local(child) in {"sdt", "sdtContent", "ins", "customXml"}:
            yield from _within(child, name)


def _setting(element: Any, group: str, name: str) -> int:
    found = next(element.iterfind(f"./{{*}}{group}/{{*}}{name}"), None)
    value = next(iter(found.attrib.values()), "") if found is not None else ""
    return int(value) if value.isdecimal() and len(value) < 6 else 0
