"""The verbs end to end on fakes: what a newcomer does, in order, and what is reported."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import edit
from typer.testing import CliRunner

from graft import Project
from graft.cli.main import app
from graft.errors import ConfigError, GraftError, NotBuilt
from graft.records import to_dict
from graft.types import Evidence

LEAVE = "---\ntitle: Leave\nteam: people\n---\n# Leave\n\nEmployees get 30 days of annual leave.\n"


def call(*arguments: str) -> tuple[int, str, str]:
    """Run the command line in this process: exit code, standard output, standard error."""
    done = CliRunner().invoke(app, list(arguments))
    return done.exit_code, done.stdout, done.stderr


def call_json(*arguments: str) -> Any:
    code, out, err = call(*arguments, "--json")
    assert code == 0, err
    return json.loads(out)


def test_build_reports_what_changed(small: Path) -> None:
    project = Project(small)
    first = project.build().index
    assert (first.documents, first.added, first.embedded) == (3, 3, first.chunks)
    again = Project(small).build().index
    assert (again.unchanged, again.added, again.embedded) == (3, 0, 0)


def test_ask_reflects_an_added_a_changed_and_a_deleted_document_at_once(small: Path) -> None:
    Project(small).build()
    assert "27 days" in Project(small).ask("How many days of annual leave?", variant="rag").text
    (small / "documents/leave.md").write_text(LEAVE, encoding="utf-8")
    changed = Project(small).build().index
    assert (changed.changed, changed.embedded) == (1, 1)
    answer = Project(small).ask("How many days of annual leave?", variant="rag")
    assert "30 days" in answer.text
    assert [citation.document for citation in answer.citations] == ["leave.md"]
    (small / "documents/pets.md").write_text("# Pets\n\nDogs are welcome on Fridays.\n", encoding="utf-8")
    added = Project(small).build().index
    assert (added.added, added.embedded) == (1, 1)
    assert "Fridays" in Project(small).ask("When are dogs welcome?", variant="rag").text
    (small / "documents/pets.md").unlink()
    deleted = Project(small).build().index
    assert (deleted.deleted, deleted.embedded) == (1, 0)
    assert all(
        passage.document != "pets.md"
        for passage in Project(small).ask("When are dogs welcome?", variant="rag").passages
    )


def test_where_narrows_what_may_be_cited(small: Path) -> None:
    Project(small).build()
    answer = call_json(
        "ask", "meal allowance", "-p", str(small), "--variant", "rag", "--where", "team=people"
    )
    assert {passage["document"] for passage in answer["passages"]} == {"leave.md"}
    code, _, err = call("ask", "meal allowance", "-p", str(small), "--where", "team")
    assert (code, err.splitlines()[0]) == (2, "error: --where 'team' is not key=value.")


def test_compare_prints_the_contract_of_its_json(small: Path) -> None:
    Project(small).build()
    found = call_json("compare", str(small))
    assert set(found) >= {"questions", "variants", "contrasts", "verdict", "fingerprints"}
    assert found["questions"] == 4
    assert set(found["variants"]) == {"base", "rag", "extractive", "bm25"}
    for metrics in found["variants"].values():
        for estimate in metrics.values():
            assert set(estimate) == {"mean", "low", "high", "n_scored", "n_total"}
    assert set(found["contrasts"][0]) >= {
        "a",
        "b",
        "metric",
        "difference",
        "low",
        "high",
        "p",
        "p_adjusted",
        "mde",
    }
    assert set(found["verdict"]) >= {"kind", "variant", "reasons"}
    page = Path(found["report"]).read_text(encoding="utf-8")
    for what, setting in {
        "model": "echo",
        "embedder": "hashing",
        "statistics": "500 bootstrap draws, seed 0",
    }.items():
        assert f'<th scope="row">{what}</th><td><code>{setting}</code></td>' in page
    rows = [json.loads(line) for line in Path(found["rows"]).read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 4 * 4


def test_the_same_seed_and_data_give_the_same_figures(small: Path, tmp_path: Path) -> None:
    twin = tmp_path / "twin"
    shutil.copytree(small, twin)
    for root in (small, twin):
        Project(root).build()
    first, second = (to_dict(Project(root).compare().comparison) for root in (small, twin))
    for found in (first, second):
        for metrics in found["variants"].values():
            for name in [name for name in metrics if name.startswith(("latency", "ttft", "cost"))]:
                del metrics[name]
        found["contrasts"] = [
            row for row in found["contrasts"] if not row["metric"].endswith(("latency", "cost"))
        ]
    assert first == second


def test_a_second_compare_asks_nothing_again_and_recommend_asks_nothing_at_all(small: Path) -> None:
    Project(small).build()
    before = Project(small).compare()
    rows = {path: path.read_bytes() for path in (small / ".graft/runs").rglob("rows.jsonl")}
    after = Project(small).compare()
    assert rows == {path: path.read_bytes() for path in (small / ".graft/runs").rglob("rows.jsonl")}
    assert (
        before.recommendation.kind
        == after.recommendation.kind
        == Project(small).recommend().recommendation.kind
    )


def test_dry_runs_do_nothing(small: Path) -> None:
    plan = call_json("build", str(small), "--dry-run")
    assert plan["index"]["added"] == 3
    assert not (small / ".graft/index").exists() or not any((small / ".graft/index").rglob("*.npz"))
    Project(small).build()
    assert call_json("compare", str(small), "--dry-run")["variants"]["rag"]["questions"] == 4
    assert not (small / ".graft/runs").exists()


def test_status_and_doctor_need_no_build(small: Path) -> None:
    assert call_json("status", str(small))["index"]["added"] == 3
    code, out, _ = call("doctor", str(small))
    assert code == 0
    assert "✓ project" in out


def test_a_build_killed_at_any_moment_is_completed_by_the_next(small: Path, tmp_path: Path) -> None:
    twin = tmp_path / "twin"
    shutil.copytree(small, twin)
    Project(twin).build()
    for delay in (0.2, 0.5, 0.8):
        kill_after(delay, "build", str(small))
    Project(small).build()
    assert list(Project(small).parts.retrieval.store.chunks()) == list(
        Project(twin).parts.retrieval.store.chunks()
    )


def kill_after(seconds: float, *arguments: str) -> None:
    """Start graft and kill -9 it after so many seconds."""
    process = subprocess.Popen([sys.executable, "-m", "graft", *arguments], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, env={**os.environ, "HF_HUB_OFFLINE": "1"})  # fmt: skip
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


# --- bad input: one clear error with the place and the remedy, exit code 2, nothing lost ---------------------------------


def spoil(small: Path, name: str, text: str) -> Path:
    (small / name).write_text(text, encoding="utf-8")
    return small


@pytest.mark.parametrize(
    ("spoiled", "verb", "message"),
    [
        (lambda root: shutil.rmtree(root / "documents"), "build", "documents"),
        (lambda root: [path.unlink() for path in (root / "documents").rglob("*.*")], "build", "documents"),
        (lambda root: spoil(root, "questions.jsonl", '{"id": "q1", "question"'), "compare", "questions.jsonl:1"),
        (lambda root: spoil(root, "questions.jsonl", ""), "compare", "questions.jsonl"),
        (lambda root: (root / "questions.jsonl").unlink(), "compare", "questions.jsonl"),
        (lambda root: spoil(root, "graft.toml", "[retrieval]\npasages = 1\n"), "build", "graft.toml:2"),
        (lambda root: spoil(root, "graft.toml", '[generation]\nmodel = "ecko"\n'), "ask", "ecko"),
        (lambda root: spoil(root, "graft.toml", '[generation.model]\nname = "transformers"\nmodel = "no/where"\n'), "ask", "no/where"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_error(small: Path, spoiled: Any, verb: str, message: str) -> None:
    if verb != "build":
        Project(small).build()
    spoiled(small)
    arguments = ["ask", "anything", "-p", str(small)] if verb == "ask" else [verb, str(small)]
    code, out, err = call(*arguments)
    assert code == 2, out + err
    assert err.startswith("error: ")
    assert message in err
    assert "Traceback" not in err
    assert "→" in err


DEAD_ENDPOINT = """
[retrieval]
embedder = "hashing"
store = "memory"
[generation.model]
name = "openai"
model = "any"
base_url = "http://127.0.0.1:9/v1"
max_retries = 0
"""


def test_an_endpoint_that_is_down_is_one_error_and_no_row(small: Path) -> None:
    Project(small).build()
    spoil(small, "graft.toml", DEAD_ENDPOINT)
    code, _, err = call("compare", str(small))
    assert code == 2
    assert "127.0.0.1:9" in err
    assert "Run the same command again" in err
    assert not list((small / ".graft").rglob("rows.jsonl"))


def test_a_question_that_leaked_into_the_examples_stops_build_and_compare(
    small: Path, write_jsonl: Any
) -> None:
    leaked = [
        {"input": "How much is the meal allowance?", "output": "$45"},
        {"input": "Where is the gym?", "output": "Here."},
    ]
    write_jsonl(small / "examples.jsonl", leaked)
    spoil(small, "graft.toml", '[retrieval]\nembedder = "hashing"\nstore = "memory"\n')
    for verb in ("build", "compare"):
        code, _, err = call(verb, str(small))
        assert code == 2
        assert "question q1 = example" in err
    assert len(Project(small).parts.retrieval.store) > 0, "what was indexed before the check is kept"


def test_three_examples_are_too_few_and_say_so(small: Path, write_jsonl: Any) -> None:
    from graft.tuning.examples import check_examples, read_examples

    path = write_jsonl(
        small / "examples.jsonl", [{"input": f"question {n}?", "output": f"answer {n}"} for n in "abc"]
    )
    checked = check_examples(read_examples(path))
    assert len(checked.kept) == 3
    assert any("100" in finding.message for finding in checked.findings if finding.severity == "warning")


@pytest.mark.slow
def test_a_full_disk_is_one_error_and_loses_nothing(small: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small tmpfs needs root")
    try:
        root = disk / "small"
        shutil.copytree(small, root)
        (root / "documents/long.txt").write_text(
            "The archive is on the third floor. " * 3000, encoding="utf-8"
        )
        spoil(root, "graft.toml", '[retrieval]\nembedder = "hashing"\n[generation]\nmodel = "echo"\n')
        code, _, err = call("build", str(root))
        assert code == 2
        assert "disk" in err
        assert "free some space" in err.lower()
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        assert Project(root).build().index.documents == 4
        assert "27 days" in Project(root).ask("How many days of annual leave?", variant="rag").text
    finally:
        subprocess.run(["umount", str(disk)], check=False)


def test_one_unreadable_file_is_reported_and_the_rest_is_indexed(small: Path) -> None:
    (small / "documents/broken.pdf").write_bytes(b"%PDF-1.7 cut off")
    built = Project(small).build()
    assert built.index.documents == 3
    assert [Path(problem.path).name for problem in built.problems] == ["broken.pdf"]


def test_a_folder_without_a_project_says_how_to_make_one(tmp_path: Path) -> None:
    code, _, err = call("build", str(tmp_path))
    assert (code, err.count("error:")) == (2, 1)
    assert "graft init" in err


def test_gold_evidence_follows_an_index_that_is_updated_in_place(small: Path) -> None:
    project = Project(small)
    project.build()
    [piece] = [Evidence("leave.md")]
    assert "27 days" in (project.parts.gold.text(piece) or "")
    (small / "documents" / "leave.md").write_text("# Leave\n\nEmployees get 30 days.\n", encoding="utf-8")
    project.build()
    assert "30 days" in (project.parts.gold.text(piece) or "")


def test_answers_as_long_as_the_window_are_refused_before_anything_is_asked(small: Path) -> None:
    edit(small, '[generation]\nmodel = "echo"', "[generation]\nmax_tokens = 2048")
    with pytest.raises(ConfigError, match="is 2048, and the model reads and writes 2048 tokens in all"):
        Project(small).parts.variant("base")


def test_asking_for_what_is_not_built_says_what_to_run(small: Path) -> None:
    with pytest.raises(NotBuilt, match="graft build"):
        Project(small).ask("anything", variant="rag")
    with pytest.raises(NotBuilt, match="graft compare"):
        Project(small).recommend()
    with pytest.raises(GraftError, match="base, bm25, extractive, hybrid, rag, tuned"):
        Project(small).ask("anything", variant="rga")


def test_two_builds_at_once_do_not_meet(small: Path) -> None:
    project = Project(small)
    with project.parts.workspace.lock("build"), pytest.raises(GraftError, match="Another graft process"):
        Project(small).build()


def test_a_variant_that_declines_everything_cannot_be_recommended(small: Path) -> None:
    text = (small / "graft.toml").read_text(encoding="utf-8")
    mute = text.replace('model = "echo"', 'model = { name = "echo", reply = "I don\'t know." }')
    spoil(small, "graft.toml", mute)
    Project(small).build()
    verdict = Project(small).compare().recommendation
    assert (verdict.kind, verdict.variant) == ("UNDECIDED", None)
    assert "declines 100% of the questions that have an answer" in verdict.rejected["rag"]
