"""RAGChecker's meta-evaluation: whether our long-form scores prefer the answer that people prefer.

Reads `human_labeled_data.json` (560 rows: 280 pairs of answers, two annotators each, one after the other; labels −2 … 2,
above 0 for the second) and, when they are there, the released scores of other evaluators (280 rows each, by `instance_id`). As
in the released meta_eval.py a score is the second answer's less the first's, a missing one the median, correlated with
all labels; intervals resample pairs, both annotators together.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.anchors.figures import Figure, Floats, bootstrap, pearson, spearman
from graft.evaluation.checks.correctness import token_f1
from graft.evaluation.checks.groundedness import Weights, inverse_frequency
from graft.evaluation.checks.longform import content_scores

FILE = "human_labeled_data.json"
ASPECTS = ("correctness", "completeness", "overall")
# Evaluator → its file, the key of its scores, and its score for an aspect ({} is the aspect).
RELEASED = {
    "RAGChecker": ("baseline_ragchecker.json", "ragchecker", "{}_label"),
    "RAGAS answer similarity": ("baseline_ragas_llama3.json", "ragas", "answer_similarity"),
}
# Spearman: GRAFT's reference measurements, then RAGChecker's own scores and people among themselves (recomputed from the
# released judgements), and RAGAS' as the paper gives it.
OURS = {"correctness": 0.440, "completeness": 0.600, "overall": 0.557}
THEIRS = {"correctness": 0.4694, "completeness": 0.5809, "overall": 0.6090}
RAGAS = {"correctness": 0.4321, "completeness": 0.6135, "overall": 0.5723}
PEOPLE = {"correctness": 0.5919, "completeness": 0.6836, "overall": 0.6889}


def figures(folder: Path) -> list[Figure]:
    """Return the figures of a folder with the released files."""
    rows = json.loads((folder / FILE).read_text(encoding="utf-8"))
    pairs: dict[Any, list[int]] = {}
    for at, row in enumerate(rows):
        pairs.setdefault(row["instance_id"], []).append(at)
    units = list(pairs.values())
    deltas = {**_deltas(rows), **_released(folder, rows)}
    found = []
    for aspect in ASPECTS:
        label = np.array([row[f"{aspect}_label"] for row in rows], dtype=np.float64)
        shown = {
            "correctness": ("idf-F1", OURS), "completeness": ("idf recall", OURS), "overall": ("content F1", OURS),
        }[aspect]  # fmt: skip
        for name, published, source in [
            (*shown, "our own reference"), ("token F1", {}, ""), ("RAGChecker", THEIRS, "released scores"),
            ("RAGAS answer similarity", RAGAS, "the paper"),
        ]:  # fmt: skip
            key = f"{name}, {aspect}" if name in RELEASED else name
            if key in deltas:
                found.append(_figure(aspect, name, deltas[key], label, units, published.get(aspect), source))
        found.append(_between(aspect, label, units))
    return found


def _deltas(rows: list[dict[str, Any]]) -> dict[str, Floats]:
    """Return score → second answer's less first's, a number a row."""
    weights = inverse_frequency(row["gt_answer"] for row in rows)
    flat = Weights()
    cache: dict[tuple[str, str], dict[str, float]] = {}

    def scores(said: str, gold: str) -> dict[str, float]:
        if (said, gold) not in cache:
            rare, plain = content_scores(said, [gold], weights), content_scores(said, [gold], flat)
            cache[said, gold] = {
                "idf-F1": rare.f1, "idf recall": rare.recall, "content F1": plain.f1, "token F1": token_f1(said, [gold]),
            }  # fmt: skip
        return cache[said, gold]

    pairs = [
        (
            scores(row["model1"]["response"], row["gt_answer"]),
            scores(row["model2"]["response"], row["gt_answer"]),
        )
        for row in rows
    ]
    return {name: np.array([second[name] - first[name] for first, second in pairs]) for name in pairs[0][0]}


def _released(folder: Path, rows: list[dict[str, Any]]) -> dict[str, Floats]:
    """Return evaluator and aspect → its differences, from the released scores that are there; a missing one is the median."""
    found = {}
    for name, (file, key, metric) in RELEASED.items():
        if not (folder / file).exists():
            continue
        scores = {row["instance_id"]: row for row in json.loads((folder / file).read_text(encoding="utf-8"))}
        for aspect in ASPECTS:
            first, second = (
                np.array(
                    [_score(scores[row["instance_id"]][model][key][metric.format(aspect)]) for row in rows]
                )
                for model in ("model1", "model2")
            )
            values = second - first
            found[f"{name}, {aspect}"] = np.where(np.isnan(values), np.nanmedian(values), values)
    return found


def _score(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _figure(
    aspect: str,
    name: str,
    delta: Floats,
    label: Floats,
    units: list[list[int]],
    published: float | None,
    source: str,
) -> Figure:
    def statistic(rows: NDArray[np.int64]) -> float:
        return spearman(delta[rows], label[rows])

    value = spearman(delta, label)
    return Figure(
        f"RAGChecker, {aspect} (Spearman with people)", f"{name} (Pearson {pearson(delta, label):.3f})", value,
        *bootstrap(statistic, units), n=len(units), published=published, source=source,
    )  # fmt: skip


def _between(aspect: str, label: Floats, units: list[list[int]]) -> Figure:
    """Return the correlation of the two annotators."""
    twice = [rows for rows in units if len(rows) == 2]
    one, other = (np.array([label[rows[at]] for rows in twice]) for at in (0, 1))

    def statistic(rows: NDArray[np.int64]) -> float:
        return spearman(one[rows], other[rows])

    return Figure(
        f"RAGChecker, {aspect} (Spearman with people)", f"one person with the other (Pearson {pearson(one, other):.3f})",
        spearman(one, other), *bootstrap(statistic, [[at] for at in range(len(twice))]), n=len(twice),
        published=PEOPLE[aspect], source="released labels",
    )  # fmt: skip
