"""Does an answer recite what the model was shown instead of answering? Correctness counts what is there, not what is too much.

Plain strings in; knows nothing of rows or scores.
"""

from __future__ import annotations

from collections.abc import Sequence

from graft.evaluation.checks.text import content, tokens

COPIED = 0.9  # share of the answer's trigrams that stand in the passages
LONG = 5.0  # times the longest reference
LEAST = 40  # words; a sentence quoted whole is an answer


def recites(text: str, references: Sequence[str], passages: Sequence[str]) -> bool:
    """Whether an answer is long, far longer than any reference, and all but copied from the passages."""
    said = tokens(content(text))
    longest = max((len(tokens(reference)) for reference in references), default=0)
    if len(said) < max(LEAST, LONG * longest) or not passages:
        return False
    shown: set[tuple[str, ...]] = set()
    for passage in passages:
        words = tokens(passage)
        shown.update(words[at : at + 3] for at in range(len(words) - 2))
    grams = [said[at : at + 3] for at in range(len(said) - 2)]
    return sum(gram in shown for gram in grams) >= COPIED * len(grams)
