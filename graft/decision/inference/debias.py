"""Automatic scores + a sample of human labels → rates that may be quoted, and how far the two agree.

Numbers and names in, `Debiased` and `Agreement` out; knows nothing of answers, judges or files.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from graft.decision.inference.agreement import cohen_kappa
from graft.decision.inference.intervals import DRAWS, mean_intervals
from graft.decision.inference.ppi import PpiEstimate, ppi_weighted
from graft.decision.trust import Agreement, Debiased
from graft.types import Estimate


@dataclass(frozen=True, slots=True)
class Sample:
    """One variant's rows for one target, all of one length: the automatic `scores` (NaN: null), the `labels` on the same scale
    (NaN: not labelled), with which probability a row came to be labelled, and its cluster. The scale is `low` to 1."""

    variant: str
    target: str
    metric: str
    scores: Sequence[float]
    labels: Sequence[float]
    probabilities: Sequence[float]
    clusters: Sequence[str]
    low: float = 0.0


def debias(sample: Sample, *, draws: int = DRAWS, seed: int) -> Debiased | None:
    """Return the automatic mean, the labels' own and the two together; None without any label.

    The labels' interval and the debiased one are those of `ppi_weighted`, cut to the scale.
    """
    held = int(np.count_nonzero(~np.isnan(np.asarray(sample.labels, dtype=np.float64))))
    if held == 0:
        return None
    n = len(sample.scores)
    column = np.asarray(sample.scores, dtype=np.float64)
    scale = (sample.low, 1.0)
    (automatic,) = mean_intervals(column[:, None], sample.clusters, draws=draws, seed=seed, scales=[scale])
    given = (sample.scores, sample.labels, sample.probabilities, sample.clusters)
    span = 1.0 - sample.low
    labelled = ppi_weighted(*given, span=span, trust=0.0)
    both = ppi_weighted(*given, span=span)
    return Debiased(
        sample.variant,
        sample.target,
        sample.metric,
        Estimate(*automatic, int(np.count_nonzero(~np.isnan(column))), n),
        _estimate(labelled, sample.low, held, n),
        _estimate(both, sample.low, held, n),
        both.weight,
    )


def _estimate(found: PpiEstimate, low: float, held: int, n: int) -> Estimate:
    value, least, most = (
        None if end is None else min(max(end, low), 1.0) for end in (found.value, found.low, found.high)
    )
    return Estimate(value, least, most, held, n)


def agreement(
    a: str,
    b: str,
    target: str,
    pairs: Sequence[tuple[Hashable, Hashable]],
    clusters: Sequence[str],
    probabilities: Sequence[float],
) -> Agreement | None:
    """Return kappa over pairs of judgements of the same answers, each standing for 1 / its probability; None without pairs."""
    if not pairs:
        return None
    one, other = zip(*pairs, strict=True)
    weights = 1 / np.asarray(probabilities, dtype=np.float64)
    found = cohen_kappa(one, other, clusters, weights=weights)
    return Agreement(a, b, target, *found)
