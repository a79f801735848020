"""The recommendation: each step, each outcome and each degenerate case. Whole traces: test_decision_examples.py."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.decision.compare import compare
from graft.decision.recommending.failures import CAUSES, Facts, attribute, cause
from graft.decision.recommending.recommend import Limits, Values, recommend
from graft.decision.recommending.utility import Shares, utilities
from graft.decision.recommending.verdict import decide, questions_needed
from graft.errors import ConfigError, UnknownName
from graft.records import from_dict, to_dict
from graft.types import Recommendation, Value

MEANING = {"+": 1.0, "0": 0.0, "-": -1.0, "?": None}
FORM = {"y": 1.0, "n": 0.0, ".": None}


def marks(text, meaning=MEANING):
    return [Value(meaning[mark]) for mark in text]


def advise(answers, formats=None, **settings_):
    """Recommend from one mark a question and variant, through `compare`."""
    scores = {name: {"truthfulness": marks(text)} for name, text in answers.items()}
    for name, text in (formats or {}).items():
        scores[name]["format"] = marks(text, FORM)
    for name, extra in settings_.pop("extra", {}).items():
        scores[name].update({metric: [Value(x) for x in column] for metric, column in extra.items()})
    n = len(next(iter(answers.values()))) if answers else 0
    shared = {
        "questions": [f"q{k}" for k in range(n)],
        "clusters": [f"d{k}" for k in range(n)],
        "seed": 0,
        "draws": 1_000,
    }
    shared["draws"] = settings_.pop("draws", shared["draws"])
    given_ = {"costs": {name: 0.001 * (k + 1) for k, name in enumerate(answers)}, **settings_}
    return recommend(compare(scores, **shared), scores, **shared, **given_)


BASE, RAG = "+" * 30 + "-" * 70 + "0" * 20, "+" * 100 + "-" * 10 + "0" * 10
BETTER = "+" * 114 + "-" * 3 + "0" * 3


def line(verdict, start):
    return [text for text in verdict.trace if text.startswith(start)]


# --- the three verdicts ----------------------------------------------------------------------------------------------


def test_a_clear_winner_over_the_cheapest():
    found = advise({"base": BASE, "rag": RAG})
    assert (found.kind, found.variant, found.candidates) == ("RECOMMEND", "rag", ("rag",))
    assert found.reasons == ("rag beats base by more than the margin of 0.03 in utility.",)
    assert found.probability_best == {"base": 0.0, "rag": 1.0}
    assert len(found.drivers) == 80


def test_a_beaten_variant_makes_room_for_the_next_cheapest():
    # hybrid beats base, but costs more than rag, which is as good on all but two answers: RECOMMEND hybrid would be wrong.
    rag = RAG * 4
    hybrid = rag[:-2] + "++"
    found = advise({"base": BASE * 4, "rag": rag, "hybrid": hybrid})
    assert (found.kind, found.variant) == ("KEEP_THE_CHEAPER", "rag")
    assert len(line(found, "5 utility of hybrid - base")) == 1
    assert len(line(found, "5 utility of hybrid - rag")) == 1
    assert line(found, "6 is hybrid better than rag")


def test_undecided_names_both_the_effect_and_the_number():
    mixed = "0" * 6 + RAG[6:110] + "+" * 10
    found = advise({"base": BASE, "rag": RAG, "hybrid": mixed})
    assert (found.kind, found.variant, found.candidates) == ("UNDECIDED", None, ("rag", "hybrid"))
    assert found.questions_needed > 0
    assert f"collect about {found.questions_needed:,} more" in found.reasons[0]
    assert "Either is better than base." in found.reasons
    assert found.reasons[-1] == "Until then rag is the cheaper choice."


def test_the_cheapest_may_win_outright_or_be_kept():
    best_is_cheapest = advise({"rag": RAG, "base": BASE})
    assert (best_is_cheapest.kind, best_is_cheapest.variant) == ("RECOMMEND", "rag")
    assert best_is_cheapest.rejected == {
        "base": "the answers of rag are worth more (95 % sure) and cost less"
    }


def test_the_verdict_does_not_hang_on_the_order_of_variants_when_costs_differ():
    costs = {"base": 0.001, "rag": 0.002, "hybrid": 0.003}
    answers = {"base": BASE, "rag": RAG, "hybrid": BETTER}
    one = advise(answers, costs=costs)
    other = advise(dict(reversed(answers.items())), costs=costs)
    assert (one.kind, one.variant) == (other.kind, other.variant)


# --- defined outcomes at the edges -------------------------------------------------------------------------------------


def test_no_questions():
    found = advise({"base": "", "rag": ""})
    assert (found.kind, found.variant, found.questions_needed) == ("UNDECIDED", None, 200)
    assert found.trace == (
        "7 UNDECIDED: There are no questions: write about 200, a fifth of them unanswerable.",
    )


def test_no_variant():
    found = advise({})
    assert (found.kind, found.variant) == ("UNDECIDED", None)


def test_one_question():
    found = advise({"base": "-", "rag": "+"})
    assert (found.kind, found.questions_needed) == ("UNDECIDED", 199)
    assert "Only 1 questions: below 30 no verdict is given." in found.reasons


@pytest.mark.parametrize("n", [2, 29])
def test_fewer_than_30_questions_decide_nothing_however_clear(n):
    found = advise({"base": "-" * n, "rag": "+" * n})
    assert found.kind == "UNDECIDED"
    assert found.questions_needed >= 30 - n
    assert advise({"base": "-" * 15 + "0" * 15, "rag": "+" * 30}).kind == "RECOMMEND"


def test_all_equal_keeps_the_cheaper_once_there_are_enough():
    few, enough = advise({"base": "+" * 50, "rag": "+" * 50}), advise({"base": "+" * 200, "rag": "+" * 200})
    assert (few.kind, few.questions_needed) == ("UNDECIDED", 150)
    assert (enough.kind, enough.variant, enough.drivers) == ("KEEP_THE_CHEAPER", "base", ())


def test_a_single_variant():
    found = advise({"base": RAG})
    assert (found.kind, found.variant) == ("RECOMMEND", "base")
    assert found.reasons == ("base is the only variant left after limits, guardrails and dominance.",)


def test_always_abstaining_is_worth_nothing_but_less_harm_than_lying():
    found = advise({"base": "-" * 100, "mute": "0" * 100})
    assert (found.kind, found.variant, found.utility["mute"].mean) == (
        "RECOMMEND",
        "mute",
        pytest.approx(-0.002),
    )


def test_a_baseline_cannot_win():
    found = advise({"base": BASE, "rag": RAG, "extractive": "+" * 120})
    assert found.variant == "rag"
    assert "extractive" not in found.utility


def test_missing_answers_in_one_arm_only_drop_it():
    found = advise({"base": BASE, "rag": "?" * 3 + "+" * 117})
    assert (found.kind, found.variant) == ("RECOMMEND", "base")
    assert found.rejected == {
        "rag": "2.5% of its rows have no truthfulness where another variant has one (limit 2%)"
    }
    assert (
        found.trace[0]
        == "0 rag is dropped: 2.5% of its rows have no truthfulness where another variant has one (limit 2%)"
    )


def test_a_question_that_nobody_has_a_score_for_is_left_out():
    found = advise({"base": BASE + "??????????", "rag": RAG + "??????????"})
    assert (found.variant, found.utility["rag"].n_total) == ("rag", 120)


@pytest.mark.parametrize(
    "settings_",
    [
        {"values": Values(right=0)}, {"values": Values(wrong=-1)}, {"values": Values(format=2)}, {"margin": 0.0},
        {"queries_per_month": 0},
    ],
)  # fmt: skip
def test_settings_out_of_range(settings_):
    with pytest.raises(ConfigError, match=r"\[decision\]"):
        advise({"base": BASE, "rag": RAG}, **settings_)


# --- step 1: limits ----------------------------------------------------------------------------------------------------


def test_limits_drop_with_their_numbers():
    found = advise(
        {"base": BASE, "rag": RAG, "tuned": RAG, "hybrid": BETTER, "own": BETTER},
        limits=Limits(max_p95=2.0, max_cost_per_query=0.0045, excluded={"base": "the documents change daily"}, floors={"cites": 0.9}),
        latencies={"base": [1.0] * 80, "rag": [1.0] * 80, "tuned": [3.0] * 80},
        costs={"base": 0.001, "rag": 0.002, "tuned": 0.003, "hybrid": 0.005, "own": None},
        extra={name: {"cites": [1.0] * 120} for name in ("base", "rag", "tuned", "hybrid", "own")},
    )  # fmt: skip
    assert found.rejected == {
        "base": "the documents change daily",
        "tuned": "its p95 latency is 3.00 s, the limit 2 s",
        "hybrid": "its cost is $5 per 1,000 answers, the limit $4.5",
        "own": "its cost is unknown per 1,000 answers, the limit $4.5",
    }
    assert (found.kind, found.variant) == ("RECOMMEND", "rag")
    assert len(line(found, "1 limits: ")) == 4


def test_what_was_not_measured_does_not_keep_a_limit():
    answers = {"base": BASE, "rag": RAG}
    found = advise(answers, limits=Limits(max_p95=2.0))
    assert (found.kind, found.variant) == ("UNDECIDED", None)
    assert found.reasons == (
        "base: its p95 latency is not measured, the limit 2 s",
        "rag: its p95 latency is not measured, the limit 2 s",
    )
    nulls = {name: {"cites": [None] * 120} for name in answers}
    floored = advise(answers, limits=Limits(floors={"cites": 0.5}), extra=nulls)
    assert floored.rejected["rag"] == "its cites is not measured, the floor 0.5"
    with pytest.raises(UnknownName, match="citation"):
        advise(answers, limits=Limits(floors={"citation": 0.5}))


# --- step 2: guardrails ------------------------------------------------------------------------------------------------


def guarded(form, strict=False):
    extra = {"base": {"safe": [1.0] * 120}, "rag": {"safe": form}}
    return advise(
        {"base": BASE, "rag": RAG}, limits=Limits(guardrails={"safe": 0.05}, strict=strict), extra=extra
    )


def test_a_guardrail_drops_what_is_worse_than_the_margin():
    found = guarded([0.0] * 12 + [1.0] * 108)
    assert found.variant == "base"
    assert found.rejected["rag"].startswith(
        "guardrail safe: rag - base = -0.100, margin -0.05, one-sided p = 0.9"
    )


def test_a_guardrail_keeps_what_is_shown_and_notes_what_is_not():
    assert line(guarded([1.0] * 120), "2 guardrail")[0].endswith(": kept")
    unclear = [0.0] * 4 + [1.0] * 116
    assert line(guarded(unclear), "2 guardrail")[0].endswith("not shown, rag stays")
    assert guarded(unclear).variant == "rag"
    assert "rag" in guarded(unclear, strict=True).rejected


def test_a_guardrail_on_what_should_be_low_keeps_what_is_lower():
    wrong = {"base": 36, "rag": 6, "tuned": 72}  # 30 %, 5 % and 60 % of 120
    found = advise(
        {"base": BASE, "rag": RAG, "tuned": RAG},
        limits=Limits(guardrails={"wrong": 0.02}, lower=frozenset({"wrong"})),
        extra={name: {"wrong": [1.0] * k + [0.0] * (120 - k)} for name, k in wrong.items()},
    )
    assert list(found.rejected) == ["tuned"]
    assert found.rejected["tuned"].startswith("guardrail wrong: tuned - base = +0.300, margin +0.02, ")
    assert line(found, "2 guardrail wrong: rag - base = -0.250, margin +0.02, one-sided p < 0.0001: kept")


def test_a_guardrail_without_common_rows_or_of_an_unknown_metric():
    assert line(guarded([None] * 120), "2 guardrail")[0].endswith("share no scored question: not judged")
    with pytest.raises(UnknownName, match="sfe"):
        advise({"base": BASE, "rag": RAG}, limits=Limits(guardrails={"sfe": 0.05}))


# --- step 3: utility -----------------------------------------------------------------------------------------------------


def test_the_utility_of_who_always_declines_may_be_below_nothing():
    found = advise({"base": "0" * 40, "rag": "+" * 40}, values=Values(wrong=4.0), costs={})
    share = 0.0876  # of 40 alike, what may be otherwise: a right answer brings 1, a wrong one loses 4
    base, rag = found.utility["base"], found.utility["rag"]
    assert (base.low, base.high) == pytest.approx((-4 * share, share), abs=1e-3)
    assert (rag.low, rag.high) == pytest.approx((1 - 5 * share, 1.0), abs=1e-3)


def test_utility_by_hand():
    outcome = np.array([1.0, 1.0, 1.0, 0.0, -1.0])
    formats = np.array([np.nan, 1.0, 0.0, 0.0, 1.0])
    assert list(utilities(outcome, formats, Values(2.0, 3.0, 0.5, 0.25))) == [2.0, 2.0, 1.5, -0.5, -3.0]
    assert Shares.of(outcome, formats) == Shares(0.6, 0.2, 0.2, 0.2)


def test_no_variant_wins_that_is_worth_less_than_saying_nothing():
    """A fifth has no answer, so declining everything is worth +0.2. Half right and half wrong is worth less than that."""
    answerable = [True] * 96 + [False] * 24
    poor = ("+" * 50 + "-" * 46) + "+" * 12 + "-" * 12
    good = "+" * 80 + "-" * 16 + "+" * 24
    verdict = advise({"base": "-" * 120, "rag": poor}, answerable=answerable)
    assert (verdict.kind, verdict.variant, set(verdict.rejected)) == ("UNDECIDED", None, {"base", "rag"})
    assert line(verdict, "3 silence: rag") == [
        "3 silence: rag is dropped: its answers are worth +0.033 a question, declining every one +0.200 (95 % sure)"
    ]
    better = advise({"base": "-" * 120, "rag": good}, answerable=answerable)
    assert (better.kind, better.variant) == ("RECOMMEND", "rag")
    assert line(better, "3 silence: rag") == []


def test_a_format_contract_counts_on_answerable_questions_only():
    answers, formats = {"base": BASE, "rag": RAG}, {"base": "n" * 120, "rag": "n" * 120}
    half = advise(answers, formats)
    assert half.utility["rag"].mean == pytest.approx((100 * 0.5 - 10) / 120 - 0.002)
    assert "(120 questions have one)" in line(half, "3 utility")[0]
    none = advise(answers, formats, answerable=[False] * 120)
    assert none.utility["rag"].mean == pytest.approx(90 / 120 - 0.002)
    assert "no question has a format contract" in line(none, "3 utility")[0]


def test_costs_are_taken_off_unless_one_is_unknown():
    known = advise({"base": BASE, "rag": RAG}, costs={"base": 0.0, "rag": 0.5})
    assert known.utility["rag"].mean == pytest.approx(0.75 - 0.5)
    unknown = advise({"base": BASE, "rag": RAG}, costs={"base": 0.0})
    assert unknown.utility["rag"].mean == pytest.approx(0.75)
    assert "3 no price is known for rag: costs are left out, and none counts as cheaper" in unknown.trace


def test_volume_and_price_change_the_verdict_and_say_so():
    found = advise(
        {"base": BASE, "rag": RAG, "hybrid": "+" * 120}, monthly={"hybrid": 500.0}, queries_per_month=10_000
    )
    assert found.variant == "hybrid"
    at = {(row["what"], row["at"]): row for row in found.sensitivity}
    assert len(at) == 8
    assert (at["volume x", 0.1]["variant"], at["volume x", 0.1]["changes"]) == ("rag", True)
    assert (at["volume x", 10.0]["variant"], at["volume x", 10.0]["changes"]) == ("hybrid", False)
    assert "would change it, at 0.1 times the volume: recommend rag" in found.trace
    gain = 1.0 - 0.75 - 0.001
    assert line(found, "break-even") == [
        f"break-even with better answers counted as money, as large as seen here: hybrid ($500.00 a month more) pays from {500 / gain:,.0f} answers a month on; you plan 10,000"
    ]


@pytest.mark.parametrize("third", [0.001, None])
def test_the_break_even_of_two_does_not_hang_on_the_price_of_a_third(third):
    answers = {"base": BASE, "rag": RAG, "hybrid": "+" * 120}
    costs = {"base": third, "rag": 0.002, "hybrid": 0.102}
    found = advise(answers, costs=costs, monthly={"rag": 100.0, "hybrid": 600.0}, queries_per_month=10_000)
    [told] = line(found, "break-even")
    assert f"hybrid ($500.00 a month more) pays from {500 / (0.25 - 0.1):,.0f} answers a month on" in told


# --- step 4: dominance ---------------------------------------------------------------------------------------------------


def test_dominance_needs_speed_too():
    answers, costs = {"rag": RAG, "tuned": BASE}, {"rag": 0.001, "tuned": 0.002}
    slow, fast = [2.0] * 80, [1.0] * 80
    assert "tuned" in advise(answers, costs=costs, latencies={"rag": fast, "tuned": slow}).rejected
    assert advise(answers, costs=costs, latencies={"rag": slow, "tuned": fast}).rejected == {}
    assert "tuned" in advise(answers, costs=costs).rejected
    assert advise(answers, costs={"rag": 0.001, "tuned": 0.001}).rejected == {}


# --- steps 5 to 7 ----------------------------------------------------------------------------------------------------------


def test_questions_needed():
    # Beyond the margin: (z.975 + z.8)^2 (sd / (d - margin))^2 = 7.849 * (0.5 / 0.05)^2.
    assert questions_needed(0.08, 0.5, 100, margin=0.03, alpha=0.05) == 785 - 100
    # Within it: the one-sided test at 5 %, 6.183 * (0.5 / 0.03)^2; the two-sided plan for the margin would need more.
    assert questions_needed(0.0, 0.5, 100, margin=0.03, alpha=0.05) == 1718 - 100
    # At the margin itself: what shows the margin, not infinitely many.
    assert questions_needed(0.03, 0.5, 100, margin=0.03, alpha=0.05) == 2181 - 100
    assert questions_needed(0.9, 0.1, 4, margin=0.03, alpha=0.05) == 26
    assert questions_needed(0.0, 0.0, 50, margin=0.03, alpha=0.05) == 150


def test_clusters_make_the_verdict_more_careful():
    rng = np.random.default_rng(0)
    documents = rng.choice([0.0, 1.0, -1.0], 20, p=[0.6, 0.3, 0.1])
    gain = np.repeat(documents, 10)
    arms = {"base": np.zeros(200), "rag": gain}
    alone = decide(arms, ["base", "rag"], [""] * 200, margin=0.03, draws=1_000, seed=0)
    shared = decide(
        arms, ["base", "rag"], [f"d{k // 10}" for k in range(200)], margin=0.03, draws=1_000, seed=0
    )
    assert (alone.kind, shared.kind) == ("RECOMMEND", "UNDECIDED")


def test_few_documents_decide_nothing_however_many_questions():
    arms = {"base": -np.ones(90), "rag": np.ones(90)}
    nine, ten = ([f"d{k % documents}" for k in range(90)] for documents in (9, 10))
    found = decide(arms, ["base", "rag"], nine, margin=0.03, draws=500, seed=0)
    assert found.kind == "UNDECIDED"
    assert "The 90 questions come from 9 documents: below 10 no verdict is given." in found.reasons
    assert decide(arms, ["base", "rag"], ten, margin=0.03, draws=500, seed=0).kind == "RECOMMEND"


def test_equal_or_unknown_costs_are_told_as_simpler():
    answers = {"base": "+" * 50, "rag": "+" * 50}
    for costs in ({"base": 0.001, "rag": 0.001}, {"base": 0.001}):
        assert advise(answers, costs=costs).reasons[-1] == "Until then base is the simpler choice."
    assert advise(answers).reasons[-1] == "Until then base is the cheaper choice."


def test_a_stratum_with_another_winner_is_told():
    # tuned knows the seen documents a little better and nothing of the others.
    tuned, rag = "+" * 60 + "-" * 60, "+" * 50 + "-" * 10 + "+" * 50 + "-" * 10
    found = advise({"tuned": tuned, "rag": rag}, strata=["seen"] * 60 + ["unseen"] * 60)
    assert (found.kind, found.variant) == ("RECOMMEND", "rag")
    assert line(found, "in stratum") == [
        "in stratum seen (60 questions): tuned +0.999, rag +0.665; best: tuned",
        "in stratum unseen (60 questions): tuned -1.001, rag +0.665; best: rag",
    ]
    assert found.reasons[1:] == (
        "In stratum seen (60 questions) tuned is worth more (tuned +0.999, rag +0.665): if that is your traffic, decide on it apart.",
    )
    assert line(advise({"tuned": tuned, "rag": rag}), "in stratum") == []


@settings(deadline=None, max_examples=20)
@given(st.lists(st.tuples(*[st.sampled_from("+0-")] * 3), min_size=1, max_size=60), st.floats(0, 4))
def test_every_input_has_a_verdict_that_follows_its_own_rules(rows, wrong):
    base, rag, hybrid = ("".join(arm) for arm in zip(*rows, strict=True))
    found = advise({"base": base, "rag": rag, "hybrid": hybrid}, values=Values(wrong=wrong), draws=200)
    assert found.kind in {"RECOMMEND", "KEEP_THE_CHEAPER", "UNDECIDED"}
    assert (found.variant is None) == (found.kind == "UNDECIDED") == (found.questions_needed is not None)
    assert sum(found.probability_best.values()) == pytest.approx(1, abs=1e-3)
    assert set(found.candidates).isdisjoint(found.rejected)
    if len(rows) < 30:
        assert found.kind == "UNDECIDED"
    assert from_dict(Recommendation, json.loads(json.dumps(to_dict(found)))) == found


# --- what to fix next --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (Facts(right=True, abstained=False, answerable=True), None),
        (Facts(right=True, abstained=False, answerable=True, format_ok=False), "format"),
        (Facts(right=True, abstained=True, answerable=False), None),
        (Facts(right=True, abstained=True, answerable=False, format_ok=False), None),
        (Facts(right=False, abstained=False, answerable=False, shown=True), "should abstain"),
        (Facts(right=False, abstained=False, answerable=True), "knowledge gap"),
        (Facts(right=False, abstained=True, answerable=True), "knowledge gap"),
        (Facts(right=False, abstained=True, answerable=True, shown=False), "retrieval miss"),
        (
            Facts(right=False, abstained=False, answerable=True, shown=False, supported=False),
            "retrieval miss",
        ),
        (Facts(right=False, abstained=True, answerable=True, shown=False, found=False), "retrieval miss"),
        (Facts(right=False, abstained=True, answerable=True, shown=False, found=True), "not shown"),
        (Facts(right=False, abstained=False, answerable=True, shown=True, found=False), "context ignored"),
        (Facts(right=False, abstained=True, answerable=True, shown=False, indexed=False), "no document"),
        (
            Facts(right=False, abstained=True, answerable=True, shown=False, indexed=True),
            "retrieval miss",
        ),
        (Facts(right=False, abstained=True, answerable=True, shown=True), "over-refusal"),
        (
            Facts(right=False, abstained=False, answerable=True, shown=True, supported=False),
            "unsupported",
        ),
        (
            Facts(right=False, abstained=False, answerable=True, shown=True, supported=True),
            "context ignored",
        ),
        (Facts(right=False, abstained=False, answerable=True, shown=True), "context ignored"),
    ],
)
def test_one_cause_a_failure(facts, expected):
    assert cause(facts) == expected
    assert expected is None or expected in CAUSES


def test_causes_are_counted_and_told_with_their_questions():
    miss = Facts(right=False, abstained=False, answerable=True, shown=False)
    found = attribute(
        ["a", "b", "c", "d"],
        [miss, Facts(True, False, True), Facts(True, False, True, format_ok=False), miss],
    )
    assert list(found.items()) == [("retrieval miss", ("a", "d")), ("format", ("c",))]
    told = advise(
        {"base": BASE, "rag": RAG}, failures={"rag": {"retrieval miss": tuple(f"q{k}" for k in range(7))}}
    )
    advice = "the gold passage was not found: work on chunking, embedding or the documents"
    assert line(told, "fix next") == [
        f"fix next in rag: retrieval miss, 7 questions (q0, q1, q2, q3, q4, ...): {advice}"
    ]
    assert told.failures["rag"]["retrieval miss"][:2] == ("q0", "q1")
