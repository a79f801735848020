"""The questions that `graft optimize` may search on, those that judge it, and the examples that it may train on.

Three sets that share nothing: what was searched on cannot judge, and what was trained on cannot choose. Where people's
examples are few, questions that were generated from the documents help out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graft.errors import DataError
from graft.evaluation.question_sets.questions import read_questions
from graft.tuning.examples import read_examples
from graft.tuning.leaks import find_leaks, refuse_leaks
from graft.types import Evidence, Example, Question, content_hash
from graft.verbs.comparing.development import development, measured_questions
from graft.verbs.generate_questions import FILE as GENERATED
from graft.wiring.parts import Parts
from graft.wiring.retrievers import usable

FEWEST = 30  # questions below which neither a search nor a judgement says anything
FEW = 100  # examples that name their documents, below which generated questions join them


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
    on as well, half of the documents go to each. Fewer than `FEW` such examples are joined by the questions of
    `graft questions generate`, where it has been run. Raises DataError when there is nothing to search on or too little,
    LeakError when a held-out question is among what is searched or trained on.
    """
    asked, _ = parts.gold.named(development(parts))
    file = parts.config.evaluation.development
    everything, _ = parts.gold.named(measured_questions(parts)[0])
    known = [(question.id, question.text) for question in everything]
    held = _with_evidence(everything)
    examples = parts.root / parts.config.tuning.examples
    named = usable(read_examples(examples)) if examples.exists() else []
    made = _generated(parts, known) if len(named) < FEW and (train or not asked) else ()
    pairs = [(one, _question(one)) for one in named] + [(_example(parts, one), one) for one in made]
    if asked:
        source, questions = file, _with_evidence(asked)
    elif pairs:
        source = " and ".join([*([examples.name] if named else []), *([GENERATED] if made else [])])
        questions = tuple(question for one, question in pairs if not (train and _for_training(one)))
        pairs = [pair for pair in pairs if _for_training(pair[0])]
    else:
        raise DataError(f"There is nothing to search on: no {file}, and no example that names its documents.",
                        "Write development questions with evidence, other than the held-out ones; "
                        "or have some made: graft questions generate.")  # fmt: skip
    for found, what in ((questions, f"development questions in {source}"), (held, "held-out questions")):
        if len(found) < FEWEST:
            hint = f"Write at least {FEWEST}, better 100, with their evidence; examples need their documents."
            raise DataError(f"Only {len(found)} {what} have an answer and evidence.", hint)
    refuse_leaks([Example(one.id, one.messages, "", where=one.where or one.id) for one in questions], known)
    if not train:
        return Sets(questions, source, held)
    refuse_leaks(named, known)
    return Sets(questions, source, held, tuple(example for example, _ in pairs))


def _generated(parts: Parts, held: Sequence[tuple[str, str]]) -> tuple[Question, ...]:
    """Return the generated questions, unless the project measures on them; without those that are held out as well."""
    path, evaluation = parts.root / GENERATED, parts.config.evaluation
    measured = {parts.root / evaluation.questions, parts.root / evaluation.development}
    if not path.is_file() or path in measured:
        return ()
    made = _with_evidence(read_questions(path))
    same = {leak.example for leak in find_leaks([Example(one.id, one.messages, "") for one in made], held)}
    return tuple(one for one in made if one.id not in same)


def _example(parts: Parts, question: Question) -> Example:
    """Return a generated question as an example: its output is what it was made from, so that the passage to learn is
    found by its own words."""
    texts = [text for piece in question.evidence if (text := parts.gold.text(piece))]
    documents = tuple(dict.fromkeys(piece.document for piece in question.evidence))
    return Example(question.id, question.messages, " ".join(texts) or question.answers[0], documents,
                   where=question.where)  # fmt: skip


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
