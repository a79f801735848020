"""How a turn of the gap loop is measured and judged: a variant's metrics on the held-out questions as columns, what
changed between two of them, and whether that is enough to keep it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from graft.decision.compare import column
from graft.decision.inference.resampling import Floats
from graft.decision.recommending.utility import utilities
from graft.decision.turns import Change, changes
from graft.errors import ConfigError, DataError, UnknownName
from graft.evaluation.metrics.catalogue import metric_card, metric_names, score
from graft.protocols import Progress
from graft.types import Question
from graft.verbs.comparing.competitors import rows_of
from graft.verbs.comparing.deciding import outcome_of
from graft.wiring.parts import ADAPTED, Parts

UTILITY = "utility"
SHOWN = ("truthfulness", "correct", "wrong", "over_refusal", "abstain_recall", "format")


def check_metric(metric: str) -> None:
    """Raise UnknownName for a metric that nobody measures, ConfigError for one that a turn does not."""
    if metric != UTILITY and metric not in metric_names():
        raise UnknownName("metric", metric, [UTILITY, *metric_names()])
    if metric not in (UTILITY, *score([], [])):
        raise ConfigError(
            f"A turn does not measure {metric}: it asks no judge, and not how likely a reference answer is.",
            f"Use {UTILITY}, or a metric that needs neither, e.g. truthfulness.",
        )


def check_measured(metric: str, values: Floats) -> None:
    """Raise DataError when the variant as it is has no value of the deciding metric: no candidate could be kept."""
    if np.isnan(values).all():
        raise DataError(
            f"None of the {len(values)} held-out questions has a value of {metric}, so nothing could be kept.",
            "Name another with --metric, or write questions that it can be measured on.",
        )


def told(change: Change) -> str:
    """Return a change as printed: before → after (difference [interval])."""
    if change.difference is None:
        return f"{change.metric} could not be measured"
    limits = "" if change.low is None or change.high is None else f" [{change.low:+.3f}, {change.high:+.3f}]"
    return f"{change.metric} {change.before:.3f} → {change.after:.3f} ({change.difference:+.3f}{limits})"


def columns(
    parts: Parts, name: str, key: str | None, questions: Sequence[Question], progress: Progress
) -> dict[str, Floats]:
    """Run a variant on the held-out questions and return its metrics and its utility as columns. No judge is asked: where
    one decides comparisons, utility rests on truthfulness here."""
    answerer = parts.variant(name, adapter=key if name in ADAPTED else None)
    scores = score(questions, rows_of(parts, answerer, questions, progress), evidence_text=parts.gold.text)
    found = {metric: column(values) for metric, values in scores.items()}
    answerable = np.array([question.answerable for question in questions])
    formats = np.where(answerable, found["format"], np.nan)
    outcome = found[outcome_of(parts.config.evaluation.primary, judged=False)]
    worth = utilities(outcome, formats, parts.values)
    found[UTILITY] = np.where(np.isnan(outcome), np.nan, worth)
    return found


def turn_changes(
    parts: Parts,
    metric: str,
    old: Mapping[str, Floats],
    new: Mapping[str, Floats],
    questions: Sequence[Question],
    number: int,
) -> tuple[Change, ...]:
    """Return the change of the deciding metric, then of what answers are worth, the primary metric and the others shown,
    as far as a turn measures them."""
    shown = dict.fromkeys([metric, UTILITY, parts.config.evaluation.primary, *SHOWN])
    names = tuple(name for name in shown if name in old)
    lower = frozenset(name for name in names if name != UTILITY and metric_card(name).direction == "lower")
    return changes(
        {name: old[name] for name in names},
        {name: new[name] for name in names},
        [question.cluster for question in questions],
        turn=number,
        lower=lower,
        seed=parts.config.project.seed,
        draws=parts.config.evaluation.draws,
    )


def verdict(parts: Parts, metric: str, found: Sequence[Change]) -> tuple[bool, str]:
    """Keep it when the deciding metric is shown to be better and, where that is not what answers are worth, utility has
    not fallen by the margin."""
    first = found[0]
    if first.verdict != "better":
        return False, {
            "worse": "It got worse.",
            "not shown": "Better is not shown: the interval holds zero.",
        }[first.verdict]
    worth = next(change for change in found if change.metric == UTILITY)
    margin = parts.config.decision.margin
    if metric != UTILITY and worth.difference is not None and worth.difference < -margin:
        return False, f"What the answers are worth fell by more than {margin:g}: {told(worth)}."
    worse = [change.metric for change in found[1:] if change.verdict == "worse"]
    return True, f"But worse: {', '.join(worse)}; see below." if worse else ""
