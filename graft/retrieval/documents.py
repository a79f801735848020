"""Folders and files → Documents, with one Problem for each file that cannot be used.

Finds the files (globs, no dotfiles, no links out of the folder, a size limit), picks a loader by suffix through the
plug-in door, and keeps a bad file from failing the rest. Knows nothing of formats, chunks or stores.
"""

from __future__ import annotations

import dataclasses
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from operator import itemgetter
from pathlib import Path

from graft import plugins
from graft.errors import DataError, GraftError
from graft.protocols import Loader
from graft.types import Document

MAX_BYTES = 50 * 2**20


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

    `id` is its path below its root; `modified` (seconds) and `size` (bytes) tell cheaply whether it may have changed.
    """

    id: str
    path: Path
    modified: float
    size: int


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
) -> Loaded:
    """Read every document below `roots`.

    A root is a folder, searched by the globs `include` and `exclude` (`**` crosses folders; a pattern without a slash
    matches file names at any depth), or a single file. Relative roots start at `base`, and `Document.source` is
    relative to it. `loaders` (name → loader) defaults to all that are registered. Raises DataError for a root that is
    missing or holds nothing to load; everything else that goes wrong becomes a Problem.
    """
    by_suffix = _by_suffix(loaders if loaders is not None else registered_loaders())
    scanned = scan(
        roots, include=include, exclude=exclude, base=base, suffixes=tuple(by_suffix), max_bytes=max_bytes
    )
    documents: dict[str, Document] = {}
    problems = list(scanned.problems)
    for read in read_files(scanned.files, by_suffix, base=base):
        problems += read.problems
        for document in read.documents:
            if document.id in documents:
                problems.append(taken(document, documents[document.id].source))
            else:
                documents[document.id] = document
    return Loaded(tuple(documents.values()), tuple(problems), scanned.skipped)


def read_files(
    files: Iterable[Found], loaders: Mapping[str, Loader], *, base: Path | None = None
) -> Iterator[Loaded]:
    """Yield what each file holds, in the order given: its good documents, and a Problem for what could not be read.

    `loaders` is name → loader, or suffix → loader. `Document.source` is relative to `base`.
    """
    by_suffix = _by_suffix(loaders)
    for found in files:
        shown = _relative(found.path, base)
        documents: list[Document] = []
        problems: list[Problem] = []
        try:
            loaded = _load(by_suffix[_suffix(found.path, by_suffix)], found)
            documents.extend(dataclasses.replace(document, source=shown) for document in loaded)
        except GraftError as error:
            problems.append(Problem(shown, error.message.removeprefix(f"{found.path}: "), error.hint))
        except Exception as error:  # noqa: BLE001 - a parser's bug on one file must not lose the others; it is reported
            reason = f"the loader failed ({type(error).__name__}: {error})."
            problems.append(Problem(shown, reason, "Save the file again, or exclude it."))
        yield Loaded(tuple(documents), tuple(problems))


def taken(document: Document, first: str) -> Problem:
    """The problem of a document whose id belongs to one that was read before, from the file `first`."""
    reason = f"the document id {document.id!r} is already taken by {first}."
    return Problem(document.source, reason, "Give it another id, or load their common folder.")


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
        for path, name in sorted(_walk(root), key=itemgetter(1)):
            if root.is_dir() and not (_matches(name, include) and not _matches(name, exclude)):
                continue
            if _suffix(path, known) == "":
                left_out += 1
                continue
            usable += 1
            info = path.stat()
            problem = _refused(name, info, max_bytes)
            if problem:
                shown = _relative(path, base).encode("utf-8", "replace").decode()
                problems.append(Problem(shown, *problem))
            else:  # roots may overlap: the first that reaches a file names it
                files.setdefault(path.resolve(), Found(name, path, info.st_mtime, info.st_size))
        if not usable:
            seen = f"{left_out} files of other kinds" if left_out else "no files"
            raise DataError(
                f"{root} holds no documents ({seen}).", f"Known kinds: {', '.join(sorted(known))}."
            )
        skipped += left_out
    return Scan(tuple(files.values()), tuple(problems), skipped)


@cache
def registered_loaders() -> Mapping[str, Loader]:
    """Return every registered loader with its default options, by name."""
    return {name: plugins.build("loader", name) for name in plugins.names("loader")}


def _by_suffix(loaders: Mapping[str, Loader]) -> dict[str, Loader]:
    return {suffix: loader for loader in loaders.values() for suffix in loader.suffixes}


def _suffix(path: Path, known: Mapping[str, Loader] | Sequence[str]) -> str:
    """Return the longest known suffix of the file name (`.jsonl.gz` before `.gz`), or nothing."""
    name = path.name.lower()
    return max((suffix for suffix in known if name.endswith(suffix) and name != suffix), key=len, default="")


def _load(loader: Loader, found: Found) -> Iterator[Document]:
    """Yield the file's documents, each checked for what the rest of GRAFT relies on."""
    for document in loader.load(found.path, found.id):
        if not document.text[document.body :].strip():
            raise DataError(f"{found.path}: contains no text.", "Add text, or exclude the file.")
        try:
            f"{document.id}{document.title}{document.text}".encode()
        except UnicodeEncodeError as error:
            raise DataError(
                f"{found.path}: contains characters that are not Unicode.", "Save it as UTF-8."
            ) from error
        yield document


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


def _walk(root: Path) -> Iterator[tuple[Path, str]]:
    """Yield (path, id) of the regular files below a folder; or of the one file that `root` is."""
    if root.is_file():
        yield root, root.name
        return
    inside = root.resolve()
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(folder, name)
            if name.startswith(".") or not path.resolve().is_relative_to(inside):
                continue
            if path.exists() and stat.S_ISREG(path.stat().st_mode):
                yield path, path.relative_to(root).as_posix()


def _relative(path: Path, base: Path | None) -> str:
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
