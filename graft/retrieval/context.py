"""Hits → the passages a model is shown: duplicates out, neighbours merged, within a budget, best first.

Spans stay those of the document, so that a citation of a passage is exact. Knows nothing of prompts; how long a text
is for the model is told by a callable.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import takewhile

from graft.retrieval.blocks import plain_heading
from graft.retrieval.chunks import token_ends
from graft.sentences import sentence_spans
from graft.types import Context, Hit, Passage

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
    min_score: float | None = None,
) -> Context:
    """Return the best hits as numbered passages, best first.

    Goes down the hits and takes each that still fits: into `max_passages` passages and `max_tokens` tokens by `count`.
    Left out are hits under `min_score`, and texts that are equal to a better one but for case and white space. Chunks
    that follow one another in a document become one passage, at the place and with the score of the better one. If
    not even the first hit fits, its first sentences are taken, so that there is evidence. A heading at the start of a
    passage is left to its label.
    """
    kept: list[Passage] = []
    seen: set[str] = set()
    for hit in hits:
        same = " ".join(hit.chunk.text.casefold().split())
        if same in seen or (min_score is not None and hit.score < min_score):
            continue
        seen.add(same)
        new = _passage(hit)
        grown = _insert(kept, new)
        if len(grown) <= max_passages and sum(count(passage.text) for passage in grown) <= max_tokens:
            kept = grown
        elif not kept and max_passages > 0:
            kept = [cut for cut in [_cut(new, max_tokens, count)] if cut.text]
    return Context(tuple(_without_heading(passage) for passage in kept))


def _passage(hit: Hit) -> Passage:
    chunk = hit.chunk
    return Passage(
        chunk.document, chunk.start, chunk.end, chunk.text, chunk.title, chunk.headings, chunk.page, hit.score
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
