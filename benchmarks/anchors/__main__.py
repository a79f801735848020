"""GRAFT's measures beside published figures, on data that is not part of this repository.

    python -m benchmarks.anchors --data FOLDER [--only ragchecker financebench bm25] [--json]

    FOLDER/ragchecker/human_labeled_data.json     and baseline_ragchecker.json, from RAGChecker's data/meta_evaluation
    FOLDER/financebench/results/*.jsonl           from FinanceBench's repository
    FOLDER/NAME/                                  BEIR sets, unpacked or as this project shares them; also in FOLDER/beir/

What is not there is skipped and said so. docs/anchors.md tells how to obtain each. "within" means that the published
figure lies in the 95 % interval of ours.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from pathlib import Path

from benchmarks.anchors import bm25, financebench, ragchecker
from benchmarks.anchors.figures import Figure, table

PARTS = ("ragchecker", "financebench", "bm25")


def measure(data: Path, part: str) -> tuple[list[Figure], str]:
    """Return the figures of one part, and what is missing for it."""
    if part == "ragchecker":
        folder = data / "ragchecker"
        there = (folder / ragchecker.FILE).exists()
        return (ragchecker.figures(folder), "") if there else ([], f"no {folder / ragchecker.FILE}")
    if part == "financebench":
        folder = data / "financebench"
        found = financebench.figures(folder) if folder.is_dir() else []
        return found, "" if found else f"no graded answers in {folder / 'results'}"
    found = [figure for folder in (data, data / "beir") for figure in bm25.figures(folder)]
    return found, "" if found else f"no BEIR set in {data} or {data / 'beir'}"


def main() -> None:
    """Measure what is there and print it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    figures: list[Figure] = []
    for part in arguments.only:
        started = time.perf_counter()
        found, missing = measure(arguments.data, part)
        figures += found
        print(f"{part}: {missing or f'{time.perf_counter() - started:.1f} s'}", file=sys.stderr)
    if arguments.json:
        print(
            json.dumps(
                [{**dataclasses.asdict(figure), "reading": figure.reading} for figure in figures], indent=1
            )
        )
    else:
        print(table(figures) or "Nothing to measure: see docs/anchors.md.")


if __name__ == "__main__":
    main()
