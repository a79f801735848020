"""ODT (LibreOffice Writer): headings by outline level, lists, tables as pipe tables, in document order.

Headers, footers, comments and deleted text under change tracking are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from graft.backends.archives import Archive, local
from graft.backends.load_table import pipe_table, spread
from graft.backends.load_text import title_from_name, unmarked
from graft.errors import DataError
from graft.types import Document

_SKIPPED = frozenset(
    {"tracked-changes", "annotation", "annotation-end", "sequence-decls", "note-citation", "forms"}
)
_KNOWN = {"title": "title", "creator": "author", "initial-creator": "author", "subject": "subject",
          "keyword": "keywords", "creation-date": "created", "date": "modified", "language": "lang"}  # fmt: skip
_MAX_SPACES = 100
_MAX_DEPTH = 100


class OdtLoader:
    """One Document a file."""

    suffixes = (".odt", ".ott")

    def __init__(self, options: None = None) -> None:
        del options

    def load(self, path: Path, document_id: str) -> Iterator[Document]:
        """Yield the file's Document. Raises DataError for a file that is encrypted, damaged or a zip bomb."""
        with Archive(path, "OpenDocument text") as archive:
            if "META-INF/manifest.xml" in archive.names and b"encryption-data" in archive.read(
                "META-INF/manifest.xml"
            ):
                raise DataError(f"{path}: encrypted with a password.", "Save it without the password.")
            body = archive.xml("content.xml").find(".//{*}body/{*}text")
            meta = archive.xml("meta.xml") if "meta.xml" in archive.names else None
        blocks = list(_blocks(body, 0)) if body is not None else []
        if not blocks:
            raise DataError(f"{path}: contains no text.", "Add text, or exclude the file.")
        named = _metadata(meta)
        heading = next((block.lstrip("# ") for block in blocks if block.startswith("#")), "")
        yield Document(
            id=document_id,
            text="\n\n".join(blocks) + "\n",
            title=named.pop("title", "") or heading or title_from_name(path),
            source=str(path),
            metadata={"type": ".odt", **named},
            modified=path.stat().st_mtime,
        )


def _metadata(meta: Any) -> dict[str, str]:
    if meta is None:
        return {}
    found = {}
    for element in meta.iterfind("./{*}meta/*"):
        text = " ".join((element.text or "").split())
        if local(element) in _KNOWN and text:
            found[_KNOWN[local(element)]] = text
    return found


def _blocks(node: Any, depth: int) -> Iterator[str]:
    for child in node if depth < _MAX_DEPTH else ():
        name = local(child)
        if name in _WRITERS:
            text = _WRITERS[name](child)
            if text:
                yield text
        elif name and name not in _SKIPPED:
            yield from _blocks(child, depth + 1)


def _heading(element: Any) -> str:
    text = " ".join(_text(element, 0).split())
    level = element.get(_attribute(element, "outline-level"), "1")
    return f"{'#' * max(1, min(int(level) if level.isdecimal() else 1, 6))} {text}" if text else ""


def _paragraph(element: Any) -> str:
    return unmarked("\n".join(" ".join(line.split()) for line in _text(element, 0).split("\n")).strip())


def _attribute(element: Any, name: str) -> str:
    """Return the full name of an attribute in the element's own namespace."""
    return f"{element.tag.rpartition('}')[0]}}}{name}"


def _text(node: Any, depth: int) -> str:
    """Return inline text. Spaces, tabs and line breaks are elements in ODF."""
    pieces = [node.text or ""]
    for child in node if depth < _MAX_DEPTH else ():
        name = local(child)
        if name == "s":
            count = child.get(_attribute(child, "c"), "1")
            pieces.append(" " * min(int(count) if count.isdecimal() else 1, _MAX_SPACES))
        elif name in {"tab", "line-break"}:
            pieces.append("\n" if name == "line-break" else " ")
        elif name and name not in _SKIPPED:
            pieces.append(_text(child, depth + 1))
        pieces.append(child.tail or "")
    return "".join(pieces)


def _items(node: Any, indent: int) -> Iterator[str]:
    for item in node if indent < _MAX_DEPTH else ():
        if local(item) not in {"list-item", "list-header"}:
            continue
        own = [" ".join(_text(child, 0).split()) for child in item if local(child) in {"p", "h"}]
        if any(own):
            yield f"{'  ' * indent}- {' '.join(filter(None, own))}"
        for child in item:
            if local(child) == "list":
                yield from _items(child, indent + 1)


def _table(node: Any) -> str:
    rows = []
    for row in node.iter(_attribute(node, "table-row")):
        cells = []
        for cell in row:
            if local(cell) == "table-cell":
                text = " ".join(" ".join(_text(part, 0).split()) for part in cell)
                cells.append(
                    (text, _span(cell, "number-columns-spanned"), _span(cell, "number-rows-spanned"))
                )
        rows.append(cells)
    grid = [row for row in spread(rows) if any(row)]
    return pipe_table(grid)


def _span(cell: Any, name: str) -> int:
    value = cell.get(_attribute(cell, name), "1")
    return int(value) if value.isdecimal() and len(value) < 6 else 1


_WRITERS: Mapping[str, Callable[[Any], str]] = {
    "h": _heading,
    "p": _paragraph,
    "list": lambda element: "\n".join(_items(element, 0)),
    "table": _table,
}
