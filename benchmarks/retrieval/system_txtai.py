"""txtai: Embeddings with hybrid=True and content=True, as its guide to hybrid search has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from system import LOOKUP, installed

_VECTORS = "system_txtai.vectors"  # by name, so that an index that was saved finds it again


def vectors(texts: list[str]) -> np.ndarray:
    """LOOKUP as a function: what else can be called, txtai takes for a class to make."""
    return LOOKUP(texts)


class Adapter:
    """See `system.System`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._index: Any = None

    def versions(self) -> dict[str, str]:
        """Return versions."""
        return installed("txtai", "faiss-cpu")

    def ingest(self, files: Path, model: Path) -> int:
        """One row a paragraph, as in its examples on files; the texts have no blank lines, so it is a row a file."""
        from txtai import Embeddings

        texts = [path.read_text(encoding="utf-8") for path in sorted(files.glob("*.txt"))]
        self._model = Embeddings(path=str(model), hybrid=True, content=True)
        self._model.index(texts)
        self._model.save(str(self._folder / "ingested"))
        return len(texts)

    def embed(self, query: str) -> None:
        """Embed a query."""
        self._model.transform(query)

    def add(self, ids: list[str], texts: list[str], vectors: np.ndarray) -> None:
        """Index, then upsert."""
        from txtai import Embeddings

        LOOKUP.learn(texts, vectors)
        rows = list(zip(ids, texts, strict=True))
        if self._index is None:
            self._index = Embeddings(method="external", transform=_VECTORS, hybrid=True, content=True)
            self._index.index(rows)
        else:
            self._index.upsert(rows)

    def search(self, query: str, k: int) -> list[str]:
        """Search both, fused by a convex combination."""
        return [row["id"] for row in self._index.search(query, k)]

    def save(self) -> None:
        """Write to the folder."""
        self._index.save(str(self._folder / "index"))

    def open(self) -> None:
        """Load."""
        from txtai import Embeddings

        self._index = Embeddings(method="external", transform=_VECTORS, hybrid=True, content=True)
        self._index.load(str(self._folder / "index"))
