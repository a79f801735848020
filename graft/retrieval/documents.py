"""Folders and files → Documents, with one Problem for each file that cannot be used.

Picks a loader for each file (files.py finds them) by suffix through the plug-in door, and keeps a bad file from failing
the rest. Knows nothing of formats, chunks or stores.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from graft import plugins
from graft.errors import GraftError
from graft.protocols import Loader
from graft.retrieval.files import MAX_BYTES, Found, Problem, scan, source_of
from graft.retrieval.reading import is_plain, longest_suffix, read_file
from graft.retrieval.workers import Limits, Read, Workers
from graft.types import Document

# Plain text takes no parser that could hang or crash, and reading it here saves starting a process (0.3 s).
PLAIN = frozenset({".md", ".markdown", ".mdx", ".txt", ".text", ".rst", ".csv", ".tsv", ".jsonl"})
MAX_PLAIN = 2**20


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was read. `skipped` counts by suffix the files whose suffix no loader claims."""

    documents: tuple[Document, ...]
    problems: tuple[Problem, ...] = ()
    skipped: Mapping[str, int] = field(default_factory=dict)


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
    relative to it. `loaders` (name → loader) defaults to all that are registered; `limits` is what a file may cost.
    Raises DataError for a root that is missing or holds nothing to load; everything else that goes wrong becomes a
    Problem.
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


@cache
def registered_loaders() -> Mapping[str, Loader]:
    """Return every registered loader with its default options, by name."""
    return {name: plugins.build("loader", name) for name in plugins.names("loader")}


def _by_suffix(loaders: Mapping[str, Loader]) -> dict[str, Loader]:
    return {suffix: loader for loader in loaders.values() for suffix in loader.suffixes}
