"""The retention suite: what a model could do before it was tuned on something else, as 96 small tasks with exact checks.

Reading (one passage), citing (three passages), refusing (three passages that do not tell) and form (an answer in a form
that the instructions ask for), 24 tasks each, over shipped texts that have nothing to do with any project's documents.
The same arrangement every time, by arithmetic and not by chance. Knows questions and answers; nothing of models, prompts or
training.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from graft.evaluation.checks.abstention import is_abstention
from graft.evaluation.checks.correctness import RIGHT, correctness
from graft.evaluation.checks.text import cited, content, strip_citations
from graft.evaluation.retention.texts import TEXTS, Asked, Text
from graft.types import Context, Passage, content_hash

SKILLS = ("reading", "citing", "refusing", "form")

Check = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Task:
    """One question with the passages shown and the `instructions` for the form of its answer. `source` is the text that it
    is about: tasks on one text are no independent evidence. `answers` are accepted; `gold` is the number of the passage
    that tells, 0 when none does."""

    id: str
    skill: str
    source: str
    question: str
    context: Context
    answers: tuple[str, ...] = ()
    gold: int = 0
    instructions: str = ""

    def passes(self, said: str) -> bool:
        """Whether an answer, as the model wrote it, shows the skill."""
        if self.skill == "refusing":
            return is_abstention(said)
        if is_abstention(said):
            return False
        if self.skill == "reading":
            return correctness(content(said), self.answers) >= RIGHT
        if self.skill == "citing":
            return cited(said) == (self.gold,)
        return FORMS[self.instructions](said)


def _json_answer(said: str) -> bool:
    try:
        made = json.loads(said)
    except ValueError:
        return False
    return isinstance(made, dict) and list(made) == ["answer"]


FORMS: Mapping[str, Check] = {
    'Reply in JSON with the one key "answer".': _json_answer,
    "Answer in at most five words.": lambda said: len(strip_citations(said).split()) <= 5,
    'Begin the reply with "Result:".': lambda said: said.lstrip().startswith("Result:"),
    "Answer as one bullet point that starts with a dash.": lambda said: (
        re.fullmatch(r"\s*- \S[^\n]*\s*", said) is not None
    ),
}
"""What the instructions of a `form` task ask for, and whether an answer does it; whether it is right is another skill."""


def suite() -> tuple[Task, ...]:
    """Return the tasks, by skill."""
    total = len(TEXTS)
    found = []
    for at, text in enumerate(TEXTS):
        # Distractors stand 7 and 12 further on; the text that tells is first, second or third in turn.
        others = [TEXTS[(at + step) % total] for step in (7, 12)]
        place = at % 3
        beside = (*others[:place], text, *others[place:])
        without = tuple(TEXTS[(at + step) % total] for step in (5, 9, 16))
        form = list(FORMS)[at % len(FORMS)]
        found += [
            _task("reading", at, text, text.first, (text,)),
            _task("citing", at, text, text.second, beside, gold=place + 1),
            _task("refusing", at, text, text.first, without),
            _task("form", at, text, text.second, (text,), instructions=form),
        ]
    return tuple(sorted(found, key=lambda task: SKILLS.index(task.skill)))


def texts() -> tuple[str, ...]:
    """Return the passages as running text: what a model of general language should not come to find strange."""
    return tuple(text.text for text in TEXTS)


def fingerprint() -> str:
    """Return the hash of all tasks and of what their forms are: figures of different suites do not compare."""
    return content_hash("retention", "1", *(repr(task) for task in suite()))


def _task(
    skill: str,
    at: int,
    text: Text,
    asked: Asked,
    shown: tuple[Text, ...],
    *,
    gold: int = 0,
    instructions: str = "",
) -> Task:
    passages = tuple(Passage(one.title, 0, len(one.text), one.text, one.title) for one in shown)
    answers = () if skill == "refusing" else asked.answers
    return Task(
        f"{skill}-{at + 1}", skill, text.title, asked.question, Context(passages), answers, gold, instructions
    )
