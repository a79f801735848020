"""Selective answering: the threshold, what it does to other questions, and the area under risk and coverage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.decision.recommending.utility import Values
from graft.decision.selective import Answered, Selection, Shares, choose, judge, risk_coverage_area

NAN = float("nan")
PLAIN = Values(right=1, wrong=1, abstain=0)


def answered(*rows):
    """Each row: confidence, outcome, whether there is an answer; every question a document of its own."""
    sure, outcome, known = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    none = np.full(len(sure), NAN)
    return Answered(sure, outcome, none, known.astype(bool), [str(at) for at in range(len(sure))])


def test_the_threshold_lies_between_the_wrong_and_the_right():
    assert choose(answered((0.2, -1, 1), (0.4, -1, 1), (0.8, 1, 1), (0.9, 1, 1)), PLAIN) == pytest.approx(0.6)


def test_answers_that_are_worth_giving_are_given():
    assert choose(answered((0.2, 1, 1), (0.4, 1, 1), (0.8, 1, 1)), PLAIN) == 0.0
    two = answered((0.2, 1, 1), (0.4, -1, 1), (0.8, 1, 1))
    assert choose(two, PLAIN) == 0.0  # a right answer lost for a wrong one avoided gains nothing
    assert choose(two, Values(right=1, wrong=3, abstain=0)) == pytest.approx(0.6)


def test_declining_a_question_without_an_answer_is_worth_a_right_answer():
    rows = answered((0.3, 1, 1), (0.5, -1, 0), (0.9, 1, 1))
    assert choose(rows, PLAIN) == pytest.approx(0.7)


def test_an_answer_without_a_confidence_stays_as_it_is():
    rows = answered((NAN, -1, 1), (0.3, -1, 1), (0.9, 1, 1))
    assert choose(rows, PLAIN) == pytest.approx(0.6)
    assert choose(answered((NAN, -1, 1), (NAN, 1, 1)), PLAIN) == 0.0
    found = judge(0.6, rows, PLAIN, seed=0)
    assert found.after == Shares(right=1 / 3, wrong=1 / 3, missed=1 / 3)


def test_equal_confidences_stand_or_fall_together():
    rows = answered((0.5, -1, 1), (0.5, 1, 1), (0.5, -1, 1), (0.9, 1, 1))
    assert choose(rows, PLAIN) == pytest.approx(0.7)


def test_the_surest_answer_is_always_given():
    assert choose(answered((0.5, -1, 1), (0.9, -1, 1)), PLAIN) == pytest.approx(0.7)
    assert choose(answered((0.5, -1, 1)), PLAIN) == 0.0


def test_it_is_judged_on_other_questions():
    rows = answered((0.2, -1, 1), (0.3, -1, 0), (0.7, 1, 1), (0.8, -1, 1), (NAN, 0, 1))
    found = judge(0.5, rows, PLAIN, draws=200, seed=1)
    assert found == Selection(
        threshold=0.5,
        before=Shares(0.2, 0.6, 0.2),
        after=Shares(0.4, 0.2, 0.4),
        worth_before=pytest.approx(-0.4),
        worth_after=pytest.approx(0.2),
        worth_declining=pytest.approx(0.2),
        gain=found.gain,
        separation=pytest.approx(2 / 3),
        area=pytest.approx((1 + 1 / 2 + 2 / 3 + 3 / 4) / 4),
        n=5,
    )
    assert found.gain.value == pytest.approx(0.6)
    assert 0 <= found.gain.low <= 0.6 <= found.gain.high


def test_the_area_by_hand_and_with_ties():
    assert risk_coverage_area([0.9, 0.8, 0.7], [0, 0, 1]) == pytest.approx((0 + 0 + 1 / 3) / 3)
    assert risk_coverage_area([0.9, 0.8, 0.7], [1, 0, 0]) == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)
    assert risk_coverage_area([0.5, 0.5], [1, 0]) == risk_coverage_area([0.5, 0.5], [0, 1]) == 0.5
    assert risk_coverage_area([], []) is None


rows = st.lists(
    st.tuples(st.sampled_from([0.1, 0.3, 0.5, 0.7, 0.9, NAN]), st.sampled_from([-1, 0, 1]), st.booleans()),
    min_size=1, max_size=30,
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(rows, st.floats(0, 3))
def test_no_threshold_is_better_on_the_questions_that_chose_it(drawn, loss):
    made, values = answered(*drawn), Values(right=1, wrong=loss, abstain=0.1)

    def worth(threshold: float) -> float:
        return judge(threshold, made, values, draws=2, seed=0).worth_after

    top = max((sure for sure, _, _ in drawn if sure == sure), default=0.0)
    tried = [threshold for threshold in (0.0, 0.2, 0.4, 0.6, 0.8) if threshold <= top]
    assert worth(choose(made, values)) == pytest.approx(max(map(worth, tried)))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.3]), st.booleans()), min_size=1, max_size=20))
def test_the_area_is_a_share_and_knows_no_order(drawn):
    area = risk_coverage_area(*zip(*drawn, strict=True))
    assert 0 <= area <= 1
    assert risk_coverage_area(*zip(*reversed(drawn), strict=True)) == pytest.approx(area)
