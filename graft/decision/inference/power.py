"""How many questions a comparison needs, and what a given number could have shown.

Normal-approximation formulae for paired designs (Connor 1987 for McNemar's test). Numbers in, numbers out.
"""

from __future__ import annotations

import math


def _quantiles(alpha: float, power: float) -> tuple[float, float]:
    from scipy import special

    if not (0 < alpha < 1 and 0 < power < 1):
        raise ValueError(f"alpha and power lie between 0 and 1, not {alpha} and {power}")
    return float(-special.ndtri(alpha / 2)), float(special.ndtri(power))


def _spread(discordance: float | None, sd: float | None) -> None:
    if (discordance is None) == (sd is None):
        raise ValueError("give either the discordance (binary scores) or the sd of the differences")


def sample_size(
    difference: float,
    *,
    discordance: float | None = None,
    sd: float | None = None,
    alpha: float = 0.05,
    power: float = 0.8,
) -> int:
    """Return how many paired questions show a true `difference` with `power`, two-sided at `alpha`.

    Binary scores: n = ((z_a sqrt(d) + z_b sqrt(d - D^2)) / D)^2 with d the share of `discordance` (questions on which
    the two arms differ; at least |D|). Others: n = ((z_a + z_b) sd / D)^2 with `sd` that of the paired differences;
    for clustered questions the cluster-robust one, sqrt(n) times the standard error. Rounded up; at least 2.
    """
    _spread(discordance, sd)
    z_a, z_b = _quantiles(alpha, power)
    size = abs(difference)
    if size == 0:
        raise ValueError("no number of questions shows a difference of 0")
    if discordance is not None:
        if not size <= discordance <= 1:
            raise ValueError(
                f"a difference of {size} needs a discordance between it and 1, not {discordance}"
            )
        need = ((z_a * math.sqrt(discordance) + z_b * math.sqrt(discordance - size**2)) / size) ** 2
    else:
        assert sd is not None
        need = ((z_a + z_b) * sd / size) ** 2
    return max(2, math.ceil(need))


def mde(
    n: int,
    *,
    discordance: float | None = None,
    sd: float | None = None,
    alpha: float = 0.05,
    power: float = 0.8,
) -> float | None:
    """Return the smallest true difference that `n` paired questions show with `power`: `sample_size` solved for it.

    None when it cannot be told: fewer than 2 questions, or no spread seen in the differences (sd = 0). The formula for
    binary scores is quadratic in D with the root sqrt(d) y, y independent of d. Where that exceeds d, so that even
    wholly one-sided differences would not be shown, the answer is y^2, the discordance at which they would.
    """
    _spread(discordance, sd)
    z_a, z_b = _quantiles(alpha, power)
    if n < 2:
        return None
    if discordance is None:
        assert sd is not None
        return (z_a + z_b) * sd / math.sqrt(n) if sd > 0 else None
    inside = n * z_a**2 - (n + z_b**2) * (z_a**2 - z_b**2)
    y = (math.sqrt(n) * z_a + math.sqrt(max(inside, 0.0))) / (n + z_b**2)
    return min(1.0, y * max(math.sqrt(discordance), y))
