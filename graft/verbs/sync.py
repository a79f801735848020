"""sync: the index follows the documents; nothing is trained. Once, or for as long as it is left running.

A watched folder is looked at path by path, so that a change costs what it changes and not what the index holds. What a
running server answers with is the same store: it sees a change by its next query.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from graft.errors import GraftError
from graft.protocols import Progress
from graft.retrieval.catalogue import Catalogue
from graft.retrieval.changes import changes
from graft.retrieval.files import Problem
from graft.retrieval.index import IndexReport
from graft.retrieval.library import Library
from graft.stages import quiet
from graft.verbs.indexing.filling import (
    WAIT_SECONDS,
    Indexed,
    changes_line,
    index_documents,
    library,
    note_sync,
    skipped_note,
    trim_when_large,
    unread_lines,
)
from graft.wiring.parts import Parts

# A file that could be read and now cannot is probably being written: its document stays for so long.
_WRITING_SECONDS = 2.0
_RETRY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Synced:
    """What one sync did; `seconds` from the first look at the files to the last commit. `report` is None when nothing was
    to be indexed. `trouble` says why a watched folder could not be followed for the moment; it is tried again."""

    report: IndexReport | None
    seconds: float
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    trouble: str = ""

    @property
    def text(self) -> str:
        """One line, and one for each file that could not be read."""
        if self.trouble:
            return f"could not sync, will try again: {self.trouble}"
        lines = []
        if self.report is not None:
            held = f"{self.report.documents} documents, {self.report.chunks} chunks"
            lines.append(f"{changes_line(self.report)}, {self.seconds:.2f} s ({held})")
        lines += self.notes
        lines += unread_lines(self.problems)
        return "\n".join(lines)


def sync(parts: Parts, *, progress: Progress = quiet) -> Synced:
    """Bring the index up to date with the documents, once."""
    return _first(parts, library(parts), progress)[0]


def _first(parts: Parts, documents: Library, progress: Progress) -> tuple[Synced, Catalogue]:
    started = time.perf_counter()
    held = documents.look(progress)
    indexed: Indexed = index_documents(parts, held, progress)
    trim_when_large(parts)
    notes = tuple(note for note in (indexed.note, skipped_note(held)) if note)
    synced = Synced(indexed.report, time.perf_counter() - started, held.problems, notes)
    return synced, held


def watch(
    parts: Parts, *, progress: Progress = quiet, poll: bool = False, stop: threading.Event | None = None
) -> Iterator[Synced]:
    """Sync, then yield what each set of changes did, until `stop` is set. `poll` looks at the files instead of asking the
    operating system."""
    documents = library(parts)
    synced, held = _first(parts, documents, progress)
    yield synced
    follower = _Follower(parts, documents, held)
    folders = sorted({root if root.is_dir() else root.parent for root in documents.roots})
    for paths in changes(folders, stop or threading.Event(), poll=poll):
        yield from follower.follow(paths)


class _Follower:
    """Keeps the version in service in step with paths that are said to have changed."""

    def __init__(self, parts: Parts, documents: Library, held: Catalogue) -> None:
        self._parts, self._documents, self._held = parts, documents, held
        self._retrieval = parts.retrieval
        self._paths: set[Path] = set()
        self._todo: set[str] = set()
        self._waiting: dict[str, float] = {}
        """Documents whose file cannot be read just now, and until when that is taken for a file being written."""
        self._retry_at = 0.0

    def follow(self, paths: Collection[Path]) -> Iterator[Synced]:
        """Take in changed paths; yield what was done, if anything. What fails is tried again later."""
        started = time.perf_counter()
        self._paths |= set(paths)
        if time.monotonic() < self._retry_at:
            return
        try:
            looked_at = self._look()
            report = self._update()
        except GraftError as error:
            self._retry_at = time.monotonic() + _RETRY_SECONDS
            yield Synced(None, time.perf_counter() - started, trouble=str(error))
            return
        problems = self._held.problems_of(looked_at)
        if report is not None or problems:
            yield Synced(report, time.perf_counter() - started, problems)

    def _look(self) -> list[str]:
        """Look at the paths, and note the documents that have to be indexed."""
        sources = {self._documents.source(path): path for path in self._paths}
        before = {source: self._held.ids(source) for source in sources}
        now = time.monotonic()
        if sources:
            self._held, changed = self._documents.look_at(self._held, list(self._paths))
            self._paths.clear()
            there = {name for source, path in sources.items() if path.is_file() for name in before[source]}
            for name in changed:
                self._waiting.pop(name, None)
                if name in self._held.fingerprints or name not in there:
                    self._todo.add(name)
                else:
                    self._waiting[name] = now + _WRITING_SECONDS
        late = [name for name, until in self._waiting.items() if until <= now]
        for name in late:
            self._todo.add(name)
            del self._waiting[name]
        return list(sources)

    def _update(self) -> IndexReport | None:
        retrieval = self._parts.retrieval
        if retrieval is not self._retrieval:  # another version was promoted; it may lack what came meanwhile
            report = retrieval.index.update(self._held, quiet, wait=WAIT_SECONDS)
            self._retrieval = retrieval
        elif self._todo:
            report = retrieval.index.update(self._held, quiet, only=self._todo, wait=WAIT_SECONDS)
        else:
            return None
        self._todo = set()
        note_sync(self._parts, retrieval.version)
        return report if report.added or report.changed or report.deleted else None
