"""compare: the same held-out questions to every variant, then metrics, statistics and a verdict.

One Run a variant, resumable; the same settings and seed give the same figures, latency aside. Deciding again under
other [decision] settings (`recommend`) reads the runs and asks no model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graft.config import BASELINES
from graft.decision import compare as statistics
from graft.decision.recommend import Limits, Values, recommend
from graft.decision.report import write_report
from graft.errors import DataError, NotBuilt
from graft.evaluation.metrics import METRICS, score
from graft.evaluation.questions import check_questions, fingerprint, read_questions
from graft.evaluation.run import Latencies, run, time_answers
from graft.generation.variant import Variant
from graft.parts import Parts
from graft.protocols import Progress
from graft.tuning.examples import read_examples
from graft.tuning.leaks import refuse_leaks
from graft.types import Comparison, Question, Recommendation, Row, Value, content_hash, from_dict, to_dict
from graft.workspace import read_json, write_json


@dataclass(frozen=True, slots=True)
class Measured:
    """What the variants answered and how it scored: everything that a decision needs."""

    questions: tuple[Question, ...]
    rows: Mapping[str, Sequence[Row]]
    scores: Mapping[str, Mapping[str, Sequence[Value]]]
    latencies: Mapping[str, Sequence[float]]
    fingerprints: Mapping[str, str]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Decided:
    """A comparison with its verdict, and where the report lies."""

    comparison: Comparison
    recommendation: Recommendation
    report: Path
    rows: Path
