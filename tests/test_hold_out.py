"""Examples held out as questions: whole documents, nothing lost, nothing left that asks the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from test_project import call_json

from graft import Project
from graft.errors import ConfigError, DataError
from graft.evaluation.question_sets.questions import read_questions
from graft.tuning.examples import read_examples
from graft.tuning.leaks import refuse_leaks

LABELS = ("card arrival", "card linking", "top up failed")
TOPICS = [
    "desk",
    "bike",
    "lamp",
    "door",
    "roof",
    "tree",
    "boat",
    "coat",
    "soup",
    "king",
    "salt",
    "wolf",
    "frog",
    "iron",
    "milk",
    "rain",
    "sand",
    "wind",
    "fire",
    "moon",
]


@pytest.fixture
def examples(tmp_path: Path, write_jsonl: Any) -> Path:
    rows = [
        {"input": f"Why is my {one} with the {two} not here?", "output": LABELS[at % 3], "note": "mine"}
        for at, (one, two) in enumerate((one, two) for one in TOPICS for two in TOPICS[:5] if one != two)
    ]
    again = {**rows[0], "input": rows[0]["input"].upper()}
    write_jsonl(tmp_path / "examples.jsonl", [*rows, again, *rows[5:25]])
    (tmp_path / "graft.toml").write_text("[documents]\npaths = []\n[generation]\nmodel = 'echo'\n")
    return tmp_path


def test_a_share_of_the_examples_becomes_questions_and_no_line_is_lost(examples: Path) -> None:
    before = (examples / "examples.jsonl").read_text().splitlines()
    held = Project(examples).hold_out(0.3)
    assert (held.match, held.questions >= 0.3 * (len(before) - 1)) == ("exact", True)
    after = (examples / "examples.jsonl").read_text().splitlines()
    kept = (examples / "examples-held-out.jsonl").read_text().splitlines()
    assert sorted([*after, *kept]) == sorted(before)
    assert (len(after), len(kept)) == (held.left, held.questions + held.alike)
    questions = read_questions(examples / "questions.jsonl")
    assert {(question.match, question.answers[0] in LABELS) for question in questions} == {("exact", True)}
    refuse_leaks(read_examples(examples / "examples.jsonl"), [(one.id, one.text) for one in questions])


def test_documents_stay_whole(tmp_path: Path, write_jsonl: Any) -> None:
    rows = [
        {"input": f"What of the {one} in {at}?", "output": f"Answer: {one} {at}", "documents": [f"{one}.md"]}
        for at in range(6)
        for one in TOPICS
    ]
    write_jsonl(tmp_path / "examples.jsonl", rows)
    (tmp_path / "graft.toml").write_text("[generation]\nmodel = 'echo'\n")
    told = call_json("questions", "hold-out", str(tmp_path), "--share", "0.2")
    assert (told["questions"], told["match"]) == (24, "words")
    tested = {one.evidence[0].document for one in read_questions(tmp_path / "questions.jsonl")}
    trained = {one.documents[0] for one in read_examples(tmp_path / "examples.jsonl")}
    assert (len(tested), tested & trained) == (4, set())


def test_it_draws_once_and_leaves_enough(examples: Path, write_jsonl: Any) -> None:
    before = (examples / "examples.jsonl").read_bytes()
    for share in (0.0, 1.0):
        with pytest.raises(ConfigError, match="cannot be held out"):
            Project(examples).hold_out(share)
    with pytest.raises(DataError, match="would be left to train on"):
        Project(examples).hold_out(0.95)
    write_jsonl(examples / "questions.jsonl", [{"id": "1", "question": "Who?", "answers": ["Ann"]}])
    with pytest.raises(ConfigError, match="drawn once"):
        Project(examples).hold_out(0.3)
    assert (examples / "examples.jsonl").read_bytes() == before
    assert json.loads((examples / "questions.jsonl").read_text())["id"] == "1"
