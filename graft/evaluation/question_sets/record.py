"""One line of a questions file → a Question, or a ValueError that says what is wrong with it.

Knows nothing of files, and of the other lines.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, get_args

from graft.calls import spelled_out
from graft.errors import nearest
from graft.types import Evidence, Match, Message, Question

KEYS = (
    "id",
    "question",
    "messages",
    "answers",
    "answerable",
    "evidence",
    "relevant",
    "format",
    "stratum",
    "cluster",
    "tags",
    "match",
)


def parse(line: str, where: str) -> Question:
    """Return the line as a Question; ValueError says what is wrong with it."""
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"not valid JSON ({error.msg} at column {error.colno})") from error
    if not isinstance(record, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004  (a DataError for the user in the end)
    record = spelled_out(record)
    for key in record:
        if key not in KEYS and (guess := nearest(key, KEYS)) and guess not in record:
            raise ValueError(f'unknown key "{key}"; did you mean "{guess}"?')
    name = record.get("id")
    if not isinstance(name, str | int) or isinstance(name, bool) or name == "":
        raise ValueError('"id" is missing; runs are resumed by it, so each question needs its own')
    match = record.get("match", "words")
    if match not in get_args(Match):
        known = ", ".join(f'"{name}"' for name in get_args(Match))
        raise ValueError(f'"match" is {match!r}; use one of {known}')
    answers = _strings(record, "answers", records=True)
    answerable = record.get("answerable", True)
    if not isinstance(answerable, bool):
        raise ValueError(f'"answerable" is {answerable!r}; use true or false')  # noqa: TRY004
    evidence = _evidence(record)
    cluster = _string(record, "cluster") or (evidence[0].document if evidence else f"question {name}")
    return Question(
        id=str(name),
        messages=_messages(record),
        answers=answers,
        answerable=answerable,
        evidence=evidence,
        format=_contract(record),
        stratum=_string(record, "stratum"),
        cluster=cluster,
        tags=_strings(record, "tags"),
        where=where,
        match=match,
    )


def _string(record: Mapping[str, Any], key: str) -> str:
    value = record.get(key) or ""
    if not isinstance(value, str):
        raise ValueError(f'"{key}" must be a string')  # noqa: TRY004
    return value


def _strings(record: Mapping[str, Any], key: str, *, records: bool = False) -> tuple[str, ...]:
    """Return a list of strings; a number in it is taken as it is written, and so is an object where `records` may stand."""
    value = record.get(key)
    if value is None or value == "":
        return ()
    if not isinstance(value, list):  # before it is walked through: 0 and false are no lists that are empty
        raise ValueError(f'"{key}" must be a list of strings that are not empty')  # noqa: TRY004
    written = (int, float, dict) if records else (int, float)
    plain = [
        json.dumps(item, ensure_ascii=False)
        if isinstance(item, written) and not isinstance(item, bool)
        else item
        for item in value
    ]
    if not all(isinstance(item, str) and item.strip() for item in plain):
        raise ValueError(f'"{key}" must be a list of strings that are not empty')
    return tuple(plain)


def _messages(record: Mapping[str, Any]) -> tuple[Message, ...]:
    if ("question" in record) == ("messages" in record):
        raise ValueError('needs exactly one of "question" and "messages"')
    turns = record.get("messages", [{"role": "user", "content": record.get("question")}])
    if not isinstance(turns, list) or not turns:
        raise ValueError('"messages" must be a list of {"role", "content"}')
    made = []
    for turn in turns:
        if not isinstance(turn, dict) or turn.get("role") not in ("system", "user", "assistant"):
            raise ValueError('each message needs a "role": system, user or assistant')
        if not isinstance(turn.get("content"), str) or not turn["content"].strip():
            raise ValueError("the question (or a message's content) must be a string that is not empty")
        made.append(Message(turn["role"], turn["content"]))
    if made[-1].role != "user":
        raise ValueError('the last message must have the role "user"')
    return tuple(made)


def _evidence(record: Mapping[str, Any]) -> tuple[Evidence, ...]:
    items = record.get("evidence") or []
    if not isinstance(items, list):
        raise ValueError('"evidence" must be a list of {"document", "start"?, "end"?, "page"?}')  # noqa: TRY004
    found = []
    for item in items:
        if not isinstance(item, dict) or not isinstance(item.get("document"), str) or not item["document"]:
            raise ValueError('each piece of evidence must name its "document"')
        place = {key: item.get(key) for key in ("start", "end", "page")}
        if not all(
            value is None or (isinstance(value, int) and not isinstance(value, bool))
            for value in place.values()
        ):
            raise ValueError('"start", "end" and "page" of evidence must be whole numbers')
        start, end, page = place["start"], place["end"], place["page"]
        if (start is None) != (end is None):
            raise ValueError('evidence needs both "start" and "end", or neither')
        if start is not None and end is not None and not 0 <= start < end:
            raise ValueError(f"the evidence span {start}–{end} is empty or reversed")
        if page is not None and page < 1:
            raise ValueError("pages of evidence are counted from 1")
        found.append(Evidence(item["document"], start, end, page))
    named = {piece.document for piece in found}
    return (*found, *(Evidence(name) for name in _strings(record, "relevant") if name not in named))


def _contract(record: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the format contract, once it is known to compile."""
    contract = record.get("format")
    if contract is None:
        return None
    if not isinstance(contract, dict) or not contract or not set(contract) <= {"regex", "schema"}:
        raise ValueError('"format" must be {"regex": "…"} or {"schema": {…}}')
    if "regex" in contract:
        try:
            re.compile(contract["regex"])
        except (re.error, TypeError) as error:
            raise ValueError(f"the format's regular expression does not compile: {error}") from error
    if "schema" in contract:
        from jsonschema import SchemaError
        from jsonschema.validators import validator_for

        try:
            validator_for(contract["schema"]).check_schema(contract["schema"])
        except (SchemaError, AttributeError, TypeError) as error:
            raise ValueError(
                f"the format's JSON Schema is not valid: {str(error).splitlines()[0]}"
            ) from error
    return contract
