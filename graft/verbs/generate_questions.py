"""questions generate: synthetic questions from the project's own documents, filtered, flagged and versioned.

By the configured generator where it passes its own filters, else by rule (cloze), and the result says which. They go
into a file of their own, are tagged "synthetic" and stand in a stratum of their own: a level on them says little about
people's questions.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from graft.errors import ConfigError, NotBuilt
from graft.evaluation.checks.abstention import is_abstention
from graft.evaluation.question_sets.questions import fingerprint, read_questions
from graft.evaluation.question_sets.synthetic import cloze_questions, clozes, in_turns, unanswerable_clozes
from graft.evaluation.question_sets.written import Sieve, write_answerable, write_from_two, write_unanswerable
from graft.generation import prompts
from graft.protocols import Progress
from graft.records import to_dict
from graft.tuning.examples import read_examples
from graft.tuning.leaks import find_leaks
from graft.types import Chunk, Context, Example, Message, Question
from graft.verbs.comparing.development import development
from graft.wiring.parts import Parts
from graft.workspace import write_json, write_text

How = Literal["auto", "written", "cloze"]
FILE = "questions-synthetic.jsonl"
PROBE = 8
# A generator that fewer than a quarter of its first questions pass would be filtered for hours, and what is left would
# be its luck.
CAPABLE = 0.25
MOST_TRIES = 4
_QUESTION_TOKENS = 160


@dataclass(frozen=True, slots=True)
class GeneratedQuestions:
    """What was written where. `how` is "written" or "cloze"; `fallen` counts what the filters took out; `note` says why
    it was the rule and not the generator."""

    path: Path
    how: str
    questions: int
    unanswerable: int
    multi_document: int
    documents: int
    fallen: Mapping[str, int]
    version: str
    note: str = ""

    @property
    def text(self) -> str:
        """The same for people."""
        by = {"written": "written by the configured generator", "cloze": "cloze questions made by rule"}[
            self.how
        ]
        lines = [
            f"Wrote {self.questions} synthetic questions to {self.path}: {by}, about {self.documents} documents; "
            f"{self.unanswerable} unanswerable, {self.multi_document} from two documents.",
        ]
        if self.note:
            lines.append(self.note)
        if self.fallen:
            lines.append(f"Left out: {', '.join(f'{count} {why}' for why, count in self.fallen.items())}.")
        if self.how == "cloze":
            lines.append(
                "Cloze questions repeat the words of their passage: they flatter retrieval and test reading of names and "
                "numbers only. Collect people's questions as soon as you can."
            )
        lines.append(
            'They are tagged "synthetic" and form a stratum of their own. To measure on them: name the file in '
            "[evaluation] questions, or add its lines to your questions file."
        )
        lines.append(
            f"Version {self.version} (questions, documents, generator and seed): {self.path}.manifest.json"
        )
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """The documented form for scripts."""
        return {**to_dict(self), "path": str(self.path)}


def generate_questions(
    parts: Parts,
    *,
    to: Path | None = None,
    count: int = 100,
    unanswerable: float = 0.2,
    multi_document: float = 0.1,
    how: How = "auto",
    force: bool = False,
    progress: Progress,
) -> GeneratedQuestions:
    """Make about `count` questions from the indexed documents, these shares of them unanswerable and from two documents.

    Raises NotBuilt without an index, ConfigError when the target exists or the shares leave nothing.
    """
    target = to or parts.root / FILE
    if target.exists() and not force:
        raise ConfigError(f"{target} exists.", "Choose another with --to, or overwrite it with --force.")
    if count < 1 or unanswerable < 0 or multi_document < 0 or unanswerable + multi_document >= 1:
        raise ConfigError(
            "The shares must be at least 0 and leave some questions.", "For example 0.2 and 0.1."
        )
    chunks = list(parts.retrieval.store.chunks())
    if not chunks:
        raise NotBuilt("Nothing is indexed yet.", "Run graft build.")
    wanted = {"unanswerable": round(count * unanswerable), "multi": round(count * multi_document)}
    wanted["answerable"] = count - wanted["unanswerable"] - wanted["multi"]
    note, fallen = "", Counter[str]()
    made: list[Question] | None = None
    if how != "cloze":
        made, fallen = _written(parts, chunks, wanted, progress, insist=how == "written")
        if made is None:
            told = ", ".join(f"{number} {why}" for why, number in fallen.items())
            note = f"The configured generator does not write questions that pass the filters (of its first {PROBE}: {told})."
            fallen = Counter()
    by = "cloze" if made is None else "written"
    if made is None:
        found = clozes(chunks)
        seed = parts.config.project.seed
        made = [
            *cloze_questions(found, count - wanted["unanswerable"], seed=seed),
            *unanswerable_clozes(chunks, wanted["unanswerable"], seed=seed),
        ]
    kept = _fresh(parts, made, fallen)
    if not kept:
        raise ConfigError("The documents gave no question that passes the filters.", "Write some by hand.")
    return _stored(parts, target, kept, by, fallen, note)


# --- written by the generator ------------------------------------------------------------------------------------------


class _Writer:
    """The configured generator, as the filters ask it."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._generator = parts.models.generator()
        self.name = self._generator.fingerprint[:8]

    def ask(self, instructions: Sequence[str]) -> list[str]:
        return self._said([[Message("user", text)] for text in instructions], _QUESTION_TOKENS)

    def answer(self, asked: Sequence[tuple[str, Context | None]]) -> list[str]:
        generation = self._parts.config.generation
        built = [prompts.build(question, context, generation.instructions) for question, context in asked]
        return self._said(built, generation.max_tokens)

    def search(self, queries: Sequence[str]) -> list[Context]:
        return [found.context for found in self._parts.retrieval.search()(queries)] if queries else []

    def _said(self, built: Sequence[Sequence[Message]], most: int) -> list[str]:
        if not built:
            return []
        seed = self._parts.config.project.seed
        return [one.text for one in self._generator.generate(built, max_tokens=most, seed=seed)]


def _written(
    parts: Parts, chunks: Sequence[Chunk], wanted: Mapping[str, int], progress: Progress, *, insist: bool
) -> tuple[list[Question] | None, Counter[str]]:
    """Return the questions that passed and what fell; None when too few of the first ones pass, unless one insists."""
    writer = _Writer(parts)
    order = in_turns(
        chunks, lambda chunk: chunk.document, lambda chunk: chunk.text, parts.config.project.seed
    )
    first = write_answerable(
        order[:PROBE], writer.ask, writer.answer, is_abstention=is_abstention, by=writer.name
    )
    fallen = first.fallen
    if len(first.kept) < CAPABLE * PROBE and not insist:
        return None, fallen
    options: dict[str, Any] = {"is_abstention": is_abstention, "by": writer.name}
    makers: dict[str, Callable[[Sequence[Chunk]], Sieve]] = {
        "answerable": lambda some: write_answerable(some, writer.ask, writer.answer, **options),
        "multi": lambda some: write_from_two(_pairs(some, writer), writer.ask, writer.answer, **options),
        "unanswerable": lambda some: write_unanswerable(
            some, writer.ask, writer.answer, writer.search, **options
        ),
    }
    made = {"answerable": list(first.kept), "multi": [], "unanswerable": []}
    batch = parts.config.evaluation.batch_size
    for kind, make in makers.items():
        at = PROBE if kind == "answerable" else 0  # the same passage may give one question of each kind
        last = min(len(order), at + MOST_TRIES * wanted[kind])
        while len(made[kind]) < wanted[kind] and at < last:
            sieve = make(order[at : at + batch])
            made[kind] += sieve.kept
            fallen.update(sieve.fallen)
            at += batch
            progress(f"questions, {kind}", min(len(made[kind]), wanted[kind]), wanted[kind])
    return [question for kind, found in made.items() for question in found[: wanted[kind]]], fallen


def _pairs(chunks: Sequence[Chunk], writer: _Writer) -> list[tuple[Chunk, Chunk]]:
    """Return each chunk with the nearest passage of another document."""
    pairs = []
    for chunk, context in zip(chunks, writer.search([chunk.text for chunk in chunks]), strict=True):
        other = next((passage for passage in context.passages if passage.document != chunk.document), None)
        if other is not None:
            second = Chunk(
                "",
                other.document,
                other.start,
                other.end,
                other.text,
                other.title,
                other.headings,
                other.page,
            )
            pairs.append((chunk, second))
    return pairs


# --- what is kept ----------------------------------------------------------------------------------------------------------


def _fresh(parts: Parts, made: Sequence[Question], fallen: Counter[str]) -> list[Question]:
    """Return the questions that neither the examples nor the project's own questions hold already."""
    path = parts.root / parts.config.tuning.examples
    known = list(read_examples(path)) if path.exists() else []
    own = parts.root / parts.config.evaluation.questions
    asked = (*(read_questions(own) if own.exists() else ()), *development(parts))
    known += [Example(question.id, question.messages, "") for question in asked]
    leaks = find_leaks(known, [(question.id, question.text) for question in made])
    twice = {leak.question for leak in leaks}
    kept: dict[str, Question] = {}
    for question in made:
        if question.id in twice or question.id in kept:
            fallen["asked already, in the examples or the questions"] += 1
        else:
            kept[question.id] = question
    return list(kept.values())


def _stored(
    parts: Parts, target: Path, kept: Sequence[Question], by: str, fallen: Mapping[str, int], note: str
) -> GeneratedQuestions:
    """Write the questions and, beside them, what they were made from."""
    write_text(target, "".join(f"{json.dumps(_line(question), ensure_ascii=False)}\n" for question in kept))
    stored = read_questions(target)
    version = fingerprint(stored)
    write_json(
        target.with_name(f"{target.name}.manifest.json"),
        {
            "version": version,
            "how": by,
            "questions": len(stored),
            "documents": parts.retrieval.index.fingerprint,
            "generator": parts.models.generator().fingerprint if by == "written" else "",
            "seed": parts.config.project.seed,
            "left_out": dict(fallen),
        },
    )
    return GeneratedQuestions(
        path=target,
        how=by,
        questions=len(stored),
        unanswerable=sum(not question.answerable for question in stored),
        multi_document=sum("multi-document" in question.tags for question in stored),
        documents=len({question.cluster for question in stored}),
        fallen=dict(fallen),
        version=version,
        note=note,
    )


def _line(question: Question) -> dict[str, Any]:
    evidence = [
        {"document": piece.document, "start": piece.start, "end": piece.end} for piece in question.evidence
    ]
    return {
        "id": question.id,
        "question": question.text,
        "answers": list(question.answers),
        "answerable": question.answerable,
        "evidence": evidence,
        "stratum": question.stratum,
        "cluster": question.cluster,
        "tags": list(question.tags),
    }
