"""Ranked hits → training rows for a retriever: which passages look right and are not.

A passage that scores nearly as high as the positive is probably an answer nobody marked, so it is left out: of those
under `MARGIN` of the positive's own score the rest are kept (NV-Retriever's TopK-PercPos, Moreira et al. 2024; 95 % was
best there). Knows hits and scores; nothing of stores, models or training.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from graft.protocols import RankingRow
from graft.types import Chunk, Hit

MARGIN = 0.95
DEPTH = 30


def mine(
    query: str,
    positive: Chunk,
    positive_score: float,
    hits: Sequence[Hit],
    *,
    is_gold: Callable[[Chunk], bool],
    count: int,
    seed: int,
    depth: int = DEPTH,
    margin: float = MARGIN,
) -> RankingRow:
    """Return the row of one query.

    `hits` are ranked, with a dense cosine in `scores["dense"]` where the dense list had them; `positive_score` is the
    positive's cosine. A hit without one lies below the whole list and cannot be a false negative by this rule. Of the
    first `depth` that are left, half of `count` are the best and half drawn at random, so that neither only the
    hardest nor only easy ones are seen.
    """
    limit = margin * positive_score
    known = {positive.text}
    left: list[str] = []
    for hit in hits:
        chunk = hit.chunk
        if chunk.text in known or is_gold(chunk) or hit.scores.get("dense", -1.0) >= limit:
            continue
        known.add(chunk.text)
        left.append(chunk.searchable)
    left = left[:depth]
    best, rest = left[: count - count // 2], left[count - count // 2 :]
    drawn = random.Random(f"{seed}:{query}").sample(rest, min(count // 2, len(rest)))
    return RankingRow(query, positive.searchable, (*best, *drawn))
