"""How many questions to collect for the difference that matters: from what a first comparison showed, or from a table.

Arrays in, numbers out. The formulae stand in `power`; this asks them for all pairs of variants at the first step of
Holm's correction, where the strictest test is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from graft.decision.inference.resampling import Floats, cluster_codes, is_clustered, standard_error, totals
from graft.decision.statistics import is_binary, sample_size

ALPHA = 0.05
DISCORDANCES = (0.1, 0.2, 0.3, 0.4)
"""Shares of questions on which two variants differ: .18 is the median of real close pairs, .04-.42 their range."""
TYPICAL = 0.2
FEWEST = 30
"""Fewer questions decide nothing, however large the difference."""


@dataclass(frozen=True, slots=True)
class Need:
    """What one pair needs. `discordance` is the share of the `n` questions on which the two differ, `sd` that of the
    differences (cluster-robust); `questions` show the difference with 80 % power, None when the two never differed."""

    a: str
    b: str
    n: int
    discordance: float
    sd: float
    questions: int | None


def needs(
    columns: Mapping[str, Floats], clusters: Sequence[str], difference: float, *, alpha: float = ALPHA
) -> tuple[Need, ...]:
    """Return what each pair of variants needs, all pairs being tested (`alpha` over their number, Holm's first step).

    `columns[variant]` runs along `clusters`, NaN for null; `difference` is on the metric's own scale.
    """
    pairs = list(combinations(columns, 2))
    found = []
    for a, b in pairs:
        held = ~np.isnan(columns[a]) & ~np.isnan(columns[b])
        left, right = columns[a][held], columns[b][held]
        n = len(left)
        if n < 2:
            continue
        codes = cluster_codes([name for name, take in zip(clusters, held, strict=True) if take], n)
        discordance = float(np.mean(left != right))
        sd = float(standard_error(*totals((left - right)[:, None], codes))[0] * np.sqrt(n))
        strict = alpha / len(pairs)
        needed = None
        if is_binary(left, right) and not is_clustered(codes) and discordance:
            # Fewer discordant questions than the difference itself cannot make that difference.
            needed = sample_size(difference, discordance=max(discordance, abs(difference)), alpha=strict)
        elif np.isfinite(sd) and sd > 0:
            needed = sample_size(difference, sd=sd, alpha=strict)
        found.append(Need(a, b, n, discordance, sd, needed))
    return tuple(found)


def table(difference: float, *, pairs: int = 1, alpha: float = ALPHA) -> dict[float, int | None]:
    """Return discordance → questions for a metric of 0 and 1, with `pairs` tested; None where the discordance is smaller
    than the difference."""
    return {
        d: sample_size(difference, discordance=d, alpha=alpha / pairs) if d >= abs(difference) else None
        for d in DISCORDANCES
    }


def typical(difference: float, *, pairs: int = 1, alpha: float = ALPHA) -> int:
    """Return how many questions to start with when nothing has been measured: at a typical discordance."""
    discordance = max(TYPICAL, abs(difference))
    return max(FEWEST, sample_size(difference, discordance=discordance, alpha=alpha / pairs))
