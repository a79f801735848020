"""Advice before measurement: the questionnaire, the priors, the costs, and what a comparison replaces."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from graft import Project
from graft.cli.main import app
from graft.decision.advising.advice import advise
from graft.decision.advising.priors import PRIORS
from graft.decision.advising.situation import ASSUMED, PER_MONTH, Situation, completed
from graft.decision.costs.cost import load_prices
from graft.errors import ConfigError
from graft.types import Comparison, Contrast, Estimate
from graft.verbs.advise import read_answers, understood
from graft.verbs.init import field_comments

PRICES = load_prices()


def given(**answers: object) -> Situation:
    return completed(Situation(**answers))[0]  # type: ignore[arg-type]


def expected(**answers: object) -> list[str]:
    return [one.variant for one in advise(given(**answers), {}, PRICES).standings]


def test_every_question_is_asked_in_words_and_has_an_assumption() -> None:
    names = [entry.name for entry in dataclasses.fields(Situation)]
    assert list(ASSUMED) == names
    assert all(text.rstrip().endswith(("?", ")", "1", "…", "list, or own when none may be used.", "possible.",
                                        "questions."))
               for text in field_comments(Situation).values())  # fmt: skip
    assert set(PER_MONTH) == {"never", "yearly", "monthly", "weekly", "daily"}


def test_where_each_value_is_from() -> None:
    situation, origin = completed(Situation(examples=7, cite=True), {"examples": 412})
    assert (situation.examples, origin["examples"]) == (412, "measured")
    assert (situation.cite, origin["cite"]) == (True, "answered")
    assert (situation.pages, origin["pages"]) == (500, "assumed")


def test_the_task_is_what_was_answered_and_what_the_questions_call_for() -> None:
    counted = {"task": ("facts",)}
    for answer, task, source in (
        (None, ("facts",), "measured"),
        (("labels",), ("labels", "facts"), "answered, measured"),
        (("style", "facts"), ("style", "facts"), "answered"),
    ):
        situation, origin = completed(Situation(task=answer), counted)
        assert (situation.task, origin["task"]) == (task, source)
    assert completed(Situation(), {"task": ()})[1]["task"] == "assumed"


def test_every_prior_has_evidence_with_source_year_and_setting() -> None:
    for prior in PRIORS:
        assert prior.evidence
        for evidence in prior.evidence:
            assert 2020 <= evidence.year <= 2026
            assert len(evidence.source) > 10
            assert len(evidence.setting) > 10


def test_facts_go_to_retrieval_labels_to_tuning_both_to_hybrid() -> None:
    assert expected(task=("facts",))[:2] == ["rag", "hybrid"]
    assert expected(task=("labels",), examples=3_000, change="never")[0] == "tuned"
    assert expected(task=("facts", "style"), examples=400)[0] == "hybrid"


def test_what_cannot_meet_a_requirement_is_out() -> None:
    out = {one.variant: one.excluded for one in advise(given(cite=True), {}, PRICES).standings}
    assert out["tuned"] == out["base"] == "it cannot name a source"
    stale = {
        one.variant: one.excluded
        for one in advise(given(change="monthly", max_age_days=1), {}, PRICES).standings
    }
    assert stale["tuned"] == "its knowledge would be older than the 1 days allowed"
    assert stale["rag"] == ""


def test_the_cost_model_repeats_the_worked_check() -> None:
    cost = advise(given(pages=0, wage=0.0, relabel="never"), {}, PRICES).cost
    assert cost.bills["rag"].query == pytest.approx(0.7125e-3)
    assert cost.bills["base"].query == pytest.approx(0.3375e-3)
    volume = {(one.cheaper, one.dearer): one.answers for one in cost.paybacks()}
    assert volume["rag", "tuned"] == pytest.approx(2.86e6, rel=0.01), "an idle H100 against a retrieval bill"


def test_own_machines_cost_every_variant_the_same_hosting() -> None:
    bills = advise(given(on_premise=True), {}, PRICES).cost.bills
    assert len({bill.monthly["hosting"] for bill in bills.values()}) == 1
    assert advise(given(on_premise=True, gpu=True), {}, PRICES).cost.bills["rag"].monthly["hosting"] == 0


def test_a_model_without_a_price_is_asked_for() -> None:
    with pytest.raises(ConfigError, match="No price is known for the model 'my-model'"):
        advise(given(model="my-model"), {}, PRICES)


def compared(difference: float, low: float, high: float) -> Comparison:
    contrast = Contrast("tuned", "rag", "truthfulness", -difference, -high, -low, 0.01, n=200)
    return Comparison(200, "truthfulness", {"rag": {}, "tuned": {}}, (contrast,))


@pytest.mark.parametrize(
    ("limits", "verdict"),
    [((0.4, 0.3, 0.5), "agrees"), ((-0.4, -0.5, -0.3), "contradicts"), ((0.1, -0.1, 0.3), "undecided")],
)
def test_a_comparison_replaces_the_prior_that_it_tests(
    limits: tuple[float, float, float], verdict: str
) -> None:
    advice = advise(given(), {}, PRICES, comparison=compared(*limits), verdict="recommend rag, 200 questions")
    [heard] = [one for one in advice.heard if one.figures]
    assert heard.verdict == verdict
    assert heard.figures == (
        f"rag - tuned = {limits[0]:+.2f} [{limits[1]:+.2f}, {limits[2]:+.2f}] in truthfulness, 200 questions"
    )


def notes(comparison: Comparison | None = None, **answers: object) -> str:
    situation, origin = completed(Situation(**answers))  # type: ignore[arg-type]
    return "\n".join(advise(situation, origin, PRICES, comparison=comparison).notes)


def test_what_declining_costs_tells_when_to_answer() -> None:
    """It was asked for, and nothing was made of it."""
    assert "right is above 50%" in notes()
    assert "right is above 70%" in notes(right=1.0, wrong=4.0, abstain=0.5)
    assert "nothing is gained by declining" in notes(wrong=1.0, abstain=1.0)
    assert "declining" not in notes(right=0.0, wrong=0.0)


def test_the_time_allowed_is_held_against_what_was_timed() -> None:
    """It was asked for, and nothing was made of it."""
    timed = {"rag": 1.2, "hybrid": 7.25, "bm25": 9.0}
    figures = {
        name: {"latency_p95": Estimate(seconds, None, None, 40, 40)} for name, seconds in timed.items()
    }
    comparison = Comparison(40, "truthfulness", {**figures, "base": {}}, (), baselines=("bm25",))
    assert "than the 3 s you allow: hybrid (7.2 s). [decision] max_p95_seconds = 3" in notes(
        comparison, max_seconds=3.0
    )
    assert "s you allow" not in notes(comparison, max_seconds=8.0)
    assert "Nothing is known yet of 3 s" in notes(max_seconds=3.0)
    assert "max_p95_seconds" not in notes() + notes(comparison), "nobody asked for an assumed limit"


@pytest.mark.parametrize(
    ("name", "typed", "value"),
    [("cite", "Yes", True), ("cite", "perhaps", "perhaps"), ("examples", "1,200", 1200), ("unanswerable", "20%", 0.2),
     ("task", "facts, style", ["facts", "style"]), ("wage", "many", "many"), ("model", "own", "own")],
)  # fmt: skip
def test_what_was_typed(name: str, typed: str, value: object) -> None:
    import typing

    assert understood(typing.get_type_hints(Situation)[name], typed) == value


# --- as a user -----------------------------------------------------------------------------------------------------------


def test_outside_a_project_it_works_on_assumptions(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["advise", str(tmp_path), "--no-ask"])
    assert done.exit_code == 0
    assert done.stdout.startswith("These are PRIORS")
    assert "20 of 20 are assumed" in done.stdout
    assert "Ovadia et al." in done.stdout


def test_recommend_ask_is_the_same(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["recommend", "--ask", str(tmp_path)], input="facts\n\n")
    assert done.exit_code == 0, done.output
    assert "What do the answers need?" in done.stdout
    assert "19 of 20 are assumed" in done.stdout


def test_the_terminal_asks_and_asks_again(tmp_path: Path) -> None:
    typed = iter(["facts, stile", "facts, style", "y"])
    prompts: list[str] = []

    def ask(prompt: str) -> str:
        prompts.append(prompt)
        return next(typed, "")

    advice = Project.advise(tmp_path, ask=ask).advice
    assert advice.situation.task == ("facts", "style")
    assert advice.situation.cite is True
    assert advice.origin["pages"] == "assumed"
    assert "is 'stile'" in prompts[1]
    assert len(prompts) == 21


def test_answers_from_a_file_and_from_graft_toml(small: Path, tmp_path: Path) -> None:
    path = tmp_path / "answers.toml"
    path.write_text('[advice]\nlanguages = ["de"]\nexamples = 3\n', encoding="utf-8")
    config = (small / "graft.toml").read_text(encoding="utf-8")
    (small / "graft.toml").write_text(
        config + "[advice]\ncite = true\n[decision]\nwrong = 4\n", encoding="utf-8"
    )
    done = CliRunner().invoke(app, ["advise", str(small), "--answers", str(path), "--json"])
    found = json.loads(done.stdout)
    assert found["situation"]["languages"] == ["de"]
    assert (found["situation"]["task"], found["origin"]["task"]) == (["facts"], "measured")
    assert found["origin"]["cite"] == "answered"
    assert (found["situation"]["wrong"], found["origin"]["wrong"]) == (4, "measured")
    assert found["situation"]["unanswerable"] == 0.25, "counted in the project's questions"
    path.write_text("exampels = 3\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="Unknown key 'exampels'"):
        read_answers(path)


def test_in_a_project_with_a_comparison_the_figures_stand_first(small: Path) -> None:
    project = Project(small)
    project.build()
    project.compare()
    advised = Project.advise(small)
    assert advised.text.startswith("A comparison exists, and it decides: ")
    assert advised.advice.origin["in_documents"] == "measured"
    assert (advised.advice.situation.pages, advised.advice.origin["pages"]) == (1, "measured")


def test_questions_with_a_form_call_for_style(small: Path) -> None:
    path = small / "questions.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    rows = [{**row, "format": {"regex": "Answer: .*"}} for row in rows]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert Project.advise(small).advice.situation.task == ("facts", "style")


def test_questions_with_labels_call_for_labels(tmp_path: Path, write_jsonl: Callable[..., Path]) -> None:
    """Every project's questions were said to call for facts, over the answer of who asked."""
    examples = [{"input": f"message {n}", "output": f"label {n % 4}"} for n in range(300)]
    labelled = {"question": "Which label has this text?", "match": "exact"}
    questions = [{**labelled, "id": f"q{n}", "answers": [f"label {n % 4}"]} for n in range(40)]
    write_jsonl(tmp_path / "examples.jsonl", examples)
    write_jsonl(tmp_path / "questions.jsonl", questions)
    (tmp_path / "graft.toml").write_text('[advice]\ntask = ["labels"]\nchange = "never"\n', encoding="utf-8")
    advice = Project.advise(tmp_path).advice
    assert (advice.situation.task, advice.origin["task"], advice.expected) == (
        ("labels",),
        "answered",
        "tuned",
    )
    (tmp_path / "graft.toml").write_text("", encoding="utf-8")
    advice = Project.advise(tmp_path).advice
    assert (advice.situation.task, advice.origin["task"]) == (("labels",), "measured")


def test_questions_in_prose_call_for_facts_and_records_for_none(
    tmp_path: Path, write_jsonl: Callable[..., Path]
) -> None:
    (tmp_path / "graft.toml").write_text('[advice]\ntask = ["style"]\n', encoding="utf-8")
    for answer, task in (("A letter in writing.", ("style", "facts")), ('{"kind": "letter"}', ("style",))):
        write_jsonl(
            tmp_path / "questions.jsonl", [{"id": "q", "question": "What is due?", "answers": [answer]}]
        )
        assert Project.advise(tmp_path).advice.situation.task == task
