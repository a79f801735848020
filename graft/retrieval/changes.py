"""Folders → sets of paths that changed, as they come: from the operating system where `watchfiles` is installed, else by
looking at every file's times again and again.

A set is handed out when nothing has changed for a moment, so that a file being written, or a save that renames, is one
change. Knows nothing of what a file is for; hidden files and folders are left out.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

SETTLE_SECONDS = 0.1
"""How long nothing must change before a set is handed out: editors write a file in a few milliseconds."""
_LONGEST_SECONDS = 2.0  # a folder that never rests is handed out this often
_IDLE_SECONDS = 0.5


def changes(roots: Sequence[Path], stop: threading.Event, *, poll: bool = False) -> Iterator[set[Path]]:
    """Yield sets of changed paths until `stop` is set; an empty set every half second in which nothing changed.

    The roots themselves come first, and again when another folder lies where one of them was or one is gone: look at all
    that is there, as what became of it before the listening began was not heard.
    `poll` looks at the files instead of asking the operating system: for network folders, which do not tell.
    """
    if poll or importlib.util.find_spec("watchfiles") is None:
        yield from _polled(roots, stop)
    else:
        yield from _notified(roots, stop)


def _notified(roots: Sequence[Path], stop: threading.Event) -> Iterator[set[Path]]:
    while not stop.is_set():
        try:
            yield from _heard(roots, stop)
        except FileNotFoundError:  # a root is gone: whoever looks at it will say so
            yield set(roots)
            stop.wait(_IDLE_SECONDS)


def _heard(roots: Sequence[Path], stop: threading.Event) -> Iterator[set[Path]]:
    """Yield what is heard until one of the roots is another folder: the system listens to folders, not to their paths."""
    from watchfiles import Change, watch

    folders = _folders(roots)
    unheard = set(roots)
    for found in watch(
        *roots,
        watch_filter=None,
        debounce=int(1000 * _LONGEST_SECONDS),
        step=int(1000 * SETTLE_SECONDS),
        stop_event=stop,
        rust_timeout=int(1000 * _IDLE_SECONDS),
        yield_on_timeout=True,
    ):
        yield unheard | {path for _, name in found if not _hidden(path := Path(name), roots)}
        unheard = set()
        # A new folder may have the number of the one that was deleted; then the deletion was heard.
        deleted = {Path(name) for change, name in found if change == Change.deleted}
        if not deleted.isdisjoint(roots) or _folders(roots) != folders:
            return


def _folders(roots: Sequence[Path]) -> list[tuple[int, int] | None]:
    """Return what tells the folders at these paths from others; None for one that is gone."""
    found: list[tuple[int, int] | None] = []
    for root in roots:
        try:
            info = root.stat()
        except OSError:
            found.append(None)
        else:
            found.append((info.st_dev, info.st_ino))
    return found


def _polled(roots: Sequence[Path], stop: threading.Event) -> Iterator[set[Path]]:
    known = _stamps(roots)
    yield set(roots)
    while not stop.wait(_IDLE_SECONDS):
        now = _stamps(roots)
        changed = _different(known, now)
        while changed and not stop.wait(SETTLE_SECONDS):
            later = _stamps(roots)
            more = _different(now, later)
            changed, now = changed | more, later
            if not more:
                break
        known = now
        yield {Path(name) for name in changed}


def _different(one: dict[str, tuple[int, ...]], other: dict[str, tuple[int, ...]]) -> set[str]:
    return {name for name in one.keys() | other.keys() if one.get(name) != other.get(name)}


def _stamps(roots: Sequence[Path]) -> dict[str, tuple[int, ...]]:
    """Return path → what changes with the file's content."""
    found: dict[str, tuple[int, ...]] = {}
    for root in roots:
        for folder, folders, names in os.walk(root):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in names:
                path = Path(folder, name)
                with contextlib.suppress(OSError):  # gone since it was listed, or a link to nowhere
                    info = path.stat()
                    if not name.startswith("."):
                        found[str(path)] = (info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino)
    return found


def _hidden(path: Path, roots: Sequence[Path]) -> bool:
    inside = next((path.relative_to(root) for root in roots if path.is_relative_to(root)), path)
    return any(part.startswith(".") for part in inside.parts)
