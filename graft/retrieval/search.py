"""A query → ranked hits, as a line of small steps.

    correct → reword → lists → fuse → feedback → steps: boost, rerank, diversify, threshold

Every list is searched under the filter before anything is ranked, so a chunk outside it can neither be returned nor push
another one down; what comes after only reorders and drops. Each step is a function given at construction; without it,
it does not happen. Knows nothing of documents, prompts or how the index was built.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from graft.errors import BackendError
from graft.protocols import Embedder, Filter, Reading, Store, Vector
from graft.ranked import Listed
from graft.retrieval import fusion
from graft.retrieval.expansion import Wording, Written
from graft.retrieval.lists import hits as hits_of
from graft.retrieval.lists import reading
from graft.types import Hit, Usage

Mode = Literal["hybrid", "dense", "bm25"]
Correct = Callable[[str, Filter | None], str]
Reword = Callable[[Sequence[str]], Sequence[Written]]
Feedback = Callable[[str, Sequence[Hit]], Wording | None]
Step = Callable[[str, Sequence[Hit]], list[Hit]]
"""The question and its hits, best first, to hits, best first: reordered or fewer, never others."""

_KINDS = ("dense", "bm25")
_LISTS = {"hybrid": frozenset(_KINDS), "dense": frozenset({"dense"}), "bm25": frozenset({"bm25"})}


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Hits, best first. `timings` are seconds by stage ("embed", "search", and the steps taken by their name);
    `searched` the wordings, the question first; `usage` the tokens of a generator that reworded, and `failed` whether
    it gave nothing usable; `best_dense` the highest cosine of the question, as asked or as corrected, to any
    candidate."""

    hits: tuple[Hit, ...]
    timings: Mapping[str, float] = field(default_factory=dict)
    searched: tuple[str, ...] = ()
    usage: Usage = field(default_factory=Usage)
    failed: bool = False
    best_dense: float | None = None


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question on its way: what it is searched as, with the vector of each wording that needs one."""

    wordings: tuple[Wording, ...]
    vectors: Mapping[str, Vector]
    written: Written


class Searcher:
    """Searches one store. Safe to share between threads when its parts are.

    `candidates` is how deep each list goes before fusion. `steps` are taken in their order after it.
    """

    def __init__(
        self,
        store: Store,
        embedder: Embedder,
        *,
        mode: Mode = "hybrid",
        candidates: int = 100,
        fuse: fusion.Fuse = fusion.fuse,
        correct: Correct | None = None,
        reword: Reword | None = None,
        feedback: Feedback | None = None,
        steps: Mapping[str, Step] | None = None,
    ) -> None:
        self._store = store
        self._embedder = embedder
        self._kinds = _LISTS[mode]
        self._candidates = candidates
        self._fuse = fuse
        self._correct = correct
        self._reword = reword
        self._feedback = feedback
        self._steps = dict(steps or {})

    def search(self, query: str, k: int, where: Filter | None = None) -> SearchResult:
        """Return at most `k` hits for one query."""
        return self.search_batch([query], k, where)[0]

    def search_batch(self, queries: Sequence[str], k: int, where: Filter | None = None) -> list[SearchResult]:
        """Return one result a query, in order. What is done for all in one go is charged to each in equal shares."""
        clock = _Clock(share=max(len(queries), 1))
        with clock.stage("correct", taken=self._correct is not None):
            wordings = [[Wording(query), *self._corrected(query, where)] for query in queries]
        with clock.stage("reword", taken=self._reword is not None):
            written = self._reword(queries) if self._reword else [Written() for _ in queries]
        with clock.stage("embed"):
            both = [(*many, *one.wordings) for many, one in zip(wordings, written, strict=True)]
            asked = self._embedded(both, written)
        return [self._one(one, k, where, dict(clock.seconds)) for one in asked]

    def _corrected(self, query: str, where: Filter | None) -> list[Wording]:
        """Return the query with its spelling mended, as a wording beside it: a rare word may be right after all. In its
        place it costs up to 2 points of recall@5 on clean questions to small corpora, beside it none (docs/benchmarks.md).
        """
        meant = self._correct(query, where) if self._correct else query
        return [Wording(meant, "spelling")] if meant != query else []

    def _embedded(self, wordings: Sequence[tuple[Wording, ...]], written: Sequence[Written]) -> list[_Asked]:
        """Embed what is searched by vector: queries in one go, passages in another."""
        vectors: dict[tuple[bool, str], Vector] = {}
        for passage in (False, True):
            texts = list(dict.fromkeys(
                one.text for many in wordings for one in many
                if one.passage == passage and "dense" in one.lists & self._kinds
            ))  # fmt: skip
            if texts:
                made = self._embedder.encode(texts, query=not passage)
                vectors.update(zip(((passage, text) for text in texts), made, strict=True))
        return [
            _Asked(
                many,
                {
                    one.name: vectors[one.passage, one.text]
                    for one in many
                    if (one.passage, one.text) in vectors
                },
                how,
            )
            for many, how in zip(wordings, written, strict=True)
        ]

    def _one(self, asked: _Asked, k: int, where: Filter | None, seconds: dict[str, float]) -> SearchResult:
        clock = _Clock(seconds)
        depth = max(self._candidates, k)
        question, searched = asked.wordings[0].text, [one.text for one in asked.wordings]
        shares: dict[str, float] = {}
        # Steps may bring up what stands far down; without any, only what is returned is made.
        shown = None if self._feedback or self._steps else max(k, 0)
        with clock.stage("search"):
            source = reading(self._store)
            lists = self._lists(source, asked.wordings, asked.vectors, depth, where, shares)
            hits = self._fused(source, lists, depth, where, shares, shown)
        with clock.stage("feedback", taken=self._feedback is not None):
            more = self._feedback(question, hits) if self._feedback else None
            if more is not None:
                lists |= self._lists(source, (more,), {}, depth, where, shares)
                hits = self._fused(source, lists, depth, where, shares, shown)
                searched.append(more.text)
        for name, step in self._steps.items():
            with clock.stage(name):
                hits = step(question, hits)
        cosines = [float(lists[name].scores[0]) for name in ("dense", "dense/spelling")
                   if name in lists and len(lists[name])]  # fmt: skip
        return SearchResult(
            tuple(hits[: max(k, 0)]),
            clock.seconds,
            tuple(searched),
            asked.written.usage,
            asked.written.failed,
            max(cosines, default=None),
        )

    def _lists(
        self,
        source: Reading,
        wordings: Sequence[Wording],
        vectors: Mapping[str, Vector],
        depth: int,
        where: Filter | None,
        shares: dict[str, float],
    ) -> dict[str, Listed]:
        """Return the lists of some wordings, each within the filter, and note what share of its weight each gets."""
        found: dict[str, Listed] = {}
        for one in wordings:
            suffix = f"/{one.name}" if one.name else ""
            if one.name in vectors:
                found[f"dense{suffix}"] = source.dense(vectors[one.name], depth, where)
            if "bm25" in one.lists & self._kinds:
                found[f"bm25{suffix}"] = source.text(one.text, depth, where)
            shares |= {f"{kind}{suffix}": one.weight for kind in _KINDS}
        return found

    def _fused(
        self,
        source: Reading,
        lists: Mapping[str, Listed],
        depth: int,
        where: Filter | None,
        shares: Mapping[str, float],
        shown: int | None,
    ) -> list[Hit]:
        """Return the first so many fused rows as hits, None for all. Raises BackendError when the store has returned what
        the filter forbids: better no answer than another's secret."""
        fused = self._fuse(lists, depth, shares, source.ids)
        found = hits_of(Listed(fused.rows[:shown], fused.scores[:shown]), lists, source)
        if where is not None and not all(where.allows(hit.chunk) for hit in found):
            raise BackendError(
                "The store returned a passage that the filter forbids; nothing of this search is used.",
                "Run graft.testing's StoreConformance on the store.",
            )
        return found


class _Clock:
    """Seconds by stage. `share`: among how many questions a stage's time is divided."""

    def __init__(self, seconds: dict[str, float] | None = None, share: int = 1) -> None:
        self.seconds = seconds if seconds is not None else {}
        self._share = share

    @contextmanager
    def stage(self, name: str, *, taken: bool = True) -> Iterator[None]:
        """Time a stage; one that is not taken leaves no entry."""
        started = time.perf_counter()
        yield
        if taken:
            self.seconds[name] = (time.perf_counter() - started) / self._share
