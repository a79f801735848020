"""The ranking steps: weighted fusion, boosts, reranking, diversity, thresholds."""

import math
from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.errors import BackendError
from graft.retrieval import fusion
from graft.retrieval.diversity import diversify, likeness
from graft.retrieval.lists import Numbered
from graft.retrieval.lists import hits as hits_of
from graft.retrieval.refine import boost, day_of, freshen, keep_above, rerank
from graft.retrieval.terms import is_spaced, words
from graft.types import Chunk, Hit

CHUNKS = [Chunk(name, "d", at, at + 1, name) for at, name in enumerate("abcdefgh")]
A, B, C = CHUNKS[:3]


def ids(hits):
    return "".join(hit.chunk.id for hit in hits)


def fused(method, ranked, *values, **options):
    """Fuse lists of chunks."""
    source = Numbered()
    lists = {name: source.listed(one) for name, one in ranked.items()}
    return hits_of(method(lists, source.ids, *values, **options), lists, source)


def reciprocal_rank_fusion(ranked):
    return fused(fusion.reciprocal_rank_fusion, ranked)


def weighted_fusion(ranked, depth):
    return fused(fusion.weighted_fusion, ranked, depth)


def fuse(ranked, depth, shares=None, **options):
    return fused(lambda lists, ids: fusion.fuse(lists, depth, shares or {}, ids, **options), ranked)


def hit(text, score, **metadata):
    return Hit(Chunk(text, "d", 0, len(text), text, metadata=metadata), score)


# --- fusion ----------------------------------------------------------------------------------------------------------


def test_weighted_fusion_adds_standardised_scores():
    hits = weighted_fusion({"dense": [(A, 0.9), (B, 0.5)], "bm25": [(B, 8.0), (C, 4.0)]}, depth=2)
    # dense 0.9, 0.5 and its lowest for C: mean 0.6333, deviation 0.18856. bm25 4 for A, 8, 4: 5.3333, 1.88562.
    low, high = -1 / math.sqrt(2), math.sqrt(2)
    wanted = {"a": (high + low) / 2, "b": (low + high) / 2, "c": low}
    assert {one.chunk.id: round(one.score, 9) for one in hits} == {k: round(v, 9) for k, v in wanted.items()}
    assert ids(hits) == "abc"
    assert hits[1] == Hit(B, hits[1].score, {"dense": 2, "bm25": 1}, {"dense": 0.5, "bm25": 8.0})


def test_a_list_shorter_than_its_depth_says_zero_of_the_rest():
    lists = {"dense": [(A, 0.9), (C, 0.89), (B, 0.88)], "bm25": [(C, 7.0)]}
    assert ids(weighted_fusion(lists, depth=3)) == "cab"


def test_weights_and_shares_move_the_ranking():
    lists = {"dense": [(A, 0.9), (B, 0.1)], "bm25": [(B, 9.0), (A, 1.0)]}
    for method in ("weighted", "rrf"):
        assert ids(fuse(lists, 2, method=method, weights={"dense": 2.0})) == "ab"
        assert ids(fuse(lists, 2, method=method, weights={"bm25": 2.0})) == "ba"
        assert ids(fuse(lists, 2, {"dense": 0.5}, method=method)) == "ba"
    reworded = {**lists, "dense/hyde": [(A, 0.9), (B, 0.1)]}
    assert ids(fuse(reworded, 2, weights={"dense": 0.2})) == "ba"  # the kind's weight holds for its wordings


def test_one_list_keeps_its_own_scores():
    assert fuse({"bm25": [(A, 3.0), (B, 2.0)]}, 5) == [
        Hit(A, 3.0, {"bm25": 1}, {"bm25": 3.0}),
        Hit(B, 2.0, {"bm25": 2}, {"bm25": 2.0}),
    ]


def test_fusing_nothing_and_equal_scores():
    assert weighted_fusion({}, 5) == []
    assert weighted_fusion({"dense": [], "bm25": []}, 5) == []
    assert ids(weighted_fusion({"dense": [(B, 1.0), (A, 1.0)]}, 2)) == "ab"


SCORES = st.lists(st.floats(-1, 1).map(lambda x: round(x, 6)), min_size=8, max_size=8)


@given(SCORES, SCORES, st.floats(0.1, 10), st.floats(-5, 5))
@settings(deadline=None, max_examples=60)
def test_weighted_fusion_does_not_know_a_lists_scale(dense, sparse, factor, shift):
    """Stretching or moving one list's scores changes no place, as long as the list is full."""

    def ranked(scores):
        return sorted(zip(CHUNKS, scores, strict=True), key=lambda pair: (-pair[1], pair[0].id))

    first = weighted_fusion({"dense": ranked(dense), "bm25": ranked(sparse)}, depth=8)
    moved = [factor * score + shift for score in sparse]
    again = weighted_fusion({"bm25": ranked(moved), "dense": ranked(dense)}, depth=8)
    assert {one.chunk.id: round(one.score, 4) for one in first} == pytest.approx(
        {one.chunk.id: round(one.score, 4) for one in again}, abs=2e-3
    ) or np.std(sparse) < 1e-6


@given(st.lists(st.permutations(range(8)), min_size=1, max_size=3), st.integers(1, 8))
@settings(deadline=None, max_examples=60)
def test_every_fusion_holds_each_chunk_once_best_first(orders, depth):
    lists = {
        str(number): [(CHUNKS[at], 1.0 - place / 8) for place, at in enumerate(order[:depth])]
        for number, order in enumerate(orders)
    }
    union = {chunk.id for ranked in lists.values() for chunk, _ in ranked}
    for hits in (weighted_fusion(lists, depth), reciprocal_rank_fusion(lists)):
        assert sorted(ids(hits)) == sorted(union)
        assert [one.score for one in hits] == sorted((one.score for one in hits), reverse=True)


# --- boosts ----------------------------------------------------------------------------------------------------------


def test_boosts_are_in_deviations_of_the_scores():
    hits = [hit("a", 4.0, status="old"), hit("b", 2.0, status="current"), hit("c", 0.0)]  # deviation 1.633
    assert ids(boost(hits, {"status=current": 1.0})) == "abc"
    lifted = boost(hits, {"status=current": 1.5})
    assert ids(lifted) == "bac"
    assert lifted[0].score == pytest.approx(2.0 + 1.5 * math.sqrt(8 / 3))
    assert ids(boost(hits, {"status=old": -3.0})) == "bca"
    assert boost(hits, {"team=x": 1.0}) == hits
    assert boost([], {"team=x": 1.0}) == []


def test_boosts_match_as_filters_do():
    hits = [hit("a", 1.0), hit("b", 1.0, tags=["x", "y"], level=3)]
    assert ids(boost(hits, {"tags=y": 1.0})) == "ba"
    assert ids(boost(hits, {"level=3": 1.0})) == "ba"


def test_newer_passages_rise_by_their_age_against_the_newest():
    hits = [hit("a", 1.0), hit("b", 1.0, date="2024-01-01"), hit("c", 1.0, date="2026-01-01")]
    fresh = freshen(hits, "date", half_life_days=731, weight=1.0)
    assert ids(fresh) == "cba"
    assert [one.score for one in fresh] == pytest.approx([2.0, 1.5, 1.0])
    assert freshen(hits, "missing", 10, 1.0) == hits


@pytest.mark.parametrize(
    ("value", "day"),
    [
        ("2026-11-21", datetime(2026, 11, 21, tzinfo=UTC)),
        ("2026-11-21T10:00:00Z", datetime(2026, 11, 21, 10, tzinfo=UTC)),
        ("2026-3", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-3-1", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026", datetime(2026, 1, 1, tzinfo=UTC)),
        (2026, datetime(2026, 1, 1, tzinfo=UTC)),
        (date(2020, 2, 29), datetime(2020, 2, 29, tzinfo=UTC)),
        (datetime(2020, 2, 29, 12, tzinfo=UTC), datetime(2020, 2, 29, 12, tzinfo=UTC)),
        (86_400.0 * 365, datetime(1971, 1, 1, tzinfo=UTC)),
        ("1714521600", datetime(2024, 5, 1, tzinfo=UTC)),
        (1_714_521_600, datetime(2024, 5, 1, tzinfo=UTC)),
        ("20240501", datetime(2024, 5, 1, tzinfo=UTC)),
        (20240501, datetime(2024, 5, 1, tzinfo=UTC)),
        ("2026-02-31", None),
        ("soon", None),
        (None, None),
        (True, None),
        (float("nan"), None),
        ("1e999", None),
        (["2026"], None),
    ],
)
def test_dates_are_read_or_left(value, day):
    assert day_of(value) == (None if day is None else day.timestamp() / 86_400)


def test_wrong_boosts_are_refused():
    with pytest.raises(ValueError, match="not key=value"):
        boost([hit("a", 1.0)], {"status": 1.0})
    with pytest.raises(ValueError, match="positive"):
        freshen([hit("a", 1.0)], "date", 0, 1.0)


# --- rerank and threshold --------------------------------------------------------------------------------------------


class Longest:
    fingerprint = "longest"

    def score(self, query, texts):
        return [float(len(text)) for text in texts]


def test_a_reranker_reads_the_first_hits_and_the_rest_is_dropped():
    hits = [hit("aa", 3.0), hit("aaaa", 2.0), hit("aaaaaa", 1.0)]
    assert rerank(Longest(), "q", hits, 2) == [
        replace(hits[1], score=4.0, scores={"rerank": 4.0}),
        replace(hits[0], score=2.0, scores={"rerank": 2.0}),
    ]


def test_a_weight_lets_the_search_have_its_say():
    hits = [hit("aa", 5.0), hit("aaaa", 4.0), hit("aaa", 0.0)]
    longest, both, found = (rerank(Longest(), "q", hits, 3, weight) for weight in (1.0, 0.5, 0.0))
    assert [one.chunk.text for one in longest] == ["aaaa", "aaa", "aa"]
    assert [one.chunk.text for one in both] == ["aaaa", "aa", "aaa"]
    assert [one.chunk.text for one in found] == ["aa", "aaaa", "aaa"]
    assert sum(one.score for one in both) == pytest.approx(0, abs=1e-6)
    assert [one.scores["rerank"] for one in both] == [4.0, 2.0, 3.0]
    alike = [hit("ab", 2.0), hit("ba", 1.0)]
    assert [one.chunk.text for one in rerank(Longest(), "q", alike, 2, 0.5)] == ["ab", "ba"]
    assert rerank(Longest(), "q", [], 5, 0.5) == []


@pytest.mark.parametrize("scores", [[1.0], [1.0, float("nan")]])
def test_a_reranker_that_returns_nonsense_is_an_error(scores):
    class Broken(Longest):
        def score(self, query, texts):
            return scores

    with pytest.raises(BackendError, match="reranker"):
        rerank(Broken(), "q", [hit("a", 1.0), hit("b", 0.5)], 5)


def test_a_threshold_drops_what_its_list_finds_weak_and_keeps_what_it_does_not_hold():
    strong, weak = Hit(A, 3, scores={"dense": 0.5}), Hit(B, 2, scores={"dense": 0.2, "bm25": 9})
    other = Hit(C, 1, scores={"bm25": 4})
    assert keep_above([strong, weak, other], {"dense": 0.3}) == [strong, other]
    assert keep_above([strong, weak, other], {"dense": 0.3, "bm25": 5}) == [strong]
    assert keep_above([strong, weak], {}) == [strong, weak]


# --- diversity -------------------------------------------------------------------------------------------------------


def test_repetitions_move_behind_what_is_new():
    hits = [
        hit("the leave policy gives 25 days", 1.0),
        hit("the leave policy gives 25 days now", 0.9),
        hit("trains are booked early", 0.6),
    ]
    assert diversify(hits, 0.0) == hits
    chosen = diversify(hits, 0.5)
    assert [hits.index(replace(one, score=one.scores["relevance"], scores={})) for one in chosen] == [0, 2, 1]


@given(
    st.lists(st.tuples(st.text("ab ", max_size=8), st.floats(-3, 3)), max_size=8),
    st.floats(0, 1),
    st.integers(1, 9),
)
@settings(deadline=None, max_examples=60)
def test_diversity_only_reorders_and_its_scores_descend(pairs, novelty, first):
    hits = [Hit(Chunk(str(n), "d", 0, 1, text), score) for n, (text, score) in enumerate(pairs)]
    hits.sort(key=lambda one: -one.score)
    chosen = diversify(hits, novelty, first)
    assert len({one.chunk.id for one in chosen}) == len(chosen)
    assert {one.chunk.id for one in chosen} <= {one.chunk.id for one in hits}
    assert [one.score for one in chosen] == sorted((one.score for one in chosen), reverse=True)
    if hits:
        assert chosen[0].chunk == hits[0].chunk or hits[0].score == chosen[0].scores["relevance"]


def test_likeness_is_one_for_the_same_words_and_zero_without_any_in_common():
    table = likeness(["a b c", "c b a", "x y", ""])
    assert np.allclose(table[:3, :3], [[1, 1, 0], [1, 1, 0], [0, 0, 1]])
    assert not table[3].any()


def test_novelty_is_a_share():
    with pytest.raises(ValueError, match="share"):
        diversify([hit("a", 1.0)], 1.5)


def test_words_of_any_script():
    assert words("The Plover's Straße, 25 days_off") == ["the", "plover's", "strasse", "25", "days", "off"]
    assert words("年次休暇 is") == ["年次", "次休", "休暇", "is"]
    assert words("字") == ["字"]
    assert (is_spaced("leave"), is_spaced("休暇")) == (True, False)
