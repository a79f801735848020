"""The conformance suite for stores; see `graft.testing.retrieval` for how to inherit it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from graft import protocols
from graft.protocols import Filter, Matrix, Store
from graft.testing.fakes import HashingEmbedder
from graft.types import Chunk, content_hash


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
        assert made.health().rows == 0

    def test_says_how_it_searches(self, store: Store) -> None:
        """Health counts what is stored and what it takes."""
        health = store.health()
        assert (health.rows, bool(health.search)) == (4, True)
        assert health.recall is None or 0 <= health.recall <= 1
        assert min(health.disk_bytes, health.memory_bytes) >= 0

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

    def test_keeps_the_span_that_is_shown(self, store: Store) -> None:
        """A chunk cut small only to be found comes back with the wider span that the reader gets."""
        small = sample_chunks("pets.md", ["Dogs are welcome.", "Cats are not."])
        small = [dataclasses.replace(small[0], shown=(0, 31)), small[1]]
        store.replace({"pets.md": "v1"}, small, self.vectors(small))
        assert list(store.chunks(["pets.md"])) == small
        assert [chunk for chunk, _ in store.search_text("dogs", 1)] == small[:1]

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

    def test_a_reading_agrees_with_the_lists(self, store: Store) -> None:
        """A store that lists rows lists those of the chunks that it lists, and stays at its version."""
        if not isinstance(store, protocols.Readable):
            pytest.skip("the store lists chunks")
        reading = store.reading()
        vector = HashingEmbedder().encode(["annual leave"])[0]
        for where in (None, Filter({"team": "people"}), Filter({"team": "nobody"})):
            for listed, hits in (
                (reading.dense(vector, 3, where), store.search_dense(vector, 3, where)),
                (reading.text("leave", 3, where), store.search_text("leave", 3, where)),
            ):
                made = list(zip(reading.chunks(listed.rows), listed.scores.tolist(), strict=True))
                assert made == hits
                assert list(reading.ids(listed.rows)) == [chunk.id for chunk, _ in hits]
            assert reading.holds("leave", where) == bool(store.search_text("leave", 1, where))
        rows = reading.text("unused", 5).rows
        store.replace({"leave.md": ""}, [], np.zeros((0, 0), dtype=np.float32))
        assert [chunk.text for chunk in reading.chunks(rows)] == ["Unused leave moves to March."]
        assert not store.reading().holds("unused")

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
