"""A gate: whether what we have now is worse than what we had, on the metrics that were declared.

One-sided non-inferiority, paired by question, with a margin for each metric. Arrays in, judgements out; knows nothing of
releases or files. As for a guardrail of the recommendation, a mean below the margin fails, and one within the margin
passes with a note when so few questions cannot prove it, since proof of a 1-point margin takes thousands; `strict` fails
that too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from graft.decision.inference.contrasts import NULL_GAP
from graft.decision.inference.resampling import Floats
from graft.decision.statistics import noninferiority

ALPHA = 0.05
Status = Literal["unchanged", "kept", "not shown", "not judged", "regressed", "incomparable"]
FAILED = frozenset({"regressed", "incomparable"})


@dataclass(frozen=True, slots=True)
class Judgement:
    """One metric, then and now, over the `n` questions that both could be scored on. `difference` is now - then, `p` that
    of "worse by the margin or more"; `worse` and `better` are the ids of the questions that changed."""

    metric: str
    margin: float
    status: Status
    n: int
    then: float | None = None
    now: float | None = None
    difference: float | None = None
    p: float | None = None
    worse: tuple[str, ...] = ()
    better: tuple[str, ...] = ()


def judge(
    metric: str,
    then: Floats,
    now: Floats,
    *,
    margin: float,
    questions: Sequence[str],
    clusters: Sequence[str],
    higher: bool = True,
) -> Judgement:
    """Judge one metric. `then` and `now` run along `questions` and `clusters`, NaN for null; `higher` is better, or lower.

    "incomparable" when more than 2 % of the questions have a value in only one of the two; "not judged" when none has one
    in both; "unchanged" when no value differs, which needs no statistics.
    """
    lacks_then, lacks_now = np.isnan(then), np.isnan(now)
    both = ~lacks_then & ~lacks_now
    if len(then) and max(np.mean(lacks_then & ~lacks_now), np.mean(lacks_now & ~lacks_then)) > NULL_GAP:
        return Judgement(metric, margin, "incomparable", int(both.sum()))
    if not both.any():
        return Judgement(metric, margin, "not judged", 0)
    sign = 1.0 if higher else -1.0
    old, new = sign * then[both], sign * now[both]
    ids = [question for question, take in zip(questions, both, strict=True) if take]
    gap = float((new - old).mean())
    p = noninferiority(new, old, margin, [c for c, take in zip(clusters, both, strict=True) if take])
    status: Status = "not shown"
    if np.array_equal(old, new):
        status = "unchanged"
    elif p < ALPHA:
        status = "kept"
    elif gap < -margin:
        status = "regressed"
    return Judgement(
        metric,
        margin,
        status,
        len(ids),
        float(then[both].mean()),
        float(now[both].mean()),
        sign * gap,
        p,
        tuple(name for name, a, b in zip(ids, old, new, strict=True) if b < a),
        tuple(name for name, a, b in zip(ids, old, new, strict=True) if b > a),
    )


def passed(judgements: Sequence[Judgement], *, strict: bool = False) -> bool:
    """Return whether all metrics hold."""
    failing = FAILED | {"not shown"} if strict else FAILED
    return not any(one.status in failing for one in judgements)
