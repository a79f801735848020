"""From the scores of a run to causes: why each failing question failed. Shared by compare and gaps."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from graft.decision.recommending.failures import Facts, attribute
from graft.types import Question, Value


def causes(
    questions: Sequence[Question],
    scores: Mapping[str, Sequence[Value]],
    indexed: Collection[str] | None = None,
) -> Mapping[str, tuple[str, ...]]:
    """Return cause → ids of the questions of one variant that failed for it, the most frequent cause first.

    A question that cannot be scored (a rewriting, one without reference answers) did not fail and is left out.
    `indexed` are the ids of the documents in the index: evidence in none of them is a document that is missing.
    """
    scored = {at: value.value for at, value in enumerate(scores["truthfulness"]) if value.value is not None}
    facts = [
        Facts(
            right=outcome == 1,
            abstained=outcome == 0,
            answerable=questions[at].answerable,
            found=_positive(scores["mrr@10"][at]),
            shown=_positive(scores["context_recall"][at]),
            supported=_flag(
                scores["supported_wrong"][at], 1.0
            ),  # of a wrong answer; of others it is not asked
            format_ok=_flag(scores["format"][at], 1.0),
            indexed=_indexed(questions[at], indexed),
        )
        for at, outcome in scored.items()
    ]
    return attribute([questions[at].id for at in scored], facts)


def _positive(value: Value) -> bool | None:
    return None if value.value is None else value.value > 0


def _flag(value: Value, least: float) -> bool | None:
    return None if value.value is None else value.value >= least


def _indexed(question: Question, indexed: Collection[str] | None) -> bool | None:
    if indexed is None or not question.evidence:
        return None
    return any(piece.document in indexed for piece in question.evidence)
