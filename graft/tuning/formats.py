"""Rows of training data as other tools write them → GRAFT's keys: Alpaca, prompt and completion (TRL, OpenAI), ShareGPT.

Knows the form of a row only; whether it can be trained on is decided by who reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_ASKED, _SAID = ("prompt", "query", "question"), ("completion", "response", "answer")
_ROLES = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "system": "system"}


def is_example(row: Mapping[str, Any]) -> bool:
    """Whether a row is an example in one of the known formats."""
    own = "output" in row and not {"input", "messages", "instruction"}.isdisjoint(row)
    return own or "conversations" in row or {"prompt", "completion"} <= row.keys() or _ends_with_answer(row)


def _ends_with_answer(row: Mapping[str, Any]) -> bool:
    """Whether a row is a conversation whose last turn is the ideal answer (OpenAI's and TRL's form of an example)."""
    turns = row.get("messages")
    last = turns[-1] if isinstance(turns, list) and len(turns) > 1 else None
    return "output" not in row and isinstance(last, Mapping) and last.get("role") == "assistant"


def renamed(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row under "input" or "messages", and "output". An Alpaca row's instruction stands before its input: left
    out, as a key that means nothing, the model would learn answers to questions that it never saw."""
    made = dict(row)
    if isinstance(row.get("instruction"), str) and isinstance(row.get("input", ""), str):
        parts = [made.pop("instruction"), made.get("input", "")]
        made["input"] = "\n\n".join(part for part in parts if part.strip())
    elif isinstance(row.get("conversations"), list) and "messages" not in row:
        made["messages"] = [_turn(turn) for turn in made.pop("conversations")]
    elif "input" not in row and "messages" not in row:
        asked = next((key for key in _ASKED if key in row), None)
        if asked is not None:
            made["messages" if isinstance(row[asked], list) else "input"] = made.pop(asked)
    said = next((key for key in _SAID if key in made), None)
    if "output" not in made and said is not None and made.keys() & {"input", "messages"}:
        made["output"] = _text(made.pop(said))
    return made


def _turn(turn: Any) -> Any:
    if not isinstance(turn, Mapping) or "from" not in turn:
        return turn
    return {"role": _ROLES.get(turn["from"], turn["from"]), "content": turn.get("value")}


def _text(said: Any) -> Any:
    """Return a completion's text where it is given as one assistant message."""
    if isinstance(said, list) and len(said) == 1 and isinstance(said[0], Mapping) and "content" in said[0]:
        return said[0]["content"]
    return said
