"""What an answer is worth to the user: right, wrong and not given, as one number a question.

Knows the outcome of an answer (+1 right, 0 not given, -1 wrong; between them, where right is a matter of degree) and
whether it kept its format contract; not how either was found.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from graft.decision.inference.resampling import Floats


@dataclass(frozen=True, slots=True)
class Values:
    """What answers are worth, in one unit: USD when costs shall weigh in, as they are subtracted.

    A right answer gains `right`, a wrong one loses `wrong`, one not given loses `abstain`. A right answer that breaks
    the format contract of its question loses the share `format` of its value: half of it unless told otherwise, since
    somebody has to put it into shape.
    """

    right: float = 1.0
    wrong: float = 1.0
    abstain: float = 0.0
    format: float = 0.5

    @property
    def scale(self) -> tuple[float, float]:
        """The least and the most that an answer can be worth; 0 is between them, where right is a matter of degree."""
        return min(-self.wrong, -self.abstain, 0.0), max(self.right, -self.abstain, 0.0)


def utilities(outcome: Floats, formats: Floats, values: Values) -> Floats:
    """Return the worth of each answer, cost left out.

    `outcome` is +1 (right), 0 (not given) or -1 (wrong), or a degree of it in between; `formats` is 1 or 0 where the question
    has a contract and NaN elsewhere; both of one shape. U = V right (1 - f broken) - L wrong - A abstained.
    """
    broken = np.where(np.isnan(formats), 0.0, 1.0 - formats)
    right = values.right * (1 - values.format * broken) * outcome
    worth: Floats = np.where(
        outcome > 0, right, np.where(outcome < 0, values.wrong * outcome, -values.abstain)
    )
    return worth


@dataclass(frozen=True, slots=True)
class Shares:
    """How a variant's answers fall, as shares of all questions; `broken` of the right ones that break a contract."""

    right: float
    wrong: float
    abstained: float
    broken: float

    @staticmethod
    def of(outcome: Floats, formats: Floats) -> Shares:
        """Return the shares of one variant's rows (at least one)."""
        return Shares(
            right=float(np.mean(np.maximum(outcome, 0.0))),
            wrong=float(np.mean(np.maximum(-outcome, 0.0))),
            abstained=float(np.mean(outcome == 0)),
            broken=float(np.mean(np.maximum(outcome, 0.0) * (formats < 1))),
        )
