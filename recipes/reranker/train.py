"""Rows → the cross-encoder, with the product's own trainer.

    python -m recipes.reranker.train --work runs/reranker --out runs/reranker/model

The rows of one set are at most `--most`, so that trivia about a hundred passages do not outweigh real questions.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import defaultdict
from pathlib import Path

from graft.backends.trainers.train_reranker import RerankerTrainer
from graft.protocols import RankingRow

SEED = 0


def read_rows(path: Path, most: int) -> list[RankingRow]:
    """Return at most so many rows of each set, drawn with the fixed seed."""
    by_set: dict[str, list[RankingRow]] = defaultdict(list)
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        by_set[row["set"]].append(RankingRow(row["query"], row["positive"], tuple(row["negatives"])))
    rng = random.Random(SEED)
    return [row for rows in by_set.values() for row in rng.sample(rows, min(most, len(rows)))]


def main() -> None:
    """Train and print what happened."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--most", type=int, default=600)
    parser.add_argument("--negatives", type=int, default=3)
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    arguments = parser.parse_args()
    rows = read_rows(arguments.work / "rows.jsonl", arguments.most)
    options = RerankerTrainer.Options(negatives=arguments.negatives, learning_rate=arguments.learning_rate)
    started = time.monotonic()

    def progress(stage: str, done: int, total: int) -> None:
        if done % 20 == 0:
            print(f"{stage} {done}/{total} {time.monotonic() - started:.0f} s", flush=True)

    report = RerankerTrainer(options).train(rows, arguments.out, seed=SEED, progress=progress)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
