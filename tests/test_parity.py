"""Ranking metrics against trec_eval itself (pip install 'graft-llm[parity]'), and the SQuAD script's arithmetic."""

import re
import string
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.evaluation.checks import ranking as ours
from graft.evaluation.checks.correctness import exact_match, token_f1

IDS = [f"d{at}" for at in range(14)]
GOLD = st.dictionaries(st.sampled_from(IDS), st.integers(0, 3), min_size=1, max_size=8).filter(
    lambda gold: any(gold.values())
)
RANKED = st.lists(st.sampled_from(IDS), unique=True, min_size=1, max_size=14)


@settings(deadline=None, max_examples=150)
@given(RANKED, GOLD)
def test_rankings_score_as_in_trec_eval(ranked, gold):
    trec = pytest.importorskip("pytrec_eval")
    measures = {"ndcg_cut.5,10", "recall.5,10", "P.5", "map_cut.10", "success.5", "recip_rank"}
    evaluator = trec.RelevanceEvaluator({"q": gold}, measures)
    run = {"q": {name: float(len(ranked) - at) for at, name in enumerate(ranked)}}
    theirs = evaluator.evaluate(run)["q"]
    relevance = {name: float(value) for name, value in gold.items()}
    for k in (5, 10):
        assert ours.ndcg(ranked, relevance, k) == pytest.approx(theirs[f"ndcg_cut_{k}"], abs=1e-9)
        assert ours.recall(ranked, relevance, k) == pytest.approx(theirs[f"recall_{k}"], abs=1e-9)
    assert ours.precision(ranked, relevance, 5) == pytest.approx(theirs["P_5"], abs=1e-9)
    assert ours.average_precision(ranked, relevance, 10) == pytest.approx(theirs["map_cut_10"], abs=1e-9)
    assert ours.success(ranked, relevance, 5) == theirs["success_5"]
    cut = theirs["recip_rank"] if theirs["recip_rank"] >= 0.1 else 0.0  # trec_eval looks at every rank
    assert ours.mrr(ranked, relevance, 10) == pytest.approx(cut, abs=1e-9)


# --- SQuAD v1.1: the published definitions, written out ------------------------------------------------------------------


def squad_words(text):
    """Lower case, punctuation out, articles out, white space folded: in this order."""
    plain = "".join(character for character in text.lower() if character not in set(string.punctuation))
    return re.sub(r"\b(a|an|the)\b", " ", plain).split()


def squad_f1(said, gold):
    left, right = squad_words(said), squad_words(gold)
    same = sum((Counter(left) & Counter(right)).values())
    if not same:
        return 0.0
    precision, recall = same / len(left), same / len(right)
    return 2 * precision * recall / (precision + recall)


WORDS = st.lists(
    st.sampled_from(
        ["The", "a", "an", "of", "Ada's", "U.S.", "1,200", "north-east", "cat", "cats", "the", "$5"]
    ),
    max_size=8,
).map(" ".join)


@settings(deadline=None, max_examples=200)
@given(WORDS, st.lists(WORDS, min_size=1, max_size=3))
def test_f1_and_exact_match_are_squads(said, golds):
    exact = float(any(squad_words(said) == squad_words(gold) for gold in golds))
    assert exact_match(said, golds) == exact
    # The script gives 0 to two texts without words; ours call them equal, as its SQuAD 2.0 successor does.
    known = [(said, gold) for gold in golds if squad_words(said) or squad_words(gold)]
    if len(known) == len(golds):
        assert token_f1(said, golds) == pytest.approx(max(squad_f1(*pair) for pair in known))
