"""A process that reads files for workers.py: `python -m graft.retrieval.worker MEMORY_MB`.

Reads one request a line from standard input, writes replies to standard output: a line for each document, then one that
ends the file. Its memory and the processor time of a file are limited by the system, which ends the process when it
takes more; so does the clock long after, in case its parent is gone. JSON both ways, no pickle: a parser that a hostile
file took over can only send text.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from graft import plugins
from graft.errors import GraftError
from graft.protocols import Loader
from graft.retrieval.reading import read_file
from graft.stages import peak_mb

OUT_OF_TIME = getattr(signal, "SIGPROF", 0)
"""The signal that ends a worker whose file took too much processor time; 0 where the system counts none."""
# The parent gives up first; this is for a worker whose parent was killed.
_GRACE = 20
# A worker that has grown to half its limit makes room for a fresh one, so that a file's success does not depend on
# those that were read before it.
_RETIRE_AT = 0.5


def main() -> None:
    """Answer requests until standard input ends."""
    memory_mb = int(sys.argv[1])
    limit_memory(memory_mb)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not end up among the replies
    loaders: dict[str, Loader] = {}
    for line in sys.stdin.buffer:
        request = json.loads(line)
        _limit_time(request["seconds"])
        try:
            last = _answer(request, loaders, replies)
        except MemoryError:
            last = {"failed": "memory"}
        _limit_time(0)
        last["retire"] = "failed" in last or _grown(memory_mb)
        _send(replies, last)


def _answer(request: dict[str, Any], loaders: dict[str, Loader], replies: Any) -> dict[str, Any]:
    """Send the documents of a file; return the reply that ends it."""
    path = Path(os.fsdecode(bytes.fromhex(request["path"])))
    try:
        for document in read_file(_Loaders(request["loaders"], loaders), path, request["id"]):
            fields = {field.name: getattr(document, field.name) for field in dataclasses.fields(document)}
            _send(replies, {"document": {**fields, "source": "", "metadata": dict(document.metadata)}})
    except GraftError as error:
        return {"problem": [error.message.removeprefix(f"{path}: "), error.hint]}
    except MemoryError:
        raise
    except (Exception, RecursionError) as error:  # noqa: BLE001 - a parser's bug on one file is reported, not fatal
        return {
            "problem": [
                f"the loader failed ({type(error).__name__}: {error}).",
                "Save the file again, or exclude it.",
            ]
        }
    return {}


class _Loaders(Mapping[str, Loader]):
    """Suffix → loader, each built when it is first needed; `built` keeps them for the next file."""

    def __init__(self, names: Mapping[str, str], built: dict[str, Loader]) -> None:
        self._names, self._built = names, built

    def __getitem__(self, suffix: str) -> Loader:
        name = self._names[suffix]
        if name not in self._built:
            self._built[name] = plugins.build("loader", name)
        return self._built[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _send(replies: Any, value: dict[str, Any]) -> None:
    replies.write(json.dumps(value).encode("ascii") + b"\n")
    replies.flush()


def limit_memory(megabytes: int) -> None:
    """Let the system refuse this process more than so much address space, where it can (not on Windows; macOS only
    pretends to)."""
    try:
        import resource
    except ImportError:
        return
    size = megabytes * 2**20
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(
        resource.RLIMIT_AS, (size if hard == resource.RLIM_INFINITY else min(size, hard), hard)
    )
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _grown(memory_mb: int) -> bool:
    return peak_mb() > _RETIRE_AT * memory_mb


def _limit_time(seconds: float) -> None:
    """End this process, whatever it is doing, after so many seconds of its processor time (all threads, user and system),
    or `_GRACE` times as many by the clock; 0 calls both off."""
    if OUT_OF_TIME:
        for number, kind, after in (
            (OUT_OF_TIME, signal.ITIMER_PROF, seconds),
            (signal.SIGALRM, signal.ITIMER_REAL, _GRACE * seconds),
        ):
            signal.signal(number, signal.SIG_DFL)
            signal.setitimer(kind, after)


if __name__ == "__main__":
    main()
