"""Versions of the index: the settings that made each, side by side, and the pointer to the one in service.

    .graft/index/NAME/version.json   the chunker, the embedder and the store that make the version
    .graft/index/NAME/STORE/         its chunks and vectors
    .graft/index/current.json        {"name": the one in service, "before": those it replaced, the newest last,
                                      "asked": the identity that graft.toml asked for at that time}

Building one touches no other. The pointer is written last and atomically, so readers see the old version or the new
one. What was parsed or embedded lies in caches that all versions share. Fills no index; see verbs/index.py.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from graft.errors import ConfigError, NotBuilt, UnknownName
from graft.records import from_dict, to_dict
from graft.settings import Backend, RetrievalSection
from graft.workspace import Workspace, guard, read_json, write_json

UNBUILT = ".unbuilt"
"""Where a project without a version would have one; it is never written."""
_FILE = "version.json"
_POINTER = "current.json"
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,63}")


@dataclass(frozen=True, slots=True)
class Version:
    """What makes an index: another chunker, embedder or store is another version; how it is searched is not part of it.
    `identity` hashes what the settings stand for, so that another release of a chunker is another version, too."""

    name: str
    chunker: Backend
    embedder: Backend
    store: Backend
    identity: str
    created: str = ""

    def applied(self, section: RetrievalSection) -> RetrievalSection:
        """Return the settings with this version's own in place."""
        return replace(section, chunker=self.chunker, embedder=self.embedder, store=self.store)

    @property
    def summary(self) -> str:
        """The settings in short: `structure, minilm precision=fp32`."""
        shown = [self.chunker, self.embedder] + (
            [self.store] if self.store.name != "lancedb" or self.store.options else []
        )
        return ", ".join(
            " ".join([part.name, *(f"{key}={value}" for key, value in part.options.items())])
            for part in shown
        )


class Versions:
    """The versions of one workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def folder(self, name: str) -> Path:
        """Where a version lies."""
        return self._workspace.index / name

    def all(self) -> list[Version]:
        """Return every version, the oldest first."""
        files = self._workspace.index.glob(f"*/{_FILE}")
        found = [from_dict(Version, read_json(path)) for path in files]
        return sorted(found, key=lambda version: (version.created, version.name))

    def get(self, name: str) -> Version:
        """Return a version by its name. Raises UnknownName."""
        stored = read_json(self.folder(name) / _FILE) if _NAME.fullmatch(name) else None
        if stored is None:
            raise UnknownName("index version", name, [version.name for version in self.all()])
        return from_dict(Version, stored)

    def stamp(self) -> tuple[int, int]:
        """Return what changes whenever a version is promoted, at the price of a look at the pointer's file."""
        try:
            info = (self._workspace.index / _POINTER).stat()
        except FileNotFoundError:
            return (0, 0)
        return (info.st_mtime_ns, info.st_ino)

    def current(self) -> str | None:
        """Return the name of the version in service, if there is one."""
        pointer = read_json(self._workspace.index / _POINTER)
        return None if pointer is None else str(pointer["name"])

    def before(self) -> tuple[str, ...]:
        """Return the versions that were in service before and still exist, the newest last."""
        pointer = read_json(self._workspace.index / _POINTER) or {"before": []}
        return tuple(name for name in pointer["before"] if (self.folder(name) / _FILE).exists())

    def made_by(self, identity: str) -> Version | None:
        """Return the version of this identity: the one in service, if it is that, else the newest."""
        now = self.current()
        found = [version for version in self.all() if version.identity == identity]
        return next((version for version in found if version.name == now), found[-1] if found else None)

    def create(self, section: RetrievalSection, identity: str, name: str = "") -> Version:
        """Write down a new version, still empty; without a name it is the next of v1, v2, … Raises ConfigError for a name
        that cannot be one or is taken."""
        known = {version.name for version in self.all()}
        name = name or next(f"v{at}" for at in range(1, len(known) + 2) if f"v{at}" not in known)
        if not _NAME.fullmatch(name):
            raise ConfigError(
                f"{name!r} cannot name an index version.", "Use letters, digits, -, _ and a dot."
            )
        if name in known:
            raise ConfigError(
                f"There is an index version {name!r} already, made by other settings.",
                f"Take another name, or remove it: graft index drop {name}",
            )
        created = datetime.now(UTC).isoformat(timespec="microseconds")
        version = Version(name, section.chunker, section.embedder, section.store, identity, created)
        write_json(self.folder(name) / _FILE, to_dict(version))
        return version

    def asked(self) -> str:
        """Return the identity that graft.toml asked for when the version in service was promoted."""
        pointer = read_json(self._workspace.index / _POINTER)
        return "" if pointer is None else str(pointer["asked"])

    def promote(self, name: str, asked: str) -> None:
        """Put a version into service; from the next query on it is the one that answers. `asked` is the identity that
        graft.toml asks for: as long as it stays, a build keeps this version."""
        self.get(name)
        now = self.current()
        before = [one for one in self.before() if one != name]
        self._point(name, [*before, now] if now not in (None, name) else before, asked)

    def roll_back(self, asked: str) -> str:
        """Put the version that was in service before into service again, and return its name. Raises NotBuilt."""
        before = self.before()
        if not before:
            raise NotBuilt("No index version was in service before this one.", "See graft index list.")
        self._point(before[-1], before[:-1], asked)
        return before[-1]

    def _point(self, name: str, before: Sequence[str | None], asked: str) -> None:
        write_json(self._workspace.index / _POINTER, {"name": name, "before": list(before), "asked": asked})

    def drop(self, name: str) -> None:
        """Remove a version. Raises ConfigError for the one in service."""
        self.get(name)
        if name == self.current():
            raise ConfigError(f"The index version {name!r} is in service.", "Promote another one first.")
        folder = self.folder(name)
        with guard(folder):
            (folder / _FILE).unlink()  # first, so that a kill leaves no half of a version
            shutil.rmtree(folder)
