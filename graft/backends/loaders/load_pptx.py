"""PPTX: each slide a page with its title as heading, then lists, tables, charts as tables, and the speaker's notes.

Reads the XML itself (ECMA-376 part 1, 19 and 21). Shapes come from top to bottom, then left to right, as they are seen;
in the order of the file where a place is not known. Pictures, SmartArt and animations are left out; so are slide
numbers, dates and footers.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from graft.backends.loaders.archives import Archive, local, properties
from graft.backends.loaders.load_table import pipe_table, spread
from graft.backends.loaders.slides import presentation
from graft.types import Document

_MAIN = "ppt/presentation.xml"
_REL = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_FURNITURE = frozenset({"sldNum", "dt", "ftr", "hdr"})
_TITLES = frozenset({"title", "ctrTitle"})
# A text of its own in these is a list unless the paragraph says otherwise; a text box holds plain paragraphs.
_BULLETED = frozenset({"body", "obj", ""})
_MAX_DEPTH = 50
# Shapes whose tops differ by less than this (0.3 inch in EMU) stand side by side.
_SAME_ROW = 274_320


class PptxLoader:
    """One Document a file; `pages` holds the offset of each slide."""

    suffixes = (".pptx", ".pptm", ".ppsx")

    def __init__(self, options: None = None) -> None:
        del options

    def load(self, path: Path, document_id: str) -> Iterator[Document]:
        """Yield the file's Document. Raises DataError for a file that is encrypted, damaged or a zip bomb."""
        with Archive(path, "PowerPoint file") as archive:
            archive.refuse_dtds()
            if _MAIN not in archive.names:
                raise archive.broken(f"it holds no {_MAIN}")
            slides = [_slide(archive, name) for name in _slides(archive)]
            named = properties(archive)
        yield presentation(path, document_id, ".pptx", slides, named)


def _slides(archive: Archive) -> list[str]:
    """Return the names of the slides in the order they are shown."""
    relations = archive.relations(_MAIN)
    ids = (entry.get(_REL, "") for entry in archive.xml(_MAIN).iter("{*}sldId"))
    return [
        relations[known][1] for known in ids if known in relations and relations[known][1] in archive.names
    ]


def _slide(archive: Archive, name: str) -> tuple[str, list[str]]:
    """Return a slide's title and its blocks, the title's heading first."""
    relations = archive.relations(name)
    tree = archive.xml(name).find(".//{*}spTree")
    title, blocks = "", []
    layout = next((target for what, target in relations.values() if what == "slideLayout"), "")
    inherited = _layout_places(archive, layout)
    for shape in _as_seen(list(_shapes(tree)), inherited):
        kind = _placeholder(shape)
        if kind in _TITLES and not title:
            title = " ".join(_plain(shape).split())
        elif local(shape) == "graphicFrame":
            blocks += [block for block in (_table(shape), _chart(archive, shape, relations)) if block]
        elif kind not in _FURNITURE:
            blocks += _paragraphs(shape, bulleted=kind in _BULLETED if kind is not None else False)
    notes = [
        target for what, target in relations.values() if what == "notesSlide" and target in archive.names
    ]
    said = [block for target in notes for block in _notes(archive, target)]
    if said:
        blocks += ["## Notes", *said]
    return title, blocks


def _notes(archive: Archive, name: str) -> list[str]:
    shapes = [
        shape for shape in _shapes(archive.xml(name).find(".//{*}spTree")) if _placeholder(shape) == "body"
    ]
    return [block for shape in shapes for block in _paragraphs(shape, bulleted=False)]


def _shapes(tree: Any, depth: int = 0) -> Iterator[Any]:
    """Yield the shapes of a tree, those of groups in place."""
    for shape in tree if tree is not None else ():
        if local(shape) == "grpSp" and depth < _MAX_DEPTH:
            yield from _shapes(shape, depth + 1)
        elif local(shape) in {"sp", "graphicFrame"}:
            yield shape


def _as_seen(shapes: list[Any], inherited: dict[str, tuple[int, int]]) -> list[Any]:
    """Return the shapes from top to bottom, then left to right, when the place of each is known.

    Shapes of a group stay together: their own coordinates count within the group.
    """
    places = []
    for shape in shapes:
        group, top = shape, shape.getparent()
        while local(top) == "grpSp":
            group, top = top, top.getparent()
        mark = shape.find("./{*}nvSpPr/{*}nvPr/{*}ph")
        place = _place(group) or (
            inherited.get(mark.get("idx", "")) or inherited.get(mark.get("type", ""))
            if mark is not None
            else None
        )
        if place is None:
            return shapes
        places.append((place[1] // _SAME_ROW, place[0]))
    return [shape for _, shape in sorted(zip(places, shapes, strict=True), key=lambda pair: pair[0])]


def _place(shape: Any) -> tuple[int, int] | None:
    """Return where a shape's own properties put its left upper corner, in EMU."""
    offset = next(iter(shape.iterfind("./{*}spPr/{*}xfrm/{*}off")), None)
    offset = offset if offset is not None else shape.find("./{*}xfrm/{*}off")
    offset = offset if offset is not None else shape.find("./{*}grpSpPr/{*}xfrm/{*}off")
    try:
        return (int(offset.get("x", "")), int(offset.get("y", ""))) if offset is not None else None
    except ValueError:
        return None


def _layout_places(archive: Archive, name: str) -> dict[str, tuple[int, int]]:
    """Return where a slide's layout puts its placeholders, by index and by type."""
    found: dict[str, tuple[int, int]] = {}
    if name not in archive.names:
        return found
    for shape in _shapes(archive.xml(name).find(".//{*}spTree")):
        mark, place = shape.find("./{*}nvSpPr/{*}nvPr/{*}ph"), _place(shape)
        if mark is not None and place is not None:
            for key in (mark.get("idx"), mark.get("type")):
                if key:
                    found.setdefault(key, place)
    return found


def _placeholder(shape: Any) -> str | None:
    """Return the kind of a placeholder ("title", "body", "" for content), or None for a shape that is none."""
    found = shape.find("./{*}nvSpPr/{*}nvPr/{*}ph")
    return None if found is None else str(found.get("type", ""))


def _plain(part: Any) -> str:
    """Return the text of a paragraph or shape; a line break is a space."""
    nodes = part.iter("{*}t", "{*}br", "{*}tab", "{*}p")
    return "".join((node.text or "") if local(node) == "t" else " " for node in nodes)


def _paragraphs(shape: Any, *, bulleted: bool) -> list[str]:
    """Return a shape's paragraphs; consecutive list items are one block of lines."""
    blocks: list[str] = []
    numbers: dict[int, int] = {}
    was_item = False
    paragraphs = [part for part in shape.iterfind("./{*}txBody/{*}p") if _plain(part).strip()]
    for part in paragraphs:
        style = part.find("./{*}pPr")
        level = min(_number(style, "lvl", 0), 8) if style is not None else 0
        marks = {local(child) for child in style} if style is not None else set()
        text = " ".join(_plain(part).split())
        item = "buNone" not in marks and (
            (bulleted and len(paragraphs) > 1) or bool(marks & {"buChar", "buAutoNum"})
        )
        numbers = {known: count for known, count in numbers.items() if known <= level} if item else {}
        if item and "buAutoNum" in marks:
            numbers[level] = numbers.get(level, 0) + 1
            text = f"{'  ' * level}{numbers[level]}. {text}"
        elif item:
            text = f"{'  ' * level}- {text}"
        if item and was_item:
            blocks[-1] += f"\n{text}"
        else:
            blocks.append(text)
        was_item = item
    return blocks


def _number(element: Any, name: str, default: int) -> int:
    value = element.get(name, "")
    return int(value) if value.isdecimal() and len(value) < 6 else default


def _table(frame: Any) -> str:
    table = frame.find(".//{*}tbl")
    if table is None:
        return ""
    rows = []
    for row in table.iterfind("./{*}tr"):
        # A cell that a merged one covers is there, marked; the merged cell fills its place.
        cells = [
            cell
            for cell in row.iterfind("./{*}tc")
            if cell.get("hMerge") != "1" and cell.get("vMerge") != "1"
        ]
        rows.append([
            (_plain(cell), _number(cell, "gridSpan", 1), _number(cell, "rowSpan", 1)) for cell in cells
        ])  # fmt: skip
    return pipe_table(spread(rows))


def _chart(archive: Archive, frame: Any, relations: dict[str, tuple[str, str]]) -> str:
    """Return a chart's numbers, as PowerPoint stored them beside the picture, as a table: a row for each category."""
    chart = frame.find(".//{*}chart")
    _, name = relations.get(chart.get(_REL, ""), ("", "")) if chart is not None else ("", "")
    if name not in archive.names:
        return ""
    columns: list[tuple[str, dict[str, str]]] = []
    categories: dict[str, str] = {}
    root = archive.xml(name)
    for series in root.iter("{*}ser"):
        names = series.find("./{*}tx")
        label = " ".join("".join(names.itertext("{*}v")).split()) if names is not None else ""
        places = [_points(series.find(f"./{{*}}{kind}")) for kind in ("cat", "xVal")]
        categories |= places[0] or places[1]
        columns.append((label, _points(series.find("./{*}val")) or _points(series.find("./{*}yVal"))))
    if not columns:
        return ""
    title = root.find("./{*}chart/{*}title")
    at = sorted({key for _, values in columns for key in values} | set(categories), key=int)
    rows = [["", *(label for label, _ in columns)]]
    rows += [[categories.get(key, ""), *(values.get(key, "") for _, values in columns)] for key in at]
    heading = " ".join(_plain(title).split()) if title is not None else ""
    return f"{heading}\n\n{pipe_table(rows)}" if heading else pipe_table(rows)


def _points(values: Any) -> dict[str, str]:
    """Return index → value of a chart's cached numbers or texts."""
    if values is None:
        return {}
    found = ((point.get("idx", ""), point.findtext("./{*}v") or "") for point in values.iter("{*}pt"))
    return {at: text for at, text in found if at.isdigit()}
