"""Ranking metrics on ids: (ranked ids, gold) → number.

Pure numpy, standard definitions (trec_eval's, linear gain). `gold` maps an id to its relevance (> 0); ids that repeat in
the ranking count once, at their first place. Every result lies in 0–1. Knows nothing of passages, spans or questions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Gold = Mapping[str, float]


def gains(ranked: Sequence[str], gold: Gold, k: int) -> NDArray[np.float64]:
    """Return the relevance at each of the first `k` places, float64 [≤ k]; ids that repeat are dropped first."""
    distinct = list(dict.fromkeys(ranked))[: max(k, 0)]
    return np.array([max(gold.get(name, 0.0), 0.0) for name in distinct], dtype=np.float64)


def _relevant(gold: Gold) -> int:
    return sum(value > 0 for value in gold.values())


def recall(ranked: Sequence[str], gold: Gold, k: int) -> float:
    """Return the share of the gold ids that stand among the first `k`. Zero when there is no gold."""
    total = _relevant(gold)
    return float((gains(ranked, gold, k) > 0).sum()) / total if total else 0.0


def precision(ranked: Sequence[str], gold: Gold, k: int) -> float:
    """Return the share of the first `k` places that hold a gold id; places left empty count against it.

    For a caller's own ids: nothing here calls it, precision@5 counts hits that hold evidence.
    """
    return float((gains(ranked, gold, k) > 0).sum()) / k if k > 0 else 0.0


def success(ranked: Sequence[str], gold: Gold, k: int) -> float:
    """Return 1.0 when any gold id stands among the first `k`, else 0.0."""
    return float((gains(ranked, gold, k) > 0).any())


def mrr(ranked: Sequence[str], gold: Gold, k: int) -> float:
    """Return 1 / the place of the first gold id among the first `k`, or 0.0."""
    places = np.flatnonzero(gains(ranked, gold, k) > 0)
    return 1.0 / float(places[0] + 1) if len(places) else 0.0


def average_precision(ranked: Sequence[str], gold: Gold, k: int) -> float:
    """Return the mean of the precision at each gold id found among the first `k`, over ALL gold ids."""
    hits = gains(ranked, gold, k) > 0
    total = _relevant(gold)
    if not total or not hits.any():
        return 0.0
    return float((np.cumsum(hits)[hits] / (np.flatnonzero(hits) + 1)).sum()) / total


def ndcg(ranked: Sequence[str], gold: Gold, k: int) -> float:
    """Return Σ relevance / log2(place + 1) over the first `k`, divided by the same for the ideal ranking of ALL gold ids
    (Järvelin & Kekäläinen 2002, linear gain as in trec_eval's ndcg_cut and ranx's ndcg)."""
    ideal = np.array(
        sorted((value for value in gold.values() if value > 0), reverse=True)[: max(k, 0)], dtype=np.float64
    )
    best = _discounted(ideal)
    return min(_discounted(gains(ranked, gold, k)) / best, 1.0) if best > 0 else 0.0


def _discounted(values: NDArray[np.float64]) -> float:
    return float((values / np.log2(np.arange(2, len(values) + 2))).sum())
