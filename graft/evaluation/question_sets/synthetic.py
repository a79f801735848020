"""Synthetic questions by rule: sentences of the documents with a name or a number taken out.

For a project without questions and without a model that can write them. Honest about what they are: a cloze question
repeats the words of its passage, so it flatters retrieval and says little about how people ask. Each is tagged
"synthetic" and stands in a stratum of its own. Knows chunks and strings; no model, no store.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from graft.evaluation.checks.text import normalise, tokens
from graft.sentences import FUNCTION_WORDS, sentence_spans
from graft.types import Chunk, Evidence, Message, Question, content_hash

T = TypeVar("T")

STRATUM = "synthetic"
TAG = "synthetic"
GAP = "____"
_ASK = "What belongs in the gap? “{}”"
_FEWEST_WORDS, _MOST_WORDS = 7, 40
_NAME = re.compile(r"(?<![.!?:]\s)(?<!^)\b[A-Z][\w’'-]+(?:\s[A-Z][\w’'-]+)+")
_NUMBER = re.compile(r"(?:[$€£]\s?)?\d+(?:[.,:/-]\d+)*(?:\s?(?:%|°C|percent))?(?![\w-])")
_LIST_MARK = re.compile(r"^\s*(?:[-*+•]|\d+[.)])\s+")
_MARKUP = re.compile(r"[*_`]+|\[([^\]]*)\]\([^)]*\)")
_CLAUSE = re.compile(r"[,;:(]|\band\b|\bor\b")
_NOT_PROSE = re.compile(r"[|#<>{}=]|\.{3}|https?:")


@dataclass(frozen=True, slots=True)
class Cloze:
    """A sentence of a document without one of its names or numbers. `start` and `end` are the sentence's place."""

    document: str
    start: int
    end: int
    text: str
    answer: str


def clozes(chunks: Sequence[Chunk], *, names: bool = True) -> list[Cloze]:
    """Return every cloze that the chunks give and that has one answer: where two documents have the same sentence with
    different fillings (an old edition, a near-duplicate), neither is asked for. Without `names` only numbers are taken
    out."""
    found = [made for chunk in chunks for made in _of_chunk(chunk, names)]
    fillings: dict[str, set[str]] = defaultdict(set)
    for one in found:
        fillings[normalise(one.text)].add(normalise(one.answer))
    unique: dict[str, Cloze] = {}
    for one in found:
        if len(fillings[normalise(one.text)]) == 1:
            unique.setdefault(normalise(one.text), one)
    return list(unique.values())


def _of_chunk(chunk: Chunk, names: bool) -> Iterator[Cloze]:
    """Yield at most one cloze a sentence: a name of two words and more if there is one, else a number."""
    for start, end in sentence_spans(chunk.text):
        sentence = chunk.text[start:end]
        bare = _MARKUP.sub(r"\1", _LIST_MARK.sub("", sentence)).strip()
        words = len(bare.split())
        if (
            _NOT_PROSE.search(bare)
            or not bare.endswith((".", "!"))
            or not _FEWEST_WORDS <= words <= _MOST_WORDS
        ):
            continue
        target = next(
            (match for match in _targets(bare, names) if bare.count(match.group().strip()) == 1), None
        )
        if target is None:
            continue
        blank = f"{bare[: target.start()]}{GAP}{bare[target.end() :]}"
        yield Cloze(chunk.document, chunk.start + start, chunk.start + end, blank, target.group().strip())


def _targets(sentence: str, names: bool) -> list[re.Match[str]]:
    """Return what may be taken out: names first, then numbers of more than one digit, then the others."""
    numbers = list(_NUMBER.finditer(sentence))
    return [
        *(_NAME.finditer(sentence) if names else ()),
        *sorted(numbers, key=lambda match: (len(match.group()) < 2, match.start())),
    ]


def cloze_questions(found: Sequence[Cloze], count: int, *, seed: int) -> tuple[Question, ...]:
    """Return at most `count` of them as questions, drawn evenly over the documents."""
    return tuple(_question(one) for one in _spread(found, seed)[:count])


def in_turns(items: Sequence[T], group: Callable[[T], str], text: Callable[[T], str], seed: int) -> list[T]:
    """Return all items, one of each group in turn, so that a long document does not crowd out the others; the order
    within a group and among groups is by hash."""
    by_group: dict[str, list[T]] = defaultdict(list)
    for item in sorted(items, key=lambda item: content_hash(str(seed), group(item), text(item))):
        by_group[group(item)].append(item)
    order = sorted(by_group, key=lambda name: content_hash(str(seed), name))
    rounds = max(map(len, by_group.values()), default=0)
    return [by_group[name][turn] for turn in range(rounds) for name in order if turn < len(by_group[name])]


def _spread(found: Sequence[Cloze], seed: int) -> list[Cloze]:
    return in_turns(found, lambda one: one.document, lambda one: one.text, seed)


def _question(one: Cloze) -> Question:
    text = _ASK.format(one.text)
    return Question(
        id=f"syn-{content_hash(text)[:10]}",
        messages=(Message("user", text),),
        answers=(one.answer,),
        evidence=(Evidence(one.document, one.start, one.end),),
        stratum=STRATUM,
        cluster=one.document,
        tags=(TAG, "cloze"),
    )


def unanswerable_clozes(chunks: Sequence[Chunk], count: int, *, seed: int) -> tuple[Question, ...]:
    """Return at most `count` questions that the documents do not answer: a number of one name is asked of another
    name of the same documents that stands behind the same word elsewhere ("to Ann Lee", "to Bob Ray": most likely of one
    kind). Kept only if no chunk holds all content words of the new sentence, and if the name comes before the gap in one
    clause: what is asked is then something about that name, and not a thing that the documents say anyway."""
    found = clozes(chunks, names=False)
    names = sorted(
        {(_before(one.text, match), match.group()) for one in found for match in _NAME.finditer(one.text)}
    )
    held = [frozenset(tokens(chunk.searchable)) for chunk in chunks]
    made: list[Question] = []
    for one in _spread(found, seed):
        own = _NAME.search(one.text.partition(GAP)[0])
        if own is None or len(made) == count or _CLAUSE.search(one.text.partition(GAP)[0], own.end()):
            continue
        before, said = _before(one.text, own), set(tokens(own.group()))
        others = [name for word, name in names if word == before and not set(tokens(name)) & said]
        if not others:
            continue
        other = others[int(content_hash(str(seed), one.text), 16) % len(others)]
        text = one.text.replace(own.group(), other)
        wanted = {word for word in tokens(text.replace(GAP, "")) if word not in FUNCTION_WORDS}
        if any(wanted <= words for words in held):
            continue
        asked = _ASK.format(text)
        made.append(
            Question(
                id=f"syn-{content_hash(asked)[:10]}",
                messages=(Message("user", asked),),
                answerable=False,
                stratum=STRATUM,
                cluster=one.document,
                tags=(TAG, "cloze", "name swapped"),
            )
        )
    return tuple(made)


def _before(text: str, match: re.Match[str]) -> str:
    """Return the word before a name, in lower case; "" at the start."""
    return (text[: match.start()].split() or [""])[-1].lower()
