"""Intervals, paired tests, planning and multiplicity for per-question scores: the statistics of GRAFT in one place.

Arrays in, numbers out; nothing here knows of language models, metrics or variants. Contract of every function: finite
numbers without NaN (a null is the caller's to leave out; the functions over columns take NaN for null and say so), one
value a question, an explicit seed wherever something is drawn. `clusters` names the source document of each
question; questions that share one are resampled and sign-flipped together, and an empty name means that the question
stands alone.
"""

from __future__ import annotations

from graft.decision.inference.intervals import (
    DRAWS,
    Interval,
    difference_intervals,
    is_binary,
    mean_interval,
    mean_intervals,
    paired_difference,
    percentile_interval,
    ratio_interval,
    wilson,
)
from graft.decision.inference.multiplicity import benjamini_hochberg, holm
from graft.decision.inference.paired import mcnemar_midp, noninferiority, paired_test, sign_flip, tost
from graft.decision.inference.power import mde, sample_size
from graft.decision.inference.ppi import PpiEstimate, ppi_mean, ppi_stratified

__all__ = [
    "DRAWS",
    "Interval",
    "PpiEstimate",
    "benjamini_hochberg",
    "difference_intervals",
    "holm",
    "is_binary",
    "mcnemar_midp",
    "mde",
    "mean_interval",
    "mean_intervals",
    "noninferiority",
    "paired_difference",
    "paired_test",
    "percentile_interval",
    "ppi_mean",
    "ppi_stratified",
    "ratio_interval",
    "sample_size",
    "sign_flip",
    "tost",
    "wilson",
]
