"""Filters on metadata: ranges against a reference that knows nothing of texts, narrowing, and stores against
`Filter.allows`."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.backends.stores.store_lancedb import LanceStore
from graft.config import read
from graft.errors import ConfigError
from graft.filters import Filter, Range, parsed
from graft.testing.fakes import HashingEmbedder, MemoryStore
from graft.types import Chunk

NUMBERS = st.integers(-20, 20) | st.integers(-200, 200).map(lambda n: n / 10)
DAYS = st.dates(dt.date(2019, 1, 1), dt.date(2026, 12, 31))
SIGNS = {"gte": ">=", "gt": ">", "lte": "<=", "lt": "<"}
HOLDS = {
    "gte": lambda a, b: a >= b, "gt": lambda a, b: a > b, "lte": lambda a, b: a <= b, "lt": lambda a, b: a < b,
}  # fmt: skip


def chunk(number: int = 0, **metadata: object) -> Chunk:
    return Chunk(f"c{number}", f"d{number}", 0, 5, "leave", metadata=metadata)


@pytest.mark.parametrize("kind", [NUMBERS, DAYS])
@pytest.mark.parametrize("name", HOLDS)
@given(data=st.data())
@settings(deadline=None, max_examples=40)
def test_a_bound_compares_like_python_does(kind, name, data):
    value, bound = data.draw(kind), data.draw(kind)
    written = bound.isoformat() if isinstance(bound, dt.date) else bound
    where = Filter.of({"at": {name: written}})
    assert where.allows(chunk(at=str(value))) == HOLDS[name](value, bound)
    assert parsed([f"at{SIGNS[name]}{written}"]).allows(chunk(at=str(value))) == HOLDS[name](value, bound)


@pytest.mark.parametrize(("bounds", "inside", "outside"), [
    ({"lte": "2024"}, ["2024-12-31", "2024-12-31T23:59", 2024, "2024-06"], ["2025-01-01", 2025]),
    ({"gt": "2024-02"}, ["2024-03-01", "2024-03"], ["2024-02-29", "2024-02", "2024"]),
    ({"gt": "2024-05-01"}, ["2024-05-02", "2024-5-2", 20240502], ["2024-05-01", "2024-05-01T18:00", "2024-5-1"]),
    ({"gte": "2024-05-01T12:00"}, ["2024-05-01T12:00Z", "2024-05-01T15:30+02:00"], ["2024-05-01", "2024-05-01T13:00+02:00"]),
    ({"gte": "2023-01-01", "lt": "2024-01-01"}, ["2023-07-01", 2023, 1_690_000_000], ["2024-01-01", 1_710_000_000]),
    ({"gte": 2020}, [2020, "2021", "2020-03-01"], [2019, "2019-12-31"]),
    ({"gt": 2}, [3, "2.5", [1, 9]], [2, "two", None, True, [], "2"]),
    ({"gte": "9999-12-31"}, ["9999-12-31"], ["2024", "99999-01-01", "0000-01-01", "2024-13-01", "2024-02-30", "nan"]),
])  # fmt: skip
def test_dates_stand_for_all_of_their_time_and_what_is_neither_never_matches(bounds, inside, outside):
    where = Filter.of({"at": bounds})
    assert [value for value in inside if not where.allows(chunk(at=value))] == []
    assert [value for value in outside if where.allows(chunk(at=value))] == []
    assert not where.allows(chunk())


@pytest.mark.parametrize(
    "bounds", [{}, {"gte": "soon"}, {"since": "2024"}, {"lt": True}, {"gte": "nan"}, {"gte": ""}]
)
def test_a_bound_that_means_nothing_is_refused(bounds):
    with pytest.raises(ConfigError) as error:
        Filter.of({"at": bounds})
    assert error.value.hint


def test_a_command_line_says_either_and_between():
    where = parsed(["team=people", "team=it", "at>=2024-01-01", "at<2025"])
    assert where == Filter(
        {"team": ("people", "it")}, ranges={"at": (Range(gte="2024-01-01"), Range(lt="2025"))}
    )
    assert parsed([]) is None
    assert parsed(["note=a>=b"]) == Filter({"note": ("a>=b",)})
    with pytest.raises(ConfigError, match="not key=value"):
        parsed(["team"])


def test_a_project_file_is_told_of_a_bad_range(tmp_path):
    (tmp_path / "graft.toml").write_text('[retrieval]\nwhere = { updated = { after = "2024" } }\n')
    with pytest.raises(ConfigError, match=r"'where' in \[retrieval\].*'after' is no bound"):
        read(tmp_path / "graft.toml")
    (tmp_path / "graft.toml").write_text("[retrieval]\nwhere = { updated = { gte = 2024-01-01 } }\n")
    assert Filter.of(read(tmp_path / "graft.toml").retrieval.where).allows(chunk(updated="2024-01-01"))


# --- narrowing, and stores -------------------------------------------------------------------------------------------

KEYS = st.sampled_from(["team", "updated", "level"])
ITEMS = st.sampled_from(["people", "it", "2024-01-31", "2024-02", "2025", 3, 2.5, "10", True])
METADATA = st.dictionaries(KEYS, ITEMS | st.lists(ITEMS, max_size=3), max_size=3)
BOUNDS = st.sampled_from(["2024-01-31", "2024", "2024-02-15T10:00", 2, 3.5, "10", 2024])
RULES = st.dictionaries(
    KEYS,
    ITEMS
    | st.lists(ITEMS, max_size=2)
    | st.dictionaries(st.sampled_from(list(HOLDS)), BOUNDS, min_size=1, max_size=2),
    max_size=3,
)


@given(METADATA, RULES, RULES)
@settings(deadline=None, max_examples=300)
def test_two_rules_allow_no_more_than_each(metadata, own, asked):
    one, other, both = Filter.of(own), Filter.of(asked), Filter.of(own).narrowed(Filter.of(asked))
    held = chunk(**metadata)
    if both.allows(held):
        assert one.allows(held)
        assert other.allows(held)
    if not any(
        isinstance(value, list) for value in metadata.values()
    ):  # one value a key: the rules are simply both
        assert both.allows(held) == (one.allows(held) and other.allows(held))
    assert both.key == other.narrowed(one).key
    assert hash(both) == hash(other.narrowed(one))


@pytest.mark.parametrize("tier", ["memory", "auto", "disk"])
@given(documents=st.lists(METADATA, min_size=1, max_size=8), rules=st.lists(RULES, min_size=1, max_size=4))
@settings(deadline=None, max_examples=15)
def test_every_store_searches_within_the_filter_and_finds_all_of_it(tmp_path_factory, tier, documents, rules):
    folder = tmp_path_factory.mktemp("filters")
    store = MemoryStore() if tier == "memory" else LanceStore(folder, LanceStore.Options(vectors=tier))
    embedder = HashingEmbedder()
    chunks = [chunk(number, **metadata) for number, metadata in enumerate(documents)]
    for part in (chunks[::2], chunks[1::2]):  # two commits
        vectors = embedder.encode([one.searchable for one in part])
        store.replace({one.document: "v" for one in part}, part, np.asarray(vectors))
    query = embedder.encode(["leave"])[0]
    for rule in rules:
        where = Filter.of(rule)
        expected = {one.id for one in chunks if where.allows(one)}
        assert {one.id for one, _ in store.search_dense(query, 20, where)} == expected
        assert {one.id for one, _ in store.search_text("leave", 20, where)} == expected
