"""check: the gate for continuous integration. Today's comparison against a stored one; says no on a regression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from graft.decision.gate import Judgement, judge, passed
from graft.decision.inference.resampling import Floats
from graft.errors import ConfigError, DataError, NotBuilt, UnknownName
from graft.evaluation.metrics.catalogue import metric_card, metric_names
from graft.protocols import Progress
from graft.records import to_dict
from graft.types import Question
from graft.verbs.building.forgetting import GUARD
from graft.verbs.compare import compare, held_out
from graft.verbs.comparing.stored import Scores, read_comparison, read_scores
from graft.verbs.release import current, releases
from graft.wiring.parts import Parts

_LISTED = 10  # ids of changed questions in the summary


@dataclass(frozen=True, slots=True)
class Baseline:
    """A stored comparison: what to call it, the variant that is guarded, and its scores."""

    label: str
    variant: str
    scores: Scores


@dataclass(frozen=True, slots=True)
class Checked:
    """The judgement on each declared metric, and whether the gate opens."""

    variant: str
    baseline: str
    passed: bool
    judgements: tuple[Judgement, ...]
    notes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """A line a metric, then the verdict."""
        lines = [
            f"{one.metric:<16} {_number(one.then)} → {_number(one.now)}  {_told(one)}"
            for one in self.judgements
        ]
        return "\n".join([f"{self.variant} against {self.baseline}", *lines, *self.notes, self._verdict])

    @property
    def markdown(self) -> str:
        """A short summary for a pull request."""
        lines = [
            f"### graft check: {self._verdict.lower()}",
            "",
            f"`{self.variant}` against {self.baseline}.",
            "",
            "| metric | then | now | difference | margin | questions | |",
            "|---|---:|---:|---:|---:|---:|---|",
        ]
        for one in self.judgements:
            gap = "–" if one.difference is None else f"{one.difference:+.3f}"
            lines.append(
                f"| {one.metric} | {_number(one.then)} | {_number(one.now)} | {gap} | {one.margin:g} | {one.n} | {_told(one)} |"
            )
        for one in self.judgements:
            if one.worse:
                lines += ["", f"Worse in {one.metric}: {_some(one.worse)}. Better: {_some(one.better)}."]
        lines += ["", *(f"- {note}" for note in self.notes)] if self.notes else []
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """The documented form for scripts."""
        plain: dict[str, Any] = to_dict(self)
        return plain

    @property
    def _verdict(self) -> str:
        return "Passed" if self.passed else "Regression"


def check(
    parts: Parts,
    baseline: str | None = None,
    *,
    variant: str | None = None,
    strict: bool = False,
    progress: Progress,
) -> Checked:
    """Compare today (what has not changed is not asked again) and judge the variant against a stored comparison.

    `baseline` is a release's number or the path of a comparison's folder (with rows.jsonl); default: the current
    release. The primary metric must hold within [decision] margin, and each of [decision] guardrails within its own.
    Raises NotBuilt or DataError when there is nothing to compare with.
    """
    stored = _stored(parts, baseline, variant)
    decided = compare(parts, progress=progress)
    today = _scores(decided.rows.parent, stored.variant)
    questions, _ = held_out(parts)
    common = [question for question in questions if question.id in stored.scores and question.id in today]
    if not common:
        raise DataError(
            f"{stored.label} and today's comparison have no question in common.",
            "Use the same questions, or release today's comparison as the new baseline.",
        )
    decision = parts.config.decision
    margins = {parts.config.evaluation.primary: decision.margin, **decision.guardrails}
    margins.pop(GUARD, None)  # measured of an adapter when it is built, not of the questions
    judgements = tuple(
        _judge(metric, margin, common, stored.scores, today) for metric, margin in margins.items()
    )
    return Checked(
        stored.variant,
        stored.label,
        passed(judgements, strict=strict),
        judgements,
        _notes(len(common), len(questions), len(stored.scores)),
    )


def _judge(
    metric: str, margin: float, common: Sequence[Question], stored: Scores, today: Scores
) -> Judgement:
    for scores in (stored, today):
        if metric not in scores[common[0].id]:
            raise UnknownName("metric", metric, scores[common[0].id], "declared for graft check")
    return judge(
        metric,
        _column(stored, metric, common),
        _column(today, metric, common),
        margin=margin,
        questions=[question.id for question in common],
        clusters=[question.cluster for question in common],
        higher=metric not in metric_names() or metric_card(metric).direction == "higher",
    )


def _column(scores: Scores, metric: str, questions: Sequence[Question]) -> Floats:
    found = [scores[question.id].get(metric) for question in questions]
    return np.array([np.nan if value is None else value for value in found], dtype=np.float64)


def _notes(common: int, today: int, stored: int) -> tuple[str, ...]:
    if common == today == stored:
        return ()
    return (
        f"Judged on the {common} questions that both have: {today - common} are new, {stored - common} were taken out.",
    )


# --- the stored comparison -------------------------------------------------------------------------------------------


def _stored(parts: Parts, baseline: str | None, variant: str | None) -> Baseline:
    if baseline is None or baseline.isdigit():
        found = {one.number: one for one in releases(parts.workspace)}
        promoted = current(parts.workspace) if baseline is None else found.get(int(baseline))
        if promoted is None:
            known = ", ".join(map(str, found)) or "none"
            raise NotBuilt(
                f"There is no release {baseline or 'yet'}.",
                f"Known: {known}. Run graft release, or give the path of a stored comparison.",
            )
        folder = parts.workspace.comparisons / promoted.comparison
        name = variant or promoted.variant
        return Baseline(f"release {promoted.number}", name, _scores(folder, name))
    folder = Path(baseline)
    if not folder.exists():
        raise NotBuilt(
            f"There is no stored comparison at {baseline}.",
            "Give the path of a comparison's folder (with rows.jsonl), or the number of a release.",
        )
    folder = folder if folder.is_dir() else folder.parent  # rows.jsonl in it was named
    name = variant or read_comparison(folder).get("verdict", {}).get("variant")
    if not name:
        raise ConfigError(f"{baseline} does not say which variant to guard.", "Name it with --variant.")
    return Baseline(str(baseline), name, _scores(folder, name))


def _scores(folder: Path, variant: str) -> Scores:
    """Return the scores of a variant from a comparison's rows."""
    found = read_scores(folder)
    if variant not in found:
        raise UnknownName("variant", variant, found, str(folder))
    return found[variant]


# --- showing it --------------------------------------------------------------------------------------------------------


def _told(one: Judgement) -> str:
    told = {
        "unchanged": "unchanged",
        "kept": "not worse by the margin",
        "not shown": "within the margin; so few questions do not prove it",
        "not judged": "no question is scored in both",
        "regressed": "**worse**",
        "incomparable": "**too many nulls in one of the two**",
    }[one.status]
    return told if one.p is None or one.status == "unchanged" else f"{told} (p = {one.p:.3f})"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _some(ids: Sequence[str]) -> str:
    return ", ".join(ids[:_LISTED]) + (f", … ({len(ids)})" if len(ids) > _LISTED else "") or "none"
