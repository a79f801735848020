"""The bills of the variants that were compared: from what was measured, what [costs] says, and the dated prices.

Shared by compare and recommend. What nobody measured or priced is listed as not counted.
"""

from __future__ import annotations

from collections.abc import Mapping

from graft.decision.costs.cost import LOCAL_MACHINE, FixedCost, Rate, machine_cost
from graft.decision.costs.ownership import Bill, Ownership
from graft.errors import GraftError
from graft.tuning.adapters import read_manifest
from graft.tuning.examples import read_examples
from graft.wiring.parts import ADAPTED, Parts
from graft.workspace import read_json


def bills(parts: Parts, per_answer: Mapping[str, float | None]) -> Ownership:
    """Return what each of the variants costs over the horizon of [costs]. `per_answer` is the measured USD an answer."""
    found = {name: _bill(parts, name, query) for name, query in per_answer.items()}
    return Ownership(found, parts.config.costs.months, parts.config.decision.queries_per_month)


def _machine(parts: Parts) -> Rate:
    own = parts.config.decision.machine_per_hour
    return parts.prices.machines[LOCAL_MACHINE] if own is None else Rate(own)


def _bill(parts: Parts, name: str, query: float | None) -> Bill:
    costs = parts.config.costs
    ours = name not in parts.config.variants
    unknown = [] if query is not None else [f"the answers of {name} (no price is known)"]
    monthly = {"hosting": costs.hosting[name]} if name in costs.hosting else {}
    if not monthly and parts.is_local(name):
        unknown.append("the machine between answers (set [costs] hosting where it is never switched off)")
    index = training = 0.0
    labels = 0
    if ours and name in ("rag", "hybrid"):
        seconds = _indexing_seconds(parts)
        index = machine_cost(seconds or 0.0, _machine(parts).amount)
        if seconds is None:
            unknown.append("indexing (not timed: graft build times it when it embeds most of the index)")
        monthly |= {"indexing again": costs.reindexes_per_month * index}
    if ours and name in ADAPTED:
        training = machine_cost(_training_seconds(parts, name), _machine(parts).amount)
        labels = _examples(parts)
        if costs.wage is None and labels:
            unknown.append(f"the work on {labels} examples (set [costs] wage)")
        monthly |= {"training again": costs.retrains_per_month * training}
    fixed = FixedCost(
        training=training,
        runs=costs.runs,
        labels=labels,
        minutes=costs.label_minutes,
        wage=costs.wage or 0.0,
        index=index,
    )
    return Bill(fixed, monthly, query, tuple(unknown))


def _indexing_seconds(parts: Parts) -> float | None:
    """Return the seconds that indexing everything takes, from the last build that embedded most of it."""
    timed = read_json(parts.workspace.indexing)
    if not timed or not timed["embedded"]:
        return None
    return float(timed["seconds"] / timed["embedded"] * len(parts.retrieval.store))


def _training_seconds(parts: Parts, name: str) -> float:
    pointer = read_json(parts.workspace.adapter_pointer(name))
    manifest = read_manifest(parts.workspace.adapter(pointer["key"])) if pointer else None
    return manifest.seconds if manifest else 0.0


def _examples(parts: Parts) -> int:
    """Return how many examples there are; 0 when the file is gone, as after training elsewhere."""
    try:
        return len(read_examples(parts.root / parts.config.tuning.examples))
    except GraftError:
        return 0
