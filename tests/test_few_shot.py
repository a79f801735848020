"""The few-shot arm: the nearest examples in the prompt, within the model's budget, shown and never the winner."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from graft import Project
from graft.decision.recommending.explain import tuning_gain_lines
from graft.generation import prompts
from graft.generation.few_shot import FewShot
from graft.testing.fakes import EchoGenerator
from graft.types import Context, Generation, Message, Value
from graft.verbs.compare import held_out
from graft.verbs.comparing.diagnostics import diagnostic_arms


def generator(calls: list[list[str]]) -> FewShot:
    def nearest(asked):
        calls.append(list(asked))
        return [[(f"near {question}", "A."), ("far", "B.")] for question in asked]

    return FewShot(EchoGenerator(), nearest, fingerprint_parts=["x"])


def test_examples_stand_before_the_question_the_nearest_last() -> None:
    shown = generator([])._with_examples([prompts.build("How much?", Context.sample())])[0]
    assert [message.role for message in shown] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert [message.content for message in shown[1:5]] == [
        "Question: far", "B.", "Question: near How much?", "A."]  # fmt: skip
    assert shown[-1].content.endswith("Question: How much?"), "the passages stay with the question"


def test_it_answers_streams_and_counts_like_the_model_it_wraps() -> None:
    calls: list[list[str]] = []
    made = generator(calls)
    prompt = prompts.build("How much?", Context.sample())
    [answer] = made.generate([prompt], max_tokens=20)
    pieces = list(made.stream(prompt, max_tokens=20))
    assert isinstance(pieces[-1], Generation)
    assert pieces[-1].text == answer.text
    assert made.count_tokens(prompt) == EchoGenerator().count_tokens(prompt) + 8, (
        "Question: far B. Question: near How much? A."
    )
    assert calls == [["How much?"]], "the same question is looked up once"


def test_a_question_that_quotes_the_mark_is_taken_whole_at_its_end() -> None:
    calls: list[list[str]] = []
    generator(calls).count_tokens([Message("user", "Passages …\n\nQuestion: What is a Question: in a form?")])
    assert calls == [["in a form?"]]


@pytest.fixture
def project(small: Path) -> Path:
    rows = [{"input": "How many days of annual leave do interns get?", "output": "Ten days."},
            {"input": "What is the dress code in Rome?", "output": "I don't know."}]  # fmt: skip
    (small / "examples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    path = small / "graft.toml"
    text = path.read_text(encoding="utf-8").replace(
        "[evaluation]\n", '[evaluation]\ndiagnostics = ["few-shot"]\nshots = 1\n'
    )
    path.write_text(text, encoding="utf-8")
    return small


def test_the_arm_shows_the_nearest_example(project: Path) -> None:
    opened = Project(project)
    opened.build()
    arms, missing = diagnostic_arms(opened.parts, held_out(opened.parts)[0], ["few-shot"])
    assert missing == {}
    prompt = prompts.build("How many days of annual leave do employees get?")
    shown = arms["few-shot"].generator._with_examples([prompt])[0]
    assert [message.content for message in shown[1:3]] == [
        "Question: How many days of annual leave do interns get?", "Ten days."]  # fmt: skip
    assert arms["few-shot"].fingerprint != opened.parts.variant("rag").fingerprint


def test_it_is_in_the_table_and_cannot_win(project: Path) -> None:
    opened = Project(project)
    opened.build()
    decided = opened.compare()
    assert "few-shot" in decided.comparison.variants
    assert "few-shot" in decided.comparison.baselines
    assert "few-shot" not in decided.recommendation.utility


def test_without_examples_it_is_left_out_and_said_so(project: Path) -> None:
    (project / "examples.jsonl").unlink()
    opened = Project(project)
    opened.build()
    decided = opened.compare()
    assert "few-shot" not in decided.comparison.variants
    assert any("there is no examples.jsonl" in warning for warning in decided.comparison.warnings)


def values(*numbers: float) -> list[Value]:
    return [Value(number) for number in numbers]


def test_what_tuning_brings_over_showing() -> None:
    few = {"truthfulness": values(0, 0, 1, 0), "format": values(0, 0, 0, 0)}
    hybrid = {"truthfulness": values(1, 0, 1, 1), "format": values(1, 1, 1, 1)}
    clusters = ["a", "b", "c", "d"]
    [line] = tuning_gain_lines({"few-shot": few, "hybrid": hybrid}, clusters, seed=0, draws=500)
    assert line.startswith("Tuning over showing examples: hybrid - few-shot = +0.500 [")
    assert line.endswith("+1.000 [+1.000, +1.000] in format.")
    assert tuning_gain_lines({"few-shot": few}, clusters, seed=0, draws=500) == []
    assert tuning_gain_lines({"hybrid": hybrid}, clusters, seed=0, draws=500) == []
