"""Do the cited passages support the sentences that cite them? Citation recall, precision and coverage as in ALCE.

Gao et al. 2023, with any `entails(sentence, texts)` in the place of their 11B model. A citation that points nowhere
supports nothing. Knows nothing of gold evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from graft.evaluation.checks.text import cited

Entails = Callable[[str, Sequence[str]], bool]


@dataclass(frozen=True, slots=True)
class CitationScores:
    """Shares in 0–1, of so many `sentences` and `citations`; `precision` is None when nothing is cited."""

    recall: float
    precision: float | None
    coverage: float
    sentences: int
    citations: int


def citation_scores(
    sentences: Sequence[str], passages: Sequence[str], entails: Entails, dropped: int = 0
) -> CitationScores:
    """Score the sentences (with their [n] markers) against the numbered passages' texts.

    Recall: share of sentences that their cited passages jointly entail. Precision: share of citations whose sentence has
    recall 1 and that are needed: alone they entail it, or the others do not. Coverage: share of sentences that cite
    a passage. `dropped` citations, which pointed nowhere and were taken out of the text, count as wrong.
    """
    if not sentences:
        raise ValueError("an answer without claims has no citation scores")
    entailed = covered = right = given = 0
    for sentence in sentences:
        numbers = cited(sentence)
        texts = [passages[number - 1] for number in numbers if 1 <= number <= len(passages)]
        given += len(numbers)
        covered += bool(texts)
        if len(texts) < len(numbers) or not texts or not entails(sentence, texts):
            continue
        entailed += 1
        right += sum(_needed(sentence, texts, at, entails) for at in range(len(texts)))
    given += dropped
    return CitationScores(
        entailed / len(sentences),
        right / given if given else None,
        covered / len(sentences),
        len(sentences),
        given,
    )


def _needed(sentence: str, texts: Sequence[str], at: int, entails: Entails) -> bool:
    """Whether the citation counts as correct; only called for a sentence that all of them entail."""
    others = [text for place, text in enumerate(texts) if place != at]
    return not others or entails(sentence, [texts[at]]) or not entails(sentence, others)
