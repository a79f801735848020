"""The retrieval half of a project: loaders, chunker, embedder, store, index and search, each built when it is first needed.

Sees the table [retrieval] and hands each part only the values it needs. Knows nothing of generators.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache, cached_property
from typing import Any

from graft import plugins
from graft.generation.variant import Retrieved
from graft.protocols import Chunker, Embedder, Filter, Loader, Reranker, Store
from graft.retrieval.context import assemble
from graft.retrieval.expansion import Write
from graft.retrieval.index import Index
from graft.retrieval.rounds import search_in_rounds
from graft.retrieval.search import Searcher, SearchResult
from graft.settings import Backend, Mode, RetrievalSection
from graft.types import Chunk, Context, Hit, content_hash
from graft.wiring import ranking
from graft.wiring.models import located
from graft.wiring.versions import UNBUILT, Versions
from graft.workspace import Workspace

Count = Callable[[str], int]
KEPT = 20
"""Hits that an answer keeps of its search: ten are ranked (nDCG@10), and about 15 of 100 words fill 2,000 tokens."""


class RetrievalParts:
    """What finds evidence. `count` gives the tokens of a text for the model that will read the passages, `write` what it
    replies to a prompt. `version` names the index below the workspace; default: the one in service."""

    def __init__(
        self, section: RetrievalSection, workspace: Workspace, count: Count, write: Write, version: str = ""
    ) -> None:
        self._section = section
        self._workspace = workspace
        self.version = version or Versions(workspace).current() or UNBUILT
        self._count = count
        self._write = write

    @cached_property
    def loaders(self) -> dict[str, Loader]:
        """File suffix → loader, over all registered loaders."""
        found: dict[str, Loader] = {}
        for name in plugins.names("loader"):
            loader = plugins.build("loader", name)
            found.update(dict.fromkeys(loader.suffixes, loader))
        return found

    @cached_property
    def chunker(self) -> Chunker:
        """What cuts documents."""
        return self._backend("chunker", self._section.chunker)  # type: ignore[no-any-return]

    @cached_property
    def embedder(self) -> Embedder:
        """What turns text into vectors."""
        return self._backend("embedder", self._section.embedder)  # type: ignore[no-any-return]

    @cached_property
    def store(self) -> Store:
        """Where chunks and vectors lie."""
        choice = self._section.store
        folder = self._workspace.index / self.version / choice.name
        return plugins.build("store", choice.name, choice.options, folder=folder, where="[retrieval.store]")  # type: ignore[no-any-return]

    @cached_property
    def reranker(self) -> Reranker | None:
        """The second look at the best hits, if one is configured."""
        choice = self._section.reranker
        return None if choice is None else self._backend("reranker", choice)

    @cached_property
    def index(self) -> Index:
        """The index over the store."""
        return Index.open(self._workspace, store=self.store, embedder=self.embedder, chunker=self.chunker,
                          name=self.version)  # fmt: skip

    @property
    def identity(self) -> str:
        """Hash of all that makes the index: another one is another version of it."""
        store = self._section.store
        options = repr(sorted(store.options.items()))
        return content_hash(self.chunker.fingerprint, self.embedder.fingerprint, store.name, options)

    def searcher(self, mode: Mode | None = None) -> Searcher:
        """The search that the settings describe, or the plain list that a baseline searches."""
        if mode == "bm25":
            return ranking.plain_bm25(self._section, self.store, self.embedder)
        section = replace(self._section, mode=mode) if mode else self._section
        return ranking.searcher(section, self.store, self.embedder, self.reranker, self._write)

    def search(
        self, *, mode: Mode | None = None, where: Filter | None = None, k: int | None = None
    ) -> Callable[[Sequence[str]], list[Retrieved]]:
        """Return queries → contexts, as a variant wants it. `where` can only narrow the settings' own filter."""
        searcher = self.searcher(mode)
        allowed = narrowed(self._section.where, where)
        passages = k or self._section.passages
        deep = max(KEPT, 2 * passages)
        rounds = 1 if mode == "bm25" else self._section.rounds

        def found(query: str, result: SearchResult) -> Retrieved:
            hits, usage, timings = result.hits, result.usage, dict(result.timings)
            fallbacks = int(result.failed)
            if rounds > 1:
                started = time.perf_counter()
                gone = search_in_rounds(
                    query, hits, lambda another: searcher.search(another, deep, allowed).hits, self._write,
                    rounds=rounds, max_tokens=self._section.round_tokens,
                )  # fmt: skip
                hits, usage = gone.hits, usage + gone.usage
                fallbacks += gone.stopped == "failed"
                timings["rounds"] = time.perf_counter() - started
            # Twice as many as are shown: near-duplicates and neighbours are merged on the way.
            context = self.context(hits[: 2 * passages], passages, allowed)
            ranking = tuple(hit.reference() for hit in hits[:KEPT])
            return Retrieved(context, timings, result.best_dense, usage, fallbacks, ranking)

        def find(queries: Sequence[str]) -> list[Retrieved]:
            results = searcher.search_batch(queries, deep, allowed)
            return [found(query, result) for query, result in zip(queries, results, strict=True)]

        return find

    def context(
        self, hits: Sequence[Hit], passages: int | None = None, allowed: Filter | None = None
    ) -> Context:
        """The passages that a model is shown of these hits; widened only over what `allowed` lets be seen."""
        section = self._section

        @cache  # several hits of a document are widened over the same chunks
        def siblings(document: str) -> list[Chunk]:
            chunks = self.store.chunks([document])
            return [chunk for chunk in chunks if allowed is None or allowed.allows(chunk)]

        return assemble(hits, max_passages=passages or section.passages, max_tokens=section.passage_tokens,
                        count=self._count, order=section.order, siblings=siblings)  # fmt: skip

    def fingerprint(self, mode: Mode | None = None) -> str:
        """Hash of all that decides what a search returns: the indexed content, the search settings, the reranker."""
        settings = replace(self._section, mode=mode) if mode else self._section
        reranker = self.reranker.fingerprint if self.reranker is not None else ""
        return content_hash(self.index.fingerprint, repr(settings), reranker)

    def _backend(self, kind: str, choice: Backend) -> Any:
        options = located(choice.options, self._workspace.root.parent)
        return plugins.build(kind, choice.name, options, where=f"[retrieval.{kind}]")


def narrowed(own: Mapping[str, Any], asked: Filter | None) -> Filter | None:
    """Join the project's own rule with a caller's: a passage must satisfy both, so a caller can only narrow."""
    if not own:
        return asked
    rule = Filter.of(own)
    return rule if asked is None else rule.narrowed(asked)
