"""What stands behind automatic figures, in words for reports and scripts: human labels, a judge's own record, and
what asking again changed.

Frozen values only; `debias` makes the figures of labels, the verbs those of a judge.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from graft.decision.inference.repeats import Repeated
from graft.types import Estimate, Usage


@dataclass(frozen=True, slots=True)
class Debiased:
    """What human labels make of an automatic score, for one variant.

    `target` is what was labelled, `metric` the score; `automatic` its mean over all rows, `labelled` the mean of the labels
    alone, weighted by the draw, `debiased` both together (prediction-powered inference); `weight` is how far the score was
    trusted, 0 to 1.
    """

    variant: str
    target: str
    metric: str
    automatic: Estimate
    labelled: Estimate
    debiased: Estimate
    weight: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """Cohen's kappa of `a` with `b` on `target` over `n` labels; `agreement` is the share on which they agree."""

    a: str
    b: str
    target: str
    kappa: float | None
    low: float | None
    high: float | None
    agreement: float | None
    n: int


@dataclass(frozen=True, slots=True)
class Labelled:
    """What people said of a sample of the answers: `done` of `drawn` have a label, by `annotators`."""

    drawn: int
    done: int
    annotators: tuple[str, ...]
    debiased: tuple[Debiased, ...] = ()
    agreements: tuple[Agreement, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class JudgedRubric:
    """One rubric of a judge: `tasks` wanted a verdict, `unread` got none, on `split` the votes did not agree; `agreement` is
    the mean share of votes that say the same as their verdict."""

    rubric: str
    tasks: int
    unread: int
    split: int
    agreement: float | None


@dataclass(frozen=True, slots=True)
class JudgeRecord:
    """A judge at work. Of `pairs` of answers read in both orders, the order decided `order_decided`. `cost` is the USD of
    what was asked now, None when no price is known; `family` are the variants whose model is of the judge's family."""

    model: str
    votes: int
    rubrics: tuple[JudgedRubric, ...]
    pairs: int = 0
    order_decided: int = 0
    usage: Usage = field(default_factory=Usage)
    cost: float | None = None
    family: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trust:
    """What stands behind the automatic figures of a comparison, as far as there is any."""

    judge: JudgeRecord | None = None
    labels: Labelled | None = None
    repeated: tuple[Repeated, ...] = ()
