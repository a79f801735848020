"""Who may ask, and what each gets: a key stands for a caller, a caller for the variants that see no more than it may.

Rights are a filter that was put into a caller's variants when they were made; a request may narrow it further, never
widen it. Knows nothing of HTTP or of how variants search.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from graft.protocols import Filter
from graft.types import Answer, Message


class Answers(Protocol):
    """What can be served; a Variant is one. Its fingerprint differs with what it may see, so that an answer is never
    kept for a caller with other rights."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def fingerprint(self) -> str:
        """Hash of all that decides an answer now: an answer is kept for as long as it stays."""

    def stream(self, question: Sequence[Message], /) -> Iterator[str | Answer]:
        """Yield text, then the Answer whose text is its concatenation."""


@runtime_checkable
class Holdable(Protocol):
    """What an Answers may do besides: hold its answers to a format."""

    def constrained(self, contract: Mapping[str, Any]) -> Answers:
        """Return it held to a contract (`graft.protocols.Constrained`). Raises ConfigError for one that it cannot keep."""


Narrow = Callable[[str, Filter], Answers]
"""A model's name and a request's filter to that variant, over what both the caller and the filter let it see."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A holder of a key. Without `narrow`, requests with a filter of their own are refused."""

    name: str
    key: str = field(repr=False)
    variants: Mapping[str, Answers]
    narrow: Narrow | None = None


def holder(callers: Sequence[Caller], key: str) -> Caller | None:
    """Return the caller that a key belongs to. Compares with all of them, each in constant time."""
    found = None
    for caller in callers:
        if hmac.compare_digest(key.encode(), caller.key.encode()):
            found = caller
    return found
