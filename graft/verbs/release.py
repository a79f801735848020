"""release and rollback: which variant answers from now on, tied to what was measured.

A release is a file, `.graft/releases/NNNN.json`; the newest is the current one. Rolling back writes a new release
that restores an older one, so the history only grows. A release serves its own adapter even after another was trained,
and refuses to serve when the prompt or the model is no longer that of the measurement. Documents may change: an index
is kept fresh and is not frozen by a release.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from graft.errors import Mismatch, NotBuilt, UnknownName
from graft.generation import prompts
from graft.generation.variant import Variant
from graft.protocols import Filter
from graft.records import from_dict, to_dict
from graft.settings import VARIANTS
from graft.tuning.adapters import read_manifest
from graft.types import Estimate, content_hash
from graft.verbs.comparing.stored import last, read_comparison
from graft.wiring.parts import ADAPTED, Parts
from graft.workspace import Workspace, read_json, write_json

AGAIN = "Go back to what it was released with, or run graft compare and graft release."


@dataclass(frozen=True, slots=True)
class Release:
    """A promoted variant.

    `fingerprint` is that of the variant as it was measured; `model`, `prompt`, `index`, `settings` and
    `adapter_fingerprint` are those of its parts, `adapter` names the adapter's folder (both empty without one).
    `comparison` names the comparison that justified it and `verdict` what that said; `figures` are the variant's own.
    `restores` is the number of the release that a rollback brought back.
    """

    number: int
    variant: str
    created: str
    fingerprint: str
    model: str
    prompt: str
    index: str
    settings: str
    adapter: str = ""
    adapter_fingerprint: str = ""
    comparison: str = ""
    verdict: str = ""
    figures: Mapping[str, Estimate] = field(default_factory=dict)
    restores: int | None = None

    @property
    def text(self) -> str:
        """One line for people."""
        back = f", which restores release {self.restores}" if self.restores else ""
        return f"Release {self.number}{back}: {self.variant} ({self.verdict}, comparison {self.comparison})"


def release(parts: Parts, variant: str | None = None) -> Release:
    """Promote the recommended variant, or the named one, of the last comparison.

    Raises NotBuilt without a comparison or when it was undecided and no variant is named, Mismatch when the variant has
    changed since it was measured.
    """
    with parts.workspace.lock("release"):
        latest = last(parts.workspace)
        if latest is None:
            raise NotBuilt("Nothing has been compared yet.", "Run graft compare.")
        name = variant or latest.variant
        if name is None:
            raise NotBuilt("The last comparison recommends no variant.",
                           "Name one (graft release rag), or collect the questions that graft recommend asks for.")  # fmt: skip
        made = parts.variant(name)
        if name not in VARIANTS:
            raise UnknownName("variant", name, VARIANTS, "to release")
        comparison = read_comparison(latest.folder)
        if not comparison or comparison["fingerprints"].get(name) != made.fingerprint:
            raise Mismatch(
                f"{name} is not what the last comparison measured: its model, adapter, prompt, settings or documents changed.",
                "Run graft compare, then release.",
            )
        pointer = read_json(parts.workspace.adapter_pointer(name)) if name in ADAPTED else None
        key = pointer["key"] if pointer else ""
        manifest = read_manifest(parts.workspace.adapter(key)) if key else None
        found = releases(parts.workspace)
        return _written(parts.workspace, Release(
            number=found[-1].number + 1 if found else 1,
            variant=name,
            created=_now(),
            fingerprint=made.fingerprint,
            model=parts.models.answering().fingerprint,
            prompt=prompts.fingerprint(parts.config.generation.instructions),
            index=comparison["fingerprints"]["index"],
            settings=_settings(parts),
            adapter=key,
            adapter_fingerprint=manifest.fingerprint if manifest else "",
            comparison=latest.key,
            verdict=latest.kind,
            figures={metric: from_dict(Estimate, figure) for metric, figure in comparison["variants"][name].items()},
        ))  # fmt: skip


def rollback(parts: Parts) -> Release:
    """Bring back what was released before the current release. Raises NotBuilt when there is nothing before it, Mismatch
    when it no longer fits."""
    with parts.workspace.lock("release"):
        found = releases(parts.workspace)
        if not found:
            raise NotBuilt("Nothing has been released yet.", "Run graft release.")
        now = found[-1]
        before = [one for one in found if one.number < (now.restores or now.number)]
        if not before:
            raise NotBuilt(f"There is no release before {now.restores or now.number}.", "Run graft release.")
        number = before[-1].restores or before[-1].number
        old = next(one for one in found if one.number == number)
        released(parts, old)
        return _written(parts.workspace, replace(old, number=now.number + 1, created=_now(), restores=number))


def releases(workspace: Workspace) -> list[Release]:
    """Return all releases, the oldest first."""
    files = sorted(workspace.releases.glob("[0-9]*.json"), key=lambda path: int(path.stem))
    return [from_dict(Release, read_json(path)) for path in files]


def current(workspace: Workspace) -> Release | None:
    """Return the release that answers now, if there is one."""
    return next(iter(releases(workspace)[-1:]), None)


def released(parts: Parts, promoted: Release, where: Filter | None = None) -> Variant:
    """Return the variant of a release, with the release's own adapter. Raises Mismatch when it no longer fits."""
    reason = misfit(parts, promoted)
    if not reason and parts.models.answering().fingerprint != promoted.model:
        reason = "the model in graft.toml, or what its answers are held to, is another one"
    if reason:
        raise Mismatch(f"Release {promoted.number} ({promoted.variant}) does not fit any more: {reason}.",
                       f"{AGAIN} Or name a variant to go without the release.")  # fmt: skip
    return parts.variant(promoted.variant, where=where, adapter=promoted.adapter or None)


def misfit(parts: Parts, promoted: Release) -> str:
    """Return why a release does not fit the project any more, "" when it does; loads no model."""
    if prompts.fingerprint(parts.config.generation.instructions) != promoted.prompt:
        return "the prompt has changed ([generation] instructions, or GRAFT's prompt builder)"
    if promoted.adapter:
        manifest = read_manifest(parts.workspace.adapter(promoted.adapter))
        if manifest is None:
            return f"its adapter {promoted.adapter} is gone"
        if manifest.fingerprint != promoted.adapter_fingerprint:
            return f"its adapter {promoted.adapter} was trained again"
    return ""


def state(parts: Parts) -> dict[str, Any] | str:
    """Return the current release for `status`: what it is, and what has changed since; loads no model."""
    promoted = current(parts.workspace)
    if promoted is None:
        return "none: graft release promotes the recommended variant"
    reason = misfit(parts, promoted)
    told = f"does not fit: {reason}" if reason else "fits"
    if not reason and _settings(parts) != promoted.settings:
        told = "fits, but [retrieval] or [generation] changed since it was measured"
    return {
        "number": promoted.number,
        "variant": promoted.variant,
        "created": promoted.created,
        "verdict": promoted.verdict,
        "comparison": promoted.comparison,
        "restores": promoted.restores,
        "state": told,
    }


def _settings(parts: Parts) -> str:
    return content_hash(repr(parts.config.retrieval), repr(parts.config.generation))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _written(workspace: Workspace, promoted: Release) -> Release:
    write_json(workspace.releases / f"{promoted.number:04}.json", to_dict(promoted))
    return promoted
