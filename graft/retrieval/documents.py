"""Folders and files → Documents, with one Problem for each file that cannot be used.

Finds the files (globs, no dotfiles, no links out of the folder, a size limit), picks a loader by suffix through the
plug-in door, and keeps a bad file from failing the rest. Knows nothing of formats, chunks or stores.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import stat
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cache
from operator import itemgetter
from pathlib import Path

from graft import plugins
from graft.errors import DataError, GraftError
from graft.protocols import Loader
from graft.retrieval.reading import is_plain, longest_suffix, read_file
from graft.retrieval.workers import Limits, Read, Workers
from graft.types import Document

MAX_BYTES = 50 * 2**20
# Plain text takes no parser that could hang or crash, and reading it here saves starting a process (0.3 s).
PLAIN = frozenset({".md", ".markdown", ".mdx", ".txt", ".text", ".rst", ".csv", ".tsv", ".jsonl"})
MAX_PLAIN = 2**20


@dataclass(frozen=True, slots=True)
class Problem:
    """A file, or some of its records, that could not be used: why, and what to do."""

    path: str
    reason: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was read. `skipped` counts the files whose suffix no loader claims."""

    documents: tuple[Document, ...]
    problems: tuple[Problem, ...] = ()
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """A file to load.

    `id` is its path below its root; `stamp` tells cheaply whether it may have changed: its size, its inode and when its
    content and its inode changed. `changed` is the latter in seconds; unlike `modified` nobody can set it back.
    """

    id: str
    path: Path
    modified: float
    size: int
    changed: float = 0.0
    stamp: str = ""


@dataclass(frozen=True, slots=True)
class Scan:
    """The files below the roots, by root then path."""

    files: tuple[Found, ...]
    problems: tuple[Problem, ...] = ()
    skipped: int = 0


def load_documents(
    roots: Sequence[Path],
    *,
    include: Sequence[str] = ("**/*",),
    exclude: Sequence[str] = (),
    base: Path | None = None,
    loaders: Mapping[str, Loader] | None = None,
    max_bytes: int = MAX_BYTES,
    limits: Limits | None = None,
) -> Loaded:
    """Read every document below `roots`.

    A root is a folder, searched by the globs `include` and `exclude` (`**` crosses folders; a pattern without a slash
    matches file names at any depth), or a single file. Relative roots start at `base`, and `Document.source` is
    relative to it. `loaders` (name → loader) defaults to all that are registered; `limits` is what a file may cost. Raises DataError for a root that is
    missing or holds nothing to load; everything else that goes wrong becomes a Problem.
    """
    by_suffix = _by_suffix(loaders if loaders is not None else registered_loaders())
    scanned = scan(
        roots, include=include, exclude=exclude, base=base, suffixes=tuple(by_suffix), max_bytes=max_bytes
    )
    documents: dict[str, Document] = {}
    problems = list(scanned.problems)
    for read in read_files(scanned.files, by_suffix, base=base, limits=limits):
        problems += read.problems
        for document in read.documents:
            if document.id in documents:
                problems.append(taken(document.id, document.source, documents[document.id].source))
            else:
                documents[document.id] = document
    return Loaded(tuple(documents.values()), tuple(problems), scanned.skipped)


def read_files(
    files: Iterable[Found],
    loaders: Mapping[str, Loader],
    *,
    base: Path | None = None,
    limits: Limits | None = None,
) -> Iterator[Loaded]:
    """Yield what each file holds, in the order given: its good documents, and a Problem for what could not be read.

    `loaders` is name → loader, or suffix → loader. `Document.source` is relative to `base`. Registered loaders run in
    worker processes within `limits`; a loader that is not registered, and small plain text, is read in this process.
    """
    by_suffix = _by_suffix(loaders)
    names = _registered(by_suffix)
    with Workers(limits) as workers:
        waiting: deque[tuple[Found, Future[Read] | None]] = deque()
        for found in files:
            suffix = longest_suffix(found.path, by_suffix)
            here = suffix not in names or (
                suffix in PLAIN and found.size <= MAX_PLAIN and is_plain(found.path)
            )
            waiting.append((found, None if here else workers.submit(found.path, found.id, names)))
            while len(waiting) > 4 * workers.count:
                yield _loaded(*waiting.popleft(), by_suffix, base)
        while waiting:
            yield _loaded(*waiting.popleft(), by_suffix, base)


def _loaded(
    found: Found, read: Future[Read] | None, loaders: Mapping[str, Loader], base: Path | None
) -> Loaded:
    shown = source_of(found.path, base)
    made = read.result() if read is not None else _read_here(found, loaders)
    problems = (Problem(shown, *made.problem),) if made.problem else ()
    return Loaded(tuple(dataclasses.replace(document, source=shown) for document in made.documents), problems)


def _read_here(found: Found, loaders: Mapping[str, Loader]) -> Read:
    documents: list[Document] = []
    problem = None
    try:
        documents.extend(read_file(loaders, found.path, found.id))
    except GraftError as error:
        problem = (error.message.removeprefix(f"{found.path}: "), error.hint)
    except Exception as error:  # noqa: BLE001 - a parser's bug on one file must not lose the others; it is reported
        problem = (
            f"the loader failed ({type(error).__name__}: {error}).",
            "Save the file again, or exclude it.",
        )
    return Read(tuple(documents), problem)


def _registered(loaders: Mapping[str, Loader]) -> dict[str, str]:
    """Return suffix → name of those loaders that a worker can build from their name."""
    known = {type(loader): name for name, loader in registered_loaders().items()}
    return {suffix: known[type(loader)] for suffix, loader in loaders.items() if type(loader) in known}


def taken(name: str, source: str, first: str) -> Problem:
    """The problem of a document in the file `source` whose id belongs to one that was read before, in `first`."""
    reason = f"the document id {name!r} is already taken by {first}."
    return Problem(source, reason, "Give it another id, or load their common folder.")


def scan(
    roots: Sequence[Path],
    *,
    include: Sequence[str] = ("**/*",),
    exclude: Sequence[str] = (),
    base: Path | None = None,
    suffixes: Sequence[str] | None = None,
    max_bytes: int = MAX_BYTES,
) -> Scan:
    """List the files that `load_documents` would read, without opening them."""
    known = tuple(_by_suffix(registered_loaders())) if suffixes is None else tuple(suffixes)
    files: dict[Path, Found] = {}
    problems: list[Problem] = []
    skipped = 0
    for given in roots:
        root = base / given if base is not None else Path(given)
        if not root.exists():
            raise DataError(f"{root} does not exist.", "Check the path of your documents.")
        usable = left_out = 0
        for path, name, real in sorted(_walk(root), key=itemgetter(1)):
            if root.is_dir() and not (_matches(name, include) and not _matches(name, exclude)):
                continue
            if longest_suffix(path, known) == "":
                left_out += 1
                continue
            usable += 1
            seen = _examined(path, name, base, max_bytes)
            if isinstance(seen, Problem):
                problems.append(seen)
            elif seen is not None:  # roots may overlap: the first that reaches a file names it
                files.setdefault(real, seen)
        if not usable:
            seen_there = f"{left_out} files of other kinds" if left_out else "no files"
            raise DataError(
                f"{root} holds no documents ({seen_there}).", f"Known kinds: {', '.join(sorted(known))}."
            )
        skipped += left_out
    return Scan(tuple(files.values()), tuple(problems), skipped)


def find(
    path: Path,
    root: Path,
    *,
    include: Sequence[str] = ("**/*",),
    exclude: Sequence[str] = (),
    base: Path | None = None,
    suffixes: Sequence[str],
    max_bytes: int = MAX_BYTES,
) -> Found | Problem | None:
    """Return what `scan` would make of one path below the folder `root`: the file, why it is refused, or None when it
    would not be looked at (or is gone)."""
    name = path.relative_to(root).as_posix()
    hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
    wanted = _matches(name, include) and not _matches(name, exclude) and longest_suffix(path, suffixes) != ""
    if hidden or not wanted or not path.is_file() or not path.resolve().is_relative_to(root.resolve()):
        return None
    return _examined(path, name, base, max_bytes)


def _examined(path: Path, name: str, base: Path | None, max_bytes: int) -> Found | Problem | None:
    try:
        info = path.stat()
    except FileNotFoundError:
        return None
    refused = _refused(name, info, max_bytes)
    if refused:
        return Problem(source_of(path, base).encode("utf-8", "replace").decode(), *refused)
    stamp = f"{info.st_size} {info.st_mtime_ns} {info.st_ctime_ns} {info.st_ino}"
    return Found(name, path, info.st_mtime, info.st_size, info.st_ctime, stamp)


@cache
def registered_loaders() -> Mapping[str, Loader]:
    """Return every registered loader with its default options, by name."""
    return {name: plugins.build("loader", name) for name in plugins.names("loader")}


def _by_suffix(loaders: Mapping[str, Loader]) -> dict[str, Loader]:
    return {suffix: loader for loader in loaders.values() for suffix in loader.suffixes}


def _refused(name: str, info: os.stat_result, max_bytes: int) -> tuple[str, str] | None:
    """Return (reason, hint) when a file is not worth opening."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return "its name is not valid Unicode.", "Rename the file."
    if info.st_size == 0:
        return "it is empty.", "Fill or remove the file."
    if info.st_size > max_bytes:
        return f"it has {info.st_size / 2**20:.0f} MB, more than {max_bytes / 2**20:.0f}.", "Split the file."
    return None


def _walk(root: Path) -> Iterator[tuple[Path, str, Path]]:
    """Yield (path, id, real path) of the regular files below a folder; or of the one file that `root` is."""
    inside = root.resolve()
    if root.is_file():
        yield root, root.name, inside
        return
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if name.startswith("."):
                continue
            path = Path(folder, name)
            with contextlib.suppress(FileNotFoundError):  # gone since its folder was listed
                mode = path.lstat().st_mode
                below = path.relative_to(root)
                # Folders that are links are not entered, so only a link can lead out. Resolving is slow.
                real = path.resolve() if stat.S_ISLNK(mode) else inside / below
                if real.is_relative_to(inside) and (stat.S_ISREG(mode) or real.is_file()):
                    yield path, below.as_posix(), real


def source_of(path: Path, base: Path | None) -> str:
    """Return a path as documents name it: relative to `base` where it lies below."""
    inside = base is not None and path.is_relative_to(base)
    return (path.relative_to(base) if base is not None and inside else path).as_posix()


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(_glob(pattern).fullmatch(name) for pattern in patterns)


@cache
def _glob(pattern: str) -> re.Pattern[str]:
    """Translate a glob to a regular expression; `glob.translate` exists only from Python 3.13 on."""
    whole = pattern if "/" in pattern else f"**/{pattern}"
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[[^\]]+\])", whole.removeprefix("./"))
    known = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    made = "".join(known.get(part) or (part if part[:1] == "[" else re.escape(part)) for part in parts)
    return re.compile(made.replace("[!", "[^"), re.DOTALL)
