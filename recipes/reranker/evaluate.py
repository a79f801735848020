"""Held-out questions: hybrid search with and without a reranker, or with another embedder.

    python -m recipes.reranker.evaluate --data ../shared/data --work runs/reranker --reranker runs/reranker/model
    python -m recipes.reranker.evaluate --data ../shared/data --work runs/reranker --embedder models/embedder-KEY

nDCG@10 and recall@5 by document, with the paired difference and its 95 % interval. No set's training part is read.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

from graft.backends.encoders.embed_minilm import MiniLMEmbedder
from graft.backends.encoders.rerank_cross_encoder import CrossEncoderReranker
from graft.backends.stores.store_lancedb import LanceStore
from graft.decision.statistics import paired_difference
from graft.evaluation.checks.ranking import ndcg, recall
from graft.retrieval.chunks import DocumentChunker
from graft.retrieval.index import Index
from graft.retrieval.refine import rerank
from graft.retrieval.search import Searcher
from graft.stages import quiet
from graft.types import Document, Hit
from graft.workspace import Workspace
from recipes.reranker.data import read

SETS = {"nfcorpus": "queries-test", "cisi": "queries", "clapnq": "queries-dev", "covid-faq": "queries",
        "hotpotqa": "queries-dev", "nq-oracle": "queries-dev"}  # fmt: skip
SEED = 0


def searcher(folder: Path, work: Path, embedder: MiniLMEmbedder) -> Searcher:
    """Index a set's documents and return hybrid search over them."""
    documents = [
        Document(row["id"], row["text"], row.get("title") or "") for row in read(folder / "corpus.jsonl.gz")
    ]
    workspace = Workspace(work)
    store = LanceStore(workspace.index / embedder.fingerprint / "lancedb")
    index = Index.open(workspace, store=store, embedder=embedder, chunker=DocumentChunker())
    index.update(documents, quiet)
    return Searcher(store, embedder)


def scores(found: list[list[Hit]], gold: list[dict[str, float]]) -> dict[str, list[float]]:
    """Return each question's metrics."""
    ranked = [[hit.chunk.document for hit in hits] for hits in found]
    return {
        "nDCG@10": [ndcg(ids, wanted, 10) for ids, wanted in zip(ranked, gold, strict=True)],
        "recall@5": [recall(ids, wanted, 5) for ids, wanted in zip(ranked, gold, strict=True)],
    }


def main() -> None:
    """Print a row a set and metric."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--reranker", default="")
    parser.add_argument("--embedder", default="")
    parser.add_argument("--depth", type=int, default=20)
    parser.add_argument("--questions", type=int, default=10_000)
    arguments = parser.parse_args()
    before = MiniLMEmbedder()
    after = MiniLMEmbedder(MiniLMEmbedder.Options(path=arguments.embedder)) if arguments.embedder else before
    reader = None
    if arguments.reranker:
        reader = CrossEncoderReranker(CrossEncoderReranker.Options(model=arguments.reranker, max_tokens=256))
    print("| set | questions | metric | hybrid | changed | difference (95 %) |\n|---|---|---|---|---|---|")
    for name in arguments.sets:
        rows = [row for row in read(arguments.data / name / f"{SETS[name]}.jsonl.gz") if row["relevant"]]
        rows = random.Random(SEED).sample(rows, min(arguments.questions, len(rows)))
        gold = [
            {one: float((row.get("grades") or {}).get(one, 1)) for one in row["relevant"]} for row in rows
        ]
        asked = [row["question"] for row in rows]
        plain = searcher(arguments.data / name, arguments.work / name, before)
        first = [list(result.hits) for result in plain.search_batch(asked, arguments.depth)]
        again = first
        if arguments.embedder:
            other = searcher(arguments.data / name, arguments.work / name, after)
            again = [list(result.hits) for result in other.search_batch(asked, arguments.depth)]
        if reader:
            again = [
                rerank(reader, query, hits, arguments.depth) for query, hits in zip(asked, again, strict=True)
            ]
        left, right = scores(first, gold), scores(again, gold)
        for metric in left:
            apart = paired_difference(right[metric], left[metric], seed=SEED)
            means = [sum(one[metric]) / len(rows) for one in (left, right)]
            bounds = f"{apart.value or 0:+.3f} [{apart.low or 0:+.3f}, {apart.high or 0:+.3f}]"
            print(
                f"| {name} | {len(rows)} | {metric} | {means[0]:.3f} | {means[1]:.3f} | {bounds} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
