"""Why a variant failed on a question, so that the team knows what to fix next.

One cause a row, decided from booleans in a fixed order (the earliest broken stage wins); knows nothing of how they
were measured. The split follows RAGChecker's diagnostics (Ru et al. 2024).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

CAUSES = {
    "no document": "the document that holds the answer is not indexed: add it, or mend what kept it from being read",
    "over-refusal": "abstained although the evidence was shown: loosen the abstention threshold or train on answering",
    "retrieval miss": "the gold passage was not found: work on chunking, embedding or the documents",
    "not shown": "the gold passage was found and did not reach the prompt: show more passages, give them more tokens, or rerank",
    "context ignored": "the gold passage was shown and the answer is wrong: a stronger model, or tuning with passages",
    "unsupported": "says what no passage supports: tighten the instructions, or tune with abstaining examples",
    "knowledge gap": "no passages are used and the model does not know: add retrieval, or examples",
    "should abstain": "answered a question that has no answer in the documents: raise the abstention threshold",
    "format": "right, but the format contract is broken: hold answers to it ([generation] schema), or add examples of it",
}
"""Cause → what it means and what helps."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one row; None where it does not apply or is not known. `indexed`: the document that holds the
    answer is in the index; `found`: gold evidence was among the first hits of the search; `shown`: it was among the passages
    shown (None for a variant without retrieval); `supported`: the shown passages support the answer."""

    right: bool
    abstained: bool
    answerable: bool
    found: bool | None = None
    shown: bool | None = None
    supported: bool | None = None
    format_ok: bool | None = None
    indexed: bool | None = None


def cause(facts: Facts) -> str | None:
    """Return why the row failed, or None when it did not."""
    if facts.right:
        return "format" if facts.answerable and facts.format_ok is False else None
    if not facts.answerable:
        return None if facts.abstained else "should abstain"
    if facts.shown is None:
        return "knowledge gap"
    if not facts.shown:
        return _unseen(facts)
    if facts.abstained:
        return "over-refusal"
    return "unsupported" if facts.supported is False else "context ignored"


def _unseen(facts: Facts) -> str:
    if facts.indexed is False:
        return "no document"
    return "not shown" if facts.found else "retrieval miss"


def attribute(questions: Sequence[str], rows: Sequence[Facts]) -> Mapping[str, tuple[str, ...]]:
    """Return cause → ids of the questions that failed for it, the most frequent cause first."""
    found: dict[str, list[str]] = {}
    for question, facts in zip(questions, rows, strict=True):
        reason = cause(facts)
        if reason is not None:
            found.setdefault(reason, []).append(question)
    ordered = sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    return {name: tuple(ids) for name, ids in ordered}
