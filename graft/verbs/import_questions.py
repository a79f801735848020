"""questions import: a question set in a common format → a questions file, checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graft.errors import ConfigError
from graft.evaluation.question_sets.importing import import_records
from graft.evaluation.question_sets.questions import check_questions, finding_lines, read_questions
from graft.records import to_dict
from graft.workspace import write_text


@dataclass(frozen=True, slots=True)
class Imported:
    """What was written where, what was understood of the file, and what would mislead about the questions."""

    path: Path
    questions: int
    unanswerable: int
    warnings: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The same for people."""
        told = f"Wrote {self.questions} questions, {self.unanswerable} of them unanswerable, to {self.path}."
        return "\n".join([told, *(f"  {line}" for line in (*self.notes, *self.warnings))])

    def to_json(self) -> dict[str, Any]:
        """The documented form for scripts."""
        return {**to_dict(self), "path": str(self.path)}


def import_questions(
    source: Path, target: Path, *, columns: Mapping[str, str] | None = None, force: bool = False
) -> Imported:
    """Import CSV, SQuAD JSON or JSON Lines; `columns` says what question, answers … are called there. Raises ConfigError when
    the target exists, DataError for rows that cannot be used; then nothing is written."""
    if target.exists() and not force:
        raise ConfigError(f"{target} exists.", "Choose another with --to, or overwrite it with --force.")
    read = import_records(source, columns)
    write_text(target, "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in read.records))
    questions = read_questions(target)
    findings = check_questions(questions)
    return Imported(
        target,
        len(questions),
        sum(not question.answerable for question in questions),
        finding_lines(findings),
        read.notes,
    )
