"""What labels make of a comparison: debiased rates a variant and target, and kappa of every metric with the labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

from graft.decision.inference.debias import Sample, agreement, debias
from graft.decision.trust import Agreement, Debiased, Labelled
from graft.evaluation.labelling.labels import Label, Labels, read_labels
from graft.evaluation.labelling.scores import TARGETS, Labelling, labelling, outcome, worth
from graft.types import Question, Row, Value

FEW = 15
"""Fewer labels of a variant than this are shown with a warning: the interval is wider than most differences."""
Scores = Mapping[str, Mapping[str, Sequence[Value]]]


def labelled(
    path: Path,
    questions: Sequence[Question],
    rows: Mapping[str, Sequence[Row]],
    scores: Scores,
    *,
    draws: int,
    seed: int,
) -> Labelled | None:
    """Return what the labels of a file say of these rows; None without a draw.

    A variant whose labelled answers have changed in part since is left out: what is left of its sample is not random.
    """
    labels = read_labels(path)
    if labels.draw is None:
        return None
    tables = {name: labelling(questions, rows[name], scores[name], labels) for name in rows}
    present = {name for table in tables.values() for name in table.ids}
    stale: dict[str, int] = {}
    for item in labels.draw.items:
        if item.id not in present:
            stale[item.variant] = stale.get(item.variant, 0) + 1
    usable = {name: table for name, table in tables.items() if name not in stale}
    found = [
        one
        for target, metrics in TARGETS.items()
        for metric in metrics
        for name, table in usable.items()
        if metric in table.scores and any(table.labels)
        and (one := _debiased(name, table, target, metric, draws, seed)) is not None
    ]  # fmt: skip
    done = sum(bool(labels.of(item.id)) for item in labels.draw.items)
    return Labelled(
        len(labels.draw.items),
        done,
        tuple(labels.by),
        tuple(found),
        _agreements(usable, labels),
        _warnings(labels, stale, done, usable, questions),
    )


def _debiased(
    name: str, table: Labelling, target: str, metric: str, draws: int, seed: int
) -> Debiased | None:
    column = table.column(target, metric)
    if not any(table.labels[at] for at, *_ in column):
        return None
    clusters = [table.questions[at].cluster for at, *_ in column]
    _, given, truths, chances = zip(*column, strict=True)
    low = -1.0 if target == "truthfulness" else 0.0
    return debias(Sample(name, target, metric, given, truths, chances, clusters, low), draws=draws, seed=seed)


# --- agreement ---------------------------------------------------------------------------------------------------------


def _agreements(tables: Mapping[str, Labelling], labels: Labels) -> tuple[Agreement, ...]:
    """Return kappa of each metric with the labels, all variants together, then of the annotators with each other."""
    found = [_with_metric(tables, target, metric) for target, metrics in TARGETS.items() if target != "correct"
             for metric in metrics]  # fmt: skip
    for one, other in combinations(labels.by, 2):
        found += [_between(tables, target, one, other) for target in ("truthfulness", "supported")]
    return tuple(item for item in found if item is not None)


def _with_metric(tables: Mapping[str, Labelling], target: str, metric: str) -> Agreement | None:
    pairs, clusters, chances = [], [], []
    for table in tables.values():
        if metric not in table.scores:
            continue
        for at, score, _, chance in table.column(target, metric):
            question = table.questions[at]
            for label in table.labels[at]:
                pair = (_category(target, question, score), _said(target, question, label))
                if None not in pair:
                    pairs.append(pair)
                    clusters.append(question.cluster or question.id)
                    chances.append(chance)
    return agreement(metric, "labels", target, pairs, clusters, chances)


def _between(tables: Mapping[str, Labelling], target: str, one: str, other: str) -> Agreement | None:
    pairs, clusters, chances = [], [], []
    for table in tables.values():
        for at, _, _, chance in table.column(target, TARGETS[target][0]):
            said = {label.annotator: _said(target, table.questions[at], label) for label in table.labels[at]}
            pair = (said.get(one), said.get(other))
            if None not in pair:
                pairs.append(pair)
                clusters.append(table.questions[at].cluster or table.questions[at].id)
                chances.append(chance)
    return agreement(one, other, target, pairs, clusters, chances)


def _category(target: str, question: Question, score: float) -> str | bool | None:
    if score != score:  # noqa: PLR0124  (NaN: the metric is null here)
        return None
    return outcome(question, score) if target == "truthfulness" else score >= 1


def _said(target: str, question: Question, label: Label) -> str | bool | None:
    value = worth(target, question, label)
    if value is None:
        return None
    return outcome(question, value) if target == "truthfulness" else value >= 1


# --- what to read with care --------------------------------------------------------------------------------------------


def _warnings(
    labels: Labels,
    stale: Mapping[str, int],
    done: int,
    usable: Mapping[str, Labelling],
    questions: Sequence[Question],
) -> tuple[str, ...]:
    assert labels.draw is not None
    found = []
    for name, count in stale.items():
        found.append(
            f"{count} labelled answers of {name} have changed since they were drawn: run graft label for a new sample."
        )
    if done < len(labels.draw.items):
        found.append(
            f"{len(labels.draw.items) - done} of {len(labels.draw.items)} drawn answers have no label yet."
        )
    unsure = sum(
        all(one.verdict == "unsure" for one in given)
        for item in labels.draw.items
        if (given := labels.of(item.id))
    )
    if unsure:
        found.append(
            f"{unsure} of {done} labels say “unsure”: they are left out, which is right only if they are like the rest."
        )
    short = [name for name, table in usable.items() if 0 < sum(map(bool, table.labels)) < FEW]
    if short:
        found.append(f"Fewer than {FEW} labels of {', '.join(short)}: read their intervals, not their means.")
    asked = {question.id for question in questions}
    gone = sum(item.question not in asked for item in labels.draw.items)
    if gone:
        found.append(f"{gone} drawn answers belong to questions that are no longer asked.")
    return tuple(found)


def overruled(labels: Labelled, variant: str | None) -> tuple[str, ...]:
    """Return a warning for each variant that the labels put above the recommended one, their intervals apart."""
    truths = {item.variant: item.debiased for item in labels.debiased if item.metric == "truthfulness"}
    best = truths.get(variant or "")
    if best is None or best.high is None:
        return ()
    return tuple(
        f"By the labels {name} is ahead of {variant} in truthfulness: {found.mean:+.2f} against {best.mean:+.2f}, debiased."
        for name, found in truths.items()
        if found.low is not None and found.low > best.high
    )
