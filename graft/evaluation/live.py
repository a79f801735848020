"""Questions that were really asked, from a JSON Lines file: a server's log, or anybody's.

A line is an object with `question` (or `messages`, of which the last is taken), and, where known, `time` (ISO 8601, or seconds
since 1970), `abstained` and `variant`. Knows nothing of servers or of what is made of the questions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from graft.errors import ConfigError, DataError
from graft.jsonl import MOST_PROBLEMS, lines, unusable

_KEYS = ("question", "query", "text", "input")
_SPANS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True, slots=True)
class Live:
    """One question as it was asked. `at` is when, `abstained` whether it was declined, `variant` by what; None and ""
    where the file does not say."""

    text: str
    at: datetime | None = None
    abstained: bool | None = None
    variant: str = ""


def read_live(path: Path) -> tuple[Live, ...]:
    """Return the questions of a file, in its order. Raises DataError with file:line for each line that cannot be used (at
    most 20). A last line without an end is what a server was writing when it was stopped, and is left out if it is no JSON."""
    found: list[Live] = []
    problems: list[str] = []
    numbered = list(
        lines(path, "questions", "Give the path of a JSON Lines file, or set [serve] log and serve.")
    )
    torn = path.suffix != ".gz" and not path.read_bytes().endswith(b"\n")
    for place, (number, line) in enumerate(numbered):
        try:
            found.append(_live(json.loads(line)))
        except json.JSONDecodeError as error:
            if not (torn and place == len(numbered) - 1):
                problems.append(f"{path.name}:{number}: not JSON: {error.msg}")
        except ValueError as error:
            problems.append(f"{path.name}:{number}: {error}")
        if len(problems) == MOST_PROBLEMS:
            break
    if problems:
        hint = 'Each line is an object like {"question": "…", "time": "2026-11-21T09:30:00Z"}.'
        raise unusable(path, problems, hint)
    return tuple(found)


def _live(record: Any) -> Live:
    if not isinstance(record, dict):
        raise ValueError("not an object")  # noqa: TRY004  (told like the line's other problems)
    text = next((record[key] for key in _KEYS if isinstance(record.get(key), str)), None)
    messages = record.get("messages")
    if text is None and isinstance(messages, list) and messages and isinstance(messages[-1], dict):
        text = messages[-1].get("content")
    if not isinstance(text, str) or not text.strip():
        raise ValueError('no "question", and no "messages" that end with a text')
    abstained = record.get("abstained")
    if abstained is not None and not isinstance(abstained, bool):
        raise ValueError(f'"abstained" is {abstained!r}, not true or false')
    return Live(text.strip(), _moment(record.get("time")), abstained, str(record.get("variant") or ""))


def _moment(value: Any) -> datetime | None:
    if value is None:
        return None
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
        read = datetime.fromisoformat(str(value))
    except (ValueError, OverflowError, OSError):
        raise ValueError(f'"time" is {value!r}, neither ISO 8601 nor seconds since 1970') from None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def since(text: str, now: datetime) -> datetime:
    """Return the moment that "7d", "24h", "30m", "2w" ago or an ISO date stands for. Raises ConfigError."""
    span = re.fullmatch(r"(\d{1,5})([mhdw])", text.strip())
    if span:
        return now - timedelta(**{_SPANS[span[2]]: int(span[1])})
    try:
        moment = _moment(text.strip())
    except ValueError:
        moment = None
    if moment is None:
        raise ConfigError(f"--since {text!r} is no time.", "Write 7d, 24h, or a date like 2026-11-14.")
    return moment


def window(asked: Iterable[Live], start: datetime) -> tuple[tuple[Live, ...], tuple[Live, ...]]:
    """Return the questions before `start` and those from then on. Raises DataError when one has no time."""
    before: list[Live] = []
    now: list[Live] = []
    for number, one in enumerate(asked, start=1):
        if one.at is None:
            raise DataError(f"Question {number} has no time, so no window of time can be taken.",
                            'Give each line a "time", or leave --since out.')  # fmt: skip
        (now if one.at >= start else before).append(one)
    return tuple(before), tuple(now)


def distinct(asked: Iterable[Live]) -> tuple[Live, ...]:
    """Return each question once, the first time it was asked: who asks again after a bad answer is one asker, not two."""
    found: dict[str, Live] = {}
    for one in asked:
        found.setdefault(" ".join(one.text.casefold().split()), one)
    return tuple(found.values())
