"""Strata of a comparison: those that the questions name, else whether training saw the document; and who wrote them.

A tuned variant can have learned what stands in a document that its examples are about; what stands in the others only
a search can know. One figure over both hides the whole decision. So does one over questions of people and of a generator.
"""

from __future__ import annotations

from collections.abc import Sequence

from graft.evaluation.question_sets.synthetic import TAG
from graft.tuning.examples import read_examples
from graft.types import Question
from graft.wiring.parts import Parts

SEEN, UNSEEN = "seen documents", "unseen documents"
PEOPLE = "written by people"


def by_people(questions: Sequence[Question]) -> dict[str, list[bool]]:
    """Return PEOPLE → which questions are not synthetic, where some are and some are not; else nothing."""
    human = [TAG not in question.tags for question in questions]
    return {PEOPLE: human} if len(set(human)) == 2 else {}


def strata(parts: Parts, questions: Sequence[Question]) -> list[str]:
    """Return the stratum of each question: its own where any question has one, else by the documents of the examples. ""
    where neither tells: no documents are named, or all questions would be of one kind."""
    own = [question.stratum for question in questions]
    path = parts.root / parts.config.tuning.examples
    if any(own) or not path.exists():
        return own
    trained = {document for example in read_examples(path) for document in example.documents}
    found = [_stratum(question, trained) for question in questions]
    return found if {SEEN, UNSEEN} <= set(found) else own


def _stratum(question: Question, trained: set[str]) -> str:
    about = {piece.document for piece in question.evidence}
    if not about:
        return ""
    return SEEN if about & trained else UNSEEN
