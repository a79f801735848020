"""Comparisons on disk: the pointer to the last one, and what a comparison's folder holds, read back.

Every verb that builds on what was measured reads it here. No model is asked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graft.errors import DataError
from graft.workspace import Workspace, read_json, write_json

ROWS = "rows.jsonl"
"""Every answer of every variant with its scores, a JSON object a line."""
FILE = "comparison.json"
"""The comparison as `graft compare --json` prints it."""

Scores = Mapping[str, Mapping[str, float | None]]
"""Question id → metric → value."""


@dataclass(frozen=True, slots=True)
class Last:
    """The last comparison and its verdict in short; `variant` is None where none is recommended."""

    folder: Path
    kind: str
    variant: str | None
    questions: int
    report: str

    @property
    def key(self) -> str:
        """The comparison's name."""
        return self.folder.name


def last(workspace: Workspace) -> Last | None:
    """Return the last comparison that was finished, if there is one."""
    found = read_json(workspace.latest)
    if found is None:
        return None
    folder = workspace.comparisons / found["key"]
    return Last(folder, found["kind"], found["variant"], found["questions"], found["report"])


def point_to(workspace: Workspace, finished: Last) -> None:
    """Make a comparison the last one; called when everything in its folder is written."""
    write_json(
        workspace.latest,
        {
            "key": finished.key,
            "kind": finished.kind,
            "variant": finished.variant,
            "questions": finished.questions,
            "report": finished.report,
        },
    )


def read_comparison(folder: Path) -> dict[str, Any]:
    """Return a comparison as `--json` prints it; empty where its file is gone."""
    return read_json(folder / FILE) or {}


def read_rows(folder: Path) -> list[dict[str, Any]]:
    """Return a comparison's rows: {"variant", "question", "status", "answer", "scores": {metric: value}, …} each. Raises
    DataError when they cannot be read."""
    path = folder / ROWS
    try:
        return [_row(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path} cannot be read as the rows of a comparison: {error}.",
            f"Keep the folder of a comparison ({ROWS}, {FILE}) where it can be read.",
        ) from error


def _row(line: str) -> dict[str, Any]:
    row = json.loads(line)
    if not isinstance(row, dict) or not {"variant", "question", "scores"} <= row.keys():
        raise ValueError("a line is no answer with its scores")
    return row


def read_scores(folder: Path) -> dict[str, dict[str, Mapping[str, float | None]]]:
    """Return variant → question id → metric → value. Raises DataError when the rows cannot be read."""
    found: dict[str, dict[str, Mapping[str, float | None]]] = {}
    for row in read_rows(folder):
        found.setdefault(row["variant"], {})[row["question"]] = row["scores"]
    return found
