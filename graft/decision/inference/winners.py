"""The winner's curse: how much better than it is the best of several equally good versions looks on the same questions.

Knows numbers only.
"""

from __future__ import annotations

from statistics import NormalDist


def optimism(versions: int, standard_error: float) -> float:
    """Return how far the best of so many equal versions stands above their true mean, on average: the expected largest of
    `versions` independent normal errors (Blom 1958: the (k − 3/8) / (k + 1/4) quantile, within 5 % from k = 2 on). Versions
    measured on the same questions err alike, so this is about the most that it can be."""
    if versions < 2:
        return 0.0
    return standard_error * NormalDist().inv_cdf((versions - 0.375) / (versions + 0.25))
