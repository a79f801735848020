"""Answers that are right only as they stand: records (JSON objects and lists), labels, and statements of SQL.

Shared words are how prose is graded (correctness.py). A record that names the wrong field shares nearly all of its
words with the right one, and so do two labels of one set. Works on plain strings; knows nothing of rows.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from graft.evaluation.checks.correctness import exact_match
from graft.evaluation.checks.queries import same_query
from graft.evaluation.checks.text import content, normalise, strip_citations, tokens
from graft.records import json_in
from graft.types import Match

LABEL_WORDS = 5
"""The most words that a label of a fixed set has."""
FEWEST_LABELLED = 30
"""Texts from which a set of labels can be told from answers that happen to repeat."""

Leaf = tuple[str, Any]


def exactly_right(text: str, golds: Sequence[str], *, match: Match) -> bool | None:
    """Whether the answer is one of the references: the same label, the same statement, or a record with the same fields and
    values. None when it is to be graded as prose: no reference is a record, and `match` does not say what else they are."""
    if match == "sql":
        return same_query(text, golds)
    if match == "exact":
        said = {strip_citations(text), content(text)}
        return any(exact_match(one, golds) for one in said) or _same_record(text, golds)
    if _same_record(text, golds):
        return True
    return False if golds and all(leaves(gold) is not None for gold in golds) else None


def record_f1(text: str, golds: Sequence[str]) -> float | None:
    """Return the best F1 of leaves (slots) with a reference that is a record; None when none is."""
    said = leaves(text) or ()
    wanted = [found for gold in golds if (found := leaves(gold)) is not None]
    return max((_f1(Counter(said), Counter(gold)) for gold in wanted), default=None)


@lru_cache(1 << 14)
def leaves(text: str) -> tuple[Leaf, ...] | None:
    """Return (path, value) of every leaf of the JSON object or list that the text is, fenced as code or not; None when it
    is something else. The order of keys and of list items, and case and punctuation of texts, make no difference."""
    value = json_in(text)
    return None if value is None else tuple(_leaves(value, ""))


def are_labels(golds: Sequence[str]) -> bool:
    """Whether these texts are labels of one fixed set: enough of them, short, and each used twice on average. Yes and no,
    figures and records are none."""
    plain = [text for text in golds if text.strip() and leaves(text) is None and not re.search(r"\d", text)]
    words = [tokens(text.replace("_", " ")) for text in plain]
    if len(plain) < max(FEWEST_LABELLED, len(golds)) or max(map(len, words)) > LABEL_WORDS:
        return False
    distinct = {normalise(text) for text in plain}
    return len(distinct - {"yes", "no"}) >= 3 and 2 * len(distinct) <= len(plain)


def _same_record(text: str, golds: Sequence[str]) -> bool:
    # Not by leaves: two calls that swap an argument have the same ones.
    said = _record(text)
    return said is not None and any(said == _record(gold) for gold in golds)


@lru_cache(1 << 14)
def _record(text: str) -> Any:
    """Return the record that a text is so that equal ones compare equal; None when it is none."""
    value = json_in(text)
    return None if value is None else _ordered(value)


def _ordered(value: Any) -> tuple[str, Any]:
    """Return a value with its kind, keys and list items sorted, texts normalised as in `leaves`."""
    if isinstance(value, dict):
        return "{}", sorted(((key, _ordered(item)) for key, item in value.items()), key=repr)
    if isinstance(value, list):
        return "[]", sorted(map(_ordered, value), key=repr)
    if isinstance(value, str):
        return "text", normalise(value) or value.strip()
    return type(value).__name__ if isinstance(value, bool) else "plain", value


def _leaves(value: Any, path: str) -> list[Leaf]:
    if isinstance(value, dict) and value:
        return [leaf for key, item in value.items() for leaf in _leaves(item, f"{path}.{key}")]
    if isinstance(value, list) and value:
        return [leaf for item in value for leaf in _leaves(item, f"{path}[]")]
    if isinstance(value, str):
        return [(path, normalise(value) or value.strip())]
    # True == 1 in Python, not in JSON; empty containers are leaves of their own.
    return [(path, repr(value) if isinstance(value, bool | dict | list) else value)]


def _f1(said: Counter[Leaf], gold: Counter[Leaf]) -> float:
    total = said.total() + gold.total()
    return 2 * (said & gold).total() / total if total else 1.0
