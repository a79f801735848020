"""What a reader should know of one answer beside its text: where the evidence was found, and words that no passage has.

Plain sentences for the report's question view. Knows no layout.
"""

from __future__ import annotations

from graft.evaluation.checks.relevance import ranked_units, units
from graft.evaluation.metrics.flags import flagged
from graft.types import Question, Row

_FLAGS = {
    "unsupported_number": "no passage shown has the figure",
    "unsupported_name": "no passage shown has the name",
    "reversed_claim": "a passage shown says the opposite of",
}


def notes(question: Question, row: Row) -> list[str]:
    """Return the notes on one answer; none where nothing was searched and nothing stands out."""
    found = _evidence(question, row)
    for name, words in flagged(question, row).items():
        found.append(f"{_FLAGS[name]} {', '.join(f'“{word}”' for word in words)}")
    return found


def _evidence(question: Question, row: Row) -> list[str]:
    """Return where the search found the gold evidence, and whether it was shown."""
    answer = row.answer
    if answer is None or answer.ranking is None or not question.evidence:
        return []
    gold = units(question.evidence)
    places = ranked_units(answer.ranking, gold)
    rank = next((at for at, place in enumerate(places, start=1) if place.startswith("unit")), None)
    shown = any(place.startswith("unit") for place in ranked_units(answer.passages, gold))
    if rank is None:
        return (
            [] if shown else [f"the evidence is not among the first {len(answer.ranking)} hits of the search"]
        )
    return [f"the search found the evidence at rank {rank}{'' if shown else ', and it was not shown'}"]
