"""A document's text → its blocks: headings, paragraphs, list items, tables, code, each with its span and heading path.

Reads the Markdown subset that every loader writes: ATX and setext headings, pipe tables, list markers, code fences.
Anything else is a paragraph. Knows nothing of sizes; that is the chunkers' business.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from graft.types import Document

Kind = Literal["heading", "paragraph", "item", "table", "code"]

_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*))?$")
_SETEXT = re.compile(r" {0,3}(=+|-{3,})[ \t]*$")
_FENCE = re.compile(r" {0,3}(```+|~~~+)")
_ITEM = re.compile(r"[ \t]*(?:[-*+•]|\(?(?:\d{1,3}(?:\.\d{1,3}){0,5}|[a-zA-Z]|[ivxIVX]{2,5})[.)])[ \t]+\S")
# Nobody writes longer headings, and looking for Markdown's marks in one would take time with the square of its length.
_LONGEST_HEADING = 1000
_TABLE = re.compile(r"[ \t]*\|")
_EMPHASIS = re.compile(r"[*_`]{1,3}(\S(?:.*?\S)?)[*_`]{1,3}")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of text: `text[start:end]` without the line end. `path` is the heading path it stands under, outermost
    first; a heading's own path ends with itself."""

    kind: Kind
    start: int
    end: int
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Line:
    start: int
    end: int
    text: str


def blocks(document: Document) -> list[Block]:
    """Return the blocks of the document's body, in order. What lies between them is white space."""
    found: list[Block] = []
    headings: list[tuple[int, str]] = []
    for kind, start, end, level, heading in _raw_blocks(document.text, document.body):
        if kind == "heading":
            headings = [*(known for known in headings if known[0] < level), (level, heading)]
        path = tuple(name for depth, name in headings if name and not _is_title(depth, name, document.title))
        found.append(Block(kind, start, end, path))
    return found


def _is_title(level: int, heading: str, title: str) -> bool:
    """The top heading that repeats the title is not a section: the title already stands in every label."""
    return level == 1 and heading.casefold() == title.strip().casefold()


def _raw_blocks(text: str, body: int) -> Iterator[tuple[Kind, int, int, int, str]]:
    """Yield (kind, start, end, heading level, heading text)."""
    lines = list(_lines(text, body))
    at = 0
    while at < len(lines):
        line = lines[at]
        if not line.text.strip():
            at += 1
            continue
        atx = _ATX.match(line.text)
        if atx and line.end - line.start <= _LONGEST_HEADING:
            yield "heading", line.start, line.end, len(atx[1]), plain_heading(atx[2] or "")
            at += 1
            continue
        kind, last = _extent(lines, at)
        underline = (
            _SETEXT.match(lines[last + 1].text) if kind == "paragraph" and last + 1 < len(lines) else None
        )
        if underline and last == at and line.end - line.start <= _LONGEST_HEADING:
            level = 1 if underline[1][0] == "=" else 2
            yield "heading", line.start, lines[last + 1].end, level, plain_heading(line.text)
            last += 1
        else:
            yield kind, line.start, lines[last].end, 0, ""
        at = last + 1


def _extent(lines: list[_Line], at: int) -> tuple[Kind, int]:
    """Return the kind of the block that begins at a line, and its last line."""
    fence = _FENCE.match(lines[at].text)
    if fence:
        for last in range(at + 1, len(lines)):
            if lines[last].text.strip().startswith(fence[1]):
                return "code", last
        return "paragraph", at  # a fence that nobody closes is text, or it would swallow the rest
    if _TABLE.match(lines[at].text):
        last = at
        while last + 1 < len(lines) and _TABLE.match(lines[last + 1].text):
            last += 1
        return "table", last
    kind: Kind = "item" if _ITEM.match(lines[at].text) else "paragraph"
    last = at
    while last + 1 < len(lines) and _continues(lines[last + 1].text):
        last += 1
    return kind, last


def _continues(line: str) -> bool:
    """Whether a line goes on with the paragraph or item above it."""
    begins = (_ATX, _SETEXT, _FENCE, _ITEM, _TABLE)
    return bool(line.strip()) and not any(pattern.match(line) for pattern in begins)


def _lines(text: str, start: int) -> Iterator[_Line]:
    """Yield the lines from `start` on. Only a newline ends a line: spans count in the text as it is."""
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        yield _Line(start, end, text[start:end])
        start = end + 1


def plain_heading(text: str) -> str:
    """Return a heading's text without Markdown's marks."""
    return _EMPHASIS.sub(r"\1", _LINK.sub(r"\1", text)).strip(" \t#")
