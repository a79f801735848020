"""Processes that read files for us, so that a hostile or broken one costs its row and nothing else.

A worker has a limit of memory and each file one of time. A worker that hangs, crashes or runs out of memory is killed
and replaced; its file becomes a problem that says so. Workers are started when first needed and reused; what they
return does not depend on how many there are. Not multiprocessing: its `spawn` imports the caller's script again, which
breaks scripts without a `__main__` guard, and its `fork` copies a process that may hold threads and locks.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Self

from graft.errors import BackendError
from graft.retrieval.worker import OUT_OF_TIME
from graft.types import Document

MAX_WORKERS = 8
# The text of a book has 1 MB. A reply beyond this would fill our own memory, whatever the worker's limit is.
MAX_REPLY = 256 * 2**20
# Wall time for a second of processor time: a PDF of 700 pages needs 14 s of the latter, and took 175 s by the clock beside
# a dozen other jobs. What only waits (a file on a network that is gone) is ended by this one.
PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What a file may cost, and how many are read at once (0: one a core, at most 8).

    `seconds` are of processor time, so that a file's success does not depend on what else the machine does; after
    `PATIENCE` times as many by the clock it is given up, too. Systems that do not count processor time for us (Windows)
    have the clock alone. 2 GB of address space hold any file of 50 MB that was tried; a scan of 100 pages takes OCR
    about 300 seconds.
    """

    seconds: float = 120.0
    memory_mb: int = 2048
    workers: int = 0

    @property
    def count(self) -> int:
        """How many workers that makes on this machine."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return self.workers or min(cores, MAX_WORKERS)


@dataclass(frozen=True, slots=True)
class Read:
    """What a file holds: its good documents (without `source`), and (reason, hint) when something could not be read."""

    documents: tuple[Document, ...]
    problem: tuple[str, str] | None = None


class Workers:
    """A pool of worker processes. A context manager; `close` ends them."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self.count = self._limits.count
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        self._threads: ThreadPoolExecutor | None = None
        self._started: list[_Worker] = []
        self._closing = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def submit(self, path: Path, document_id: str, loaders: Mapping[str, str]) -> Future[Read]:
        """Have a file read. `loaders` is suffix → the name a loader is registered under."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self.count, thread_name_prefix="graft-read")
        request = {
            "path": os.fsencode(path).hex(), "id": document_id, "loaders": dict(loaders), "seconds": self._limits.seconds,
        }  # fmt: skip
        return self._threads.submit(self._read, json.dumps(request).encode("ascii") + b"\n")

    def close(self) -> None:
        """End the workers at once; files that wait, and those being read, are given up."""
        self._closing = True
        for worker in list(self._started):
            worker.kill()
        if self._threads is not None:
            self._threads.shutdown(wait=True, cancel_futures=True)
            self._threads = None
        while (idle := self._take_idle()) is not None:
            self._end(idle)
        self._closing = False

    def _end(self, worker: _Worker) -> None:
        worker.end()
        self._started.remove(worker)

    def _take_idle(self) -> _Worker | None:
        try:
            return self._idle.get_nowait()
        except Empty:
            return None

    def _read(self, request: bytes) -> Read:
        """Read a file in an idle worker, else in a new one. One that failed in a used worker is tried in a fresh one, so
        that the outcome does not depend on what was read before."""
        worker = self._take_idle()
        if worker is not None:
            made, reusable = worker.read(request, self._limits)
            if reusable:
                self._idle.put(worker)
                return made
            self._end(worker)
            if not worker.failed or worker.timed_out or self._closing:
                return made
        fresh = _Worker(self._limits.memory_mb)
        self._started.append(fresh)
        made, reusable = fresh.read(request, self._limits)
        if reusable:
            self._idle.put(fresh)
        else:
            self._end(fresh)
        return made


class _Worker:
    """One process. `failed` says that it died, or ran out of memory; `timed_out` that it was ended for its time."""

    def __init__(self, memory_mb: int) -> None:
        path = os.pathsep.join(entry for entry in sys.path if entry)
        environment = {
            **os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2",
        }  # fmt: skip
        # -P: the folder we are in must not shadow modules.
        command = [sys.executable, "-P", "-m", "graft.retrieval.worker", str(memory_mb)]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
            )
        except OSError as error:
            raise BackendError(
                f"Cannot start a process to read documents ({error}).", "Check the limits of this account."
            ) from error
        self.failed = self.timed_out = False

    def read(self, request: bytes, limits: Limits) -> tuple[Read, bool]:
        """Have a file read; return what came of it, and whether the worker can go on."""
        documents: list[Document] = []
        timer = threading.Timer(PATIENCE * limits.seconds, self._expire)
        timer.start()
        try:
            last = self._exchange(request, documents)
        finally:
            timer.cancel()
        if "problem" in last:
            reason, hint = last["problem"]
            made = Read(tuple(documents), (str(reason), str(hint)))
        elif last.get("failed"):
            self.failed = True
            made = Read((), self._reason(str(last["failed"]), limits))
        else:
            made = Read(tuple(documents))
        return made, not (last.get("retire", False) or self.timed_out)

    def _exchange(self, request: bytes, documents: list[Document]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(request)
            self._process.stdin.flush()
        except OSError:
            return {"failed": "died", "retire": True}
        size = 0
        while True:
            line = self._process.stdout.readline(MAX_REPLY + 1 - size)
            size += len(line)
            if size > MAX_REPLY:
                return {"failed": "size", "retire": True}
            if not line.endswith(b"\n"):
                self.timed_out = self.timed_out or self._process.wait() == -OUT_OF_TIME
                return {"failed": "time" if self.timed_out else "died", "retire": True}
            reply: dict[str, Any] = json.loads(line)
            if "document" not in reply:
                return reply
            made = reply["document"]
            documents.append(Document(**{**made, "pages": tuple(made["pages"])}))

    def _expire(self) -> None:
        self.timed_out = True
        self.kill()

    def kill(self) -> None:
        """End the process; whoever waits for its reply sees that it died."""
        self._process.kill()

    def _reason(self, failed: str, limits: Limits) -> tuple[str, str]:
        if failed == "time":
            reason = f"skipped: reading it takes more than {limits.seconds:g} seconds."
            return reason, "Split or exclude the file, or raise parse_seconds in [documents]."
        if failed == "memory":
            reason = f"skipped: reading it needs more than {limits.memory_mb} MB of memory."
            return reason, "Split or exclude the file, or raise parse_memory_mb in [documents]."
        if failed == "size":
            return (
                f"skipped: it holds more than {MAX_REPLY // 2**20} MB of text.",
                "Split or exclude the file.",
            )
        return f"skipped: the parser crashed on it ({self._exit()}).", "Save the file again, or exclude it."

    def _exit(self) -> str:
        code = self._process.wait()
        try:
            return signal.Signals(-code).name if code < 0 else f"exit code {code}"
        except ValueError:
            return f"signal {-code}"

    def end(self) -> None:
        """End the process and free its pipes."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):  # a request that a dead worker never read
                    pipe.close()
