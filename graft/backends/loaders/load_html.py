"""Web pages: one Document a page, with its title and what its `<meta>` elements say.

Spans count in the rendered text (html_text.py), so a citation quotes what a reader of the page sees.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from selectolax.lexbor import LexborHTMLParser

from graft.backends.loaders.decoding import decode
from graft.backends.loaders.html_text import render
from graft.backends.loaders.load_text import title_from_name
from graft.errors import DataError
from graft.types import Document

_MACHINE_META = frozenset(
    {"viewport", "robots", "generator", "theme-color", "referrer", "format-detection", "color-scheme"}
)
_CHARSET = re.compile(rb"<meta[^>]+charset=[\"']?([\w-]+)|<\?xml[^>]+encoding=[\"']([\w-]+)", re.IGNORECASE)


class HtmlLoader:
    """One Document a page; the title from `<h1>` when `<title>` repeats it, else from `<title>`."""

    suffixes = (".html", ".htm", ".xhtml")

    def __init__(self, options: None = None) -> None:
        del options

    def load(self, path: Path, document_id: str) -> Iterator[Document]:
        """Yield the page's Document. Raises DataError when it holds no text."""
        source = decode_html(path.read_bytes(), path)
        try:
            text, tree = render(source, xhtml=path.suffix.lower() == ".xhtml")
        except RecursionError as error:
            raise DataError(f"{path}: nested too deeply to read.", "Exclude the file.") from error
        if not text:
            raise DataError(f"{path}: no text outside of navigation and scripts.", "Exclude the file.")
        yield Document(
            id=document_id,
            text=text + "\n",
            title=page_title(tree) or title_from_name(path),
            source=str(path),
            metadata={"type": path.suffix.lower(), **_meta(tree)},
            modified=path.stat().st_mtime,
        )


def decode_html(data: bytes, path: Path) -> str:
    """Decode by the charset the page declares when that works, else as any text file. Raises DataError."""
    declared = _CHARSET.search(data[:4096])
    name = (declared[1] or declared[2]).lower() if declared else b""
    if name and name not in {b"utf-8", b"utf8"}:
        try:
            return data.decode(name.decode()).replace("\r\n", "\n").replace("\r", "\n")
        except (LookupError, UnicodeDecodeError):
            pass
    return decode(data, path)


def page_title(tree: LexborHTMLParser) -> str:
    """Return the title of a page."""
    named, heading = tree.css_first("title"), tree.css_first("h1")
    title = " ".join(named.text().split()) if named is not None else ""
    first = " ".join(heading.text().split()) if heading is not None else ""
    return first if first and (not title or first in title) else title


def _meta(tree: LexborHTMLParser) -> dict[str, Any]:
    found = {}
    for node in tree.css("meta[name][content]"):
        name = (node.attributes.get("name") or "").strip()
        if name and name.lower() not in _MACHINE_META:
            found[name] = (node.attributes.get("content") or "").strip()
    html = tree.css_first("html")
    if html is not None and html.attributes.get("lang"):
        found.setdefault("lang", html.attributes["lang"] or "")
    return found
