"""Kappa and prediction-powered inference with labels drawn at known probabilities."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.decision.inference.agreement import Kappa, cohen_kappa
from graft.decision.inference.ppi import PpiEstimate, ppi_weighted

quick = settings(deadline=None, max_examples=50)
NAN = float("nan")


# --- kappa -------------------------------------------------------------------------------------------------------------


def test_kappa_by_hand():
    """Fleiss, Cohen & Everitt's case with two categories: p_o = .7, p_e = .5 * .6 + .5 * .4 = .5."""
    one = ["yes"] * 50 + ["no"] * 50
    other = ["yes"] * 40 + ["no"] * 10 + ["yes"] * 20 + ["no"] * 30
    found = cohen_kappa(one, other)
    assert found.value == pytest.approx((0.7 - 0.5) / 0.5)
    # Their large-sample variance, written out for the 2 x 2 table.
    p = np.array([[0.4, 0.1], [0.2, 0.3]])
    row, column, po, pe = p.sum(1), p.sum(0), 0.7, 0.5
    same = sum(p[i, i] * ((1 - pe) - (row[i] + column[i]) * (1 - po)) ** 2 for i in range(2))
    apart = (1 - po) ** 2 * sum(
        p[i, j] * (column[i] + row[j]) ** 2 for i in range(2) for j in range(2) if i != j
    )
    variance = (same + apart - (po * pe - 2 * pe + po) ** 2) / (100 * (1 - pe) ** 4)
    half = 1.98421695 * np.sqrt(variance * 100 / 99)
    assert (found.low, found.high) == (
        pytest.approx(found.value - half, abs=1e-6),
        pytest.approx(found.value + half, abs=1e-6),
    )


def test_kappa_equals_scikit_learns():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(3)
    for categories in (2, 3, 5):
        one, noise = rng.integers(0, categories, 80), rng.integers(0, categories, 80)
        other = np.where(rng.random(80) < 0.6, one, noise)
        weights = rng.random(80) + 0.1
        assert cohen_kappa(one.tolist(), other.tolist()).value == pytest.approx(
            metrics.cohen_kappa_score(one, other)
        )
        assert cohen_kappa(one.tolist(), other.tolist(), weights=weights).value == pytest.approx(
            metrics.cohen_kappa_score(one, other, sample_weight=weights)
        )


def test_perfect_agreement_is_not_certain_and_chance_alone_has_no_kappa():
    found = cohen_kappa(["a", "b"] * 10, ["a", "b"] * 10)
    assert found.value == pytest.approx(1.0)
    assert found.high == pytest.approx(1.0)
    assert 0.6 < found.low < 0.8  # Wilson's limit for 20 of 20 is .839
    assert cohen_kappa(["a"] * 9, ["a"] * 9) == Kappa(None, None, None, 1.0, 9)
    assert cohen_kappa([], []) == Kappa(None, None, None, None, 0)
    assert cohen_kappa(["a", "b"], ["b", "a"], ["one", "one"]) == Kappa(-1.0, None, None, 0.0, 2)
    with pytest.raises(ValueError, match="2 judgements against 1"):
        cohen_kappa(["a", "b"], ["a"])


def test_items_of_one_cluster_count_together():
    rng = np.random.default_rng(0)
    one = np.repeat(rng.integers(0, 2, 20), 5)
    other = np.where(np.repeat(rng.random(20) < 0.8, 5), one, 1 - one)
    alone = cohen_kappa(one.tolist(), other.tolist())
    together = cohen_kappa(one.tolist(), other.tolist(), [str(at // 5) for at in range(100)])
    assert together.value == alone.value
    assert together.high - together.low > 1.8 * (alone.high - alone.low)


@quick
@given(st.lists(st.tuples(st.sampled_from("rwd"), st.sampled_from("rwd")), min_size=1, max_size=30))
def test_kappa_is_bounded_and_symmetric(pairs):
    one, other = zip(*pairs, strict=True)
    found, turned = cohen_kappa(one, other), cohen_kappa(other, one)
    assert found == pytest.approx(turned, nan_ok=True) if found.value is not None else turned.value is None
    if found.value is not None:
        assert -1 - 1e-9 <= found.value <= 1
    if found.low is not None:
        assert found.low <= found.value + 1e-9
        assert found.high >= found.value - 1e-9


# --- labels drawn at known probabilities --------------------------------------------------------------------------------


def test_labelling_everything_is_the_mean_of_the_labels():
    truth, score = np.array([1.0, 0.0, 1.0, 1.0, 0.0]), np.array([1.0, 1.0, 0.0, 1.0, 0.0])
    found = ppi_weighted(score, truth, np.ones(5))
    assert found.value == pytest.approx(0.6)
    assert found.error == pytest.approx(truth.std(ddof=1) / np.sqrt(5))


def test_the_weights_undo_the_draw():
    """Half of the high scores and a tenth of the low ones are labelled; the labels alone are weighted back too."""
    score = np.array([1.0] * 20 + [0.0] * 80)
    labels = np.array([1.0] * 8 + [0.0] * 2 + [NAN] * 10 + [0.0] * 6 + [1.0] * 2 + [NAN] * 72)
    drawn = np.array([0.5] * 20 + [0.1] * 80)
    expected = 0.2 * 0.8 + 0.8 * 0.25
    assert ppi_weighted(score, labels, drawn).value == pytest.approx(expected)
    assert ppi_weighted(score, labels, drawn, trust=0.0).value == pytest.approx(expected)
    assert np.nanmean(labels) > expected + 0.1


def test_an_item_without_a_score_and_a_useless_score_do_no_harm():
    labels = np.array([1.0, 0.0, 1.0, 1.0] + [NAN] * 16)
    chances = np.full(20, 0.2)
    alone = ppi_weighted(np.full(20, NAN), labels, chances)
    assert alone.value == pytest.approx(0.75)
    assert alone.weight == 0.0
    assert ppi_weighted(np.full(20, 0.3), labels, chances) == alone
    partly = np.array([1.0, 0.0, NAN, 1.0] + [0.0] * 8 + [1.0] * 8)
    assert 0 < ppi_weighted(partly, labels, chances).value < 1


def test_nothing_labelled_and_one_cluster():
    nothing = PpiEstimate(None, None, None, 0.0)
    assert ppi_weighted([1.0, 0.0], [NAN, NAN], [NAN, NAN]) == nothing
    assert ppi_weighted([], [], []) == nothing
    found = ppi_weighted([1.0, 0.0, 1.0], [1.0, 0.0, NAN], [0.5, 0.5, NAN], ["a", "a", "b"])
    assert (found.low, found.high, found.error) == (None, None, None)


def test_agreement_on_few_labels_is_not_certainty():
    """Fifteen labels that all agree with the score do not show that it never errs."""
    score = np.array([1.0, 0.0] * 75)
    labels = np.where(np.arange(150) < 15, score, NAN)
    found = ppi_weighted(score, labels, np.full(150, 0.1))
    of_the_questions = score.std(ddof=1) / np.sqrt(150)
    assert found.error > 1.5 * of_the_questions


@pytest.mark.slow
@pytest.mark.parametrize(("n", "errors"), [(30, 0.03), (30, 0.1), (60, 0.1), (60, 0.25)])
def test_weighted_ppi_covers_the_truth(n, errors):
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(600):
        truth = (rng.random(150) < 0.6).astype(float)
        score = np.where(rng.random(150) < errors, 1.0, truth)  # it errs on one side only
        labels, chance = np.full(150, NAN), np.full(150, NAN)
        for level in (0.0, 1.0):
            rows = np.flatnonzero(score == level)
            many = min(len(rows), n // 2)
            chosen = rng.choice(rows, many, replace=False)
            labels[chosen], chance[chosen] = truth[chosen], many / len(rows)
        found = ppi_weighted(score, labels, chance)
        hits += found.low <= 0.6 <= found.high
    assert hits / 600 >= 0.93
