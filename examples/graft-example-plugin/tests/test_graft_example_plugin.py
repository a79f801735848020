"""The store passes GRAFT's own conformance suite, by inheriting it."""

import pytest
from graft_example_plugin import SqliteStore, quoted

from graft.testing.retrieval import StoreConformance, sample_chunks
from graft.types import Answer, Citation, Message, Question, Row, Value


class TestSqliteStore(StoreConformance):
    @pytest.fixture
    def make_store(self, tmp_path):
        return lambda: SqliteStore(tmp_path / "index", SqliteStore.Options())


@pytest.mark.parametrize(("porter", "found"), [(True, 1), (False, 0)])
def test_english_words_match_by_their_stem(tmp_path, porter, found):
    store = SqliteStore(tmp_path, SqliteStore.Options(porter=porter))
    chunks = sample_chunks("travel.md", ["Flights need an approval."])
    store.replace({"travel.md": "v1"}, chunks, StoreConformance.vectors(chunks))
    store.optimize()
    assert len(store.search_text("approvals", 5)) == found


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (
            Answer("You get 25 days [1].", citations=(Citation(1, "a", 0, 9, "Staff get 25 days"),)),
            Value(0.75),
        ),
        (Answer("You get 25 days."), Value(None, "no citation")),
        (Answer("[1]", citations=(Citation(1, "a", 0, 1, "x"),)), Value(None, "no words")),
        (Answer("I don't know.", abstained=True), Value(None, "no answer")),
        (None, Value(None, "no answer")),
    ],
)
def test_quoted_is_the_share_of_words_from_the_sources(answer, expected):
    question = Question("q", (Message("user", "How many days?"),))
    assert quoted(question, Row("q", "rag", "ok" if answer else "error", answer)) == expected
