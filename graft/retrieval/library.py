"""The documents of a folder by what identifies them, their text on demand: nothing is parsed twice.

A file's stamp (size, times, inode) says whether its content may have changed, the content's hash whether it has, and the
parse cache keeps what it was parsed to. So an update looks at every file and opens only the changed ones; and after a
report of changed paths it looks only at those. Knows nothing of chunks or stores.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
import zlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Protocol, runtime_checkable

from graft.errors import WorkspaceError
from graft.protocols import Loader, Progress
from graft.records import from_dict, to_dict
from graft.retrieval.cache import ParseCache, Parsed
from graft.retrieval.documents import Found, Problem, find, read_files, scan, source_of, taken
from graft.retrieval.reading import longest_suffix
from graft.retrieval.workers import Limits
from graft.stages import quiet
from graft.types import Document, content_hash

# A file that changed a moment ago may change again within the same tick of the file system's clock, with the same stamp:
# git calls it racily clean. Its stamp is not trusted next time; 2 s are the coarsest clock in use (FAT).
_RACY_SECONDS = 2.0
_BATCH = 64  # files parsed between two writes to the cache: a kill loses at most these
_RETRY_SECONDS = 3600.0


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
    """A Corpus: what a folder held when it was looked at. `skipped` counts the files that no loader reads."""

    def __init__(
        self, cache: ParseCache, entries: Mapping[str, Entry], refused: Sequence[Problem], skipped: int
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


@dataclass(frozen=True, slots=True)
class Library:
    """Where documents lie and how they are read. `loaders` is suffix → loader; the rest as for `load_documents`."""

    cache: ParseCache
    roots: Sequence[Path]
    loaders: Mapping[str, Loader]
    include: Sequence[str] = ("**/*",)
    exclude: Sequence[str] = ()
    base: Path | None = None
    limits: Limits | None = None

    def look(self, progress: Progress = quiet) -> Catalogue:
        """List all files, read those that changed, and return what there is. Raises DataError for a root that is missing
        or holds nothing to load."""
        scanned = scan(
            self.roots, include=self.include, exclude=self.exclude, base=self.base, suffixes=tuple(self.loaders)
        )  # fmt: skip
        files = {self.source(found.path): found for found in scanned.files}
        known = self.cache.digests()
        entries = self._read(files, known, progress)
        self.cache.remember({}, known.keys() - files.keys())
        return Catalogue(self.cache, entries, scanned.problems, scanned.skipped)

    def look_at(self, before: Catalogue, paths: Collection[Path]) -> tuple[Catalogue, set[str]]:
        """Look again at some paths only. Return what there is now (`before`, brought up to date, where that is possible),
        and the ids of the documents that may differ."""
        seen = {self.source(path): self._seen(path) for path in paths}
        folders = [path for path in paths if path.is_dir() or path in self.roots]
        folders += [root for root in self.roots if not root.exists()]
        gone = [source for source, found in seen.items() if found is None and source not in before.entries]
        emptied = any(known.startswith(f"{source}/") for source in gone for known in before.entries)
        if not folders and not emptied:
            files = {source: found for source, found in seen.items() if isinstance(found, Found)}
            read = self._read(files, self.cache.digests(list(files)), quiet)
            rest = {source: found if isinstance(found, Problem) else None for source, found in seen.items()}
            changed = before.put({**rest, **read})
            if changed is not None:
                return before, changed
        after = self.look()
        names = before.fingerprints.keys() | after.fingerprints.keys()
        return after, {
            name for name in names if before.fingerprints.get(name) != after.fingerprints.get(name)
        }

    def source(self, path: Path) -> str:
        """Return a path as documents name it: relative to `base` where it lies below."""
        return source_of(path, self.base)

    def _seen(self, path: Path) -> Found | Problem | None:
        root = next((root for root in self.roots if path.is_relative_to(root)), None)
        if root is None:
            return None
        return find(path, root, include=self.include, exclude=self.exclude, base=self.base,
                    suffixes=tuple(self.loaders))  # fmt: skip

    def _read(
        self, files: Mapping[str, Found], known: Mapping[str, tuple[str, bytes]], progress: Progress
    ) -> dict[str, Entry]:
        """Return the entries of files, in their order, from the cache where it has them. `known` is what the cache says
        of their contents."""
        digests = {source: _digest(found, known.get(source)) for source, found in files.items()}
        keys = {
            source: self._key(found, digests[source]) for source, found in files.items() if digests[source]
        }
        heads = self.cache.heads(list(keys.values()))
        entries = {
            source: _from_heads(files[source], source, key, heads[key])
            for source, key in keys.items()
            if key in heads and _still_true(heads[key])
        }
        missing = {source: found for source, found in files.items() if source not in entries}
        entries |= self._parsed(missing, keys, digests, progress)
        trusted = {
            source: (found.stamp, digests[source])
            for source, found in files.items()
            if digests[source] and entries[source].loose is None
            and time.time() - found.changed > _RACY_SECONDS
            and known.get(source, ("", b""))[0] != found.stamp
        }  # fmt: skip
        if trusted:
            self.cache.remember(trusted)
        return {source: entries[source] for source in files}

    def _parsed(
        self,
        files: Mapping[str, Found],
        keys: Mapping[str, bytes],
        digests: Mapping[str, bytes],
        progress: Progress,
    ) -> dict[str, Entry]:
        """Parse files and keep the result, but that of a file which changed meanwhile: its key would lie."""
        entries: dict[str, Entry] = {}
        keep: list[Parsed] = []
        read = read_files(files.values(), self.loaders, base=self.base, limits=self.limits)
        for (source, found), loaded in zip(files.items(), read, strict=True):
            made = tuple(Head(document.id, document.fingerprint) for document in loaded.documents)
            key = keys.get(source, b"")
            steady = key and _digest(found, None) == digests[source]
            loose = None if steady else loaded.documents
            entries[source] = Entry(found, source, key, made, loaded.problems, loose)
            if steady:
                body = zlib.compress(json.dumps([to_dict(one) for one in loaded.documents]).encode(), 1)
                keep.append(Parsed(key, _to_heads(entries[source]), body))
            if len(keep) == _BATCH or len(entries) == len(files):
                self.cache.put(keep)
                keep = []
                progress("parse", len(entries), len(files))
        return entries

    def _key(self, found: Found, digest: bytes) -> bytes:
        loader = self.loaders[longest_suffix(found.path, self.loaders)]
        return hashlib.sha256(digest + _parser(loader) + found.id.encode()).digest()[:16]


def _digest(found: Found, known: tuple[str, bytes] | None) -> bytes:
    """Return the hash of a file's content: the known one while the stamp is the same; nothing if it cannot be read."""
    if known is not None and known[0] == found.stamp:
        return known[1]
    try:
        with found.path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").digest()[:16]
    except OSError:
        return b""  # reading it will say why


def _parser(loader: Loader) -> bytes:
    """Return what identifies how a loader reads: its class, its options, and the code it stands in with its siblings."""
    kind = type(loader)
    options = getattr(loader, "_options", None)
    version = str(getattr(loader, "fingerprint", ""))
    return "\0".join(
        (kind.__module__, kind.__qualname__, repr(options), version, _code(kind.__module__))
    ).encode()


@cache
def _code(module: str) -> str:
    """Return the hash of the source files in a module's folder: another release reads anew, whatever its number says."""
    path = getattr(sys.modules.get(module), "__file__", None)
    if path is None:
        return ""
    digest = hashlib.sha256()
    for source in sorted(Path(path).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()


@cache
def _installed() -> str:
    """Return the hash of what is installed: a file that nothing could read may be readable with another package."""
    from importlib.metadata import distributions

    return content_hash(*sorted(f"{one.name} {one.version}" for one in distributions()))


def _to_heads(entry: Entry) -> str:
    heads = [[head.id, head.fingerprint] for head in entry.heads]
    if not entry.problems:
        return json.dumps({"heads": heads})
    problems = [[problem.reason, problem.hint] for problem in entry.problems]
    return json.dumps({"heads": heads, "problems": problems, "at": time.time(), "installed": _installed()})


def _from_heads(found: Found, source: str, key: bytes, heads: str) -> Entry:
    data = json.loads(heads)
    problems = tuple(Problem(source, *problem) for problem in data.get("problems", ()))
    return Entry(found, source, key, tuple(Head(*head) for head in data["heads"]), problems)


def _still_true(heads: str) -> bool:
    """Whether a cached result may be used. A failure is tried again after an hour, and after something was installed."""
    if '"problems"' not in heads:
        return True
    data = json.loads(heads)
    recent = time.time() - data.get("at", time.time()) < _RETRY_SECONDS
    return "problems" not in data or (recent and data["installed"] == _installed())


def _unpacked(body: bytes, entry: Entry) -> Iterator[Document]:
    for item in json.loads(zlib.decompress(body)):
        document = from_dict(Document, item)
        modified = None if document.modified is None else entry.found.modified
        yield replace(document, source=entry.source, modified=modified)
