"""The gate: passes what is as good, stops what got worse, and says on which questions."""

from __future__ import annotations

import json
import shlex
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from graft import Project
from graft.cli.main import app
from graft.decision.gate import Judgement, judge, passed
from graft.errors import ConfigError, DataError, NotBuilt, UnknownName
from graft.evaluation.metrics.catalogue import METRICS
from graft.types import Value


def gate(then: list[float], now: list[float], margin: float = 0.05, **more: Any) -> Judgement:
    names = [f"q{n}" for n in range(len(then))]
    return judge("m", np.array(then), np.array(now), margin=margin, questions=names, clusters=names, **more)


NULL = float("nan")


@pytest.mark.parametrize(
    ("then", "now", "status"),
    [
        ([1.0, 0.0], [1.0, 0.0], "unchanged"),
        ([1.0] * 200, [0.0] + [1.0] * 199, "kept"),
        ([1.0] * 200, [0.0] * 40 + [1.0] * 160, "regressed"),
        ([1.0] * 10 + [0.0], [1.0] * 9 + [0.0, 1.0], "not shown"),
        ([NULL] * 9, [NULL] * 9, "not judged"),
        ([1.0] * 9 + [0.5], [1.0] * 9 + [NULL], "incomparable"),
        ([], [], "not judged"),
    ],
)
def test_a_status_for_every_case(then: list[float], now: list[float], status: str) -> None:
    assert gate(then, now).status == status


def test_what_changed_is_named_and_lower_may_be_better() -> None:
    found = gate([0.0, 0.0, 1.0], [1.0, 0.0, 0.0], higher=False)
    assert (found.worse, found.better) == (("q0",), ("q2",))
    more_wrong = gate([0.0] * 100, [1.0] * 30 + [0.0] * 70, higher=False)
    assert (more_wrong.status, more_wrong.difference) == ("regressed", pytest.approx(0.3))
    assert gate([1.0] * 30 + [0.0] * 70, [0.0] * 100, higher=False).status == "kept"


def test_clusters_are_kept_together() -> None:
    """Ten documents of twenty questions: one that is lost whole is not proof, as twenty lost here and there are."""
    documents = [f"d{n // 20}" for n in range(200)]
    then, lost = np.ones(200), np.array([0.0] * 20 + [1.0] * 180)
    names = [str(n) for n in range(200)]
    alone = judge("m", then, lost, margin=0.16, questions=names, clusters=names)
    together = judge("m", then, lost, margin=0.16, questions=names, clusters=documents)
    assert (alone.status, together.status) == ("kept", "not shown")


def test_strict_wants_proof() -> None:
    unproven = [gate([1.0] * 10 + [0.0], [1.0] * 9 + [0.0, 1.0])]
    assert passed(unproven)
    assert not passed(unproven, strict=True)
    assert not passed([gate([1.0] * 200, [0.0] * 200)])


# --- the verb ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def released(small: Path) -> Path:
    Project(small).build()
    Project(small).compare()
    Project(small).release("rag")
    return small


def call(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, list(arguments))
    return done.exit_code, done.stdout + done.stderr


def worsen(root: Path) -> None:
    (root / "documents/leave.md").write_text(
        "# Leave\n\nAsk your manager about annual leave.\n", encoding="utf-8"
    )
    Project(root).build()


def test_nothing_changed_passes(released: Path) -> None:
    assert Project(released).check().passed
    code, out = call("check", str(released))
    assert code == 0
    assert out.splitlines()[0] == "rag against release 1"
    assert out.splitlines()[-1] == "Passed"


def test_a_lost_answer_is_a_regression_with_its_question(released: Path) -> None:
    worsen(released)
    code, out = call("check", str(released), "--markdown")
    assert code == 1
    assert out.startswith("### graft check: regression\n\n`rag` against release 1.\n")
    assert "Worse in truthfulness: q2. Better: none." in out
    code, out = call("check", str(released), "--baseline", "1", "--json")
    found = json.loads(out)
    assert (code, found["passed"], found["judgements"][0]["status"]) == (1, False, "regressed")
    assert found["judgements"][0]["worse"] == ["q2"]


def test_a_stored_folder_and_another_variant(released: Path, tmp_path: Path) -> None:
    (folder,) = [path for path in (released / ".graft/comparisons").iterdir() if path.is_dir()]
    worsen(released)
    assert Project(released).check(str(folder), variant="base").passed
    assert not Project(released).check(str(folder / "rows.jsonl"), variant="rag").passed
    stored = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))
    undecided = {**stored, "verdict": {**stored["verdict"], "kind": "UNDECIDED", "variant": None}}
    (folder / "comparison.json").write_text(json.dumps(undecided), encoding="utf-8")
    with pytest.raises(ConfigError, match="does not say which variant"):
        Project(released).check(str(folder))
    with pytest.raises(UnknownName, match="Unknown variant 'rga'"):
        Project(released).check(str(folder), variant="rga")
    with pytest.raises(DataError, match="cannot be read as the rows"):
        Project(released).check(str(tmp_path), variant="rag")


def test_a_baseline_that_is_not_there_is_named(released: Path) -> None:
    """The folder around a mistyped path was taken for it, and judged where it held a comparison."""
    (folder,) = [path for path in (released / ".graft/comparisons").iterdir() if path.is_dir()]
    for mistyped in (folder / "row.jsonl", folder.parent / "baselin"):
        with pytest.raises(NotBuilt, match=f"There is no stored comparison at {mistyped}"):
            Project(released).check(str(mistyped), variant="rag")


def test_what_is_judged_against_stays_as_it_was(released: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first check of a changed metric wrote its own rows over the release's; the second compared them with themselves."""
    (folder,) = [path for path in (released / ".graft/comparisons").iterdir() if path.is_dir()]
    rows = (folder / "rows.jsonl").read_bytes()
    stricter = replace(METRICS["truthfulness"], function=lambda case: Value(-1.0))
    monkeypatch.setitem(METRICS, "truthfulness", stricter)
    assert not Project(released).check().passed
    assert not Project(released).check().passed
    assert (folder / "rows.jsonl").read_bytes() == rows


def test_the_same_answers_are_the_same_comparison_whatever_they_took(released: Path) -> None:
    (folder,) = [path for path in (released / ".graft/comparisons").iterdir() if path.is_dir()]
    shutil.rmtree(released / ".graft/runs")
    assert Project(released).compare().rows.parent == folder


def test_guardrails_are_declared_and_questions_may_come_and_go(released: Path, write_jsonl: Any) -> None:
    path = released / "graft.toml"
    path.write_text(
        path.read_text(encoding="utf-8") + "[decision]\nguardrails = { wrong = 0.1, correct = 0.1 }\n",
        encoding="utf-8",
    )
    lines = (released / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    kept = [json.loads(line) for line in lines[:3]]
    write_jsonl(released / "questions.jsonl", [*kept, {"id": "new", "question": "Who?", "answerable": False}])
    found = Project(released).check()
    assert [one.metric for one in found.judgements] == ["truthfulness", "wrong", "correct"]
    assert {one.status for one in found.judgements} == {"unchanged"}
    assert found.notes == ("Judged on the 3 questions that both have: 1 are new, 1 were taken out.",)


def test_without_a_release_it_says_what_to_do(small: Path) -> None:
    with pytest.raises(NotBuilt, match="There is no release yet"):
        Project(small).check()
    with pytest.raises(NotBuilt, match="There is no release 7"):
        Project(small).check("7")


# --- the workflow in docs/examples ---------------------------------------------------------------------------------------

WORKFLOW = Path(__file__).parent.parent / "docs/examples/check.yml"


def gated(root: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[list[int], str]:
    """Run the workflow's own `graft` lines in a project; return their exit codes and the summary that they append."""
    monkeypatch.chdir(root)
    steps = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]["check"]["steps"]
    lines = [step["run"] for step in steps if step.get("run", "").startswith("graft ")]
    codes, summary = [], ""
    for line in lines:
        command, _, target = line.partition(" >> ")
        done = CliRunner().invoke(app, shlex.split(command)[1:])
        assert target in {"", '"$GITHUB_STEP_SUMMARY"'}
        codes.append(done.exit_code)
        summary += done.stdout if target else ""
    return codes, summary


def test_the_workflow_lets_pass_what_has_not_got_worse_and_stops_what_has(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project(small)
    project.build()
    decided = project.compare()
    shutil.copytree(decided.report.parent, small / "baseline")
    stored = json.loads((small / "baseline/comparison.json").read_text(encoding="utf-8"))
    stored["verdict"]["variant"] = "rag"  # with four questions nothing is recommended
    (small / "baseline/comparison.json").write_text(json.dumps(stored), encoding="utf-8")
    codes, told = gated(small, monkeypatch)
    assert codes == [0, 0]
    assert "### graft check: passed" in told
    for name in ("leave.md", "it/laptops.txt"):
        (small / "documents" / name).unlink()
    codes, told = gated(small, monkeypatch)
    assert codes == [0, 1]
    assert "### graft check: regression" in told
    assert "Worse in truthfulness: q2, q3." in told
