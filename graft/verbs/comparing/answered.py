"""What a reader should know of the answers behind the figures: which failed, were cut off, or recite their passages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from graft.evaluation.checks.recital import recites
from graft.records import json_in
from graft.settings import BASELINES
from graft.types import Question, Row

RECITED = 0.1
"""Share of answers that recite their passages above which a variant is warned of."""
CUT = 0.05
"""Share of answers that end at the limit of tokens above which a variant is warned of."""
FORMLESS = 0.05
"""Share of answers that are no JSON, where the expected ones are, above which a variant is warned of."""


def remarks(
    questions: Sequence[Question], rows: Mapping[str, Sequence[Row]], *, max_tokens: int
) -> tuple[str, ...]:
    """Return one warning a variant and kind. `rows[variant]` run along `questions`."""
    found: list[str] = []
    for name, answered in rows.items():
        found += _failed(name, answered)
        found += (
            _cut(name, answered, max_tokens) if name not in BASELINES else []
        )  # quoting ends at the limit by design
        found += _recited(name, questions, answered)
        found += _formless(name, questions, answered) if name not in BASELINES else []
    return tuple(found)


def _failed(name: str, rows: Sequence[Row]) -> list[str]:
    errors = Counter(row.error for row in rows if row.status != "ok")
    if not errors:
        return []
    (most, _), *_ = errors.most_common(1)
    told = f"{name} failed on {errors.total()} of {len(rows)} questions, which count as wrong"
    return [f"{told}; run the same command again to ask them once more. {most}"]


def _cut(name: str, rows: Sequence[Row], max_tokens: int) -> list[str]:
    """Correctness asks whether the right words are there: an answer that was cut before them is the setting's mistake."""
    cut = sum(row.answer is not None and row.answer.finish == "length" for row in rows)
    if cut <= CUT * len(rows):
        return []
    told = f"{cut} of {len(rows)} answers of {name} were cut off at {max_tokens} tokens"
    return [f"{told}: raise [generation] max_tokens, or ask for shorter answers in its instructions."]


def _recited(name: str, questions: Sequence[Question], rows: Sequence[Row]) -> list[str]:
    """Correctness counts what is there, not what is too much."""
    copied = sum(
        recites(row.answer.text, question.answers, [passage.text for passage in row.answer.passages])
        for question, row in zip(questions, rows, strict=True)
        if row.answer is not None
    )
    if copied <= RECITED * len(rows):
        return []
    told = "correctness does not mark that down, token F1 does"
    return [f"{name} recites its passages in {copied} of {len(rows)} answers: {told}."]


def _formless(name: str, questions: Sequence[Question], rows: Sequence[Row]) -> list[str]:
    """Before anybody tunes for a form: it can be had without."""
    said = [
        json_in(row.answer.text) is not None
        for question, row in zip(questions, rows, strict=True)
        if any(json_in(expected) is not None for expected in question.answers)
        and row.answer is not None
        and not row.answer.abstained
        and row.answer.finish != "length"
    ]
    if len(said) - sum(said) <= FORMLESS * len(said):
        return []
    told = f"{len(said) - sum(said)} of {len(said)} answers of {name} are no JSON, as the expected ones are"
    return [f"{told}: [generation] schema holds them to it without any training (docs/formats.md)."]
