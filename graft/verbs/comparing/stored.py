"""The rows of a stored comparison, read back: what check and the planning of questions rest on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from graft.errors import DataError

Scores = Mapping[str, Mapping[str, float | None]]
"""Question id → metric → value."""


def read_scores(path: Path) -> dict[str, dict[str, Mapping[str, float | None]]]:
    """Return variant → question id → metric → value from a comparison's rows.jsonl."""
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        found: dict[str, dict[str, Mapping[str, float | None]]] = {}
        for row in rows:
            found.setdefault(row["variant"], {})[row["question"]] = row["scores"]
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} cannot be read as the rows of a comparison: {error}.",
            "Keep the folder of a comparison (rows.jsonl, comparison.json) where it can be read.",
        ) from error
    return found
