"""status: what is built, what is stale, what was measured and what is released. Reads; changes nothing, loads no model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graft.errors import GraftError
from graft.tuning.adapters import read_manifest
from graft.verbs.building import forgetting
from graft.verbs.comparing.stored import last
from graft.verbs.indexing.filling import cache_bytes, in_step, last_sync, library
from graft.verbs.release import state
from graft.wiring.parts import ADAPTED, Parts
from graft.workspace import read_json


def status(parts: Parts) -> dict[str, Any]:
    """Return plain data: documents against the index, adapters, the last comparison, the release."""
    return {
        "project": parts.config.project.name or parts.root.name,
        "index": _index(parts),
        "adapters": _adapters(parts),
        "comparison": _comparison(parts),
        "release": state(parts),
    }


def _index(parts: Parts) -> dict[str, Any]:
    try:
        documents = library(parts).look()
    except GraftError as error:
        return {"problem": str(error)}
    now = parts.versions.current()
    changes = parts.retrieval_of(now).index.plan(documents)
    unreadable = [f"{problem.path}: {problem.reason}" for problem in documents.problems]
    found: dict[str, Any] = {"state": _advice(parts, changes), "version": now or "none"}
    others = [f"{one.name} ({one.summary})" for one in parts.versions.all() if one.name != now]
    if others:
        found["other versions"] = ", ".join(others)
    return {
        **found,
        "last sync": last_sync(parts, now) if now else "never",
        "documents": len(documents.fingerprints) - changes["added"],
        **_search(parts),
        **changes,
        "caches_mb": round(cache_bytes(parts) / 2**20, 1),
        "unreadable": unreadable,
    }


def _advice(parts: Parts, changes: Mapping[str, int]) -> str:
    """Say what to do about the index."""
    if parts.versions.current() is None:
        return "not built: run graft build"
    if not in_step(parts):
        return "graft.toml asks for another index: graft build makes it and puts it into service"
    stale = any(changes[key] for key in ("added", "changed", "deleted"))
    return "stale: run graft sync, or graft build" if stale else "up to date"


def _search(parts: Parts) -> dict[str, Any]:
    """Return what the store holds and how well it finds the nearest: exact, or with the recall that was measured."""
    health = parts.retrieval.store.health()
    sizes = {
        "disk_mb": round(health.disk_bytes / 2**20, 1),
        "memory_mb": round(health.memory_bytes / 2**20, 1),
    }
    recall = {} if health.recall is None else {"recall@10 against exact": health.recall}
    return {"chunks": health.rows, "search": health.search, **recall, **sizes}


def _adapters(parts: Parts) -> dict[str, Any]:
    found: dict[str, Any] = {}
    kept = forgetting.stored(parts)
    for name in ADAPTED:
        pointer = read_json(parts.workspace.adapter_pointer(name))
        if pointer is None:
            found[name] = "not trained"
            continue
        manifest = read_manifest(parts.workspace.adapter(pointer["key"]))
        found[name] = "incomplete: run graft build" if manifest is None else manifest.summary
        found[f"{name} curve"] = manifest.curve if manifest is not None else ""
        found[f"{name} kept"] = kept[name].summary if name in kept else "not measured: run graft build"
    return found


def _comparison(parts: Parts) -> Any:
    latest = last(parts.workspace)
    if latest is None:
        return "none yet: run graft compare"
    return {name: getattr(latest, name) for name in ("kind", "variant", "questions", "report")}
