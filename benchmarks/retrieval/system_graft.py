"""GRAFT: the settings of a new project. Structure-aware chunks, LanceDB, BM25 and vectors fused by weighted scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from system import LOOKUP, installed


class _Known:
    """LOOKUP as a GRAFT embedder. A question that the spelling step mends is searched both ways; the mended one, which no
    lookup knows, gets the vector of the one that was asked."""

    fingerprint, dimension = "lookup", 384

    def __init__(self) -> None:
        self.asked = ""

    def encode(self, texts: list[str], *, query: bool = False) -> np.ndarray:
        """Return known vectors."""
        del query
        return LOOKUP([text if text in LOOKUP.known else self.asked for text in texts])


class Adapter:
    """See `system.System`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def versions(self) -> dict[str, str]:
        """Return versions."""
        return installed("graft-llm", "lancedb", "torch")

    def ingest(self, files: Path, model: Path) -> int:
        """Read, chunk, embed and index."""
        from graft.retrieval.documents import load_documents
        from graft.settings import Backend, RetrievalSection
        from graft.wiring.retrieval import RetrievalParts
        from graft.workspace import Workspace

        section = RetrievalSection(embedder=Backend("minilm", {"path": str(model)}))
        self._parts = RetrievalParts(section, Workspace(self._folder), len, lambda *_: None)
        documents = load_documents([files]).documents
        return self._parts.index.update(documents, lambda *_: None).chunks

    def embed(self, query: str) -> None:
        """Embed a query."""
        self._parts.embedder.encode([query], query=True)

    def _open(self) -> None:
        from graft.backends.stores.store_lancedb import LanceStore
        from graft.settings import RetrievalSection
        from graft.wiring import ranking

        self._store = LanceStore(self._folder / "store")
        self._embedder = _Known()
        self._searcher = ranking.searcher(
            RetrievalSection(), self._store, self._embedder, None, lambda *_: None
        )

    def add(self, ids: list[str], texts: list[str], vectors: np.ndarray) -> None:
        """Store chunks, each a document of its own."""
        from graft.types import Chunk

        if not hasattr(self, "_store"):
            self._open()
        for at in range(0, len(ids), 10_000):
            part = slice(at, at + 10_000)
            chunks = [
                Chunk(name, name, 0, len(text), text)
                for name, text in zip(ids[part], texts[part], strict=True)
            ]
            self._store.replace(dict.fromkeys(ids[part], "1"), chunks, vectors[part])
        self._store.optimize()

    def search(self, query: str, k: int) -> list[str]:
        """Search as `graft ask` does."""
        self._embedder.asked = query
        return [hit.chunk.document for hit in self._searcher.search(query, k).hits]

    def save(self) -> None:
        """Nothing to do: every addition was a commit."""

    def open(self) -> None:
        """Open the store."""
        self._open()
