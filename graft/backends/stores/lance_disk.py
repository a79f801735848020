"""Vectors that do not fit in memory: LanceDB's index on disk, how well it finds, and how filters look in its queries.

The index holds one bit a dimension (RaBitQ, Gao & Long, SIGMOD 2024) and reads the full vectors of the candidates. How many
candidates that takes depends on the data, so it is measured on stored vectors after each build of the index, and the
least that reaches the recall asked for is kept. Knows one table at a time and none of its readers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graft.backends.stores.lance_rows import among, literal, vectors_in
from graft.backends.stores.top import at_least_kth
from graft.protocols import Filter, Matrix, Vector
from graft.workspace import read_json, write_json

_NAME = "search.json"
_INDEX = "vector_idx"
# RaBitQ learns its partitions from a sample; with fewer rows than this a scan of all vectors is as fast.
_LEAST_ROWS = 10_000
DEPTH = 10
_GOAL = 0.98
_EFFORTS = ((20, 4), (20, 8), (20, 16), (40, 16), (40, 32), (80, 32), (160, 64))
SAMPLE = 64


@dataclass(frozen=True, slots=True)
class Effort:
    """Partitions searched, candidates read in full for each result asked for, and recall@10 measured with them."""

    probes: int = 40
    refine: int = 16
    recall: float | None = None


def settle(table: Any, folder: Path) -> None:
    """Make the index, or extend it by new rows, and measure what effort it takes."""
    from lancedb.index import IvfRq

    if table.count_rows() < _LEAST_ROWS:
        return
    stats = table.index_stats(_INDEX) if any(i.name == _INDEX for i in table.list_indices()) else None
    if stats is None:
        table.create_index("vector", config=IvfRq(distance_type="dot"))
    elif stats.num_unindexed_rows:
        table.optimize()
    elif (folder / _NAME).exists():
        return
    queries, truth = sample(table)
    tried = [Effort(probes, refine) for probes, refine in _EFFORTS]
    for effort in tried:
        found = [nearest(table, query, DEPTH + 1, None, (), effort)[0] for query in queries]
        reached = recall(found, truth)
        if reached >= _GOAL or effort is tried[-1]:
            write_json(folder / _NAME, asdict(Effort(effort.probes, effort.refine, reached)))
            return


def effort_in(folder: Path) -> Effort:
    """Return what was measured, or a careful guess."""
    found = read_json(folder / _NAME)
    return Effort(**found) if found else Effort()


def sample(table: Any, count: int = SAMPLE) -> tuple[Matrix, list[set[int]]]:
    """Return stored vectors, and for each the addresses of its 10 nearest others by a scan of all vectors."""
    total = table.count_rows()
    chosen = np.unique(np.linspace(0, total - 1, count).astype(int))
    rows = table.take_offsets(chosen.tolist()).select(["vector"]).to_arrow().combine_chunks()
    queries = vectors_in(rows.to_batches()[0]) if total else np.zeros((0, 0), dtype=np.float32)
    near = np.full((len(queries), DEPTH + 1), -np.inf, dtype=np.float32)
    whose = np.zeros((len(queries), DEPTH + 1), dtype=np.uint64)
    for batch in table.search().select(["vector"]).with_row_id(True).limit(None).to_batches(8192):
        products = np.concatenate([near, queries @ vectors_in(batch).T], axis=1)
        address = batch.column("_rowid").to_numpy()
        for at, scores in enumerate(products):
            best = np.argpartition(-scores, DEPTH)[: DEPTH + 1]
            pool = np.concatenate([whose[at], address])
            near[at], whose[at] = scores[best], pool[best]
    return queries, [set(row.tolist()) for row in whose]


def recall(found: Sequence[NDArray[Any]], truth: Sequence[set[int]]) -> float:
    """Return the mean share of the nearest that were found. The vector itself is among them in both."""
    shares = [
        len(wanted & set(rows.tolist())) / max(len(wanted), 1)
        for rows, wanted in zip(found, truth, strict=True)
    ]
    return round(float(np.mean(shares)), 4) if shares else 1.0


def nearest(
    table: Any, query: Vector, k: int, where: Filter | None, tags: Sequence[Sequence[str]], effort: Effort
) -> tuple[NDArray[np.uint64], NDArray[np.float32]]:
    """Return the addresses of the nearest rows and their inner products. `tags` are those that satisfy each of the
    filter's rules on metadata."""
    asked = table.search(query, vector_column_name="vector").distance_type("dot").limit(k)
    asked = asked.nprobes(effort.probes).refine_factor(effort.refine).select(["_distance"]).with_row_id(True)
    parts = _conditions(where, tags)
    if parts:
        asked = asked.where(" AND ".join(parts), prefilter=True)
    found = asked.to_arrow()
    products = np.round(1 - found["_distance"].to_numpy(), 6)
    kept = at_least_kth(products, k)
    return found["_rowid"].to_numpy()[kept], products[kept]


def _conditions(where: Filter | None, tags: Sequence[Sequence[str]]) -> list[str]:
    """Return a filter in SQL, one condition a rule."""
    parts = [
        f"array_has_any(tags, [{', '.join(map(literal, names))}])" if names else "false" for names in tags
    ]
    if where is not None and where.documents is not None:
        parts.append(among("document", where.documents))
    return parts
