"""Rows → what a judge is asked about them → verdicts, by variant and question.

What can be told in code is never asked: failed rows, empty answers, answers that claim nothing. Knows the rubrics and a
Judge; what the verdicts are worth as numbers is `judge_metrics`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from graft.evaluation.checks.abstention import is_abstention
from graft.evaluation.checks.groundedness import claims
from graft.evaluation.checks.text import content
from graft.evaluation.judging.judge import Judge, Tally, Verdict, either_order
from graft.evaluation.judging.rubrics import Task, correctness_task, groundedness_task, preference_task
from graft.protocols import Progress
from graft.types import Evidence, Question, Row

CORRECTNESS, IN_CONTEXT, IN_EVIDENCE, PREFERENCE = "correctness", "context", "evidence", "preference"
RUBRICS = ("correctness", "groundedness", "preference")
PREFERRED, EVEN, OTHER = "preferred", "even", "other"

Verdicts = Mapping[str, Mapping[str, Verdict]]
"""Question id → what was judged (CORRECTNESS, IN_CONTEXT, …) → the verdict."""


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdicts of each variant, what each rubric took, and of how many pairs of answers both orders were read
    (`pairs`) and in how many of those the order decided (`order_decided`)."""

    verdicts: Mapping[str, Verdicts]
    tallies: Mapping[str, Tally]
    pairs: int = 0
    order_decided: int = 0


def judge_rows(
    judge: Judge,
    questions: Sequence[Question],
    rows: Mapping[str, Sequence[Row]],
    *,
    rubrics: Sequence[str],
    reference: str = "",
    evidence_text: Callable[[Evidence], str | None],
    progress: Progress | None = None,
) -> Judged:
    """Judge the rows of all variants, which run along `questions`, by `rubrics`; "preference" sets each variant's
    answers against those of `reference`."""
    asked: dict[str, dict[tuple[str, str, str], Task]] = {rubric: {} for rubric in rubrics}
    for variant, answered in rows.items():
        for question, row in zip(questions, answered, strict=True):
            for rubric, aspect, task in _tasks(question, row, rubrics, evidence_text):
                asked[rubric][variant, question.id, aspect] = task
    found: dict[str, dict[str, dict[str, Verdict]]] = {variant: {} for variant in rows}
    tallies = {}
    for rubric in rubrics:
        if rubric == "preference":
            continue
        verdicts, tallies[rubric] = judge.judge(list(asked[rubric].values()), progress, f"judge, {rubric}")
        for (variant, name, aspect), verdict in zip(asked[rubric], verdicts, strict=True):
            found[variant].setdefault(name, {})[aspect] = verdict
    if "preference" not in rubrics or reference not in rows:
        return Judged(found, tallies)
    places, forward, backward = _pairs(questions, rows, reference)
    verdicts, tallies["preference"] = judge.judge([*forward, *backward], progress, "judge, preference")
    pairs = decided = 0
    for (variant, name), *orders in zip(
        places, verdicts[: len(places)], verdicts[len(places) :], strict=True
    ):
        preferred, by_order = either_order(orders[0], orders[1])
        pairs, decided = pairs + (preferred is not None), decided + by_order
        found[variant].setdefault(name, {})[PREFERENCE] = _preference(preferred, orders[0], orders[1])
    return Judged(found, tallies, pairs, decided)


def _tasks(
    question: Question, row: Row, rubrics: Sequence[str], evidence_text: Callable[[Evidence], str | None]
) -> list[tuple[str, str, Task]]:
    """Return (rubric, aspect, task) of one row."""
    said = _said(row)
    if row.answer is None or not said:
        return []
    tasks = []
    if "correctness" in rubrics and (question.answers or not question.answerable):
        references = question.answers if question.answerable else ()
        tasks.append(("correctness", CORRECTNESS, correctness_task(question.text, references, said)))
    declines = row.answer.abstained or is_abstention(row.answer.text)
    made = () if declines else claims(row.answer.text, question.text)
    if "groundedness" in rubrics and made:
        passages = [passage.text for passage in row.answer.passages]
        gold = [text for evidence in dict.fromkeys(question.evidence) if (text := evidence_text(evidence))]
        if passages:
            tasks.append(("groundedness", IN_CONTEXT, groundedness_task(question.text, made, passages)))
        if gold:
            given = [*gold, *question.answers]
            tasks.append(("groundedness", IN_EVIDENCE, groundedness_task(question.text, made, given)))
    return tasks


def _pairs(
    questions: Sequence[Question], rows: Mapping[str, Sequence[Row]], reference: str
) -> tuple[list[tuple[str, str]], list[Task], list[Task]]:
    """Return (variant, question) of every pair of answers that differ, and its task in either order."""
    places, forward, backward = [], [], []
    for variant, answered in rows.items():
        for question, row, other in zip(questions, answered, rows[reference], strict=True):
            said, against = _said(row), _said(other)
            if variant == reference or not said or not against or said == against:
                continue
            places.append((variant, question.id))
            references = question.answers if question.answerable else ()
            forward.append(preference_task(question.text, references, said, against))
            backward.append(preference_task(question.text, references, against, said))
    return places, forward, backward


def _said(row: Row) -> str:
    """Return what a row says, "" when it failed or says nothing."""
    if row.answer is None or row.status in {"error", "timeout"}:
        return ""
    said = content(row.answer.text)
    return said if any(character.isalnum() for character in said) else ""


def _preference(preferred: float | None, forward: Verdict, backward: Verdict) -> Verdict:
    if preferred is None:
        return Verdict(None, None, forward.null_reason or backward.null_reason)
    return Verdict(({1.0: PREFERRED, 0.0: EVEN, -1.0: OTHER}[preferred],))
