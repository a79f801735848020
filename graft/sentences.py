"""Where sentences end, and which words carry no content: one rule for quoting and citing.

Spans in characters of the text given. Knows nothing about documents, and no language model: a rule of thumb for Latin
scripts and for Chinese and Japanese full stops, and a list for English. A line end always ends a sentence, because
headings, list items and table rows are statements of their own.
"""

from __future__ import annotations

import re

# A full stop, with closing quotes or brackets, before white space; or a full-width one, which needs no space after it.
_CLOSING = "\"'\u201d\u2019\u00bb)\\]"  # straight and curly quotes, a guillemet, brackets
_STOP = re.compile(
    rf"[.!?\u2026]+[{_CLOSING}]*(?=\s)|[\u3002\uff01\uff1f][{_CLOSING}\u300d\u300f\uff09]*|\n+"
)
# Words that end in a full stop and do not end a sentence, in lower case without it.
_ABBREVIATIONS = frozenset({
    "mr", "mrs", "ms", "dr", "prof", "st", "vs", "etc", "e.g", "i.e", "cf", "no", "nos", "art", "sec", "fig", "eq",
    "approx", "ca", "al", "inc", "ltd", "co", "corp", "dept", "est", "p", "pp", "vol",
})  # fmt: skip

FUNCTION_WORDS = frozenset({
    "a", "about", "all", "am", "an", "and", "any", "are", "as", "at", "be", "been", "but", "by", "can", "could", "did",
    "do", "does", "for", "from", "had", "has", "have", "he", "her", "his", "how", "i", "if", "in", "into", "is", "it",
    "its", "may", "me", "much", "many", "must", "my", "no", "not", "of", "on", "or", "our", "she", "should", "so", "some",
    "s", "t", "than", "that", "the", "their", "them", "there", "these", "they", "this", "those", "to", "was", "we", "were",
    "what", "when", "where", "which", "who", "whom", "whose", "why", "will", "with", "would", "you", "your",
})  # fmt: skip
"""Words that two English sentences share without saying the same."""


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Return the (start, end) of each sentence in order, without the white space around it.

    Every character outside the spans is white space.
    """
    spans = []
    start = 0
    for stop in _STOP.finditer(text):
        if _ends_sentence(text, start, stop):
            spans.append((start, stop.end()))
            start = stop.end()
    spans.append((start, len(text)))
    trimmed = [_trim(text, *span) for span in spans]
    return [(begin, end) for begin, end in trimmed if begin < end]


def _ends_sentence(text: str, start: int, stop: re.Match[str]) -> bool:
    if stop.group() != ".":
        return True
    before = text[max(start, stop.start() - 12) : stop.start()]  # no abbreviation is longer
    word = before.split()[-1].lower().strip("(\"'") if before.split() else ""
    if word in _ABBREVIATIONS or (len(word) == 1 and word.isalpha()):
        return False  # "e.g. this", "J. Smith"
    if text[start : stop.start()].strip().isdigit():
        return False  # the number of a list item: "2. Then call the office."
    return not text[stop.end() : stop.end() + 2].strip().islower()


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end
