"""Held-out questions: a JSONL file → checked Questions.

Reading refuses what cannot be measured, with file:line; checking tells what would mislead. Knows nothing of variants, of
training data (tuning/leaks.py does) or of how answers are scored.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from graft.errors import DataError, nearest
from graft.evaluation.checks.text import normalise
from graft.evaluation.question_sets.matching import fitting, nature
from graft.evaluation.question_sets.record import parse
from graft.jsonl import MOST_PROBLEMS, lines, unusable
from graft.records import to_dict
from graft.types import Question, content_hash

# Below 100 questions two variants must differ by more than 12 points to be told apart, below 50 by 17 (80 % power, a
# fifth of the pairs discordant); 30 is where "A beats B" is refused altogether.
ENOUGH = 100
FEWEST = 30
ENOUGH_UNANSWERABLE = 20

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing the check noticed. `where` is file:line (or the question's id), "" for the set as a whole. An "error"
    makes the question's figures wrong; a "warning" makes them weaker."""

    kind: str
    severity: Severity
    where: str
    message: str


def read_questions(path: Path) -> tuple[Question, ...]:
    """Return the questions of a JSONL or JSONL.gz file, in file order.

    A line is `{"id", "question" | "messages", "answers", "answerable", "evidence"?, "relevant"?, "match"?, "format"?,
    "stratum"?, "cluster"?, "tags"?}`; other keys are ignored. `relevant` (document ids) is evidence without spans. A
    question without a cluster belongs to its first evidence document's, or is its own. Raises DataError with file:line
    for each problem (at most 20); a format contract that does not compile is one.
    """
    questions: list[Question] = []
    problems: list[str] = []
    seen: dict[str, str] = {}
    for number, line in lines(path, "questions", "Check the path in graft.toml ([evaluation] questions)."):
        where = f"{path.name}:{number}"
        try:
            question = parse(line, where)
            if question.id in seen:
                raise ValueError(  # noqa: TRY301  (told like the line's other problems)
                    f'the id "{question.id}" was used at {seen[question.id]} already; ids must be unique'
                )
        except ValueError as error:
            problems.append(f"{where}: {error}")
            if len(problems) == MOST_PROBLEMS:
                break
            continue
        seen[question.id] = where
        questions.append(question)
    if problems:
        raise unusable(
            path,
            problems,
            'Each line is an object like {"id": "q1", "question": "…", "answers": ["…"], "evidence": [{"document": "guide.md"}]}.',
        )
    if not questions:
        raise DataError(
            f"{path} holds no questions.", 'Write one JSON object a line: {"id", "question", "answers", …}.'
        )
    return tuple(questions)


def fingerprint(questions: Sequence[Question]) -> str:
    """Return the hash of all that is asked and expected, whatever the file's name and order of keys."""
    kept = [
        {key: value for key, value in to_dict(question).items() if key != "where"} for question in questions
    ]
    for item in kept:
        if item["match"] == "words":  # the default came later: runs that are stored keep their hash
            del item["match"]
    return content_hash(
        "questions", "1", *(json.dumps(item, sort_keys=True, ensure_ascii=False) for item in kept)
    )


# --- checking ------------------------------------------------------------------------------------------------------


def check_questions(
    questions: Sequence[Question], documents: Mapping[str, int] | None = None
) -> tuple[Finding, ...]:
    """Return what would mislead. `documents` maps the id of each indexed document to its length in characters; None skips
    the checks of evidence."""
    findings: list[Finding] = []
    for question in questions:
        place = question.where or question.id
        if question.answerable and not question.answers:
            message = "answerable, but without answers: it cannot be scored for correctness"
            findings.append(Finding("no-answers", "error", place, message))
        if not question.answerable and question.answers:
            findings.append(
                Finding("answers", "warning", place, "not answerable, but with answers: they are ignored")
            )
        if documents is not None:
            findings += _check_evidence(question, place, documents)
    return (*findings, *_check_counts(questions))


def finding_lines(findings: Sequence[Finding], most: int = 3) -> tuple[str, ...]:
    """Return the findings as lines: the first `most` of each kind, and how many more there are of it."""
    lines: list[str] = []
    for kind in dict.fromkeys(finding.kind for finding in findings):
        same = [finding for finding in findings if finding.kind == kind]
        lines += [f"{finding.where}: {finding.message}".removeprefix(": ") for finding in same[:most]]
        if len(same) > most:
            lines.append(f"… and {len(same) - most} more like that ({kind})")
    return tuple(lines)


def _check_evidence(question: Question, place: str, documents: Mapping[str, int]) -> Iterator[Finding]:
    for piece in question.evidence:
        length = documents.get(piece.document)
        if length is None:
            guess = nearest(piece.document, documents)
            hint = f"; did you mean {guess!r}?" if guess else ""
            yield Finding(
                "unknown-document", "error", place, f"the evidence {piece.document!r} is not indexed{hint}"
            )
        elif piece.end is not None and piece.end > length:
            message = f"the evidence ends at {piece.end}, but {piece.document} has {length} characters"
            yield Finding("beyond-document", "error", place, message)


def _check_counts(questions: Sequence[Question]) -> Iterator[Finding]:
    total, unanswerable = len(questions), sum(not question.answerable for question in questions)
    if total < FEWEST:
        yield Finding(
            "few", "warning", "", f"only {total} questions: too few to say that one variant beats another"
        )
    elif total < ENOUGH:
        message = f"only {total} questions: differences below 12 points will not be told from chance; collect {ENOUGH}"
        yield Finding("few", "warning", "", message)
    if unanswerable < ENOUGH_UNANSWERABLE:
        message = f"only {unanswerable} unanswerable questions: whether a variant makes things up is hardly measured"
        yield Finding("few-unanswerable", "warning", "", message)
    synthetic = sum("synthetic" in question.tags for question in questions)
    if synthetic:
        message = (
            f"{synthetic} of {total} questions are synthetic: read them apart. Their level is not that of people's questions, and "
            "what one generator's habits do to all of them is in no interval"
        )
        yield Finding("synthetic", "warning", "", message)
    pairs = [(one.text, one.answers[0]) for one in questions if one.answers and one.match == "words"]
    match = fitting(pairs)
    if match != "words":
        are = nature(match, [gold for _, gold in pairs])
        message = f'{are}, graded by shared words: give each question "match": "{match}"'
        yield Finding("match", "warning", "", message)
    yield from _check_duplicates(questions)


def _check_duplicates(questions: Sequence[Question]) -> Iterator[Finding]:
    texts: dict[str, str] = {}
    for question in questions:
        asked = "\n".join(normalise(message.content) for message in question.messages)
        place = question.where or question.id
        if asked in texts:
            yield Finding("duplicate", "warning", place, f"asks the same as {texts[asked]}: it counts twice")
        texts.setdefault(asked, place)
