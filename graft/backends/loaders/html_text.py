"""HTML → Markdown-like text: headings to `#` lines, lists to `- `, tables to pipe tables; clutter left out.

Shared by web pages, e-mail and EPUB. Scripts, forms, navigation and hidden parts are dropped; links keep their text.
Knows nothing of CSS beyond inline `display: none`, and nothing of files.
"""

from __future__ import annotations

import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

from graft.backends.loaders.load_table import pipe_table, spread
from graft.backends.loaders.load_text import unmarked

_DROPPED = frozenset({
    "script", "style", "noscript", "template", "nav", "footer", "aside", "form", "svg", "iframe", "object",
    "button", "select", "head", "audio", "video", "canvas",
})  # fmt: skip
_BLOCKS = frozenset({
    "address", "article", "blockquote", "body", "center", "dd", "details", "dialog", "div", "dl", "dt",
    "fieldset", "figcaption", "figure", "header", "hgroup", "hr", "html", "legend", "li", "main", "ol", "p",
    "section", "summary", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul", "caption",
})  # fmt: skip
_HEADINGS = {f"h{level}": "#" * level for level in range(1, 7)}
_NESTING = re.compile(
    r"<(/?)(?:div|span|section|article|blockquote|table|ul|ol|dl|b|i|u|em|strong|font|a|center|form|main)\b",
    re.IGNORECASE,
)
# The parser's time grows with the square of the depth (5 s at 50,000); pages that people read stay below a hundred.
MAX_DEPTH = 2000
# XHTML may close any element with "/>"; to an HTML parser `<title/>` opens a title that swallows the page.
_SELF_CLOSED = re.compile(
    r"<(title|script|style|textarea|iframe|a|p|div|span|i|b|em|strong|td|th|li|ul|ol|table|h[1-6])((?:\s[^<>]*)?)/>",
    re.IGNORECASE,
)
# Class names, ids and roles by which pages mark what is not their content. They are trusted only for a part that is
# mostly links, or short: "menu" is also what a restaurant calls its page.
_LINKS = frozenset({
    "nav", "navbar", "navigation", "navbox", "breadcrumb", "breadcrumbs", "menu", "sidebar", "toc", "dropdown",
    "pagination", "pager", "catlinks", "editsection", "interlanguage", "portlet", "skip", "contentinfo", "banner",
    "header", "footer", "tags", "related", "noprint", "headerlink",
})  # fmt: skip
_NOTICES = frozenset({
    "cookie", "cookies", "consent", "share", "sharing", "social", "newsletter", "subscribe", "advert",
    "advertisement", "ads",
})  # fmt: skip
_ALPHA = re.compile(r"[a-z]+")
_NOTICE_LENGTH = 1000
_CELL_LENGTH = 400


def render(source: str, *, xhtml: bool = False) -> tuple[str, LexborHTMLParser]:
    """Return the page's text and its parsed tree. Raises RecursionError for one that nests too deeply to read."""
    if _depth(source) > MAX_DEPTH:
        raise RecursionError("elements nest too deeply")
    if xhtml or source.lstrip()[:5] == "<?xml":
        source = _SELF_CLOSED.sub(r"<\1\2></\1>", source)
    tree = LexborHTMLParser(source)
    return (_Renderer(len(tree.body.text())).render(tree.body) if tree.body is not None else ""), tree


def _depth(source: str) -> int:
    """Return how deep the elements that must be closed nest, by counting their tags."""
    depth = deepest = 0
    for tag in _NESTING.finditer(source):
        depth = max(depth + (-1 if tag[1] else 1), 0)
        deepest = max(deepest, depth)
    return deepest


class _Renderer:
    """Walks a page of `size` characters and collects its blocks. `_line` is the paragraph being written.

    `flat`: what is written ends up on one line, in a cell or a heading.
    """

    def __init__(self, size: int, *, flat: bool = False) -> None:
        self._size = size
        self._flatten = flat
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
            self._blocks.append(
                ("\x00" if tight else "") + self._prefix + (text if self._prefix else unmarked(text))
            )
            self._prefix = ""

    def _children(self, node: LexborNode, depth: int, *, inside: bool) -> None:
        for child in node.iter(include_text=True):
            self._node(child, depth, inside=inside)

    def _node(self, node: LexborNode, depth: int, *, inside: bool) -> None:
        """Write one node. `depth` counts the lists around it; `inside` says whether it lies in main or article."""
        tag = node.tag
        if tag == "-text":
            self._line.append((node.text_content or "").replace("\n", " ").replace("\x00", ""))
        elif tag is None or tag in _DROPPED or (tag == "header" and not inside) or self._left_out(node):
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

    def _left_out(self, node: LexborNode) -> bool:
        """Whether a part is hidden, or marked as navigation, notice or advertisement and looks like it."""
        attributes = node.attributes
        if not attributes:
            return False
        style = (attributes.get("style") or "").replace(" ", "").lower()
        if "hidden" in attributes or attributes.get("aria-hidden") == "true" or "display:none" in style:
            return True
        marks = " ".join(attributes.get(name) or "" for name in ("class", "id", "role")).lower()
        names = set(_ALPHA.findall(marks)) if marks.strip() else set()
        if not names & (_LINKS | _NOTICES) or node.tag in {"body", "main", "article", "html"}:
            return False
        size = len(node.text())
        if size > 0.4 * self._size or node.css_first("h1, main, article") is not None:
            return False
        linked = sum(len(link.text()) for link in node.css("a"))
        return linked >= 0.5 * size or (bool(names & _NOTICES) and size <= _NOTICE_LENGTH)

    def _heading(self, node: LexborNode, tag: str) -> None:
        self._flush()
        text = self._flat(node)
        if text:
            self._blocks.append(f"{_HEADINGS[tag]} {text}")

    def _flat(self, node: LexborNode) -> str:
        """Return what a cell or heading holds, on one line."""
        inner = _Renderer(self._size, flat=True)
        inner._children(node, depth=0, inside=True)
        inner._flush()
        return " ".join(" ".join(inner._blocks).replace("\x00", "").replace("```", "").split())

    def _pre(self, node: LexborNode) -> None:
        self._flush()
        code = node.text().replace("\x00", "").strip("\n")
        if code.strip():
            fence = "````" if "```" in code else "```"
            self._blocks.append(f"{fence}\n{code}\n{fence}")

    def _list(self, node: LexborNode, depth: int, *, inside: bool) -> None:
        self._flush(tight=depth > 0 and bool(self._prefix))
        first, number = len(self._blocks), 0
        for child in node.iter(include_text=False):
            if child.tag != "li":
                self._node(child, depth + 1, inside=inside)
                continue
            if self._left_out(child):
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
        rows = [
            [cell for cell in row.iter(include_text=False) if cell.tag in {"td", "th"}]
            for row in _own_rows(node)
        ]
        nested = len(node.css("table")) > 1  # css() counts the node itself
        wide = any(len(cell.text()) > _CELL_LENGTH for row in rows for cell in row) if nested else False
        if wide or max((len(row) for row in rows), default=0) < 2:
            self._children(node, depth, inside=inside)  # used for layout: read as text
            self._flush()
            return
        grid = spread([
            [(self._flat(cell), _span(cell, "colspan"), _span(cell, "rowspan")) for cell in row] for row in rows
        ])  # fmt: skip
        grid = [row for row in grid if any(row)]
        caption = node.css_first("caption")
        if caption is not None and (title := self._flat(caption)):
            self._blocks.append(title)
        if grid and self._flatten:
            self._blocks.append("; ".join(" ".join(filter(None, row)) for row in grid))
        elif grid:
            self._blocks.append(pipe_table(grid))


def _own_rows(table: LexborNode) -> list[LexborNode]:
    """Return the rows of a table, not those of tables within its cells."""
    rows = []
    for child in table.iter(include_text=False):
        if child.tag == "tr":
            rows.append(child)
        elif child.tag in {"thead", "tbody", "tfoot"}:
            rows += [row for row in child.iter(include_text=False) if row.tag == "tr"]
    return rows


def _span(cell: LexborNode, name: str) -> int:
    value = (cell.attributes.get(name) or "").strip()
    return int(value) if value.isdecimal() and len(value) < 6 else 1
