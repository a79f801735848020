"""Versions of the index: side by side, nothing done twice, switched in one step, and no reader disturbed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from graft import Project
from graft.errors import ConfigError, NotBuilt, UnknownName
from graft.retrieval import library as parsing
from graft.retrieval.cache import usage
from graft.testing.fakes import HashingEmbedder
from graft.verbs.indexing import filling as indexing

TOML = """
[retrieval]
embedder = {embedder}
chunker = {chunker}
store = "{store}"
"""
LEAVE = (
    "# Leave\n\nEmployees get 27 days of annual leave. Unused days move to March. Ask your manager first.\n"
)


def write(root: Path, embedder='"hashing"', chunker='"structure"', store="memory") -> Project:
    root.mkdir(exist_ok=True)
    (root / "graft.toml").write_text(TOML.format(embedder=embedder, chunker=chunker, store=store))
    docs = root / "documents"
    if not docs.exists():
        docs.mkdir()
        (docs / "travel.md").write_text("# Travel\n\nThe meal allowance is $45 per day.\n")
        (docs / "leave.md").write_text(LEAVE)
    return Project(root)


def texts(project: Project) -> list[str]:
    return [chunk.text for chunk in Project(project.root).parts.retrieval.store.chunks()]


@pytest.fixture
def embedded(monkeypatch) -> list[str]:
    """Every text that goes through the embedder."""
    asked: list[str] = []
    encode = HashingEmbedder.encode

    def counted(self, passages, *, query=False):
        asked.extend([] if query else passages)
        return encode(self, passages, query=query)

    monkeypatch.setattr(HashingEmbedder, "encode", counted)
    return asked


@pytest.fixture
def parsed(monkeypatch) -> list[str]:
    """Every file that is parsed."""
    read: list[str] = []
    read_files = parsing.read_files

    def counted(files, *args, **options):
        held = list(files)
        read.extend(found.id for found in held)
        return read_files(held, *args, **options)

    monkeypatch.setattr(parsing, "read_files", counted)
    return read


def test_a_version_is_built_beside_measured_promoted_and_rolled_back(tmp_path):
    project = write(tmp_path / "p")
    project.sync()
    before = texts(project)
    indexed = project.indexes.build("windows", ["chunker=sentence-window", "chunker.window=1"])
    assert indexed.report.added == 2
    assert texts(project) == before
    states = [(one.name, one.in_service, one.settings, one.behind) for one in project.indexes.list()]
    assert states == [
        ("v1", True, "structure, hashing, memory", 0),
        ("windows", False, "sentence-window window=1, hashing, memory", 0),
    ]  # fmt: skip
    assert project.indexes.promote("windows").text == (
        "The index version windows is in service (nothing changed); v1 was before: graft index rollback."
    )
    assert texts(project) == [
        "# Leave\n\nEmployees get 27 days of annual leave.", "Unused days move to March.", "Ask your manager first.",
        "# Travel\n\nThe meal allowance is $45 per day.",
    ]  # fmt: skip
    found = Project(project.root).parts.retrieval.search(mode="bm25", k=1)(["unused days March"])[0]
    assert found.context.passages[0].text == LEAVE.split("\n\n")[1].strip()
    assert project.indexes.rollback().version == "v1"
    assert texts(project) == before
    assert "Removed the index version windows" in project.indexes.drop("windows").text
    assert [one.name for one in project.indexes.list()] == ["v1"]


def test_nothing_is_parsed_or_embedded_that_another_version_has(tmp_path, embedded, parsed):
    project = write(tmp_path / "p")
    project.sync()
    assert (len(embedded), sorted(parsed)) == (2, ["leave.md", "travel.md"])
    project.indexes.build("larger", ["chunker.tokens=500"])
    assert (len(embedded), len(parsed)) == (2, 2)  # such short documents are cut alike
    project.indexes.build("windows", ["chunker=sentence-window"])
    assert (len(embedded), len(parsed)) == (2 + 3, 2)  # three sentences; the fourth has a whole chunk's text
    project.indexes.drop("windows")
    project.indexes.build("again", ["chunker=sentence-window"])
    assert (len(embedded), len(parsed)) == (5, 2)


def test_new_settings_are_built_beside_the_index_in_service_and_then_take_its_place(tmp_path):
    project = write(tmp_path / "p")
    assert project.build().notes[0].startswith("There is no examples.jsonl")
    changed = write(tmp_path / "p", chunker='{ name = "sentence-window", window = 1 }')
    assert changed.status()["index"]["state"].startswith("graft.toml asks for another index")
    assert texts(changed) == texts(project)  # until it is built, the old one answers
    assert changed.plan_build()["index"] == {"added": 2, "changed": 0, "deleted": 0, "unchanged": 0}
    built = changed.build()
    assert built.notes[0] == (
        "The index version v2 is in service now; v1 is kept: graft index rollback brings it back."
    )
    assert len(texts(changed)) == 4
    back = write(tmp_path / "p")
    assert back.build().index.unchanged == 2  # v1 was kept, and is made by these settings
    assert Project(back.root).parts.versions.current() == "v1"


def test_a_build_does_not_undo_what_was_promoted_by_hand(tmp_path):
    project = write(tmp_path / "p")
    project.sync()
    project.indexes.build("windows", ["chunker=sentence-window"])
    project.indexes.promote("windows")
    (project.root / "documents/new.md").write_text("# New\n\nOne is here. Two is here.\n")
    assert Project(project.root).sync().report.added == 1
    assert Project(project.root).parts.versions.current() == "windows"
    assert "Two is here." in texts(project)
    assert [one.behind for one in project.indexes.list()] == [1, 0]
    assert project.status()["index"]["state"] == "up to date"
    write(project.root, chunker='{ name = "structure", tokens = 100 }')  # new settings are new orders
    Project(project.root).sync()
    assert Project(project.root).parts.versions.current() == "v2"


def test_a_version_behind_the_documents_is_brought_up_to_date_before_it_answers(tmp_path):
    project = write(tmp_path / "p")
    project.sync()
    project.indexes.build("windows", ["chunker=sentence-window"])
    (project.root / "documents/leave.md").unlink()
    project.sync()
    project.indexes.promote("windows")
    assert texts(project) == ["# Travel\n\nThe meal allowance is $45 per day."]
    (project.root / "documents/leave.md").write_text(LEAVE)
    assert project.indexes.rollback(as_is=True).report is None
    assert len(texts(project)) == 1


def test_what_cannot_be_done_says_why(tmp_path):
    project = write(tmp_path / "p")
    assert project.indexes.list() == []
    assert project.status()["index"]["state"] == "not built: run graft build"
    with pytest.raises(NotBuilt, match="No index version was in service before"):
        project.indexes.rollback()
    project.sync()
    with pytest.raises(UnknownName, match=r"Unknown index version 'v2'\. Known: v1"):
        project.indexes.promote("v2")
    with pytest.raises(ConfigError, match="'v1' is made by the same settings"):
        project.indexes.build("copy")
    with pytest.raises(ConfigError, match="already, made by other settings"):
        project.indexes.build("v1", ["chunker=fixed"])
    with pytest.raises(ConfigError, match="'passages=3' does not say"):
        project.indexes.build("x", ["passages=3"])
    with pytest.raises(ConfigError, match="Unknown key 'size'"):
        project.indexes.build("x", ["chunker.size=3"])
    with pytest.raises(ConfigError, match="cannot name an index version"):
        project.indexes.build("../x", ["chunker=fixed"])
    with pytest.raises(ConfigError, match="'v1' is in service"):
        project.indexes.drop("v1")
    assert [one.name for one in project.indexes.list()] == ["v1"]


def test_trimming_keeps_what_the_versions_hold(tmp_path, embedded):
    project = write(tmp_path / "p")
    for days in range(20, 25):
        (project.root / "documents/leave.md").write_text(LEAVE.replace("27", str(days)))
        project.sync()
    project.indexes.build("windows", ["chunker=sentence-window"])
    trimmed = project.indexes.trim()
    assert (trimmed.vectors, trimmed.files) == (4, 4)
    assert trimmed.text.startswith("Dropped 4 vectors and 4 parsed files that no version holds")
    embedded.clear()
    project.indexes.build("again", ["chunker=sentence-window", "chunker.window=1"])
    assert embedded == []


def test_a_cache_that_has_grown_out_of_proportion_is_trimmed_by_itself(tmp_path, monkeypatch):
    project = write(tmp_path / "p")
    project.sync()
    monkeypatch.setattr(indexing, "_SPARE_BYTES", 0)
    for days in range(12):
        (project.root / "documents/leave.md").write_text(LEAVE.replace("27", str(days)))
        project.sync()
        assert usage(project.parts.workspace.embeddings, "vectors").entries <= 4 * 2


READER = """
import sys, json, time
from graft import Project
from graft.types import content_hash

parts = Project(sys.argv[1]).parts
looks, versions, torn = 0, set(), []
print("ready", flush=True)
import os
last = False
while not last:
    last = os.path.exists(sys.argv[2])
    now = parts.retrieval
    chunks = list(now.store.chunks())
    looks += 1
    print("looked", flush=True)
    time.sleep(0.02)  # the writer needs a core, too
    versions.add(now.version)
    by_document = {}
    for chunk in chunks:
        by_document.setdefault(chunk.document, []).append(chunk)
    if by_document.keys() != {f"d{n}.md" for n in range(6)}:
        torn.append(["missing", now.version, sorted(by_document)])
    for name, held in by_document.items():
        wordings = {chunk.text.split("wording ")[1].split()[0] for chunk in held if "wording " in chunk.text}
        if len(wordings) != 1 or (now.version == "v1" and len(held) != 5):
            torn.append(["mixed", now.version, name, sorted(wordings), len(held)])
    found = now.search(mode="bm25", k=3)(["wording section"])[0].context.passages
    if not found:
        torn.append(["nothing found", now.version])
print(json.dumps({"looks": looks, "versions": sorted(versions), "torn": torn[:5]}), flush=True)
"""


def test_a_reader_in_another_process_never_sees_half_of_anything(tmp_path, monkeypatch):
    """Documents are rewritten in place, and another version is built and promoted, under a reader's eyes."""
    from graft.retrieval import index

    monkeypatch.setattr(index, "_COMMIT_CHUNKS", 4)
    project = write(tmp_path / "p", store="lancedb")

    def wording(number: int) -> None:
        for n in range(6):
            parts = [f"## S{at}\n\nwording {number} of section {at} here. " + "More words follow it. " * 30 for at in range(5)]  # fmt: skip
            (project.root / f"documents/d{n}.md").write_text("\n\n".join(parts))

    for path in (project.root / "documents").iterdir():
        path.unlink()
    wording(0)
    project.sync()
    done = tmp_path / "done"
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, str(project.root), str(done)], stdout=subprocess.PIPE, text=True
    )
    assert reader.stdout.readline() == "ready\n"
    for number in range(1, 3):
        wording(number)
        project.sync()
        assert reader.stdout.readline() == "looked\n"
    project.indexes.build("small", ["chunker.tokens=40"])
    project.indexes.promote("small")
    wording(4)
    project.sync()
    done.touch()  # one more look after this
    seen = json.loads(reader.communicate(timeout=100)[0].splitlines()[-1])
    assert seen["torn"] == []
    assert seen["versions"] == ["small", "v1"]
    assert seen["looks"] >= 2


def test_measuring_tells_versions_apart_without_a_model(small):
    project = Project(small)
    with pytest.raises(NotBuilt, match="no index yet"):
        project.indexes.measure()
    project.sync()
    project.indexes.build("crumbs", ["chunker=fixed", "chunker.tokens=2", "chunker.overlap=0"])
    scores = project.indexes.measure(held_out=True)
    whole, crumbs = scores.versions
    assert (scores.questions, scores.asked) == (3, "questions.jsonl")  # the fourth cannot be answered
    assert (whole.name, whole.in_service, whole.recall, whole.ndcg, whole.against) == (
        "v1",
        True,
        1.0,
        1.0,
        None,
    )
    assert (crumbs.name, crumbs.in_service) == ("crumbs", False)
    assert crumbs.recall < 1
    assert crumbs.against.value == pytest.approx(crumbs.ndcg - 1)
    assert scores.text.splitlines()[2].split()[:4] == ["*", "v1", "1.000", "1.000"]
    assert [one.name for one in project.indexes.measure(["crumbs"]).versions] == ["v1", "crumbs"]
