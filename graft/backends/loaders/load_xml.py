"""XML documents: scholarly articles (JATS), DocBook, TEI, DITA and anything built of sections, titles and paragraphs.

One vocabulary covers them: it is a matter of names. But names alone decide nothing, as data has notes, lines, terms and
books, too: a document is known by how its root and what is right below it are called, by its namespace, DOCTYPE or suffix,
or by most of its text standing in paragraphs. All else becomes lines `name: text`; so do feeds and schemas. Entities are never resolved, DTDs never loaded.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import lxml.etree

from graft.backends.loaders.archives import local, parse_xml
from graft.backends.loaders.load_table import pipe_table, spread
from graft.backends.loaders.load_text import title_from_name, unmarked
from graft.errors import DataError
from graft.types import Document


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# JATS (Z39.96), DocBook 5, TEI P5, DITA 1.3; HTML's names where they agree.
_SECTIONS = _names(
    "sec section chapter part appendix article book topic concept task reference abstract preface sect1 sect2 sect3 sect4 "
    "sect5 app ack glossary bibliography ref-list div front-stub boxed-text trans-abstract fn-group div1 div2 div3"
)
_TITLES = _names("title head article-title")
_PARAGRAPHS = _names(
    "p para simpara abstractp shortdesc l ab term def note caption formalpara blockquote quote disp-quote attrib fn ref "
    "aff statement verse-line bibl biblioentry disp-formula line pubdate"
)
_LISTS = _names("list itemizedlist orderedlist ul ol simplelist variablelist dl def-list steps")
_ITEMS = _names("list-item listitem item li member varlistentry def-item step dlentry")
_CODE = _names("code programlisting preformat screen codeblock literallayout pre")
# Where documents of these vocabularies begin, and what only they have right below: `article` alone may be a shop's.
_ROOTS = _names(
    "article sub-article response book book-part chapter part appendix preface section refentry topic concept task reference "
    "glossentry troubleshooting TEI TEI.2 teiCorpus"
)
_MARKS = _names(
    "front front-stub book-meta book-part-meta collection-meta sec para simpara sect1 articleinfo bookinfo chapterinfo shortdesc "
    "prolog taskbody conbody refbody glossdef troublebody teiHeader"
)
_NAMESPACES = frozenset({"http://docbook.org/ns/docbook", "http://www.tei-c.org/ns/1.0"})
_DOCTYPES = ("-//NLM//DTD", "-//OASIS//DTD", "-//TEI")
# Where running text stands in documents of any vocabulary.
_RUNNING = _names(
    "p para simpara formalpara blockquote li listitem list-item td th pre programlisting codeblock screen"
)
# What identifies the text rather than being it. Left out of documents of the vocabularies above only: in data, and where
# nobody knows what the names mean, a publisher or an e-mail address is what is asked for.
_SKIPPED = _names(
    "processing-meta journal-meta article-id article-categories permissions history counts custom-meta-group self-uri pub-date "
    "graphic media inline-graphic xref-group object-id related-article issn publisher volume elocation-id pub-date-group "
    "teiHeader prolog metadata indexterm tex-math annotation fn-group-hidden author-notes funding-group contrib-id email"
)
_MAX_DEPTH = 200
_BLOCKS = _SECTIONS | _TITLES | _PARAGRAPHS | _LISTS | _CODE | {"table"}
_FRONT = _names("label contrib-group authorgroup kwd-group")
# Elements that stand side by side without a space between them.
_SPACED = (
    _PARAGRAPHS
    | _ITEMS
    | _TITLES
    | _names("label surname given-names name year source institution country city kwd td th")
)


class XmlLoader:
    """One Document a file."""

    suffixes = (".xml", ".nxml", ".dita", ".docbook", ".dbk")

    def __init__(self, options: None = None) -> None:
        del options

    def load(self, path: Path, document_id: str) -> Iterator[Document]:
        """Yield the file's Document. Raises DataError for XML that is not well-formed or holds no text."""
        try:
            root = parse_xml(path.read_bytes())
        except lxml.etree.LxmlError as error:
            raise DataError(
                f"{path}: not well-formed XML ({error}).", "Save it again, or exclude it."
            ) from error
        declared = path.suffix.lower() != ".xml" or _declared(root)
        known = {root} if declared else {element for element in root.iter() if _begins(element)}
        writer = _Writer()
        heading = None
        if root in known or _reads_as_prose(root, known):
            # Found first: a TEI document has its title in the header, which is left out.
            heading = next((one for one in root.iter() if local(one) in _TITLES and _flat(one)), None)
            for element in known:
                lxml.etree.strip_elements(element, *(f"{{*}}{name}" for name in _SKIPPED), with_tail=False)
            writer.element(root, 0, 0)
        else:
            writer.blocks = list(_data(root))
        title = _flat(heading) if heading is not None else ""
        text = "\n\n".join(writer.blocks)
        if not text.strip():
            raise DataError(f"{path}: contains no text.", "Add text, or exclude the file.")
        yield Document(
            id=document_id,
            text=text + "\n",
            title=title or title_from_name(path),
            source=str(path),
            metadata={"type": path.suffix.lower(), "root": local(root)},
            modified=path.stat().st_mtime,
        )


def _begins(element: Any) -> bool:
    """Whether a document of a known vocabulary begins here: at the root, or in a set that wraps many."""
    return local(element) in _ROOTS and any(local(child) in _MARKS for child in element)


def _declared(root: Any) -> bool:
    """Whether a file says that it is of a known vocabulary."""
    namespace = root.tag.rpartition("}")[0].removeprefix("{")
    return namespace in _NAMESPACES or (root.getroottree().docinfo.public_id or "").startswith(_DOCTYPES)


def _reads_as_prose(root: Any, known: Collection[Any]) -> bool:
    """Whether most elements with text of their own, titles aside, are running text or within the documents in `known`."""
    texts = running = 0
    waiting = [(root, False)]
    while waiting:
        element, runs = waiting.pop()
        runs = runs or local(element) in _RUNNING or element in known
        if (element.text or "").strip() and local(element) not in _TITLES:
            texts += 1
            running += runs
        waiting += [(child, runs) for child in element]
    return 2 * running > texts


def _flat(element: Any, without: frozenset[str] = frozenset()) -> str:
    """Return an element's text on one line, without the elements named in `without`; the text behind those stays."""
    pieces: list[str] = []

    def visit(node: Any, depth: int) -> None:
        if not isinstance(node.tag, str):  # an entity that is not resolved
            return
        if local(node) in without or depth > _MAX_DEPTH:
            return
        pieces.append(node.text or "")
        for child in node:
            if local(child) in without:
                pieces.append(" ")
            visit(child, depth + 1)
            pieces.append(child.tail or "")
            if local(child) in _SPACED:
                pieces.append(" ")

    visit(element, 0)
    return " ".join("".join(pieces).split())


def _person(contributor: Any) -> str:
    """Return an author's name, given names first."""
    given = [_flat(part) for part in contributor.iter("{*}given-names", "{*}firstname", "{*}forename")]
    family = [_flat(part) for part in contributor.iter("{*}surname")]
    return " ".join([*given[:1], *family[:1]]) or " ".join(
        _flat(part) for part in contributor.iter("{*}collab")
    )


class _Writer:
    """Walks a document and collects its blocks."""

    def __init__(self) -> None:
        self.blocks: list[str] = []
        self._label = ""  # "Figure 1." or "2.1", waiting for the title or text it belongs to

    def _write(self, text: str, mark: str = "") -> None:
        label, self._label = self._label, ""
        if text or label:
            self.blocks.append(mark + " ".join(part for part in (label, text) if part))

    def element(self, node: Any, level: int, depth: int) -> None:
        """Write one element. `level` counts the sections around it, `depth` the elements."""
        name = local(node)
        if not name or depth > _MAX_DEPTH:
            return
        if name in _TITLES:
            self._heading(node, level)
        elif name in {"table", "informaltable", "tgroup"}:
            self._table(node)
        elif name in _LISTS:
            self._list(node, 0, depth)
        elif name in _PARAGRAPHS and not self._has_blocks(node):
            text = _flat(node)
            if text:
                self._write(unmarked(text))
        elif name in _CODE | _FRONT:
            self._special(node, name)
        else:
            if name == "abstract" and node.find("./{*}title") is None:
                self._write("Abstract", f"{'#' * min(level + 1, 6)} ")
            self._inside(node, level + (name in _SECTIONS), depth)

    def _special(self, node: Any, name: str) -> None:
        """Write code, a label, authors with where they work, or keywords."""
        if name in _CODE:
            code = "".join(node.itertext()).strip("\n")
            self.blocks += [f"````\n{code}\n````"] if code.strip() else []
        elif name == "label":
            self._label = _flat(node)
        elif name == "kwd-group":
            self._write("Keywords: " + ", ".join(_flat(word) for word in node.iter("{*}kwd")))
        else:
            self._write(", ".join(filter(None, map(_person, node.iter("{*}contrib", "{*}author")))))
            for place in node.iter("{*}aff"):
                parts = place.itertext("{*}institution", "{*}city", "{*}country", "{*}addr-line", "{*}aff")
                self._write(", ".join(" ".join(part.split()) for part in parts if part.strip(" ,;\n")))

    def _inside(self, node: Any, level: int, depth: int) -> None:
        """Write a container: its own text, then each child, then the text behind each."""
        loose = [node.text or ""]
        for child in node:
            name = local(child)
            block = name in _BLOCKS | _FRONT or self._has_blocks(child)
            if block:
                self._loose(loose)
                loose = []
                self.element(child, level, depth + 1)
            else:
                loose.append(_flat(child) + " ")
            loose.append(child.tail or "")
        self._loose(loose)

    def _loose(self, pieces: Sequence[str]) -> None:
        text = " ".join("".join(pieces).split())
        if text:
            self._write(text)

    @staticmethod
    def _has_blocks(node: Any) -> bool:
        return any(local(child) in _BLOCKS for child in node.iterdescendants())

    def _heading(self, node: Any, level: int) -> None:
        text = _flat(node)
        parent = local(node.getparent()) if node.getparent() is not None else ""
        if text and parent in {"caption", "table-wrap", "fig", "figure", "formalpara", "example"}:
            self._write(text)
        elif text:
            self._write(text, f"{'#' * max(1, min(level, 6))} ")

    def _list(self, node: Any, indent: int, depth: int) -> None:
        lines: list[str] = []
        numbered = local(node) in {"orderedlist", "ol", "steps"} or node.get("list-type") == "order"

        def line(indent: int, mark: str, text: str) -> None:
            if mark or text.strip():
                lines.append("  " * indent + mark + " ".join(text.split()))

        def visit(part: Any, indent: int, depth: int) -> None:
            number = 0
            if depth > _MAX_DEPTH:
                return
            # What is no item, such as a list's title or the terms of `dl`, is a line without a mark.
            line(indent, "", part.text or "")
            for child in part:
                if local(child) in _LISTS:  # a list between the items of another
                    visit(child, indent + 1, depth + 1)
                else:
                    number += local(child) in _ITEMS
                    mark = f"{number}. " if numbered else "- "
                    line(indent, mark if local(child) in _ITEMS else "", _flat(child, _LISTS))
                    for found in _lists(child):
                        visit(found, indent + 1, depth + 1)
                line(indent, "", child.tail or "")

        visit(node, indent, depth)
        self.blocks += ["\n".join(lines)] if lines else []

    def _table(self, node: Any) -> None:
        rows = [
            [(_flat(cell), _number(cell, "colspan"), _number(cell, "rowspan", "morerows")) for cell in row
             if local(cell) in {"td", "th", "entry", "cell"}]
            for row in node.iter("{*}tr", "{*}row")
        ]  # fmt: skip
        grid = [row for row in spread(rows) if any(row)]
        self.blocks += [pipe_table(grid)] if grid else []


def _lists(node: Any) -> Iterator[Any]:
    """Yield the outermost lists in an element."""
    for child in node:
        if local(child) in _LISTS:
            yield child
        else:
            yield from _lists(child)


def _number(cell: Any, name: str, more: str = "") -> int:
    """Return a span; `more` names DocBook's attribute, which counts the further rows."""
    value, extra = cell.get(name, ""), cell.get(more, "") if more else ""
    if extra.isdecimal() and len(extra) < 6:
        return int(extra) + 1
    return int(value) if value.isdecimal() and len(value) < 6 else 1


def _data(root: Any) -> Iterator[str]:
    """Yield the records of an XML file of data: each child of the root a paragraph of `name: text` lines."""
    yield from _line(local(root), root.text)
    for child in root:
        lines = [*_fields(child), *_line(local(root), child.tail)]
        if lines:
            yield "\n".join(lines)


def _fields(element: Any) -> Iterator[str]:
    """Yield an element's text, its attributes and what is in it. Text behind a child belongs to the element around it."""
    name = local(element)
    if not name:  # an entity that is not resolved
        return
    yield from _line(name, element.text)
    for attribute, value in element.attrib.items():
        yield from _line(attribute.rpartition("}")[2], value)
    for child in element:
        yield from _fields(child)
        yield from _line(name, child.tail)


def _line(name: str, value: str | None) -> Iterator[str]:
    text = " ".join((value or "").split())
    if text:
        yield f"{name}: {text}"
