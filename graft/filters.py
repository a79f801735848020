"""Which chunks may be seen: rules on their metadata, and how two of them become one that is no wider.

`Filter.allows` is the reference for what a store must do in its own query language. All values are compared as the text
that a store keeps; a range reads texts as numbers or as dates. Knows nothing of stores, settings or callers.
"""

from __future__ import annotations

import math
import re
from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from graft.errors import ConfigError
from graft.types import Chunk

_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?")
_DATE = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?")
_DAY = 86_400.0
_COMPARED = re.compile(r"(?P<key>.+?)(?P<sign>>=|<=|>|<|=)(?P<value>.*)", re.DOTALL)
_SIGNS = {">=": "gte", ">": "gt", "<=": "lte", "<": "lt"}
Bound = str | int | float


@dataclass(frozen=True, slots=True)
class Range:
    """What a value must lie in: at least `gte`, more than `gt`, at most `lte`, less than `lt`; numbers, or ISO dates.

    Two numbers are compared as numbers; anything else as points in time: an ISO date or date-time (UTC without an
    offset), also `2024-5-1`, a year, a year and month, or seconds since 1970. A date stands for its whole day, a year for
    all of it, so that `lte = "2024"` takes in December and `gt = "2024-05-01"` begins with the second of May. A value that is
    neither never lies in a range. Raises ConfigError for a bound that is neither, and for no bound.
    """

    gte: Bound | None = None
    gt: Bound | None = None
    lte: Bound | None = None
    lt: Bound | None = None

    def __post_init__(self) -> None:
        given = {one.name: bound for one in fields(self) if (bound := getattr(self, one.name)) is not None}
        if not given:
            raise ConfigError("A range has no bound.", "Give one or more of gte, gt, lte and lt.")
        for name, bound in given.items():
            if isinstance(bound, bool) or _read(str(bound)) == _Read():
                raise ConfigError(
                    f"The bound {name} = {bound!r} is neither a number nor a date.",
                    'Write numbers or ISO dates, for example { gte = "2024-01-01", lt = "2025-01-01" }.',
                )

    @classmethod
    def of(cls, bounds: Mapping[str, Any], key: str = "") -> Range:
        """Return the range of a mapping such as `{"gte": 3}`; `key` is for the message. Raises ConfigError."""
        names = [one.name for one in fields(cls)]
        unknown = [str(name) for name in bounds if name not in names]
        if unknown:
            message = f"{unknown[0]!r} is no bound of a range{f' ({key})' if key else ''}."
            raise ConfigError(message, f"Known: {', '.join(names)}.")
        return cls(**{name: plain_date(bound) for name, bound in bounds.items()})

    def admits(self, text: str) -> bool:
        """Whether a metadata value, as text, lies in the range."""
        return all(
            bound is None or holds(_read(text), _read(str(bound)))
            for bound, holds in ((self.gte, _gte), (self.gt, _gt), (self.lte, _lte), (self.lt, _lt))
        )


@dataclass(frozen=True, slots=True)
class Filter:
    """Which chunks may be seen: every key of `equals` must match the chunk's metadata (a tuple means any of; a list in
    the metadata matches by any of its items; a missing key never matches), for every key of `ranges` one item must lie
    in all of its ranges, and `documents`, when given, must hold the chunk's document. Values are compared as text.
    Applied before ranking; combining two only narrows."""

    equals: Mapping[str, Any] = field(default_factory=dict)
    documents: tuple[str, ...] | None = None
    ranges: Mapping[str, tuple[Range, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, rule: Mapping[str, Any]) -> Filter:
        """Return the filter of a rule as graft.toml and requests write it: `{team = "people", level = [1, 2], updated =
        {gte = "2024-01-01"}}`. Raises ConfigError for a range that is none."""
        equals = {key: wanted for key, wanted in rule.items() if not isinstance(wanted, Mapping)}
        ranges = {
            key: (Range.of(wanted, key),) for key, wanted in rule.items() if isinstance(wanted, Mapping)
        }
        return cls(equals, ranges=ranges)

    def __hash__(self) -> int:
        return hash(self.key)

    @property
    def key(self) -> tuple[Any, ...]:
        """What tells filters apart that allow different chunks: hashable, whatever order or type the rules came in."""
        return (
            frozenset((key, values(wanted)) for key, wanted in self.equals.items()),
            None if self.documents is None else frozenset(self.documents),
            frozenset((key, frozenset(wanted)) for key, wanted in self.ranges.items()),
        )

    @property
    def is_open(self) -> bool:
        """Whether everything passes."""
        return not self.equals and not self.ranges and self.documents is None

    def allows(self, chunk: Chunk) -> bool:
        """Whether the chunk passes; the reference for what a Store must do in its own query language."""
        if self.documents is not None and chunk.document not in self.documents:
            return False
        held = chunk.metadata
        return all(
            key in held and values(wanted) & values(held[key]) for key, wanted in self.equals.items()
        ) and all(
            key in held and any(all(one.admits(text) for one in ranges) for text in values(held[key]))
            for key, ranges in self.ranges.items()
        )

    def narrowed(self, by: Filter) -> Filter:
        """Return the filter of both: what it allows, each of them allows. Of a key that both name, one value must suit
        both rules."""
        equals = {**by.equals, **self.equals}
        for key in self.equals.keys() & by.equals.keys():
            equals[key] = tuple(sorted(values(self.equals[key]) & values(by.equals[key])))
        ranges = {
            key: tuple(dict.fromkeys((*self.ranges.get(key, ()), *by.ranges.get(key, ()))))
            for key in (*self.ranges, *by.ranges)
        }
        given = [set(one.documents) for one in (self, by) if one.documents is not None]
        return Filter(equals, tuple(sorted(set.intersection(*given))) if given else None, ranges)


def values(value: Any) -> frozenset[str]:
    """Return a filter's or a metadata value as the set of texts that are compared."""
    many = value if isinstance(value, tuple | list | set | frozenset) else (value,)
    return frozenset(str(item) for item in many)


def parsed(pairs: tuple[str, ...] | list[str]) -> Filter | None:
    """Return the filter of a command line's `key=value`, `key>=value`, `key<value` …: the same key twice with `=` means
    either, with signs both. None without pairs. Raises ConfigError."""
    equals: dict[str, tuple[str, ...]] = {}
    ranges: dict[str, tuple[Range, ...]] = {}
    for pair in pairs:
        found = _COMPARED.fullmatch(pair)
        if not found:
            hint = "For example: --where team=people --where 'updated>=2024-01-01'"
            raise ConfigError(f"--where {pair!r} is not key=value.", hint)
        key, sign, value = found["key"], found["sign"], found["value"]
        if sign == "=":
            equals[key] = (*equals.get(key, ()), value)
        else:
            ranges[key] = (*ranges.get(key, ()), Range.of({_SIGNS[sign]: value}, key))
    return Filter(equals, ranges=ranges) if pairs else None


def plain_date(value: Any) -> Any:
    """Return a date or time of TOML as the ISO text that metadata holds; anything else as it is."""
    return value.isoformat() if hasattr(value, "isoformat") else value


def seconds(value: Any) -> float | None:
    """Return when the time begins that a metadata value says, in seconds since 1970; read as a `Range` reads it. None for
    what is no time, and for a number beyond all numbers."""
    first = _read(str(value)).first
    return first if first is not None and math.isfinite(first) else None


class _Read(NamedTuple):
    """A text as a number, and as a time: its first second since 1970, and the first one after it."""

    number: float | None = None
    first: float | None = None
    after: float | None = None


@lru_cache(maxsize=2**17)  # a store of 100,000 documents asks for as many dates, and again for the next range
def _read(text: str) -> _Read:
    text = text.strip()
    number = float(text) if _NUMBER.fullmatch(text) else None
    date = _DATE.fullmatch(text)
    try:
        if date:
            year, month = int(date[1]), int(date[2] or 12)
            day = int(date[3] or monthrange(year, month)[1])
            first = _second(year, int(date[2] or 1), int(date[3] or 1))
            return _Read(number, first, _second(year, month, day) + _DAY)
        if len(text) >= 8 and text[:4].isdigit():
            when = datetime.fromisoformat(text)
            first = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
            return _Read(number, first, first + _DAY if len(text) <= 10 else first)
    except (ValueError, OverflowError):
        return _Read(number, number, number)
    return _Read(number, number, number)


def _second(year: int, month: int, day: int) -> float:
    return datetime(year, month, day, tzinfo=UTC).timestamp()


def _pair(value: _Read, bound: _Read) -> tuple[float, float, float] | None:
    """Return a value, and where a bound begins and ends, on the scale that both have; None without one."""
    if value.number is not None and bound.number is not None:
        return value.number, bound.number, bound.number
    if value.first is None or bound.first is None or bound.after is None:
        return None
    return value.first, bound.first, bound.after


def _gte(value: _Read, bound: _Read) -> bool:
    pair = _pair(value, bound)
    return pair is not None and pair[0] >= pair[1]


def _lt(value: _Read, bound: _Read) -> bool:
    pair = _pair(value, bound)
    return pair is not None and pair[0] < pair[1]


def _lte(value: _Read, bound: _Read) -> bool:
    pair = _pair(value, bound)
    return pair is not None and (pair[0] < pair[2] or pair[0] == pair[1])


def _gt(value: _Read, bound: _Read) -> bool:
    return _pair(value, bound) is not None and not _lte(value, bound)
