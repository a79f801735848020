"""What a metric is: a pure function of one case, and the card that says how to read its number.

A Case is all that a metric may see: the question, the row, and the text of the gold evidence. Knows no metric by name.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import wraps
from typing import Any, Literal

from graft.evaluation.checks.abstention import is_abstention
from graft.evaluation.checks.exact import exactly_right
from graft.evaluation.checks.groundedness import Weights
from graft.evaluation.checks.text import content
from graft.evaluation.judging.judge import Verdict
from graft.protocols import Likelihood
from graft.types import Question, Row, Value

Direction = Literal["higher", "lower"]
Grade = Literal["A", "B", "C"]
GRADES: Mapping[str, str] = {
    "A": "exact",
    "B": "ranks variants reliably; its level needs a sample of human labels",
    "C": "a screen only: find rows to look at, do not quote it as a rate",
}


@dataclass(frozen=True, slots=True)
class Case:
    """One question with one variant's row. `evidence` is the text of the gold evidence that could be looked up; `weights`
    tell how much a word counts (rarer is heavier), the same for all variants; `verdicts` are a judge's on this row, by
    what was judged; `likelihood` is that of the reference answer as the reply to this row's prompt, where measured."""

    question: Question
    row: Row
    evidence: tuple[str, ...] = ()
    weights: Weights = field(default_factory=Weights)
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    likelihood: Likelihood | None = None
    known: dict[str, Value] = field(default_factory=dict, compare=False, repr=False)
    """What was measured of this case already, by those metrics that others build on (`once`)."""

    @property
    def failed(self) -> bool:
        """Whether there is no answer to score: an error, a timeout, or nothing that could be read."""
        return self.row.answer is None or self.row.status in {"error", "timeout"}

    @property
    def said(self) -> str:
        """What the answer says, without labels and citation markers; empty when the row failed."""
        return content(self.row.answer.text) if self.row.answer is not None and not self.failed else ""

    @property
    def exact(self) -> bool | None:
        """Whether the answer is a reference as it stands, where only that counts (labels, records, SQL); None for prose."""
        said = "" if self.row.answer is None else self.row.answer.text
        return exactly_right(said, self.question.answers, match=self.question.match)

    @property
    def abstained(self) -> bool:
        """Whether the answer declines, by its own flag or by its words. A failed row did not, and neither did one that
        gives the very label that is wanted, though it be "unknown"."""
        answer = self.row.answer
        declined = answer is not None and (answer.abstained or is_abstention(answer.text))
        return declined and not self.failed and not (self.question.answerable and self.exact)


Function = Callable[[Case], Value]


def once(function: Function) -> Function:
    """Return the metric, measured once a case: for those that others build on."""

    @wraps(function)
    def metric(case: Case) -> Value:
        if function.__name__ not in case.known:
            case.known[function.__name__] = function(case)
        return case.known[function.__name__]

    return metric


@dataclass(frozen=True, slots=True)
class MetricCard:
    """A metric and how to read it.

    `grade` is A (exact), B (ranks variants; its level needs labels) or C (a screen). `needs` names what must be there
    for a number instead of a null: "answers", "evidence", "ranking", "passages", "citations", "format", "usage",
    "judge", "likelihood". `failure_examples` are cases in which the number misleads.
    """

    name: str
    formula: str
    direction: Direction
    unit: str
    grade: Grade
    description: str
    function: Function
    failure_examples: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return all of the card but the function."""
        return {entry.name: getattr(self, entry.name) for entry in fields(self) if entry.name != "function"}

    def __call__(self, case: Case) -> Value:
        """Return the metric's value; what it raises, and a number that is not finite, becomes a null with its reason, so
        that one bad row does not take the other rows with it."""
        try:
            value = self.function(case)
        except Exception as error:  # noqa: BLE001  (a third party's code on any text)
            return Value(None, f"the metric failed: {type(error).__name__}: {error}")
        if value.value is not None and not math.isfinite(value.value):
            return Value(None, "the metric is not a finite number here")
        return value


def card_of(name: str, loaded: Any) -> MetricCard:
    """Return the card of what an entry point in `graft.metrics` holds: a MetricCard, or a function
    (Question, Row) → Value, whose docstring then describes it. A bare function is taken as "higher is better", grade C."""
    if isinstance(loaded, MetricCard):
        return loaded
    doc = inspect.getdoc(loaded) or f"The metric {name!r} of another package."
    return MetricCard(
        name, doc.splitlines()[0], "higher", "", "C", doc, lambda case: loaded(case.question, case.row)
    )
