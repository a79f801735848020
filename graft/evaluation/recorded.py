"""Recorded answers as a competitor: a JSONL file of what another system said to the same questions.

An Answerer like any other, so a system that GRAFT cannot call is measured beside those that it can. Knows nothing of
what made the answers. A line is

    {"id": "q1", "answer": "…", "citations"?: [{"document", "start"?, "end"?, "page"?, "quote"?}],
     "retrieved"?: [{"document", "start"?, "end"?, "page"?, "score"?}], "passages"?: [{"document", "text", …}],
     "latency"?: seconds, "cost"?: USD, "tokens"?: {"prompt", "completion"}}

`retrieved` is what its search found, best first; `passages` what its model was shown, with the places of `retrieved`. Other
keys are ignored. A place without a span counts as right only where the gold evidence is a page or a document.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from graft.errors import DataError
from graft.jsonl import MOST_PROBLEMS, lines, unusable
from graft.types import Answer, Citation, Message, Passage, Question, RankedHit, Usage, content_hash
from graft.workspace import file_hash

_NAMED = 5  # ids that a warning lists


class RecordedAnswers:
    """The answers of a file to `questions`. Questions that ask the same share the answer to the first of them.

    Raises DataError with file:line for what cannot be read, and when the file answers none of the questions.
    `warnings` tell what the file lacks and what it has too much.
    """

    def __init__(
        self,
        name: str,
        path: Path,
        questions: Sequence[Question],
        *,
        is_abstention: Callable[[str], bool],
    ) -> None:
        self.name = name
        answers = _read(path, name, is_abstention)
        self.fingerprint = content_hash("recorded", "2", file_hash(path))
        self._where = path.name
        asked = {question.id: question for question in questions}
        self._answers: dict[tuple[Message, ...], Answer] = {}
        for question in questions:
            if question.id in answers:
                self._answers.setdefault(question.messages, answers[question.id])
        if not asked.keys() & answers.keys():
            raise DataError(
                f"{path} answers none of the {len(asked)} questions.",
                'The "id" of each line must be that of a question in [evaluation] questions.',
            )
        self.warnings = _differences(name, path.name, list(asked), list(answers))

    def answer_batch(self, questions: Sequence[Sequence[Message]]) -> list[Answer]:
        """Return the recorded answers, in order. Raises DataError for a question without one."""
        found = []
        for question in questions:
            answer = self._answers.get(tuple(question))
            if answer is None:
                raise DataError(f"{self._where} holds no answer to this question.", "Record one.")
            found.append(answer)
        return found


def _differences(name: str, file: str, asked: Sequence[str], recorded: Sequence[str]) -> tuple[str, ...]:
    missing = [identifier for identifier in asked if identifier not in set(recorded)]
    unknown = [identifier for identifier in recorded if identifier not in set(asked)]
    found = []
    if missing:
        found.append(
            f"{name}: {file} lacks {len(missing)} of {len(asked)} questions ({_some(missing)}): they count as wrong."
        )
    if unknown:
        found.append(
            f"{name}: {file} holds {len(unknown)} answers to ids that are no questions ({_some(unknown)}): ignored."
        )
    return tuple(found)


def _some(ids: Sequence[str]) -> str:
    return ", ".join(ids[:_NAMED]) + (", …" if len(ids) > _NAMED else "")


# --- reading -------------------------------------------------------------------------------------------------------


def _read(path: Path, name: str, is_abstention: Callable[[str], bool]) -> dict[str, Answer]:
    """Return question id → answer."""
    answers: dict[str, Answer] = {}
    problems: list[str] = []
    for number, line in lines(path, "recorded answers", "Check `answers` of the variant in graft.toml."):
        try:
            identifier, answer = _parse(line, name, is_abstention)
            if identifier in answers:
                raise ValueError(f'a second answer to "{identifier}"')  # noqa: TRY301  (told like the others)
        except ValueError as error:
            problems.append(f"{path.name}:{number}: {error}")
            if len(problems) == MOST_PROBLEMS:
                break
            continue
        answers[identifier] = answer
    if problems:
        raise unusable(
            path,
            problems,
            'Each line is an object like {"id": "q1", "answer": "…", "latency": 1.2, "cost": 0.001}.',
        )
    return answers


def _parse(line: str, name: str, is_abstention: Callable[[str], bool]) -> tuple[str, Answer]:
    """Return a line's question id and answer; ValueError says what is wrong with it."""
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"not valid JSON ({error.msg} at column {error.colno})") from error
    if not isinstance(record, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004  (a DataError for the user in the end)
    identifier, text = record.get("id"), record.get("answer")
    if not isinstance(identifier, str | int) or isinstance(identifier, bool) or identifier == "":
        raise ValueError('"id" is missing: the id of the question')
    if not isinstance(text, str):
        raise ValueError('"answer" must be a string; an empty one says nothing')  # noqa: TRY004
    seconds = _amount(record, "latency")
    passages = _passages(record.get("passages") or [])
    answer = Answer(
        text,
        variant=name,
        citations=_citations(record.get("citations") or [], len(passages) + 1),
        passages=passages,
        abstained=is_abstention(text),
        usage=_usage(record.get("tokens")),
        timings={} if seconds is None else {"total": seconds},
        cost=_amount(record, "cost"),
        ranking=None if record.get("retrieved") is None else _ranking(record["retrieved"]),
    )
    return str(identifier), answer


def _amount(record: Mapping[str, Any], key: str, *, signed: bool = False) -> float | None:
    value = record.get(key)
    if value is None:
        return None
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not number or (value < 0 and not signed):
        raise ValueError(
            f'"{key}" must be a number{"" if signed else " that is not negative"}, not {value!r}'
        )
    return float(value)


def _usage(tokens: Any) -> Usage:
    if tokens is None:
        return Usage()
    if not isinstance(tokens, dict):
        raise ValueError('"tokens" must be {"prompt": …, "completion": …}')  # noqa: TRY004
    return Usage(int(_amount(tokens, "prompt") or 0), int(_amount(tokens, "completion") or 0))


def _citations(items: Any, first: int) -> tuple[Citation, ...]:
    """Return the citations, numbered from `first`: behind the passages, because they name places and no passage's number."""
    return tuple(
        Citation(number, document, start, end, str(item.get("quote", "")), page=page)
        for number, (item, document, start, end, page) in enumerate(_places(items, "citations"), start=first)
    )


def _ranking(items: Any) -> tuple[RankedHit, ...]:
    """Return what a search found; a place stands for its chunk's id."""
    return tuple(
        RankedHit(f"{document}:{start}-{end}", document, start, end, page, _amount(item, "score", signed=True) or 0.0)
        for item, document, start, end, page in _places(items, "retrieved")
    )  # fmt: skip


def _passages(items: Any) -> tuple[Passage, ...]:
    found = []
    for item, document, start, end, page in _places(items, "passages"):
        if not isinstance(item.get("text"), str):
            raise ValueError('each passage must hold its "text"')  # noqa: TRY004
        found.append(Passage(document, start, end, item["text"], str(item.get("title", "")), page=page))
    return tuple(found)


def _places(items: Any, key: str) -> Iterator[tuple[Mapping[str, Any], str, int, int, int | None]]:
    """Yield (item, document, start, end, page) of a list of places."""
    if not isinstance(items, list):
        raise ValueError(f'"{key}" must be a list')  # noqa: TRY004
    for item in items:
        if not isinstance(item, dict) or not isinstance(item.get("document"), str):
            raise ValueError(f'each of "{key}" must name its "document"')  # noqa: TRY004
        start, end, page = (item.get(name) for name in ("start", "end", "page"))
        if any(place is not None and (isinstance(place, bool) or not isinstance(place, int))
               for place in (start, end, page)):  # fmt: skip
            raise ValueError(f'"start", "end" and "page" in "{key}" must be whole numbers')
        yield item, item["document"], start or 0, end or 0, page
