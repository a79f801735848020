"""Maximal marginal relevance: hits that say something new before hits that repeat.

Pure functions of values. Likeness is that of words (the cosine of their counts, as in the paper), which costs a
millisecond, needs no vectors from the store, and sees what diversity is for: the same text again, a little changed.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from graft.retrieval.terms import words
from graft.types import Hit


def diversify(hits: Sequence[Hit], novelty: float, first: int = 50) -> list[Hit]:
    """Reorder the first so many hits by (1 - novelty) x relevance - novelty x likeness to the nearest hit chosen before.

    Carbonell & Goldstein, SIGIR 1998; their lambda is 1 - novelty. Relevance is the hits' own score, scaled to 0-1.
    The result's scores are MMR's, so that they still descend; what a hit had before stays in `scores["relevance"]`.
    Hits behind the first so many are dropped. 0 changes nothing.
    """
    if not 0 <= novelty <= 1:
        raise ValueError(f"novelty is a share between 0 and 1, not {novelty}")
    head = list(hits[:first])
    if novelty == 0 or len(head) < 2:
        return list(hits)
    relevance = _scaled([hit.score for hit in head])
    alike = likeness([hit.chunk.text for hit in head])
    nearest = np.zeros(len(head))
    left = list(range(len(head)))
    chosen: list[Hit] = []
    while left:
        values = (1 - novelty) * relevance[left] - novelty * nearest[left]
        # The first of equals, which is the one that stood higher. The value can rise by rounding only.
        at = left[int(np.argmax(np.round(values, 9)))]
        value = float((1 - novelty) * relevance[at] - novelty * nearest[at])
        value = min(value, chosen[-1].score) if chosen else value
        hit = head[at]
        chosen.append(replace(hit, score=value, scores={**hit.scores, "relevance": hit.score}))
        left.remove(at)
        nearest = np.maximum(nearest, alike[at])
    return chosen


def likeness(texts: Sequence[str]) -> NDArray[np.float64]:
    """Return the cosines [n, n] of the texts' word counts, damped by a logarithm; 0 for a text without words."""
    counts = [Counter(words(text)) for text in texts]
    column = {word: at for at, word in enumerate(sorted({word for count in counts for word in count}))}
    table = np.zeros((len(texts), len(column)))
    for row, count in zip(table, counts, strict=True):
        for word, number in count.items():
            row[column[word]] = 1 + math.log(number)
    lengths = np.linalg.norm(table, axis=1, keepdims=True)
    table = np.divide(table, lengths, out=np.zeros_like(table), where=lengths > 0)
    return np.asarray(table @ table.T)


def _scaled(scores: Sequence[float]) -> NDArray[np.float64]:
    array = np.asarray(scores, dtype=np.float64)
    spread = float(array.max() - array.min())
    return (array - array.min()) / spread if spread > 0 else np.ones_like(array)
