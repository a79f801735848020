"""kill -9 at random moments of build and compare, on real parts: the next run completes, with an undisturbed run's results."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from graft import Project
from graft.records import to_dict

HANDBOOK = Path(__file__).parent.parent / "examples/handbook"
KILLS = 20
SETTINGS = """
[retrieval]
passages = 2
[tuning.trainer]
epochs = 1
rank = 4
[generation]
max_tokens = 24
[evaluation]
draws = 500
latency_questions = 2
batch_size = 4
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float, float]:
    """A small project, built and compared without disturbance, and the seconds that each took."""
    root = tmp_path_factory.mktemp("kill") / "undisturbed"
    shutil.copytree(HANDBOOK / "documents/people", root / "documents")
    head(HANDBOOK / "examples.jsonl", root / "examples.jsonl", 48)
    head(HANDBOOK / "questions.jsonl", root / "questions.jsonl", 10)
    (root / "graft.toml").write_text(SETTINGS, encoding="utf-8")
    return root, graft("build", root), graft("compare", root)


def head(source: Path, target: Path, lines: int) -> None:
    target.write_text(
        "\n".join(source.read_text(encoding="utf-8").splitlines()[:lines]) + "\n", encoding="utf-8"
    )


def graft(verb: str, root: Path, kill_after: float | None = None) -> float:
    """Run a verb in a process of its own; kill -9 it after so many seconds. Return the seconds that it ran."""
    started = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "graft", verb, str(root)], stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"})  # fmt: skip
    try:
        _, errors = process.communicate(timeout=kill_after)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
    else:
        assert process.returncode == 0, errors.decode()
    return time.monotonic() - started


def built(root: Path) -> dict[str, Any]:
    """All that a build makes, for comparing whole: chunks with their vectors' neighbours, and the adapters' weights."""
    parts = Project(root).parts
    vector = parts.retrieval.embedder.encode(["parental leave"], query=True)[0]
    return {
        "chunks": [to_dict(chunk) for chunk in parts.retrieval.store.chunks()],
        "nearest": [
            (chunk.id, round(score, 5)) for chunk, score in parts.retrieval.store.search_dense(vector, 10)
        ],
        "adapters": {
            name: (parts.models.adapter(name) / "adapter_model.safetensors").read_bytes()
            for name in ("tuned", "hybrid")
        },
    }


def figures(root: Path) -> dict[str, Any]:
    """All figures of the last comparison but what a clock measured."""
    latest = json.loads((root / ".graft/comparisons/latest.json").read_text(encoding="utf-8"))
    found = json.loads(
        (root / ".graft/comparisons" / latest["key"] / "comparison.json").read_text(encoding="utf-8")
    )
    clocked = ("latency", "ttft", "cost")  # and what begins so: percentiles, the cost of a right answer
    return {
        "variants": {
            name: {metric: value for metric, value in metrics.items() if not metric.startswith(clocked)}
            for name, metrics in found["variants"].items()
        },
        "contrasts": [row for row in found["contrasts"] if not row["metric"].endswith(("latency", "cost"))],
        "verdict": (found["verdict"]["kind"], found["verdict"]["variant"]),
    }


def test_a_build_killed_twenty_times_ends_where_an_undisturbed_one_does(
    undisturbed: tuple[Path, float, float], tmp_path: Path
) -> None:
    root, seconds, _ = undisturbed
    twin = tmp_path / "twin"
    shutil.copytree(root, twin, ignore=shutil.ignore_patterns(".graft"))
    draw = random.Random(1)
    for _ in range(KILLS):
        graft("build", twin, kill_after=draw.uniform(0.3, 1.0) * seconds)
    graft("build", twin)
    assert built(twin) == built(root)


def test_a_comparison_killed_twenty_times_ends_where_an_undisturbed_one_does(
    undisturbed: tuple[Path, float, float], tmp_path: Path
) -> None:
    root, _, seconds = undisturbed
    twin = tmp_path / "twin"
    shutil.copytree(root, twin)
    shutil.rmtree(twin / ".graft/runs")
    shutil.rmtree(twin / ".graft/comparisons")
    draw = random.Random(2)
    for _ in range(KILLS):
        graft("compare", twin, kill_after=draw.uniform(0.3, 1.0) * seconds)
    graft("compare", twin)
    assert figures(twin) == figures(root)
