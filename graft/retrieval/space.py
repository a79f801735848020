"""What `graft optimize` may try: ways to cut documents, and ways to rank what is found.

Plain values as graft.toml would hold them. Only settings that the project has are varied; what is set now is always
among the values. Knows nothing of how they are measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graft.retrieval.optimize import Dimension, Setting

# The most promising first, because the time may run out: sizes around the default, then other ways to cut.
CHUNKERS: tuple[dict[str, Any], ...] = (
    {"name": "structure", "tokens": 160},
    {"name": "structure", "tokens": 80},
    {"name": "structure", "tokens": 240},
    {"name": "parent-child", "tokens": 80, "parent": 240},
    {"name": "sentence-window", "sentences": 1, "window": 2},
    {"name": "structure", "tokens": 120, "overlap": 1},
    {"name": "structure", "tokens": 60},
    {"name": "structure", "tokens": 320},
    {"name": "fixed", "tokens": 160, "overlap": 32},
    {"name": "document"},
)
RANKINGS: dict[str, tuple[Any, ...]] = {
    "passages": (1, 2, 3, 4, 5, 6, 8, 10, 15),
    "mode": ("hybrid", "dense", "bm25"),
    "weights": ({}, {"bm25": 0.5}, {"bm25": 0.25}, {"bm25": 2.0}),
    "fusion": ("weighted", "rrf"),
    "candidates": (50, 100, 200),
    "feedback": (False, True),
    "spelling": (True, False),
    "diversity": (0.0, 0.15, 0.3),
    "least": ({}, {"dense": 0.2}, {"dense": 0.3}, {"dense": 0.4}),
}
RERANKINGS = (20, 50)  # how deep a reranker reads


def dimensions(
    start: Setting, *, embedders: Sequence[dict[str, Any]] = (), rerankers: Sequence[dict[str, Any]] = ()
) -> list[Dimension]:
    """Return what may be varied around the settings of today. `embedders` and `rerankers` are further ones to try."""
    found = [Dimension("chunker", _with(start["chunker"], CHUNKERS), costly=True)]
    if embedders:
        found.append(Dimension("embedder", _with(start["embedder"], embedders), costly=True, asked=True))
    readers = _with(start.get("reranker"), (None, *rerankers))
    if len(readers) > 1:
        found += [
            Dimension("reranker", readers, asked=bool(rerankers)),
            Dimension("rerank", _with(start["rerank"], RERANKINGS)),
        ]
    return [
        *found,
        *(Dimension(name, _with(start[name], values)) for name, values in RANKINGS.items() if name in start),
    ]


def _with(now: Any, values: Sequence[Any]) -> tuple[Any, ...]:
    """Return the values, today's first."""
    return (now, *(value for value in values if value != now))
