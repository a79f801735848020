"""graft calibrate: a threshold from development questions, judged on the held-out ones."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest
from conftest import edit, jsonl
from typer.testing import CliRunner

from graft import Project
from graft.cli.main import app
from graft.decision.selective import Shares
from graft.errors import ConfigError, DataError, NotBuilt
from graft.testing.fakes import EchoGenerator
from graft.types import Generation

FACTS = [
    "meal allowance per day",
    "annual leave of employees",
    "laptops replaced every four years",
    "book hotels",
]
STRAY = ["quantum zebra", "volcano opera", "medieval trumpet", "jupiter moons"]


def write(path: Path, rows: list[tuple[str, bool]], prefix: str) -> None:
    path.write_text(
        "".join(
            json.dumps(
                {
                    "id": f"{prefix}{at}",
                    "question": text,
                    "answers": ["x"] if fits else [],
                    "answerable": fits,
                }
            )
            + "\n"
            for at, (text, fits) in enumerate(rows)
        ),
        encoding="utf-8",
    )


def advised(text: str) -> float:
    """The number that the last line tells to write."""
    found = re.search(r" = (-?[\d.]+) ", text.splitlines()[-1])
    assert found is not None, text
    return float(found[1])


@pytest.fixture
def asked(small: Path) -> Path:
    """40 answerable and 20 unanswerable development questions, 8 and 4 held out; all worded differently."""
    write(small / "questions-dev.jsonl", [
        *((f"{FACTS[at % 4]} {at}", True) for at in range(40)), *((f"{STRAY[at % 4]} {at}", False) for at in range(20)),
    ], "d")  # fmt: skip
    write(small / "questions.jsonl", [
        *((f"the {FACTS[at % 4]} {at}", True) for at in range(8)), *((f"the {STRAY[at]} {at}", False) for at in range(4)),
    ], "h")  # fmt: skip
    return small


def test_it_is_chosen_on_one_set_and_judged_on_the_other(asked):
    project = Project(asked)
    project.build()
    found = project.calibrate()
    assert (found.development, found.held, found.today) == (60, 12, 0.0)
    assert found.chosen.kept.value >= 0.95
    assert found.chosen.declined.value == found.judged.declined.value == 1.0
    assert found.judged.separation == 1.0
    assert advised(found.text) == found.chosen.value == found.judged.value
    (asked / "graft.toml").write_text(
        (asked / "graft.toml")
        .read_text()
        .replace("[retrieval]", f"[retrieval]\nmin_score = {found.chosen.value}")
    )
    strict = Project(asked)
    assert strict.ask(STRAY[0], variant="rag").abstained
    assert not strict.ask(FACTS[0], variant="rag").abstained


def test_the_command_prints_it(asked):
    Project(asked).build()
    done = CliRunner().invoke(app, ["calibrate", str(asked)])
    assert done.exit_code == 0
    assert done.stdout.strip() == Project(asked).calibrate().text
    as_json = CliRunner().invoke(app, ["calibrate", str(asked), "--target", "0.8", "--json"])
    assert json.loads(as_json.stdout)["chosen"]["target"] == 0.8


def test_a_score_that_tells_nothing_is_said(asked):
    write(asked / "questions.jsonl", [(FACTS[at % 4], at % 2 == 0) for at in range(12)], "h")
    Project(asked).build()
    assert "hardly tells them apart" in Project(asked).calibrate().text
    write(asked / "questions.jsonl", [(f"the {FACTS[at]}", True) for at in range(4)], "h")
    assert "No held-out question is unanswerable" in Project(asked).calibrate().text


def test_what_is_missing_is_said(asked):
    with pytest.raises(NotBuilt, match="indexed"):
        Project(asked).calibrate()
    Project(asked).build()
    with pytest.raises(ConfigError, match="no share"):
        Project(asked).calibrate(1.5)
    write(asked / "questions-dev.jsonl", [(FACTS[0], True)], "d")
    with pytest.raises(DataError, match="fewer than 30"):
        Project(asked).calibrate()


def confident(patch: pytest.MonkeyPatch, *, right: float, wrong: float) -> None:
    """Let the generator answer "x", which is right where there is an answer, and say how sure it is of it."""

    def generate(self, prompts, *, max_tokens, temperature=0.0, seed=0):
        told = [any(word in prompt[-1].content.rpartition("Question:")[2] for word in ("quantum", "volcano", "medieval", "jupiter"))
                for prompt in prompts]  # fmt: skip
        return [Generation("x", logprob=math.log(wrong if stray else right)) for stray in told]

    patch.setattr(EchoGenerator, "generate", generate)


@pytest.fixture
def sure(asked: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A generator that is surer of what is right."""
    confident(monkeypatch, right=0.8, wrong=0.4)
    return asked


def test_a_confidence_is_chosen_on_one_set_and_judged_on_the_other(sure):
    project = Project(sure)
    project.build()
    found = project.calibrate_confidence("base")
    assert (found.variant, found.today, found.chosen.n, found.judged.n) == ("base", 0.0, 60, 12)
    assert found.chosen.threshold == pytest.approx(0.6)
    assert found.judged.before == Shares(right=pytest.approx(2 / 3), wrong=pytest.approx(1 / 3), missed=0.0)
    assert found.judged.after == Shares(right=1.0, wrong=0.0, missed=0.0)
    assert (found.judged.worth_before, found.judged.worth_after) == (pytest.approx(1 / 3), 1.0)
    assert found.judged.separation == 1.0
    assert found.text.splitlines()[-1] == (
        "To use it, write min_confidence = { base = 0.60 } under [generation]; today it is 0."
    )


@pytest.mark.parametrize(
    ("right", "wrong", "written"),
    [(0.9967, 0.996, "0.9963"), (0.999_99, 0.999_94, "0.99996"), (0.004, 0.002, "0.003"), (0.8, 0.4, "0.60")],
)
def test_what_is_advised_is_what_was_judged(asked, monkeypatch, right, wrong, written):
    confident(monkeypatch, right=right, wrong=wrong)
    Project(asked).build()
    found = Project(asked).calibrate_confidence("base")
    assert found.judged.after == Shares(right=1.0, wrong=0.0, missed=0.0)
    assert f"min_confidence = {{ base = {written} }}" in found.text
    assert f"from a confidence of {written} on" in found.text
    assert float(written) == found.chosen.threshold == found.judged.threshold


def test_what_cannot_be_judged_moves_no_threshold(sure):
    project = Project(sure)
    project.build()
    before = project.calibrate_confidence("base")
    for name in ("questions-dev.jsonl", "questions.jsonl"):
        with (sure / name).open("a", encoding="utf-8") as file:
            for at in range(9):
                row = {
                    "id": f"w{at}{name}",
                    "question": f"Say {name} {at} nicely",
                    "answers": ["x"],
                    "match": "rewrite",
                }
                file.write(json.dumps({**row, "answerable": True}) + "\n")
    after = Project(sure).calibrate_confidence("base")
    assert (after.chosen, after.judged) == (before.chosen, before.judged)


def test_rewritings_are_judged_by_what_decides_on_them(sure):
    edit(sure, "[evaluation]", '[evaluation]\nprimary = "sari"')
    for name in ("questions-dev.jsonl", "questions.jsonl"):
        rows = [
            {"id": f"{at}{name}", "question": f"Say {name} {at} nicely", "answers": ["x"], "match": "rewrite"}
            for at in range(30)
        ]
        jsonl(sure / name, rows)
    Project(sure).build()
    found = Project(sure).calibrate_confidence("base")
    assert found.chosen.worth_before > 0
    assert found.text == ("On 30 development questions no threshold makes the answers of base worth more."), (
        "a rewriting that is not good is still worth no less than none"
    )


def test_the_project_may_use_it_and_be_calibrated_again(sure):
    toml = sure / "graft.toml"
    toml.write_text(toml.read_text(encoding="utf-8").replace("[generation]", "[generation]\nmin_confidence = { base = 0.6 }"), encoding="utf-8")  # fmt: skip
    project = Project(sure)
    project.build()
    assert project.ask("quantum zebra?", variant="base").text == "I don't know."
    found = project.calibrate_confidence("base")
    assert (found.today, found.judged.before.wrong) == (0.6, pytest.approx(1 / 3))


def test_the_command_prints_what_the_project_finds(sure):
    Project(sure).build()
    done = CliRunner().invoke(app, ["calibrate", str(sure), "--variant", "base"])
    assert done.stdout.strip() == Project(sure).calibrate_confidence("base").text
    as_json = CliRunner().invoke(app, ["calibrate", str(sure), "--variant", "base", "--json"])
    assert json.loads(as_json.stdout)["judged"]["after"] == {"right": 1.0, "wrong": 0.0, "missed": 0.0}


def test_a_generator_that_does_not_say_how_sure_it_is(asked):
    Project(asked).build()
    with pytest.raises(DataError, match="does not say how sure it is"):
        Project(asked).calibrate_confidence("base")


@pytest.mark.parametrize("given", ["{ bass = 0.5 }", "{ base = 1.5 }", '{ base = "high" }'])
def test_a_confidence_that_is_none_is_refused(asked, given):
    toml = asked / "graft.toml"
    toml.write_text(toml.read_text(encoding="utf-8").replace("[generation]", f"[generation]\nmin_confidence = {given}"), encoding="utf-8")  # fmt: skip
    with pytest.raises(ConfigError, match="min_confidence"):
        Project(asked).calibrate()
