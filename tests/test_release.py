"""Releases: promoted, served by default, refused when they no longer fit, rolled back."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import edit
from typer.testing import CliRunner

from graft import Project
from graft.cli.main import app
from graft.errors import GraftError, Mismatch, NotBuilt
from graft.generation import prompts
from graft.tuning.adapters import AdapterManifest, adapter_fingerprint, write_manifest
from graft.verbs.release import Release, current, misfit, releases
from graft.verbs.serve import offered


@pytest.fixture
def compared(small: Path) -> Path:
    """The small project, built and compared."""
    Project(small).build()
    Project(small).compare()
    return small


def test_a_release_says_what_it_is_made_of_and_what_justified_it(compared: Path) -> None:
    project = Project(compared)
    made = project.release("rag")
    latest = json.loads((compared / ".graft/comparisons/latest.json").read_text(encoding="utf-8"))
    assert (made.number, made.variant, made.comparison, made.verdict) == (
        1,
        "rag",
        latest["key"],
        latest["kind"],
    )
    assert made.fingerprint == project.parts.variant("rag").fingerprint
    assert made.index == project.parts.retrieval.index.fingerprint
    assert made.prompt == prompts.fingerprint("")
    assert made.figures["truthfulness"].n_total == 4
    assert (compared / ".graft/releases/0001.json").is_file()
    assert releases(project.parts.workspace) == [made], "reads back as it was written"


def test_ask_answers_with_the_release_and_status_shows_it(compared: Path) -> None:
    question = "How many days of annual leave?"
    assert Project(compared).status()["release"].startswith("none")
    Project(compared).release("base")
    assert Project(compared).ask(question).variant == "base"
    assert Project(compared).ask(question, variant="rag").variant == "rag"
    Project(compared).release("rag")
    assert Project(compared).ask(question).variant == "rag"
    shown = Project(compared).status()["release"]
    assert (shown["number"], shown["variant"], shown["state"]) == (2, "rag", "fits")


def test_serve_offers_the_release_as_its_default(compared: Path) -> None:
    assert offered(Project(compared).parts)[0] == "rag", (
        "not released, not decided: rag, since documents are indexed"
    )
    Project(compared).release("base")
    default, variants, _ = offered(Project(compared).parts)
    assert (default, sorted(variants)) == ("base", ["base", "rag"])
    assert offered(Project(compared).parts, "rag")[0] == "rag"


def test_documents_may_change_and_a_new_release_needs_a_new_comparison(compared: Path) -> None:
    Project(compared).release("rag")
    (compared / "documents/pets.md").write_text("# Pets\n\nDogs are welcome on Fridays.\n", encoding="utf-8")
    Project(compared).build()
    assert "Fridays" in Project(compared).ask("When are dogs welcome?").text
    with pytest.raises(Mismatch, match="rag is not what the last comparison measured"):
        Project(compared).release("rag")
    Project(compared).compare()
    assert Project(compared).release("rag").number == 2


def test_another_prompt_or_model_is_refused_with_a_remedy(compared: Path) -> None:
    Project(compared).release("rag")
    edit(compared, "[generation]", '[generation]\ninstructions = "Be brief."')
    with pytest.raises(Mismatch, match="does not fit any more: the prompt has changed") as caught:
        Project(compared).ask("Anything?")
    assert "graft release" in caught.value.hint
    assert Project(compared).status()["release"]["state"].startswith("does not fit: the prompt has changed")
    assert Project(compared).ask("Anything?", variant="rag").variant == "rag"
    edit(compared, '\ninstructions = "Be brief."', "")
    edit(compared, 'model = "echo"', 'model = { name = "echo", reply = "Other." }')
    with pytest.raises(Mismatch, match="the model in graft"):
        Project(compared).ask("Anything?")


def test_changed_settings_are_told(compared: Path) -> None:
    Project(compared).release("rag")
    edit(compared, "[retrieval]", "[retrieval]\npassages = 2")
    assert "changed since it was measured" in Project(compared).status()["release"]["state"]


def test_a_rollback_goes_back_step_by_step_and_keeps_the_history(compared: Path) -> None:
    def back() -> tuple[int, str, int | None]:
        made = Project(compared).rollback()
        return made.number, made.variant, made.restores

    Project(compared).release("base")
    with pytest.raises(NotBuilt, match="There is no release before 1"):
        Project(compared).rollback()
    Project(compared).release("rag")
    assert back() == (3, "base", 1)
    with pytest.raises(NotBuilt, match="There is no release before 1"):
        Project(compared).rollback()
    Project(compared).release("rag")
    assert back() == (5, "base", 1), "what answered before release 4, not release 2"
    now = current(Project(compared).parts.workspace)
    assert now is not None
    assert (now.number, now.variant) == (5, "base")
    assert len(list((compared / ".graft/releases").glob("*.json"))) == 5


def test_a_rollback_to_what_does_not_fit_changes_nothing(compared: Path) -> None:
    Project(compared).release("base")
    Project(compared).release("rag")
    edit(compared, "[generation]", '[generation]\ninstructions = "Be brief."')
    with pytest.raises(Mismatch, match="Release 1"):
        Project(compared).rollback()
    assert len(list((compared / ".graft/releases").glob("*.json"))) == 2


def undecided(project: Project) -> Project:
    """The project, its last comparison without a winner."""
    path = project.parts.workspace.latest
    latest = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**latest, "kind": "UNDECIDED", "variant": None}), encoding="utf-8")
    return project


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda project: project.release("extractive"), "Unknown variant 'extractive'"),
        (lambda project: project.release("rga"), "Unknown variant 'rga'"),
        (lambda project: undecided(project).release(), "The last comparison recommends no variant"),
        (lambda project: project.rollback(), "Nothing has been released yet"),
    ],
)
def test_what_cannot_be_released(compared: Path, act: Callable[[Project], Any], message: str) -> None:
    with pytest.raises(GraftError, match=message):
        act(Project(compared))


def test_nothing_to_release_before_a_comparison(small: Path) -> None:
    with pytest.raises(NotBuilt, match="graft compare"):
        Project(small).release()


def test_an_adapter_that_is_gone_or_was_trained_again_does_not_fit(compared: Path) -> None:
    parts = Project(compared).parts
    folder = parts.workspace.adapter("abc")
    folder.mkdir(parents=True)
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (folder / name).write_text("1", encoding="utf-8")
    mark = adapter_fingerprint(folder)
    write_manifest(folder, AdapterManifest({}, mark, 1, 0, 0))
    release = Release(1, "tuned", "", "", "", prompts.fingerprint(""), "", "", "abc", mark)
    assert misfit(parts, release) == ""
    assert misfit(parts, replace(release, adapter_fingerprint="older")) == "its adapter abc was trained again"
    assert misfit(parts, replace(release, adapter="xyz")) == "its adapter xyz is gone"


def test_the_commands_print_a_line_or_json(compared: Path) -> None:
    def call(*arguments: str) -> Any:
        return CliRunner().invoke(app, list(arguments))

    assert call("release", "base", "-p", str(compared)).stdout.startswith("Release 1: base (")
    assert json.loads(call("release", "rag", "-p", str(compared), "--json").stdout)["variant"] == "rag"
    done = call("rollback", str(compared))
    assert done.stdout.startswith("Release 3, which restores release 1: base (")
    assert call("rollback", str(compared)).exit_code == 2
