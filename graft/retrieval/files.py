"""Folders → the files to read, by name and by the system's word: globs, no hidden files, no links out, a size limit.

Opens no file. What cannot be read is a Problem with its reason; where it cannot be said what there is, that is an error:
a folder that is closed or gone for the moment is no empty one. Knows nothing of formats or loaders.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from operator import itemgetter
from pathlib import Path

from graft.errors import DataError
from graft.retrieval.reading import longest_suffix

MAX_BYTES = 50 * 2**20


@dataclass(frozen=True, slots=True)
class Problem:
    """A file, or some of its records, that could not be used: why, and what to do."""

    path: str
    reason: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A file to load.

    `id` is its path below its root; `stamp` tells cheaply whether it may have changed: its size, its inode and when its
    content and its inode changed. `changed` is the latter in seconds; unlike `modified` nobody can set it back. `real` is
    its path free of links: of two that share it one is taken.
    """

    id: str
    path: Path
    real: Path
    modified: float
    size: int
    changed: float = 0.0
    stamp: str = ""


@dataclass(frozen=True, slots=True)
class Scan:
    """The files below the roots, by root then path."""

    files: tuple[Found, ...]
    problems: tuple[Problem, ...] = ()
    skipped: Mapping[str, int] = field(default_factory=dict)


@contextlib.contextmanager
def looking() -> Iterator[None]:
    """Turn what keeps the system from saying what lies where into a DataError. Also a decorator."""
    try:
        yield
    except OSError as error:
        hint = 'Check its permissions and that its disk is there, or leave it out: [documents] exclude = ["NAME/**"].'
        raise DataError(f"{error.filename} cannot be looked at: {error.strerror}.", hint) from error


@looking()
def scan(
    roots: Sequence[Path],
    *,
    include: Sequence[str] = ("**/*",),
    exclude: Sequence[str] = (),
    base: Path | None = None,
    suffixes: Sequence[str],
    max_bytes: int = MAX_BYTES,
) -> Scan:
    """List the files with one of the suffixes, without opening them. A root is a folder, searched by the globs `include` and
    `exclude` (`**` crosses folders; a pattern without a slash matches file names at any depth), or a single file.
    Raises DataError for a root that is missing or holds none of them, and for a folder that cannot be listed."""
    known = tuple(suffixes)
    files: dict[Path, Found] = {}
    problems: list[Problem] = []
    skipped: Counter[str] = Counter()
    for given in roots:
        root = base / given if base is not None else Path(given)
        if not root.exists():
            raise DataError(f"{root} does not exist.", "Check the path of your documents.")
        usable, left_out = 0, Counter[str]()
        for path, name, real in sorted(_walk(root, include, exclude), key=itemgetter(1)):
            if longest_suffix(path, known) == "" and (real is not None or not stat.S_ISDIR(_mode(path))):
                if real is not None:
                    left_out[path.suffix.lower()] += 1
                continue
            usable += 1
            seen = _strayed(path, base) if real is None else _examined(path, real, name, base, max_bytes)
            if isinstance(seen, Problem):
                problems.append(seen)
            elif seen is not None:
                files.setdefault(seen.real, seen)  # roots may overlap: the first that reaches a file names it
        if not usable:
            seen_there = f"{left_out.total()} files of other kinds" if left_out else "no files"
            raise DataError(
                f"{root} holds no documents ({seen_there}).", f"Known kinds: {', '.join(sorted(known))}."
            )
        skipped.update(left_out)
    return Scan(tuple(files.values()), tuple(problems), skipped)


@looking()
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
    would not be looked at (or is gone). Raises DataError when that cannot be said."""
    name = path.relative_to(root).as_posix()
    hidden = any(map(_hidden, path.relative_to(root).parts))
    if hidden or not _wanted(name, include, exclude):
        return None
    known = longest_suffix(path, suffixes) != ""
    if path.is_symlink() and ((real := _within(path, root.resolve())) is None or not real.exists()):
        return _strayed(path, base) if known or stat.S_ISDIR(_mode(path)) else None
    # Folders that are links are not entered, though the system may tell of what changes below them.
    entered = path.parent.resolve() / path.name == root.resolve() / name
    return _examined(path, path.resolve(), name, base, max_bytes) if known and entered else None


def _hidden(name: str) -> bool:
    """Whether a file or folder is none that somebody wrote: hidden, or what Office puts beside a file that is open."""
    return name.startswith((".", "~$"))


def _strayed(path: Path, base: Path | None) -> Problem:
    """The problem of a link that is not followed."""
    hint = "Name what it leads to in [documents] paths, copy it here, or exclude the link."
    mode = _mode(path)
    if stat.S_ISDIR(mode):
        reason = "it is a link to a folder, and such are not entered."
    elif mode:
        reason = "it is a link that leads out of the folder."
    else:
        reason, hint = "it is a link to nothing.", "Remove or mend the link."
    return Problem(source_of(path, base).encode("utf-8", "replace").decode(), reason, hint)


def _mode(link: Path) -> int:
    """Return the mode of what a link leads to; 0 for nothing, and for what lies where we may not look."""
    try:
        return link.stat().st_mode
    except OSError:
        return 0


def _examined(path: Path, real: Path, name: str, base: Path | None, max_bytes: int) -> Found | Problem | None:
    try:
        info = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not stat.S_ISREG(info.st_mode):
        return None
    refused = _refused(name, info, max_bytes)
    if refused:
        return Problem(source_of(path, base).encode("utf-8", "replace").decode(), *refused)
    stamp = f"{info.st_size} {info.st_mtime_ns} {info.st_ctime_ns} {info.st_ino}"
    return Found(name, path, real, info.st_mtime, info.st_size, info.st_ctime, stamp)


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


def _walk(
    root: Path, include: Sequence[str], exclude: Sequence[str]
) -> Iterator[tuple[Path, str, Path | None]]:
    """Yield (path, id, real path) of the regular files below a folder that are wanted; or of the one file that `root` is.
    A link that is not followed (out of the folder, to a folder, to nothing) has no real path."""
    inside = root.resolve()
    if root.is_file():
        yield root, root.name, inside
        return

    def unlisted(error: OSError) -> None:
        """Raise what `os.walk` would pass over as an empty folder, unless it is gone since or everything in it excluded."""
        below = Path(error.filename).relative_to(root).as_posix()
        if not (isinstance(error, FileNotFoundError) or _matches(f"{below}/", exclude)):
            raise error

    for folder, folders, names in os.walk(root, onerror=unlisted):
        folders[:] = [name for name in folders if not _hidden(name)]
        for name in [*names, *folders]:
            path = Path(folder, name)
            below = path.relative_to(root)
            if _hidden(name) or not _wanted(below.as_posix(), include, exclude):
                continue
            with contextlib.suppress(FileNotFoundError):  # gone since its folder was listed
                mode = path.lstat().st_mode
                # Folders that are links are not entered, so only a link can lead out. Resolving is slow.
                if stat.S_ISREG(mode):
                    yield path, below.as_posix(), inside / below
                elif stat.S_ISLNK(mode):
                    real = _within(path, inside)
                    if real is None or not real.is_dir():  # what a folder holds is met on the way
                        yield path, below.as_posix(), real if real is not None and real.is_file() else None


def _within(link: Path, inside: Path) -> Path | None:
    """Return where a link leads, or None: out of the folder, or round in a circle."""
    try:
        real = link.resolve()
    except RuntimeError:  # a circle, before Python 3.13; later the path is returned, and nothing is there
        return None
    return real if real.is_relative_to(inside) else None


def source_of(path: Path, base: Path | None) -> str:
    """Return a path as documents name it: relative to `base` where it lies below."""
    inside = base is not None and path.is_relative_to(base)
    return (path.relative_to(base) if base is not None and inside else path).as_posix()


def _wanted(name: str, include: Sequence[str], exclude: Sequence[str]) -> bool:
    return _matches(name, include) and not _matches(name, exclude)


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
