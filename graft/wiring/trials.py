"""Measuring other [retrieval] settings of a project without touching its index.

A trial searches exactly as a variant would: the same parts, composed the same way, over a store that remembers its
lists; only a follow-up is always put into one query by the rule, whatever `condense` says. An index cut or embedded otherwise is built beside the project's own, below `.graft/optimize/`; what is embedded
for it goes into the project's cache, so that a winner costs nothing to build. Nothing here decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from graft import plugins
from graft.evaluation.checks.ranking import ndcg, recall
from graft.evaluation.checks.relevance import ranked_units, units
from graft.generation.followup import search_query
from graft.protocols import Progress, Store
from graft.retrieval.cache import EmbeddingCache
from graft.retrieval.index import Index
from graft.retrieval.optimize import Measured, Setting
from graft.retrieval.recorded import RecordedEmbedder, RecordedReranker, RecordedStore
from graft.settings import Backend, RetrievalSection
from graft.types import Context, Document, Question, content_hash
from graft.wiring.parts import Parts
from graft.wiring.retrieval import RetrievalParts

DEPTH = 200  # the deepest list that any setting asks for
RANKS = 10  # places of nDCG
BACKENDS = ("chunker", "embedder", "store", "reranker")


def as_setting(section: RetrievalSection) -> dict[str, Any]:
    """Return the table [retrieval] as plain values, as they would stand in TOML."""
    return {one.name: plain(getattr(section, one.name)) for one in fields(section)}


def plain(value: Any) -> Any:
    """Return a setting's value as TOML would hold it."""
    if isinstance(value, Backend):
        return {"name": value.name, **value.options}
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value


def as_section(base: RetrievalSection, setting: Setting) -> RetrievalSection:
    """Return the base with a setting's values put in."""
    made: dict[str, Any] = {
        key: Backend(value["name"], {k: v for k, v in value.items() if k != "name"})
        if key in BACKENDS and value is not None
        else value
        for key, value in setting.items()
    }
    return replace(base, **made)


@dataclass(frozen=True, slots=True)
class _Opened:
    """An index that trials search, and the embedder of its vectors."""

    store: RecordedStore
    embedder: RecordedEmbedder


class Trials:
    """Measures settings of one project over the same documents. `progress` hears of indexes being built, and may end that
    by raising: what was embedded is kept."""

    def __init__(self, parts: Parts, documents: Sequence[Document], progress: Progress) -> None:
        self._parts = parts
        self._documents = documents
        self.progress = progress
        self._count = lru_cache(maxsize=200_000)(parts.models.count_tokens)
        self._opened: dict[str, _Opened] = {}
        self._rerankers: dict[str, RecordedReranker] = {}

    @property
    def folder(self) -> Path:
        """Where the other indexes lie."""
        return self._parts.workspace.optimize / "index"

    def measure(self, setting: Setting, questions: Sequence[Question]) -> Measured:
        """Return nDCG@10 of the gold evidence among the passages shown, its recall, and the tokens shown."""
        contexts = self._contexts(as_section(self._parts.config.retrieval, setting), questions)
        objective, recalled, tokens = [], [], 0
        for question, context in zip(questions, contexts, strict=True):
            gold = units(question.evidence)
            ranking = ranked_units(context.passages, gold)
            wanted = {f"unit {number}": 1.0 for number in range(len(gold))}
            objective.append(ndcg(ranking, wanted, RANKS))
            recalled.append(recall(ranking, wanted, len(ranking)))
            tokens += sum(self._count(passage.text) for passage in context.passages)
        return Measured(tuple(objective), tuple(recalled), tokens / max(len(questions), 1))

    def to_embed(self, setting: Setting) -> int:
        """Return how many texts an index of this setting would still have to embed."""
        section = as_section(self._parts.config.retrieval, setting)
        retrieval = self._plain_parts(section)
        texts = {chunk.searchable for one in self._documents for chunk in retrieval.chunker.split(one)}
        cache = EmbeddingCache(self._parts.workspace.embeddings, retrieval.embedder.fingerprint)
        return len(texts) - len(cache.get(sorted(texts)))

    def same_index(self, one: Setting, other: Setting) -> bool:
        """Whether two settings cut and embed alike, however they are written."""
        base = self._parts.config.retrieval
        first, second = (self._plain_parts(as_section(base, setting)) for setting in (one, other))
        return self._key(first) == self._key(second)

    def _contexts(self, section: RetrievalSection, questions: Sequence[Question]) -> list[Context]:
        # The order in which passages stand in the prompt is the reader's matter; here the best come first.
        retrieval = self._plain_parts(replace(section, order="best-first"))
        opened = self._open(retrieval)
        retrieval.store = opened.store
        retrieval.embedder = opened.embedder
        if section.reranker is not None:
            key = repr(section.reranker)
            if key not in self._rerankers and retrieval.reranker is not None:
                self._rerankers[key] = RecordedReranker(retrieval.reranker)
            retrieval.reranker = self._rerankers[key]
        queries = [search_query(question.messages) for question in questions]
        return [found.context for found in retrieval.search()(queries)]

    def _plain_parts(self, section: RetrievalSection) -> RetrievalParts:
        parts = self._parts
        return RetrievalParts(section, parts.workspace, self._count, parts.models.write)

    def _key(self, retrieval: RetrievalParts) -> str:
        return content_hash(retrieval.chunker.fingerprint, retrieval.embedder.fingerprint)

    def _open(self, retrieval: RetrievalParts) -> _Opened:
        """Return the index for a setting's chunker and embedder, built if it is not there."""
        key = self._key(retrieval)
        if key not in self._opened:
            index = retrieval.index
            store: Store = retrieval.store
            if _is_stale(index, self._documents):
                choice = self._parts.config.retrieval.store
                store = plugins.build(
                    "store", choice.name, choice.options, folder=self.folder / key / choice.name, where="[retrieval.store]"
                )  # fmt: skip
                index = Index.open(
                    self._parts.workspace, store=store, embedder=retrieval.embedder, chunker=retrieval.chunker
                )
                index.update(self._documents, self.progress)
            self._opened[key] = _Opened(RecordedStore(store, DEPTH), RecordedEmbedder(retrieval.embedder))
        return self._opened[key]


def _is_stale(index: Index, documents: Sequence[Document]) -> bool:
    plan = index.plan(documents)
    return any(plan[what] for what in ("added", "changed", "deleted"))
