"""status: what is built, what is stale, what was measured and what is released. Reads; changes nothing, loads no model."""

from __future__ import annotations

from typing import Any

from graft.errors import GraftError
from graft.tuning.adapters import read_manifest
from graft.verbs.build import read_documents
from graft.verbs.release import state
from graft.wiring.parts import Parts
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
        loaded = read_documents(parts)
    except GraftError as error:
        return {"problem": str(error)}
    changes = parts.retrieval.index.plan(loaded.documents)
    stale = any(changes.get(key) for key in ("added", "changed", "deleted"))
    unreadable = [f"{problem.path}: {problem.reason}" for problem in loaded.problems]
    advice = "stale: run graft build" if stale else "up to date"
    return {"state": advice, **_search(parts), **changes, "unreadable": unreadable}


def _search(parts: Parts) -> dict[str, Any]:
    """Return what the store holds and how well it finds the nearest: exact, or with the recall that was measured."""
    health = parts.retrieval.store.health()
    sizes = {"disk_mb": round(health.disk_bytes / 2**20, 1), "memory_mb": round(health.memory_bytes / 2**20, 1)}
    recall = {} if health.recall is None else {"recall@10 against exact": health.recall}
    return {"chunks": health.rows, "search": health.search, **recall, **sizes}


def _adapters(parts: Parts) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in ("tuned", "hybrid"):
        pointer = read_json(parts.workspace.adapter_pointer(name))
        if pointer is None:
            found[name] = "not trained"
            continue
        manifest = read_manifest(parts.workspace.adapter(pointer["key"]))
        found[name] = "incomplete: run graft build" if manifest is None else manifest.summary
    return found


def _comparison(parts: Parts) -> Any:
    latest = read_json(parts.workspace.latest)
    if latest is None:
        return "none yet: run graft compare"
    return {key: latest[key] for key in ("kind", "variant", "questions", "report")}
