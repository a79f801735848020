"""ODT (LibreOffice Writer): headings by outline level, lists, tables as pipe tables, in document order.

Headers, footers, comments and deleted text under change tracking are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from graft.backends.loaders import odf
from graft.backends.loaders.archives import Archive
from graft.backends.loaders.load_text import title_from_name
from graft.errors import DataError
from graft.types import Document


class OdtLoader:
    """One Document a file."""

    suffixes = (".odt", ".ott")

    def __init__(self, options: None = None) -> None:
        del options

    def load(self, path: Path, document_id: str) -> Iterator[Document]:
        """Yield the file's Document. Raises DataError for a file that is encrypted, damaged or a zip bomb."""
        with Archive(path, "OpenDocument text") as archive:
            _, body = odf.content(archive, path, "text")
            named = odf.metadata(archive)
        blocks = list(odf.blocks(body)) if body is not None else []
        if not blocks:
            raise DataError(f"{path}: contains no text.", "Add text, or exclude the file.")
        heading = next((block.lstrip("# ") for block in blocks if block.startswith("#")), "")
        yield Document(
            id=document_id,
            text="\n\n".join(blocks) + "\n",
            title=named.pop("title", "") or heading or title_from_name(path),
            source=str(path),
            metadata={"type": ".odt", **named},
            modified=path.stat().st_mtime,
        )
