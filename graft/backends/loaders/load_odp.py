"""ODP (LibreOffice Impress): each slide a page with its title as heading, then paragraphs, lists and tables, and the
speaker's notes.

Shapes come from top to bottom, then left to right, as they are seen; in the order of the file where a place is not known.
Pictures, charts, dates, footers and slide numbers are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from graft.backends.loaders import odf
from graft.backends.loaders.archives import Archive, local
from graft.backends.loaders.slides import presentation
from graft.types import Document

_FURNITURE = frozenset({"date-time", "footer", "header", "page-number", "page"})
_LENGTH = re.compile(r"(-?\d+(?:\.\d+)?)(cm|mm|in|pt|pc|px)")
_CENTIMETRES = {"cm": 1.0, "mm": 0.1, "in": 2.54, "pt": 2.54 / 72, "pc": 2.54 / 6, "px": 2.54 / 96}
# Shapes whose tops differ by less than this stand side by side, as on PowerPoint's slides.
_SAME_ROW = 0.76


class OdpLoader:
    """One Document a file; `pages` holds the offset of each slide."""

    suffixes = (".odp", ".otp")

    def __init__(self, options: None = None) -> None:
        del options

    def load(self, path: Path, document_id: str) -> Iterator[Document]:
        """Yield the file's Document. Raises DataError for a file that is encrypted, damaged or a zip bomb."""
        with Archive(path, "OpenDocument presentation") as archive:
            _, body = odf.content(archive, path, "presentation")
            named = odf.metadata(archive)
        slides = [_slide(page) for page in body.iterfind("./{*}page")] if body is not None else []
        yield presentation(path, document_id, ".odp", slides, named)


def _slide(page: Any) -> tuple[str, list[str]]:
    """Return a slide's title and its blocks."""
    title = ""
    blocks: list[str] = []
    said: list[str] = []
    for shape in _as_seen(list(page)):
        if local(shape) == "notes":
            said += [block for frame in shape if _class(frame) == "notes" for block in odf.blocks(frame)]
        elif _class(shape) == "title" and not title:
            title = " ".join(" ".join(_texts(shape)).split())
        elif _class(shape) not in _FURNITURE:
            blocks += odf.blocks(shape)
    return title, [*blocks, *(["## Notes", *said] if said else [])]


def _as_seen(shapes: Sequence[Any]) -> list[Any]:
    """Return a slide's shapes in rows from the top, each from the left; as they are when one has no place."""
    places = {shape: _place(shape) for shape in shapes if local(shape) not in {"notes", "forms"}}
    if any(place is None for place in places.values()):
        return list(shapes)
    tops: dict[Any, float] = {}
    top = -1e9
    for shape, place in sorted(places.items(), key=lambda item: item[1] or (0, 0)):
        top = place[0] if place and place[0] - top > _SAME_ROW else top
        tops[shape] = top
    found = sorted(places, key=lambda shape: (tops[shape], (places[shape] or (0, 0))[1]))
    return [*found, *(shape for shape in shapes if shape not in places)]


def _place(shape: Any) -> tuple[float, float] | None:
    """Return how far a shape is from the top and from the left, in cm."""
    given = {name.rpartition("}")[2]: _LENGTH.fullmatch(value) for name, value in shape.items()}
    y, x = given.get("y"), given.get("x")
    if y is None or x is None:
        return None
    return float(y[1]) * _CENTIMETRES[y[2]], float(x[1]) * _CENTIMETRES[x[2]]


def _class(shape: Any) -> str:
    """Return what a shape is for, such as "title"."""
    return next((value for name, value in shape.items() if name.endswith("}class")), "")


def _texts(shape: Any) -> Iterator[str]:
    for element in shape.iter():
        if local(element) in {"p", "h"}:
            yield odf.inline(element, 0)
