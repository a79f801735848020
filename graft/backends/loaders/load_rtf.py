"""RTF: headings by style or outline level, lists with their numbers, tables as pipe tables, in document order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from graft.backends.loaders.load_table import pipe_table
from graft.backends.loaders.load_text import title_from_name, unmarked
from graft.backends.loaders.rtf import Paragraph, Reader
from graft.errors import DataError
from graft.types import Document


class RtfLoader:
    """One Document a file."""

    suffixes = (".rtf",)

    def __init__(self, options: None = None) -> None:
        del options

    def load(self, path: Path, document_id: str) -> Iterator[Document]:
        """Yield the file's Document. Raises DataError for a file that is no RTF, or holds no text."""
        data = path.read_bytes()
        if not data.lstrip().startswith(b"{\\rtf"):
            raise DataError(f"{path}: not an RTF file.", "Check its extension, or save it again.")
        reader = Reader()
        text = rendered(reader.paragraphs(data))
        if not text:
            raise DataError(f"{path}: contains no text.", "Add text, or exclude the file.")
        heading = next((line.lstrip("# ") for line in text.split("\n") if line.startswith("#")), "")
        yield Document(
            id=document_id,
            text=text + "\n",
            title=reader.info.pop("title", "") or heading or title_from_name(path),
            source=str(path),
            metadata={"type": ".rtf", **reader.info},
            modified=path.stat().st_mtime,
        )


def rendered(paragraphs: Iterable[Paragraph]) -> str:
    """Return paragraphs as small Markdown: the rows of a table, and the items of a list, are one block."""
    blocks = []
    for kind, group in groupby(paragraphs, key=_kind):
        if kind == "table":
            blocks.append(pipe_table([one.cells or () for one in group]))
        elif kind == "list":
            blocks.append("\n".join(f"{'  ' * (one.item or (0, ''))[0]}{(one.item or (0, '-'))[1]} {' '.join(one.text.split())}" for one in group))  # fmt: skip
        else:
            blocks += [
                f"{'#' * min(one.level, 6)} {' '.join(one.text.split())}" if one.level else unmarked(one.text)
                for one in group
            ]
    return "\n\n".join(block for block in blocks if block.strip())


def _kind(one: Paragraph) -> str:
    return "table" if one.cells is not None else "list" if one.item is not None else "text"
