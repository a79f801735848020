"""Dataclasses ↔ plain JSON types, and JSON in a text. Knows the types of `graft.types` by their annotations only."""

from __future__ import annotations

import dataclasses
import json
import re
import types
import typing
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")


def to_dict(value: Any) -> Any:
    """Return `value` as plain JSON types: dataclasses become objects, tuples become lists."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_dict(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_dict(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [to_dict(item) for item in value]
    return value


def from_dict(kind: type[T], data: Any) -> T:
    """Rebuild a dataclass from `to_dict`'s output. Keys it does not know are ignored, so that a newer
    GRAFT's files can still be read."""
    return typing.cast(T, _build(kind, data))


@cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _build(kind: Any, data: Any) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if data is None or kind is Any:
        return data
    if origin in (typing.Union, types.UnionType):
        inner = [option for option in arguments if option is not type(None)]
        return _build(inner[0], data) if len(inner) == 1 else data
    if origin is tuple:
        return tuple(_build(arguments[0], item) for item in data)
    if origin is Mapping:
        return {key: _build(arguments[1], item) for key, item in data.items()}
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        hints = _hints(kind)
        return kind(**{key: _build(hints[key], item) for key, item in data.items() if key in hints})
    return data


def json_in(text: str) -> dict[str, Any] | list[Any] | None:
    """Return the JSON object or list that a text is, fenced as code or not; None when it is something else, or nested too deep
    to be walked."""
    bare = re.sub(r"^```(?:json)?\s*|\s*```$", "", text.strip())
    if not bare.startswith(("{", "[")):
        return None
    try:
        value = json.loads(bare)
        repr(value)  # walks it, as whoever uses it will
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict | list) else None
