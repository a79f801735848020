"""Files are read in processes: what hangs, crashes or eats memory costs its row, and nothing depends on their number."""

import os
import random
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import mutations
import pytest

from graft.backends.loaders.load_text import TextLoader
from graft.errors import DataError
from graft.retrieval.documents import load_documents, registered_loaders
from graft.retrieval.reading import content_suffix, is_plain
from graft.retrieval.worker import limit_memory
from graft.retrieval.workers import Limits, Workers

LOADERS = '''
import os, signal, time
from graft.types import Document

class Odd:
    """Does what the file says."""
    suffixes = (".odd",)
    def __init__(self, options=None):
        pass
    def load(self, path, document_id):
        what = path.read_text()
        if what == "hang":
            while True: pass
        if what == "wait":
            time.sleep(3)
        if what == "sleep":
            time.sleep(10**6)
        if what == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        if what == "exit":
            os._exit(3)
        if what == "eat":
            held = bytearray(2**33)
        if what == "eat once" :
            Odd.held = bytearray(150 * 2**20)
        if what == "flood":
            for number in range(10**9):
                yield Document(f"{document_id}{number}", "x" * 2**20)
        if what == "fail":
            raise KeyError("inside")
        print("noise on standard output", flush=True)
        os.write(1, b"and more\\n")
        yield Document(document_id, f"text: {what}", metadata={"n": [1, 2.5, None]}, pages=(0, 3))
'''


@pytest.fixture
def odd(tmp_path, monkeypatch):
    """Register the loader `odd` for worker processes only."""
    package = tmp_path / "packages"
    (package / "odd-1.dist-info").mkdir(parents=True)
    (package / "odd_loader.py").write_text(LOADERS)
    (package / "odd-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: odd\nVersion: 1\n")
    (package / "odd-1.dist-info" / "entry_points.txt").write_text("[graft.loaders]\nodd = odd_loader:Odd\n")
    monkeypatch.setattr(sys, "path", [str(package), *sys.path])
    return {".odd": "odd"}


def read(workers, folder, loaders, *whats):
    futures = []
    for number, what in enumerate(whats):
        path = folder / f"{number}.odd"
        path.write_text(what)
        futures.append(workers.submit(path, f"id{number}", loaders))
    return [future.result(timeout=60) for future in futures]


def test_each_bad_file_costs_its_row_and_the_good_ones_are_read(tmp_path, odd):
    with Workers(Limits(seconds=1, memory_mb=400, workers=2)) as workers:
        made = read(workers, tmp_path, odd, "good", "crash", "hang", "exit", "eat", "fail", "better")
    assert [[document.text for document in one.documents] for one in made] == [
        ["text: good"], [], [], [], [], [], ["text: better"],
    ]  # fmt: skip
    good = made[0].documents[0]
    assert (good.id, good.metadata, good.pages) == ("id0", {"n": [1, 2.5, None]}, (0, 3))
    assert [one.problem[0] if one.problem else "" for one in made] == [
        "", "skipped: the parser crashed on it (SIGSEGV).", "skipped: reading it takes more than 1 seconds.",
        "skipped: the parser crashed on it (exit code 3).", "skipped: reading it needs more than 400 MB of memory.",
        "the loader failed (KeyError: 'inside').", "",
    ]  # fmt: skip
    assert all(one.problem[1] for one in made if one.problem)


def test_the_limit_counts_what_a_file_takes_and_not_what_the_machine_does_beside(tmp_path, odd, monkeypatch):
    monkeypatch.setattr("graft.retrieval.workers.PATIENCE", 8.0)
    with Workers(Limits(seconds=1, workers=2)) as workers:
        made = read(workers, tmp_path, odd, "wait", "hang", "sleep", "after")
    assert [[document.text for document in one.documents] for one in made] == [
        ["text: wait"], [], [], ["text: after"],
    ]  # fmt: skip
    assert [one.problem[0] if one.problem else "" for one in made] == [
        "", *["skipped: reading it takes more than 1 seconds."] * 2, "",
    ]  # fmt: skip


def test_more_text_than_fits_our_own_memory_is_refused(tmp_path, odd, monkeypatch):
    monkeypatch.setattr("graft.retrieval.workers.MAX_REPLY", 5 * 2**20)
    with Workers(Limits(seconds=30, workers=1)) as workers:
        (made,) = read(workers, tmp_path, odd, "flood")
    assert (made.documents, made.problem[0]) == ((), "skipped: it holds more than 5 MB of text.")


def test_a_worker_that_has_grown_makes_room(tmp_path, odd):
    with Workers(Limits(seconds=30, memory_mb=350, workers=1)) as workers:
        made = read(workers, tmp_path, odd, *["eat once"] * 4)
    assert [one.problem for one in made] == [None] * 4


def test_workers_of_a_large_process_are_kept(tmp_path, odd, monkeypatch):
    """Linux counts the memory of who starts a process as its own: behind a large index each file had a worker to itself."""
    started = []

    class Counted(subprocess.Popen):
        def __init__(self, *given, **options):
            started.append(given)
            super().__init__(*given, **options)

    monkeypatch.setattr(subprocess, "Popen", Counted)
    held = b"x" * (400 * 2**20)
    with Workers(Limits(seconds=30, memory_mb=600, workers=1)) as workers:
        made = read(workers, tmp_path, odd, *["good"] * 4)
    assert [one.problem for one in made] == [None] * 4
    assert (len(started), len(held)) == (1, 400 * 2**20)


def test_closing_gives_up_what_is_being_read(tmp_path, odd):
    started = time.perf_counter()
    with Workers(Limits(seconds=60, workers=1)) as workers:
        for name in ("a", "b"):
            (tmp_path / f"{name}.odd").write_text("hang")
            workers.submit(tmp_path / f"{name}.odd", name, odd)
        time.sleep(0.5)
    assert time.perf_counter() - started < 20


def test_a_script_without_a_main_guard_can_read_documents(tmp_path):
    (tmp_path / "a.html").write_text("<p>Annual leave</p>")
    (tmp_path / "script.py").write_text(
        "from pathlib import Path\nfrom graft.retrieval.documents import load_documents\n"
        "print('once', [d.text for d in load_documents([Path('a.html')]).documents])\n"
    )
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "once ['Annual leave\\n']\n"


def test_the_memory_limit_is_the_systems():
    code = "from graft.retrieval.worker import limit_memory; limit_memory(600); bytearray(700 * 2**20)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert "MemoryError" in done.stderr
    assert callable(limit_memory)


# --- whole folders -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    return mutations.small_files(tmp_path_factory.mktemp("samples"))


def test_the_result_does_not_depend_on_the_number_of_workers(tmp_path, samples):
    for name, data in samples.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "b.pdf").write_bytes(samples["a.pdf"][:500])
    one, three = (load_documents([tmp_path], limits=Limits(workers=count)) for count in (1, 3))
    here = load_documents([tmp_path], loaders=_unregistered())
    assert one == three == here
    assert len(one.documents) == len(samples) + 1  # the mailbox holds two
    assert len(one.problems) == 1


def _unregistered():
    """The same loaders as subclasses that nobody registered: they are read in this process."""
    return {name: type("Own", (type(loader),), {})() for name, loader in registered_loaders().items()}


def test_content_decides_over_the_name(tmp_path, samples):
    for name, of in {
        "a.docx": "a.pdf",
        "b.txt": "a.pdf",
        "c.pdf": "a.xlsx",
        "d.docx": "a.html",
        "e.xlsx": "a.docx",
    }.items():
        (tmp_path / name).write_bytes(samples[of])
    (tmp_path / "f.txt").write_text("<html> is how a page begins.")
    (tmp_path / "g.pdf").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(50))
    loaded = load_documents([tmp_path])
    assert {d.id: d.metadata["type"] for d in loaded.documents} == {
        "a.docx": ".pdf", "b.txt": ".pdf", "c.pdf": ".xlsx", "d.docx": ".docx", "e.xlsx": ".docx", "f.txt": ".txt",
    }  # fmt: skip
    assert [(p.path.rpartition("/")[2], p.reason) for p in loaded.problems] == [
        ("g.pdf", "is a PNG picture, whatever its name says.")
    ]


def test_plain_text_is_known_by_its_bytes(tmp_path):
    path = tmp_path / "a.txt"
    for data, plain in [
        (b"text", True),
        (b"%PDF-1.4", False),
        (b"PK\x03\x04", False),
        (b"a\x00b", False),
        (b"{\\rtf1", False),
    ]:
        path.write_bytes(data)
        assert is_plain(path) is plain
    assert not is_plain(tmp_path / "missing")
    path.write_bytes(b"\x7fELF")
    with pytest.raises(DataError, match="a program"):
        content_suffix({".txt": TextLoader()}, path)


@pytest.mark.parametrize("what", ["flat", "lie"])
def test_zip_bombs_are_refused_before_they_are_unpacked(tmp_path, what):
    bomb = tmp_path / "bomb.docx"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("word/document.xml", bytes(30 * 2**20))
    if what == "lie":  # the sizes in the directory are made small
        data = bytearray(bomb.read_bytes())
        at = data.rindex(b"PK\x01\x02")
        data[at + 24 : at + 28] = (1000).to_bytes(4, "little")
        bomb.write_bytes(data)
    loaded = load_documents([bomb])
    assert loaded.documents == ()
    assert len(loaded.problems) == 1


def test_damaged_files_of_every_kind(tmp_path, samples):
    for name, data in mutations.mutated(samples, 76, seed=5):
        (tmp_path / name).write_bytes(data or b" ")
    counts, reasons = mutations.outcomes(tmp_path, Limits(seconds=20, memory_mb=1024, workers=2))
    assert reasons == []
    assert counts["lost"] == 0
    assert sum(counts.values()) == 76
    assert counts["read"] >= 10
    assert counts["refused with a reason"] >= 10


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_many_damaged_files_of_every_kind(tmp_path, samples):
    """No file is lost, none outlives the limits; `python tests/mutations.py` does the same with a thousand real files."""
    folder = Path(os.environ.get("GRAFT_SHARED_DATA", "../shared/data")) / "documents" / "files"
    if folder.is_dir():
        chosen = random.Random(0).sample(sorted(folder.iterdir()), 6)
        samples = {**samples, **{path.name: path.read_bytes() for path in chosen}}
    for name, data in mutations.mutated(samples, 400, seed=11):
        (tmp_path / name).write_bytes(data or b" ")
    counts, reasons = mutations.outcomes(tmp_path, Limits(seconds=30, memory_mb=1024))
    print(counts, *reasons, sep="\n")
    assert counts["lost"] == 0
    assert sum(counts.values()) == 400
    assert not [reason for reason in reasons if "the loader failed" in reason]
    assert len(reasons) <= 5  # killed for time or memory; each was reported
