"""Answers made in threads, read by the event loop.

An answer is made from its first to its last piece in one thread (models keep state there), and stops at the next piece
once its reader has gone. Knows nothing of HTTP or of what is answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from graft.types import Answer

Piece = str | Answer


class Full(Exception):
    """As many answers as allowed are being made and waiting."""


class Job:
    """One answer being made. Read it with `next` from the loop that started it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._pieces: asyncio.Queue[Piece | Exception | None] = asyncio.Queue()
        self._stopped = threading.Event()
        self.future: Future[None] | None = None

    async def next(self) -> Piece | None:
        """Return the next piece, None after the last. Raises what the maker raised."""
        piece = await self._pieces.get()
        if isinstance(piece, Exception):
            raise piece
        return piece

    def cancel(self) -> None:
        """Stop making it: at once when it has not begun, at its next piece otherwise. Harmless when it is done."""
        self._stopped.set()
        if self.future is not None and self.future.cancel():
            self._put(None)  # `run` will not: it never begins, and somebody may be reading

    def run(self, make: Callable[[], Iterator[Piece]]) -> None:
        """Make the answer; in a thread."""
        try:
            pieces = make()
            try:
                for piece in pieces:
                    if self._stopped.is_set():
                        return
                    self._put(piece)
            finally:
                close = getattr(pieces, "close", None)
                if close is not None:
                    close()
        except Exception as error:  # noqa: BLE001 - it is raised again where the job is read
            self._put(error)
        finally:
            self._put(None)

    def _put(self, piece: Piece | Exception | None) -> None:
        with contextlib.suppress(
            RuntimeError
        ):  # the loop has closed: the server is going down, and nobody reads
            self._loop.call_soon_threadsafe(self._pieces.put_nowait, piece)


class Workers:
    """At most `running` answers at a time, and `waiting` more in line. `changed` is told how many there are."""

    def __init__(self, running: int, waiting: int, changed: Callable[[int], None]) -> None:
        self._most = running + waiting
        self._changed = changed
        self._lock = threading.Lock()
        self._jobs: set[Job] = set()
        self._pool = ThreadPoolExecutor(running, thread_name_prefix="graft-answer")

    def start(self, make: Callable[[], Iterator[Piece]]) -> Job:
        """Start an answer; call it from the event loop. Raises Full."""
        job = Job(asyncio.get_running_loop())
        with self._lock:
            if len(self._jobs) >= self._most:
                raise Full
            self._jobs.add(job)
            self._changed(len(self._jobs))
        job.future = self._pool.submit(job.run, make)
        job.future.add_done_callback(lambda _: self._leave(job))
        return job

    def close(self) -> None:
        """Stop everything; returns at once."""
        with self._lock:
            jobs = list(self._jobs)
        for job in jobs:
            job.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _leave(self, job: Job) -> None:
        with self._lock:
            self._jobs.discard(job)
            self._changed(len(self._jobs))
