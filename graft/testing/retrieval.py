"""Conformance suites for loaders, chunkers, embedders, stores and rerankers.

Inherit the class, give the fixture, run pytest: a backend that passes works wherever GRAFT uses that kind.

    class TestMyStore(StoreConformance):
        @pytest.fixture
        def make_store(self, tmp_path):
            return lambda: MyStore(tmp_path, MyStore.Options())

GRAFT's own backends are held to the same suites. Needs pytest, which the extra `dev` brings.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from graft import protocols
from graft.errors import DataError
from graft.protocols import Chunker, Embedder, Loader, Reranker
from graft.testing.stores import StoreConformance, sample_chunks
from graft.types import Document

__all__ = [
    "ChunkerConformance",
    "EmbedderConformance",
    "LoaderConformance",
    "RerankerConformance",
    "StoreConformance",
    "sample_chunks",
]

TEXT = """# Handbook

Leave is 25 days a year. Unused days move to March.

## Travel

Book trains early. Flights need approval by Dr. Meyer.

| Grade | Limit |
| --- | --- |
| L1 | EUR 100 |
| L2 | EUR 250 |

- bring a passport
- keep receipts

日本語の文章です。次の文。 Ünïcödé.
"""


class LoaderConformance:
    """A loader reads its own kind of file and refuses a broken one with a DataError."""

    @pytest.fixture
    def loader(self) -> Loader:
        """Return the loader."""
        raise NotImplementedError

    @pytest.fixture
    def good_file(self, tmp_path: Path) -> Path:
        """Write a small valid file and return its path. It must contain the words "annual leave"."""
        raise NotImplementedError

    @pytest.fixture
    def bad_file(self, tmp_path: Path) -> Path:
        """Write a file of the right suffix that cannot be read, and return its path."""
        raise NotImplementedError

    def test_satisfies_the_protocol(self, loader: Loader) -> None:
        """It has suffixes, lower-case, with the dot."""
        assert isinstance(loader, protocols.Loader)
        assert loader.suffixes
        assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in loader.suffixes)

    def test_reads_a_file(self, loader: Loader, good_file: Path) -> None:
        """The text is there, with clean line ends, plain metadata and the time of modification."""
        made = list(loader.load(good_file, "folder/name"))
        assert made
        assert any("annual leave" in document.text.lower() for document in made)
        for document in made:
            assert document.title
            assert document.source == str(good_file)
            assert document.modified == good_file.stat().st_mtime
            assert "\r" not in document.text
            assert 0 <= document.body <= len(document.text)
            assert json.loads(json.dumps(document.metadata)) == document.metadata
            assert list(document.pages) == sorted(document.pages)
        if len(made) == 1:
            assert made[0].id == "folder/name"

    def test_is_deterministic(self, loader: Loader, good_file: Path) -> None:
        """Reading twice gives equal documents."""
        assert list(loader.load(good_file, "a")) == list(loader.load(good_file, "a"))

    def test_refuses_a_broken_file(self, loader: Loader, bad_file: Path) -> None:
        """The error names the file and says what to do."""
        with pytest.raises(DataError) as caught:
            list(loader.load(bad_file, "bad"))
        assert str(bad_file) in caught.value.message
        assert caught.value.hint


class ChunkerConformance:
    """A chunker's chunks are exact spans of the document, in order, and leave no text out."""

    @pytest.fixture
    def chunker(self) -> Chunker:
        """Return the chunker."""
        raise NotImplementedError

    def test_satisfies_the_protocol(self, chunker: Chunker) -> None:
        """It has a fingerprint and `split`."""
        assert isinstance(chunker, protocols.Chunker)
        assert chunker.fingerprint

    def test_spans_are_exact_and_complete(self, chunker: Chunker) -> None:
        """Each chunk is a slice of the text; together they hold all words of it."""
        document = Document("a.md", TEXT * 5, "Handbook", metadata={"team": "people"})
        chunks = chunker.split(document)
        assert all(chunk.text == document.text[chunk.start : chunk.end] for chunk in chunks)
        assert [chunk.start for chunk in chunks] == sorted(chunk.start for chunk in chunks)
        covered = {at for chunk in chunks for at in range(chunk.start, chunk.end)}
        assert all(at in covered for at, sign in enumerate(document.text) if sign.isalnum())

    def test_carries_the_document(self, chunker: Chunker) -> None:
        """Document id, title, metadata and page travel with every chunk."""
        document = Document("a.pdf", TEXT + TEXT, "T", metadata={"team": "people"}, pages=(0, len(TEXT)))
        for chunk in chunker.split(document):
            assert (chunk.document, chunk.title, chunk.metadata) == ("a.pdf", "T", {"team": "people"})
            assert chunk.page == document.page_at(chunk.start)

    def test_ids_are_unique_and_stable(self, chunker: Chunker) -> None:
        """Splitting again gives the same ids; no two chunks share one."""
        document = Document("a.md", TEXT * 5)
        ids = [chunk.id for chunk in chunker.split(document)]
        assert ids == [chunk.id for chunk in chunker.split(document)]
        assert len(set(ids)) == len(ids)

    def test_starts_behind_the_front_matter(self, chunker: Chunker) -> None:
        """Nothing before `body` is in a chunk."""
        document = Document("a.md", "---\nsecret: 1\n---\nPublic text.", body=18)
        assert [chunk.text for chunk in chunker.split(document)] == ["Public text."]

    def test_empty_text_gives_no_chunk(self, chunker: Chunker) -> None:
        """White space is not a passage."""
        assert chunker.split(Document("a.md", " \n\n ")) == []


class EmbedderConformance:
    """An embedder returns float32 unit vectors, the same for the same text, whatever stands beside it."""

    # How far a vector may move with the batch it is in: 0 for exact arithmetic, about 0.01 for bfloat16.
    tolerance = 1e-5

    @pytest.fixture
    def embedder(self) -> Embedder:
        """Return the embedder."""
        raise NotImplementedError

    def test_satisfies_the_protocol(self, embedder: Embedder) -> None:
        """It has a fingerprint and a dimension."""
        assert isinstance(embedder, protocols.Embedder)
        assert embedder.fingerprint
        assert embedder.dimension > 0

    def test_shape_type_and_length(self, embedder: Embedder) -> None:
        """Rows are float32 of unit length; no text gives no row."""
        made = embedder.encode(["annual leave", "", "train tickets " * 400, "日本語 ünï"])
        assert made.shape == (4, embedder.dimension)
        assert made.dtype == np.float32
        assert np.allclose(np.linalg.norm(made, axis=1), 1.0, atol=1e-3)
        assert embedder.encode([]).shape == (0, embedder.dimension)

    def test_order_and_batch_do_not_matter(self, embedder: Embedder) -> None:
        """A text has one vector, alone or in company."""
        texts = ["short", "a much longer text about annual leave and travel " * 5, "medium text here"]
        together = embedder.encode(texts)
        alone = np.concatenate([embedder.encode([text]) for text in reversed(texts)])[::-1]
        assert float(np.abs(together - alone).max()) <= self.tolerance

    def test_likeness(self, embedder: Embedder) -> None:
        """A query is nearer to the passage that shares its words than to another."""
        passages = embedder.encode(
            ["Employees get annual leave of 25 days.", "The printer is on the second floor."]
        )
        query = embedder.encode(["days of annual leave"], query=True)[0]
        assert passages[0] @ query > passages[1] @ query


class RerankerConformance:
    """A reranker gives each text one score, higher for the better one, whatever stands beside it."""

    @pytest.fixture
    def reranker(self) -> Reranker:
        """Return the reranker."""
        raise NotImplementedError

    def test_satisfies_the_protocol(self, reranker: Reranker) -> None:
        """It has a fingerprint and `score`."""
        assert isinstance(reranker, protocols.Reranker)
        assert reranker.fingerprint

    def test_one_finite_score_a_text(self, reranker: Reranker) -> None:
        """Scores are floats in the order of the texts; no texts give no scores."""
        texts = ["Annual leave is 25 days.", "", "The printer is broken. " * 300]
        scores = reranker.score("How much annual leave?", texts)
        assert len(scores) == 3
        assert all(isinstance(score, float) and np.isfinite(score) for score in scores)
        assert reranker.score("anything", []) == []

    def test_order_does_not_matter(self, reranker: Reranker) -> None:
        """A text keeps its score when the others change places."""
        texts = ["Annual leave is 25 days.", "The printer is broken."]
        forward, backward = reranker.score("leave", texts), reranker.score("leave", texts[::-1])
        assert np.allclose(forward, backward[::-1], atol=1e-3)
