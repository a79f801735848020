"""Examples from a file: JSONL or JSONL.gz → Examples, or one error that shows the place of every problem.

Knows nothing of prompts, models or retrieval. What may then train a model is decided in `checks`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from graft.calls import spelled_out
from graft.errors import DataError, nearest
from graft.jsonl import MOST_PROBLEMS, lines, unusable
from graft.tuning.checks import Checked, Finding, check_examples
from graft.tuning.formats import renamed
from graft.types import Example, Message, Role, content_hash

__all__ = ["Checked", "Finding", "check_examples", "read_examples"]

KEYS = ("id", "input", "messages", "output", "documents", "split")
ROLES = ("system", "user", "assistant")
SPLITS = {"train": "train", "dev": "dev", "val": "dev", "valid": "dev", "validation": "dev", "test": "test"}


def read_examples(path: Path) -> tuple[Example, ...]:
    """Return the examples of a JSONL or JSONL.gz file, in file order.

    A line is `{"id"?, "input" | "messages", "output", "documents"?, "split"?}`; an output that is an object is dumped
    compactly. A conversation may also end with the ideal answer as its assistant turn, without "output". Rows of Alpaca,
    prompt and completion, and ShareGPT are read as well (formats.py).
    Raises DataError with file:line for each problem (at most 20).
    """
    examples: list[Example] = []
    problems: list[str] = []
    seen: dict[str, str] = {}
    for number, line in lines(path, "examples", "Check the path in graft.toml ([tuning] examples)."):
        try:
            examples.append(_parse(line, f"{path.name}:{number}", seen))
        except ValueError as error:
            problems.append(f"{path.name}:{number}: {error}")
            if len(problems) == MOST_PROBLEMS:
                break
    if problems:
        raise unusable(
            path,
            problems,
            'Each line is an object like {"input": "…", "output": "…", "documents": ["guide.md"]}.',
        )
    if not examples:
        raise DataError(
            f"{path} holds no examples.", 'Write one JSON object a line: {"input": "…", "output": "…"}.'
        )
    return tuple(examples)


def _parse(line: str, where: str, seen: dict[str, str]) -> Example:
    """Return the line as an Example; ValueError says what is wrong with it. `seen` maps the ids given so far to their
    places, and gets this one's."""
    record = _record(line)
    messages = _messages(record)
    if "output" not in record and len(messages) > 1 and messages[-1].role == "assistant":
        record["output"] = messages[-1].content
        messages = messages[:-1]
    if messages[-1].role != "user":
        raise ValueError('the last message must have the role "user"; the ideal answer belongs in "output"')
    output = _output(record)
    documents = record.get("documents", [])
    if not isinstance(documents, list) or not all(isinstance(name, str) for name in documents):
        raise ValueError('"documents" must be a list of document names')
    split = record.get("split")
    if split is not None and split not in SPLITS:
        raise ValueError(f'"split" is {split!r}; use one of train, dev, test')
    return Example(
        id=_own_id(record, where, seen)
        or content_hash(*(f"{turn.role}:{turn.content}" for turn in messages), output),
        messages=messages,
        output=output,
        documents=tuple(documents),
        split=SPLITS[split] if split is not None else None,
        where=where,
    )


def _record(line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"not valid JSON ({error.msg} at column {error.colno})") from error
    if not isinstance(record, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004  (read_examples turns it into a DataError)
    record = spelled_out(renamed(record))
    for key in record:
        # Other keys are the user's own notes; one that is almost ours is a typo that would lose data.
        if key not in KEYS and (guess := nearest(key, KEYS)):
            raise ValueError(f'unknown key "{key}"; did you mean "{guess}"?')
    return record


def _own_id(record: dict[str, Any], where: str, seen: dict[str, str]) -> str:
    """Return the record's own id and remember its place, or "" when it has none; ValueError when it repeats."""
    if record.get("id") is None:
        return ""
    own = str(record["id"])
    if own in seen:
        raise ValueError(f'the id "{own}" was used at {seen[own]} already; ids must be unique')
    seen[own] = where
    return own


def _messages(record: dict[str, Any]) -> tuple[Message, ...]:
    if ("input" in record) == ("messages" in record):
        raise ValueError('needs exactly one of "input" and "messages"')
    if "input" in record:
        if not isinstance(record["input"], str):
            raise ValueError('"input" must be a string')
        return (Message("user", record["input"]),)
    turns = record["messages"]
    if not isinstance(turns, list) or not turns:
        raise ValueError('"messages" must be a list of {"role", "content"}')
    made = []
    for turn in turns:
        if (
            not isinstance(turn, dict)
            or turn.get("role") not in ROLES
            or not isinstance(turn.get("content"), str)
        ):
            raise ValueError('each message needs a "role" (system, user or assistant) and a "content" string')
        made.append(Message(cast("Role", turn["role"]), turn["content"]))
    return tuple(made)


def _output(record: dict[str, Any]) -> str:
    if "output" not in record:
        raise ValueError('"output" is missing')
    output = record["output"]
    if isinstance(output, str):
        return output
    if isinstance(output, dict):
        return json.dumps(output, ensure_ascii=False, separators=(",", ":"))
    raise ValueError('"output" must be a string or a JSON object')
