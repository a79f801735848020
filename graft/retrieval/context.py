"""Hits → the passages a model is shown: widened, duplicates out, neighbours merged, within a budget, in order.

Spans stay those of the document, so that a citation of a passage is exact. Knows nothing of prompts or stores; how long
a text is for the model, and what else lies in a document, is told by callables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Literal

from graft.retrieval.blocks import plain_heading
from graft.retrieval.units import token_ends
from graft.sentences import sentence_spans
from graft.types import Chunk, Context, Hit, Passage

Order = Literal["best-first", "best-last", "document"]
Siblings = Callable[[str], Iterable[Chunk]]
"""A document's id to its chunks, as far as the caller may see them."""

# Between two neighbouring chunks lies white space only: a blank line, at most two. Its exact characters are not kept in
# the chunks, so a merged passage has line breaks there, and all offsets behind stay right.
_MAX_GAP = 4


def estimate_tokens(text: str) -> int:
    """Return the estimated number of tokens: for when no tokenizer is at hand."""
    return len(token_ends(text))


def assemble(
    hits: Sequence[Hit],
    *,
    max_passages: int = 5,
    max_tokens: int = 1000,
    count: Callable[[str], int] = estimate_tokens,
    order: Order = "best-first",
    siblings: Siblings | None = None,
) -> Context:
    """Return the best hits as numbered passages.

    Goes down the hits and takes each that still fits: into `max_passages` passages and `max_tokens` tokens by `count`.
    A hit that was cut small to be found is widened to the span it names (`Chunk.shown`), as far as `siblings` holds it;
    when that does not fit, it stays as it was found. Texts that are equal to a better one but for case and white space
    are left out. Chunks that follow one another in a document become one passage, at the place and with the score of
    the better one. If not even the first hit fits, its first sentences are taken, so that there is evidence. A heading
    at the start of a passage is left to its label.

    `order`: "best-first"; "best-last", for models that read the end of a prompt best (Liu et al., TACL 2024); or
    "document", which keeps each document's passages together and in its own order.
    """
    kept: list[Passage] = []
    seen: set[str] = set()
    for hit in hits:
        same = " ".join(hit.chunk.text.casefold().split())
        if same in seen:
            continue
        seen.add(same)
        found = _passage(hit.chunk, hit.score)
        for new in dict.fromkeys((widened(hit, siblings), found)):
            grown = _insert(kept, new)
            if len(grown) <= max_passages and sum(count(passage.text) for passage in grown) <= max_tokens:
                kept = grown
                break
        else:
            if not kept and max_passages > 0:
                kept = [cut for cut in [_cut(found, max_tokens, count)] if cut.text]
    return Context(tuple(_without_heading(passage) for passage in _ordered(kept, order)))


def widened(hit: Hit, siblings: Siblings | None) -> Passage:
    """Return the hit's passage, grown over its neighbours to the span that it names; without one, as it is."""
    passage = _passage(hit.chunk, hit.score)
    if hit.chunk.shown is None or siblings is None:
        return passage
    start, end = hit.chunk.shown
    now = list(siblings(hit.chunk.document))
    if all(chunk.id != hit.chunk.id for chunk in now):
        return passage  # the document was edited since it was searched: its spans are others
    around = sorted(
        (chunk for chunk in now if start <= chunk.start and chunk.end <= end), key=lambda chunk: chunk.start
    )
    # A chunk that the caller may not see leaves a gap, and the passage ends there.
    behind = [chunk for chunk in around if chunk.start >= hit.chunk.start]
    before = [chunk for chunk in reversed(around) if chunk.start < hit.chunk.start]
    for chunk in (*behind, *before):
        other = _passage(chunk, hit.score)
        if _touch(passage, other):
            passage = _merge(*sorted((passage, other), key=lambda one: one.start))
    return passage


def _ordered(passages: Sequence[Passage], order: Order) -> list[Passage]:
    if order == "best-first":
        return list(passages)
    if order == "best-last":
        return list(reversed(passages))
    documents = list(dict.fromkeys(passage.document for passage in passages))
    return sorted(passages, key=lambda passage: (documents.index(passage.document), passage.start))


def _passage(chunk: Chunk, score: float) -> Passage:
    return Passage(
        chunk.document, chunk.start, chunk.end, chunk.text, chunk.title, chunk.headings, chunk.page, score
    )


def _insert(kept: Sequence[Passage], new: Passage) -> list[Passage]:
    """Return the passages with a new one merged into those that it touches, or else put last."""
    grown = list(kept)
    for at, old in enumerate(grown):
        first, second = sorted((old, new), key=lambda passage: passage.start)
        if old.document == new.document and second.start - first.end <= _MAX_GAP:
            merged = _merge(first, second)
            rest = grown[at + 1 :]
            # The merged one may now touch another: the two sides of a gap that it has filled.
            others = [passage for passage in rest if not _touch(passage, merged)]
            for passage in rest:
                if _touch(passage, merged):
                    merged = _merge(*sorted((passage, merged), key=lambda one: one.start))
            return [*grown[:at], merged, *others]
    return [*grown, new]


def _touch(a: Passage, b: Passage) -> bool:
    first, second = sorted((a, b), key=lambda passage: passage.start)
    return a.document == b.document and second.start - first.end <= _MAX_GAP


def _merge(first: Passage, second: Passage) -> Passage:
    """Return two touching or overlapping passages of one document as one; `first` starts before `second`."""
    gap = second.start - first.end
    if gap >= 0:
        text = first.text + (" " if gap == 1 else "\n" * gap) + second.text
    else:
        text = first.text + second.text[-gap:]
    pairs = zip(first.headings, second.headings, strict=False)
    headings = tuple(a for a, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    return replace(
        first,
        end=max(first.end, second.end),
        text=text,
        headings=headings,
        score=max(first.score, second.score),
    )


def _without_heading(passage: Passage) -> Passage:
    """Drop leading heading lines that the label repeats."""
    known = {name.casefold() for name in (passage.title, *passage.headings)}
    start, text = passage.start, passage.text
    while text.startswith("#"):
        line, _, rest = text.partition("\n")
        if plain_heading(line).casefold() not in known or not rest.strip():
            break
        start += len(text) - len(rest.lstrip())
        text = rest.lstrip()
    return replace(passage, start=start, text=text)


def _cut(passage: Passage, limit: int, count: Callable[[str], int]) -> Passage:
    """Return as many of the passage's first sentences as fit; nothing when not even one does."""
    ends = [end for _, end in sentence_spans(passage.text)]
    fits = list(takewhile(lambda end: count(passage.text[:end]) <= limit, ends))
    end = fits[-1] if fits else 0
    return replace(passage, end=passage.start + end, text=passage.text[:end])
