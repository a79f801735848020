"""gaps: where a variant fails, by the first stage that broke, and what could be done about it, as a file for review.

Failures are looked for on development questions only, which are never measured; what is proposed comes from them and
from the documents. Nothing is changed: applying is gap_loop.turn's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from graft.decision.recommending.failures import CAUSES
from graft.errors import ConfigError, NotBuilt
from graft.evaluation.checks.abstention import is_abstention
from graft.evaluation.checks.correctness import RIGHT, correctness
from graft.evaluation.checks.formats import keeps_format
from graft.evaluation.metrics.catalogue import score
from graft.protocols import Progress
from graft.records import to_dict
from graft.reporting.notes import notes
from graft.settings import VARIANTS
from graft.tuning.drafts import HouseForm, draft, learn_form, wording
from graft.tuning.examples import read_examples
from graft.tuning.leaks import find_leaks
from graft.tuning.style import ABSTENTION
from graft.types import Evidence, Example, Question, Row
from graft.verbs.compare import held_out
from graft.verbs.comparing.causes import causes
from graft.verbs.comparing.competitors import rows_of
from graft.verbs.comparing.development import burn, development
from graft.verbs.comparing.stored import last, read_comparison
from graft.verbs.gap_loop.proposals import Proposal, read_proposals, write_proposals
from graft.verbs.gap_loop.turn import restore
from graft.verbs.release import current
from graft.wiring.neighbours import Neighbours
from graft.wiring.parts import Parts

FILE = "gaps.jsonl"
NEAREST = 5
# What examples can mend. The others are mended in the documents or in the search.
TRAINABLE = frozenset(
    {"format", "context ignored", "unsupported", "over-refusal", "should abstain", "knowledge gap"}
)


@dataclass(frozen=True, slots=True)
class Gaps:
    """Where `variant` failed on `asked` development questions, and where the proposals lie."""

    variant: str
    asked: int
    failures: Mapping[str, tuple[str, ...]]
    proposals: tuple[Proposal, ...]
    left_out: Mapping[str, int]
    root: Path
    file: Path
    readable: Path
    burnt: int = 0

    @property
    def text(self) -> str:
        """The same for people."""
        failed = sum(len(ids) for ids in self.failures.values())
        lines = [
            f"{self.variant} fails on {failed} of {self.asked} development questions, by the first stage that broke:"
        ]
        width = max((len(cause) for cause in self.failures), default=0)
        lines += [
            f"  {cause:<{width}}  {len(ids):>4}  {CAUSES.get(cause, '')}"
            for cause, ids in self.failures.items()
        ]
        kinds = Counter(proposal.kind for proposal in self.proposals)
        told = [f"{kinds['example']} examples to train on", f"{kinds['document']} documents to write",
                f"{kinds['search']} searches to look at"]  # fmt: skip
        lines.append(f"Proposed for review: {', '.join(told)}.")
        lines += [f"  left out: {count} {why}" for why, count in self.left_out.items() if count]
        if self.burnt:
            lines.append(
                f"{self.burnt} questions were taken out of the measurement for good and are development questions now."
            )
        lines += [
            f'Read {_here(self.readable)}, set "reviewed": true in {_here(self.file)} where you agree, then run:',
            f"  graft gaps {_here(self.root)} --apply {_here(self.file)}",
            "Nothing has been changed yet.",
        ]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """The documented form for scripts."""
        paths = {name: str(getattr(self, name)) for name in ("root", "file", "readable")}
        return {**to_dict(self), **paths}


def _here(path: Path) -> str:
    """Return a path as one would type it: relative where it lies below the working folder."""
    full = path.resolve()
    return str(full.relative_to(Path.cwd())) if full.is_relative_to(Path.cwd()) else str(full)


def gaps(
    parts: Parts,
    *,
    variant: str | None = None,
    burn_share: float | None = None,
    out: Path | None = None,
    force: bool = False,
    progress: Progress,
) -> Gaps:
    """Find the gaps of a variant (default: the released, else the recommended one) on the development questions.

    `burn_share` first takes that share of the held-out questions, whole documents, out of the measurement for good.
    Raises NotBuilt without development questions, ConfigError when the file holds reviewed proposals, WorkspaceError while
    a turn is running.
    """
    file = out or parts.root / FILE
    if file.exists() and not force and any(proposal.reviewed for proposal in read_proposals(file)):
        raise ConfigError(
            f"{file} holds reviewed proposals that would be lost.",
            f"Apply them (graft gaps --apply {file}), or overwrite them with --force.",
        )
    with parts.workspace.lock("gaps"):  # or the documents of a turn that is running would go
        restore(parts)
    burnt = burn(parts, burn_share) if burn_share is not None else 0
    questions = development(parts)
    if not questions:
        raise NotBuilt(
            f"There are no development questions ({parts.config.evaluation.development}).",
            "Write some, or take a share of the questions out of the measurement for good: graft gaps --burn 0.3.",
        )
    name = variant or _in_question(parts)
    rows = rows_of(parts, parts.variant(name), questions, progress)
    scores = score(questions, rows, evidence_text=parts.gold.text)
    failures = causes(questions, scores, parts.gold.document_lengths())
    proposals, left_out = _proposals(parts, name, questions, rows, failures)
    readable = write_proposals(file, proposals)
    return Gaps(name, len(questions), failures, proposals, left_out, parts.root, file, readable, burnt)


def _in_question(parts: Parts) -> str:
    """Return the variant to work on: the released, else the recommended one, else the best one still in question."""
    promoted = current(parts.workspace)
    if promoted is not None:
        return promoted.variant
    latest = last(parts.workspace)
    verdict = read_comparison(latest.folder).get("verdict", {}) if latest else {}
    chances = {name: share for name, share in verdict.get("probability_best", {}).items() if name in VARIANTS}
    found = verdict.get("variant") or max(chances, key=lambda name: chances[name], default=None)
    if found not in VARIANTS:
        raise NotBuilt(
            "No variant stands out yet.", "Run graft compare, or name one: graft gaps --variant rag."
        )
    return str(found)


# --- proposing -----------------------------------------------------------------------------------------------------------


def _proposals(
    parts: Parts,
    variant: str,
    questions: Sequence[Question],
    rows: Sequence[Row],
    failures: Mapping[str, tuple[str, ...]],
) -> tuple[tuple[Proposal, ...], dict[str, int]]:
    """Return a proposal for each failure, and how many were left out for which reason."""
    asked = {question.id: question for question in questions}
    answered = {row.question: row for row in rows}
    said = {row.question: row.answer.text if row.answer else f"({row.status})" for row in rows}
    forbidden = _forbidden(parts, [asked[name] for ids in failures.values() for name in ids])
    path = parts.root / parts.config.tuning.examples
    examples = read_examples(path) if path.exists() else ()
    form = learn_form([example.output for example in examples])
    near = Neighbours(examples, parts.retrieval.embedder)
    indexed = parts.gold.document_lengths()
    found = []
    for cause, ids in failures.items():
        kept = [asked[name] for name in ids if name not in forbidden]
        wanted = [question.text for question in kept] if cause in TRAINABLE else []
        neighbours = near.nearest(wanted, len(examples)) if wanted else [()] * len(kept)
        for question, examples_near in zip(kept, neighbours, strict=True):
            common = {"question": question.id, "cause": cause, "variant": variant, "messages": question.messages,
                      "said": said[question.id], "gold": question.answers}  # fmt: skip
            if cause in TRAINABLE:
                proposal = _example(parts, question, form, examples_near, common)
            else:
                proposal = _document(question, indexed, common)
            told = [f"What was answered: {note}." for note in notes(question, answered[question.id])]
            found.append(replace(proposal, notes=(*proposal.notes, *told)))
    return _once_a_document(found), dict(Counter(forbidden.values()))


def _once_a_document(proposals: Sequence[Proposal]) -> tuple[Proposal, ...]:
    """Return the proposals with one for each document that is missing; it names all questions that call for it."""
    asking: dict[str, list[str]] = {}
    for proposal in proposals:
        if proposal.kind == "document":
            asking.setdefault(proposal.path, []).append(proposal.messages[-1].content)
    kept = []
    for proposal in proposals:
        if proposal.kind != "document":
            kept.append(proposal)
        elif asked := asking.pop(proposal.path, None):
            note = f"Development questions that call for it ({len(asked)}): {' / '.join(asked)}"
            kept.append(replace(proposal, notes=(*proposal.notes, note)))
    return tuple(kept)


def _forbidden(parts: Parts, failing: Sequence[Question]) -> dict[str, str]:
    """Return development question → why nothing may be proposed from it: it would train on what is measured."""
    measured, _ = held_out(parts)
    as_examples = [Example(question.id, question.messages, "") for question in failing]
    leaks = find_leaks(as_examples, [(question.id, question.text) for question in measured])
    found = {leak.example: "that ask the same as a held-out question" for leak in leaks}
    spans = [piece for question in measured for piece in question.evidence]
    for question in failing:
        if question.id not in found and any(_overlap(a, b) for a in question.evidence for b in spans):
            found[question.id] = "whose passage a held-out question asks about"
    return found


def _overlap(a: Evidence, b: Evidence) -> bool:
    """Whether two pieces of evidence share text; without spans nothing is known, and the same document is no overlap."""
    if a.document != b.document or None in (a.start, a.end, b.start, b.end):
        return False
    assert a.start is not None
    assert a.end is not None
    assert b.start is not None
    assert b.end is not None
    return a.start < b.end and b.start < a.end


def _example(
    parts: Parts, question: Question, form: HouseForm, near: Sequence[Example], common: Mapping[str, Any]
) -> Proposal:
    """Draft the answer that should have been given, in the form of the examples."""
    if question.answerable:
        evidence = [text for piece in question.evidence if (text := parts.gold.text(piece))]
        said = wording(question.answers, evidence, lambda text: correctness(text, question.answers) >= RIGHT)
    else:
        said = ABSTENTION
    drafted = draft(form, said, [example.output for example in _telling(question, near)])
    notes = drafted.notes
    if question.answerable and is_abstention(drafted.output):
        notes = (*notes, "No reference answer is known: write it.")
    elif question.answerable and said == question.answers[0]:
        notes = (*notes, "No sentence of the documents says this: put the bare answer into one.")
    if question.format and not keeps_format(question.format, drafted.output):
        notes = (*notes, "It does not keep the question's format contract: put it into that form.")
    documents = tuple(dict.fromkeys(piece.document for piece in question.evidence))
    return Proposal("example", output=drafted.output, documents=documents, notes=notes, **common)


def _telling(question: Question, near: Sequence[Example]) -> list[Example]:
    """Return the examples that say best which of the fixed lines belongs to a question: the nearest of those on the same
    document, else of those in the same folder, else of all."""
    own = {question.cluster, *(piece.document for piece in question.evidence)}
    folders = {name.rpartition("/")[0] for name in own if "/" in name}
    same = [example for example in near if own & set(example.documents)]
    beside = [
        example for example in near if folders & {name.rpartition("/")[0] for name in example.documents}
    ]
    return (same or beside or list(near))[:NEAREST]


def _document(question: Question, indexed: Mapping[str, int], common: Mapping[str, Any]) -> Proposal:
    """Ask for the document that is missing, or for a look at a search that did not find what is there."""
    missing = [piece.document for piece in question.evidence if piece.document not in indexed]
    if missing:
        note = f"{missing[0]} is not in the index. If it exists, add it; if not, write what it should say."
        return Proposal("document", path=missing[0], notes=(note,), **common)
    places = [
        piece.document if piece.start is None else f"{piece.document}, characters {piece.start}–{piece.end}"
        for piece in question.evidence
    ]
    note = (
        f"The answer stands in {'; '.join(places)} and was not among the passages shown. Compare its words with those of "
        "the question: a heading or a sentence in the asker's words helps, and so do more passages or a reranker."
    )
    return Proposal(
        "search", documents=tuple(piece.document for piece in question.evidence), notes=(note,), **common
    )
