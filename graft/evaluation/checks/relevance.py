"""Which of what was found, or of what was shown, is the gold evidence.

Gold is kept apart from any chunking: a document and a character span, a page, or the document alone. So the same
questions measure every way to cut documents. Knows nothing of scores; `retrieval_metrics` counts what this ranks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from graft.types import Answer, Citation, Evidence, Passage, RankedHit

COVERED = 0.5  # a gold span is held when half of its characters are
Place = Passage | RankedHit
"""Where a text lies: a hit of the search, or a passage shown."""


def units(evidence: Sequence[Evidence]) -> tuple[Evidence, ...]:
    """Return the distinct pieces of gold evidence, in order."""
    return tuple(dict.fromkeys(evidence))


def covers(place: Place, gold: Evidence) -> bool:
    """Whether a place holds the gold: at least half of its span, else its page, else its document."""
    return _hold([place], gold)


def _hold(places: Sequence[Place], gold: Evidence) -> bool:
    """Whether the places hold the gold together."""
    own = [place for place in places if place.document == gold.document]
    if gold.start is not None and gold.end is not None:
        shared = _union((max(place.start, gold.start), min(place.end, gold.end)) for place in own)
        return shared > 0 and shared >= COVERED * (gold.end - gold.start)
    if gold.page is not None:
        return any(place.page == gold.page for place in own)
    return bool(own)


def _union(spans: Iterable[tuple[int, int]]) -> int:
    """Return how many characters lie in at least one of the spans."""
    total = reached = 0
    for start, end in sorted(spans):
        total += max(end - max(start, reached), 0)
        reached = max(reached, end)
    return total


def ranked_units(places: Sequence[Place], gold: Sequence[Evidence]) -> list[str]:
    """Return the places, best first, as a ranking of ids: a gold unit's number where it is first held, and an id of its own
    for every other place.

    A unit is held where all places down to that one hold half of it together, so that a long span counts as found however
    the document is cut. A place that completes several units takes as many ranks, so that no rank earns twice; one that
    only repeats units found before is a miss, because it took a place and added nothing.
    """
    ranking: list[str] = []
    found: set[int] = set()
    for rank, place in enumerate(places, start=1):
        new = [
            number
            for number, unit in enumerate(gold)
            if number not in found and place.document == unit.document and _hold(places[:rank], unit)
        ]
        found.update(new)
        ranking += [f"unit {number}" for number in new] or [f"place {rank}"]
    return ranking


def cited_passage(citation: Citation, answer: Answer) -> Passage:
    """Return the passage that a citation points to, or the citation's own span when the answer keeps no passages."""
    if 1 <= citation.number <= len(answer.passages):
        return answer.passages[citation.number - 1]
    return Passage(
        citation.document, citation.start, citation.end, citation.quote, citation.title, page=citation.page
    )
