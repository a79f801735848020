"""What build, sync and the verbs of `graft index` share: the project's documents, and filling a version with them.

The version in service is kept up to date in place. Where graft.toml asks for another chunker, embedder or store, another
version is built beside it and takes its place when it is whole, so that nobody is answered from half an index.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from graft.protocols import Progress
from graft.retrieval import cache
from graft.retrieval.cache import EmbeddingCache, ParseCache
from graft.retrieval.catalogue import Catalogue
from graft.retrieval.files import Problem
from graft.retrieval.index import IndexReport
from graft.retrieval.library import Library
from graft.retrieval.workers import Limits
from graft.settings import FILE, Config
from graft.wiring.parts import Parts
from graft.workspace import read_json, write_json

WAIT_SECONDS = 60.0
"""How long to wait for another process that is writing the same version; a sync takes a fraction of a second."""
_SYNCED = "synced.json"
_OWN = ("questions-synthetic.jsonl", "examples-held-out.jsonl", "gaps.jsonl", "gaps.md")  # where verbs write
_SPARE_BYTES = 64 * 2**20
_KINDS_TOLD = 8
_PROBLEMS_TOLD = 20
_ARCHIVES = {".zip", ".gz", ".tgz", ".tar", ".bz2", ".xz", ".7z", ".rar"}


@dataclass(frozen=True, slots=True)
class Indexed:
    """What indexing did: to which version, and which one it replaced in service ("" for none)."""

    version: str
    report: IndexReport
    replaced: str = ""

    @property
    def text(self) -> str:
        """One line."""
        held = f"{self.report.documents} documents, {self.report.chunks} chunks"
        return f"Index version {self.version}: {changes_line(self.report)} ({held})."

    @property
    def note(self) -> str:
        """What the user should know about the versions."""
        if not self.replaced:
            return ""
        return (
            f"The index version {self.version} is in service now; {self.replaced} is kept:"
            " graft index rollback brings it back."
        )


def changes_line(report: IndexReport) -> str:
    """Return what an update changed, in short."""
    counts = [(report.added, "added"), (report.changed, "changed"), (report.deleted, "removed")]
    told = ", ".join(f"{count} {what}" for count, what in counts if count)
    return f"{told}; {report.embedded} chunks embedded" if told else "nothing changed"


def library(parts: Parts) -> Library:
    """The project's documents, parsed once whatever the version."""
    section = parts.config.documents
    return Library(
        ParseCache(parts.workspace.parses),
        [parts.root / path for path in section.paths],
        parts.retrieval.loaders,
        include=section.include,
        exclude=section.exclude,
        base=parts.root,
        limits=Limits(section.parse_seconds, section.parse_memory_mb, section.parse_workers),
        apart=own_files(parts.config, parts.root),
    )


def own_files(config: Config, root: Path) -> frozenset[Path]:
    """The files of a project that are not its knowledge, wherever they lie: indexed, its questions would be found by asking
    them, with their answers."""
    evaluation = config.evaluation
    recorded = [one.answers for one in config.variants.values() if one.answers]
    names = [
        FILE,
        config.tuning.examples,
        evaluation.questions,
        evaluation.development,
        evaluation.labels,
        *recorded,
    ]
    return frozenset((root / name).resolve() for name in [*names, *_OWN])


def skipped_note(documents: Catalogue) -> str:
    """Say how many files were left out and of which kinds, if any were."""
    left = documents.skipped
    if not left:
        return ""
    kinds = [
        f"{count} {suffix or 'without a suffix'}"
        for suffix, count in sorted(left.items(), key=lambda one: (-one[1], one[0]))
    ]
    more = f" and {len(kinds) - _KINDS_TOLD} kinds more" if len(kinds) > _KINDS_TOLD else ""
    packed = " Unpack archives to have them read." if _ARCHIVES & left.keys() else ""
    return f"Left out, as no loader reads them (see graft doctor): {', '.join(kinds[:_KINDS_TOLD])}{more}.{packed}"


def unread_lines(problems: Sequence[Problem]) -> list[str]:
    """Return a line for each file that could not be read, for so many of them."""
    told = [
        f"  could not read {one.path}: {one.reason} {one.hint}".rstrip() for one in problems[:_PROBLEMS_TOLD]
    ]
    more = len(problems) - len(told)
    return [*told, f"  … and {more} more: graft status lists them all."] if more else told


def in_step(parts: Parts) -> bool:
    """Whether the version in service is the one to keep up to date: the settings in graft.toml make it, or they are the
    same as when it was promoted by hand."""
    now = parts.versions.current()
    asked = parts.retrieval_of(None).identity
    return now is not None and asked in (parts.versions.get(now).identity, parts.versions.asked())


def index_documents(parts: Parts, documents: Catalogue, progress: Progress) -> Indexed:
    """Bring the version in service up to date. Where graft.toml asks for another index, that is built beside it and takes
    its place when it is whole."""
    now = parts.versions.current()
    if now is not None and in_step(parts):
        return Indexed(now, updated(parts, now, documents, progress))
    wanted = parts.retrieval_of(None)
    version = parts.versions.made_by(wanted.identity)
    if version is None:
        version = parts.versions.create(parts.config.retrieval, wanted.identity)
    report = updated(parts, version.name, documents, progress)
    parts.versions.promote(version.name, asked=wanted.identity)
    return Indexed(version.name, report, now or "")


def updated(parts: Parts, name: str, documents: Catalogue, progress: Progress) -> IndexReport:
    """Bring a version up to date with the documents."""
    report = parts.retrieval_of(name).index.update(documents, progress, wait=WAIT_SECONDS)
    note_sync(parts, name)
    return report


def note_sync(parts: Parts, name: str) -> None:
    """Write down that a version was brought up to date now."""
    at = datetime.now(UTC).isoformat(timespec="seconds")
    write_json(parts.versions.folder(name) / _SYNCED, {"at": at})


def last_sync(parts: Parts, name: str) -> str:
    """Return when a version was last brought up to date (UTC), or "never"."""
    noted = read_json(parts.versions.folder(name) / _SYNCED)
    return "never" if noted is None else str(noted["at"])


def cache_bytes(parts: Parts) -> int:
    """Return what the caches take on disk."""
    return sum(_size(path) for path in (parts.workspace.embeddings, parts.workspace.parses))


def _size(path: Path) -> int:
    return sum(part.stat().st_size for part in path.parent.glob(f"{path.name}*"))


def trim_vectors(parts: Parts) -> int:
    """Drop the vectors that no version holds, and return how many those were."""

    def held() -> Iterator[bytes]:
        for version in parts.versions.all():
            retrieval = parts.retrieval_of(version.name)
            embeddings = EmbeddingCache(parts.workspace.embeddings, retrieval.embedder.fingerprint)
            yield from (embeddings.key(chunk.searchable) for chunk in retrieval.store.chunks())

    return cache.trim(parts.workspace.embeddings, "vectors", held())


def trim_when_large(parts: Parts) -> None:
    """Trim the embedding cache once it is not small and holds four times the vectors of all versions together."""
    if _size(parts.workspace.embeddings) < _SPARE_BYTES:
        return
    live = sum(len(parts.retrieval_of(version.name).store) for version in parts.versions.all())
    if cache.usage(parts.workspace.embeddings, "vectors").entries > 4 * live:
        trim_vectors(parts)
