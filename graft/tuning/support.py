"""Whether a passage supports an output, by words: the lexical test that picks golden passages and removes them.

A passage supports a line when it has every number and name of the line and most of its other content words. It is a
rule for building training rows, where a wrong guess costs one row; it is not a measure of groundedness. Knows only
strings and passages.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from graft.tuning.leaks import FUNCTION_WORDS
from graft.tuning.style import strip_label
from graft.types import Passage

# Share of a line's content words that its passage must hold: all numbers and names there is strong evidence by itself.
WITH_REQUIRED = 0.5
WITHOUT_REQUIRED = 0.7

_WORD = re.compile(r"\d+(?:[.,:/-]\d+)*|[^\W\d_]+(?:['’][^\W\d_]+)?")


def best_passage(output: str, passages: Sequence[Passage]) -> Passage | None:
    """Return the passage that supports the output best (recall of all its content words), among those that support
    one of its lines; the earlier one of equals; None when none supports it."""
    fit = [passage for passage in passages if supports(passage, output)]
    return max(fit, key=lambda passage: _recall(output, _text(passage)), default=None)


def supports(passage: Passage, output: str) -> bool:
    """Whether the passage supports a line of the output that says something (two content words, or a number or a
    name)."""
    text = _text(passage)
    held = _folded(text)
    for line in output.split("\n"):
        words, required = _content(strip_label(line))
        if len(words) < 2 and not required:
            continue
        recall = len(words & held) / len(words)
        if required <= held and recall >= (WITH_REQUIRED if required else WITHOUT_REQUIRED):
            return True
    return False


def best_line(output: str, passage: Passage) -> int:
    """Return the index of the line that the passage supports best: supported words × their share of the line, since
    the count alone favours long lines and the share alone lines of one word. The first one of equals."""
    held = _folded(_text(passage))

    def score(line: str) -> float:
        words, required = _content(strip_label(line))
        hit = len(words & held) + len(required & held)
        return hit * hit / (len(words) + len(required)) if words else 0.0

    scores = [score(line) for line in output.split("\n")]
    return scores.index(max(scores))


def _text(passage: Passage) -> str:
    return "\n".join((passage.title, *passage.headings, passage.text))


def _recall(output: str, text: str) -> float:
    words = {word for line in output.split("\n") for word in _content(strip_label(line))[0]}
    return len(words & _folded(text)) / len(words) if words else 0.0


def _folded(text: str) -> set[str]:
    return {_stem(word) for word in _WORD.findall(text)}


def _content(line: str) -> tuple[set[str], set[str]]:
    """Return the line's content words, and those of them that a passage must have: numbers, and words capitalised
    elsewhere than at the start of a sentence."""
    words: set[str] = set()
    required: set[str] = set()
    for match in _WORD.finditer(line):
        word = match.group()
        if word.casefold() in FUNCTION_WORDS:
            continue
        words.add(_stem(word))
        opens = not line[: match.start()].strip() or line[: match.start()].rstrip()[-1:] in ".!?:"
        if word[0].isdigit() or (word[0].isupper() and not opens):
            required.add(_stem(word))
    return words, required


def _stem(word: str) -> str:
    """Case-folded, without a plural s: `days` supports `day`."""
    folded = word.casefold()
    return folded[:-1] if len(folded) > 3 and folded.endswith("s") and not folded.endswith("ss") else folded
