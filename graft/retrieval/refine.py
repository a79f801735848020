"""What is done to fused hits: boosts by metadata and date, a second reading by a reranker, a threshold.

Each step is a function from hits to hits, best first. They only reorder or drop: no step can bring in a chunk that the
search, under its filter, did not return.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graft.errors import BackendError
from graft.filters import seconds
from graft.protocols import Reranker, values
from graft.retrieval.fusion import best_first
from graft.types import Hit


def boost(hits: Sequence[Hit], lifts: Mapping[str, float]) -> list[Hit]:
    """Lift the hits whose metadata matches a `key=value`: by so many standard deviations of the hits' scores.

    Deviations, because scores of a cosine, of BM25 and of a fusion have nothing else in common. A negative lift sinks;
    several that match add up.
    """
    rules = [(*_pair(rule), lift) for rule, lift in lifts.items()]
    return _lifted(
        hits,
        [sum(lift for key, value, lift in rules if value in values(hit.chunk.metadata.get(key, ())))
         for hit in hits],
    )  # fmt: skip


def freshen(hits: Sequence[Hit], key: str, half_life_days: float, weight: float) -> list[Hit]:
    """Lift newer hits: by `weight` standard deviations for the newest, half of that for one `half_life_days` older.

    A hit's date is its metadata `key` (ISO date or date-time, year-month or year, or seconds since 1970); without one it
    gets no lift. Age counts from the newest hit and not from today, so that the same index answers alike tomorrow.
    """
    if half_life_days <= 0:
        raise ValueError(f"half_life_days is {half_life_days}; it must be positive")
    days = [day_of(hit.chunk.metadata.get(key)) for hit in hits]
    newest = max((day for day in days if day is not None), default=0.0)
    return _lifted(
        hits, [0.0 if day is None else weight * 0.5 ** ((newest - day) / half_life_days) for day in days]
    )


def rerank(
    reranker: Reranker, query: str, hits: Sequence[Hit], cutoff: int, weight: float = 1.0
) -> list[Hit]:
    """Return the first `cutoff` hits in the order that the reranker, reading query and passage, gives them; the rest is
    dropped, as it has no score that could be compared. The reranker reads what is searched: label and text.

    With a `weight` below 1 the score is weight x the reranker's + (1 - weight) x the search's, each standardised over the
    hits that were read: what matched word by word still counts (Wang, Zhuang & Zuccon, ICTIR 2021).
    """
    head = hits[:cutoff]
    scores = reranker.score(query, [hit.chunk.searchable for hit in head])
    if len(scores) != len(head) or not all(map(math.isfinite, scores)):
        raise BackendError(
            f"The reranker returned {len(scores)} scores for {len(head)} passages, or one that is no number.",
            "Run graft.testing's conformance suite on it.",
        )
    total = scores
    if weight < 1:
        searched = _standardised([hit.score for hit in head])
        both = weight * _standardised(scores) + (1 - weight) * searched
        total = np.round(both, 9).tolist()  # a sum's last bits must not order equal hits
    again = [
        replace(hit, score=combined, scores={**hit.scores, "rerank": score})
        for hit, combined, score in zip(head, total, scores, strict=True)
    ]
    return sorted(again, key=best_first)


def _standardised(scores: Sequence[float]) -> NDArray[np.float64]:
    """Return scores with mean 0 and deviation 1; zeros when they are all alike."""
    values = np.asarray(scores, dtype=np.float64)
    deviation = float(values.std()) if len(values) else 0.0
    apart: NDArray[np.float64] = values - values.mean() if len(values) else values
    return apart / deviation if deviation > 1e-9 else np.zeros(len(values))


def keep_above(hits: Sequence[Hit], least: Mapping[str, float]) -> list[Hit]:
    """Drop the hits whose score by a named list ("dense", "rerank") is below its least. A hit that the list does not
    hold stays: another list vouches for it."""
    return [
        hit
        for hit in hits
        if all(name not in hit.scores or hit.scores[name] >= floor for name, floor in least.items())
    ]


def day_of(value: Any) -> float | None:
    """Return a date, with its time of day, as days since 1970, read as filters read it; None for what is none."""
    first = seconds(value)
    return None if first is None else first / 86_400


def _pair(rule: str) -> tuple[str, str]:
    key, found, value = rule.partition("=")
    if not found or not key:
        raise ValueError(f"{rule!r} is not key=value")
    return key, value


def _lifted(hits: Sequence[Hit], lifts: Sequence[float]) -> list[Hit]:
    """Return the hits with their scores raised by multiples of the scores' standard deviation, best first again."""
    if not any(lifts):
        return list(hits)
    # With one score, or equal ones, any step orders them.
    unit = float(np.std([hit.score for hit in hits])) or 1.0
    again = [replace(hit, score=hit.score + lift * unit) for hit, lift in zip(hits, lifts, strict=True)]
    return sorted(again, key=best_first)
