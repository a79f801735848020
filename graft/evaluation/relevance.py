"""Which of the passages shown are the gold evidence.

Gold is kept apart from any chunking: a document and a character span, a page, or the document alone. So the same
questions measure every way to cut documents. Knows nothing of scores; `retrieval_metrics` counts what this ranks.
"""

from __future__ import annotations

from collections.abc import Sequence

from graft.types import Answer, Citation, Evidence, Passage

COVERED = 0.5  # a passage holds a gold span when it covers half of its characters


def units(evidence: Sequence[Evidence]) -> tuple[Evidence, ...]:
    """Return the distinct pieces of gold evidence, in order."""
    return tuple(dict.fromkeys(evidence))


def covers(passage: Passage, gold: Evidence) -> bool:
    """Whether the passage holds the gold: at least half of its span, else its page, else its document."""
    if passage.document != gold.document:
        return False
    if gold.start is not None and gold.end is not None:
        shared = min(passage.end, gold.end) - max(passage.start, gold.start)
        return shared > 0 and shared >= COVERED * (gold.end - gold.start)
    if gold.page is not None:
        return passage.page == gold.page
    return True


def ranked_units(passages: Sequence[Passage], gold: Sequence[Evidence]) -> list[str]:
    """Return the passages as a ranking of ids: a gold unit's number at the place of the first passage that holds it, and
    an id of its own for every other place.

    A passage that is the first to hold several units takes as many places, so that no place earns twice; one that only
    repeats units found before is a miss, because it took a place in the prompt and added nothing.
    """
    ranking: list[str] = []
    found: set[int] = set()
    for place, passage in enumerate(passages, start=1):
        new = [number for number, unit in enumerate(gold) if number not in found and covers(passage, unit)]
        found.update(new)
        ranking += [f"unit {number}" for number in new] or [f"passage {place}"]
    return ranking


def cited_passage(citation: Citation, answer: Answer) -> Passage:
    """Return the passage that a citation points to, or the citation's own span when the answer keeps no passages."""
    if 1 <= citation.number <= len(answer.passages):
        return answer.passages[citation.number - 1]
    return Passage(
        citation.document, citation.start, citation.end, citation.quote, citation.title, page=citation.page
    )
