"""Labels as numbers beside the automatic metrics: the same scale, the same rows, the same nulls.

What each verdict is worth, which rows a label can speak for, and with which probability a row came to be labelled.
Knows questions, rows and metric values; no estimates.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from graft.evaluation.labelling.labels import Label, Labels, item_id
from graft.types import Question, Row, Value

TARGETS: Mapping[str, tuple[str, ...]] = {
    "truthfulness": ("truthfulness", "judged_truthfulness"),
    "correct": ("correct", "judged_correct"),
    "supported": ("ctx_grounded", "judged_ctx_grounded"),
}
"""What labels estimate → the automatic metrics that predict it. "supported": all that the answer says is in its passages."""


@dataclass(frozen=True, slots=True)
class Labelling:
    """One variant's rows with their labels: `ids` are the items; `probabilities` of those that have a label."""

    questions: Sequence[Question]
    rows: Sequence[Row]
    scores: Mapping[str, Sequence[Value]]
    ids: Sequence[str]
    labels: Sequence[tuple[Label, ...]]
    probabilities: Mapping[str, float]

    def column(self, target: str, metric: str) -> list[tuple[int, float, float, float]]:
        """Return (place, score, label, probability) of every row that the target can be told of; NaN for what is missing."""
        found = []
        for at, (question, row) in enumerate(zip(self.questions, self.rows, strict=True)):
            if not applies(target, question, row, self.scores, at):
                continue
            score = self.scores[metric][at].value
            if row.answer is None:  # a failure is known to be wrong: nobody need look at it
                label, chance = (-1.0 if target == "truthfulness" else 0.0), 1.0
            else:
                known = [worth(target, question, one) for one in self.labels[at]]
                given = [value for value in known if value is not None]
                label = sum(given) / len(given) if given else float("nan")
                chance = self.probabilities.get(self.ids[at], float("nan"))
            found.append((at, float("nan") if score is None else score, label, chance))
        return found


def labelling(
    questions: Sequence[Question],
    rows: Sequence[Row],
    scores: Mapping[str, Sequence[Value]],
    labels: Labels,
) -> Labelling:
    """Return one variant's rows with what people said of them."""
    ids = [item_id(row) for row in rows]
    chances = probabilities(labels)
    given = [labels.of(name) if name in chances else () for name in ids]
    return Labelling(questions, rows, scores, ids, given, chances)


def probabilities(labels: Labels) -> dict[str, float]:
    """Return labelled item → with which probability it came to be labelled: labelled items of its cell ÷ items in it.

    Equal to the drawn probability once all is labelled; before, the labelled items of a cell are a random part of it,
    because the order of labelling is random. A cell without a label is spoken for by the others of its variant.
    """
    if labels.draw is None:
        return {}
    usable = [
        item for item in labels.draw.items if any(one.verdict != "unsure" for one in labels.of(item.id))
    ]
    done = Counter(item.cell for item in usable)
    return {item.id: done[item.cell] / labels.draw.cells[item.cell] for item in usable}


def applies(
    target: str, question: Question, row: Row, scores: Mapping[str, Sequence[Value]], at: int
) -> bool:
    """Whether a target can be told of a row: "correct" of answerable questions, "supported" of answers that were shown
    passages and do not decline."""
    if target == "correct":
        return question.answerable
    if target == "supported":
        shown = row.answer is not None and bool(row.answer.passages)
        return shown and (scores["ctx_grounded"][at].value is not None)
    return True


def worth(target: str, question: Question, label: Label) -> float | None:
    """Return what a label says on the scale of a target; None where it does not tell."""
    if label.verdict == "unsure":
        return None
    if target == "correct":
        return float(label.verdict == "right")
    if target == "truthfulness":
        if not question.answerable:
            return 1.0 if label.verdict == "declined" else -1.0
        return {"right": 1.0, "declined": 0.0}.get(label.verdict, -1.0)
    if label.verdict == "declined":
        return 1.0  # it says nothing that would need support
    return {"yes": 1.0, "no": 0.0}.get(label.supported)


def outcome(question: Question, truth: float | None) -> str | None:
    """Return right, wrong or declined as a truthfulness tells it (+1, 0, -1)."""
    if truth is None:
        return None
    if truth > 0:
        return "right" if question.answerable else "declined"
    return "declined" if truth == 0 else "wrong"
