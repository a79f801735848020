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
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from graft.protocols import Loader, Progress
from graft.records import to_dict
from graft.retrieval.cache import ParseCache, Parsed
from graft.retrieval.catalogue import Catalogue, Entry, Head
from graft.retrieval.documents import read_files
from graft.retrieval.files import Found, Problem, find, looking, scan, source_of
from graft.retrieval.reading import longest_suffix
from graft.retrieval.workers import Limits
from graft.stages import quiet
from graft.types import content_hash

# A file that changed a moment ago may change again within the same tick of the file system's clock, with the same stamp:
# git calls it racily clean. Its stamp is not trusted next time; 2 s are the coarsest clock in use (FAT).
_RACY_SECONDS = 2.0
_BATCH = 64  # files parsed between two writes to the cache: a kill loses at most these
_RETRY_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Library:
    """Where documents lie and how they are read. `loaders` is suffix → loader; `apart` are files that are never documents
    wherever they lie, by their resolved paths; the rest as for `load_documents`."""

    cache: ParseCache
    roots: Sequence[Path]
    loaders: Mapping[str, Loader]
    include: Sequence[str] = ("**/*",)
    exclude: Sequence[str] = ()
    base: Path | None = None
    limits: Limits | None = None
    apart: frozenset[Path] = frozenset()

    def look(self, progress: Progress = quiet) -> Catalogue:
        """List all files, read those that changed, and return what there is. Raises DataError for a root that is missing
        or holds nothing to load."""
        scanned = scan(
            self.roots, include=self.include, exclude=self.exclude, base=self.base, suffixes=tuple(self.loaders)
        )  # fmt: skip
        files = {self.source(found.path): found for found in scanned.files if not self._apart(found.path)}
        known = self.cache.digests()
        entries = self._read(files, known, progress)
        self.cache.remember({}, known.keys() - files.keys())
        return Catalogue(self.cache, entries, scanned.problems, scanned.skipped)

    def look_at(self, before: Catalogue, paths: Collection[Path]) -> tuple[Catalogue, set[str]]:
        """Look again at some paths only. Return what there is now (`before`, brought up to date, where that is possible),
        and the ids of the documents that may differ. Raises DataError where it cannot be said what there is."""
        seen = {self.source(path): self._seen(path) for path in paths}
        with looking():
            folders = [path for path in paths if path.is_dir() or path in self.roots]
            folders += [root for root in self.roots if not root.exists()]
        gone = [source for source, found in seen.items() if found is None and source not in before.entries]
        emptied = any(known.startswith(f"{source}/") for source in gone for known in before.entries)
        if not folders and not emptied and not self._linked(before, paths, seen):
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

    def _linked(
        self, before: Catalogue, paths: Collection[Path], seen: Mapping[str, Found | Problem | None]
    ) -> bool:
        """Whether one of the paths is or was a link, or the other name of a file: which of its names it goes by, only a look
        at all files tells."""
        if any(path.is_symlink() for path in paths if seen[self.source(path)] is not None):
            return True
        reals = {path.resolve(): self.source(path) for path in paths}
        known = before.entries
        return any(
            source in known and known[source].found.real != real for real, source in reals.items()
        ) or any(reals.get(entry.found.real, source) != source for source, entry in known.items())

    def source(self, path: Path) -> str:
        """Return a path as documents name it: relative to `base` where it lies below."""
        return source_of(path, self.base)

    def _apart(self, path: Path) -> bool:
        return any(path.name == one.name for one in self.apart) and path.resolve() in self.apart

    def _seen(self, path: Path) -> Found | Problem | None:
        root = next((root for root in self.roots if path.is_relative_to(root)), None)
        if root is None or self._apart(path):
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
