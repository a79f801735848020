"""A threshold on a score from held-out questions: answer above it, decline below it.

Numbers only: a score a question (the best cosine, a reranker's best score, anything where higher means surer) and
whether the question can be answered. What the score is of, and who abstains, is the caller's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from graft.decision.inference.intervals import Interval, finite, wilson
from graft.decision.inference.resampling import Floats

TARGET = 0.95


@dataclass(frozen=True, slots=True)
class Threshold:
    """Decline what scores below `value`.

    `low` and `high` bound the threshold (95 % percentile bootstrap over questions). `kept` is the share of answerable
    questions at or above it, `declined` that of unanswerable ones below it, both with Wilson's interval, on the questions
    given. `separation` is the probability that an answerable question scores higher than an unanswerable one (the area
    under the ROC curve): near 0.5 the score tells nothing, whatever the threshold. Shares of a kind of question that is
    missing are None.
    """

    value: float
    low: float
    high: float
    kept: Interval
    declined: Interval
    separation: float | None
    target: float


def calibrate(
    scores: ArrayLike,
    answerable: Sequence[bool],
    *,
    target: float = TARGET,
    draws: int = 2_000,
    seed: int = 0,
) -> Threshold:
    """Return the highest threshold that still keeps `target` of the answerable questions, as `short` writes it.

    The shares are optimistic on the very questions that chose the threshold, by little when there are hundreds: judge
    the choice on others, with `apply`. Raises ValueError without an answerable question, or for scores that are no
    numbers.
    """
    values, kinds = _checked(scores, answerable)
    if not 0 < target <= 1:
        raise ValueError(f"target is a share above 0 and at most 1, not {target}")
    good = values[kinds]
    if len(good) == 0:
        raise ValueError("no answerable question: a threshold is fitted to what must be kept")
    rng = np.random.default_rng(seed)
    drawn = np.sort(rng.choice(good, size=(draws, len(good))), axis=1)[:, _place(len(good), target)]
    low, high = (float(limit) for limit in np.quantile(drawn, [0.025, 0.975]))
    least = float(np.sort(good)[_place(len(good), target)])
    below = float(np.max(values, where=values < least, initial=-np.inf))
    return apply(Threshold(short(below, least), low, high, _NONE, _NONE, None, target), values, answerable)


def apply(threshold: Threshold, scores: ArrayLike, answerable: Sequence[bool]) -> Threshold:
    """Return the same threshold with its shares on other questions."""
    values, kinds = _checked(scores, answerable)
    above = values >= threshold.value
    return Threshold(
        threshold.value,
        threshold.low,
        threshold.high,
        wilson(int(above[kinds].sum()), int(kinds.sum())),
        wilson(int((~above[~kinds]).sum()), int((~kinds).sum())),
        separation(values[kinds], values[~kinds]),
        threshold.target,
    )


def separation(answerable: ArrayLike, unanswerable: ArrayLike) -> float | None:
    """Return P(a score of the first > one of the second) + P(equal) / 2 (Mann and Whitney's U over its maximum); None
    when either is empty."""
    first, second = finite(answerable), np.sort(finite(unanswerable))
    if not len(first) or not len(second):
        return None
    below = np.searchsorted(second, first, side="left")
    not_above = np.searchsorted(second, first, side="right")
    return float((below + not_above).sum() / (2 * len(first) * len(second)))


def short(below: float, high: float) -> float:
    """Return the number with the fewest decimals, at least two, that is above `below` and not above `high`: what is
    written down and set divides the same scores as `high` does. Not 0, which switches a threshold off.

    A fixed number of decimals would not do: of confidences close to 1, some differ in the fifth.
    """
    for decimals in range(2, 17):
        found = round(high, decimals)
        if found > high:
            found = round(found - 10**-decimals, decimals)
        if below < found <= high and found != 0:  # the last decimals of a float can round past it
            return found
    return high


_NONE = Interval(None, None, None)


def _place(n: int, target: float) -> int:
    """Return the 0-based place in ascending order at which a share `target` of `n` values lies at or above."""
    return n - int(np.ceil(target * n - 1e-9))


def _checked(
    scores: ArrayLike, answerable: Sequence[bool]
) -> tuple[Floats, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    values, kinds = finite(scores), np.asarray(answerable, dtype=bool)
    if len(values) != len(kinds):
        raise ValueError(f"{len(values)} scores for {len(kinds)} questions")
    return values, kinds
