"""Decide a stored case and print the trace: python decide.py CASE.json … (see README.md for the format)."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from graft.decision.compare import compare
from graft.decision.recommending.recommend import Values, recommend
from graft.reporting.report import to_decision
from graft.types import Recommendation, Value

OUTCOMES = {"+": 1.0, "0": 0.0, "-": -1.0, "?": None}
FORMATS = {"y": 1.0, "n": 0.0, ".": None}


def _values(marks: str, meaning: dict[str, float | None]) -> list[Value]:
    return [Value(meaning[mark], "" if meaning[mark] is not None else "not scored") for mark in marks]


def decide(case: dict[str, Any]) -> Recommendation:
    """Return the verdict on one stored case."""
    scores: dict[str, dict[str, list[Value]]] = {
        name: {"truthfulness": _values(marks, OUTCOMES)} for name, marks in case["answers"].items()
    }
    for name, marks in case.get("formats", {}).items():
        scores[name]["format"] = _values(marks, FORMATS)
    n = len(next(iter(case["answers"].values())))
    questions = [f"q{index + 1:03d}" for index in range(n)]
    clusters = case.get("clusters", [""] * n)
    comparison = compare(scores, questions=questions, clusters=clusters, seed=case["seed"])
    return recommend(
        comparison,
        scores,
        questions=questions,
        clusters=clusters,
        costs=case["costs"],
        monthly=case.get("monthly"),
        queries_per_month=case.get("queries_per_month", 10_000),
        values=Values(**case.get("values", {})),
        seed=case["seed"],
    )


def text(case: dict[str, Any]) -> str:
    """Return what is printed for a case: the story, the verdict with its reasons, and every step that led to it."""
    return f"{case['story']}\n\n{to_decision(decide(case))}\n"


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        print(text(json.loads(Path(argument).read_text(encoding="utf-8"))), end="")
