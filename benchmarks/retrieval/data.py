"""What the systems are measured on: public sets with judgements, a folder of files, and many chunks with vectors.

Vectors are made once, by GRAFT's embedder from the same weights that the peers load (bf16; cosine to float32 0.9999), so
that what differs between the systems is how they search. Everything is cached below the output folder.

    python benchmarks/retrieval/data.py --data ../shared/data --out runs/retrieval
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

QUALITY = {
    "nfcorpus": "queries-test", "cisi": "queries", "clapnq": "queries-dev", "hotpotqa": "queries-dev",
    "covid-faq": "queries",
}  # fmt: skip
SCALE_FROM = ("hotpotqa", "nfcorpus", "covid-qa", "clapnq", "cisi")
REAL_CHUNKS, CHUNK_WORDS = 20_000, 90
NOISE = 0.025


@dataclass(frozen=True)
class Texts:
    """Passages with ids and unit vectors."""

    ids: list[str]
    texts: list[str]
    vectors: np.ndarray


@dataclass(frozen=True)
class Queries:
    """Questions with vectors; `grades` is document id → gain, where the set has judgements."""

    texts: list[str]
    vectors: np.ndarray
    grades: list[dict[str, float]]


def read(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a gzipped JSONL file."""
    with gzip.open(path, "rt", encoding="utf-8") as handle:
        return [json.loads(line) for line in handle]


def titled(row: dict[str, Any]) -> str:
    return f"{row['title']}\n{row['text']}" if row["title"] else row["text"]


def embedded(texts: Sequence[str], cache: Path) -> np.ndarray:
    """Return the vectors of texts, made when the file is not there."""
    if cache.exists():
        return np.load(cache)
    from graft.backends.encoders.embed_minilm import MiniLMEmbedder

    embedder = MiniLMEmbedder()
    parts = [embedder.encode(texts[at : at + 512]) for at in range(0, len(texts), 512)]
    cache.parent.mkdir(parents=True, exist_ok=True)
    np.save(cache, np.concatenate(parts))
    return np.load(cache)


def judged(data: Path, out: Path, name: str) -> tuple[Texts, Queries]:
    """Return a set with judgements: a document is one passage, cut where the model's window ends."""
    corpus, asked = read(data / name / "corpus.jsonl.gz"), read(data / name / f"{QUALITY[name]}.jsonl.gz")
    asked = [row for row in asked if row["relevant"]]
    texts, questions = [titled(row) for row in corpus], [row["question"] for row in asked]
    grades = [
        {key: float(value) for key, value in (row.get("grades") or dict.fromkeys(row["relevant"], 1)).items()}
        for row in asked
    ]
    vectors = out / "vectors"
    return (
        Texts([row["id"] for row in corpus], texts, embedded(texts, vectors / f"{name}.npy")),
        Queries(questions, embedded(questions, vectors / f"{name}-queries.npy"), grades),
    )


def many(data: Path, out: Path, count: int) -> tuple[Texts, Queries]:
    """Return `count` chunks: 20,000 real ones, then copies of them that lack every seventh word or so and whose vectors
    are turned by an angle of about 26 degrees (cosine 0.90)."""
    ids, texts = [], []
    for name in SCALE_FROM:
        for row in read(data / name / "corpus.jsonl.gz"):
            words = row["text"].split()
            for at in range(0, len(words), CHUNK_WORDS):
                part = words[at : at + CHUNK_WORDS]
                if at == 0 or len(part) >= CHUNK_WORDS // 3:
                    ids.append(f"{name}-{row['id']}-{at}")
                    texts.append(f"{row['title']}\n{' '.join(part)}" if row["title"] else " ".join(part))
    ids, texts = ids[:REAL_CHUNKS], texts[:REAL_CHUNKS]
    vectors = embedded(texts, out / "vectors" / "chunks.npy")
    rng, made = np.random.default_rng(0), [vectors]
    for copy in range(1, -(-count // REAL_CHUNKS)):
        turned = vectors + NOISE * rng.standard_normal(vectors.shape, dtype=np.float32)
        made.append(turned / np.linalg.norm(turned, axis=1, keepdims=True))
        ids += [f"{copy}-{name}" for name in ids[:REAL_CHUNKS]]
        texts += [_thinned(text, rng) for text in texts[:REAL_CHUNKS]]
    asked = [row["question"] for name, split in (("nfcorpus", "queries-test"), ("hotpotqa", "queries-dev"), ("covid-qa", "queries-dev"))
             for row in read(data / name / f"{split}.jsonl.gz")[:100]]  # fmt: skip
    queries = Queries(asked, embedded(asked, out / "vectors" / "questions.npy"), [])
    return Texts(ids[:count], texts[:count], np.concatenate(made)[:count]), queries


def _thinned(text: str, rng: np.random.Generator) -> str:
    words = text.split()
    kept = rng.random(len(words)) < 0.85
    return " ".join(word for word, keep in zip(words, kept, strict=True) if keep) or text


def files(data: Path, out: Path, count: int) -> Path:
    """Return a folder with `count` text files, one abstract each."""
    folder = out / f"files-{count}"
    if not folder.exists():
        folder.mkdir(parents=True)
        for row in read(data / "nfcorpus" / "corpus.jsonl.gz")[:count]:
            (folder / f"{row['id']}.txt").write_text(titled(row), encoding="utf-8")
    return folder


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    for known in QUALITY:
        print(known, len(judged(given.data, given.out, known)[0].ids), flush=True)
    print("chunks", len(many(given.data, given.out, REAL_CHUNKS)[0].ids))
