"""What once went wrong on the way to a comparison, each through the path that it went wrong on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from graft import Project
from graft.errors import BudgetExceeded, DataError
from graft.evaluation.metrics.catalogue import score
from graft.testing.fakes import EchoGenerator
from graft.types import Answer, Message, Question, Row
from graft.verbs.compare import held_out
from graft.verbs.comparing.causes import causes
from graft.verbs.comparing.competitors import rows_of
from graft.verbs.comparing.likelihoods import FILE, UNANSWERED
from graft.wiring.parts import Parts


def quiet(*_: object) -> None:
    """No progress."""


def test_a_variant_whose_rows_were_made_for_another_verb_is_timed_all_the_same(small: Path) -> None:
    """graft gaps --apply and graft calibrate --variant answer the held-out questions and time nothing."""
    settings = small / "graft.toml"
    settings.write_text(settings.read_text() + "[decision]\nmax_p95_seconds = 60\n")
    project = Project(small)
    project.build()
    parts = project.parts
    made = rows_of(parts, parts.variant("rag"), held_out(parts)[0], quiet)
    decided = project.compare()
    assert decided.comparison.variants["rag"]["latency_p50"].mean is not None
    assert "not measured" not in decided.trace
    assert rows_of(parts, parts.variant("rag"), held_out(parts)[0], quiet) == made


def refusing(monkeypatch: pytest.MonkeyPatch, words: str, error: Exception) -> list[int]:
    """Let the model raise an error for whatever prompt holds the words. Return the sizes of the batches that it gets."""
    answered = EchoGenerator.generate
    batches: list[int] = []

    def generate(self, prompts, **settings):
        batches.append(len(prompts))
        if any(words in turn.content for prompt in prompts for turn in prompt):
            raise error
        return answered(self, prompts, **settings)

    monkeypatch.setattr(EchoGenerator, "generate", generate)
    return batches


def test_a_first_question_that_the_model_cannot_take_is_a_row(small: Path, monkeypatch) -> None:
    """It is what a local model is warmed up with, and ended the comparison without naming the variant."""
    monkeypatch.setattr(Parts, "is_local", lambda *_: True)
    refusing(monkeypatch, "meal allowance?", DataError("The question is too long.", "Ask a shorter one."))
    project = Project(small)
    project.build()
    decided = project.compare()
    assert decided.comparison.variants["base"]["truthfulness"].n_scored == 4
    assert decided.comparison.variants["base"]["wrong"].n_scored == 3  # a failure gives no answer


def test_a_budget_that_is_used_up_by_the_warm_up_is_told(small: Path, monkeypatch) -> None:
    monkeypatch.setattr(Parts, "is_local", lambda *_: True)
    batches = refusing(monkeypatch, "", BudgetExceeded("All gone.", ""))
    project = Project(small)
    project.build()
    with pytest.raises(BudgetExceeded):
        project.compare()
    assert batches == [1]


def test_a_question_that_cannot_be_scored_did_not_fail() -> None:
    """graft gaps proposed work on every rewriting, and on every question without a reference answer."""
    asked = (Message("user", "How much?"),)
    questions = [
        Question("rewriting", asked, ("It is $45.",), match="rewrite"),
        Question("no reference", asked),
        Question("failing", asked, ("$45",)),
        Question("right", asked, ("$40",)),
    ]
    rows = [Row(question.id, "base", "ok", Answer("It is $40.")) for question in questions]
    scores = score(questions, rows)
    assert [value.value for value in scores["truthfulness"]] == [None, None, -1.0, 1.0]
    assert causes(questions, scores) == {"knowledge gap": ("failing",)}


def test_the_likelihood_of_a_failed_row_is_null_until_it_is_answered(small: Path) -> None:
    """It was taken from a prompt without passages, and kept for good."""
    settings = small / "graft.toml"
    settings.write_text(settings.read_text().replace("[evaluation]", "[evaluation]\nlikelihood = true"))
    project = Project(small)
    project.build()
    with pytest.MonkeyPatch.context() as patch:
        refusing(patch, "meal allowance?", DataError("The question is too long.", "Ask a shorter one."))
        decided = project.compare()
    rows = [json.loads(line) for line in decided.rows.read_text().splitlines()]
    [failed] = [row for row in rows if (row["variant"], row["question"]) == ("rag", "q1")]
    assert failed["nulls"]["bits_per_byte"] == UNANSWERED
    assert decided.comparison.variants["rag"]["bits_per_byte"].n_scored == 2
    files = list((small / ".graft/runs").glob(f"*/{FILE}"))
    assert len(files) == 2
    assert all("q1" not in file.read_text() for file in files)
    assert project.compare().comparison.variants["rag"]["bits_per_byte"].n_scored == 3


def test_a_guardrail_on_what_should_be_low_is_told_so_by_its_card(small: Path) -> None:
    """`wrong = 0.02` kept the variant that is wrong more often and dropped the one that is wrong less."""
    settings = small / "graft.toml"
    settings.write_text(settings.read_text() + "[decision]\nguardrails = { wrong = 0.02, correct = 0.02 }\n")
    project = Project(small)
    project.build()
    told = [line for line in project.compare().trace.splitlines() if "2 guardrail" in line]
    margins = {line.split("guardrail ")[1].split(":")[0]: line.split("margin ")[1][:5] for line in told}
    assert margins == {"wrong": "+0.02", "correct": "-0.02"}
