"""What the LanceDB store searches with: the arrays in memory against plain formulas, an old reader against a fresh one."""

import math
import random
import threading
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.backends.stores import bm25_index, lance_disk, vector_index
from graft.backends.stores.bm25_index import Bm25Index, packed, tokens
from graft.backends.stores.store_lancedb import LanceStore
from graft.backends.stores.top import at_least_kth
from graft.backends.stores.vector_index import VectorIndex
from graft.errors import BackendError
from graft.protocols import Filter
from graft.testing.fakes import HashingEmbedder
from graft.testing.stores import sample_chunks

WORDS = [f"w{number}" for number in range(12)]
TEXTS = st.lists(st.lists(st.sampled_from(WORDS), max_size=9), min_size=1, max_size=30)


def grown(index: Bm25Index, texts: list[list[str]]) -> Bm25Index:
    terms = [packed(text) for text in texts]
    return index.grown(np.concatenate(terms), np.array([len(part) for part in terms]))


def plain_bm25(texts: list[list[str]], query: list[str], k1: float = 1.2, b: float = 0.75) -> list[float]:
    """The formula, word by word."""
    average = sum(map(len, texts)) / len(texts)
    scores = []
    for text in texts:
        score, counts = 0.0, Counter(text)
        for word in query:
            having = sum(word in other for other in texts)
            idf = math.log(1 + (len(texts) - having + 0.5) / (having + 0.5))
            norm = k1 * (1 - b + b * len(text) / average) if average else k1
            score += idf * counts[word] * (k1 + 1) / (counts[word] + norm)
        scores.append(score)
    return scores


@settings(deadline=None, max_examples=60)
@given(TEXTS, st.lists(st.sampled_from([*WORDS, "unseen"]), max_size=6), st.data())
def test_bm25_is_the_formula_however_the_index_grew(texts, query, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(texts)), max_size=3)))
    index = Bm25Index()
    for low, high in zip([0, *cuts], [*cuts, len(texts)], strict=True):
        if high > low:
            index = grown(index, texts[low:high])
    live = np.array(data.draw(st.lists(st.booleans(), min_size=len(texts), max_size=len(texts))))
    if not live.any():
        live[0] = True
    wanted = np.zeros(len(texts))
    wanted[live] = plain_bm25([text for text, alive in zip(texts, live, strict=True) if alive], query)
    rows, scores = index.search(query, len(texts), live=None if live.all() else live)
    assert sorted(rows.tolist()) == np.flatnonzero(wanted > 0).tolist()
    assert np.allclose(scores, wanted[rows], rtol=1e-4)


def test_bm25_over_several_segments_and_frequent_words(monkeypatch):
    monkeypatch.setattr(bm25_index, "SEGMENT_ROWS", 64)
    rng = random.Random(3)
    texts = [[rng.choice(WORDS[: 1 + row % 12]) for _ in range(1 + row % 7)] for row in range(500)]
    index = grown(Bm25Index(), texts)
    wanted = np.array(plain_bm25(texts, ["w0", "w11", "w5", "w0"]))
    rows, scores = index.search(["w0", "w11", "w5", "w0"], 10)
    assert np.allclose(np.sort(scores)[::-1][:10], np.sort(wanted)[::-1][:10], rtol=1e-4)
    allowed = np.arange(500) % 3 == 0
    rows, scores = index.search(["w0"], 5, allowed)
    assert allowed[rows].all()
    assert np.allclose(
        np.sort(scores)[::-1][:5], np.sort(np.array(plain_bm25(texts, ["w0"]))[allowed])[::-1][:5], rtol=1e-4
    )


@pytest.mark.parametrize("share", [1.0, 0.4])
def test_frequent_words_are_passed_over_only_where_they_cannot_matter(share):
    """Rare words decide, words of half of the texts are added for the best alone: the result is that of adding all."""
    rng = random.Random(4)
    common = ["the", "of", "what"]
    texts = [
        [*(f"r{rng.randint(0, 60)}" for _ in range(2)), *rng.choices(common, k=rng.randint(0, 5))]
        for _ in range(2000)
    ]
    index = grown(Bm25Index(), texts)
    allowed = None if share == 1 else np.array([rng.random() < share for _ in texts])
    for number in range(20):
        query = ["what", "the", f"r{number}", f"r{number + 7}", "of", "r0"]
        wanted = np.array(plain_bm25_of(texts, query))
        wanted = wanted if allowed is None else wanted * allowed
        rows, scores = index.search(query, 10, allowed)
        assert np.allclose(np.sort(scores)[::-1][:10], np.sort(wanted)[::-1][:10], rtol=1e-4)
        assert set(rows.tolist()) >= set(np.flatnonzero(wanted > np.sort(wanted)[-10] * 1.0001).tolist())


def plain_bm25_of(texts: list[list[str]], query: list[str]) -> list[float]:
    """The formula where few different words are asked for."""
    having = {word: sum(word in text for text in texts) for word in query}
    average = sum(map(len, texts)) / len(texts)
    idf = {word: math.log(1 + (len(texts) - count + 0.5) / (count + 0.5)) for word, count in having.items()}
    scores = []
    for text in texts:
        norm = 1.2 * (0.25 + 0.75 * len(text) / average)
        scores.append(sum(idf[word] * (n := text.count(word)) * 2.2 / (n + norm) for word in query))
    return scores


def test_a_long_text_and_a_frequent_word_are_counted_within_what_a_byte_holds():
    long = grown(Bm25Index(), [["a"] * 300 + ["b"] * 30_000, ["a", "c"]])
    rows, scores = long.search(["a"], 2)
    assert dict(zip(rows.tolist(), scores > 0, strict=True)) == {0: True, 1: True}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The cars' engines, naïvely", ["the", "car", "engin", "naiv"]),
        ("新型冠状病毒的潜伏期", ["新型", "冠状", "病毒", "的", "潜伏期"]),
        ("", []),
    ],
)
def test_words_are_folded_stemmed_and_segmented(text, found):
    assert tokens(text, "English", stop_words=True) == found


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 40), max_size=200), st.integers(1, 12), st.booleans())
def test_at_least_kth_is_what_sorting_finds(numbers, k, large):
    values = np.array(numbers * (400 if large else 1), dtype=np.float32)
    found = at_least_kth(values, k)
    wanted = np.flatnonzero(values >= np.sort(values)[::-1][min(k, len(values)) - 1]) if len(values) else []
    assert found.tolist() == list(wanted)


@pytest.mark.parametrize("share", [1.0, 0.5, 0.02])
def test_two_passes_find_exactly_what_one_finds(share, monkeypatch):
    monkeypatch.setattr(vector_index, "_FEW", 100)
    rng = np.random.default_rng(7)
    vectors = rng.standard_normal((3000, 32)).astype(np.float32)
    vectors[::2] = vectors[0] + 0.05 * vectors[::2]  # many nearly equal ones, where 8 bits cannot tell
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    index = VectorIndex.empty(32, 10)
    for low in range(0, 3000, 700):
        index = index.grown(vectors[low : low + 700])
    allowed = None if share == 1 else rng.random(3000) < share
    for query in vectors[:40]:
        rows, scores = index.search(query, 10, allowed)
        products = np.round(vectors @ query, 6)
        products = products if allowed is None else np.where(allowed, products, -9)
        assert np.allclose(np.sort(scores)[::-1][:10], np.sort(products)[::-1][:10], atol=2e-6)
        assert set(rows.tolist()) >= set(np.flatnonzero(products > np.sort(products)[-10] + 2e-6).tolist())


def test_an_older_index_is_not_disturbed_by_two_that_grew_from_it():
    rng = np.random.default_rng(1)
    first = VectorIndex.empty(8, 4).grown(rng.standard_normal((4, 8)).astype(np.float32))
    one, two = (first.grown(rng.standard_normal((3, 8)).astype(np.float32)) for _ in range(2))
    assert (len(first), len(one), len(two)) == (4, 7, 7)
    assert np.array_equal(one.memory.codes[:4], two.memory.codes[:4])
    assert not np.array_equal(one.memory.codes[4:7], two.memory.codes[4:7])


def put(store: LanceStore, name: str, state: str, texts: list[str]) -> None:
    chunks = sample_chunks(name, texts, team=name[-1])
    vectors = HashingEmbedder().encode([chunk.searchable for chunk in chunks])
    store.replace({name: state}, chunks, vectors if chunks else np.zeros((0, 0), dtype=np.float32))


@pytest.mark.parametrize("vectors", ["auto", "int8", "disk"])
def test_a_reader_that_followed_every_commit_answers_like_a_fresh_one(tmp_path, vectors, monkeypatch):
    monkeypatch.setattr("graft.backends.stores.store_lancedb._MOST_FRAGMENTS", 6)
    rng, options = random.Random(5), LanceStore.Options(vectors=vectors)
    writer, reader = LanceStore(tmp_path, options), LanceStore(tmp_path, options)
    query = HashingEmbedder().encode(["w1 w2 w3"])[0]
    for step in range(24):
        texts = [" ".join(rng.choices(WORDS, k=rng.randint(1, 8))) for _ in range(rng.randint(0, 4))]
        put(writer, f"d{rng.randint(0, 9)}", f"v{step}", texts)
        if step % 5 == 4:
            writer.optimize()
        if step % 3 == 0:
            continue  # several commits at once
        fresh = LanceStore(tmp_path, options)
        for where in (None, Filter({"team": ("1", "2")}), Filter(documents=("d3", "d4"))):
            assert reader.search_dense(query, 7, where) == fresh.search_dense(query, 7, where)
            assert reader.search_text("w1 w2 w3", 7, where) == fresh.search_text("w1 w2 w3", 7, where)
        assert list(reader.chunks()) == list(fresh.chunks())
        assert len(reader) == len(fresh) == len(list(fresh.chunks()))


def test_a_query_under_way_keeps_its_version(tmp_path):
    store = LanceStore(tmp_path)
    put(store, "a1", "v1", ["one two", "three"])
    reading = store.chunks()
    first = next(reading)
    put(LanceStore(tmp_path), "a1", "v2", ["four"])
    assert [first.text, *(chunk.text for chunk in reading)] == ["one two", "three"]
    assert [chunk.text for chunk in store.chunks()] == ["four"]


def test_copies_in_eight_bits_are_rescored_from_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(vector_index, "_FEW", 50)
    exact, copies = (LanceStore(tmp_path, LanceStore.Options(vectors=name)) for name in ("auto", "int8"))
    for number in range(8):
        put(
            exact,
            f"d{number}",
            "v",
            [f"{' '.join(random.Random(row).choices(WORDS, k=5))} x{row}" for row in range(number, 400, 8)],
        )
    query = HashingEmbedder().encode(["w1 w2 x17"])[0]
    assert copies.search_dense(query, 10) == exact.search_dense(query, 10)
    health = copies.health()
    assert (health.search, health.rows, health.recall) == ("int8", 400, 1.0)
    assert health.memory_bytes < exact.health().memory_bytes


def test_nobody_waits_for_a_compaction_but_who_would_undo_it(tmp_path, monkeypatch):
    monkeypatch.setattr("graft.backends.stores.store_lancedb._MOST_FRAGMENTS", 3)
    released, begun = threading.Event(), threading.Event()

    class Slow(LanceStore):
        def _compact(self):
            begun.set()
            released.wait(10)
            super()._compact()

    store, reader = Slow(tmp_path), LanceStore(tmp_path)
    for number in range(5):
        put(store, f"d{number}", "v1", [f"w{number}"])
    store.optimize()
    assert begun.wait(10)
    put(store, "d5", "v1", ["w5"])  # an addition goes on
    assert [chunk.text for chunk, _ in reader.search_text("w5", 3)] == ["w5"]
    edit = threading.Thread(target=put, args=(store, "d5", "v2", ["w6"]))
    edit.start()
    edit.join(0.2)
    assert edit.is_alive()
    assert [chunk.text for chunk, _ in store.search_text("w5", 3)] == ["w5"]  # and so does a query
    released.set()
    edit.join(10)
    store.close()
    assert store._latest().stats()["fragment_stats"]["num_fragments"] <= 3
    for each in (store, reader):
        assert sorted(chunk.text for chunk in each.chunks()) == ["w0", "w1", "w2", "w3", "w4", "w6"]


def test_a_compaction_that_fails_is_told_at_the_next_update(tmp_path, monkeypatch):
    monkeypatch.setattr("graft.backends.stores.store_lancedb._MOST_FRAGMENTS", 3)
    store = LanceStore(tmp_path)
    for number in range(5):
        put(store, f"d{number}", "v1", [f"w{number}"])
    monkeypatch.setattr(store, "_versions", lambda: int("a full disk"))
    store._compact()
    monkeypatch.undo()
    with pytest.raises(BackendError, match="a full disk"):
        store.optimize()
    store.optimize()


@pytest.mark.parametrize("share", [1.0, 0.3])
def test_signs_leave_in_what_is_near(share):
    rng = np.random.default_rng(3)
    centres = rng.standard_normal((200, 96))
    vectors = (centres[rng.integers(0, 200, 20_000)] + 0.8 * rng.standard_normal((20_000, 96))).astype(
        np.float32
    )
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    whole, chosen = (VectorIndex.empty(96, 20_000, many=many).grown(vectors) for many in (None, 10_000))
    assert (whole.chosen, chosen.chosen) == (False, True)
    allowed = None if share == 1 else rng.random(20_000) < share
    shares = []
    for query in vectors[::400]:
        true, near = (set(index.search(query, 10, allowed)[0].tolist()) for index in (whole, chosen))
        assert near <= true or len(near) >= 10
        assert allowed is None or all(allowed[row] for row in near)
        shares.append(len(true & near) / len(true))
    assert np.mean(shares) >= 0.98


@pytest.mark.slow
def test_beyond_the_budget_an_index_on_disk_reaches_the_recall_it_reports(tmp_path, monkeypatch):
    rng = np.random.default_rng(2)
    centres = rng.standard_normal((300, 64))
    vectors = (centres[rng.integers(0, 300, 12_000)] + 0.7 * rng.standard_normal((12_000, 64))).astype(
        np.float32
    )
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    store = LanceStore(tmp_path, LanceStore.Options(memory_mb=0))
    chunks = sample_chunks("d.md", [f"passage {number}" for number in range(12_000)])
    store.replace({"d.md": "v"}, chunks, vectors)
    store.optimize()
    health = store.health()
    assert (health.search, health.rows) == ("disk", 12_000)
    assert health.recall >= lance_disk._GOAL
    hits = [{chunk.text for chunk, _ in store.search_dense(vector, 10)} for vector in vectors[5::400]]
    true = [{f"passage {row}" for row in np.argsort(-(vectors @ vector))[:10]} for vector in vectors[5::400]]
    assert np.mean([len(a & b) / 10 for a, b in zip(hits, true, strict=True)]) > 0.95
