"""Whether two SQL statements are the same, but for how they are written.

Shared words cannot tell: a query that asks for another column shares nearly all of its words with the right one. There is no
database here to run them on, so statements are compared token by token once case, spaces, comments, quotes and the names of
aliases make no difference; two that mean the same in another order or by another join count as different.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

FEWEST = 5
"""Texts from which statements can be told from sentences that happen to begin with "Select"."""

_FENCED = re.compile(r"```(?:\w+)?\s*\n?(.*?)```", re.DOTALL)
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_TOKEN = re.compile(
    r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`|\[[^\]\s]+\]|\d+(?:\.\d+)?|\w+|<>|[<>!=]=|\|\||\S"
)
_STATEMENT = re.compile(
    r"\s*\(?\s*(?:select\b.*\bfrom|with\b.*\bas\b.*\bselect|insert\s+into|update\b.*\bset|delete\s+from|create\s+(?:table|view|index)|"
    r"alter\s+table|drop\s+(?:table|view|index))\b",
    re.IGNORECASE | re.DOTALL,
)


@lru_cache(1 << 12)
def statement(text: str) -> tuple[str, ...]:
    """Return the tokens of the SQL that a text is, or that stands in its one fenced block of code: folded outside of quotes,
    quotes of one kind, "<>" as "!=", aliases numbered in the order of their definition, no semicolon at the end."""
    blocks = _FENCED.findall(text)
    bare = _COMMENT.sub(" ", blocks[0] if len(blocks) == 1 else text)
    found = [_plain(word) for word in _TOKEN.findall(bare)]
    while found and found[-1] == ";":
        found.pop()
    named = [after for before, after in pairwise(found) if before == "as" and after[0].isalpha()]
    aliases = {name: f"alias {number}" for number, name in enumerate(dict.fromkeys(named))}
    return tuple(aliases.get(word, word) for word in found)


def same_query(text: str, golds: Sequence[str]) -> bool:
    """Whether the answer is the same statement as one of the references."""
    said = statement(text)
    return bool(said) and any(said == statement(gold) for gold in golds)


def are_queries(golds: Sequence[str]) -> bool:
    """Whether these texts are SQL statements, all of them."""
    return len(golds) >= FEWEST and all(_STATEMENT.match(gold) for gold in golds)


def _plain(word: str) -> str:
    """Which quotes stand round a text and which round a name differs between databases: all become one kind."""
    if word[0] in "'\"`[" and len(word) > 1:
        return f"'{word[1:-1]}'"
    return "!=" if word == "<>" else word.casefold()
