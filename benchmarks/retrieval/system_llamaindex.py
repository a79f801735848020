"""LlamaIndex: VectorStoreIndex and BM25Retriever in a QueryFusionRetriever, reciprocal rerank, as its example has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from system import LOOKUP, installed


def _known() -> Any:
    from llama_index.core.embeddings import BaseEmbedding

    class Known(BaseEmbedding):
        def _get_query_embedding(self, query: str) -> list[float]:
            return LOOKUP([query])[0].tolist()

        _get_text_embedding = _get_query_embedding

        async def _aget_query_embedding(self, query: str) -> list[float]:
            return self._get_query_embedding(query)

    return Known()


class Adapter:
    """See `system.System`. BM25Retriever cannot be extended, so an addition builds it again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._nodes: list = []

    def versions(self) -> dict[str, str]:
        """Return versions."""
        return installed("llama-index-core", "llama-index-retrievers-bm25", "bm25s")

    def ingest(self, files: Path, model: Path) -> int:
        """SimpleDirectoryReader → SentenceSplitter (1024 tokens, the default) → VectorStoreIndex and BM25."""
        from llama_index.core import SimpleDirectoryReader, VectorStoreIndex
        from llama_index.core.node_parser import SentenceSplitter
        from llama_index.embeddings.huggingface import HuggingFaceEmbedding
        from llama_index.retrievers.bm25 import BM25Retriever

        documents = SimpleDirectoryReader(str(files)).load_data()
        nodes = SentenceSplitter().get_nodes_from_documents(documents)
        self._model = HuggingFaceEmbedding(model_name=str(model))
        index = VectorStoreIndex(nodes, embed_model=self._model)
        BM25Retriever.from_defaults(nodes=nodes)
        index.storage_context.persist(str(self._folder / "ingested"))
        return len(nodes)

    def embed(self, query: str) -> None:
        """Embed a query."""
        self._model.get_query_embedding(query)

    def add(self, ids: list[str], texts: list[str], vectors: np.ndarray) -> None:
        """Insert nodes; build BM25 anew over everything."""
        from llama_index.core import VectorStoreIndex
        from llama_index.core.schema import TextNode

        nodes = [
            TextNode(id_=name, text=text, embedding=vector.tolist())
            for name, text, vector in zip(ids, texts, vectors, strict=True)
        ]
        if self._nodes:
            self._index.insert_nodes(nodes)
        else:
            self._index = VectorStoreIndex(nodes, embed_model=_known())
        self._nodes += nodes
        self._made = 0

    def _combine(self, k: int) -> None:
        from llama_index.core.llms import MockLLM
        from llama_index.core.retrievers import QueryFusionRetriever
        from llama_index.retrievers.bm25 import BM25Retriever

        dense = self._index.as_retriever(similarity_top_k=k)
        bm25 = BM25Retriever.from_defaults(nodes=self._nodes, similarity_top_k=k)
        self._hybrid = QueryFusionRetriever(
            [dense, bm25], llm=MockLLM(), similarity_top_k=k, num_queries=1, mode="reciprocal_rerank", use_async=False
        )  # fmt: skip
        self._made = k

    def search(self, query: str, k: int) -> list[str]:
        """Ask both for k and fuse."""
        if self._made != k:
            self._combine(k)
        return [found.node.node_id for found in self._hybrid.retrieve(query)]

    def save(self) -> None:
        """Persist as JSON."""
        self._index.storage_context.persist(str(self._folder / "index"))

    def open(self) -> None:
        """Load the JSON; BM25 is built by the first search."""
        from llama_index.core import StorageContext, load_index_from_storage

        stored = StorageContext.from_defaults(persist_dir=str(self._folder / "index"))
        self._index = load_index_from_storage(stored, embed_model=_known())
        self._nodes = list(self._index.docstore.docs.values())
        self._made = 0
