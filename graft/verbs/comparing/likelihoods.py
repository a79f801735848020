"""How likely each variant's model finds the reference answers, given the prompts that the variant was asked with.

Where the generator can tell (a local model); kept beside the run's rows, so that nothing is read twice. Off unless
[evaluation] likelihood says so: reading the prompts again takes about half as long as answering them did.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from graft.generation import prompts
from graft.generation.variant import Variant
from graft.protocols import Answerer, Likelihood, Progress, Scorer
from graft.records import from_dict, to_dict
from graft.types import Answer, Context, Message, Question, Row
from graft.verbs.comparing.competitors import run_key
from graft.wiring.parts import Parts
from graft.workspace import append_lines, read_lines

FILE = "likelihoods.jsonl"
UNANSWERED = "the question was not answered"
_BATCH = 64  # what a kill loses at most


def likelihoods(
    parts: Parts,
    questions: Sequence[Question],
    answerers: Mapping[str, Answerer],
    rows: Mapping[str, Sequence[Row]],
    *,
    ask: bool,
    progress: Progress,
) -> dict[str, dict[str, Likelihood]] | None:
    """Return variant → question → likelihood of its first reference answer; None when the project does not ask for it.
    Without `ask` no model is: what was not measured yet is null with its reason."""
    if not parts.config.evaluation.likelihood:
        return None
    return {
        name: _of(answerer, questions, rows[name], parts.workspace.run(run_key(answerer, questions)) / FILE,
                  ask=ask, progress=progress)
        for name, answerer in answerers.items()
    }  # fmt: skip


def _of(
    answerer: Answerer,
    questions: Sequence[Question],
    rows: Sequence[Row],
    path: Path,
    *,
    ask: bool,
    progress: Progress,
) -> dict[str, Likelihood]:
    wanted = [
        (question, row)
        for question, row in zip(questions, rows, strict=True)
        if question.answerable and question.answers
    ]
    if not isinstance(answerer, Variant) or not isinstance(answerer.generator, Scorer):
        told = f"{answerer.name} does not tell how likely a text is that it did not write"
        return {question.id: Likelihood(None, null_reason=told) for question, _ in wanted}
    found = {line["question"]: from_dict(Likelihood, line["likelihood"]) for line in read_lines(path)}
    # What a failed row was shown is not known. Not kept: the row may be answered when it is asked again.
    found |= {
        question.id: Likelihood(None, null_reason=UNANSWERED)
        for question, row in wanted
        if row.answer is None
    }
    todo = [
        (question, row.answer)
        for question, row in wanted
        if row.answer is not None and question.id not in found
    ]
    if not ask:
        return found | {
            question.id: Likelihood(None, null_reason="not measured yet: run graft compare")
            for question, _ in todo
        }
    for at in range(0, len(todo), _BATCH):
        batch = todo[at : at + _BATCH]
        asked = [(_prompt(answerer, question, answer), question.answers[0]) for question, answer in batch]
        made = answerer.generator.log_likelihood(asked)
        lines = []
        for (question, _), one in zip(batch, made, strict=True):
            found[question.id] = one
            lines.append(json.dumps({"question": question.id, "likelihood": to_dict(one)}))
        append_lines(path, lines)
        progress(f"likelihood, {answerer.name}", at + len(batch), len(todo))
    return found


def _prompt(variant: Variant, question: Question, answer: Answer) -> list[Message]:
    """Return the prompt that was answered: what was found then is what is shown now."""
    shown = Context(answer.passages) if answer.passages else None
    return prompts.build(question.messages, shown, variant.instructions)
