"""Public question sets → training rows with mined hard negatives.

    python -m recipes.reranker.data --data ../shared/data --work runs/reranker

Reads the training parts only of sets whose licence allows publishing what is made of them (CC BY, CC BY-SA, MIT,
Apache-2.0): nq-oracle, squad2, clapnq, hotpotqa, covid-qa and the adversarial_qa rows of p3-mini. Writes rows.jsonl.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from graft.backends.encoders.embed_minilm import MiniLMEmbedder
from graft.backends.stores.store_lancedb import LanceStore
from graft.protocols import Chunker, RankingRow
from graft.retrieval.chunks import DocumentChunker, StructureChunker
from graft.retrieval.index import Index
from graft.stages import quiet
from graft.tuning.pairs import mine
from graft.types import Chunk, Document, Hit
from graft.workspace import Workspace

NEGATIVES = 7
SEED = 0
QA = re.compile(
    r'^(?:Question: "(?P<q1>.+?)"\n\nContext: "(?P<c1>.+)"\n\nAnswer:'
    r'|I know that the answer to the question "(?P<q2>.+?)" is in "(?P<c2>.+)"\. Can you tell me what it is\?'
    r'|Given the following passage\n\n"(?P<c3>.+)",\n\nanswer the following question\..*?\n\nQuestion: (?P<q3>.+)'
    r"|Extract the answer to the question from the following context\.\nQuestion: (?P<q4>.+?)\nContext: (?P<c4>.+))$",
    re.DOTALL,
)


@dataclass(frozen=True)
class Asked:
    """A question, the documents that answer it, and where in them when known."""

    question: str
    documents: frozenset[str]
    at: int | None = None

    def is_gold(self, chunk: Chunk) -> bool:
        """Whether a chunk holds the answer, as far as the set tells."""
        return chunk.document in self.documents and (self.at is None or chunk.start <= self.at < chunk.end)


def read(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a gzipped JSONL file."""
    with gzip.open(path, "rt", encoding="utf-8") as handle:
        return [json.loads(line) for line in handle]


def public_set(folder: Path) -> tuple[list[Document], list[Asked]]:
    """Return the passages of a set and the answerable questions of its training part."""
    documents = [
        Document(row["id"], row["text"], row.get("title") or "") for row in read(folder / "corpus.jsonl.gz")
    ]
    asked = [
        Asked(row["question"], frozenset(row["relevant"]), row.get("answer_start") if folder.name == "covid-qa" else None)
        for row in read(folder / "queries-train.jsonl.gz")
        if row["relevant"] and row.get("answerable", True)
    ]  # fmt: skip
    return documents, asked


def adversarial(folder: Path) -> tuple[list[Document], list[Asked]]:
    """Return the passages and questions of adversarial_qa (CC BY-SA 4.0), out of their prompts."""
    documents: dict[str, Document] = {}
    asked = []
    for row in read(folder / "examples-train.jsonl.gz"):
        found = QA.match(row["input"].strip()) if row["task"] == "adversarial_qa" else None
        if found:
            text = next(found[f"c{n}"] for n in "1234" if found[f"c{n}"])
            question = next(found[f"q{n}"] for n in "1234" if found[f"q{n}"])
            known = documents.setdefault(text, Document(f"aqa-{len(documents):04}", text))
            asked.append(Asked(question.strip(), frozenset({known.id})))
    return list(documents.values()), asked


def rows(
    documents: list[Document], asked: list[Asked], chunker: Chunker, work: Path, embedder: MiniLMEmbedder
) -> Iterator[RankingRow]:
    """Index the documents and mine a row for every question with a passage that answers it."""
    workspace = Workspace(work)
    store = LanceStore(workspace.index / "lancedb")
    Index.open(workspace, store=store, embedder=embedder, chunker=chunker).update(documents, quiet)
    chunks: dict[str, list[Chunk]] = {}
    for chunk in store.chunks():
        chunks.setdefault(chunk.document, []).append(chunk)
    queries = embedder.encode([item.question for item in asked], query=True)
    for item, vector in zip(asked, queries, strict=True):
        gold = [
            chunk for name in sorted(item.documents) for chunk in chunks.get(name, []) if item.is_gold(chunk)
        ]
        if not gold:
            continue
        scores = embedder.encode([chunk.searchable for chunk in gold]) @ vector
        hits = _fused(store.search_dense(vector, 50), store.search_text(item.question, 50))
        # A question of two hops has two positives: each makes a row.
        chosen = range(len(gold)) if len(item.documents) > 1 else [int(np.argmax(scores))]
        for at in chosen:
            yield mine(
                item.question,
                gold[at],
                float(scores[at]),
                hits,
                is_gold=item.is_gold,
                count=NEGATIVES,
                seed=SEED,
            )


def _fused(dense: list[tuple[Chunk, float]], words: list[tuple[Chunk, float]]) -> list[Hit]:
    """Reciprocal rank fusion, keeping the cosine of those that have one."""
    total: dict[str, float] = {}
    for ranked in (dense, words):
        for rank, (chunk, _) in enumerate(ranked, start=1):
            total[chunk.id] = total.get(chunk.id, 0.0) + 1 / (60 + rank)
    held = {chunk.id: chunk for chunk, _ in (*dense, *words)}
    cosine = {chunk.id: {"dense": score} for chunk, score in dense}
    order = sorted(total, key=lambda name: (-total[name], name))
    return [Hit(held[name], total[name], scores=cosine.get(name, {})) for name in order]


def main() -> None:
    """Write the rows of all sets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    arguments = parser.parse_args()
    embedder = MiniLMEmbedder()
    lines = []
    for name in ("nq-oracle", "squad2", "clapnq", "covid-qa", "p3-mini", "hotpotqa"):
        folder = arguments.data / name
        documents, asked = adversarial(folder) if name == "p3-mini" else public_set(folder)
        chunker: Chunker = StructureChunker() if name == "covid-qa" else DocumentChunker()
        made = list(rows(documents, asked, chunker, arguments.work / name, embedder))
        print(f"{name}: {len(documents)} documents, {len(asked)} questions, {len(made)} rows", flush=True)
        lines += [json.dumps({"query": r.query, "positive": r.positive, "negatives": r.negatives, "set": name},
                             ensure_ascii=False) for r in made]  # fmt: skip
    arguments.work.mkdir(parents=True, exist_ok=True)
    (arguments.work / "rows.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


if __name__ == "__main__":
    main()
