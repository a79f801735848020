"""From what was measured to the verdict: the comparison, the recommendation with its trace, and the report that is written.

No model is asked here, so the same can be decided again under other [decision] settings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from graft.decision import compare as comparing
from graft.decision.costs.ownership import Ownership, ownership_lines
from graft.decision.inference.ratios import ratios
from graft.decision.recommending.explain import headroom_line, knowledge_line, seed_line, tuning_gain_lines
from graft.decision.recommending.recommend import Limits, recommend
from graft.decision.trust import Trust
from graft.evaluation.judging.metrics import JUDGED
from graft.evaluation.metrics.answers import REWRITING
from graft.evaluation.metrics.catalogue import metric_card, metric_names
from graft.evaluation.run import Latencies
from graft.records import to_dict
from graft.reporting import report as reporting
from graft.types import Comparison, Question, Recommendation, Row, Value, content_hash
from graft.verbs.building import forgetting
from graft.verbs.building.forgetting import Forgetting
from graft.verbs.comparing.bills import bills
from graft.verbs.comparing.causes import causes
from graft.verbs.comparing.fitness import beaten, mute, unsure
from graft.verbs.comparing.made_of import made_of
from graft.verbs.comparing.seen import by_people, strata
from graft.verbs.comparing.stored import FILE, ROWS, Last, point_to
from graft.verbs.comparing.versions import selected
from graft.verbs.labelling.rates import labelled, overruled
from graft.wiring.parts import Parts
from graft.workspace import write_json

_TIMED = ("latency", "cost")  # wall seconds, and the machine's price by them: never the same twice


@dataclass(frozen=True, slots=True)
class Measured:
    """What the variants answered and how it scored. `scores[variant][metric]` runs along `questions`; `latencies` are
    timings of single questions; `missing` says why a variant that was asked for is not here; `shown` cannot win."""

    questions: tuple[Question, ...]
    rows: Mapping[str, Sequence[Row]]
    scores: Mapping[str, Mapping[str, Sequence[Value]]]
    latencies: Mapping[str, Latencies]
    fingerprints: Mapping[str, str]
    missing: Mapping[str, str]
    shown: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    trust: Trust = field(default_factory=Trust)


@dataclass(frozen=True, slots=True)
class Decided:
    """A comparison with its verdict, the report for people and the rows for scripts."""

    comparison: Comparison
    recommendation: Recommendation
    report: Path
    rows: Path
    trust: Trust = field(default_factory=Trust)

    @property
    def text(self) -> str:
        """The table, the verdict with its reasons, and where the report lies."""
        return f"{reporting.to_terminal(self.comparison, self.recommendation, self.trust)}\n\nReport: {self.report}"

    @property
    def markdown(self) -> str:
        """The same as Markdown."""
        return reporting.to_markdown(self.comparison, self.recommendation, self.trust)

    @property
    def trace(self) -> str:
        """The verdict with its reasons, and every step that led to it."""
        return reporting.to_decision(self.recommendation)

    def to_json(self) -> dict[str, Any]:
        """The documented form for scripts."""
        comparison = to_dict(self.comparison)
        return {
            **comparison,
            "verdict": to_dict(self.recommendation),
            "trust": to_dict(self.trust),
            "report": str(self.report),
            "rows": str(self.rows),
        }


def outcome_of(primary: str, *, judged: bool = True) -> str:
    """Return the metric that tells what came of an answer, by the primary one and whether a judge was asked (`judged`)."""
    return primary if primary == REWRITING or (primary == JUDGED and judged) else "truthfulness"


def decide(parts: Parts, measured: Measured) -> Decided:
    """Compare the variants, recommend one or none, and write rows, report and verdict."""
    config, questions = parts.config, measured.questions
    shared: dict[str, Any] = {
        "questions": [question.id for question in questions],
        "clusters": [question.cluster for question in questions],
        "answerable": [question.answerable for question in questions],
        "latencies": {name: sample.seconds for name, sample in measured.latencies.items()},
        "strata": strata(parts, questions),
        "seed": config.project.seed,
        "draws": config.evaluation.draws,
    }
    comparison = _compared(parts, measured, shared)
    costs = {name: _mean(values["cost"]) for name, values in measured.scores.items()}
    owned = bills(parts, {name: cost for name, cost in costs.items() if name not in measured.shown})
    forgotten = {name: kept for name, kept in forgetting.stored(parts).items() if name in measured.scores}
    recommendation = _recommended(parts, measured, comparison, shared, costs, owned, forgotten)
    beyond = [
        *beaten(questions, comparison, recommendation, parts.values),
        *selected(parts, questions, comparison),
        *(kept.warning(name) for name, kept in forgotten.items() if kept.lost),
    ]
    labels = labelled(
        parts.root / config.evaluation.labels, questions, measured.rows, measured.scores,
        draws=config.evaluation.draws, seed=config.project.seed,
    )  # fmt: skip
    if labels is not None:
        beyond += [*overruled(labels, recommendation.variant), *labels.warnings]
        measured = replace(measured, trust=replace(measured.trust, labels=labels))
    comparison = replace(comparison, warnings=(*beyond, *comparison.warnings))
    return _written(parts, measured, comparison, recommendation, owned)


def _compared(parts: Parts, measured: Measured, shared: Mapping[str, Any]) -> Comparison:
    """Return the runs side by side, with the figures that are ratios of sums and the warnings of measuring."""
    samples = measured.latencies.items()
    comparison = comparing.compare(
        measured.scores, **shared, subsets=by_people(measured.questions),
        first_words={name: sample.first_words for name, sample in samples},
        primary=parts.config.evaluation.primary, baselines=measured.shown, fingerprints=measured.fingerprints,
    )  # fmt: skip
    sums = ratios(measured.scores, shared["clusters"], draws=shared["draws"], seed=shared["seed"])
    return replace(
        comparison,
        warnings=(*comparison.warnings, *measured.warnings),
        variants={name: {**found, **sums[name]} for name, found in comparison.variants.items()},
    )


def _recommended(
    parts: Parts,
    measured: Measured,
    comparison: Comparison,
    shared: Mapping[str, Any],
    costs: Mapping[str, float | None],
    owned: Ownership,
    forgotten: Mapping[str, Forgetting],
) -> Recommendation:
    """Return the verdict, with what goes beside it in its reasons and its trace."""
    config, decision = parts.config, parts.config.decision
    indexed = parts.gold.document_lengths()
    guarded = forgetting.GUARD in decision.guardrails
    unknown = forgetting.unmeasured(forgotten, measured.scores) if guarded else {}
    recommendation = recommend(
        comparison, measured.scores, **shared, costs=costs,
        monthly={name: bill.per_month(owned.months) for name, bill in owned.bills.items()},
        values=parts.values,
        limits=Limits(
            max_p95=decision.max_p95_seconds, max_cost_per_query=decision.max_cost_per_query,
            floors=decision.floors, guardrails=decision.guardrails, lower=_lower(decision.guardrails),
            excluded={**mute(comparison, decision.max_declines), **unknown, **decision.exclude},
            apart={forgetting.GUARD: forgetting.apart(forgotten)},
        ),
        margin=decision.margin, queries_per_month=decision.queries_per_month,
        failures={name: causes(measured.questions, scores, indexed) for name, scores in measured.scores.items()},
        outcome=outcome_of(config.evaluation.primary),
    )  # fmt: skip
    told = [
        *headroom_line(comparison),
        *knowledge_line(comparison),
        *tuning_gain_lines(measured.scores, shared["clusters"], seed=shared["seed"], draws=shared["draws"]),
        *unsure(measured.rows, comparison, recommendation, config.generation.min_confidence),
    ]
    beside = [*seed_line(list(measured.rows)), *forgetting.lines(forgotten), *ownership_lines(owned)]
    return replace(
        recommendation,
        reasons=(*recommendation.reasons, *told),
        trace=(*recommendation.trace, *told, *beside),
    )


def _lower(metrics: Iterable[str]) -> frozenset[str]:
    """Return those of which less is better; a guarded figure that is no metric of the questions is a share kept."""
    known = metric_names()
    return frozenset(name for name in metrics if name in known and metric_card(name).direction == "lower")


def _mean(values: Sequence[Value]) -> float | None:
    known = [value.value for value in values if value.value is not None]
    return sum(known) / len(known) if known else None


def _scored(measured: Measured) -> str:
    """Return what became of each answer, for the comparison's key: where a metric changed or a failure was asked again, the
    same variants score otherwise, and the rows that a release rests on must not be written over."""
    statuses = [(name, [row.status for row in rows]) for name, rows in sorted(measured.rows.items())]
    values = [
        (name, metric, [value.value for value in column])
        for name, scores in sorted(measured.scores.items())
        for metric, column in sorted(scores.items())
        if metric not in _TIMED
    ]
    return repr((statuses, values))


def _written(
    parts: Parts,
    measured: Measured,
    comparison: Comparison,
    recommendation: Recommendation,
    owned: Ownership,
) -> Decided:
    """Write rows, report and verdict; `latest.json` last, so that it never points at half a comparison."""
    key = content_hash(
        repr(sorted(measured.fingerprints.items())),
        repr(parts.config.decision),
        repr(parts.config.costs),
        repr(parts.config.evaluation),
        _scored(measured),
    )
    folder = parts.workspace.comparisons / key
    trust = measured.trust
    decided = Decided(comparison, recommendation, folder / "report.html", folder / ROWS, trust)
    reporting.write_report(
        folder, comparison, recommendation, rows=measured.rows, questions=measured.questions, scores=measured.scores,
        title=parts.config.project.name or parts.root.name, settings=made_of(parts.config),
        stages={name: sample.samples for name, sample in measured.latencies.items()}, cost=owned, trust=trust,
    )  # fmt: skip
    write_json(folder / FILE, decided.to_json())
    verdict = recommendation.kind, recommendation.variant
    point_to(parts.workspace, Last(folder, *verdict, comparison.questions, str(decided.report)))
    return decided
