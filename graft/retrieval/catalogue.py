"""Documents by what identifies them, their text on demand: what an index is updated from.

A catalogue says what a folder held when it was looked at, and takes in what became of single files since. Knows the parse
cache and files by their names; reads no folder (library.py does) and knows nothing of chunks.
"""

from __future__ import annotations

import json
import zlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from graft.errors import WorkspaceError
from graft.records import from_dict
from graft.retrieval.cache import ParseCache
from graft.retrieval.documents import taken
from graft.retrieval.files import Found, Problem
from graft.types import Document

_BATCH = 64  # files whose text is taken from the cache together


@dataclass(frozen=True, slots=True)
class Head:
    """What is known of a document without its text."""

    id: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A file as it was last read. `key` is what the parse cache has it under; `loose` holds the documents themselves
    when the file changed while it was read, so that nothing of it was cached."""

    found: Found
    source: str
    key: bytes
    heads: tuple[Head, ...]
    problems: tuple[Problem, ...] = ()
    loose: tuple[Document, ...] | None = None


@runtime_checkable
class Corpus(Protocol):
    """What an index is updated from: which documents there are, and their text on demand."""

    @property
    def fingerprints(self) -> Mapping[str, str]:
        """Document id → Document.fingerprint."""

    def read(self, ids: Collection[str]) -> Iterator[Document]:
        """Yield the documents of these ids."""


class Catalogue:
    """A Corpus: what a folder held when it was looked at. `skipped` counts by suffix the files that no loader
    reads."""

    def __init__(
        self,
        cache: ParseCache,
        entries: Mapping[str, Entry],
        refused: Sequence[Problem],
        skipped: Mapping[str, int],
    ) -> None:
        self._cache = cache
        self.entries = dict(entries)
        self.skipped = skipped
        self.fingerprints: dict[str, str] = {}
        self.sources: dict[str, str] = {}
        self._refused = {problem.path: problem for problem in refused}
        self._taken: list[Problem] = []
        for source, entry in entries.items():
            for head in entry.heads:
                if head.id in self.sources:
                    self._taken.append(taken(head.id, source, self.sources[head.id]))
                else:
                    self.fingerprints[head.id], self.sources[head.id] = head.fingerprint, source

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Files, and records of them, that could not be used."""
        found = [problem for entry in self.entries.values() for problem in entry.problems]
        return (*self._refused.values(), *found, *self._taken)

    def problems_of(self, sources: Collection[str]) -> tuple[Problem, ...]:
        """The problems of some files."""
        refused = [self._refused[source] for source in sources if source in self._refused]
        found = [self.entries[source] for source in sources if source in self.entries]
        return (*refused, *(problem for entry in found for problem in entry.problems))

    def ids(self, source: str) -> list[str]:
        """The ids of the documents that a file holds."""
        entry = self.entries.get(source)
        return [] if entry is None else [head.id for head in entry.heads]

    @property
    def keys(self) -> list[bytes]:
        """What the parse cache holds these files under."""
        return [entry.key for entry in self.entries.values()]

    def read(self, ids: Collection[str]) -> Iterator[Document]:
        """Yield the documents of these ids, file by file."""
        wanted: dict[str, set[str]] = defaultdict(set)
        for name in ids:
            wanted[self.sources[name]].add(name)
        entries = [self.entries[source] for source in wanted]
        for at in range(0, len(entries), _BATCH):
            part = entries[at : at + _BATCH]
            bodies = self._cache.bodies([entry.key for entry in part if entry.loose is None])
            for entry in part:
                if entry.loose is None and entry.key not in bodies:
                    raise WorkspaceError(
                        f"The parse cache has lost {entry.source}.", "Run the same command again."
                    )
                for document in _unpacked(bodies[entry.key], entry) if entry.loose is None else entry.loose:
                    if document.id in wanted[entry.source]:
                        wanted[entry.source].discard(document.id)  # of two with one id the first counts
                        yield document

    def put(self, changes: Mapping[str, Entry | Problem | None]) -> set[str] | None:
        """Take in what became of some files, and return the ids of the documents that may differ; or None, and nothing is
        taken in, when an id is claimed twice: then only the order of all files tells whose it is."""
        heads = [
            (head.id, source)
            for source, new in changes.items()
            if isinstance(new, Entry)
            for head in new.heads
        ]
        claimed = {name for name, _ in heads}
        others = any(self.sources.get(name, source) not in changes for name, source in heads)
        if self._taken or others or len(claimed) < len(heads):
            return None
        before: dict[str, str] = {}
        for source, new in changes.items():
            old = self.entries.pop(source, None)
            for head in old.heads if old else ():
                before[head.id] = self.fingerprints.pop(head.id)
                del self.sources[head.id]
            self._refused.pop(source, None)
            if isinstance(new, Problem):
                self._refused[source] = new
            elif new is not None:
                self.entries[source] = new
        for name, source in heads:
            self.sources[name] = source
        for entry in changes.values():
            if isinstance(entry, Entry):
                self.fingerprints |= {head.id: head.fingerprint for head in entry.heads}
        return {name for name in before.keys() | claimed if before.get(name) != self.fingerprints.get(name)}


def _unpacked(body: bytes, entry: Entry) -> Iterator[Document]:
    for item in json.loads(zlib.decompress(body)):
        document = from_dict(Document, item)
        modified = None if document.modified is None else entry.found.modified
        yield replace(document, source=entry.source, modified=modified)
