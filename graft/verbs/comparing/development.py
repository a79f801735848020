"""Development questions: on which gaps are found, never measured. What stands in their file is kept out of the held-out
set, whatever the questions file says, so that a question cannot serve both.
"""

from __future__ import annotations

from graft.errors import ConfigError
from graft.evaluation.question_sets.questions import read_questions
from graft.jsonl import lines
from graft.types import Question, content_hash
from graft.wiring.parts import Parts
from graft.workspace import write_text


def development(parts: Parts) -> tuple[Question, ...]:
    """Return the project's development questions, none when there is no file."""
    path = parts.root / parts.config.evaluation.development
    return read_questions(path) if path.is_file() else ()


def measured_questions(parts: Parts) -> tuple[tuple[Question, ...], tuple[str, ...]]:
    """Return the project's questions that are no development questions too (by id or by what they ask), and what to tell.
    Raises DataError for a questions file that is missing or cannot be used."""
    section = parts.config.evaluation
    questions, apart = read_questions(parts.root / section.questions), development(parts)
    ids = {question.id for question in apart}
    asked = {question.messages for question in apart}
    kept = tuple(
        question for question in questions if question.id not in ids and question.messages not in asked
    )
    gone = len(questions) - len(kept)
    told = (f"{gone} questions stand in {section.development} too: they are not measured.",) if gone else ()
    return kept, told


def burn(parts: Parts, share: float) -> int:
    """Move a share of the held-out questions, whole clusters, into the development file for good; return how many.

    They stay in the questions file and are never measured again. Which clusters is drawn by the project's seed. Raises
    ConfigError for a share that leaves nothing on one side.
    """
    if not 0 < share < 1:
        raise ConfigError(f"A share of {share:g} cannot be burnt.", "Give one between 0 and 1, e.g. 0.3.")
    path = parts.root / parts.config.evaluation.questions
    left, _ = measured_questions(parts)
    seed = str(parts.config.project.seed)
    clusters = sorted(
        {question.cluster for question in left}, key=lambda name: content_hash(seed, "burn", name)
    )
    chosen: set[str] = set()
    for name in clusters:
        if sum(question.cluster in chosen for question in left) >= share * len(left):
            break
        chosen.add(name)
    burnt = {question.id for question in left if question.cluster in chosen}
    if not burnt or len(burnt) == len(left):
        raise ConfigError(
            f"{len(left)} questions about {len(clusters)} documents cannot be split by document.",
            "Collect questions about more documents, or write development questions of their own.",
        )
    target = parts.root / parts.config.evaluation.development
    places = {int(question.where.rpartition(":")[2]) for question in left if question.id in burnt}
    moved = [line for number, line in lines(path, "questions", "") if number in places]
    before = target.read_text(encoding="utf-8") if target.is_file() else ""
    joint = "" if not before or before.endswith("\n") else "\n"
    write_text(target, before + joint + "".join(f"{line}\n" for line in moved))
    return len(moved)
