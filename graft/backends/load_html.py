"""HTML to Markdown-like text: headings to `#` lines, lists to `- `, tables to pipe tables.

Scripts, navigation and hidden parts are left out. Links keep their text only. Spans count in the rendered text, so a
citation quotes what a reader of the page sees. Knows nothing of CSS beyond inline `display: none`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from selectolax.lexbor import LexborHTMLParser, LexborNode

from graft.backends.load_table import pipe_table
from graft.backends.load_text import decode, title_from_name
from graft.errors import DataError
from graft.types import Document

_DROPPED = frozenset(
    [
        "script",
        "style",
        "noscript",
        "template",
        "nav",
        "footer",
        "aside",
        "form",
        "svg",
        "iframe",
        "object",
        "button",
        "select",
        "head",
    ]
)
_BLOCKS = frozenset(
    [
        "address",
        "article",
        "blockquote",
        "body",
        "center",
        "dd",
        "details",
        "dialog",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "header",
        "hgroup",
        "hr",
        "html",
        "legend",
        "li",
        "main",
        "ol",
        "p",
        "section",
        "summary",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
        "ul",
    ]
)
_HEADINGS = {f"h{level}": "#" * level for level in range(1, 7)}
_MACHINE_META = frozenset(
    {"viewport", "robots", "generator", "theme-color", "referrer", "format-detection", "color-scheme"}
)
_NESTING = re.compile(
    r"<(/?)(?:div|span|section|article|blockquote|table|ul|ol|dl|b|i|u|em|strong|font|a|center|form|main)\b",
    re.IGNORECASE,
)
# The parser's time grows with the square of the depth (5 s at 50,000); pages that people read stay below a hundred.
_MAX_DEPTH = 2000
_CHARSET = re.compile(rb"<meta[^>]+charset=[\"']?([\w-]+)", re.IGNORECASE)


class HtmlLoader:
    """One Document a page; the title from `<h1>` when `<title>` repeats it, else from `<title>`."""

    suffixes = (".html", ".htm", ".xhtml")

    def __init__(self, options: None = None) -> None:
        del options

    def load(self, path: Path, document_id: str) -> Iterator[Document]:
        """Yield the page's Document. Raises DataError when it holds no text."""
        source = _source(path.read_bytes(), path)
        if _depth(source) > _MAX_DEPTH:
            raise DataError(f"{path}: nested too deeply to read.", "Exclude the file.")
        tree = LexborHTMLParser(source)
        try:
            text = _Renderer().render(tree.body) if tree.body is not None else ""
        except RecursionError as error:
            raise DataError(f"{path}: nested too deeply to read.", "Exclude the file.") from error
        if not text:
            raise DataError(f"{path}: no text outside of navigation and scripts.", "Exclude the file.")
        yield Document(
            id=document_id,
            text=text + "\n",
            title=_title(tree) or title_from_name(path),
            source=str(path),
            metadata={"type": path.suffix.lower(), **_meta(tree)},
            modified=path.stat().st_mtime,
        )


def _source(data: bytes, path: Path) -> str:
    """Decode by the charset the page declares when that works, else as any text file."""
    declared = _CHARSET.search(data[:4096])
    if declared and declared[1].lower() not in {b"utf-8", b"utf8"}:
        try:
            return data.decode(declared[1].decode()).replace("\r\n", "\n")
        except (LookupError, UnicodeDecodeError):
            pass
    return decode(data, path)


def _depth(source: str) -> int:
    """Return how deep the elements that must be closed nest, by counting their tags."""
    depth = deepest = 0
    for tag in _NESTING.finditer(source):
        depth = max(depth + (-1 if tag[1] else 1), 0)
        deepest = max(deepest, depth)
    return deepest


def _title(tree: LexborHTMLParser) -> str:
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


class _Renderer:
    """Walks a page and collects its blocks. `_line` is the paragraph being written."""

    def __init__(self) -> None:
        self._blocks: list[str] = []
        self._line: list[str] = []
        self._prefix = ""

    def render(self, body: LexborNode) -> str:
        self._children(body, depth=0, inside=False)
        self._flush()
        return "\n\n".join(self._blocks).replace("\n\n\x00", "\n").replace("\x00", "")

    def _flush(self, *, tight: bool = False) -> None:
        """End the paragraph. A `tight` block (a list item) follows the one before it without a blank line."""
        lines = [" ".join(part.split()) for part in "".join(self._line).split("\n")]
        text = "\n".join(line for line in lines if line)
        self._line = []
        if text:
            self._blocks.append(("\x00" if tight else "") + self._prefix + text)
            self._prefix = ""

    def _children(self, node: LexborNode, depth: int, *, inside: bool) -> None:
        for child in node.iter(include_text=True):
            self._node(child, depth, inside=inside)

    def _node(self, node: LexborNode, depth: int, *, inside: bool) -> None:
        """Write one node. `depth` counts the lists around it; `inside` says whether it lies in main or article."""
        tag = node.tag
        if tag == "-text":
            self._line.append((node.text_content or "").replace("\n", " ").replace("\x00", ""))
        elif tag is None or tag in _DROPPED or _hidden(node) or (tag == "header" and not inside):
            return
        elif tag == "br":
            self._line.append("\n")
        elif tag in _HEADINGS:
            self._heading(node, tag)
        elif tag == "pre":
            self._pre(node)
        elif tag == "table":
            self._table(node, depth, inside=inside)
        elif tag in {"ul", "ol"}:
            self._list(node, depth, inside=inside)
        elif tag in _BLOCKS:
            self._flush()
            self._children(node, depth, inside=inside or tag in {"main", "article"})
            self._flush()
        else:
            self._children(node, depth, inside=inside)

    def _heading(self, node: LexborNode, tag: str) -> None:
        self._flush()
        text = " ".join(node.text().split())
        if text:
            self._blocks.append(f"{_HEADINGS[tag]} {text}")

    def _pre(self, node: LexborNode) -> None:
        self._flush()
        code = node.text().replace("\x00", "").strip("\n")
        if code.strip():
            self._blocks.append(f"```\n{code}\n```")

    def _list(self, node: LexborNode, depth: int, *, inside: bool) -> None:
        self._flush(tight=depth > 0 and bool(self._prefix))
        first, number = len(self._blocks), 0
        for child in node.iter(include_text=False):
            if child.tag != "li":
                self._node(child, depth + 1, inside=inside)
                continue
            number += 1
            self._prefix = "  " * depth + ("- " if node.tag == "ul" else f"{number}. ")
            self._children(child, depth + 1, inside=inside)
            self._flush(tight=True)
            self._prefix = ""
        # Items stand on consecutive lines; what a list holds besides them (a paragraph in an item) is indented text.
        for at in range(first, len(self._blocks)):
            if at > first or depth > 0:
                self._blocks[at] = "\x00" + self._blocks[at].lstrip("\x00")
            else:
                self._blocks[at] = self._blocks[at].lstrip("\x00")

    def _table(self, node: LexborNode, depth: int, *, inside: bool) -> None:
        self._flush()
        rows = []
        for row in node.css("tr"):
            cells = [cell for cell in row.iter(include_text=False) if cell.tag in {"td", "th"}]
            rows.append([" ".join(cell.text(separator=" ").split()) for cell in cells])
        rows = [row for row in rows if any(row)]
        nested = len(node.css("table")) > 1  # css() counts the node itself
        if nested or max((len(row) for row in rows), default=0) < 2:
            self._children(node, depth, inside=inside)  # used for layout: read as text
            self._flush()
        else:
            self._blocks.append(pipe_table(rows))


def _hidden(node: LexborNode) -> bool:
    attributes = node.attributes
    style = (attributes.get("style") or "").replace(" ", "").lower()
    return "hidden" in attributes or attributes.get("aria-hidden") == "true" or "display:none" in style
