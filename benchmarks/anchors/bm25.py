"""BM25 on BEIR sets: GRAFT's own lexical search, and run files of other systems, beside the published rows.

Reads a set as BEIR packs it (corpus.jsonl, queries.jsonl, qrels/test.tsv) or as this project shares it (corpus.jsonl.gz,
queries-test.jsonl.gz with `relevant` and `grades`). Files `runs/*.trec` beside a set are scored with the same measures. As in
BEIR a document whose id is the query's is left out, MS MARCO is its dev split, a query without any relevant document scores 0,
and CQADupStack is the mean of its subforums (no interval is given for that).
"""

from __future__ import annotations

import csv
import gzip
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.anchors.figures import Figure
from graft import plugins
from graft.decision.statistics import mean_interval
from graft.evaluation.checks.ranking import average_precision, mrr, ndcg, recall
from graft.types import Chunk

# nDCG@10: Lucene k1 .9 b .4, the same with k1 1.5 b .75 (bm25s), Elasticsearch; all from the bm25-benchmarks table.
PUBLISHED = {
    "arguana": (40.8, 49.3, 47.7), "cqadupstack": (28.2, 29.9, 29.8), "climate-fever": (16.2, 13.6, 17.8),
    "dbpedia-entity": (31.9, 29.9, 31.1), "fiqa": (23.8, 25.1, 25.3), "fever": (63.8, 48.1, 62.0), "hotpotqa": (62.9, 56.9, 58.6),
    "msmarco": (22.8, 21.9, 22.1), "nfcorpus": (31.8, 32.1, 34.4), "nq": (30.5, 28.5, 31.6), "quora": (78.7, 80.4, 80.6),
    "scidocs": (15.0, 15.8, 16.3), "scifact": (67.6, 68.7, 69.0), "trec-covid": (58.9, 62.3, 68.0),
    "webis-touche2020": (44.2, 33.1, 35.4),
}  # fmt: skip
SPLIT = {"msmarco": "dev"}  # of all others "test"
SOURCES = ("Lucene .9/.4", "bm25s 1.5/.75", "Elasticsearch")
DEPTH = 100
Ranking = Mapping[str, list[str]]


@dataclass(frozen=True)
class BeirSet:
    """Documents, test queries and graded relevance; where its run files lie."""

    name: str
    """The published set; that of a subforum is its path, "cqadupstack/android"."""
    documents: Mapping[str, str]
    queries: Mapping[str, str]
    relevant: Mapping[str, Mapping[str, float]]
    runs: tuple[Path, ...] = ()


def sets(folder: Path) -> Iterator[BeirSet]:
    """Yield every set of a folder that is published and can be read."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.name in PUBLISHED and path.is_dir():
            found = _shared(path) if (path / "queries-test.jsonl.gz").exists() else _beir(path, path.name)
            if found is not None:
                yield found
            else:
                parts = (
                    _beir(part, f"{path.name}/{part.name}")
                    for part in sorted(path.iterdir())
                    if part.is_dir()
                )
                yield from (part for part in parts if part is not None)


def _shared(path: Path) -> BeirSet:
    asked = {row["id"]: row for row in _lines(path / "queries-test.jsonl.gz")}
    relevant = {
        name: {doc: float(row.get("grades", {}).get(doc, 1)) for doc in row["relevant"]}
        for name, row in asked.items()
    }
    queries = {name: row["question"] for name, row in asked.items()}
    documents = {row["id"]: _text(row) for row in _lines(path / "corpus.jsonl.gz")}
    return BeirSet(path.name, documents, queries, relevant, _runs(path))


def _beir(path: Path, name: str) -> BeirSet | None:
    corpus, queries = path / "corpus.jsonl", path / "queries.jsonl"
    qrels = path / "qrels" / f"{SPLIT.get(name, 'test')}.tsv"
    if not all(file.exists() for file in (corpus, queries, qrels)):
        return None
    relevant: dict[str, dict[str, float]] = {}
    with qrels.open(encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle, delimiter="\t"):
            judged = relevant.setdefault(row["query-id"], {})
            if float(row["score"]) > 0:
                judged[row["corpus-id"]] = float(row["score"])
    asked = {row["_id"]: row["text"] for row in _lines(queries) if row["_id"] in relevant}
    return BeirSet(name, {row["_id"]: _text(row) for row in _lines(corpus)}, asked, relevant, _runs(path))


def _text(row: Mapping[str, Any]) -> str:
    return "\n".join(part for part in (row.get("title", ""), row.get("text", "")) if part)


def _runs(path: Path) -> tuple[Path, ...]:
    return tuple(sorted((path / "runs").glob("*.trec")))


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    opener: Any = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as handle:
        for line in handle:
            if line.strip():
                yield json.loads(line)


def figures(folder: Path) -> list[Figure]:
    """Return nDCG@10 and company of every set of a folder, by GRAFT's BM25 and by the run files beside the set."""
    found: list[Figure] = []
    parts: dict[tuple[str, str], list[Figure]] = {}
    for one in sets(folder):
        for system, ranking in (
            ("GRAFT BM25", search(one)),
            *((path.stem, read_run(path)) for path in one.runs),
        ):
            figures_of = scored(one, system, ranking)
            whole, _, part = one.name.partition("/")
            if part:
                parts.setdefault((whole, system), []).append(figures_of[0])
            found += figures_of
    for (whole, system), means in parts.items():
        found += _beside(whole, f"BM25 on {whole}, mean of {len(means)} parts", system, _mean(means))
    return found


def _mean(figures: Sequence[Figure]) -> Figure:
    values = [figure.value for figure in figures if figure.value is not None]
    return replace(
        figures[0],
        value=sum(values) / len(values),
        low=None,
        high=None,
        n=sum(figure.n for figure in figures),
    )


def _beside(name: str, anchor: str, system: str, measured: Figure) -> list[Figure]:
    """Return nDCG@10 beside each published row of a set; as it is for a part, of which nothing is published."""
    what = f"{system}, nDCG@10"
    if name not in PUBLISHED:
        return [replace(measured, anchor=anchor, what=what)]
    return [
        replace(measured, anchor=anchor, what=what, published=value / 100, source=source)
        for value, source in zip(PUBLISHED[name], SOURCES, strict=True)
    ]


def search(one: BeirSet) -> dict[str, list[str]]:
    """Return the ranking of GRAFT's lexical search for every query; a document is one passage."""
    chunks = [Chunk(name, name, 0, len(text), text) for name, text in one.documents.items() if text]
    embedder = plugins.build("embedder", "hashing")
    with tempfile.TemporaryDirectory() as folder:
        store = plugins.build("store", "lancedb", folder=Path(folder) / "store")
        vectors = np.zeros((len(chunks), embedder.dimension), dtype=np.float32)  # BM25 looks at words only
        store.replace({chunk.document: "1" for chunk in chunks}, chunks, vectors)
        store.optimize()
        return {
            name: [chunk.document for chunk, _ in store.search_text(text, DEPTH) if chunk.document != name]
            for name, text in one.queries.items()
        }


def read_run(path: Path) -> dict[str, list[str]]:
    """Read a TREC run file: query, Q0, document, rank, score, tag; ranked by score, ties by id as trec_eval has them."""
    rows: dict[str, list[tuple[float, str]]] = {}
    for line in path.read_text(encoding="utf-8").rstrip("\n").split("\n"):
        query, _, document, _, score, *_ = line.split()
        if document != query:
            rows.setdefault(query, []).append((float(score), document))
    return {query: [document for _, document in sorted(found, reverse=True)] for query, found in rows.items()}


def scored(one: BeirSet, system: str, ranking: Ranking) -> list[Figure]:
    """Return the figures of one ranking: nDCG@10 beside each published row, then recall@100, MRR@10 and MAP@100."""
    columns: dict[str, list[float]] = {"nDCG@10": [], "recall@100": [], "MRR@10": [], "MAP@100": []}
    for name in one.queries:
        ranked, gold = ranking.get(name, []), one.relevant[name]
        columns["nDCG@10"].append(ndcg(ranked, gold, 10))
        columns["recall@100"].append(recall(ranked, gold, 100))
        columns["MRR@10"].append(mrr(ranked, gold, 10))
        columns["MAP@100"].append(average_precision(ranked, gold, 100))
    anchor, n = f"BM25 on {one.name} ({len(one.documents):,} documents)", len(one.queries)
    intervals = {name: mean_interval(values, draws=2000, seed=0) for name, values in columns.items()}
    return _beside(one.name, anchor, system, Figure(anchor, "", *intervals["nDCG@10"], n=n)) + [
        Figure(anchor, f"{system}, {name}", *interval, n=n)
        for name, interval in intervals.items()
        if name != "nDCG@10"
    ]
