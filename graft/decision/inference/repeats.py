"""How much a figure moves when the same questions are asked again: the noise of generating, apart from that of sampling
questions.

Takes scores of the same questions in several runs. The intervals over questions hold this noise already, since each question
was answered once; it is told apart because it says what a second run would change. Knows no model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True, slots=True)
class Repeated:
    """What became of `questions` answered `runs` times by one variant. `changed` of them did not score the same each time;
    `sd` is the standard deviation, from run to run, of the variant's mean `metric` over all `total` questions."""

    variant: str
    metric: str
    runs: int
    questions: int
    changed: int
    sd: float
    total: int


def repeated(variant: str, metric: str, scores: ArrayLike, total: int) -> Repeated | None:
    """Return what the runs say of each other. `scores` are floats [runs, questions], NaN for null; a question that is null
    in any run is left out. None without two runs or without a question.

    sd² is the variance within a question, pooled over questions (runs − 1 in the denominator), over `total`.
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 2 or len(values) < 2:
        return None
    values = values[:, ~np.isnan(values).any(axis=0)]
    runs, questions = values.shape
    if not questions or not total:
        return None
    within = float(values.var(axis=0, ddof=1).mean())
    changed = int((np.ptp(values, axis=0) > 0).sum())
    return Repeated(variant, metric, runs, questions, changed, float(np.sqrt(within / total)), total)
