"""index: versions of the index side by side, over the same documents.

Building a version disturbs no other one; promoting it is one atomic write, after which the next query of every process
uses it. What was parsed and embedded lies in caches that all versions share.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graft.errors import ConfigError, NotBuilt
from graft.protocols import Progress
from graft.retrieval import cache
from graft.retrieval.catalogue import Catalogue
from graft.retrieval.index import IndexReport
from graft.settings import Backend, RetrievalSection
from graft.stages import quiet
from graft.verbs.indexing.filling import Indexed, cache_bytes, changes_line, library, trim_vectors, updated
from graft.wiring.parts import Parts
from graft.wiring.versions import Version

if TYPE_CHECKING:
    from graft.verbs.indexing.measure import IndexScores

_MAKES = ("chunker", "embedder", "store")


@dataclass(frozen=True, slots=True)
class Switched:
    """Which version is in service now, and which one was before; `report` says how it was brought up to date."""

    version: str
    before: str
    report: IndexReport | None

    @property
    def text(self) -> str:
        """One line."""
        done = "" if self.report is None else f" ({changes_line(self.report)})"
        was = (
            f"; {self.before} was before: graft index rollback"
            if self.before not in ("", self.version)
            else ""
        )
        return f"The index version {self.version} is in service{done}{was}."


@dataclass(frozen=True, slots=True)
class VersionState:
    """A version of the index: what made it, what it holds, and how far it is behind the documents."""

    name: str
    in_service: bool
    settings: str
    chunks: int
    megabytes: float
    behind: int
    created: str

    @property
    def line(self) -> str:
        """The version in one line."""
        mark = "*" if self.in_service else " "
        stale = f"{self.behind} documents behind" if self.behind else "up to date"
        return f"{mark} {self.name:<16} {self.chunks:>9,} chunks {self.megabytes:>9,.1f} MB  {stale:<22} {self.settings}"


@dataclass(frozen=True, slots=True)
class Trimmed:
    """What trimming the caches dropped, and what they take now."""

    vectors: int
    files: int
    megabytes: float

    @property
    def text(self) -> str:
        """One line."""
        return (
            f"Dropped {self.vectors:,} vectors and {self.files:,} parsed files that no version holds;"
            f" the caches take {self.megabytes:,.1f} MB."
        )


@dataclass(frozen=True, slots=True)
class Dropped:
    """A version that was removed, and the room that it took."""

    name: str
    megabytes: float

    @property
    def text(self) -> str:
        """One line."""
        return (
            f"Removed the index version {self.name} ({self.megabytes:,.1f} MB). graft index trim also removes its vectors "
            "from the cache."
        )


class Indexes:
    """The versions of a project's index, as `graft index` handles them."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def list(self) -> list[VersionState]:
        """Return every version, the oldest first, with how many documents it is behind."""
        documents = library(self._parts).look()
        return [self._state(version, documents) for version in self._parts.versions.all()]

    def build(self, name: str, changes: Sequence[str] = (), *, progress: Progress = quiet) -> Indexed:
        """Build a version beside the one in service, or bring it up to date. `changes` are `key=value` on top of
        graft.toml's [retrieval], such as `chunker=sentence-window` or `chunker.window=2`."""
        parts = self._parts
        known = {version.name: version for version in parts.versions.all()}
        if name not in known or changes:
            section = overlaid(parts.config.retrieval, changes)
            identity = parts.retrieval_with(section).identity
            same = next((version.name for version in known.values() if version.identity == identity), None)
            if same is not None and same != name:
                raise ConfigError(
                    f"The index version {same!r} is made by the same settings.",
                    f"Change something, for example: graft index build {name} --set chunker=sentence-window",
                )
            if same is None:
                parts.versions.create(section, identity, name)
        return Indexed(name, self._brought_up(name, progress))

    def measure(
        self, names: Sequence[str] = (), *, held_out: bool = False, progress: Progress = quiet
    ) -> IndexScores:
        """Return what each version finds of the questions' gold evidence; no model is asked."""
        from graft.verbs.indexing.measure import measure

        return measure(self._parts, names, held_out=held_out, progress=progress)

    def promote(self, name: str, *, as_is: bool = False, progress: Progress = quiet) -> Switched:
        """Put a version into service, brought up to date first unless `as_is`. Raises NotBuilt for an empty one."""
        parts = self._parts
        parts.versions.get(name)
        report = None if as_is else self._brought_up(name, progress)
        if not len(parts.retrieval_of(name).store):
            raise NotBuilt(f"The index version {name!r} is empty.", f"Run graft index build {name}.")
        before = parts.versions.current() or ""
        parts.versions.promote(name, asked=parts.retrieval_of(None).identity)
        return Switched(name, before, report)

    def rollback(self, *, as_is: bool = False, progress: Progress = quiet) -> Switched:
        """Bring back the version that was in service before, brought up to date first unless `as_is`. Raises NotBuilt."""
        parts = self._parts
        earlier = parts.versions.before()
        if not earlier:
            raise NotBuilt("No index version was in service before this one.", "See graft index list.")
        report = None if as_is else self._brought_up(earlier[-1], progress)
        before = parts.versions.current() or ""
        return Switched(parts.versions.roll_back(asked=parts.retrieval_of(None).identity), before, report)

    def drop(self, name: str) -> Dropped:
        """Remove a version that is not in service; what was embedded for it stays in the cache."""
        dropped = Dropped(name, _megabytes(self._parts.versions.folder(name)))
        self._parts.versions.drop(name)
        return dropped

    def trim(self) -> Trimmed:
        """Drop from the caches what no version of the index and no file holds."""
        parts = self._parts
        dropped = trim_vectors(parts)
        files = cache.trim(parts.workspace.parses, "parsed", library(parts).look().keys)
        return Trimmed(dropped, files, cache_bytes(parts) / 2**20)

    def _brought_up(self, name: str, progress: Progress) -> IndexReport:
        return updated(self._parts, name, library(self._parts).look(progress), progress)

    def _state(self, version: Version, documents: Catalogue) -> VersionState:
        retrieval = self._parts.retrieval_of(version.name)
        plan = retrieval.index.plan(documents)
        return VersionState(
            name=version.name,
            in_service=version.name == self._parts.versions.current(),
            settings=version.summary,
            chunks=len(retrieval.store),
            megabytes=_megabytes(self._parts.versions.folder(version.name)),
            behind=plan["added"] + plan["changed"] + plan["deleted"],
            created=version.created,
        )


def overlaid(section: RetrievalSection, changes: Sequence[str]) -> RetrievalSection:
    """Return the settings with `key=value` changes: a backend by its name, or one of its options."""
    for change in changes:
        key, given, raw = change.partition("=")
        part, _, option = key.strip().partition(".")
        if not given or part not in _MAKES:
            raise ConfigError(
                f"{change!r} does not say what another index is made of.",
                f"Use {', '.join(_MAKES)}, or an option of theirs: --set chunker=fixed --set chunker.tokens=200."
                " How an index is searched needs no other version.",
            )
        before: Backend = getattr(section, part)
        chosen = (
            Backend(before.name, {**before.options, option: _value(raw)}) if option else Backend(raw.strip())
        )
        made: dict[str, Any] = {part: chosen}
        section = replace(section, **made)
    return section


def _value(raw: str) -> Any:
    """Read a value as TOML, or as text where it is none."""
    try:
        return tomllib.loads(f"value = {raw}")["value"]
    except tomllib.TOMLDecodeError:
        return raw.strip()


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**20
