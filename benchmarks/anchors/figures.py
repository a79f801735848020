"""A figure beside what was published, and the few statistics that only anchors need. Knows no data set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
DRAWS, SEED = 1_000, 0


@dataclass(frozen=True)
class Figure:
    """One measured figure with its interval, and the published one. `unit` is printed behind both."""

    anchor: str
    what: str
    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    published: float | None = None
    source: str = ""

    @property
    def reading(self) -> str:
        """Whether the published figure lies within the interval."""
        if self.published is None or self.low is None or self.high is None:
            return ""
        return "within" if self.low <= self.published <= self.high else "outside"


def bootstrap(
    statistic: Callable[[NDArray[np.int64]], float], units: Sequence[Sequence[int]], *, draws: int = DRAWS
) -> tuple[float | None, float | None]:
    """Return percentile limits of a statistic of row numbers under resampling of whole units (the rows of a question, say).
    None where it cannot be computed in one draw of twenty."""
    rng = np.random.default_rng(SEED)
    groups = [np.asarray(rows, dtype=np.int64) for rows in units]
    if len(groups) < 2:
        return None, None
    found = []
    for _ in range(draws):
        picks = rng.integers(0, len(groups), len(groups))
        value = statistic(np.concatenate([groups[at] for at in picks]))
        if np.isfinite(value):
            found.append(value)
    if len(found) < 0.95 * draws:
        return None, None
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def pearson(a: Floats, b: Floats) -> float:
    """Pearson's correlation; NaN when one of them does not vary."""
    if a.std() == 0 or b.std() == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def spearman(a: Floats, b: Floats) -> float:
    """Spearman's correlation, ties by their mean rank."""
    from scipy.stats import rankdata

    return pearson(rankdata(a), rankdata(b))


def auc(scores: Floats, positive: NDArray[np.bool_]) -> float:
    """Area under the ROC curve: how often a positive scores above a negative, ties half. NaN with one class only."""
    from scipy.stats import rankdata

    many, few = int(positive.sum()), int((~positive).sum())
    if not many or not few:
        return float("nan")
    ranks = rankdata(scores)
    return float((ranks[positive].sum() - many * (many + 1) / 2) / (many * few))


def table(figures: Sequence[Figure]) -> str:
    """Return the figures as text in columns, an anchor a block."""
    lines: list[str] = []
    for anchor in dict.fromkeys(figure.anchor for figure in figures):
        rows = [["", "measured", "95% interval", "published", "", "n"]]
        rows += [_row(figure) for figure in figures if figure.anchor == anchor]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines += [
            anchor,
            *(
                "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
                for row in rows
            ),
            "",
        ]
    return "\n".join(lines).rstrip()


def _row(figure: Figure) -> list[str]:
    def shown(value: float | None) -> str:
        return "–" if value is None else f"{value:.3f}"

    bounds = "" if figure.low is None else f"{figure.low:.3f} to {figure.high:.3f}"
    published = "" if figure.published is None else f"{figure.published:.3f} ({figure.source})"
    return [figure.what, shown(figure.value), bounds, published, figure.reading, str(figure.n)]
