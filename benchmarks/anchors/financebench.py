"""FinanceBench: 16 systems × 150 questions, every answer graded by people; how far our offline labels agree.

Reads `results/*.jsonl` of the released repository, a file a system: {"financebench_id", "model_name", "eval_mode", "temp",
"question", "gold_answer" (a text or a bare number), "model_answer", "label" (Correct Answer, Incorrect Answer, Refusal)} a
line; a mode that ends in _reverse has question and document the other way round in its prompt. Kappa, agreement and AUC are those of right against not right; intervals resample questions, all systems' answers
to one together.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.anchors.figures import Figure, auc, bootstrap, spearman
from graft.decision.inference.agreement import cohen_kappa
from graft.decision.inference.ppi import ppi_mean
from graft.decision.statistics import wilson
from graft.errors import DataError
from graft.evaluation.checks.abstention import is_abstention
from graft.evaluation.checks.correctness import RIGHT, correctness, token_f1
from graft.evaluation.checks.figures import numbers
from graft.evaluation.checks.text import content, tokens

FIELDS = {"financebench_id", "label", "gold_answer", "model_answer"}
OUTCOMES = {"correct": "right", "incorrect": "wrong", "refusal": "declined"}
KAPPA = {"all": 0.734, "a number": 0.875, "yes or no": 0.61, "free text": 0.69}
"""Published: our reference measurement on the 2,400 released labels."""
# Share right and wrong, counted from the released labels.
SYSTEMS = {
    "gpt-4-1106-preview closedBook": (0.093, 0.033), "gpt-4-1106-preview sharedStore": (0.193, 0.133),
    "gpt-4-1106-preview singleStore": (0.500, 0.113), "gpt-4-1106-preview inContext": (0.247, 0.360),
    "gpt-4-1106-preview inContext_reverse": (0.787, 0.173), "gpt-4-1106-preview oracle": (0.853, 0.147),
    "llama2 sharedStore": (0.193, 0.693), "llama2 singleStore": (0.413, 0.540),
}  # fmt: skip
LABELS = 50  # what somebody would label of a system's answers
_ANCHOR = "FinanceBench, agreement with people"


@dataclass(frozen=True)
class Graded:
    """One answer with its grade by people and ours. `kind` is that of the gold: a number, yes or no, free text."""

    question: str
    system: str
    kind: str
    human: str
    ours: str
    score: float
    f1: float


def read(folder: Path) -> list[Graded]:
    """Return the graded answers of a folder with the released result files."""
    files = sorted([*folder.glob("results/*.jsonl"), *folder.glob("*.jsonl")])
    rows = [
        (f"{path.name}:{number}", path.stem, json.loads(line))
        for path in files  # not splitlines: an answer may hold a line separator of its own
        for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1)
        if line.strip()
    ]
    return [_graded(where, stem, row) for where, stem, row in rows if set(row) >= FIELDS]


def _graded(where: str, stem: str, row: dict[str, object]) -> Graded:
    gold, said = str(row["gold_answer"]), str(row["model_answer"] or "")
    human = OUTCOMES.get(str(row["label"]).partition(" ")[0].casefold())
    if human is None:
        raise DataError(
            f"{where}: the label {row['label']!r} is none of {', '.join(OUTCOMES)}.",
            "Get the released file again.",
        )
    declines = is_abstention(said)
    plain = content(said)
    score = 0.0 if declines else correctness(plain, [gold])
    ours = "declined" if declines else "right" if score >= RIGHT else "wrong"
    # The file's name keeps what the row does not: the order of the prompt.
    name, _, mode = stem.partition("_")
    return Graded(str(row["financebench_id"]), f"{name} {mode}".strip(), _kind(gold), human, ours, score,
                  token_f1(plain, [gold]))  # fmt: skip


def _kind(gold: str) -> str:
    words = tokens(gold)
    if words and words[0] in {"yes", "no"}:
        return "yes or no"
    return "a number" if len(numbers(gold)) == 1 and len(words) <= 2 else "free text"


def figures(folder: Path) -> list[Figure]:
    """Return the figures of a folder with the released result files."""
    rows = read(folder)
    found = [_kappa(name, [row for row in rows if name in ("all", row.kind)]) for name in KAPPA]
    found += [_auc("correctness", rows, 0.926), _auc("token F1", rows, 0.671)]
    found += _abstention(rows)
    found += _systems(rows)
    found += _labelled(rows)
    return [figure for figure in found if figure.n]


def _units(rows: Sequence[Graded]) -> list[list[int]]:
    units: dict[str, list[int]] = {}
    for at, row in enumerate(rows):
        units.setdefault(row.question, []).append(at)
    return list(units.values())


def _kappa(name: str, rows: Sequence[Graded]) -> Figure:
    kappa = cohen_kappa(
        [row.human == "right" for row in rows],
        [row.ours == "right" for row in rows],
        [row.question for row in rows],
    )
    agree = "" if kappa.agreement is None else f" (agree {kappa.agreement:.3f})"
    return Figure(
        _ANCHOR,
        f"kappa, {name}{agree}",
        kappa.value,
        kappa.low,
        kappa.high,
        len(rows),
        KAPPA[name],
        "our own reference",
    )


def _auc(name: str, rows: Sequence[Graded], published: float) -> Figure:
    scores = np.array([row.score if name == "correctness" else row.f1 for row in rows])
    right = np.array([row.human == "right" for row in rows])

    def statistic(picked: NDArray[np.int64]) -> float:
        return auc(scores[picked], right[picked])

    value = auc(scores, right) if len(rows) else float("nan")
    return Figure(
        _ANCHOR, f"AUC of {name}", value if np.isfinite(value) else None, *bootstrap(statistic, _units(rows)), n=len(rows),
        published=published, source="our own reference",
    )  # fmt: skip


def _abstention(rows: Sequence[Graded]) -> list[Figure]:
    """Return precision and recall of the abstention pattern against people's refusals."""
    said = [row for row in rows if row.ours == "declined"]
    meant = [row for row in rows if row.human == "declined"]
    both = sum(row.human == "declined" for row in said)
    return [
        Figure(
            _ANCHOR,
            f"abstention, {name}",
            *wilson(both, len(of)),
            n=len(of),
            published=published,
            source="our own reference",
        )
        for name, of, published in (("precision", said, 0.925), ("recall", meant, 0.900))
    ]


def _systems(rows: Sequence[Graded]) -> list[Figure]:
    """Return how well the systems are ranked, and each one's share right by people beside the published count."""
    systems = list(dict.fromkeys(row.system for row in rows))
    people, ours, truth, offline = (
        np.array([np.mean([worth(getattr(row, who)) for row in rows if row.system == name]) for name in systems])
        for worth, who in (
            (lambda said: said == "right", "human"), (lambda said: said == "right", "ours"), (_truth, "human"), (_truth, "ours"),
        )
    )  # fmt: skip
    anchor = "FinanceBench, systems"
    found = []
    if len(systems) > 2:
        found = [
            Figure(anchor, "Spearman of accuracy", spearman(people, ours), n=len(systems), published=0.97, source="our own reference"),
            Figure(anchor, "mean error of accuracy", float(np.abs(people - ours).mean()), n=len(systems), published=0.038,
                   source="our own reference"),
            Figure(anchor, "Spearman of truthfulness", spearman(truth, offline), n=len(systems), published=0.96,
                   source="our own reference"),
        ]  # fmt: skip
    for name, share in zip(systems, people, strict=True):
        if name in SYSTEMS:
            own = [row for row in rows if row.system == name]
            n = len(own)
            for outcome, published in zip(("right", "wrong"), SYSTEMS[name], strict=True):
                given = sum(row.human == outcome for row in own)
                found.append(Figure(anchor, f"{name}: {outcome} by people", *wilson(given, n), n=n, published=published,
                                    source="released labels"))  # fmt: skip
            found.append(Figure(anchor, f"{name}: right by us", float(ours[systems.index(name)]), n=n, published=float(share),
                                source="people, here"))  # fmt: skip
    return found


def _truth(said: str) -> float:
    return {"right": 1.0, "declined": 0.0}.get(said, -1.0)


def _labelled(rows: Sequence[Graded]) -> list[Figure]:
    """Return what 50 labels beside 500 automatic grades bring, over random draws of the answers: coverage and width."""
    truth = np.array([row.human == "right" for row in rows], dtype=np.float64)
    score = np.array([row.ours == "right" for row in rows], dtype=np.float64)
    if len(rows) < 550:
        return []
    rng = np.random.default_rng(0)
    covered, with_scores, alone = [], [], []
    for _ in range(1000):
        picked = rng.permutation(len(rows))[:550]
        labelled, rest = picked[:LABELS], picked[LABELS:]
        both = ppi_mean(truth[labelled], score[labelled], score[rest])
        plain = ppi_mean(truth[labelled], np.zeros(LABELS), np.zeros(0))
        covered.append(both.low <= truth.mean() <= both.high)
        with_scores.append((both.high - both.low) / 2)
        alone.append((plain.high - plain.low) / 2)
    anchor, source = "FinanceBench, 50 labels + 500 automatic grades", "our own reference"
    measured = {
        "coverage of the 95 % interval": (covered, 0.951),
        "half-width with automatic grades": (with_scores, 0.094),
        "half-width of the labels alone": (alone, 0.138),
    }
    return [
        Figure(anchor, what, float(np.mean(values)), n=1000, published=published, source=source)
        for what, (values, published) in measured.items()
    ]
