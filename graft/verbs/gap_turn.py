"""gaps --apply: train on the reviewed proposals, measure on held-out questions, keep it only if it is better.

The examples file and the adapter in use are not touched before the verdict: the candidate trains from a copy. New
documents have to be indexed to be measured; a note of them is written first, so that a killed turn is taken back by the
next command. Nothing that a held-out question asks may be trained on: the leak gate checks the whole candidate set.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from graft.decision.resampling import Floats
from graft.decision.turns import Change, changes, level
from graft.decision.utility import Values, utilities
from graft.errors import ConfigError, DataError, NotBuilt, UnknownName
from graft.evaluation.metrics import metric_card, metric_names, score
from graft.evaluation.questions import fingerprint
from graft.evaluation.run import run
from graft.protocols import Progress
from graft.records import to_dict
from graft.tuning.examples import read_examples
from graft.tuning.leaks import refuse_leaks
from graft.types import Question, Value
from graft.verbs.build import Tuning, read_documents
from graft.verbs.compare import held_out
from graft.verbs.competitors import run_key
from graft.verbs.gap_file import Proposal, read_proposals
from graft.wiring.parts import ADAPTED, Parts
from graft.workspace import append_lines, read_json, read_lines, write_json, write_text

UTILITY = "utility"
TUNED_TO = {"base": "tuned", "rag": "hybrid", "tuned": "tuned", "hybrid": "hybrid"}
"""What a variant becomes when examples are applied to it."""
SHOWN = ("truthfulness", "correct", "wrong", "over_refusal", "abstain_recall", "format")


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn and its verdict. `before` and `after` name the variants that were measured, `changes` their figures on
    `questions` held-out questions, the deciding one first."""

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

    @property
    def verdict(self) -> str:
        """The verdict in one line, with the deciding figures."""
        word = "KEPT" if self.kept else "NOT KEPT, everything is as it was"
        return (
            f"{word}: {_told(self.changes[0])} on {self.questions} held-out questions. {self.reason}".rstrip()
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
            *(f"  {_told(change)}, {change.verdict}" for change in self.changes[1:]),
        ]
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


def _told(change: Change) -> str:
    if change.difference is None:
        return f"{change.metric} could not be measured"
    limits = "" if change.low is None or change.high is None else f" [{change.low:+.3f}, {change.high:+.3f}]"
    return f"{change.metric} {change.before:.3f} → {change.after:.3f} ({change.difference:+.3f}{limits})"


def apply(parts: Parts, file: Path, *, metric: str = UTILITY, progress: Progress) -> Turn:
    """Apply the reviewed proposals of a file and keep them if `metric` is better on the held-out questions.

    "utility" is what [decision] says answers are worth, format included. Raises ConfigError when nothing is reviewed,
    LeakError when a proposal asks what a held-out question asks, DataError for a proposal that cannot be used.
    """
    _check_metric(metric)
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
    if examples:
        write_text(copy, text)
        refuse_leaks(read_examples(copy), [(question.id, question.text) for question in questions])
    old = _columns(parts, before, None, questions, progress)
    kept = False
    try:
        candidate = _candidate(parts, copy if examples else None, documents, progress)
        key = _train(candidate, after, progress) if examples else None
        new = _columns(candidate, after, key, questions, progress)
        found = _changes(parts, metric, old, new, questions, number)
        kept, reason = _verdict(parts, metric, found)
        if kept and examples:
            write_text(parts.root / parts.config.tuning.examples, text)
            write_json(parts.workspace.adapter_pointer(after), {"key": key})
        if kept:
            parts.workspace.pending.unlink(missing_ok=True)
    finally:
        if not kept:
            restore(parts)
    turn = Turn(
        number, kept, metric, before, after, found, len(questions), len(examples), len(documents), reason
    )
    _log(parts, turn, questions, file)
    return turn


def _check_metric(metric: str) -> None:
    if metric != UTILITY and metric not in metric_names():
        raise UnknownName("metric", metric, [UTILITY, *metric_names()])


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
    parts: Parts, examples: Path | None, documents: Sequence[Proposal], progress: Progress
) -> Parts:
    """Return the project's parts with the candidate's examples (None: the project's own), and with the new documents
    written and indexed."""
    tuning = replace(parts.config.tuning, examples=str(examples)) if examples else parts.config.tuning
    if documents:
        _write_documents(parts, documents)
    made = Parts(replace(parts.config, tuning=tuning), parts.root, parts.workspace)
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
    """Take back the documents of a turn that was killed or not kept; nothing else is ever touched before a verdict."""
    note = read_json(parts.workspace.pending)
    if note is None:
        return
    for name in note["documents"]:
        Path(name).unlink(missing_ok=True)
    fresh = Parts(parts.config, parts.root, parts.workspace)
    fresh.retrieval.index.update(read_documents(fresh).documents, lambda *_: None)
    parts.workspace.pending.unlink(missing_ok=True)


# --- measuring and judging -----------------------------------------------------------------------------------------------


def _columns(
    parts: Parts, name: str, key: str | None, questions: Sequence[Question], progress: Progress
) -> dict[str, Floats]:
    """Run a variant on the held-out questions and return its metrics and its utility as columns."""
    answerer = parts.variant(name, adapter=key if name in ADAPTED else None)
    folder = parts.workspace.run(run_key(answerer, questions))
    size = parts.config.evaluation.batch_size
    rows = run(answerer, questions, folder, batch_size=size, latency_questions=0, progress=progress)
    scores = score(questions, rows, evidence_text=parts.gold.text)
    columns = {metric: _column(values) for metric, values in scores.items()}
    decision = parts.config.decision
    values = Values(decision.right, decision.wrong, decision.abstain, decision.format)
    answerable = np.array([question.answerable for question in questions])
    formats = np.where(answerable, columns["format"], np.nan)
    outcome = columns["truthfulness"]
    worth = utilities(outcome, formats, values)
    columns[UTILITY] = np.where(np.isnan(outcome), np.nan, worth)
    return columns


def _column(values: Sequence[Value]) -> Floats:
    return np.array([np.nan if one.value is None else one.value for one in values], dtype=np.float64)


def _changes(
    parts: Parts,
    metric: str,
    old: Mapping[str, Floats],
    new: Mapping[str, Floats],
    questions: Sequence[Question],
    number: int,
) -> tuple[Change, ...]:
    names = tuple(dict.fromkeys([metric, UTILITY, parts.config.evaluation.primary, *SHOWN]))
    lower = frozenset(name for name in names if name != UTILITY and metric_card(name).direction == "lower")
    return changes(
        {name: old[name] for name in names},
        {name: new[name] for name in names},
        [question.cluster for question in questions],
        turn=number,
        lower=lower,
        seed=parts.config.project.seed,
        draws=parts.config.evaluation.draws,
    )


def _verdict(parts: Parts, metric: str, found: Sequence[Change]) -> tuple[bool, str]:
    """Keep it when the deciding metric is shown to be better and, where that is not what answers are worth, utility has
    not fallen by the margin."""
    first = found[0]
    if first.verdict != "better":
        return False, {
            "worse": "It got worse.",
            "not shown": "Better is not shown: the interval holds zero.",
        }[first.verdict]
    worth = next(change for change in found if change.metric == UTILITY)
    margin = parts.config.decision.margin
    if metric != UTILITY and worth.difference is not None and worth.difference < -margin:
        return False, f"What the answers are worth fell by more than {margin:g}: {_told(worth)}."
    return True, ""


# --- the log -------------------------------------------------------------------------------------------------------------


def _turns(parts: Parts, questions: Sequence[Question]) -> int:
    """Return how many turns were judged on these questions."""
    mark = fingerprint(questions)
    return sum(line["held_out"] == mark for line in read_lines(parts.workspace.gaps / "turns.jsonl"))


def _log(parts: Parts, turn: Turn, questions: Sequence[Question], file: Path) -> None:
    record = {"created": datetime.now(UTC).isoformat(timespec="seconds"), "file": str(file), **turn.to_json(),
              "held_out": fingerprint(questions)}  # fmt: skip
    append_lines(parts.workspace.gaps / "turns.jsonl", [json.dumps(record, ensure_ascii=False)])
