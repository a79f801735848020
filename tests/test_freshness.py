"""The index follows the folder: random adds, edits, renames and deletes, kill -9 anywhere, and the end is a fresh build's."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from graft import Project
from graft.protocols import Filter

# One process imports everything and forks a child for each life, so that a kill costs milliseconds and not seconds. The
# child syncs once, then follows what it is told, as `graft sync --watch` does.
KEEPER = """
import json, os, sys, warnings
from pathlib import Path
warnings.simplefilter("ignore")  # LanceDB warns of forks; this parent has opened nothing
import lancedb, pyarrow
from graft import Project
from graft.retrieval import index
from graft.verbs.sync import _first, _Follower
from graft.verbs.indexing.filling import library
from graft.stages import quiet

index._COMMIT_CHUNKS, index._ENCODE_TEXTS = 12, 4  # many commits, so that a kill has many places to fall

def lines():
    line = b""
    while part := os.read(0, 1):  # unbuffered: what this child does not read is the next one's
        line += part
        if part == b"\\n":
            yield line
            line = b""

def live(root):
    print("start", os.getpid(), flush=True)
    parts = Project(root).parts
    documents = library(parts)
    synced, held = _first(parts, documents, quiet)
    print("synced", flush=True)
    follower = _Follower(parts, documents, held)
    for line in lines():
        if not line.startswith(b"["):
            continue  # the rest of a line that the one before was killed over; the first sync has seen it all
        for done in follower.follow([Path(name) for name in json.loads(line)]):
            assert not done.trouble, done.trouble
        print("synced", flush=True)

while True:
    pid = os.fork()
    if pid == 0:
        try:
            live(sys.argv[1])
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    if not os.WIFSIGNALED(status):
        sys.exit(os.waitstatus_to_exitcode(status))
"""
WORDS = [
    "leave",
    "travel",
    "policy",
    "days",
    "printer",
    "limit",
    "approval",
    "manager",
    "invoice",
    "laptop",
    "budget",
    "hotel",
    "train",
    "visa",
]


class Folder:
    """A folder of documents in which random things happen."""

    def __init__(self, root: Path, seed: int) -> None:
        self.root, self.draw, self.count = root, random.Random(seed), 0
        root.mkdir(parents=True)
        for _ in range(20):
            self.add()

    def sentence(self) -> str:
        return " ".join(self.draw.choices(WORDS, k=12)).capitalize() + ". "

    def text(self, suffix: str) -> str:
        if suffix == ".jsonl":
            rows = [{"id": f"r{self.count}-{at}", "title": self.draw.choice(WORDS), "text": self.sentence(),
                     "metadata": {"team": self.draw.choice(["people", "office"])}} for at in range(self.draw.randint(1, 5))]  # fmt: skip
            return "".join(json.dumps(row) + "\n" for row in rows)
        sections = [f"## Part {at}\n\n{self.sentence() * self.draw.randint(1, 12)}" for at in range(self.draw.randint(1, 4))]  # fmt: skip
        return f"# Title {self.draw.choice(WORDS)}\n\n" + "\n\n".join(sections) + "\n"

    def new(self) -> Path:
        self.count += 1
        name = f"{self.draw.choice(['', 'a/', 'b/c/'])}doc{self.count}{self.draw.choice(['.md', '.md', '.txt', '.jsonl'])}"
        return self.root / name

    def files(self) -> list[Path]:
        return sorted(path for path in self.root.rglob("*") if path.is_file())

    def step(self) -> list[Path]:
        """Do one thing, and return the paths it touched."""
        files = self.files()
        what = self.draw.choice(["add", "edit", "edit", "rename", "delete"]) if len(files) > 10 else "add"
        return {"add": self.add, "edit": self.edit, "rename": self.rename, "delete": self.delete}[what]()

    def add(self) -> list[Path]:
        path = self.new()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.text(path.suffix))
        return [path]

    def edit(self) -> list[Path]:
        path = self.draw.choice(self.files())
        lines = path.read_text().split("\n")
        kind = self.draw.choice(["rewrite", "append", "cut", "same", "empty"])
        if kind == "rewrite":
            path.write_text(self.text(path.suffix))
        elif kind == "append" and path.suffix != ".jsonl":
            path.write_text("\n".join([*lines, "## More", "", self.sentence()]))
        elif kind == "cut":
            path.write_text("\n".join(lines[: max(1, len(lines) // 2)]) + "\n")
        elif kind == "empty" and self.draw.random() < 0.3:
            path.write_text("")  # it cannot be indexed: its document goes
        else:
            path.touch()
        return [path]

    def rename(self) -> list[Path]:
        path = self.draw.choice(self.files())
        if path.parent != self.root and self.draw.random() < 0.2:
            target = path.parent.with_name(f"moved{self.count}")
            if not target.exists():
                self.count += 1
                source = path.parent
                source.rename(target)
                return [source, target]
        others = [other for other in self.files() if other.suffix == path.suffix]
        target = self.draw.choice(others) if self.draw.random() < 0.2 else self.new().with_suffix(path.suffix)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
        return [path, target]

    def delete(self) -> list[Path]:
        path = self.draw.choice(self.files())
        path.unlink()
        return [path]


class Keeper:
    """The process that syncs, and is killed."""

    def __init__(self, root: Path) -> None:
        self.process = subprocess.Popen([sys.executable, "-c", KEEPER, str(root)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)  # fmt: skip
        self.pid, self.synced, self.kills, self.hits = 0, False, 0, 0
        self.hear("start")

    def hear(self, wanted: str) -> None:
        """Read what it says up to a word."""
        while True:
            word, *rest = self.process.stdout.readline().split() or ["end"]
            assert word != "end", "the keeper failed"
            if word == "start":
                self.pid, self.synced = int(rest[0]), False
            self.synced |= word == "synced"
            if word == wanted:
                return

    def tell(self, paths: list[Path]) -> None:
        self.synced = False
        self.process.stdin.write(json.dumps([str(path) for path in paths]) + "\n")
        self.process.stdin.flush()

    def kill(self, after: float) -> None:
        """kill -9 in the middle of things; another life begins with a sync."""
        time.sleep(after)
        os.kill(self.pid, signal.SIGKILL)
        self.kills += 1
        said = ""
        while not said.startswith("start"):
            said = self.process.stdout.readline()
            assert said, "the keeper failed"
            self.hits -= said.startswith("synced")
        self.hits += 1
        self.pid, self.synced = int(said.split()[1]), False


def project(root: Path, embedder: str) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    (root / "graft.toml").write_text(
        f'[retrieval]\nembedder = "{embedder}"\n[documents]\nparse_workers = 1\n'
    )
    return root


def contents(root: Path) -> dict[str, object]:
    """All that an index holds and finds, for comparing whole."""
    retrieval = Project(root).parts.retrieval
    store = retrieval.store
    vectors = retrieval.embedder.encode(["travel policy", "approval of a hotel budget"], query=True)
    where = Filter({"team": "people"})
    return {
        "documents": store.documents(),
        "chunks": list(store.chunks()),
        "dense": [[(chunk.id, round(score, 5)) for chunk, score in store.search_dense(vector, 1000)] for vector in vectors],
        "words": [[(chunk.id, round(score, 5)) for chunk, score in store.search_text(query, 1000, limit)]
                  for query in ("leave policy", "visa train") for limit in (None, where)],
    }  # fmt: skip


def follow_and_kill(
    tmp_path: Path, *, operations: int, kills: int, seed: int, embedder: str = "hashing"
) -> Keeper:
    """Let things happen to a folder while an index follows it and dies now and then; compare with a fresh build."""
    root = project(tmp_path / "followed", embedder)
    folder, draw = Folder(root / "documents", seed), random.Random(seed + 1)
    keeper = Keeper(root)
    keeper.hear("synced")
    batches = []
    while sum(batches) < operations:
        batches.append(min(draw.randint(1, 8), operations - sum(batches)))
    deadly = set(draw.sample(range(len(batches)), kills))
    mean = 0.1
    for number, size in enumerate(batches):
        steps = [folder.step() for _ in range(size)] if number not in deadly else []
        if number in deadly:  # half before, half while it works
            steps = [folder.step() for _ in range(size // 2)]
        started = time.monotonic()
        keeper.tell([path for step in steps for path in step])
        if number in deadly:
            for _ in range(size - size // 2):
                folder.step()
            keeper.kill(draw.uniform(0, 0.8 * mean))
            keeper.hear("synced")
        else:
            keeper.hear("synced")
            mean = 0.8 * mean + 0.2 * (time.monotonic() - started)
    keeper.kill(0)  # what came while it was killed is found by the next life's first sync
    keeper.hear("synced")
    keeper.process.communicate()
    assert keeper.process.returncode == 0
    fresh = project(tmp_path / "fresh", embedder)
    shutil.copytree(root / "documents", fresh / "documents")
    Project(fresh).sync()
    followed, built = contents(root), contents(fresh)
    for one, other in zip(followed.pop("dense"), built.pop("dense"), strict=True):
        # A model's vectors depend a little on the batch a text was in (4e-4 for MiniLM); hashed ones do not.
        assert dict(one) == pytest.approx(dict(other), abs=0 if embedder == "hashing" else 2e-3)
    assert followed == built
    assert keeper.kills == kills + 1
    return keeper


def test_a_hundred_operations_and_five_kills_end_like_a_fresh_build(tmp_path):
    keeper = follow_and_kill(tmp_path, operations=100, kills=5, seed=1)
    assert keeper.hits > 0  # else the kills fell between the syncs and tested nothing


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_thousand_operations_and_fifty_kills_end_like_a_fresh_build(tmp_path):
    keeper = follow_and_kill(tmp_path, operations=1000, kills=50, seed=2)
    print(f"{keeper.kills} kills, {keeper.hits} in the middle of a sync")
    assert keeper.hits >= 20


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_so_does_a_sample_with_a_real_embedder(tmp_path):
    follow_and_kill(tmp_path, operations=60, kills=4, seed=3, embedder="minilm")
