"""ODP (LibreOffice Impress): each slide a page with its title as heading, then paragraphs, lists and tables, and the
speaker's notes.

Shapes come in the order of the file, the title first. Pictures, charts, dates, footers and slide numbers are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from graft.backends import odf
from graft.backends.archives import Archive, local
from graft.backends.load_text import title_from_name
from graft.errors import DataError
from graft.types import Document

_FURNITURE = frozenset({"date-time", "footer", "header", "page-number", "page"})


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
        if not any(heading or blocks for heading, blocks in slides):
            raise DataError(
                f"{path}: {len(slides)} slides without text.", "Slides that are pictures cannot be read."
            )
        text, offsets = "", []
        for number, (heading, blocks) in enumerate(slides, start=1):
            offsets.append(len(text))
            text += "".join(f"{block}\n\n" for block in [f"# {heading or f'Slide {number}'}", *blocks])
        first = next((title for title, _ in slides if title), "")
        yield Document(
            id=document_id,
            text=text,
            title=named.pop("title", "") or first or title_from_name(path),
            source=str(path),
            metadata={"type": ".odp", **named, "slides": len(slides)},
            modified=path.stat().st_mtime,
            pages=tuple(offsets),
        )


def _slide(page: Any) -> tuple[str, list[str]]:
    """Return a slide's title and its blocks."""
    title = ""
    blocks: list[str] = []
    said: list[str] = []
    for shape in page:
        if local(shape) == "notes":
            said += [block for frame in shape if _class(frame) == "notes" for block in odf.blocks(frame)]
        elif _class(shape) == "title" and not title:
            title = " ".join(" ".join(_texts(shape)).split())
        elif _class(shape) not in _FURNITURE:
            blocks += odf.blocks(shape)
    return title, [*blocks, *(["## Notes", *said] if said else [])]


def _class(shape: Any) -> str:
    """Return what a shape is for, such as "title"."""
    return next((value for name, value in shape.items() if name.endswith("}class")), "")


def _texts(shape: Any) -> Iterator[str]:
    for element in shape.iter():
        if local(element) in {"p", "h"}:
            yield odf.inline(element, 0)
