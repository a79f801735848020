"""One question → several wordings to search with: words of the first hits, other phrasings, a made-up passage.

Each way returns `Wording`s beside the question itself, which is always searched. What a generator writes only decides
what is searched for: the filter, the lists and the ranking stay what they are. Knows generators as a callable.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from graft.errors import GraftError
from graft.retrieval.terms import words
from graft.types import Generation, Hit, Usage

Write = Callable[[Sequence[str]], Sequence[Generation]]
"""Prompts to what a generator wrote, one each. May raise any GraftError."""
Way = Literal["multi-query", "hyde"]

PHRASINGS = 3
_MULTI = """Write {count} different search queries that would find the answer to the question. Use other words for the \
same thing. One query a line, nothing else.

Question: {question}"""
_HYDE = """Write a short passage, three sentences at most, of a document that answers the question. Nothing else.

Question: {question}"""
_MARKER = re.compile(r"^\s*(?:[-*•]|\(?\d{1,2}[.):])\s+")
# A paragraph of nonsense must not become the query: longer than any phrasing, shorter than any essay.
_LONGEST = 2_000


@dataclass(frozen=True, slots=True)
class Wording:
    """A text to search with. `name` tells its lists apart ("" is the question itself); `passage` says that it is
    embedded as a passage, not as a query; `lists` which searches it is for; `weight` what its lists weigh."""

    text: str
    name: str = ""
    passage: bool = False
    lists: frozenset[str] = frozenset({"dense", "bm25"})
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Written:
    """What a generator made of one question. `failed`: it gave nothing usable, and the plain question stands alone."""

    wordings: tuple[Wording, ...] = ()
    usage: Usage = field(default_factory=Usage)
    failed: bool = False


def rewrite(questions: Sequence[str], write: Write, way: Way, phrasings: int = PHRASINGS) -> list[Written]:
    """Ask a generator for other wordings of each question, all in one call. An error leaves every question plain.

    "multi-query": other phrasings, each searched by vector and by words. "hyde": a hypothetical passage, searched by
    vector as a passage (Gao et al., ACL 2023: its errors do not matter, its vocabulary does).
    """
    template = _MULTI if way == "multi-query" else _HYDE
    prompts = [template.format(count=phrasings, question=question) for question in questions]
    try:
        replies = write(prompts) if prompts else []
    except GraftError:  # the search goes on without; the caller counts `failed`
        return [Written(failed=True) for _ in questions]
    made = []
    for question, reply in zip(questions, replies, strict=True):
        wordings = (
            _phrasings(question, reply.text, phrasings) if way == "multi-query" else _passage(reply.text)
        )
        made.append(Written(wordings, reply.usage, failed=not wordings))
    return made


def _phrasings(question: str, reply: str, most: int) -> tuple[Wording, ...]:
    seen = {question.casefold().strip()}
    kept: list[str] = []
    for line in reply.splitlines():
        text = _MARKER.sub("", line).strip().strip('"“”')
        if text and len(text) <= _LONGEST and words(text) and text.casefold() not in seen:
            seen.add(text.casefold())
            kept.append(text)
    # Together the phrasings weigh as much as the question: none of them was asked.
    share = 1 / max(len(kept[:most]), 1)
    return tuple(Wording(text, f"query-{number}", weight=share) for number, text in enumerate(kept[:most], 1))


def _passage(reply: str) -> tuple[Wording, ...]:
    text = reply.strip()[:_LONGEST]
    return (Wording(text, "hyde", passage=True, lists=frozenset({"dense"})),) if words(text) else ()


def feedback(question: str, hits: Sequence[Hit], *, first: int = 5, terms: int = 10) -> Wording | None:
    """Return the question with the words that set its first hits apart from the other candidates, for BM25.

    Pseudo-relevance feedback in the manner of RM3 (Lavrenko & Croft 2001; Abdul-Jaleel et al. 2004): words are weighed
    by how much of the first hits they make up, here against all candidates (Kullback and Leibler's divergence), which
    needs no statistics of the index. None when the hits add nothing.
    """
    if len(hits) <= first:
        return None
    near, all_of = Counter[str](), Counter[str]()
    for place, hit in enumerate(hits):
        counted = Counter(words(hit.chunk.searchable))
        all_of.update(counted)
        if place < first:
            near.update(counted)
    size, whole = near.total(), all_of.total()
    asked = set(words(question))
    spread = Counter(word for hit in hits[:first] for word in set(words(hit.chunk.searchable)))
    gains = {
        word: count / size * math.log((count / size) / (all_of[word] / whole))
        for word, count in near.items()
        # A word of a single hit is that hit's own, not the subject's.
        if word not in asked and len(word) > 1 and spread[word] > 1
    }
    best = sorted((word for word in gains if gains[word] > 0), key=lambda word: (-gains[word], word))[:terms]
    if not best:
        return None
    # Half a list's weight: what the hits suggest was not asked.
    return Wording(f"{question} {' '.join(best)}", "feedback", lists=frozenset({"bm25"}), weight=0.5)
