"""questions hold-out: a share of the examples becomes held-out questions, for a project that has examples and nothing to
measure on.

Whole documents are drawn, so that no document teaches and tests; what asks the same as a drawn example leaves the
training data with it. Every line that leaves is kept in a file beside the examples.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graft.errors import ConfigError, DataError
from graft.evaluation.question_sets.matching import GRADING, fitting, nature
from graft.evaluation.question_sets.questions import read_questions
from graft.jsonl import lines
from graft.records import to_dict
from graft.tuning.examples import read_examples
from graft.tuning.leaks import find_leaks
from graft.types import Example, Match, content_hash
from graft.wiring.parts import Parts
from graft.workspace import write_text

KEPT = "examples-held-out.jsonl"
FEWEST_LEFT = 20
"""Examples below which there is too little left to train on."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """How many examples became questions, how many left with them because they ask the same, and how many stay; how
    the answers are graded, and what they are."""

    questions: int
    alike: int
    left: int
    match: Match
    nature: str
    path: Path
    kept: Path

    @property
    def text(self) -> str:
        """The same for people."""
        told = [
            f"Held out {self.questions} examples as questions in {self.path}; {self.left} are left to train on."
        ]
        if self.alike:
            told.append(
                f"  {self.alike} more ask the same as a held-out one and left the training data with it."
            )
        if self.match != "words":
            told.append(f"  {self.nature[0].upper()}{self.nature[1:]}: {GRADING[self.match]}.")
        return "\n".join(
            [*told, f"  The lines that left are kept in {self.kept}.", "Next: graft build, graft compare"]
        )

    def to_json(self) -> dict[str, Any]:
        """The documented form for scripts."""
        return {**to_dict(self), "path": str(self.path), "kept": str(self.kept)}


def hold_out(parts: Parts, share: float) -> HeldOut:
    """Move a share of the examples into the questions file. Raises ConfigError when there is one already or the share leaves
    nothing on one side, DataError when too little is left."""
    if not 0 < share < 1:
        raise ConfigError(f"A share of {share:g} cannot be held out.", "Give one between 0 and 1, e.g. 0.3.")
    source = parts.root / parts.config.tuning.examples
    target, kept = parts.root / parts.config.evaluation.questions, source.with_name(KEPT)
    if source.suffix == ".gz":
        raise ConfigError(f"{source.name} is packed, and would have to be written again.", "Unpack it first.")
    for path in (target, kept):
        if path.exists():
            raise ConfigError(
                f"{path} exists.", "Move it away to draw anew; held-out questions are drawn once."
            )
    examples = read_examples(source)
    chosen = _drawn(examples, share, str(parts.config.project.seed))
    rest = [example for example in examples if example.id not in chosen]
    drawn = list({example.id: example for example in examples if example.id in chosen}.values())
    leaks = find_leaks(rest, [(example.id, example.input) for example in drawn])
    alike = {leak.example for leak in leaks}
    left = sum(example.id not in alike for example in rest)
    if left < FEWEST_LEFT or not drawn:
        raise DataError(f"Of {len(examples)} examples {left} would be left to train on.",
                        f"Hold out less, or collect examples: at least {FEWEST_LEFT} must be left.")  # fmt: skip
    match = fitting([(example.input, example.output) for example in examples])
    gone = {int(example.where.rpartition(":")[2]) for example in examples if example.id in chosen | alike}
    numbered = list(lines(source, "examples", ""))
    write_text(kept, "".join(f"{line.rstrip()}\n" for number, line in numbered if number in gone))
    records = [_record(example, match) for example in drawn]
    write_text(target, "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))
    read_questions(target)
    write_text(source, "".join(f"{line.rstrip()}\n" for number, line in numbered if number not in gone))
    return HeldOut(
        len(drawn),
        len(gone) - len(drawn),
        left,
        match,
        nature(match, [one.output for one in examples]),
        target,
        kept,
    )


def _drawn(examples: Sequence[Example], share: float, seed: str) -> set[str]:
    """Return the ids of examples of whole documents, about the share of all; an example without documents stands alone."""
    groups: dict[str, list[str]] = {}
    for example in examples:
        groups.setdefault((example.documents or (example.id,))[0], []).append(example.id)
    names = sorted(groups, key=lambda name: content_hash(seed, "hold-out", name))
    chosen: set[str] = set()
    for name in names:
        if len(chosen) >= share * len(examples):
            break
        chosen.update(groups[name])
    return chosen


def _record(example: Example, match: Match) -> dict[str, Any]:
    asked: dict[str, Any] = (
        {"question": example.input}
        if len(example.messages) == 1
        else {"messages": [{"role": turn.role, "content": turn.content} for turn in example.messages]}
    )
    evidence = {"evidence": [{"document": name} for name in example.documents]} if example.documents else {}
    held = {"match": match} if match != "words" else {}
    return {"id": example.id, **asked, "answers": [example.output], **evidence, **held}
