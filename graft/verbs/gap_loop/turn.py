"""gaps --apply: train on the reviewed proposals, measure on held-out questions, keep it only if it is better.

The examples file and the adapter in use are not touched before the verdict: the candidate trains from a copy. New
documents have to be indexed to be measured; a note of them is written first, so that the next `graft gaps`, with --apply
or without, takes a killed turn back. Nothing that a held-out question asks may be trained on: the leak gate checks the
whole candidate set.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from graft.decision.turns import Change, level
from graft.errors import ConfigError, DataError, NotBuilt
from graft.evaluation.question_sets.questions import fingerprint
from graft.protocols import Progress
from graft.records import to_dict
from graft.tuning.examples import read_examples
from graft.tuning.leaks import refuse_leaks
from graft.types import Question
from graft.verbs.build import Tuning, read_documents
from graft.verbs.compare import held_out
from graft.verbs.gap_loop.measure import (
    UTILITY,
    check_measured,
    check_metric,
    columns,
    told,
    turn_changes,
    verdict,
)
from graft.verbs.gap_loop.proposals import Proposal, read_proposals
from graft.wiring.parts import Parts
from graft.workspace import append_lines, read_json, read_lines, write_json, write_text

TUNED_TO = {"base": "tuned", "rag": "hybrid", "tuned": "tuned", "hybrid": "hybrid"}
"""What a variant becomes when examples are applied to it."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn and its verdict. `before` and `after` name the variants that were measured, `changes` their figures on
    `questions` held-out questions, the deciding one first. `trained_on` are the examples of the candidate, all of them
    checked against the held-out questions."""

    number: int
    kept: bool
    metric: str
    before: str
    after: str
    changes: tuple[Change, ...]
    questions: int
    examples: int
    documents: int
    reason: str = ""
    trained_on: int = 0

    @property
    def verdict(self) -> str:
        """The verdict in one line, with the deciding figures."""
        word = "KEPT" if self.kept else "NOT KEPT, everything is as it was"
        return (
            f"{word}: {told(self.changes[0])} on {self.questions} held-out questions. {self.reason}".rstrip()
        )

    @property
    def text(self) -> str:
        """The verdict, then every figure."""
        made = [
            f"{count} {what}"
            for count, what in ((self.examples, "examples"), (self.documents, "documents"))
            if count
        ]
        lines = [
            self.verdict,
            f"Turn {self.number}: {' and '.join(made)} added; {self.before} before, {self.after} after; "
            f"paired intervals of {100 * level(self.number):.3g} %, one training seed.",
            *(f"  {told(change)}, {change.verdict}" for change in self.changes[1:]),
        ]
        if self.trained_on:
            lines.append(
                f"Leak gate: none of the {self.questions} held-out questions is among the {self.trained_on} examples."
            )
        if self.kept:
            lines.append(
                "Next: graft build (brings other adapters up to date), graft compare, graft release."
            )
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """The documented form for scripts."""
        return {
            **to_dict(self),
            "changes": [{**to_dict(one), "verdict": one.verdict} for one in self.changes],
        }


def apply(parts: Parts, file: Path, *, metric: str = UTILITY, progress: Progress) -> Turn:
    """Apply the reviewed proposals of a file and keep them if `metric` is better on the held-out questions.

    "utility" is what [decision] says answers are worth, format included. Raises ConfigError when nothing is reviewed or
    the metric is not measured here, LeakError when a proposal asks what a held-out question asks, DataError for a
    proposal that cannot be used and for questions on which the metric has no value.
    """
    check_metric(metric)
    with parts.workspace.lock("gaps"):
        return _apply(parts, file, metric, progress)


def _apply(parts: Parts, file: Path, metric: str, progress: Progress) -> Turn:
    restore(parts)
    chosen = [
        proposal for proposal in read_proposals(file) if proposal.reviewed and proposal.kind != "search"
    ]
    if not chosen:
        raise ConfigError(
            f"No proposal in {file} is reviewed.", 'Read it and set "reviewed": true where you agree.'
        )
    questions, _ = held_out(parts)
    number = _turns(parts, questions) + 1
    examples = [proposal for proposal in chosen if proposal.kind == "example"]
    documents = [proposal for proposal in chosen if proposal.kind == "document"]
    text = _with_examples(parts, examples, number)
    before = _before(parts, chosen)
    after = TUNED_TO[before] if examples else before
    copy = parts.workspace.gaps / str(number) / Path(parts.config.tuning.examples).name
    trained_on = 0
    if examples:
        write_text(copy, text)
        candidates = read_examples(copy)
        refuse_leaks(candidates, [(question.id, question.text) for question in questions])
        trained_on = len(candidates)
    old = columns(parts, before, None, questions, progress)
    check_measured(metric, old[metric])
    kept = False
    try:
        candidate = _candidate(parts, after, copy if examples else None, documents, progress)
        key = _train(candidate, after, progress) if examples else None
        new = columns(candidate, after, key, questions, progress)
        found = turn_changes(parts, metric, old, new, questions, number)
        kept, reason = verdict(parts, metric, found)
        if kept and examples:
            reason = f"{reason} {_left_out(parts, after)}".strip()
            write_text(parts.root / parts.config.tuning.examples, text)
            write_json(parts.workspace.adapter_pointer(after), {"key": key})
        if kept:
            parts.workspace.pending.unlink(missing_ok=True)
    finally:
        if not kept:
            restore(parts)
    turn = Turn(
        number=number, kept=kept, metric=metric, before=before, after=after, changes=found, questions=len(questions),
        examples=len(examples), documents=len(documents), reason=reason, trained_on=trained_on,
    )  # fmt: skip
    _log(parts, turn, questions, file)
    return turn


def _before(parts: Parts, chosen: Sequence[Proposal]) -> str:
    names = {proposal.variant for proposal in chosen}
    if len(names) > 1 or not names <= set(TUNED_TO):
        raise DataError(
            f"The proposals are about {', '.join(sorted(names))}.",
            "Apply the proposals of one variant at a time.",
        )
    name = names.pop()
    parts.variant(name)  # raises NotBuilt before anything is done
    return name


# --- what is tried -------------------------------------------------------------------------------------------------------


def _with_examples(parts: Parts, proposals: Sequence[Proposal], number: int) -> str:
    """Return the text of the examples file with the proposals behind it. Raises DataError for one without an answer."""
    path = parts.root / parts.config.tuning.examples
    if path.suffix == ".gz":
        raise ConfigError(f"{path.name} is compressed.", "Unpack it and name it in [tuning] examples.")
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    lines = []
    for proposal in proposals:
        if not proposal.output.strip():
            raise DataError(
                f"The proposal for {proposal.question} has no answer.",
                "Write its output, or set reviewed to false.",
            )
        asked: Mapping[str, Any] = (
            {"input": proposal.messages[0].content}
            if len(proposal.messages) == 1
            else {"messages": to_dict(proposal.messages)}
        )
        record = {"id": f"gap-{number}-{proposal.question}", **asked, "output": proposal.output,
                  "documents": list(proposal.documents)}  # fmt: skip
        lines.append(json.dumps(record, ensure_ascii=False))
    joint = "" if not text or text.endswith("\n") else "\n"
    return text + joint + "".join(f"{line}\n" for line in lines)


def _candidate(
    parts: Parts, after: str, examples: Path | None, documents: Sequence[Proposal], progress: Progress
) -> Parts:
    """Return the project's parts with the candidate's examples (None: the project's own) and the variant `after` among
    those that compete, and with the new documents written and indexed."""
    config = parts.config
    if examples:
        wanted = tuple(dict.fromkeys([*config.evaluation.variants, after]))
        config = replace(
            config,
            tuning=replace(config.tuning, examples=str(examples)),
            evaluation=replace(config.evaluation, variants=wanted),
        )
    if documents:
        _write_documents(parts, documents)
    made = Parts(config, parts.root, parts.workspace)
    if documents:
        made.retrieval.index.update(read_documents(made).documents, progress)
    return made


def _write_documents(parts: Parts, documents: Sequence[Proposal]) -> None:
    roots = [(parts.root / path).resolve() for path in parts.config.documents.paths]
    targets = {}
    for proposal in documents:
        path = (roots[0] / proposal.path).resolve()
        if not proposal.path or not any(path.is_relative_to(root) for root in roots):
            raise DataError(
                f"{proposal.path!r} is not inside the project's documents.", "Give a path below them."
            )
        if path.exists() or not proposal.output.strip():
            why = "exists already" if path.exists() else "has no text"
            raise DataError(f"The new document {proposal.path} {why}.", "Change the proposal.")
        targets[path] = proposal.output
    write_json(parts.workspace.pending, {"documents": [str(path) for path in targets]})
    for path, text in targets.items():
        write_text(path, text)


def _train(candidate: Parts, name: str, progress: Progress) -> str:
    """Train the candidate's adapter beside the one in use, and return its key."""
    known = frozenset(candidate.gold.document_lengths())
    tuning = Tuning(candidate, known)
    if name not in tuning.adapters:
        raise NotBuilt(f"{name} cannot be tuned here: {' '.join(tuning.notes)}", "See graft doctor.")
    tuning.train(name, progress, in_use=False)
    return tuning.key(name)


def restore(parts: Parts) -> None:
    """Take back the documents of a turn that was killed or not kept; nothing else is ever touched before a verdict. The
    caller holds the lock "gaps": the note of a turn that is running looks the same."""
    note = read_json(parts.workspace.pending)
    if note is None:
        return
    for name in note["documents"]:
        Path(name).unlink(missing_ok=True)
    fresh = Parts(parts.config, parts.root, parts.workspace)
    fresh.retrieval.index.update(read_documents(fresh).documents, lambda *_: None)
    parts.workspace.pending.unlink(missing_ok=True)


# --- the log -------------------------------------------------------------------------------------------------------------


def _turns(parts: Parts, questions: Sequence[Question]) -> int:
    """Return how many turns were judged on these questions."""
    mark = fingerprint(questions)
    return sum(line["held_out"] == mark for line in read_lines(parts.workspace.gaps / "turns.jsonl"))


def _left_out(parts: Parts, name: str) -> str:
    """Say when graft.toml keeps the variant that was just made out of comparisons."""
    if name in parts.config.evaluation.variants:
        return ""
    return f"Add {name} to [evaluation] variants, so that graft compare shows it."


def _log(parts: Parts, turn: Turn, questions: Sequence[Question], file: Path) -> None:
    record = {"created": datetime.now(UTC).isoformat(timespec="seconds"), "file": str(file), **turn.to_json(),
              "held_out": fingerprint(questions)}  # fmt: skip
    append_lines(parts.workspace.gaps / "turns.jsonl", [json.dumps(record, ensure_ascii=False)])
