"""What a comparison says of variants that should not be served as they are."""

from __future__ import annotations

from graft.decision.recommending.utility import Values
from graft.types import Answer, Comparison, Estimate, Question, Recommendation, Row
from graft.verbs.comparing.fitness import beaten, mute, unsure

QUESTIONS = [Question("q1", "a?", ("x",)), Question("q2", "b?", (), answerable=False)]


def mean(value):
    return Estimate(value, None, None, 2, 2)


def rows(confidence, abstained=False):
    return [Row("q1", "rag", "ok", Answer("x", confidence=confidence, abstained=abstained))]


def undecided(**utility):
    return Recommendation("UNDECIDED", None, utility={name: mean(value) for name, value in utility.items()})


def right(**shares):
    return Comparison(2, "truthfulness", {name: {"correct": mean(share)} for name, share in shares.items()})


def test_of_the_unfit_the_one_that_is_right_most_is_to_be_tried_where_it_is_sure():
    answered = {"base": rows(0.5), "rag": rows(0.5), "extractive": rows(None)}
    best, shares = undecided(base=0.1, rag=-0.2), right(base=0.1, rag=0.3, extractive=0.5)
    line = "Where it is sure of an answer, rag may be worth more: graft calibrate --variant rag"
    assert unsure(answered, shares, best, {}) == (line,)
    assert unsure(answered, shares, best, {"rag": 0.9}) == (line.replace("rag", "base"),)
    assert unsure(answered, right(base=0.0, rag=0.0), best, {}) == ()
    assert unsure({"rag": rows(None)}, shares, best, {}) == ()
    assert unsure({"rag": rows(0.5, abstained=True)}, shares, best, {}) == ()
    assert unsure(answered, shares, Recommendation("RECOMMEND", "rag", utility=best.utility), {}) == ()


def test_a_baseline_is_compared_with_the_best_variant_of_its_metric_whatever_is_worth_most():
    shares = {"rag": mean(0.2), "tuned": mean(0.0), "bm25": mean(0.3)}
    comparison = Comparison(2, "truthfulness", {name: {"truthfulness": one} for name, one in shares.items()})
    dropped = Recommendation("UNDECIDED", "", utility={"rag": mean(0.01), "tuned": mean(0.02)})
    (warning,) = beaten(QUESTIONS, comparison, dropped, Values())
    assert "bm25 +0.30; rag +0.20." in warning


def test_a_winner_that_is_worth_less_than_silence_or_a_baseline_is_told_on():
    comparison = Comparison(
        2, "truthfulness", {"rag": {"truthfulness": mean(0.1)}, "bm25": {"truthfulness": mean(0.3)}}
    )
    best = Recommendation("RECOMMEND", "rag", utility={"rag": mean(0.1)})
    assert beaten(QUESTIONS, comparison, best, Values()) == (
        "Do not serve rag as it is: declining every question would be worth +0.50 a question, rag +0.10.",
        "Plain baselines, which quote the best sentences, are ahead on truthfulness: bm25 +0.30; rag +0.10. The search finds "
        "what the model then loses: try a stronger model.",
    )
    assert beaten(QUESTIONS, Comparison(2, "truthfulness", {}), undecided(), Values()) == ()


def test_a_variant_that_declines_too_much_is_out():
    comparison = Comparison(
        2, "truthfulness", {"rag": {"over_refusal": mean(0.95)}, "base": {"over_refusal": mean(None)}}
    )
    assert mute(comparison, 0.9) == {
        "rag": "it declines 95% of the questions that have an answer, the limit 90%"
    }
