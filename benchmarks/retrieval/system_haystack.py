"""Haystack: InMemoryDocumentStore, both of its retrievers and a DocumentJoiner by reciprocal ranks, as its tutorial on
hybrid retrieval has it (without the reranker that the tutorial adds)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from system import LOOKUP, installed


class Adapter:
    """See `system.System`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._store: Any = None

    def versions(self) -> dict[str, str]:
        """Return versions."""
        return installed("haystack-ai", "sentence-transformers-haystack")

    def ingest(self, files: Path, model: Path) -> int:
        """TextFileToDocument → DocumentSplitter (200 words, the default) → embedder → DocumentWriter."""
        from haystack import Pipeline
        from haystack.components.converters import TextFileToDocument
        from haystack.components.preprocessors import DocumentSplitter
        from haystack.components.writers import DocumentWriter
        from haystack.document_stores.in_memory import InMemoryDocumentStore
        from haystack_integrations.components.embedders.sentence_transformers import (
            SentenceTransformersDocumentEmbedder,
            SentenceTransformersTextEmbedder,
        )

        store = InMemoryDocumentStore()
        pipeline = Pipeline()
        pipeline.add_component("read", TextFileToDocument())
        pipeline.add_component("split", DocumentSplitter(split_by="word", split_length=200))
        pipeline.add_component(
            "embed", SentenceTransformersDocumentEmbedder(model=str(model), progress_bar=False)
        )
        pipeline.add_component("write", DocumentWriter(store))
        for left, right in (("read", "split"), ("split", "embed"), ("embed", "write")):
            pipeline.connect(left, right)
        pipeline.run({"read": {"sources": sorted(files.glob("*.txt"))}})
        self._model = SentenceTransformersTextEmbedder(model=str(model), progress_bar=False)
        self._model.warm_up()
        store.save_to_disk(str(self._folder / "ingested.json"))
        return store.count_documents()

    def embed(self, query: str) -> None:
        """Embed a query."""
        self._model.run(query)

    def add(self, ids: list[str], texts: list[str], vectors: np.ndarray) -> None:
        """Write documents."""
        from haystack import Document
        from haystack.document_stores.in_memory import InMemoryDocumentStore

        if self._store is None:
            self._combine(InMemoryDocumentStore())
        self._store.write_documents([
            Document(id=name, content=text, embedding=vector.tolist())
            for name, text, vector in zip(ids, texts, vectors, strict=True)
        ])  # fmt: skip

    def _combine(self, store: Any) -> None:
        from haystack.components.joiners import DocumentJoiner
        from haystack.components.retrievers.in_memory import InMemoryBM25Retriever, InMemoryEmbeddingRetriever

        self._store = store
        self._dense, self._bm25 = InMemoryEmbeddingRetriever(store), InMemoryBM25Retriever(store)
        self._joiner = DocumentJoiner(join_mode="reciprocal_rank_fusion")

    def search(self, query: str, k: int) -> list[str]:
        """Ask both for k and fuse."""
        dense = self._dense.run(query_embedding=LOOKUP([query])[0].tolist(), top_k=k)["documents"]
        bm25 = self._bm25.run(query=query, top_k=k)["documents"]
        return [document.id for document in self._joiner.run([bm25, dense], top_k=k)["documents"]]

    def save(self) -> None:
        """Write JSON."""
        self._store.save_to_disk(str(self._folder / "store.json"))

    def open(self) -> None:
        """Load JSON."""
        from haystack.document_stores.in_memory import InMemoryDocumentStore

        self._combine(InMemoryDocumentStore.load_from_disk(str(self._folder / "store.json")))
