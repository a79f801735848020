"""A small project on fakes: hashing embedder, in-memory store, echo generator. Real parts have their own tests."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

ON_FAKES = """
[project]
name = "small"
[retrieval]
embedder = "hashing"
store = "memory"
[generation]
model = "echo"
[evaluation]
draws = 500
latency_questions = 4
"""

DOCUMENTS = {
    "travel.md": "# Travel\n\nThe meal allowance is $45 per day.\n\n## Hotels\n\nBook hotels through Concur.\n",
    "leave.md": "---\ntitle: Leave\nteam: people\n---\n# Leave\n\nEmployees get 27 days of annual leave.\n",
    "it/laptops.txt": "Laptops are replaced every four years. Ask the service desk for a charger.\n",
}
QUESTIONS = [
    ("q1", "How much is the meal allowance?", ["$45"], "travel.md", "$45 per day"),
    ("q2", "How many days of annual leave do employees get?", ["27 days", "27"], "leave.md", "27 days"),
    ("q3", "How often are laptops replaced?", ["every four years"], "it/laptops.txt", "every four years"),
    ("q4", "What is the dress code in Lisbon?", [], None, None),
]


def jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write rows as JSONL."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def write_jsonl() -> Callable[[Path, list[dict[str, Any]]], Path]:
    return jsonl


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A project folder with three documents and four questions, on fakes."""
    root = tmp_path / "small"
    for name, text in DOCUMENTS.items():
        path = root / "documents" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    rows = []
    for identifier, question, answers, document, quote in QUESTIONS:
        row: dict[str, Any] = {
            "id": identifier,
            "question": question,
            "answers": answers,
            "answerable": bool(answers),
        }
        if document and quote:
            start = DOCUMENTS[document].index(quote)
            row["evidence"] = [{"document": document, "start": start, "end": start + len(quote)}]
        rows.append(row)
    jsonl(root / "questions.jsonl", rows)
    (root / "graft.toml").write_text(ON_FAKES, encoding="utf-8")
    return root


def edit(root: Path, old: str, new: str) -> None:
    """Change a project's graft.toml."""
    path = root / "graft.toml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
