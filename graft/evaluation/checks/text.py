"""Text as the metrics see it: normalised, as words, as sentences, and stripped of its wrapping.

Pure functions from strings to values, English first and safe for any script. Knows nothing of questions, rows or
scores. The results of the common ones are cached, because every metric of a row asks for the same few texts.
"""

from __future__ import annotations

import re
import string
import unicodedata
from functools import lru_cache
from typing import Any

from graft.records import json_in
from graft.sentences import sentence_spans

_CACHE = 1 << 14
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_DROPPED = set(string.punctuation)
# Scripts written without spaces: words cannot be told apart, so character bigrams stand in for them.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_RUNS = re.compile(f"[{_UNSPACED}]+|[^{_UNSPACED}]+")
_IS_UNSPACED = re.compile(f"[{_UNSPACED}]")

CITATION = re.compile(r"\[(\d{1,2}(?:\s*[,;]\s*\d{1,2})*)\]")
"""A citation marker: [2] or [1, 3]. Three digits and more are not one, so that [2024] stays text."""


# --- words ---------------------------------------------------------------------------------------------------------


@lru_cache(_CACHE)
def normalise(text: str) -> str:
    """Return N(s): NFKC, casefold, punctuation out, English articles out, single spaces.

    For ASCII text this is exactly the normalisation of the SQuAD v1.1 script: punctuation vanishes without leaving a
    space, so "U.S." is "us". Other punctuation and symbols become spaces; invisible characters vanish.
    """
    folded = unicodedata.normalize(
        "NFKC", unicodedata.normalize("NFKC", text.replace("\u2019", "'")).casefold()
    )
    return " ".join(_ARTICLES.sub(" ", "".join(map(_kept, folded))).split())


@lru_cache(1 << 12)
def _kept(character: str) -> str:
    """Return what normalisation leaves of one character."""
    if character in _DROPPED:
        return ""
    category = unicodedata.category(character)
    if category == "Cf":
        return ""
    return " " if category[0] in "PSZC" else character


@lru_cache(_CACHE)
def tokens(text: str) -> tuple[str, ...]:
    """Return the words of N(text); runs of Chinese, Japanese, Thai, Lao, Khmer and Burmese as character bigrams."""
    words = normalise(text).split()
    if not _IS_UNSPACED.search(text):
        return tuple(words)
    found: list[str] = []
    for word in words:
        for run in _RUNS.findall(word):
            unspaced = len(run) > 1 and _IS_UNSPACED.match(run)
            found += [run[at : at + 2] for at in range(len(run) - 1)] if unspaced else [run]
    return tuple(found)


# --- sentences -----------------------------------------------------------------------------------------------------

_LEADING_CITATIONS = re.compile(rf"(?:\s*{CITATION.pattern})+[.,;]?\s*")


@lru_cache(_CACHE)
def sentences(text: str) -> tuple[str, ...]:
    """Return the sentences of a text, each with the citation markers that follow it, also behind its full stop."""
    found: list[str] = []
    for start, end in sentence_spans(text):
        _append(found, text[start:end])
    return tuple(found)


def _append(found: list[str], piece: str) -> None:
    """Append a sentence; the citations it begins with belong to the one before it."""
    leading = _LEADING_CITATIONS.match(piece)
    if found and leading:
        found[-1] = f"{found[-1]} {leading.group().strip()}"
        piece = piece[leading.end() :]
    if piece:
        found.append(piece)


# --- what an answer says -------------------------------------------------------------------------------------------

_LABEL = re.compile(r"[ \t]*[*_#>]*[ \t]*([A-Z][A-Za-z _-]{0,23})[*_]*:[*_]*(?:[ \t]+|$)")
_ANSWER_LABELS = {"answer", "final answer", "short answer", "the answer", "response", "reply", "result", "a"}
_ANSWER_KEYS = ("answer", "response", "result", "reply", "text")


@lru_cache(_CACHE)
def content(text: str, *, citations: bool = False) -> str:
    """Return what an answer says, without what it is wrapped in.

    Citation markers go, unless `citations` keeps them. Of an answer in labelled lines ("Answer: …", "Desk: …") the
    answer line stays; when no line is called answer and every line has a label, the labels go. Of a JSON object the
    "answer" stays, or else all its values. So that a variant that keeps a house style is scored on what it says, like
    one that does not.
    """
    plain = text.strip() if citations else strip_citations(text)
    record = json_in(plain)
    if isinstance(record, dict):
        return _said(record)
    lines = [line for line in plain.splitlines() if line.strip()]
    labels = [_LABEL.match(line) for line in lines]
    names = [match[1].strip().casefold() if match else "" for match in labels]
    rest = [line[match.end() :] if match else line for line, match in zip(lines, labels, strict=True)]
    if not _ANSWER_LABELS.isdisjoint(names):
        first = next(at for at, name in enumerate(names) if name in _ANSWER_LABELS)
        after = next((at for at in range(first + 1, len(lines)) if names[at]), len(lines))
        return "\n".join(rest[first:after]).strip()
    return "\n".join(rest if all(names) else lines).strip()


def strip_citations(text: str) -> str:
    """Return the text without its [n] markers and the space before them."""
    return re.sub(rf"[ \t]*{CITATION.pattern}", "", text).strip()


def cited(text: str) -> tuple[int, ...]:
    """Return the passage numbers that the text cites, in order, each once."""
    found = [int(number) for group in CITATION.findall(text) for number in re.split(r"[,;]", group)]
    return tuple(dict.fromkeys(found))


def _said(record: dict[str, Any]) -> str:
    for key in _ANSWER_KEYS:
        if key in record:
            return " ".join(_leaves(record[key]))
    return " ".join(_leaves(record))


def _leaves(value: Any) -> list[str]:
    """Return the values of a JSON value as words, null as nothing."""
    if value is None:
        return []
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in _leaves(item)]
    if isinstance(value, list):
        return [leaf for item in value for leaf in _leaves(item)]
    if isinstance(value, bool):
        return ["yes" if value else "no"]
    return [str(value)]
