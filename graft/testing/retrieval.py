"""Conformance suites for loaders, chunkers, embedders, stores and rerankers.

Inherit the class, give the fixture, run pytest: a backend that passes works wherever GRAFT uses that kind.

    class TestMyStore(StoreConformance):
        @pytest.fixture
        def make_store(self, tmp_path):
            return lambda: MyStore(tmp_path, MyStore.Options())

GRAFT's own backends are held to the same suites. Needs pytest, which the extra `dev` brings.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from graft import protocols
from graft.errors import DataError
from graft.protocols import Chunker, Embedder, Filter, Loader, Matrix, Reranker, Store
from graft.testing.fakes import HashingEmbedder
from graft.types import Chunk, Document, content_hash

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


def sample_chunks(document: str, texts: Sequence[str], **metadata: str) -> list[Chunk]:
    """Return chunks of a made-up document whose text is `texts` joined by newlines."""
    chunks, start = [], 0
    for text in texts:
        identity = content_hash(document, str(start), text)
        end = start + len(text)
        chunks.append(Chunk(identity, document, start, end, text, "Title", ("Part",), 1, metadata))
        start = end + 1
    return chunks


class StoreConformance:
    """A store keeps exactly what it was last given of each document, and finds it by vector and by words."""

    @pytest.fixture
    def make_store(self, tmp_path: Path) -> Callable[[], Store]:
        """Return a function that opens the store, always over the same place."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, make_store: Callable[[], Store]) -> Store:
        """Return a store with two documents in it."""
        made = make_store()
        leave = sample_chunks(
            "leave.md", ["Annual leave is 25 days.", "Unused leave moves to March."], team="people"
        )
        travel = sample_chunks(
            "travel.md", ["Book trains early.", "Flights need an approval."], team="office"
        )
        chunks = [*leave, *travel]
        made.replace({"leave.md": "v1", "travel.md": "v1"}, chunks, self.vectors(chunks))
        return made

    @staticmethod
    def vectors(chunks: Sequence[Chunk]) -> Matrix:
        """Return the test vectors of chunks."""
        return HashingEmbedder().encode([chunk.searchable for chunk in chunks])

    def found(
        self, store: Store, query: str, where: Filter | None = None, k: int = 10
    ) -> dict[str, list[str]]:
        """Return the texts that each search finds."""
        vector = HashingEmbedder().encode([query], query=True)[0]
        dense, text = store.search_dense(vector, k, where), store.search_text(query, k, where)
        return {"dense": [c.text for c, _ in dense], "text": [c.text for c, _ in text]}

    def test_satisfies_the_protocol(self, store: Store) -> None:
        """All methods are there."""
        assert isinstance(store, protocols.Store)

    def test_an_empty_store_answers(self, make_store: Callable[[], Store]) -> None:
        """Before the first write everything is empty, and nothing fails."""
        made = make_store()
        assert (len(made), made.documents(), list(made.chunks())) == (0, {}, [])
        assert self.found(made, "anything") == {"dense": [], "text": []}

    def test_returns_whole_chunks(self, store: Store) -> None:
        """What comes back equals what went in: span, title, headings, page, metadata."""
        leave = sample_chunks(
            "leave.md", ["Annual leave is 25 days.", "Unused leave moves to March."], team="people"
        )
        assert list(store.chunks(["leave.md"])) == leave
        assert [chunk.document for chunk in store.chunks()] == [
            "leave.md",
            "leave.md",
            "travel.md",
            "travel.md",
        ]
        hits = store.search_text("annual", 1)
        assert [chunk for chunk, _ in hits] == leave[:1]

    def test_finds_by_words_and_by_vector(self, store: Store) -> None:
        """The best hit is first, scores descend, and words without a match find nothing."""
        assert self.found(store, "annual leave days", k=1) == {
            "dense": ["Annual leave is 25 days."],
            "text": ["Annual leave is 25 days."],
        }
        for hits in (
            store.search_text("leave", 10),
            store.search_dense(self.vectors(list(store.chunks()))[0], 10),
        ):
            scores = [score for _, score in hits]
            assert scores == sorted(scores, reverse=True)
            assert all(isinstance(score, float) for score in scores)
        assert store.search_text("zebra", 10) == []

    def test_k_bounds_the_hits(self, store: Store) -> None:
        """Never more than k, and all when k is larger."""
        vector = HashingEmbedder().encode(["leave"])[0]
        assert [len(store.search_dense(vector, k)) for k in (1, 3, 100)] == [1, 3, 4]

    def test_replace_is_exact(self, store: Store) -> None:
        """A changed document leaves nothing stale, another one is not touched, and the new text is found at once."""
        changed = sample_chunks("leave.md", ["Annual leave is 30 days."], team="people")
        store.replace({"leave.md": "v2"}, changed, self.vectors(changed))
        assert store.documents() == {"leave.md": "v2", "travel.md": "v1"}
        assert (len(store), list(store.chunks(["leave.md"]))) == (3, changed)
        assert self.found(store, "annual 30")["text"] == ["Annual leave is 30 days."]
        assert "Unused leave moves to March." not in self.found(store, "unused leave march")["dense"]
        assert store.search_text("unused", 5) == []

    def test_delete_and_add(self, store: Store) -> None:
        """A document replaced by nothing is gone; a new one is found at once."""
        store.replace({"leave.md": ""}, [], np.zeros((0, 0), dtype=np.float32))
        assert store.documents() == {"travel.md": "v1"}
        assert self.found(store, "annual leave")["text"] == []
        new = sample_chunks("pets.md", ["Dogs are welcome on Fridays."])
        store.replace({"pets.md": "v1"}, new, self.vectors(new))
        assert self.found(store, "dogs fridays")["text"] == ["Dogs are welcome on Fridays."]
        assert self.found(store, "dogs fridays", k=1)["dense"] == ["Dogs are welcome on Fridays."]

    def test_filters_before_ranking(self, store: Store) -> None:
        """Every search returns k allowed chunks if there are k, however far down the others push them."""
        for where in (
            Filter({"team": "office"}), Filter({"team": ("office", "legal")}), Filter(documents=("travel.md",)),
            Filter({"team": "office"}, ("travel.md", "leave.md")),
        ):  # fmt: skip
            hits = self.found(store, "annual leave approval trains", where, k=2)
            assert sorted(hits["dense"]) == ["Book trains early.", "Flights need an approval."]
            assert set(hits["text"]) == {"Book trains early.", "Flights need an approval."}
        for where in (
            Filter({"team": "none"}),
            Filter({"missing": "x"}),
            Filter(documents=()),
            Filter({"team": ()}),
        ):
            assert self.found(store, "annual leave", where) == {"dense": [], "text": []}

    def test_odd_filter_values(self, store: Store) -> None:
        """Quotes, other types and odd keys are values, never query language."""
        odd = sample_chunks('o\'dd "x".md', ["odd text"], **{"a'b": "it's; DROP", "größe": "ü"})
        odd = [
            dataclasses.replace(chunk, metadata={**chunk.metadata, "level": 3, "draft": True, "tags": ["a"]})
            for chunk in odd
        ]
        store.replace({'o\'dd "x".md': "v"}, odd, self.vectors(odd))
        for where in (
            Filter({"a'b": "it's; DROP"}), Filter({"größe": "ü"}), Filter({"level": 3}), Filter({"level": "3"}),
            Filter({"draft": True}), Filter(documents=("o'dd \"x\".md",)),
        ):  # fmt: skip
            assert self.found(store, "odd text", where) == {"dense": ["odd text"], "text": ["odd text"]}
        assert list(store.chunks(['o\'dd "x".md'])) == odd

    @pytest.mark.parametrize(
        "query",
        [
            "",
            " ",
            '"',
            "leave AND (",
            "NOT leave",
            "le*ve^2 ~",
            "'; DROP TABLE",
            "\\",
            "日本語",
            "a" * 5000,
            "leave\x00?\n- +days",
        ],
    )
    def test_any_text_is_a_query(self, store: Store, query: str) -> None:
        """No user input fails."""
        assert isinstance(store.search_text(query, 3), list)

    def test_survives_reopening(self, store: Store, make_store: Callable[[], Store]) -> None:
        """A second instance sees the last commit, and a later one of the first instance."""
        second = make_store()
        assert list(second.chunks()) == list(store.chunks())
        store.replace({"travel.md": ""}, [], np.zeros((0, 0), dtype=np.float32))
        assert second.documents() == {"leave.md": "v1"}
        assert self.found(second, "trains")["text"] == []

    def test_the_dimension_may_change_when_all_is_replaced(self, store: Store) -> None:
        """Another embedder needs no new folder, only that everything is embedded again."""
        chunks = list(store.chunks())
        narrow = HashingEmbedder(HashingEmbedder.Options(dimension=32))
        store.replace(
            {"leave.md": "v2", "travel.md": "v2"}, chunks, narrow.encode([c.searchable for c in chunks])
        )
        assert store.documents() == {"leave.md": "v2", "travel.md": "v2"}
        assert store.search_dense(narrow.encode(["annual leave"])[0], 1)[0][0].document == "leave.md"


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
