"""Intervals, tests and planning: parity with scipy, formulae recomputed by hand, bounds, and the degenerate cases."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from graft.decision.inference import resampling
from graft.decision.statistics import (
    Interval,
    benjamini_hochberg,
    difference_intervals,
    holm,
    mcnemar_midp,
    mde,
    mean_interval,
    mean_intervals,
    noninferiority,
    paired_difference,
    paired_test,
    percentile_interval,
    ppi_mean,
    ppi_stratified,
    ratio_interval,
    sample_size,
    sign_flip,
    tost,
    wilson,
)

NOTHING = Interval(None, None, None)
relaxed = settings(deadline=None, max_examples=50)
scores = st.lists(st.sampled_from([-1.0, 0.0, 0.25, 0.5, 1.0]), min_size=2, max_size=40)
bits = st.lists(st.booleans(), min_size=1, max_size=40)


# --- intervals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("successes", "n"), [(0, 10), (10, 10), (3, 10), (81, 263), (1, 1), (0, 1)])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_wilson_is_scipys(successes, n, level):
    expected = stats.binomtest(successes, n).proportion_ci(level, method="wilson")
    assert wilson(successes, n, level=level) == pytest.approx(
        (successes / n, expected.low, expected.high), abs=1e-7
    )


def test_wilson_of_a_textbook_example():
    # Newcombe (1998), Statistics in Medicine 17:857, table I: 81 of 263 is .2553 to .3662.
    assert wilson(81, 263)[1:] == pytest.approx((0.2553, 0.3662), abs=5e-5)


def test_wilson_without_questions_and_with_nonsense():
    assert wilson(0, 0) == NOTHING
    with pytest.raises(ValueError, match="4 successes of 3"):
        wilson(4, 3)


@pytest.mark.parametrize("seed", [0, 1])
def test_bca_is_scipys_for_single_questions(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.beta(2, 5, 60), rng.beta(2, 3, 60)
    differences = (a - b)[:, None]
    sums, counts = resampling.totals(differences, resampling.cluster_codes(None, 60))
    drawn = resampling.bootstrap_means(sums, counts, 40_000, seed)[:, 0]
    jackknife = (sums.sum() - sums[:, 0]) / 59
    ours = resampling.bca(drawn, float(differences.mean()), jackknife, stats.norm.ppf(0.975))
    theirs = stats.bootstrap(
        (a, b),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        paired=True,
        method="BCa",
        n_resamples=40_000,
        rng=seed,
    ).confidence_interval
    # Two independent sets of 40,000 draws: the limits' Monte Carlo error is about 1 % of the width.
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.015 * (theirs.high - theirs.low))


def test_bca_on_the_same_draws_is_scipys_to_rounding():
    """The correction itself, without Monte Carlo error: scipy is handed our draws."""
    values = np.random.default_rng(3).exponential(1.0, 40)
    sums, counts = resampling.totals(values[:, None], resampling.cluster_codes(None, 40))
    drawn = resampling.bootstrap_means(sums, counts, 5_000, 3)[:, 0]
    base = stats.bootstrap((values,), np.mean, n_resamples=9, rng=1)
    # With n_resamples=0 and earlier draws given, scipy uses those draws and its own bias and acceleration.
    base.bootstrap_distribution = drawn
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=0, bootstrap_result=base, method="BCa"
    ).confidence_interval
    ours = resampling.bca(drawn, float(values.mean()), (values.sum() - values) / 39, stats.norm.ppf(0.975))
    assert ours == pytest.approx((theirs.low, theirs.high), abs=1e-7)


def test_the_interval_is_wider_than_plain_bca_by_t_and_the_divisor():
    assert resampling.normal_level(200, 0.95) == pytest.approx(stats.t.ppf(0.975, 199) * math.sqrt(200 / 199))
    assert resampling.normal_level(20, 0.95) / stats.norm.ppf(0.975) == pytest.approx(1.0957, abs=1e-4)


def test_binary_values_of_single_questions_get_wilson():
    values = [1.0] * 7 + [0.0] * 3
    assert mean_interval(values, seed=0) == wilson(7, 10)
    assert mean_interval(values, ["" for _ in values], seed=0) == wilson(7, 10)


def test_clusters_widen_the_interval_by_the_design_effect():
    # 40 documents of 5 questions that always agree hold the information of 40 questions, not of 200.
    documents = np.repeat(np.random.default_rng(0).integers(0, 2, 40).astype(float), 5)
    clusters = [f"d{k // 5}" for k in range(200)]
    own, shared = mean_interval(documents, seed=0), mean_interval(documents, clusters, seed=0)
    assert (shared.high - shared.low) / (own.high - own.low) == pytest.approx(math.sqrt(5), rel=0.08)


W40 = 1.959964**2 / (40 + 1.959964**2)
"""The most of 40 that are unlike what all 40 are, by Wilson: z^2 / (n + z^2), 8.8 %."""


def test_clustered_binary_values_all_alike_still_have_a_width():
    assert mean_interval([1.0] * 12, ["a", "b", "c"] * 4, seed=0) == wilson(3, 3)
    assert mean_interval([0.0] * 12, ["a", "b", "c"] * 4, seed=0) == wilson(0, 3)


@pytest.mark.parametrize(
    ("value", "scale", "low", "high"),
    [
        (0.0, None, 0.0, W40),
        (1.0, None, 1 - W40, 1.0),
        (-1.0, None, -1.0, -1 + 2 * W40),
        (0.0, (-1.0, 1.0), -W40, W40),
        (1.0, (-1.0, 1.0), 1 - 2 * W40, 1.0),
        (-1.0, (-1.0, 1.0), -1.0, -1 + 2 * W40),
        (-0.5, (-4.0, 1.0), -0.5 - 3.5 * W40, -0.5 + 1.5 * W40),
        (0.25, (0.0, 1.0), 0.25 - 0.25 * W40, 0.25 + 0.75 * W40),
        (0.25, None, 0.25, 0.25),
    ],
)
def test_values_that_are_all_alike_have_a_width_towards_both_ends_of_their_scale(value, scale, low, high):
    [alone] = mean_intervals(np.full((40, 1), value), None, seed=0, scales=[scale], draws=200)
    assert alone == pytest.approx((value, low, high), abs=1e-7)
    shared = [f"d{k // 3}" for k in range(120)]
    [clustered] = mean_intervals(np.full((120, 1), value), shared, seed=0, scales=[scale], draws=200)
    assert clustered == pytest.approx(alone, abs=1e-7)


@relaxed
@given(st.integers(1, 60), st.floats(-1, 1))
def test_a_scale_leaves_the_value_within_its_limits_and_the_limits_within_the_scale(n, value):
    [(mean, low, high)] = mean_intervals(
        np.full((n, 1), value), None, seed=0, scales=[(-1.0, 1.0)], draws=100
    )
    assert -1 <= low <= mean <= high <= 1
    assert high - low > 0.05


def test_degenerate_means():
    assert mean_interval([], seed=0) == NOTHING
    assert mean_interval([0.25], seed=0) == Interval(0.25, None, None)
    assert mean_interval([0.25, 0.5], ["a", "a"], seed=0) == Interval(0.375, None, None)
    assert mean_interval([0.25] * 5, seed=0) == Interval(0.25, 0.25, 0.25)
    assert paired_difference([], [], seed=0) == NOTHING
    assert paired_difference([1.0], [0.0], seed=0) == Interval(1.0, None, None)
    assert paired_difference([1.0, 0.0], [1.0, 0.0], seed=0) == Interval(0.0, 0.0, 0.0)


@pytest.mark.parametrize("bad", [[math.nan, 1.0], [math.inf, 1.0], [[1.0], [0.0]]])
def test_nulls_are_refused(bad):
    with pytest.raises(ValueError, match="one finite number a question"):
        mean_interval(bad, seed=0)


def test_pairs_must_match():
    with pytest.raises(ValueError, match="2 and 1"):
        paired_difference([1.0, 0.0], [1.0], seed=0)
    with pytest.raises(ValueError, match="3 cluster names for 2 values"):
        mean_interval([1.0, 0.5], ["a", "b", "c"], seed=0)


def test_columns_with_nulls_are_those_columns_alone():
    rng = np.random.default_rng(0)
    whole = rng.normal(size=(30, 3))
    whole[::3, 1] = np.nan
    whole[:, 2] = np.nan
    clusters = [f"d{k // 2}" for k in range(30)]
    found = mean_intervals(whole, clusters, seed=4, draws=2_000)
    assert found[0] == pytest.approx(mean_interval(whole[:, 0], clusters, seed=4, draws=2_000), rel=1e-9)
    assert found[1].value == pytest.approx(np.nanmean(whole[:, 1]))
    assert found[1].low < found[1].value < found[1].high
    assert found[2] == NOTHING


def test_the_same_seed_gives_the_same_interval():
    values = np.random.default_rng(0).normal(size=25)
    first, again, other = (mean_interval(values, seed=seed) for seed in (5, 5, 6))
    assert first == again
    assert first != other


@relaxed
@given(scores, st.data())
def test_intervals_hold_their_estimate_and_stay_within_the_data(values, data):
    clusters = data.draw(st.lists(st.sampled_from("abcd"), min_size=len(values), max_size=len(values)))
    value, low, high = mean_interval(values, clusters, seed=0, draws=500)
    assert value == pytest.approx(np.mean(values))
    if low is not None:
        within = min(values) - 1e-9 <= low <= high <= max(values) + 1e-9
        assert within or set(values) <= {0.0, 1.0} or set(values) == {-1.0}


@relaxed
@given(scores, st.floats(-3, 3), st.floats(0.1, 5))
def test_differences_move_with_shift_and_scale(values, shift, scale):
    a, zero = np.array(values), np.zeros(len(values))
    plain = paired_difference(a, zero, seed=1, draws=300)
    moved = paired_difference(scale * a + shift, zero, seed=1, draws=300)
    assert moved == pytest.approx([scale * limit + shift for limit in plain], abs=1e-6)


@relaxed
@given(scores)
def test_swapping_the_arms_mirrors_the_difference(values):
    a, zero = np.array(values), np.zeros(len(values))
    there, back = paired_difference(a, zero, seed=1, draws=300), paired_difference(zero, a, seed=1, draws=300)
    assert (back.value, back.low, back.high) == pytest.approx(
        (-there.value, -there.high, -there.low), abs=1e-9
    )


def test_percentile_limits_exist_from_72_values_on():
    values = np.arange(71.0)
    assert percentile_interval(values, 0.95) == Interval(66.5, None, None)
    assert percentile_interval(np.arange(72.0), 0.95)[1:] == (63.0, 71.0)
    assert percentile_interval([], 0.95) == NOTHING
    assert percentile_interval([3.0], 0.5) == Interval(3.0, None, None)
    assert percentile_interval(np.arange(6.0), 0.5) == Interval(2.5, 0.0, 5.0)


@pytest.mark.parametrize(("n", "q"), [(72, 0.95), (200, 0.95), (25, 0.5), (1000, 0.99)])
def test_percentile_limits_are_the_tightest_ranks_that_hold(n, q):
    _, low, high = percentile_interval(np.arange(1.0, n + 1), q)
    assert stats.binom.cdf(low - 1, n, q) <= 0.025 < stats.binom.cdf(low, n, q)
    assert stats.binom.sf(high - 1, n, q) <= 0.025 < stats.binom.sf(high - 2, n, q)


def test_a_ratio_is_that_of_the_sums():
    rng = np.random.default_rng(0)
    cost, right = rng.random(60), (rng.random(60) < 0.6).astype(float)
    found = ratio_interval(cost, right, seed=0)
    theirs = stats.bootstrap(
        (cost, right),
        lambda c, r, axis: np.sum(c, axis=axis) / np.sum(r, axis=axis),
        paired=True,
        method="BCa",
        rng=0,
    ).confidence_interval
    assert found.value == pytest.approx(cost.sum() / right.sum())
    # Ours is wider by the 3 % of the correction for 60 clusters, give or take the draws.
    assert (found.high - found.low) / (theirs.high - theirs.low) == pytest.approx(1.029, abs=0.03)
    assert ratio_interval(cost, np.ones(60), seed=3) == pytest.approx(mean_interval(cost, seed=3))


def test_a_ratio_that_cannot_be_formed():
    assert ratio_interval([], [], seed=0) == NOTHING
    assert ratio_interval([1.0, 2.0], [0.0, 0.0], seed=0) == NOTHING
    assert ratio_interval([1.0], [2.0], seed=0) == Interval(0.5, None, None)
    # One right answer in three: some draws hold none.
    assert ratio_interval([1.0, 1.0, 1.0], [1.0, 0.0, 0.0], seed=0) == Interval(3.0, None, None)


# --- tests -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("wins", "losses"), [(22, 7), (1, 0), (5, 5), (0, 9), (30, 12), (8, 9)])
def test_midp_is_the_exact_p_less_half_of_the_point(wins, losses):
    n = wins + losses
    a = [1.0] * wins + [0.0] * losses + [1.0] * 4
    b = [0.0] * wins + [1.0] * losses + [1.0] * 4
    exact = stats.binomtest(wins, n, 0.5).pvalue
    # Fagerland et al. (2013), eq. 6: the exact two-sided p less the probability of the observed count.
    expected = 1.0 if wins == losses else exact - stats.binom.pmf(wins, n, 0.5)
    assert mcnemar_midp(a, b) == pytest.approx(expected, abs=1e-7)
    assert mcnemar_midp(b, a) == mcnemar_midp(a, b)


def test_midp_without_discordant_pairs_or_with_other_values():
    assert mcnemar_midp([], []) == 1.0
    assert mcnemar_midp([1.0, 0.0], [1.0, 0.0]) == 1.0
    with pytest.raises(ValueError, match="0 and 1"):
        mcnemar_midp([0.5], [1.0])


@pytest.mark.parametrize("n", [6, 10])
def test_few_questions_are_enumerated_as_scipy_does(n):
    rng = np.random.default_rng(n)
    a, b = rng.normal(0.4, 1, n), rng.normal(0, 1, n)
    theirs = stats.permutation_test(
        (a, b), lambda x, y, axis: np.mean(x - y, axis=axis), permutation_type="samples", n_resamples=np.inf
    )
    assert sign_flip(a, b, seed=0) == pytest.approx(theirs.pvalue, abs=1e-7)


def test_many_questions_are_sampled_as_scipy_does():
    rng = np.random.default_rng(5)
    a, b = rng.normal(0.4, 1, 80), rng.normal(0, 1, 80)
    theirs = stats.permutation_test(
        (a, b), lambda x, y, axis: np.mean(x - y, axis=axis), permutation_type="samples", n_resamples=50_000, rng=2,
        vectorized=True, batch=5_000,
    )  # fmt: skip
    # Theirs doubles the smaller one-sided p, and with it the error of that.
    half = theirs.pvalue / 2
    error = math.sqrt((theirs.pvalue * (1 - theirs.pvalue) + 4 * half * (1 - half)) / 50_000)
    assert sign_flip(a, b, draws=50_000, seed=1) == pytest.approx(theirs.pvalue, abs=4 * error)


def test_a_permutation_p_is_never_0():
    assert sign_flip(np.ones(500), np.zeros(500), draws=99, seed=0) == 0.01


def test_whole_clusters_are_flipped():
    # Two documents that disagree with everything: 4 patterns, of which 2 are as extreme.
    a, b = np.ones(20), np.zeros(20)
    assert sign_flip(a, b, ["x"] * 10 + ["y"] * 10, seed=0) == 0.5
    assert sign_flip(a, b, seed=0) < 0.001


def test_the_test_is_chosen_by_the_data():
    a, b = np.array([1.0, 1.0, 0.0, 1.0]), np.array([0.0, 1.0, 0.0, 0.0])
    assert paired_test(a, b, seed=0) == mcnemar_midp(a, b)
    assert paired_test(a, b, ["d", "d", "e", "f"], seed=0) == sign_flip(a, b, ["d", "d", "e", "f"], seed=0)
    assert paired_test(a - 0.5, b, seed=0) == sign_flip(a - 0.5, b, seed=0)
    assert paired_test([], [], seed=0) == 1.0
    assert paired_test([1.0], [0.0], seed=0) == pytest.approx(0.5)


@relaxed
@given(bits, st.data())
def test_p_values_are_probabilities_and_do_not_mind_the_order_of_the_arms(left, data):
    a = np.array(left, dtype=float)
    b = np.array(data.draw(st.lists(st.booleans(), min_size=len(a), max_size=len(a))), dtype=float)
    clusters = data.draw(st.lists(st.sampled_from("abc"), min_size=len(a), max_size=len(a)))
    for names in (None, clusters):
        p = paired_test(a, b, names, seed=0, draws=200)
        assert 0 < p <= 1
        assert p == pytest.approx(paired_test(b, a, names, seed=0, draws=200))
    assert 0 <= tost(a, b, 0.1, clusters) <= 1


def test_noninferiority_of_binary_scores_is_bonett_and_prices_interval():
    # Bonett & Price (2012): p12' = (f12 + 1) / (n + 2), se^2 = (p12' + p21' - (p12' - p21')^2) / (n + 2); here with the
    # t quantile of n - 1 and the n - 1 divisor.
    n, wins, losses, margin = 200, 9, 12, 0.05
    a = np.array([1.0] * wins + [0.0] * losses + [1.0] * (n - wins - losses))
    b = np.array([0.0] * wins + [1.0] * losses + [1.0] * (n - wins - losses))
    p12, p21 = (wins + 1) / (n + 2), (losses + 1) / (n + 2)
    error = math.sqrt((p12 + p21 - (p12 - p21) ** 2) / (n + 1))
    expected = stats.t.sf(((wins - losses) / n + margin) / error, n - 1)
    assert noninferiority(a, b, margin) == pytest.approx(expected, rel=1e-9)
    assert tost(a, b, margin) == max(noninferiority(a, b, margin), noninferiority(b, a, margin))


def test_equal_answers_to_a_few_questions_do_not_prove_equivalence():
    few, many = np.ones(30), np.ones(200)
    assert tost(few, few, 0.03) > 0.2
    assert tost(many, many, 0.03) < 0.001
    # A constant gap, such as a cost, is no spread either.
    assert tost(few, few - 1e-4, 0.03) > 0.2


def test_equivalence_without_enough_clusters_is_not_shown():
    assert tost([], [], 0.1) == 1.0
    assert tost([1.0], [1.0], 0.1) == 1.0
    assert tost(np.ones(50), np.ones(50), 0.1, ["d"] * 50) == 1.0
    with pytest.raises(ValueError, match="margin"):
        tost([1.0], [1.0], 0.0)


# --- multiplicity ----------------------------------------------------------------------------------------------------


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert (holm([]), holm([0.2])) == ([], [0.2])


@relaxed
@given(st.lists(st.floats(0, 1), max_size=20))
def test_adjusted_ps_bracket_the_raw_ones(ps):
    ours = benjamini_hochberg(ps)
    assert ours == pytest.approx(list(stats.false_discovery_control(ps)) if ps else [])
    for raw, discovery, family in zip(ps, ours, holm(ps), strict=True):
        assert raw - 1e-12 <= discovery <= family + 1e-12
        assert family <= 1


# --- planning --------------------------------------------------------------------------------------------------------

TABLE = {
    0.02: (1960, 3923, 5885, 7847),
    0.05: (312, 626, 940, 1254),
    0.08: (121, 243, 366, 489),
    0.10: (77, 155, 234, 312),
    0.15: (None, 68, 103, 138),
    0.20: (None, 37, 57, 77),
}


@pytest.mark.parametrize("difference", TABLE)
def test_the_planning_table_is_reproduced(difference):
    found = tuple(
        sample_size(difference, discordance=d) if n else None
        for d, n in zip((0.1, 0.2, 0.3, 0.4), TABLE[difference], strict=True)
    )
    assert found == TABLE[difference]


def test_the_planning_table_at_holms_first_step_of_three():
    assert [sample_size(d, discordance=0.2, alpha=0.05 / 3) for d in (0.05, 0.1, 0.15, 0.2)] == [
        835,
        207,
        91,
        50,
    ]


def test_the_table_of_minimum_detectable_effects_is_reproduced():
    ns = (50, 100, 150, 200, 300, 500, 1000)
    assert [round(100 * mde(n, discordance=0.2), 1) for n in ns] == [17.3, 12.4, 10.1, 8.8, 7.2, 5.6, 4.0]
    assert [round(100 * mde(n, sd=0.35), 1) for n in ns] == [13.9, 9.8, 8.0, 6.9, 5.7, 4.4, 3.1]


@relaxed
@given(st.integers(30, 5000), st.floats(0.05, 1.0))
def test_the_mde_is_the_difference_that_needs_that_many(n, discordance):
    effect = mde(n, discordance=discordance)
    assert abs(sample_size(effect, discordance=max(discordance, effect)) - n) <= 1
    assert mde(n + 50, discordance=discordance) < effect
    assert abs(sample_size(mde(n, sd=discordance), sd=discordance) - n) <= 1


def test_planning_at_the_edges():
    assert mde(0, sd=1.0) is None
    assert mde(1, discordance=0.2) is None
    assert mde(50, sd=0.0) is None
    # No discordance seen: what 50 questions would have shown had all differences gone one way, not 0.
    assert mde(50, discordance=0.0) == pytest.approx(0.1497, abs=1e-4)
    assert abs(sample_size(0.1497, discordance=0.1497) - 50) <= 1
    assert mde(2, discordance=1.0) == 1.0
    assert sample_size(-0.1, discordance=0.2) == sample_size(0.1, discordance=0.2)
    for wrong in ({"discordance": 0.2, "sd": 1.0}, {}, {"discordance": 0.05}, {"sd": 1.0, "alpha": 0.0}):
        with pytest.raises(ValueError, match=r"discordance|alpha"):
            sample_size(0.1, **wrong)
    with pytest.raises(ValueError, match="difference of 0"):
        sample_size(0.0, sd=1.0)


def test_the_mde_of_clustered_questions_uses_the_robust_error():
    rng = np.random.default_rng(0)
    document = np.repeat(rng.normal(0, 1, 50), 4)
    sums, counts = resampling.totals(
        document[:, None], resampling.cluster_codes([f"{k // 4}" for k in range(200)], 200)
    )
    robust = resampling.standard_error(sums, counts)[0]
    # Questions that always agree: the error of 50 means, i.e. sd / sqrt(50).
    assert robust == pytest.approx(np.std(document[::4], ddof=1) / math.sqrt(50))
    alone = resampling.standard_error(
        *resampling.totals(document[:, None], resampling.cluster_codes(None, 200))
    )[0]
    assert alone == pytest.approx(np.std(document, ddof=1) / math.sqrt(200))


# --- prediction-powered inference ------------------------------------------------------------------------------------


def test_a_useless_score_leaves_the_mean_of_the_labels():
    labels = np.array([1.0, 0.0, 1.0, 1.0])
    found = ppi_mean(labels, [0.5, 0.5, 0.5, 0.5], [0.5] * 100)
    half = stats.t.ppf(0.975, 3) * labels.std(ddof=1) / 2
    assert found == pytest.approx((0.75, 0.75 - half, 0.75 + half, 0.0, labels.std(ddof=1) / 2))


def test_a_biased_score_is_corrected_and_a_good_one_narrows():
    rng = np.random.default_rng(1)
    truth = (rng.random(2_000) < 0.4).astype(float)
    score = np.clip(truth + 0.3, 0, 1)  # 30 points too high on every wrong answer
    found = ppi_mean(truth[:100], score[:100], score[100:])
    plain = mean_interval(truth[:100], seed=0)
    assert found.low <= truth.mean() <= found.high
    assert found.high - found.low < 0.5 * (plain.high - plain.low)
    assert found.weight > 0.8


def test_ppi_at_the_edges():
    assert ppi_mean([], [], [0.5]) == (None, None, None, 0.0, None)
    assert ppi_mean([1.0], [1.0], [0.5, 0.2]) == (1.0, None, None, 0.0, None)
    assert ppi_mean([1.0, 0.0], [1.0, 0.0], []).value == 0.5
    assert ppi_mean([1.0, 1.0], [1.0, 1.0], [1.0, 1.0]) == (1.0, 1.0, 1.0, 0.0, 0.0)
    with pytest.raises(ValueError, match="2 labels and 1"):
        ppi_mean([1.0, 0.0], [1.0], [])


def test_ppi_covers_the_truth():
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(400):
        truth = (rng.random(350) < 0.4).astype(float)
        score = np.where(rng.random(350) < 0.85, truth, 1 - truth)
        found = ppi_mean(truth[:50], score[:50], score[50:])
        hits += found.low <= 0.4 <= found.high
    assert 0.92 <= hits / 400 <= 0.98


def test_labels_drawn_by_stratum_are_weighted_back():
    # 100 items scored high, of which 10 are labelled; 900 scored low, of which 90 are: rates .9 and .1, .18 overall.
    high = (np.array([1.0] * 9 + [0.0]), np.ones(10), np.ones(90))
    low = (np.array([1.0] * 9 + [0.0] * 81), np.zeros(90), np.zeros(810))
    found = ppi_stratified([high, low])
    assert found.value == pytest.approx(0.1 * 0.9 + 0.9 * 0.1)
    parts = [ppi_mean(*group).error for group in (high, low)]
    assert found.error == pytest.approx(math.hypot(0.1 * parts[0], 0.9 * parts[1]))
    # Labelling the high stratum three times as densely changes the weights of the labels, not the estimate.
    dense = (np.array([1.0] * 27 + [0.0] * 3), np.ones(30), np.ones(70))
    assert ppi_stratified([dense, low]).value == pytest.approx(found.value)
    pooled = np.concatenate([dense[0], low[0]]).mean()
    assert pooled > found.value + 0.1


def test_strata_without_labels_or_items():
    labelled, empty = ([1.0, 0.0], [0.5, 0.5], [0.5]), ([], [], [])
    assert ppi_stratified([]) == (None, None, None, 0.0, None)
    assert ppi_stratified([labelled, ([], [], [0.2])]) == (None, None, None, 0.0, None)
    assert ppi_stratified([labelled, ([1.0], [1.0], [])]) == (
        pytest.approx(0.75 * 0.5 + 0.25),
        None,
        None,
        0.0,
        None,
    )
    assert ppi_stratified([labelled, empty]).value == 0.5


@pytest.mark.slow
def test_stratified_ppi_covers_the_truth():
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(500):
        truth = (rng.random(600) < 0.3).astype(float)
        score = np.where(rng.random(600) < 0.85, truth, 1 - truth)
        groups = []
        for level in (0.0, 1.0):
            held = truth[score == level]
            groups.append((held[:40], np.full(40, level), np.full(len(held) - 40, level)))
        found = ppi_stratified(groups)
        hits += found.low <= 0.3 <= found.high
    assert 0.92 <= hits / 500 <= 0.98


def test_an_empty_table_of_differences():
    assert difference_intervals(np.empty((0, 2)), [], seed=0) == [NOTHING, NOTHING]
