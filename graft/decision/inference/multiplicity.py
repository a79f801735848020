"""Many tests at once: adjusted p-values. Numbers in, numbers out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def holm(ps: Sequence[float]) -> list[float]:
    """Return Holm's (1979) step-down adjusted p-values, in the order given."""
    order = np.argsort(np.asarray(ps, dtype=np.float64), kind="stable")
    adjusted, worst = [0.0] * len(ps), 0.0
    for rank, index in enumerate(order):
        worst = max(worst, min(1.0, (len(ps) - rank) * ps[index]))
        adjusted[index] = worst
    return adjusted


def benjamini_hochberg(ps: Sequence[float]) -> list[float]:
    """Return Benjamini & Hochberg's (1995) adjusted p-values (false discovery rate), in the order given."""
    order = np.argsort(np.asarray(ps, dtype=np.float64), kind="stable")
    adjusted, best = [0.0] * len(ps), 1.0
    for rank in range(len(ps), 0, -1):
        index = order[rank - 1]
        best = min(best, ps[index] * len(ps) / rank)
        adjusted[index] = best
    return adjusted
