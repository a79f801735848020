"""Rows of training data as other tools write them → GRAFT's keys: Alpaca, prompt and completion (TRL, OpenAI), ShareGPT.

Knows keys only; whether a row can be trained on is decided by who reads it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

_ASKED, _SAID = ("prompt", "query", "question"), ("completion", "response", "answer")
_ROLES = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "system": "system"}


def is_example(keys: Collection[str]) -> bool:
    """Whether a row with these keys is an example in one of the known formats."""
    own = "output" in keys and not {"input", "messages", "instruction"}.isdisjoint(keys)
    return own or "conversations" in keys or {"prompt", "completion"} <= set(keys)


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
