"""Jupyter notebooks: Markdown cells as they are, code cells fenced, the text they printed below them.

Pictures and HTML outputs are left out; so are outputs beyond a few lines, which are mostly logs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from graft.backends.loaders.decoding import decode
from graft.backends.loaders.load_text import title_from_name
from graft.errors import DataError
from graft.types import Document

_MAX_OUTPUT_LINES = 40


class NotebookLoader:
    """One Document a notebook."""

    suffixes = (".ipynb",)

    def __init__(self, options: None = None) -> None:
        del options

    def load(self, path: Path, document_id: str) -> Iterator[Document]:
        """Yield the notebook's Document. Raises DataError for a file that is none."""
        try:
            data: Any = json.loads(decode(path.read_bytes(), path))
            cells = data["cells"]
            language = data.get("metadata", {}).get("kernelspec", {}).get("language", "")
            blocks = [block for cell in cells for block in _cell(cell, language)]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            hint = "Open it in Jupyter and save it again; notebooks older than format 4 are not read."
            raise DataError(
                f"{path}: not a readable notebook ({type(error).__name__}: {error}).", hint
            ) from error
        heading = next(
            (line.lstrip("# ") for block in blocks for line in block.split("\n")[:1] if line[:2] == "# "), ""
        )
        if not blocks:
            raise DataError(f"{path}: contains no text.", "Add text, or exclude the file.")
        yield Document(
            id=document_id,
            text="\n\n".join(blocks).encode("utf-16", "surrogatepass").decode("utf-16", "replace") + "\n",
            title=heading or title_from_name(path),
            source=str(path),
            metadata={"type": ".ipynb", **({"language": str(language)} if language else {})},
            modified=path.stat().st_mtime,
        )


def _cell(cell: Mapping[str, Any], language: str) -> Iterator[str]:
    text = _joined(cell["source"]).strip("\n")
    if not text.strip():
        return
    if cell["cell_type"] != "code":
        yield text
        return
    yield _fence(text, str(language))
    for output in cell.get("outputs", []):
        printed = _joined(output.get("text", output.get("data", {}).get("text/plain", ""))).strip("\n")
        if printed.strip():
            lines = printed.split("\n")
            more = ["…"] if len(lines) > _MAX_OUTPUT_LINES else []
            yield _fence("\n".join([*lines[:_MAX_OUTPUT_LINES], *more]), "")


def _joined(source: Any) -> str:
    text = source if isinstance(source, str) else "".join(source)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _fence(text: str, language: str) -> str:
    mark = "````" if "```" in text else "```"
    return f"{mark}{language}\n{text}\n{mark}"
