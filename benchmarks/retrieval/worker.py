"""One system, one part of the benchmark, in a process of its own. Prints a JSON line for each measurement, so that what was
measured before a time limit is kept. Times are CPU seconds of the process and seconds on the clock.

    python worker.py graft scale --folder /tmp/x --inputs runs/retrieval/inputs/scale-20000.npz
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from system import LOOKUP, System, ndcg, of_name, recall

K = 10
QUERIES, SECONDS = 100, 30.0
ADDITIONS = 5


def say(measure: str, **values: Any) -> None:
    """Print one measurement."""
    print(json.dumps({"measure": measure, **values}), flush=True)


def timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """Return a result, CPU seconds and clock seconds."""
    cpu, clock = time.process_time(), time.perf_counter()
    return work(), time.process_time() - cpu, time.perf_counter() - clock


def spread(cpu: list[float], clock: list[float]) -> dict[str, float]:
    """Return medians and 95th percentiles in milliseconds, and the mean CPU time: where the CPU's clock ticks (every 4 ms on
    some virtual machines) that is the only one of its figures that says anything of a short call."""
    parts = {"cpu_p50": (cpu, 50), "cpu_p95": (cpu, 95), "clock_p50": (clock, 50), "clock_p95": (clock, 95)}
    found = {name: round(1000 * float(np.percentile(values, at)), 3) for name, (values, at) in parts.items()}
    return {**found, "cpu_mean": round(1000 * float(np.mean(cpu)), 3)}


def misspelt(query: str) -> str:
    """Swap the middle letters of the longest word."""
    word = max(query.split(), key=len)
    at = len(word) // 2
    return query.replace(word, word[: at - 1] + word[at] + word[at - 1] + word[at + 1 :]) if at else query


def peak_mb() -> int:
    """Return the process's greatest resident size."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def size_mb(folder: Path) -> float:
    """Return what lies in a folder."""
    return round(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**20, 1)


def searched(system: System, queries: list[str], k: int = K) -> dict[str, Any]:
    """Search until the queries or a minute of CPU are used up; the first one is not counted."""
    system.search(queries[-1], k)
    cpu, clock = [], []
    for query in queries[:QUERIES]:
        _, one, other = timed(lambda query=query: system.search(query, k))
        cpu.append(one)
        clock.append(other)
        if sum(cpu) > SECONDS:
            break
    return {"queries": len(cpu), **spread(cpu, clock)}


def ingest(system: System, given: argparse.Namespace) -> None:
    """Files to index, with the real model; then the time to embed a query."""
    files = len(list(given.files.glob("*.txt")))
    chunks, cpu, clock = timed(lambda: system.ingest(given.files, given.model))
    say("ingest", documents=files, chunks=chunks, cpu=round(cpu, 2), clock=round(clock, 2), peak_mb=peak_mb())
    queries = json.loads(given.inputs.with_suffix(".json").read_text())["queries"]
    system.embed(queries[0])
    times = [timed(lambda query=query: system.embed(query))[1:] for query in queries[1:61]]
    say("embed a query", **spread([one for one, _ in times], [other for _, other in times]))


def scale(system: System, given: argparse.Namespace) -> None:
    """Many chunks with given vectors: build, search, save, and one more chunk."""
    arrays = np.load(given.inputs)
    written = json.loads(given.inputs.with_suffix(".json").read_text())
    ids, texts, queries, vectors = written["ids"], written["texts"], written["queries"], arrays["vectors"]
    LOOKUP.learn(queries, arrays["queries"])
    _, cpu, clock = timed(lambda: system.add(ids, texts, vectors))
    say("index", chunks=len(ids), cpu=round(cpu, 2), clock=round(clock, 2))
    say("search", **searched(system, queries))
    wrong = [misspelt(query) for query in queries]
    LOOKUP.learn(wrong, arrays["queries"])
    say("search misspelt", **searched(system, wrong))
    _, cpu, clock = timed(system.save)
    say("save", cpu=round(cpu, 2), clock=round(clock, 2), disk_mb=size_mb(given.folder), peak_mb=peak_mb())
    cpus, clocks = [], []
    for number in range(ADDITIONS):
        text, vector = (
            f"zyxw{number} is a passage added later about subject {number}",
            vectors[number : number + 1],
        )
        LOOKUP.learn([text], vector)

        def one_more(text: str = text, vector: np.ndarray = vector, name: str = f"new{number}") -> bool:
            system.add([name], [text], vector)
            return name in system.search(text, K)

        found, cpu, clock = timed(one_more)
        cpus.append(cpu)
        clocks.append(clock)
        say("add", found=found, additions=len(cpus), **spread(cpus, clocks))
        if sum(cpus) > SECONDS:
            break


def cold(system: System, given: argparse.Namespace) -> None:
    """A new process over what `scale` saved: from its start to the first answer."""
    arrays = np.load(given.inputs)
    queries = json.loads(given.inputs.with_suffix(".json").read_text())["queries"]
    LOOKUP.learn(queries, arrays["queries"])
    before = time.process_time()  # what the inputs took is not the system's
    _, _, clock = timed(lambda: (system.open(), system.search(queries[0], K)))
    say("cold start", cpu=round(time.process_time() - before, 2), clock=round(clock, 2), peak_mb=peak_mb())


def quality(system: System, given: argparse.Namespace) -> None:
    """A set with judgements."""
    arrays = np.load(given.inputs)
    written = json.loads(given.inputs.with_suffix(".json").read_text())
    system.add(written["ids"], written["texts"], arrays["vectors"])
    LOOKUP.learn(written["queries"], arrays["queries"])
    gains, recalls = [], []
    for query, grades in zip(written["queries"], written["grades"], strict=True):
        found = system.search(query, K)
        gains.append(ndcg(found, grades))
        recalls.append(recall(found, grades))
    say(
        "quality",
        queries=len(gains),
        ndcg=round(float(np.mean(gains)), 4),
        recall=round(float(np.mean(recalls)), 4),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("system")
    parser.add_argument("part", choices=["ingest", "scale", "cold", "quality"])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--inputs", type=Path, required=True)
    parser.add_argument("--files", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--cpu-limit", type=int, default=600)
    asked = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_CPU, (asked.cpu_limit, asked.cpu_limit))
    os.environ.update(ANONYMIZED_TELEMETRY="False", HAYSTACK_TELEMETRY_ENABLED="False", HF_HUB_OFFLINE="1")
    asked.folder.mkdir(parents=True, exist_ok=True)
    chosen = of_name(asked.system, asked.folder)
    say("versions", **chosen.versions())
    {"ingest": ingest, "scale": scale, "cold": cold, "quality": quality}[asked.part](chosen, asked)
