"""What must not fool a comparison, each through the whole path: leaks, silence, nulls that follow a pattern, a judge that
talks nonsense, an answer that copies everything, no answers, one question. (A leaked question and a variant that declines
everything stand in test_project.py.)"""

import json
import re

import pytest
from conftest import jsonl
from scripted_endpoint import material, scripted, verdicts

from graft import Project
from graft.errors import DataError, GraftError
from graft.evaluation.checks.recital import recites
from graft.evaluation.judging.rubrics import SUPPORTED
from graft.verbs.comparing.judging import judge_plan, judging


def competing(root, answers, settings="", **more):
    """Declare a competitor `them` with recorded answers (id → text), and return the project, built."""
    rows = [
        {"id": name, **({"answer": said} if isinstance(said, str) else said)}
        for name, said in answers.items()
    ]
    jsonl(root / "them.jsonl", rows)
    path = root / "graft.toml"
    tables = '\n[variants.them]\nanswers = "them.jsonl"\n' + "".join(
        f"\n{table}\n" for table in more.values()
    )
    path.write_text(path.read_text(encoding="utf-8") + settings + tables, encoding="utf-8")
    project = Project(root)
    project.build()
    return project


def judge_table(url, **keys):
    lines = [
        f'endpoint = "{url}"',
        'model = "gpt-judge"',
        'key_env = ""',
        "input_price = 1.0",
        "output_price = 2.0",
    ]
    return "[evaluation.judge]\n" + "\n".join(
        lines + [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
    )


# --- nulls that follow a pattern ---------------------------------------------------------------------------------------


def test_a_contrast_is_refused_when_nulls_are_in_one_arm_only(small):
    """`them` declines what it finds hard, so its groundedness is that of the easy questions: no comparison with that."""
    project = competing(
        small, {"q1": "$45 per day.", "q2": "27 days of annual leave.", "q3": "I don't know.", "q4": "I don't know."},
        'primary = "evid_grounded"\n',
    )  # fmt: skip
    decided = project.compare()
    them = decided.comparison.variants["them"]["evid_grounded"]
    assert (them.n_scored, them.n_total) == (2, 4)
    (contrast,) = [one for one in decided.comparison.contrasts if (one.a, one.b) == ("them", "rag") and not one.stratum
                   and one.metric == "evid_grounded"]  # fmt: skip
    assert (contrast.difference, contrast.p) == (None, None)
    assert any(
        text.startswith("Refused: them - rag on evid_grounded") for text in decided.comparison.warnings
    )


def test_failures_where_it_is_hard_count_as_wrong_answers(small):
    """Answers missing on the hard half: accuracy is over all questions, and groundedness says over how many it is."""
    decided = competing(small, {"q1": "$45", "q2": "27 days"}).compare()
    found = decided.comparison.variants["them"]
    assert found["correct"].mean == pytest.approx(2 / 3)
    assert found["truthfulness"].mean == pytest.approx((1 + 1 - 1 - 1) / 4)
    assert (found["evid_grounded"].n_scored, found["evid_grounded"].n_total) == (2, 4)
    assert any(
        "lacks 2 of 4 questions (q3, q4): they count as wrong" in text for text in decided.comparison.warnings
    )


# --- a judge -----------------------------------------------------------------------------------------------------------


def test_a_judge_that_talks_nonsense_is_shown_and_decides_nothing(small, tmp_path):
    plain = Project(small)
    plain.build()
    without = plain.compare()
    with scripted(lambda _: "Certainly! I think it is rather good.") as script:
        path = small / "graft.toml"
        path.write_text(path.read_text(encoding="utf-8") + "\n" + judge_table(script.url), encoding="utf-8")
        decided = Project(small).compare()
    assert decided.recommendation == without.recommendation
    for found in decided.comparison.variants.values():
        judged = found["judged_correct"]
        assert (judged.mean, judged.n_scored, judged.n_total) in [(None, 0, 4), (0.0, judged.n_scored, 4)]
    rag = decided.comparison.variants["rag"]["judged_truthfulness"]
    assert (rag.mean, rag.n_scored) == (None, 0)
    told = [text for text in decided.comparison.warnings if text.startswith("The judge gave no verdict on")]
    assert any(
        "(correctness:" in text and text.endswith("Its metrics are not reliable here.") for text in told
    )
    record = decided.trust.judge
    assert record.rubrics[0].unread == record.rubrics[0].tasks > 0
    assert "The verdict rests on truthfulness" in decided.text
    rows = [json.loads(line) for line in decided.rows.read_text(encoding="utf-8").splitlines()]
    nulls = {
        row["nulls"].get("judged_truthfulness")
        for row in rows
        if row["answer"]["text"] and row["variant"] == "rag"
    }
    assert nulls == {"the judge gave no readable verdict"}


def test_a_judge_stands_beside_the_offline_metrics_is_kept_and_priced(small):
    def reply(body):
        given = material(body)
        if "claims" in given:
            return verdicts(*[SUPPORTED] * len(given["claims"]))
        if not given["references"]:
            return verdicts("abstain" if "know" in given["answer"] else "incorrect")
        right = any(reference in given["answer"] for reference in given["references"])
        return verdicts("abstain" if "know" in given["answer"] else "correct" if right else "incorrect")

    with scripted(reply) as script:
        path = small / "graft.toml"
        path.write_text(path.read_text(encoding="utf-8") + "\n" + judge_table(script.url), encoding="utf-8")
        project = Project(small)
        project.build()
        decided = project.compare()
        asked = len(script.asked)
        found = decided.comparison.variants["rag"]
        assert found["judged_truthfulness"].mean == found["truthfulness"].mean
        assert found["judged_hallucination"].mean == 0.0
        assert decided.trust.judge.cost == pytest.approx(asked * (100 * 1.0 + 10 * 2.0) / 1e6)
        assert decided.trust.judge.rubrics[0].agreement == 1.0
        assert f"Judge gpt-judge, 3 votes a verdict, {110 * asked:,} tokens now" in decided.text
        page = decided.report.read_text(encoding="utf-8")
        assert "Judge gpt-judge, 3 votes a verdict" in page
        # Decided again, and compared again: everything is kept.
        assert project.recommend().trust.judge.usage.prompt == 0
        assert (
            Project(small).compare().comparison.variants["rag"]["judged_correct"] == found["judged_correct"]
        )
        assert len(script.asked) == asked


def test_a_judge_without_prices_of_its_own_is_priced_by_those_of_the_project(small):
    table = judge_table("http://127.0.0.1:9/v1", rubrics=["correctness"])
    own = table.replace("input_price = 1.0\noutput_price = 2.0\n", "")
    assert own != table
    path = small / "graft.toml"
    priced = "[costs]\nprices = { gpt-judge = { input = 3.0, output = 6.0 } }\n"
    path.write_text(f"{path.read_text(encoding='utf-8')}\n{priced}{own}", encoding="utf-8")
    parts = Project(small).parts
    plan = judge_plan(parts, 4, 2)
    assert plan["cost_usd"] == pytest.approx(
        (3.0 * plan["prompt_tokens"] + 6.0 * plan["completion_tokens"]) / 1e6
    )
    judged = judging(parts, [], {"base": []}, ask=False, progress=lambda *_: None)
    assert not any(warning.startswith("No price is known") for warning in judged.warnings)


def test_a_judge_that_fails_on_one_variant_only_cannot_decide_for_or_against_it(small):
    """With the judge as the declared primary metric, a variant whose verdicts are missing is left out, not scored 0."""

    def reply(body):
        given = material(body)
        if "zulu" in given.get("answer", "") or "zulu" in str(given.get("claims", "")):
            return "garbage"
        return verdicts(*["correct"] if "claims" not in given else [SUPPORTED] * len(given["claims"]))

    with scripted(reply) as script:
        project = competing(
            small, {f"q{at}": "It is zulu." for at in range(1, 5)}, 'primary = "judged_truthfulness"\n',
            judge=judge_table(script.url, votes=1),
        )  # fmt: skip
        decided = project.compare()
    assert decided.comparison.variants["them"]["judged_truthfulness"].n_scored == 0
    assert decided.recommendation.variant != "them"
    assert "them" in decided.recommendation.rejected
    assert "The verdict rests on the judge: judged_truthfulness" in decided.text


def test_a_dry_run_says_what_the_judge_may_cost(small):
    project = competing(small, {"q1": "$45"}, judge=judge_table("http://127.0.0.1:9/v1"))
    plan = project.plan_compare()
    judge = plan["judge"]
    assert (
        judge["requests"] == 4 * 5 * 3 * 3
    )  # questions, variants, votes, one correctness and two groundedness
    assert judge["cost_usd"] == pytest.approx((judge["prompt_tokens"] + 2 * judge["completion_tokens"]) / 1e6)
    assert plan["cost_usd"] is None  # no price of the fake model is known, so none of the sum
    small.joinpath("graft.toml").write_text(small.joinpath("graft.toml").read_text(encoding="utf-8").replace(
        "[retrieval]", "[decision]\ninput_price = 0.0\noutput_price = 0.0\n[retrieval]"), encoding="utf-8")  # fmt: skip
    priced = Project(small).plan_compare()
    others = sum(entry["cost_usd"] for entry in priced["variants"].values())
    assert priced["cost_usd"] == pytest.approx(others + judge["cost_usd"])


def test_a_judge_of_the_family_of_a_competitor_is_warned_of(small):
    with scripted(lambda _: verdicts("correct")) as script:
        tables = (
            judge_table(script.url, rubrics=["correctness"], votes=2),
            f'[variants.api]\nendpoint = "{script.url}"\nmodel = "gpt-5-mini"\nkey_env = ""\n',
        )
        decided = competing(small, {"q1": "x"}, one=tables[0], two=tables[1]).compare()
    told = "\n".join(decided.comparison.warnings)
    assert "The judge gpt-judge is of the same model family as api" in told
    assert "An even number of votes leaves ties" in told


def test_a_judge_that_refuses_is_one_error_and_loses_no_answer(small):
    with scripted(lambda _: 401) as script:
        project = competing(small, {"q1": "$45"}, judge=judge_table(script.url))
        with pytest.raises(GraftError, match=r"The judge failed on 8 requests in a row.*answered 401"):
            project.compare()
    # What was answered is kept: without the judge nothing is asked again.
    text = (small / "graft.toml").read_text(encoding="utf-8")
    (small / "graft.toml").write_text(text.split("[evaluation.judge]")[0], encoding="utf-8")
    assert Project(small).compare().comparison.questions == 4


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('judge = "gpt"', "'judge' in [evaluation] must be a table"),
        ('judge = { model = "x" }', "[evaluation.judge] has no 'endpoint'"),
        ('judge = { endpoint = "http://x/v1" }', "[evaluation.judge] has no 'model'"),
        ('judge = { endpoint = "http://x/v1", model = "x", rubric = ["a"] }', "Did you mean 'rubrics'?"),
        ('judge = { endpoint = "http://x/v1", model = "x", rubrics = ["style"] }', "'rubrics' in [evaluation.judge] names 'style'"),
        ('judge = { endpoint = "http://x/v1", model = "x", votes = 0 }', "'votes' in [evaluation.judge] is 0"),
        ('judge = { endpoint = "http://x/v1", model = "x", budget = 1.0 }', "needs 'input_price' and 'output_price'"),
    ],
)  # fmt: skip
def test_a_wrong_judge_is_refused(small, table, message):
    path = small / "graft.toml"
    path.write_text(path.read_text(encoding="utf-8") + table + "\n", encoding="utf-8")
    with pytest.raises(GraftError) as caught:
        Project(small)
    assert message in str(caught.value)


# --- answers -----------------------------------------------------------------------------------------------------------


def test_copying_the_context_is_told(small):
    """The laptop page and much more, copied whole: every fact is in it, so correctness is full marks."""
    filler = " ".join(
        f"Rule {at} of the house says that door {at} stays shut after hour {at}." for at in range(12)
    )
    (small / "documents" / "it" / "laptops.txt").write_text(
        f"Laptops are replaced every four years. {filler}", encoding="utf-8"
    )
    questions = [
        json.loads(line) for line in (small / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    only = [line for line in questions if line["id"] == "q3"]
    jsonl(small / "questions.jsonl", only)
    toml = (small / "graft.toml").read_text(encoding="utf-8")
    copied = f"Laptops are replaced every four years. {filler}"
    (small / "graft.toml").write_text(
        toml.replace(
            'model = "echo"', f'model = {{ name = "echo", reply = {json.dumps(copied)} }}\nmax_tokens = 400'
        ),
        encoding="utf-8",
    )
    project = Project(small)
    project.build()
    decided = project.compare()
    found = decided.comparison.variants["rag"]
    assert found["correct"].mean == 1.0
    assert found["f1"].mean < 0.1
    (told,) = [text for text in decided.comparison.warnings if "recites" in text]
    assert told.startswith("rag recites its passages in 1 of 1 answers")


def test_reciting_is_long_and_copied():
    passage = " ".join(f"word{at}" for at in range(100))
    assert recites(passage, ["word5 word6"], [passage])
    assert not recites(" ".join(passage.split()[:20]), ["word5"], [passage])  # a quoted sentence
    assert not recites(passage, [" ".join(passage.split()[:60])], [passage])  # as long as what was asked for
    assert not recites(" ".join(f"other{at}" for at in range(100)), ["word5"], [passage])
    assert not recites(passage, ["word5"], [])


def test_an_empty_set_of_answers_is_refused(small):
    project = competing(small, {})
    with pytest.raises(DataError, match="answers none of the 4 questions"):
        project.compare()


def test_answers_that_say_nothing_decline(small):
    decided = competing(small, dict.fromkeys(["q1", "q2", "q3", "q4"], "")).compare()
    found = decided.comparison.variants["them"]
    assert (found["over_refusal"].mean, found["correct"].mean, found["abstain_recall"].mean) == (
        1.0,
        0.0,
        1.0,
    )
    assert found["evid_grounded"].n_scored == 0
    assert "declines 100% of the questions" in decided.recommendation.rejected["them"]


def test_no_questions_are_refused(small):
    (small / "questions.jsonl").write_text("", encoding="utf-8")
    project = Project(small)
    project.build()
    with pytest.raises(DataError, match="holds no questions"):
        project.compare()


def test_one_question_decides_nothing(small):
    lines = (small / "questions.jsonl").read_text(encoding="utf-8").splitlines()[:1]
    (small / "questions.jsonl").write_text(lines[0] + "\n", encoding="utf-8")
    decided = competing(small, {"q1": "$45"}).compare()
    assert decided.comparison.questions == 1
    assert decided.recommendation.kind != "RECOMMEND"
    assert any("Only 1 questions: below 30" in text for text in decided.comparison.warnings)
    (alone,) = [text for text in decided.comparison.warnings if "unanswerable" in text]  # said once
    assert alone == "No question is unanswerable: abstaining when it should is not measured."
    (contrast, *_) = decided.comparison.contrasts
    assert (contrast.low, contrast.high, contrast.n) == (None, None, 1)
    assert not re.search(r"\bnan\b", decided.text, re.IGNORECASE)
    assert "NaN" not in decided.report.read_text(encoding="utf-8")
    json.loads(json.dumps(decided.to_json(), allow_nan=False))
