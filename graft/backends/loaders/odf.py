"""What the OpenDocument loaders share: the opened file, its metadata, and its text as blocks of small Markdown.

Headings by outline level, lists, tables as pipe tables. Comments and deleted text under change tracking are left out.
Knows nothing of sheets and slides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from graft.backends.loaders.archives import Archive, local
from graft.backends.loaders.load_table import pipe_table, spread
from graft.backends.loaders.load_text import unmarked
from graft.errors import DataError

_SKIPPED = frozenset(
    {"tracked-changes", "annotation", "annotation-end", "sequence-decls", "note-citation", "forms"}
)
_KNOWN = {"title": "title", "creator": "author", "initial-creator": "author", "subject": "subject",
          "keyword": "keywords", "creation-date": "created", "date": "modified", "language": "lang"}  # fmt: skip
_MAX_SPACES = 100
_MAX_DEPTH = 100


def content(archive: Archive, path: Path, kind: str) -> tuple[Any, Any]:
    """Return the root of content.xml, and its body of a kind ("text", "spreadsheet", "presentation"; None when it has
    none). Raises DataError for a file with a password."""
    manifest = "META-INF/manifest.xml"
    if manifest in archive.names and b"encryption-data" in archive.read(manifest):
        raise DataError(f"{path}: encrypted with a password.", "Save it without the password.")
    root = archive.xml("content.xml")
    return root, root.find(f".//{{*}}body/{{*}}{kind}")


def metadata(archive: Archive) -> dict[str, str]:
    """Return what meta.xml says (title, author, created …), those that say something."""
    found: dict[str, str] = {}
    if "meta.xml" not in archive.names:
        return found
    meta = archive.xml("meta.xml")
    for element in meta.iterfind("./{*}meta/*"):
        text = " ".join((element.text or "").split())
        if local(element) in _KNOWN and text:
            found[_KNOWN[local(element)]] = text
    return found


def blocks(node: Any, depth: int = 0) -> Iterator[str]:
    """Yield the headings, paragraphs, lists and tables below an element, in document order."""
    for child in node if depth < _MAX_DEPTH else ():
        name = local(child)
        if name in _WRITERS:
            text = _WRITERS[name](child)
            if text:
                yield text
        elif name and name not in _SKIPPED:
            yield from blocks(child, depth + 1)


def _heading(element: Any) -> str:
    text = " ".join(inline(element, 0).split())
    level = element.get(attribute(element, "outline-level"), "1")
    return f"{'#' * max(1, min(int(level) if level.isdecimal() else 1, 6))} {text}" if text else ""


def _paragraph(element: Any) -> str:
    return unmarked("\n".join(" ".join(line.split()) for line in inline(element, 0).split("\n")).strip())


def attribute(element: Any, name: str) -> str:
    """Return the full name of an attribute in the element's own namespace."""
    return f"{element.tag.rpartition('}')[0]}}}{name}"


def inline(node: Any, depth: int) -> str:
    """Return inline text. Spaces, tabs and line breaks are elements in ODF."""
    pieces = [node.text or ""]
    for child in node if depth < _MAX_DEPTH else ():
        name = local(child)
        if name == "s":
            count = child.get(attribute(child, "c"), "1")
            pieces.append(" " * min(int(count) if count.isdecimal() else 1, _MAX_SPACES))
        elif name in {"tab", "line-break"}:
            pieces.append("\n" if name == "line-break" else " ")
        elif name and name not in _SKIPPED:
            pieces.append(inline(child, depth + 1))
        pieces.append(child.tail or "")
    return "".join(pieces)


def _items(node: Any, indent: int) -> Iterator[str]:
    for item in node if indent < _MAX_DEPTH else ():
        if local(item) not in {"list-item", "list-header"}:
            continue
        own = [" ".join(inline(child, 0).split()) for child in item if local(child) in {"p", "h"}]
        if any(own):
            yield f"{'  ' * indent}- {' '.join(filter(None, own))}"
        for child in item:
            if local(child) == "list":
                yield from _items(child, indent + 1)


def _table(node: Any) -> str:
    rows = []
    for row in node.iter(attribute(node, "table-row")):
        cells = []
        for cell in row:
            if local(cell) == "table-cell":
                text = " ".join(" ".join(inline(part, 0).split()) for part in cell)
                cells.append((text, span(cell, "number-columns-spanned"), span(cell, "number-rows-spanned")))
        rows.append(cells)
    grid = [row for row in spread(rows) if any(row)]
    return pipe_table(grid)


def span(cell: Any, name: str) -> int:
    """Return how often a cell or row counts, by the named attribute."""
    value = cell.get(attribute(cell, name), "1")
    return int(value) if value.isdecimal() and len(value) < 6 else 1


_WRITERS: Mapping[str, Callable[[Any], str]] = {
    "h": _heading,
    "p": _paragraph,
    "list": lambda element: "\n".join(_items(element, 0)),
    "table": _table,
}
