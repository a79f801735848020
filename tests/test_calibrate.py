"""graft calibrate: a threshold from development questions, judged on the held-out ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from graft import Project
from graft.cli.main import app
from graft.errors import ConfigError, DataError, NotBuilt

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
    assert f"min_score = {found.chosen.value:.2f}" in found.text
    (asked / "graft.toml").write_text(
        (asked / "graft.toml")
        .read_text()
        .replace("[retrieval]", f"[retrieval]\nmin_score = {found.chosen.value:.4f}")
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
