"""What a change costs in a large index: one document into N chunks, step by step; what a sync without changes costs; what
the caches take on disk; what a search takes while the files are compacted. Texts are synthetic and so are the vectors (384 numbers drawn by the text): embedding is measured
elsewhere.

python benchmarks/freshness.py                        100,000 chunks in 12,500 files, about two minutes on one core
python benchmarks/freshness.py --chunks 20000

Printed for each step: median and 95th percentile of the wall time, and the CPU time of the process, which other processes
on the machine do not blur; of searches during a compaction, the CPU time of the searching thread.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from graft import Project
from graft.protocols import Matrix
from graft.stages import quiet
from graft.testing.fakes import HashingEmbedder
from graft.verbs.indexing.filling import library
from graft.verbs.sync import _first, _Follower

PER_FILE = 8  # chunks
WORDS = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in ("n", "r", "st", "lk")]


def section(draw: random.Random, number: int) -> str:
    words = " ".join(draw.choices(WORDS, k=110))
    return f"## Section {number}\n\n{words.capitalize()}.\n"


def write(path: Path, draw: random.Random) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"# {path.stem}\n\n" + "\n".join(section(draw, at) for at in range(PER_FILE)), encoding="utf-8"
    )


class Table:
    """Times by step."""

    def __init__(self) -> None:
        self._wall: dict[str, list[float]] = {}
        self._cpu: dict[str, list[float]] = {}

    def time(self, step: str, work: Callable[[], object]) -> object:
        """Do some work and note what it took."""
        wall, cpu = time.perf_counter(), time.process_time()
        done = work()
        self.add(step, time.perf_counter() - wall, time.process_time() - cpu)
        return done

    def add(self, step: str, wall: float, cpu: float) -> None:
        """Note seconds."""
        self._wall.setdefault(step, []).append(1000 * wall)
        self._cpu.setdefault(step, []).append(1000 * cpu)

    def show(self) -> None:
        """Print the table."""
        print(f"\n{'ms':44}{'p50':>9}{'p95':>9}{'CPU p50':>9}{'CPU p95':>9}{'n':>5}")
        for step, wall in self._wall.items():
            cpu = self._cpu[step]
            cells = [*np.percentile(wall, [50, 95]), *np.percentile(cpu, [50, 95])]
            print(f"{step:44}" + "".join(f"{cell:9.1f}" for cell in cells) + f"{len(wall):5}")


def drawn(embedder: HashingEmbedder, texts: Sequence[str], *, query: bool = False) -> Matrix:
    """Unit vectors that only the text decides, at a hundredth of the hashing embedder's price."""
    del query
    rows = [
        np.random.default_rng(zlib.crc32(text.encode())).normal(size=embedder.dimension) for text in texts
    ]
    vectors = np.array(rows, dtype=np.float32).reshape(len(texts), embedder.dimension)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--chunks", type=int, default=100_000)
    options.add_argument("--changes", type=int, default=40)
    options.add_argument(
        "--folder", type=Path, default=None, help="where to work; default: a temporary folder"
    )
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as made:
        run(chosen.folder or Path(made), chosen.chunks // PER_FILE, chosen.changes)


def run(root: Path, files: int, changes: int) -> None:
    draw, table = random.Random(0), Table()
    HashingEmbedder.encode = drawn  # type: ignore[method-assign]
    docs = root / "documents"
    for number in range(files):
        write(docs / f"d{number % 100}" / f"f{number}.md", draw)
    (root / "graft.toml").write_text('[retrieval]\nembedder = { name = "hashing", dimension = 384 }\n')
    parts = Project(root).parts
    documents = library(parts)
    wall, cpu = time.perf_counter(), time.process_time()
    first, held = _first(parts, documents, quiet)
    print(
        f"first sync: {first.text}, CPU {time.process_time() - cpu:.1f} s, wall {time.perf_counter() - wall:.1f} s"
    )
    print(f"  of which {first.report.seconds}" if first.report else "")
    retrieval = parts.retrieval
    vector = retrieval.embedder.encode(["warm up"], query=True)[0]
    retrieval.store.search_dense(vector, 10)
    table.time("sync with nothing changed", lambda: _first(parts, documents, quiet))
    table.time("  of which: list and stat all files", documents.look)
    table.time("  of which: what the store holds", retrieval.store.documents)
    follower = _Follower(parts, documents, held)
    for number in range(changes):
        one_change(docs, number, draw, table, parts, follower)
    compaction(docs, draw, table, parts, follower)
    table.show()
    sizes = {
        "documents": docs, "index": parts.workspace.index, "embedding cache": parts.workspace.embeddings,
        "parse cache": parts.workspace.parses,
    }  # fmt: skip
    print("\nMB on disk: " + ", ".join(f"{what} {megabytes(path):.1f}" for what, path in sizes.items()))


def one_change(docs, number, draw, table, parts, follower) -> None:
    """Add, edit, rename and delete a file in turn; each is followed and then searched for."""
    path = docs / "new" / f"n{number // 4}.md"
    kind = ("add", "edit", "rename", "delete")[number % 4]
    moved = path.with_name(f"m{number // 4}.md")
    if kind in ("add", "edit"):
        write(path, draw)
    elif kind == "rename":
        path.rename(moved)
    else:
        moved.unlink()
    wall, cpu = time.perf_counter(), time.process_time()
    done = list(follower.follow([path, moved]))
    spent = time.perf_counter() - wall, time.process_time() - cpu
    assert len(done) == 1, (kind, done)
    report = done[0].report
    assert report is not None
    table.add(f"{kind} one document: noticed to committed", *spent)
    store, embedder = parts.retrieval.store, parts.retrieval.embedder
    vector = embedder.encode([f"n{number // 4}"], query=True)[0]

    def search() -> list[str]:
        found = store.search_dense(vector, 10) + store.search_text(f"{path.stem} {moved.stem} {WORDS[0]}", 10)
        return [chunk.document for chunk, _ in found]

    found = table.time("next query, dense + words, sees it", search)
    wanted = {"add": f"new/{path.name}", "edit": f"new/{path.name}", "rename": f"new/{moved.name}"}.get(kind)
    assert wanted is None or wanted in found, (kind, found)  # type: ignore[operator]
    table.time("the query after that", search)


def compaction(docs, draw, table, parts, follower) -> None:
    """Add documents until the files are compacted, and search meanwhile, some twenty times a second: what users of a server
    see of it."""
    store = parts.retrieval.store
    store.close()  # one that the changes began
    for number in range(100):
        path = docs / "more" / f"c{number}.md"
        write(path, draw)
        list(follower.follow([path]))
        if compacting():
            break
    vector = parts.retrieval.embedder.encode(["while"], query=True)[0]

    def search(step: str) -> None:
        wall, cpu = time.perf_counter(), time.thread_time()
        store.search_dense(vector, 10)
        store.search_text(WORDS[0], 10)
        table.add(step, time.perf_counter() - wall, time.thread_time() - cpu)

    search("next query, sees the last of the additions")
    while compacting():
        search("query while the files are compacted")
        time.sleep(0.05)
    time.sleep(0.2)
    search("first query after it")


def compacting() -> bool:
    """Whether the store's files are being compacted now."""
    return any(thread.name == "compact" for thread in threading.enumerate())


def megabytes(path: Path) -> float:
    held = path.rglob("*") if path.is_dir() else path.parent.glob(f"{path.name}*")
    return sum(one.stat().st_size for one in held if one.is_file()) / 2**20


if __name__ == "__main__":
    main()
