"""Ties an answer's `[n]` markers to the passages that were shown, and keeps the passages within the prompt.

Pure functions over text and Context. Knows no model and no metric: whether a quote truly supports a claim is measured
elsewhere; here a marker becomes a place in a document, or is removed because it points nowhere.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from graft.generation.prompts import ABSTENTION
from graft.sentences import FUNCTION_WORDS, sentence_spans
from graft.types import Citation, Context, Passage

# "[1]", "[1, 2]". At most two digits, so that "[2019]" stays what the author wrote.
_MARKER = re.compile(r"\[\s*\d{1,2}(?:\s*[,;]\s*\d{1,2})*\s*\]")
# What more text could still change: white space, an opening bracket, whole markers and the start of one.
_UNSETTLED = re.compile(r"[\s(]*(?:\[[\d\s,;]*\][\s)]*)*(?:\[[\d\s,;]*)?\Z")
# A figure, a character of a script written without spaces (Thai to Lao, kana, Chinese), or a word.
_WORD = re.compile(
    r"\d+(?:[.,]\d+)*|[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]|[^\W\d_\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]+"
)
# A second sentence joins the quote only when it adds this share of the claim's weight: below it, quotes of unrelated
# neighbours appear (a shared word such as "days" weighs about .1 of an average claim).
_WORTH_QUOTING = 0.15


class Resolved(NamedTuple):
    """An answer's text with the markers that hold, the citations behind them, and how many markers were dropped."""

    text: str
    citations: tuple[Citation, ...]
    dropped: int


class _Mark(NamedTuple):
    """A marker that holds: its number, and its place in the cleaned text."""

    number: int
    start: int
    end: int


def abstains(text: str) -> bool:
    """Whether the text opens with the contract's own words, "I don't know."."""
    opening = text.strip().replace("\u2019", "'")[: len(ABSTENTION)].rstrip(".!,; ")
    return opening.lower() == ABSTENTION.rstrip(".").lower()


def resolve_citations(
    text: str, context: Context, question: str = "", *, untouched: bool = False
) -> Resolved:
    """Resolve `[n]`, `[1][2]` and `[1, 2]` against the context's passages.

    A number without a passage is dropped from the text, with tidy spacing, and counted. What holds is written as
    `[1][2]`. Brackets in code, and outside the strings of a JSON answer, are no markers. There is one Citation for each
    number and quote, in order of appearance; its quote is the part of the passage that best supports the sentence
    which carries the marker, as an answer to `question`, so that `document.text[start:end] == quote`. `untouched` leaves the
    text as it is, markers that point nowhere included.
    """
    clean = _read if untouched else _clean
    kept, marks, dropped = clean(text, len(context.passages))
    citations: dict[tuple[int, int, int], Citation] = {}
    for number, claim in _claims(kept, marks):
        passage = context.passages[number - 1]
        start, end = quote_span(claim, passage.text, question)
        citations.setdefault((number, start, end), _citation(number, passage, start, end))
    return Resolved(kept, tuple(citations.values()), dropped)


def settled(text: str, context: Context) -> str:
    """Return what the resolved text is sure to begin with, however an unfinished `text` goes on: for streaming."""
    tail = _UNSETTLED.search(text)
    return _clean(text[: tail.start()] if tail else text, len(context.passages))[0]


def trim(context: Context, count_tokens: Callable[[Context], int], budget: int) -> tuple[Context, int]:
    """Drop the passages with the lowest scores until the prompt has at most `budget` tokens.

    `count_tokens` counts the whole prompt made with a context. Returns the context, in its old order, and how many
    passages were dropped; all of them, when even one is too much.
    """
    passages = list(context.passages)
    while passages and count_tokens(Context(tuple(passages))) > budget:
        worst = min(reversed(range(len(passages))), key=lambda at: passages[at].score)
        del passages[worst]
    return Context(tuple(passages)), len(context.passages) - len(passages)


def quote_span(claim: str, passage: str, question: str = "") -> tuple[int, int]:
    """Return the (start, end) of the one or two neighbouring sentences of `passage` that share most with `claim`.

    Words are weighted by their rarity among the passage's sentences, log(1 + N / df): figures double, because a figure
    is what a citation is checked for; those of the question half, so that "Yes" and "30" have a sentence to rest on;
    function words not at all. The whole passage, when nothing is shared.
    """
    spans = sentence_spans(passage)
    bags = [_bag(passage[start:end]) for start, end in spans]
    frequency = Counter(word for bag in bags for word in bag)
    claimed, asked = _bag(claim), _bag(question)
    wanted = {
        word: math.log(1 + len(bags) / frequency[word])
        * (2 if word[0].isdigit() else 1)
        * (1 if word in claimed else 0.5)
        for word in claimed | asked
        if frequency[word]
    }
    if not wanted:
        return 0, len(passage)
    windows = [(at, at + size) for size in (1, 2) for at in range(len(bags) - size + 1)]
    total = math.fsum(wanted.values())

    def support(window: tuple[int, int]) -> float:
        words = set().union(*bags[slice(*window)])
        # fsum, because the order of a set, and with it the last bit of a plain sum, changes from run to run.
        return math.fsum(wanted[word] for word in words & wanted.keys()) / total - _WORTH_QUOTING * (
            window[1] - window[0]
        )

    first, behind = max(windows, key=support)
    return spans[first][0], spans[behind - 1][1]


def _bag(text: str) -> frozenset[str]:
    """Return the lower-cased content words, a plural "s" off, and the figures of a text."""
    words = (word.lower() for word in _WORD.findall(text))
    kept = (word for word in words if word not in FUNCTION_WORDS)
    return frozenset(word[:-1] if len(word) > 3 and word.endswith("s") else word for word in kept)


def _citation(number: int, passage: Passage, start: int, end: int) -> Citation:
    return Citation(number, passage.document, passage.start + start, passage.start + end, passage.text[start:end],
                    passage.title, passage.page)  # fmt: skip


def _claims(text: str, marks: Sequence[_Mark]) -> Iterator[tuple[int, str]]:
    """Yield (number, the sentence that carries it) for each mark. A mark behind the full stop, or on a line of its own,
    belongs to the sentence before it; one that nothing precedes belongs to the first."""
    plain, behind, places = "", 0, []
    for mark in marks:
        plain += text[behind : mark.start]
        behind = mark.end
        places.append(max(len(plain.rstrip()) - 1, 0))
    plain += text[behind:]
    spans = sentence_spans(plain)
    for mark, place in zip(marks, places, strict=True):
        carrying = [plain[start:end] for start, end in spans if place < end]
        yield mark.number, carrying[0] if carrying else ""


def _clean(text: str, passages: int) -> tuple[str, list[_Mark], int]:
    """Return the text without the numbers above `passages`, the marks that are left, and how many were dropped."""
    text = text.strip()
    made, marks, behind, dropped = "", list[_Mark](), 0, 0
    for marker in _markers(text):
        made += text[behind : marker.start()]
        behind = marker.end()
        kept, lost = _numbers(marker, passages)
        dropped += lost
        for number in kept:
            marks.append(_Mark(number, len(made), len(made) + len(f"[{number}]")))
            made += f"[{number}]"
        if not kept:
            made, behind = _close_gap(made, text, behind)
    return (made + text[behind:]).rstrip(), marks, dropped


def _read(text: str, passages: int) -> tuple[str, list[_Mark], int]:
    """Return as `_clean` does, with the text as it is."""
    text, marks, dropped = text.strip(), list[_Mark](), 0
    for marker in _markers(text):
        kept, lost = _numbers(marker, passages)
        dropped += lost
        marks += [_Mark(number, marker.start(), marker.end()) for number in kept[:1]]
        marks += [_Mark(number, marker.end(), marker.end()) for number in kept[1:]]
    return text, marks, dropped


def _numbers(marker: re.Match[str], passages: int) -> tuple[list[int], int]:
    """Return a marker's numbers that have a passage, and how many have none."""
    numbers = [int(number) for number in re.findall(r"\d+", marker.group())]
    kept = [number for number in numbers if 1 <= number <= passages]
    return kept, len(numbers) - len(kept)


def _close_gap(made: str, text: str, behind: int) -> tuple[str, int]:
    """Tidy the place where a marker was cut out: brackets that held nothing else, and doubled spaces."""
    if made.endswith("(") and text[behind : behind + 1] == ")":
        made, behind = made[:-1], behind + 1
    if made[-1:] in ("", "\n"):
        rest = text[behind:].lstrip(" \t" if made else None)
        behind = len(text) - len(rest)
    elif text[behind : behind + 1] in ("", *' \t\n.,;:!?)]"'):
        made = made.rstrip(" \t")
    return made, behind


def _markers(text: str) -> Iterator[re.Match[str]]:
    """Yield the markers of a text, from left to right."""
    json = re.match(r"\s*(?:\{|\[\s*[\[{\"])", text) is not None
    for marker in _MARKER.finditer(text):
        before = text[: marker.start()]
        if json and len(re.findall(r'(?<!\\)(?:\\\\)*"', before)) % 2 == 0:
            continue  # an array of numbers
        fenced = len(re.findall(r"^\s*```", before, re.MULTILINE)) % 2 == 1
        if fenced or before[before.rfind("\n") + 1 :].count("`") % 2 == 1:
            continue  # an index in code
        yield marker
