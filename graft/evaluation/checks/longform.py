"""Long answers against a long reference: shared content words, rarer ones weighing more.

Precision stands for correctness (is what it says in the reference?), recall for completeness (does it say what the
reference says?). Plain strings in, numbers out; knows nothing of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from graft.evaluation.checks.groundedness import STOP, Weights
from graft.evaluation.checks.text import tokens


class ContentScores(NamedTuple):
    """Shares in 0–1 of the weight of content words; 0 when there are none to share."""

    precision: float
    recall: float
    f1: float


def content_scores(said: str, golds: Sequence[str], weights: Weights) -> ContentScores:
    """Return the scores with the reference that has the best F1. Each word counts once, so that saying a thing again neither
    gains nor loses; stop words do not count."""
    answer = _content(said)
    found = [_scores(answer, _content(gold), weights) for gold in golds]
    return max(found, key=lambda scores: scores.f1, default=ContentScores(0.0, 0.0, 0.0))


def _content(text: str) -> frozenset[str]:
    return frozenset(tokens(text)) - STOP


def _scores(answer: frozenset[str], gold: frozenset[str], weights: Weights) -> ContentScores:
    shared = _weight(answer & gold, weights)
    if not shared:
        return ContentScores(0.0, 0.0, 0.0)
    precision, recall = min(shared / _weight(answer, weights), 1.0), min(shared / _weight(gold, weights), 1.0)
    return ContentScores(precision, recall, 2 * precision * recall / (precision + recall))


def _weight(words: frozenset[str], weights: Weights) -> float:
    return sum(weights.of(word) for word in sorted(words))
