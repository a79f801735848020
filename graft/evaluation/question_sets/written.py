"""Synthetic questions written by a generator, each of which has to pass the filters that make it worth asking.

A question must stand on its own, its answer in its passage, the generator must answer it again from the passage alone
(round trip) and not without it; an unanswerable one must be declined whatever passages the search finds; one about two
documents must need both. The generator comes in as a callable; so does the search. Nothing here trusts a reply.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from graft.evaluation.checks.correctness import RIGHT, correctness
from graft.evaluation.checks.text import content, normalise, tokens
from graft.evaluation.question_sets.synthetic import STRATUM, TAG
from graft.types import Chunk, Context, Evidence, Message, Passage, Question, content_hash

Ask = Callable[[Sequence[str]], list[str]]
"""Instructions → replies of the generator, without any prompt of GRAFT's around them."""
Answer = Callable[[Sequence[tuple[str, Context | None]]], list[str]]
"""(question, passages or None) → the generator's answers under the project's own prompt."""
Search = Callable[[Sequence[str]], list[Context]]

_ONE = (
    "Write one question that a colleague might ask and that the passage below answers, and its short answer in the words "
    'of the passage. The colleague does not see the passage. Reply with JSON only: {{"question": "…", "answer": "…"}}\n\n'
    "Passage from {title}:\n{text}"
)
_NONE = (
    "Write one question on the subject of the passage below that sounds as if it were answered there, and is not. Reply "
    'with JSON only: {{"question": "…"}}\n\nPassage from {title}:\n{text}'
)
_BOTH = (
    "Write one question that can only be answered with both passages below together, and its short answer. The reader "
    'does not see them. Reply with JSON only: {{"question": "…", "answer": "…"}}\n\n'
    "Passage 1 from {title}:\n{text}\n\nPassage 2 from {other_title}:\n{other}"
)
_POINTS = re.compile(
    r"\b(?:the|this|that|these|above|given|following) (?:passage|text|document|section|paragraph|excerpt|article|context)\b",
    re.IGNORECASE,
)
_FEWEST_WORDS = 4


@dataclass
class Sieve:
    """The questions that passed, and how many fell at which filter."""

    kept: list[Question] = field(default_factory=list)
    fallen: Counter[str] = field(default_factory=Counter)

    @property
    def tried(self) -> int:
        """How many were written in all."""
        return len(self.kept) + self.fallen.total()


@dataclass(frozen=True, slots=True)
class _Written:
    question: str
    answer: str
    chunks: tuple[Chunk, ...]


def write_answerable(
    chunks: Sequence[Chunk], ask: Ask, answer: Answer, *, is_abstention: Callable[[str], bool], by: str
) -> Sieve:
    """Have one question written a chunk and keep those that pass. `by` names the generator in the tags."""
    sieve = Sieve()
    replies = ask([_ONE.format(title=_title(chunk), text=chunk.text) for chunk in chunks])
    written = [
        _Written(*read, (chunk,))
        for chunk, reply in zip(chunks, replies, strict=True)
        if (read := _parsed(reply, sieve)) is not None
    ]
    written = [one for one in written if _stands(one, sieve)]
    known = answer([(one.question, None) for one in written])
    again = answer([(one.question, _shown(one.chunks)) for one in written])
    for one, blind, read_again in zip(written, known, again, strict=True):
        if not _right(read_again, one.answer, is_abstention):
            sieve.fallen["not answered again from its own passage"] += 1
        elif _right(blind, one.answer, is_abstention):
            sieve.fallen["answered without its passage"] += 1
        else:
            sieve.kept.append(_made(one, by, ("written",)))
    return sieve


def write_unanswerable(
    chunks: Sequence[Chunk],
    ask: Ask,
    answer: Answer,
    search: Search,
    *,
    is_abstention: Callable[[str], bool],
    by: str,
) -> Sieve:
    """Have questions written that nothing answers, and keep those that the generator declines with what the search finds."""
    sieve = Sieve()
    replies = ask([_NONE.format(title=_title(chunk), text=chunk.text) for chunk in chunks])
    written = [
        _Written(read[0], "", (chunk,))
        for chunk, reply in zip(chunks, replies, strict=True)
        if (read := _parsed(reply, sieve, answered=False)) is not None
    ]
    written = [one for one in written if _stands(one, sieve)]
    found = search([one.question for one in written])
    answers = answer([(one.question, context) for one, context in zip(written, found, strict=True)])
    for one, said in zip(written, answers, strict=True):
        if is_abstention(said):
            sieve.kept.append(_made(one, by, ("written",), answerable=False))
        else:
            sieve.fallen["answered after all from what the search finds"] += 1
    return sieve


def write_from_two(
    pairs: Sequence[tuple[Chunk, Chunk]],
    ask: Ask,
    answer: Answer,
    *,
    is_abstention: Callable[[str], bool],
    by: str,
) -> Sieve:
    """Have questions written that need two passages, and keep those that neither alone answers."""
    sieve = Sieve()
    replies = ask(
        [_BOTH.format(title=_title(a), text=a.text, other_title=_title(b), other=b.text) for a, b in pairs]
    )
    written = [
        _Written(*read, pair)
        for pair, reply in zip(pairs, replies, strict=True)
        if (read := _parsed(reply, sieve)) is not None
    ]
    written = [one for one in written if _stands(one, sieve, inside=False)]
    both = answer([(one.question, _shown(one.chunks)) for one in written])
    alone = [answer([(one.question, _shown(one.chunks[at : at + 1])) for one in written]) for at in (0, 1)]
    for one, together, first, second in zip(written, both, *alone, strict=True):
        if not _right(together, one.answer, is_abstention):
            sieve.fallen["not answered again from its own passages"] += 1
        elif _right(first, one.answer, is_abstention) or _right(second, one.answer, is_abstention):
            sieve.fallen["answered from one of its passages alone"] += 1
        else:
            sieve.kept.append(_made(one, by, ("written", "multi-document")))
    return sieve


# --- filters -------------------------------------------------------------------------------------------------------------


def _parsed(reply: str, sieve: Sieve, *, answered: bool = True) -> tuple[str, str] | None:
    """Return (question, answer) of a JSON reply, whatever stands around the object."""
    match = re.search(r"\{.*\}", reply, re.DOTALL)
    try:
        record = json.loads(match.group()) if match else None
    except ValueError:
        record = None
    fields = [record.get(key) for key in ("question", "answer")] if isinstance(record, dict) else [None, None]
    question, answer = (item.strip() if isinstance(item, str) else "" for item in fields)
    if not question or (answered and not answer):
        sieve.fallen["no JSON of the asked form"] += 1
        return None
    return question, answer


def _stands(one: _Written, sieve: Sieve, *, inside: bool = True) -> bool:
    """Whether the question can be asked by somebody who does not see the passage, and its answer is in the passage."""
    if (
        not one.question.endswith("?")
        or len(one.question.split()) < _FEWEST_WORDS
        or _POINTS.search(one.question)
    ):
        sieve.fallen["does not stand on its own"] += 1
        return False
    text = normalise(" ".join(chunk.text for chunk in one.chunks))
    if inside and one.answer and normalise(one.answer) not in text:
        sieve.fallen["its answer is not in its passage"] += 1
        return False
    if one.answer and set(tokens(one.answer)) <= set(tokens(one.question)):
        sieve.fallen["gives its answer away"] += 1
        return False
    return True


def _right(said: str, gold: str, is_abstention: Callable[[str], bool]) -> bool:
    return not is_abstention(said) and correctness(content(said), [gold]) >= RIGHT


def _made(one: _Written, by: str, tags: tuple[str, ...], *, answerable: bool = True) -> Question:
    return Question(
        id=f"syn-{content_hash(one.question)[:10]}",
        messages=(Message("user", one.question),),
        answers=(one.answer,) if answerable else (),
        answerable=answerable,
        evidence=tuple(Evidence(chunk.document, chunk.start, chunk.end) for chunk in one.chunks)
        if answerable
        else (),
        stratum=STRATUM,
        cluster=one.chunks[0].document,
        tags=(TAG, *tags, f"by:{by}"),
    )


def _shown(chunks: Sequence[Chunk]) -> Context:
    return Context(
        tuple(
            Passage(
                chunk.document, chunk.start, chunk.end, chunk.text, chunk.title, chunk.headings, chunk.page
            )
            for chunk in chunks
        )
    )


def _title(chunk: Chunk) -> str:
    return chunk.label or chunk.document
