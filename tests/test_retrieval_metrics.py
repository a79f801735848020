"""Ranking metrics against an independent slow implementation, hand-computed values, and their own laws."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.evaluation.checks import ranking

IDS = [f"d{number}" for number in range(12)]
RANKED = st.lists(st.sampled_from(IDS), unique=True, max_size=12)
GOLD = st.dictionaries(st.sampled_from(IDS), st.integers(0, 3), max_size=8)
DEPTH = st.integers(1, 12)
QUICK = settings(deadline=None, max_examples=60)
ALL = [
    ranking.recall,
    ranking.precision,
    ranking.success,
    ranking.mrr,
    ranking.average_precision,
    ranking.ndcg,
]


def test_values_computed_by_hand():
    ranked, gold = ["a", "x", "b", "y"], {"a": 1, "b": 1, "c": 1}
    assert ranking.recall(ranked, gold, 5) == pytest.approx(2 / 3)
    assert ranking.recall(ranked, gold, 1) == pytest.approx(1 / 3)
    assert ranking.precision(ranked, gold, 5) == pytest.approx(2 / 5)
    assert ranking.success(ranked, gold, 1) == 1.0
    assert ranking.mrr(["x", "y", "a"], gold, 10) == pytest.approx(1 / 3)
    assert ranking.mrr(["x", "y", "a"], gold, 2) == 0.0
    # AP: precision 1/1 at a, 2/3 at b, over ALL three gold ids.
    assert ranking.average_precision(ranked, gold, 10) == pytest.approx((1 + 2 / 3) / 3)
    # nDCG: (1 + 1/log2(4)) / (1 + 1/log2(3) + 1/log2(4)).
    assert ranking.ndcg(ranked, gold, 10) == pytest.approx(1.5 / (1.5 + 1 / math.log2(3)))


def test_graded_relevance_has_linear_gain():
    """trec_eval's ndcg_cut and ranx's ndcg: 2 + 3/log2(3) over 3 + 2/log2(3). The Burges variant would give .78."""
    gold = {"a": 2, "b": 3}
    assert ranking.ndcg(["a", "b"], gold, 10) == pytest.approx(
        (2 + 3 / math.log2(3)) / (3 + 2 / math.log2(3)), abs=1e-12
    )
    assert ranking.ndcg(["a", "b"], gold, 10) == pytest.approx(0.9134, abs=1e-4)


# What trec_eval (pytrec_eval-terrier 0.5) says of recall_5, P_5, success_5, recip_rank, map_cut_10, ndcg_cut_10.
TREC = [
    ("17 18 9 14 2 19 12 10 28 7 27 5 6 21 1 24 22 4 20 15", {28: 1, 16: 0, 15: 3, 3: 1, 9: 3, 17: 1},
     [0.4, 0.4, 1.0, 1.0, 0.4, 0.451028387485]),
    ("20 11 12 26 21 8 4 17 0 14", {0: 2, 15: 3, 21: 3}, [0.333333333333, 0.2, 1.0, 0.2, 0.140740740741, 0.299114449041]),
    ("16 20 6 17 3 13 28 26 12 8 9 14 11 4 5 1 22 18 27", {3: 0, 16: 2, 27: 1, 7: 1, 24: 3, 5: 1},
     [0.2, 0.2, 1.0, 1.0, 0.2, 0.35846219823]),
    ("25 12 1 19 24 22 5 11 2 13", {13: 0}, [0.0] * 6),
]  # fmt: skip


@pytest.mark.parametrize(("ranked", "gold", "expected"), TREC)
def test_parity_with_trec_eval(ranked, gold, expected):
    ranked, gold = ranked.split(), {str(name): grade for name, grade in gold.items()}
    found = [
        ranking.recall(ranked, gold, 5),
        ranking.precision(ranked, gold, 5),
        ranking.success(ranked, gold, 5),
        ranking.mrr(ranked, gold, 1000),
        ranking.average_precision(ranked, gold, 10),
        ranking.ndcg(ranked, gold, 10),
    ]
    assert found == pytest.approx(expected, abs=1e-9)


def slow(ranked, gold, k):
    """All metrics by their textbook sums, in plain Python."""
    relevant = {name for name, grade in gold.items() if grade > 0}
    top = ranked[:k]
    hits = [name in relevant for name in top]
    dcg = sum(gold.get(name, 0) / math.log2(place + 1) for place, name in enumerate(top, 1))
    ideal = sum(g / math.log2(i + 1) for i, g in enumerate(sorted(gold.values(), reverse=True)[:k], 1))
    first = next((place for place, hit in enumerate(hits, 1) if hit), None)
    precisions = [sum(hits[:place]) / place for place, hit in enumerate(hits, 1) if hit]
    return [
        sum(hits) / len(relevant) if relevant else 0.0,
        sum(hits) / k,
        float(any(hits)),
        1 / first if first else 0.0,
        sum(precisions) / len(relevant) if relevant else 0.0,
        dcg / ideal if ideal else 0.0,
    ]


@given(RANKED, GOLD, DEPTH)
@QUICK
def test_parity_with_the_textbook(ranked, gold, k):
    assert [metric(ranked, gold, k) for metric in ALL] == pytest.approx(slow(ranked, gold, k), abs=1e-9)


@given(st.lists(st.sampled_from(IDS), max_size=30), GOLD, DEPTH)
@QUICK
def test_bounds_also_with_ids_that_repeat(ranked, gold, k):
    """TruLens #2746: a recall of 2.0 from an id retrieved twice."""
    for metric in ALL:
        assert 0.0 <= metric(ranked, gold, k) <= 1.0
        assert metric(ranked, gold, k) == metric(list(dict.fromkeys(ranked)), gold, k)


@given(RANKED, GOLD, DEPTH)
@QUICK
def test_looking_deeper_never_lowers_recall(ranked, gold, k):
    for metric in (ranking.recall, ranking.success, ranking.mrr, ranking.average_precision):
        assert metric(ranked, gold, k + 1) >= metric(ranked, gold, k) - 1e-12


@given(RANKED, GOLD, st.integers(0, 10))
@QUICK
def test_moving_a_gold_id_up_never_lowers_a_score(ranked, gold, at):
    if at + 1 >= len(ranked) or gold.get(ranked[at + 1], 0) <= gold.get(ranked[at], 0):
        return
    better = [*ranked[:at], ranked[at + 1], ranked[at], *ranked[at + 2 :]]
    for metric in ALL:
        assert metric(better, gold, 12) >= metric(ranked, gold, 12) - 1e-12


def test_the_ideal_ranking_scores_one_and_no_gold_scores_zero():
    gold = {"a": 3, "b": 2, "c": 1}
    assert [metric(["a", "b", "c"], gold, 3) for metric in ALL] == pytest.approx([1.0] * 6)
    assert [metric(["a"], {}, 5) for metric in ALL] == [0.0] * 6
    assert [metric([], gold, 5) for metric in ALL] == [0.0] * 6
    assert [metric(["a"], gold, 0) for metric in ALL] == [0.0] * 6
