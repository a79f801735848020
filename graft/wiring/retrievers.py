"""An embedder or a reranker fine-tuned on the project's own examples: rows, training, the folder it lies in.

A row is an example's input, the passage of its documents that supports its output, and passages that today's search
finds for it in other documents. The folder stands beside graft.toml, because the project file will name it; its
manifest is written last. Whether it is any good is not decided here.
"""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from graft import plugins
from graft.errors import ConfigError, DataError
from graft.evaluation.checks.abstention import is_abstention
from graft.generation.followup import search_query
from graft.protocols import Progress, RankingRow, RetrieverTrainer
from graft.tuning.pairs import mine
from graft.tuning.support import best_passage
from graft.types import Chunk, Example, Passage, content_hash
from graft.wiring.models import located
from graft.wiring.parts import Parts
from graft.workspace import read_json, write_json

Kind = Literal["embedder", "reranker"]
FOLDER = "models"
MANIFEST = "manifest.json"
FEWEST = 30  # rows; fewer teach the wording of a few passages
NEGATIVES = {"embedder": 2, "reranker": 5}
DEPTH = 60


@dataclass(frozen=True, slots=True)
class TunedRetriever:
    """A fine-tuned part: its table for graft.toml, where it lies, and what happened when it was trained."""

    kind: Kind
    table: dict[str, Any]
    folder: Path
    report: dict[str, Any]

    def remove(self) -> None:
        """Delete it: it was not better."""
        shutil.rmtree(self.folder, ignore_errors=True)


def tune(parts: Parts, kind: Kind, examples: Sequence[Example], progress: Progress) -> TunedRetriever:
    """Train on the examples that name their documents, or return the finished one of the same rows and settings.

    Raises DataError when too few of them can be used, ConfigError when today's embedder is not one that can be tuned.
    """
    section = parts.config.retrieval
    start = ""
    if kind == "embedder":
        if section.embedder.name != "minilm" or section.embedder.options.get("model"):
            raise ConfigError(f"The embedder {section.embedder.name!r} is not fine-tuned here.",
                              'Only minilm is, installed or from a folder: embedder = { name = "minilm" }.')  # fmt: skip
        start = str(located(section.embedder.options, parts.root).get("path", ""))
    rows = list(_rows(parts, kind, examples))
    if len(rows) < FEWEST:
        hint = 'Add examples with "documents" whose output a passage supports, or tune without --train.'
        raise DataError(
            f"Only {len(rows)} of {len(examples)} examples give a row to train the {kind} on.", hint
        )
    trainer: RetrieverTrainer = plugins.build("retriever_trainer", kind, {"start": start})
    seed = parts.config.project.seed
    made_of = [json.dumps(asdict(row), sort_keys=True) for row in rows]
    key = content_hash(kind, trainer.fingerprint, parts.retrieval.embedder.fingerprint, str(seed), *made_of)
    folder = parts.root / FOLDER / f"{kind}-{key}"
    manifest = read_json(folder / MANIFEST)
    if manifest is None:
        report = trainer.train(rows, folder, seed=seed, progress=progress)
        manifest = {"kind": kind, "key": key, "trainer": trainer.fingerprint,
                    "start": parts.retrieval.embedder.fingerprint, "seed": seed, "report": report}  # fmt: skip
        write_json(folder / MANIFEST, manifest)
    path = f"{FOLDER}/{folder.name}"
    if kind == "embedder":
        table = {"name": "minilm", **section.embedder.options, "path": path}
    else:
        table = {"name": "cross-encoder", "model": path}
    return TunedRetriever(kind, table, folder, manifest["report"])


def usable(examples: Sequence[Example]) -> list[Example]:
    """Return the examples that name what they rest on and do not abstain."""
    return [one for one in examples if one.documents and not is_abstention(one.output)]


def _rows(parts: Parts, kind: Kind, examples: Sequence[Example]) -> Iterator[RankingRow]:
    """Mine a row for every example of which one passage is known to be right."""
    retrieval = parts.retrieval
    chosen = usable(examples)
    chunks: dict[str, list[Chunk]] = defaultdict(list)
    for chunk in retrieval.store.chunks(sorted({name for one in chosen for name in one.documents})):
        chunks[chunk.document].append(chunk)
    queries = [search_query(one.messages) for one in chosen]
    found = retrieval.searcher().search_batch(queries, DEPTH) if queries else []
    vectors = retrieval.embedder.encode(queries, query=True)
    for one, query, result, vector in zip(chosen, queries, found, vectors, strict=True):
        positive = _positive(one, [chunk for name in one.documents for chunk in chunks[name]])
        if positive is None:
            continue
        score = float((retrieval.embedder.encode([positive.searchable]) @ vector)[0])
        named = frozenset(one.documents)
        yield mine(
            query, positive, score, result.hits, is_gold=lambda chunk, named=named: chunk.document in named,  # type: ignore[misc]
            count=NEGATIVES[kind], seed=parts.config.project.seed,
        )  # fmt: skip


def _positive(example: Example, chunks: Sequence[Chunk]) -> Chunk | None:
    """Return the chunk that supports the example's output, by its words; the only chunk, if there is only one."""
    if len(chunks) == 1:
        return chunks[0]
    passages = [
        Passage(chunk.document, chunk.start, chunk.end, chunk.text, chunk.title, chunk.headings)
        for chunk in chunks
    ]
    best = best_passage(example.output, passages)
    return None if best is None else chunks[passages.index(best)]
