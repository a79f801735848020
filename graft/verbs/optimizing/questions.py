"""The questions that `graft optimize` may search on, those that judge it, and the examples that it may train on.

Three sets that share nothing: what was searched on cannot judge, and what was trained on cannot choose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graft.errors import DataError
from graft.evaluation.questions import read_questions
from graft.tuning.examples import read_examples
from graft.tuning.leaks import refuse_leaks
from graft.types import Evidence, Example, Question, content_hash
from graft.verbs.comparing.development import development, held_apart
from graft.wiring.parts import Parts
from graft.wiring.retrievers import usable

FEWEST = 30  # questions below which neither a search nor a judgement says anything


@dataclass(frozen=True, slots=True)
class Sets:
    """`questions` to search on, from the file `source`; `held` to judge the winner; `examples` to train on."""

    questions: tuple[Question, ...]
    source: str
    held: tuple[Question, ...]
    examples: tuple[Example, ...] = ()


def sets(parts: Parts, *, train: bool = False) -> Sets:
    """Return the three sets of a project.

    Without a file of development questions the examples that name their documents stand in; when they are to be trained
    on as well, half of the documents go to each. Raises DataError when there is nothing to search on or too little,
    LeakError when a held-out question is among what is searched or trained on.
    """
    asked, _ = parts.gold.named(development(parts))
    file = parts.config.evaluation.development
    everything, _ = held_apart(read_questions(parts.root / parts.config.evaluation.questions), asked, file)
    everything, _ = parts.gold.named(everything)
    known = [(question.id, question.text) for question in everything]
    held = _with_evidence(everything)
    examples = parts.root / parts.config.tuning.examples
    named = usable(read_examples(examples)) if examples.exists() else []
    if asked:
        source, questions = file, _with_evidence(asked)
    elif named:
        source = examples.name
        questions = tuple(_question(one) for one in named if not (train and _for_training(one)))
        named = [one for one in named if _for_training(one)]
    else:
        raise DataError(f"There is nothing to search on: no {file}, and no example that names its documents.",
                        "Write development questions with evidence, other than the held-out ones.")  # fmt: skip
    for found, what in ((questions, f"development questions in {source}"), (held, "held-out questions")):
        if len(found) < FEWEST:
            hint = f"Write at least {FEWEST}, better 100, with their evidence; examples need their documents."
            raise DataError(f"Only {len(found)} {what} have an answer and evidence.", hint)
    refuse_leaks([Example(one.id, one.messages, "", where=one.where or one.id) for one in questions], known)
    if train:
        refuse_leaks(named, known)
    return Sets(questions, source, held, tuple(named) if train else ())


def _with_evidence(questions: Sequence[Question]) -> tuple[Question, ...]:
    return tuple(question for question in questions if question.answerable and question.evidence)


def _question(example: Example) -> Question:
    """Return an example as a question whose gold is its documents, wherever in them."""
    evidence = tuple(Evidence(name) for name in example.documents)
    return Question(example.id, example.messages, (example.output,), evidence=evidence,
                    cluster=example.documents[0], where=example.where)  # fmt: skip


def _for_training(example: Example) -> bool:
    """Whether an example's document falls into the half that is trained on; a hash, so that it always does."""
    return int(content_hash("half", example.documents[0]), 16) % 2 == 0
