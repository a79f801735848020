"""graft sync: one line a change, robust against how editors save; a running server sees a change by its next query."""

from __future__ import annotations

import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from graft import Project
from graft.retrieval import changes as module
from graft.retrieval.catalogue import Catalogue
from graft.retrieval.changes import changes
from graft.retrieval.files import Problem
from graft.stages import quiet
from graft.verbs import sync as verb
from graft.verbs.indexing.filling import library, skipped_note
from graft.verbs.sync import Synced, _first, _Follower

TOML = """
[retrieval]
embedder = "hashing"
store = "{store}"
[generation]
model = "echo"
[evaluation]
variants = ["base", "rag"]
[serve]
cache = 16
"""


def project(root: Path, store: str = "memory") -> Project:
    docs = root / "documents"
    docs.mkdir(parents=True)
    (root / "graft.toml").write_text(TOML.format(store=store))
    (docs / "travel.md").write_text("# Travel\n\nThe meal allowance is $45 per day.\n")
    (docs / "leave.md").write_text("# Leave\n\nEmployees get 27 days of annual leave.\n")
    return Project(root)


class Following:
    """A project that is followed path by path, without a watcher's timing."""

    def __init__(self, root: Path) -> None:
        self.parts = project(root).parts
        self.docs = root / "documents"
        documents = library(self.parts)
        self.follower = _Follower(self.parts, documents, _first(self.parts, documents, quiet)[1])

    def follow(self, *names: str) -> list[str]:
        done = self.follower.follow([self.docs / name for name in names])
        return [text for synced in done for text in synced.text.split("\n")]

    @property
    def held(self) -> list[str]:
        return sorted(self.parts.retrieval.store.documents())


@pytest.fixture
def following(tmp_path: Path) -> Following:
    return Following(tmp_path / "p")


def test_sync_says_what_it_did_in_one_line(tmp_path):
    made = project(tmp_path / "p")
    assert made.sync().text.split(", ")[0] == "2 added; 2 chunks embedded"
    (made.root / "documents/bad.md").write_text("---\nteam: [\n---\nx")
    (made.root / "documents/leave.md").unlink()
    first, second = made.sync().text.split("\n")
    assert first.startswith("1 removed; 0 chunks embedded, ")
    assert first.endswith("(1 documents, 1 chunks)")
    assert second.startswith("  could not read documents/bad.md: ")
    assert made.sync().report.unchanged == 1


def test_only_what_changed_is_embedded_and_a_rename_embeds_nothing(following):
    (following.docs / "pets.md").write_text("# Pets\n\nDogs are welcome.\n")
    (following.docs / "leave.md").write_text("# Leave\n\nEmployees get 30 days of annual leave.\n")
    [line] = following.follow("pets.md", "leave.md")
    assert line.startswith("1 added, 1 changed; 2 chunks embedded, ")
    (following.docs / "leave.md").rename(following.docs / "holidays.md")
    [line] = following.follow("leave.md", "holidays.md")
    assert line.startswith("1 added, 1 removed; 0 chunks embedded, ")
    assert following.held == ["holidays.md", "pets.md", "travel.md"]
    (following.docs / "pets.md").touch()
    assert following.follow("pets.md") == []


def test_what_an_editor_leaves_lying_about_is_no_document(following):
    for name in (".leave.md.swp", "leave.md~", "4913", "#leave.md#", ".#leave.md", "leave.md.tmp"):
        (following.docs / name).write_text("rubbish")
        assert following.follow(name) == []
    assert following.held == ["leave.md", "travel.md"]


def test_a_file_being_written_keeps_its_document_until_it_is_whole(following, monkeypatch):
    path = following.docs / "leave.md"
    path.write_text("")
    [line] = following.follow("leave.md")
    assert line.startswith("  could not read documents/leave.md: it is empty")
    assert following.held == ["leave.md", "travel.md"]
    assert following.follow() == []
    path.write_text("# Leave\n\nEmployees get 28 days.\n")
    assert following.follow("leave.md")[0].startswith("1 changed; 1 chunks embedded")
    path.write_text("")
    following.follow("leave.md")
    later = time.monotonic() + verb._WRITING_SECONDS
    monkeypatch.setattr(verb.time, "monotonic", lambda: later)
    assert following.follow()[0].startswith("1 removed; 0 chunks embedded")  # so it stayed: it is empty
    assert following.held == ["travel.md"]


def test_a_folder_that_goes_away_is_no_reason_to_forget_its_documents(following, monkeypatch):
    away = following.docs.with_name("away")
    following.docs.rename(away)
    [line] = following.follow("leave.md")
    assert line.startswith("could not sync, will try again: ")
    assert following.follow("leave.md") == []  # not at once
    (away / "new.md").write_text("# New\n\nSomething new.\n")
    shutil.move(away, following.docs)
    later = time.monotonic() + verb._RETRY_SECONDS
    monkeypatch.setattr(verb.time, "monotonic", lambda: later)
    assert following.follow("new.md")[0].startswith("1 added; 1 chunks embedded")
    assert following.held == ["leave.md", "new.md", "travel.md"]


def test_it_follows_into_another_version_of_the_index(following):
    indexes = Project(following.parts.root).indexes  # another process's
    indexes.build("windows", ["chunker=sentence-window"])
    (following.docs / "pets.md").write_text("# Pets\n\nDogs are welcome. Cats are not.\n")
    indexes.promote("windows", as_is=True)
    [line] = following.follow("pets.md")
    assert line.startswith("1 added; 2 chunks embedded")
    assert following.parts.versions.current() == "windows"
    assert following.held == ["leave.md", "pets.md", "travel.md"]


@pytest.mark.parametrize("poll", [False, True], ids=["notified", "polled"])
def test_watching_a_real_folder(tmp_path, monkeypatch, poll):
    if not poll:
        pytest.importorskip("watchfiles")
    monkeypatch.setattr(module, "_IDLE_SECONDS", 0.05)
    made, stop, heard = project(tmp_path / "p"), threading.Event(), queue.Queue()
    docs = made.root / "documents"

    def listen() -> None:
        for synced in verb.watch(made.parts, poll=poll, stop=stop):
            heard.put(synced)

    thread = threading.Thread(target=listen)
    thread.start()
    try:
        assert heard.get(timeout=60).report.added == 2
        time.sleep(0.3)  # the listening has begun
        (docs / "pets.md").write_text("# Pets\n\nDogs are welcome.\n")
        assert heard.get(timeout=60).report.added == 1
        (docs / "sub").mkdir()
        (docs / "pets.md").rename(docs / "sub/animals.md")
        total = {"added": 0, "deleted": 0}
        while min(total.values()) < 1:  # the two halves of a rename may come apart
            report = heard.get(timeout=60).report
            total = {what: count + getattr(report, what) for what, count in total.items()}
        shutil.rmtree(docs / "sub")
        assert heard.get(timeout=60).report.deleted == 1
    finally:
        stop.set()
        thread.join(60)
    assert sorted(made.parts.retrieval.store.documents()) == ["leave.md", "travel.md"]


def moved(docs: Path) -> None:
    docs.rename(docs.with_name("old"))
    docs.mkdir()


def deleted(docs: Path) -> None:
    docs.rmdir()
    docs.mkdir()  # on most file systems with the number of the one before


def turned(docs: Path) -> None:
    docs.with_name("link").symlink_to("other")
    docs.with_name("link").replace(docs)


@pytest.mark.parametrize("replace", [moved, deleted, turned])
def test_the_folder_that_takes_another_s_place_is_listened_to(tmp_path, monkeypatch, replace):
    pytest.importorskip("watchfiles")
    monkeypatch.setattr(module, "_IDLE_SECONDS", 0.05)
    docs, stop = tmp_path / "docs", threading.Event()
    for name in ("folder", "other"):
        (tmp_path / name).mkdir()
    docs.symlink_to("folder") if replace is turned else docs.mkdir()
    seen = changes([docs], stop)

    def hear(path: Path) -> None:
        until = time.monotonic() + 30
        while path not in next(seen):
            assert time.monotonic() < until

    assert next(seen) == {docs}
    replace(docs)
    hear(docs)
    while next(seen):  # the loss and the new one may be told of together or one by one
        pass
    for name in ("b.md", "c.md"):
        (docs / name).write_text("new")
        hear(docs / name)
    docs.rename(tmp_path / "away")
    for _ in range(3):
        hear(docs)
    (tmp_path / "away").rename(docs)
    hear(docs)
    while next(seen):
        pass
    (docs / "d.md").write_text("new")
    hear(docs / "d.md")
    stop.set()
    assert list(seen) == []


def test_a_watch_goes_on_in_the_folder_that_takes_the_documents_place(tmp_path, monkeypatch):
    pytest.importorskip("watchfiles")
    monkeypatch.setattr(module, "_IDLE_SECONDS", 0.05)
    monkeypatch.setattr(verb, "_RETRY_SECONDS", 0.2)
    made, stop = project(tmp_path / "p"), threading.Event()
    docs = made.root / "documents"
    deaf = threading.Timer(60, stop.set)
    deaf.start()
    done = verb.watch(made.parts, stop=stop)
    assert next(done).report.added == 2
    shutil.copytree(docs, made.root / "new")
    (made.root / "new/pets.md").write_text("# Pets\n\nDogs are welcome.\n")
    threading.Timer(0.5, lambda: (docs.rename(made.root / "old"), (made.root / "new").rename(docs))).start()
    assert next(one for one in done if one.report).report.added == 1
    threading.Timer(0.5, (docs / "leave.md").unlink).start()
    assert next(one for one in done if one.report).report.deleted == 1
    deaf.cancel()
    stop.set()
    assert list(done) == []
    assert sorted(made.parts.retrieval.store.documents()) == ["pets.md", "travel.md"]


def test_polling_sees_every_kind_of_change(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_IDLE_SECONDS", 0.01)
    (tmp_path / "a.md").write_text("one")
    (tmp_path / ".hidden.md").write_text("one")
    stop = threading.Event()
    seen = changes([tmp_path], stop, poll=True)
    assert next(seen) == {tmp_path}
    assert next(seen) == set()
    (tmp_path / "a.md").write_text("two")
    (tmp_path / ".hidden.md").write_text("two")
    (tmp_path / "b.md").write_text("new")
    assert next(seen) == {tmp_path / "a.md", tmp_path / "b.md"}
    (tmp_path / "b.md").unlink()
    assert next(seen) == {tmp_path / "b.md"}
    stop.set()
    assert list(seen) == []


def command(*words: str, **variables: str) -> subprocess.Popen:
    """Start graft as a terminal would: a suite that runs in the background is deaf to Ctrl-C, and so would its children be."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **variables}
    return subprocess.Popen([sys.executable, "-m", "graft", *words], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, env=environment,
                            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # noqa: PLW1509  # fmt: skip


def test_control_c_ends_a_watch_cleanly(tmp_path):
    made = project(tmp_path / "p")
    process = command("sync", str(made.root), "--watch")
    assert process.stdout.readline().startswith("2 added; 2 chunks embedded")
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    said, errors = process.communicate(timeout=60)
    assert (said, errors, process.returncode) == ("Stopped. Everything up to here is indexed.\n", "", 0)


def test_a_server_in_another_process_sees_a_change_by_the_next_query(tmp_path):
    made = project(tmp_path / "p", store="lancedb")
    made.sync()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = command("serve", str(made.root), "--variant", "rag", "--port", str(port), GRAFT_API_KEY="k")
    try:
        url, headers = f"http://127.0.0.1:{port}", {"Authorization": "Bearer k"}
        until = time.monotonic() + 90
        while time.monotonic() < until and process.poll() is None:
            try:
                httpx.get(f"{url}/healthz").raise_for_status()
                break
            except httpx.HTTPError:
                time.sleep(0.1)

        def passages(question: str) -> list[str]:
            body = {"model": "graft", "messages": [{"role": "user", "content": question}]}
            reply = httpx.post(f"{url}/v1/chat/completions", json=body, headers=headers, timeout=60)
            return [passage["text"] for passage in reply.raise_for_status().json()["graft"]["passages"]]

        question = "How many days of annual leave?"
        before = "Employees get 27 days of annual leave."
        assert before in passages(question)
        assert before in passages(question)  # from the cache of answers
        (made.root / "documents/leave.md").write_text("# Leave\n\nEmployees get 31 days of annual leave.\n")
        made.sync()
        after = passages(question)
        assert "Employees get 31 days of annual leave." in after
        assert before not in after
        (made.root / "documents/leave.md").unlink()
        made.sync()
        assert not any("annual leave" in text for text in passages(question))
        (made.root / "documents/leave.md").write_text(
            "# Leave\n\nOne sentence. Employees get 33 days. Another.\n"
        )
        made.indexes.build("windows", ["chunker=sentence-window", "chunker.window=0"])
        made.indexes.promote("windows")
        assert "Employees get 33 days." in "\n".join(passages("Employees get how many days"))
    finally:
        process.kill()
        process.communicate()


def test_a_folder_of_scans_is_told_in_a_few_lines():
    problems = tuple(Problem(f"{at}.pdf", "it is a scan.", "Install OCR.") for at in range(500))
    lines = Synced(None, 0.0, problems).text.splitlines()
    assert (len(lines), lines[0]) == (21, "  could not read 0.pdf: it is a scan. Install OCR.")
    assert lines[-1] == "  … and 480 more: graft status lists them all."


def test_what_no_loader_reads_is_told_by_kind():
    kinds = {".zip": 2, "": 3, **{f".k{at}": 1 for at in range(9)}}
    note = skipped_note(Catalogue(None, {}, [], kinds))
    assert note == (
        "Left out, as no loader reads them (see graft doctor): 3 without a suffix, 2 .zip, 1 .k0, 1 .k1, 1 .k2, 1 .k3, 1 .k4, 1 .k5"
        " and 3 kinds more. Unpack archives to have them read."
    )
    assert skipped_note(Catalogue(None, {}, [], {})) == ""
