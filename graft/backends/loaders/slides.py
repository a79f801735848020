"""Slides, each a title with its blocks → a Document whose pages are the slides.

Shared by the loaders of presentations. Knows no file format.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from graft.backends.loaders.load_text import title_from_name
from graft.errors import DataError
from graft.types import Document

# What PowerPoint writes into every new file, and Impress keeps.
_NO_TITLE = "PowerPoint Presentation"


def presentation(
    path: Path,
    document_id: str,
    kind: str,
    slides: Sequence[tuple[str, Sequence[str]]],
    named: Mapping[str, Any],
) -> Document:
    """Return the Document of a presentation. `named` are the file's properties, `kind` its suffix. Raises DataError when no
    slide holds a text."""
    if not any(heading or blocks for heading, blocks in slides):
        raise DataError(
            f"{path}: {len(slides)} slides without text.", "Slides that are pictures cannot be read."
        )
    text, offsets = "", []
    for number, (heading, blocks) in enumerate(slides, start=1):
        offsets.append(len(text))
        # A heading on every slide: one without would seem to go on with the slide before.
        text += "".join(f"{block}\n\n" for block in [f"# {heading or f'Slide {number}'}", *blocks])
    first = next((heading for heading, _ in slides if heading), "")
    title = named.get("title", "")
    rest = {key: value for key, value in named.items() if key != "title"}
    return Document(
        id=document_id,
        text=text,
        title=(title if title != _NO_TITLE else "") or first or title_from_name(path),
        source=str(path),
        metadata={"type": kind, **rest, "slides": len(slides)},
        modified=path.stat().st_mtime,
        pages=tuple(offsets),
    )
