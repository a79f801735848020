"""The ranking steps of a project: which of them the table [retrieval] switches on, with their values.

Knows the settings; what it builds does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from weakref import WeakKeyDictionary

from graft.protocols import Embedder, Filter, Reranker, Store, Weighted
from graft.retrieval import expansion, fusion, refine
from graft.retrieval.diversity import diversify
from graft.retrieval.expansion import Write
from graft.retrieval.lists import reading
from graft.retrieval.search import Correct, Searcher, Step
from graft.retrieval.spelling import Vocabulary, correct
from graft.settings import RetrievalSection


def searcher(
    section: RetrievalSection,
    store: Store,
    embedder: Embedder,
    reranker: Reranker | None,
    write: Write,
) -> Searcher:
    """Return the search that the settings describe. `write` asks the configured generator."""
    way = section.reword
    return Searcher(
        store,
        embedder,
        mode=section.mode,
        candidates=section.candidates,
        fuse=partial(fusion.fuse, method=section.fusion, k=section.fusion_k, weights=section.weights),
        correct=corrector(store) if section.spelling else None,
        reword=None if way == "off" else lambda questions: expansion.rewrite(questions, write, way),
        feedback=expansion.feedback if section.feedback else None,
        steps=steps(section, reranker),
    )


def plain_bm25(section: RetrievalSection, store: Store, embedder: Embedder) -> Searcher:
    """Return the baseline: the BM25 list and nothing else."""
    return Searcher(store, embedder, mode="bm25", candidates=section.candidates)


def steps(section: RetrievalSection, reranker: Reranker | None) -> Mapping[str, Step]:
    """Return the steps after fusion, in their order."""
    made: dict[str, Step] = {}
    if section.boost:
        made["boost"] = lambda _, hits: refine.boost(hits, section.boost)
    if section.recency:
        made["freshen"] = lambda _, hits: refine.freshen(
            hits, section.recency, section.recency_days, section.recency_weight
        )
    if reranker is not None:
        weight = reranker.weight if isinstance(reranker, Weighted) else 1.0
        made["rerank"] = lambda query, hits: refine.rerank(reranker, query, hits, section.rerank, weight)
    if section.diversity:
        made["diversify"] = lambda _, hits: diversify(hits, section.diversity)
    if section.least:
        made["threshold"] = lambda _, hits: refine.keep_above(hits, section.least)
    return made


# Read once a store: graft optimize builds a searcher for every setting that it tries.
_VOCABULARIES: WeakKeyDictionary[Store, Vocabulary] = WeakKeyDictionary()


def corrector(store: Store) -> Correct:
    """Return the spelling step of a store. Its words are read at the first question with a word that the store lacks, and
    once: a word that was indexed later is asked of the store itself."""

    def vocabulary() -> Vocabulary:
        if store not in _VOCABULARIES:
            _VOCABULARIES[store] = Vocabulary.of(chunk.searchable for chunk in store.chunks())
        return _VOCABULARIES[store]

    def mend(query: str, where: Filter | None) -> str:
        source = reading(store)
        return correct(query, vocabulary, lambda word: source.holds(word, where))

    return mend
