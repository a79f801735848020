"""The project folder's `.graft/`: atomic writes, the manifest last, one lock a stage.

Presence of a `manifest.json` means "complete": it is written after everything it describes, by an atomic rename. A
kill at any moment leaves either the old state or the new. Knows where things lie; nothing of what they mean.

    .graft/
      index/NAME/      a version of the index: its store, and version.json {the settings that made it}
      index/current.json   which version is in service, and which ones were before
      cache/           embeddings.sqlite (content hash → vector), documents.sqlite (content hash → parsed file)
      adapters/KEY/    a peft adapter, checkpoints while it trains, manifest.json
      adapters/tuned.json, hybrid.json   which of them is in use
      adapters/KEY/retention.json        what it forgot; retention/KEY.json, what a model answered to the suite
      runs/KEY/        rows.jsonl (one line a question, appended as they come), manifest.json
      optimize/KEY/    tries.jsonl (one line a setting); index/, the indexes tried, removed when done
      comparisons/ID/  comparison.json, recommendation.json, report.html, rows.jsonl
      gaps/            turns.jsonl, and the candidate examples of each turn
      releases/        NNNN.json, what was promoted; the newest is current
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from graft.errors import WorkspaceError

FOLDER = ".graft"


@dataclass(frozen=True, slots=True)
class Workspace:
    """Paths below a project's `.graft/`."""

    root: Path

    @property
    def index(self) -> Path:
        """The versions of the index, a folder each, and the pointer to the one in service."""
        return self.root / "index"

    @property
    def embeddings(self) -> Path:
        """The embedding cache (SQLite)."""
        return self.root / "cache" / "embeddings.sqlite"

    @property
    def parses(self) -> Path:
        """The cache of parsed files (SQLite)."""
        return self.root / "cache" / "documents.sqlite"

    @property
    def indexing(self) -> Path:
        """How long the last indexing that embedded most of an index took: {"embedded": chunks, "seconds"}."""
        return self.root / "indexing.json"

    def adapter(self, key: str) -> Path:
        """The folder of one adapter, named by the fingerprint of all that it was made from."""
        return self.root / "adapters" / key

    def adapter_pointer(self, variant: str) -> Path:
        """The file that says which adapter a variant uses now: {"key": …}."""
        return self.root / "adapters" / f"{variant}.json"

    @property
    def retention(self) -> Path:
        """What models answered to the retention suite, a file a model."""
        return self.root / "retention"

    def run(self, key: str) -> Path:
        """The folder of one run, named by the fingerprints of its variant and its questions."""
        return self.root / "runs" / key

    @property
    def optimize(self) -> Path:
        """What `graft optimize` has measured, and the indexes that it tries."""
        return self.root / "optimize"

    @property
    def comparisons(self) -> Path:
        """All comparisons, one folder each."""
        return self.root / "comparisons"

    @property
    def latest(self) -> Path:
        """What the last comparison decided: {"key", "kind", "variant", "questions", "report"}; written last."""
        return self.root / "comparisons" / "latest.json"

    @property
    def gaps(self) -> Path:
        """The turns of the gap loop: turns.jsonl, and the candidate examples of each."""
        return self.root / "gaps"

    @property
    def pending(self) -> Path:
        """The documents of a turn that has no verdict yet: {"documents": [paths]}; gone once it has."""
        return self.gaps / "pending.json"

    @property
    def releases(self) -> Path:
        """All releases, one file each."""
        return self.root / "releases"

    @contextlib.contextmanager
    def lock(self, stage: str, *, wait: float = 0.0) -> Iterator[None]:
        """Hold the stage's lock; a second process that wants it gets a WorkspaceError, after `wait` seconds. The operating
        system frees it when the process dies, so a kill leaves no stale lock."""
        path = self.root / f"{stage}.lock"
        with guard(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = path.open("w")
        until = time.monotonic() + wait
        while not _locked(handle):
            if time.monotonic() >= until:
                handle.close()
                raise WorkspaceError(f"Another graft process is in stage {stage!r} of {self.root.parent}.",
                                     "Wait for it, or stop it; finished work is kept.")  # fmt: skip
            time.sleep(0.02)
        try:
            yield
        finally:
            handle.close()


def _locked(handle: IO[str]) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def guard(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals on `path` into a WorkspaceError that says what to do."""
    try:
        yield
    except OSError as error:
        hints = {
            errno.ENOSPC: "The disk is full: free some space and run the same command again; finished work is kept.",
            errno.EDQUOT: "The disk quota is used up: free some space and run the same command again.",
            errno.EACCES: "Check the folder's permissions.",
            errno.EROFS: "The file system is read-only: copy the project somewhere writable.",
        }
        reason = os.strerror(error.errno) if error.errno else str(error)
        hint = hints.get(error.errno or 0, "Check the path and run the same command again.")
        raise WorkspaceError(f"Cannot use {path}: {reason}.", hint) from error


def write_text(path: Path, text: str) -> None:
    """Write the file so that a reader sees the old or the new content, never a part: temporary file, fsync, rename."""
    with guard(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
                handle.write(text)
                handle.flush()
                os.fsync(handle.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically, keys in the order given."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def read_json(path: Path) -> Any | None:
    """Return the file's JSON, or None when it does not exist. A file that does not parse is a WorkspaceError."""
    try:
        with guard_missing(path):
            return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except json.JSONDecodeError as error:
        raise WorkspaceError(
            f"{path} is not valid JSON ({error}).", "Delete it and run the same command again."
        ) from error


@contextlib.contextmanager
def guard_missing(path: Path) -> Iterator[None]:
    """Like `guard`, but lets FileNotFoundError through."""
    try:
        with guard(path):
            yield
    except WorkspaceError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise error.__cause__ from None
        raise


def append_lines(path: Path, lines: list[str]) -> None:
    """Append whole lines to a file and flush them to disk, so that what was reported as done survives a kill."""
    with guard(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as handle:
            handle.write("".join(f"{line}\n" for line in lines))
            handle.flush()
            os.fsync(handle.fileno())


def read_lines(path: Path) -> list[Any]:
    """Return the JSON values of a JSONL file that `append_lines` wrote. A torn last line (the process was killed while
    writing it) is dropped, and removed from the file so that appending can go on."""
    if not path.exists():
        return []
    with guard(path):
        data = path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        if len(whole) < len(data):
            with path.open("r+b") as handle:
                handle.truncate(len(whole))
    return [json.loads(line) for line in whole.decode("utf-8").split("\n") if line]


def file_hash(path: Path) -> str:
    """Return the SHA-256 of the file's bytes in hex, computed once for a path, size and modification time."""
    with guard(path):
        state = path.stat()
        return _file_hash(path.resolve(), state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=256)
def _file_hash(path: Path, _size: int, _modified: int) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
