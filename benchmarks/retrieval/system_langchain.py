"""LangChain: FAISS and BM25 in an EnsembleRetriever with equal weights, as its guide to hybrid search has it."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path

import numpy as np
from system import LOOKUP, installed

warnings.filterwarnings("ignore")


class Adapter:
    """See `system.System`. BM25Retriever cannot be extended, so an addition builds it again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._documents: list = []

    def versions(self) -> dict[str, str]:
        """Return versions."""
        return installed(
            "langchain-core", "langchain-classic", "langchain-community", "faiss-cpu", "rank-bm25"
        )

    def ingest(self, files: Path, model: Path) -> int:
        """DirectoryLoader → RecursiveCharacterTextSplitter (1000, 200, as in the tutorial) → FAISS and BM25."""
        from langchain_community.document_loaders import DirectoryLoader, TextLoader
        from langchain_community.retrievers import BM25Retriever
        from langchain_community.vectorstores import FAISS
        from langchain_huggingface import HuggingFaceEmbeddings
        from langchain_text_splitters import RecursiveCharacterTextSplitter

        loaded = DirectoryLoader(str(files), glob="**/*.txt", loader_cls=TextLoader).load()
        chunks = RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=200).split_documents(loaded)
        self._model = HuggingFaceEmbeddings(model_name=str(model))
        store = FAISS.from_documents(chunks, self._model)
        BM25Retriever.from_documents(chunks)
        store.save_local(str(self._folder / "ingested"))
        return len(chunks)

    def embed(self, query: str) -> None:
        """Embed a query."""
        self._model.embed_query(query)

    def _known(self):
        from langchain_core.embeddings import Embeddings

        class Known(Embeddings):
            def embed_documents(self, texts: list[str]) -> list[list[float]]:
                return LOOKUP(texts).tolist()

            def embed_query(self, text: str) -> list[float]:
                return LOOKUP([text])[0].tolist()

        return Known()

    def add(self, ids: list[str], texts: list[str], vectors: np.ndarray) -> None:
        """Add to FAISS; build BM25 anew over everything."""
        from langchain_community.vectorstores import FAISS
        from langchain_core.documents import Document

        metadatas = [{"name": name} for name in ids]
        pairs = list(zip(texts, vectors.tolist(), strict=True))
        if self._documents:
            self._faiss.add_embeddings(pairs, metadatas=metadatas, ids=ids)
        else:
            self._faiss = FAISS.from_embeddings(pairs, self._known(), metadatas=metadatas, ids=ids)
        self._documents += [
            Document(text, id=name, metadata=meta)
            for text, name, meta in zip(texts, ids, metadatas, strict=True)
        ]
        self._combine()

    def _combine(self) -> None:
        from langchain_classic.retrievers import EnsembleRetriever
        from langchain_community.retrievers import BM25Retriever

        self._bm25 = BM25Retriever.from_documents(self._documents)
        self._dense = self._faiss.as_retriever()
        self._hybrid = EnsembleRetriever(
            retrievers=[self._bm25, self._dense], weights=[0.5, 0.5], id_key="name"
        )

    def search(self, query: str, k: int) -> list[str]:
        """Ask both for k and fuse."""
        self._bm25.k = k
        self._dense.search_kwargs = {"k": k}
        return [document.metadata["name"] for document in self._hybrid.invoke(query)][:k]

    def save(self) -> None:
        """FAISS has a file of its own; the texts for BM25 are the user's business."""
        self._faiss.save_local(str(self._folder / "faiss"))
        (self._folder / "documents.pickle").write_bytes(pickle.dumps(self._documents))

    def open(self) -> None:
        """Load FAISS, build BM25."""
        from langchain_community.vectorstores import FAISS

        self._faiss = FAISS.load_local(
            str(self._folder / "faiss"), self._known(), allow_dangerous_deserialization=True
        )
        self._documents = pickle.loads((self._folder / "documents.pickle").read_bytes())
        self._combine()
