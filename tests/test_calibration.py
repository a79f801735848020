"""Thresholds from held-out questions."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from graft.decision.calibration import apply, calibrate, separation, short
from graft.decision.inference.intervals import wilson

SCORES = st.lists(st.tuples(st.floats(-5, 5), st.booleans()), min_size=1, max_size=40).filter(
    lambda pairs: any(kind for _, kind in pairs)
)


def test_the_threshold_keeps_the_target_and_says_what_it_declines():
    good, bad = np.arange(1, 21) / 20, np.arange(0, 10) / 10
    found = calibrate([*good, *bad], [True] * 20 + [False] * 10, target=0.9)
    assert found.value == 0.15  # 18 of 20 lie at or above
    assert found.kept == wilson(18, 20)
    assert found.declined == wilson(2, 10)  # 0.0 and 0.1
    assert found.low <= found.value <= found.high
    # Of the 200 pairs: good 0.05 beats one bad score, 0.10 beats one and ties one, …
    assert found.separation == pytest.approx(sum((g > bad).sum() + (g == bad).sum() / 2 for g in good) / 200)


@given(SCORES, st.floats(0.05, 1))
@settings(deadline=None, max_examples=60)
def test_the_highest_threshold_that_keeps_the_target(pairs, target):
    scores, kinds = np.array([s for s, _ in pairs]), [k for _, k in pairs]
    found = calibrate(scores, kinds, target=target, draws=50)
    good = scores[kinds]
    assert (good >= found.value).mean() >= target - 1e-9
    higher = good[good > good[good >= found.value].min()]
    if len(higher):
        assert (good >= higher.min()).mean() < target


@pytest.mark.parametrize(
    ("below", "high", "found"),
    [(0.4, 0.6, 0.6), (0.9960, 0.99635, 0.9963), (0.5, 0.57, 0.57), (0.1, 0.5987, 0.59), (-0.2, 0.004, 0.004),
     (-1.0, -0.123, -0.13), (-np.inf, 0.0, 0.0), (0.99994, 0.999966, 0.99996)],
)  # fmt: skip
def test_a_threshold_is_as_short_as_it_can_be(below, high, found):
    assert short(below, high) == found


@given(st.floats(-5, 5), st.floats(-5, 5))
@example(4.9033840683224845, 4.9033840683224845)
@settings(deadline=None, max_examples=60)
def test_a_short_threshold_divides_the_same_scores(one, other):
    below, high = sorted((one, other))
    found = short(below, high)
    assert found == high if below == high else below < found <= high


def test_more_questions_narrow_the_interval_and_the_seed_fixes_it():
    rng = np.random.default_rng(1)
    few, many = rng.normal(size=50), rng.normal(size=2_000)
    narrow, wide = (calibrate(one, [True] * len(one)) for one in (many, few))
    assert narrow.high - narrow.low < (wide.high - wide.low) / 3
    assert calibrate(few, [True] * 50) == wide


def test_it_is_judged_on_other_questions():
    found = calibrate([0.2, 0.4, 0.6, 0.8], [True] * 4, target=1.0)
    other = apply(found, [0.1, 0.5, 0.1, 0.3], [True, True, False, False])
    assert (other.value, other.kept, other.declined) == (0.2, wilson(1, 2), wilson(1, 2))
    assert other.separation == 0.625


def test_what_cannot_be_said_is_none_or_refused():
    alone = calibrate([0.3, 0.5], [True, True])
    assert (alone.declined.value, alone.separation) == (None, None)
    assert separation([], [1.0]) is None
    for scores, kinds, target in (([0.1], [False], 0.9), ([0.1, 0.2], [True], 0.9), ([float("nan")], [True], 0.9),
                                  ([0.1], [True], 0.0)):  # fmt: skip
        with pytest.raises(ValueError, match=r"answerable|scores|finite|target"):
            calibrate(scores, kinds, target=target)
