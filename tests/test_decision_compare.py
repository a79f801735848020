"""The comparison: what is estimated, contrasted, refused and warned of."""

import json
import time
from itertools import combinations

import numpy as np
import pytest

from graft.decision.compare import compare, finding
from graft.decision.inference.contrasts import SIGNED
from graft.decision.statistics import holm, mcnemar_midp, mde, paired_difference, sign_flip, wilson
from graft.errors import ConfigError, UnknownName
from graft.evaluation.metrics.catalogue import METRICS
from graft.records import from_dict, to_dict
from graft.types import Comparison, Contrast, Estimate, Value

NULL = Value(None, "not measured")


def values(numbers):
    return [NULL if number is None else Value(float(number)) for number in numbers]


def table(n=120, seed=0, **metrics):
    rng = np.random.default_rng(seed)
    drawn = {
        "truthfulness": lambda: rng.integers(-1, 2, n),
        "correct": lambda: rng.integers(0, 2, n),
        "f1": lambda: rng.random(n),
    }
    return {
        name: {metric: values(draw()) for metric, draw in drawn.items()}
        for name in ("base", "rag", "tuned", "extractive")
    }


def run(scores, **settings):
    n = len(next(iter(next(iter(scores.values())).values()))) if scores else 0
    given = {
        "questions": [f"q{k}" for k in range(n)],
        "clusters": [f"d{k}" for k in range(n)],
        "seed": 0,
        "draws": 500,
    }
    return compare(scores, **{**given, **settings})


def numbers(column):
    return np.array([value.value for value in column])


def test_families_are_all_pairs_on_the_primary_and_the_rest_against_base():
    found = run(table())
    primary = [c for c in found.contrasts if c.metric == "truthfulness"]
    assert [(c.a, c.b) for c in primary] == [("rag", "base"), ("tuned", "base"), ("tuned", "rag")]
    assert [c.p_adjusted for c in primary] == holm([c.p for c in primary])
    rest = [(c.a, c.b, c.metric) for c in found.contrasts if c.metric != "truthfulness"]
    assert rest == [(a, "base", metric) for a in ("rag", "tuned") for metric in ("correct", "f1")]
    assert found.baselines == ("extractive",)
    assert "truthfulness" in found.variants["extractive"]


def test_a_contrast_is_what_the_statistics_say():
    scores = table()
    found = {(c.a, c.metric): c for c in run(scores).contrasts if c.b == "base"}
    a, b = numbers(scores["rag"]["correct"]), numbers(scores["base"]["correct"])
    gap = paired_difference(a, b, seed=0, draws=500)
    binary = found["rag", "correct"]
    assert (binary.difference, binary.low, binary.high) == pytest.approx(tuple(gap))
    assert (binary.p, binary.n) == (mcnemar_midp(a, b), 120)
    assert binary.mde == mde(120, discordance=float(np.mean(a != b)))
    a, b = numbers(scores["rag"]["truthfulness"]), numbers(scores["base"]["truthfulness"])
    primary = found["rag", "truthfulness"]
    assert primary.p == sign_flip(a, b, seed=0, draws=500)
    assert primary.mde == pytest.approx(mde(120, sd=float(np.std(a - b, ddof=1)), alpha=0.05 / 3))


def test_clustered_binary_metrics_are_flipped_by_document_and_need_more():
    scores = table()
    clusters = [f"d{k // 6}" for k in range(120)]
    found = next(c for c in run(scores, clusters=clusters).contrasts if (c.a, c.metric) == ("rag", "correct"))
    a, b = numbers(scores["rag"]["correct"]), numbers(scores["base"]["correct"])
    assert found.p == sign_flip(a, b, clusters, seed=0, draws=500)
    same = [
        [v.value for v in scores[name]["correct"]][k // 6] for name in ("rag", "base") for k in range(120)
    ]
    shared = {"base": {"truthfulness": values(same[120:])}, "rag": {"truthfulness": values(same[:120])}}
    wide, narrow = (run(shared, clusters=names).contrasts[0].mde for names in (clusters, [""] * 120))
    assert wide > 2 * narrow


def test_nulls_are_left_out_and_counted():
    scores = table()
    scores["rag"]["f1"] = [NULL, *scores["rag"]["f1"][1:]]
    found = run(scores)
    estimate = found.variants["rag"]["f1"]
    assert (estimate.n_scored, estimate.n_total) == (119, 120)
    assert estimate.mean == pytest.approx(numbers(scores["rag"]["f1"][1:]).mean())
    assert next(c for c in found.contrasts if (c.a, c.metric) == ("rag", "f1")).n == 119


def test_too_many_nulls_in_one_arm_refuse_the_contrast_and_only_that():
    scores = table()
    for metric in ("truthfulness", "f1"):
        scores["rag"][metric] = values([None] * 3) + scores["rag"][metric][3:]
    found = run(scores)
    refused = [c for c in found.contrasts if c.difference is None]
    assert [(c.a, c.b, c.metric, c.n) for c in refused] == [
        ("rag", "base", "truthfulness", 117), ("tuned", "rag", "truthfulness", 117), ("rag", "base", "f1", 117),
    ]  # fmt: skip
    assert all((c.low, c.high, c.p, c.p_adjusted, c.mde) == (None,) * 5 for c in refused)
    assert (
        "Refused: rag - base on truthfulness: more than 2% of the rows are null in one of them only."
        in found.warnings
    )
    assert (
        "Not compared, since only one of the two has a value on enough questions: f1 (rag - base)."
        in found.warnings
    )
    assert (
        next(
            c for c in found.contrasts if (c.a, c.b, c.metric) == ("tuned", "base", "truthfulness")
        ).p_adjusted
        is not None
    )


def test_nulls_of_the_same_rows_in_both_arms_refuse_nothing():
    scores = table()
    for name in scores:
        scores[name]["f1"] = values([None] * 20) + scores[name]["f1"][20:]
    found = next(c for c in run(scores).contrasts if (c.a, c.metric) == ("rag", "f1"))
    assert (found.n, found.difference is not None) == (100, True)


def test_a_metric_that_an_arm_does_not_have_is_not_contrasted():
    scores = table()
    scores["base"]["f1"] = [NULL] * 120
    del scores["tuned"]["correct"]
    found = run(scores)
    assert [c.metric for c in found.contrasts if c.metric != "truthfulness"] == ["correct"]
    assert found.variants["base"]["f1"] == Estimate(None, None, None, 0, 120)


def test_strata_are_told_apart():
    strata = ["seen"] * 50 + ["unseen"] * 60 + [""] * 10
    scores = table()
    found = run(scores, strata=strata)
    assert list(found.strata) == ["seen", "unseen"]
    seen = numbers(scores["rag"]["correct"][:50])
    assert found.strata["seen"]["rag"]["correct"] == Estimate(*wilson(seen.sum(), 50), 50, 50)
    within = [(c.a, c.b, c.stratum, c.n) for c in found.contrasts if c.stratum]
    assert within == [(a, "base", s, n) for s, n in (("seen", 50), ("unseen", 60)) for a in ("rag", "tuned")]


def test_latency_is_a_metric_with_a_paired_log_ratio():
    rng = np.random.default_rng(0)
    base = rng.lognormal(0, 0.3, 80)
    found = run(table(), latencies={"base": list(base), "rag": list(2 * base), "tuned": [0.1] * 10})
    assert found.variants["base"]["latency_p95"].low is not None
    assert found.variants["base"]["latency_p50"].mean == pytest.approx(np.median(base))
    assert found.variants["tuned"]["latency_p95"] == Estimate(pytest.approx(0.1), None, None, 10, 10)
    assert found.variants["tuned"]["latency_max"] == Estimate(0.1, None, None, 10, 10)
    assert "latency_max" not in found.variants["base"]
    contrast = [c for c in found.contrasts if c.metric == "log_latency"]
    assert [(c.a, c.b, round(c.difference, 6)) for c in contrast] == [
        ("rag", "base", round(float(np.log(2)), 6))
    ]
    assert [w for w in found.warnings if "p95" in w] == [
        "Latency p95 has no interval for tuned: fewer than 72 timed answers. Read p50 and the maximum."
    ]


@pytest.mark.parametrize(
    ("n", "warning"),
    [
        (0, "There are no questions: nothing is compared."),
        (1, "Only 1 questions: below 30 no variant is said to beat another."),
        (29, "Only 29 questions: below 30 no variant is said to beat another."),
        (99, "Only 99 questions: below 100 only large differences can be shown; the report says how large."),
        (100, None),
    ],
)
def test_small_sets_are_warned_of(n, warning):
    found = run(table(n))
    assert found.questions == n
    assert list(found.warnings[:1]) == ([warning] if warning else [])
    for estimate in found.variants["base"].values():
        assert (estimate.n_total, estimate.mean is None) == (n, n == 0)


def test_clusters_and_answerability_are_warned_of():
    assert (
        "No question names a source document: all questions are treated as independent."
        in run(table(), clusters=[""] * 120).warnings
    )
    few = run(table(), clusters=[f"d{k % 7}" for k in range(120)]).warnings
    assert "The 120 questions come from 7 documents: intervals and tests rest on 7 clusters." in few
    alarm = "No question is unanswerable: abstaining when it should is not measured."
    assert alarm in run(table(), answerable=[True] * 120).warnings
    assert alarm not in run(table(), answerable=[True] * 119 + [False]).warnings


def test_bad_input_is_one_clear_error():
    with pytest.raises(UnknownName, match="Unknown metric 'truth'"):
        run(table(), primary="truth")
    scores = table()
    scores["rag"]["f1"] = scores["rag"]["f1"][:5]
    with pytest.raises(ConfigError, match=r"rag/f1 has 5 values for 120 questions"):
        run(scores)


def test_a_single_variant_and_none():
    only = {"rag": table()["rag"]}
    assert run(only).contrasts == ()
    assert run({}).variants == {}


def test_findings_claim_no_more_than_they_may():
    shown = Contrast("rag", "base", "correct", 0.1, 0.02, 0.18, 0.01, 0.03, 0.09, 150)
    assert (
        finding(shown)
        == "rag scores above base on correct: rag - base = +0.100 [+0.020, +0.180], p = 0.03, n = 150."
    )
    turned = Contrast("rag", "base", "correct", -0.1, -0.18, -0.02, 0.01, 0.03, 0.09, 150)
    assert finding(turned).startswith("base scores above rag on correct: rag - base = -0.100")
    open_ = Contrast("rag", "base", "correct", 0.1, -0.01, 0.18, 0.02, 0.06, 0.09, 150)
    assert finding(open_).endswith(
        "no difference shown (p = 0.06, n = 150; a difference of 0.090 would have been seen)."
    )
    few = Contrast("rag", "base", "correct", 0.9, 0.8, 1.0, 0.0001, 0.0001, 0.09, 29)
    assert "29 questions are too few" in finding(few)
    assert "above" not in finding(few)
    assert (
        finding(Contrast("rag", "base", "f1", None, None, None, None))
        == "rag and base cannot be compared on f1."
    )


def test_the_comparison_survives_json_and_the_seed_decides():
    found = run(table(), strata=["s"] * 120)
    assert from_dict(Comparison, json.loads(json.dumps(to_dict(found)))) == found
    assert run(table(), strata=["s"] * 120) == found
    assert run(table(), strata=["s"] * 120, seed=1) != found


@pytest.mark.slow
def test_five_variants_1000_questions_and_20_metrics_in_under_10_seconds():
    rng = np.random.default_rng(0)
    scores = {
        name: {
            "truthfulness": values(rng.integers(-1, 2, 1000)),
            **{f"m{k}": values(rng.random(1000)) for k in range(19)},
        }
        for name in "abcde"
    }
    start = time.process_time()
    found = run(scores, draws=10_000, clusters=[""] * 1000, strata=["seen", "unseen"] * 500)
    assert time.process_time() - start < 10
    assert len(found.contrasts) == len(list(combinations("abcde", 2))) + 4 * 19 + 8


def test_who_always_declines_or_always_errs_has_an_interval_on_the_whole_scale():
    """Forty times not given was [0, +0.088], as if it could not be negative; forty times wrong had no width at all."""
    scores = {
        "base": {"truthfulness": values([0] * 40)},
        "rag": {"truthfulness": values([-1] * 40)},
        "tuned": {"truthfulness": values([1] * 40)},
    }
    found = run(scores).variants
    share = wilson(0, 40).high
    wanted = {"base": (-share, share), "rag": (-1, -1 + 2 * share), "tuned": (1 - 2 * share, 1)}
    got = {name: (own["truthfulness"].low, own["truthfulness"].high) for name, own in found.items()}
    assert got == {name: pytest.approx(limits) for name, limits in wanted.items()}


def test_the_metrics_from_minus_one_to_one_are_those_whose_cards_say_so():
    assert {name for name, card in METRICS.items() if card.unit == "−1–1"} == SIGNED
