"""compare and recommend: the same held-out questions to every variant, then metrics, statistics and a verdict.

One Run a variant, resumable; a variant that has not changed is not asked again, so `recommend` can decide again under
other [decision] settings without asking any model. The same data and seed give the same figures, latency aside.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from graft.decision import compare as comparing
from graft.decision.explain import headroom_line, knowledge_line, seed_line, tuning_gain_line
from graft.decision.ownership import Ownership, ownership_lines
from graft.decision.ratios import ratios
from graft.decision.recommend import Limits, recommend
from graft.decision.trust import Trust
from graft.errors import DataError, LeakError, NotBuilt
from graft.evaluation.judge_metrics import JUDGED
from graft.evaluation.metrics import score
from graft.evaluation.questions import check_questions, finding_lines, fingerprint
from graft.evaluation.run import MANIFEST, Latencies, read_latencies, reported_latencies, run
from graft.protocols import Progress
from graft.records import to_dict
from graft.reporting import report as reporting
from graft.tuning.examples import read_examples
from graft.tuning.leaks import refuse_leaks
from graft.types import Comparison, Question, Recommendation, Row, Value, content_hash
from graft.verbs.building import forgetting
from graft.verbs.comparing.answered import remarks
from graft.verbs.comparing.bills import bills
from graft.verbs.comparing.causes import causes
from graft.verbs.comparing.competitors import Field, competitors, run_key
from graft.verbs.comparing.development import measured_questions
from graft.verbs.comparing.fitness import beaten, mute, unsure
from graft.verbs.comparing.judging import judging
from graft.verbs.comparing.likelihoods import likelihoods
from graft.verbs.comparing.made_of import made_of
from graft.verbs.comparing.repeats import repetitions
from graft.verbs.comparing.seen import by_people, strata
from graft.verbs.comparing.stored import FILE, ROWS, Last, last, point_to
from graft.verbs.comparing.versions import selected
from graft.verbs.labelling.rates import labelled, overruled
from graft.wiring.parts import Parts
from graft.workspace import read_json, write_json

INDEXED_QUESTIONS, INDEXED_SHARE = 5, 0.1
"""How many questions, and which share of all, must stand in one document for it to be taken for the question set."""


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


def compare(parts: Parts, *, progress: Progress) -> Decided:
    """Ask, score, compare, decide and write the report. Raises LeakError when a question is in the training data."""
    with parts.workspace.lock("compare"):
        return _decide(parts, _measure(parts, progress, ask=True))


def recommend_again(parts: Parts, progress: Progress) -> Decided:
    """Decide again from finished runs. Raises NotBuilt when a variant has not answered every question."""
    if last(parts.workspace) is None:
        raise NotBuilt("Nothing has been compared yet.", "Run graft compare.")
    questions, _ = held_out(parts)
    with competitors(parts, questions) as entered:
        for name, answerer in entered.answerers.items():
            if read_json(parts.workspace.run(run_key(answerer, questions)) / MANIFEST) is None:
                raise NotBuilt(f"The run of {name} is out of date.", "Run graft compare.")
    with parts.workspace.lock("compare"):
        return _decide(parts, _measure(parts, progress, ask=False))


# --- measuring -------------------------------------------------------------------------------------------------------


def held_out(parts: Parts) -> tuple[tuple[Question, ...], tuple[str, ...]]:
    """Return the questions and what is odd about them. Raises LeakError when examples hold one of them, or an indexed
    document holds them as a set of questions would."""
    section = parts.config.evaluation
    questions, apart = measured_questions(parts)
    if not questions:
        raise DataError(
            f"Every question of {section.questions} stands in {section.development} too, so none is left to measure on.",
            "Set [evaluation] development to another file, or write questions that stand in one of the two only.",
        )
    examples = parts.root / parts.config.tuning.examples
    if examples.exists():
        refuse_leaks(read_examples(examples), [(question.id, question.text) for question in questions])
    questions, renamed = parts.gold.named(questions)
    _refuse_indexed(parts, questions)
    checked = check_questions(questions, parts.gold.document_lengths())
    findings = [finding for finding in checked if finding.kind != "few"]  # the comparison says so itself
    return questions, (*apart, *renamed, *finding_lines(findings))


def _refuse_indexed(parts: Parts, questions: Sequence[Question]) -> None:
    """Raise LeakError when the question set itself lies among the documents: a search would find each question with its
    answer beside it (extractive went from 60 to 95 % correct in a folder with the sheet the questions came from)."""
    for document, ids in parts.gold.word_for_word(questions).items():
        if len(ids) >= max(INDEXED_QUESTIONS, INDEXED_SHARE * len(questions)):
            raise LeakError(
                f"{len(ids)} of {len(questions)} held-out questions stand word for word in {document!r}, which is indexed, so "
                f"a search would find the questions themselves: {', '.join(ids[:5])}, …",
                f"Leave the file out ([documents] exclude = [{json.dumps(document, ensure_ascii=False)}]) and run graft build. If "
                "it is a page that people do find, such as a FAQ, name it as the evidence of these questions.",
            )


def _measure(parts: Parts, progress: Progress, *, ask: bool) -> Measured:
    questions, warnings = held_out(parts)
    with competitors(parts, questions) as entered:
        measured = _asked(parts, questions, entered, progress, again=ask)
        likely = likelihoods(parts, questions, entered.answerers, measured.rows, ask=ask, progress=progress)
        again, untold = repetitions(
            parts, questions, entered, measured.rows, ask=ask, progress=progress,
        )  # fmt: skip
    judged = judging(parts, questions, measured.rows, ask=ask, progress=progress)
    scores = {
        name: score(
            questions, rows, evidence_text=parts.gold.text,
            verdicts=None if judged.verdicts is None else judged.verdicts[name],
            likelihoods=None if likely is None else likely[name],
        )
        for name, rows in measured.rows.items()
    }  # fmt: skip
    noted = remarks(questions, measured.rows, max_tokens=parts.config.generation.max_tokens)
    told = (*noted, *warnings, *measured.warnings, *judged.warnings, *untold)
    return replace(measured, scores=scores, warnings=told, trust=Trust(judge=judged.record, repeated=again))


def _asked(
    parts: Parts, questions: tuple[Question, ...], entered: Field, progress: Progress, *, again: bool
) -> Measured:
    section = parts.config.evaluation
    rows, latencies = {}, {}
    for name, answerer in entered.answerers.items():
        folder = parts.workspace.run(run_key(answerer, questions))
        timed = 0 if name in entered.recorded else section.latency_questions
        if parts.is_local(name) and read_json(folder / MANIFEST) is None:
            answerer.answer_batch([questions[0].messages])  # loads the model: no question is charged for that
        rows[name] = run(answerer, questions, folder, batch_size=section.batch_size, latency_questions=timed,
                         progress=progress, again=again)  # fmt: skip
        latencies[name] = (
            read_latencies(folder) if timed else reported_latencies(rows[name], section.latency_questions)
        )
    fingerprints = {name: answerer.fingerprint for name, answerer in entered.answerers.items()}
    fingerprints |= {"questions": fingerprint(questions), "index": parts.retrieval.index.fingerprint}
    notes = [f"{name} is not in the comparison: {why}" for name, why in entered.missing.items()]
    told = (*notes, *entered.warnings)
    return Measured(questions, rows, {}, latencies, fingerprints, entered.missing, entered.shown, told)


# --- deciding --------------------------------------------------------------------------------------------------------


def _decide(parts: Parts, measured: Measured) -> Decided:
    config = parts.config
    questions = measured.questions
    clusters = [question.cluster for question in questions]
    shared: dict[str, Any] = {
        "questions": [question.id for question in questions],
        "clusters": clusters,
        "answerable": [question.answerable for question in questions],
        "latencies": {name: sample.seconds for name, sample in measured.latencies.items()},
        "strata": strata(parts, questions),
        "seed": config.project.seed,
        "draws": config.evaluation.draws,
    }
    comparison = comparing.compare(
        measured.scores, **shared, subsets=by_people(questions),
        first_words={name: sample.first_words for name, sample in measured.latencies.items()}, primary=config.evaluation.primary, baselines=measured.shown, fingerprints=measured.fingerprints,
    )  # fmt: skip
    sums = ratios(measured.scores, clusters, draws=config.evaluation.draws, seed=config.project.seed)
    comparison = replace(
        comparison,
        warnings=(*comparison.warnings, *measured.warnings),
        variants={name: {**found, **sums[name]} for name, found in comparison.variants.items()},
    )
    decision = config.decision
    per_answer = {name: _mean(values["cost"]) for name, values in measured.scores.items()}
    owned = bills(parts, {name: cost for name, cost in per_answer.items() if name not in measured.shown})
    indexed = parts.gold.document_lengths()
    found = {name: causes(questions, scores, indexed) for name, scores in measured.scores.items()}
    forgotten = {name: kept for name, kept in forgetting.stored(parts).items() if name in measured.scores}
    recommendation = recommend(
        comparison, measured.scores, **shared, costs=per_answer,
        monthly={name: bill.per_month(owned.months) for name, bill in owned.bills.items()},
        values=parts.values,
        limits=Limits(
            max_p95=decision.max_p95_seconds, max_cost_per_query=decision.max_cost_per_query,
            floors=decision.floors, guardrails=decision.guardrails,
            excluded={**mute(comparison, decision.max_declines), **decision.exclude}, apart={forgetting.GUARD: forgetting.apart(forgotten)},
        ),
        margin=decision.margin, queries_per_month=decision.queries_per_month, failures=found,
        outcome=JUDGED if config.evaluation.primary == JUDGED else "truthfulness",
    )  # fmt: skip
    told = [
        *headroom_line(comparison),
        *knowledge_line(comparison),
        *tuning_gain_line(measured.scores, clusters, seed=config.project.seed, draws=config.evaluation.draws),
        *unsure(measured.rows, comparison, recommendation, config.generation.min_confidence),
    ]
    recommendation = replace(
        recommendation,
        reasons=(*recommendation.reasons, *told),
        trace=(
            *recommendation.trace,
            *told,
            *seed_line(list(measured.rows)),
            *forgetting.lines(forgotten),
            *ownership_lines(owned),
        ),
    )
    beyond = beaten(questions, comparison, recommendation, parts.values)
    beyond = (*beyond, *selected(parts, questions, comparison))
    beyond = (*beyond, *(kept.warning(name) for name, kept in forgotten.items() if kept.lost))
    labels = labelled(
        parts.root / config.evaluation.labels, questions, measured.rows, measured.scores,
        draws=config.evaluation.draws, seed=config.project.seed,
    )  # fmt: skip
    if labels is not None:
        beyond = (*beyond, *overruled(labels, recommendation.variant), *labels.warnings)
        measured = replace(measured, trust=replace(measured.trust, labels=labels))
    comparison = replace(comparison, warnings=(*beyond, *comparison.warnings))
    return _written(parts, measured, comparison, recommendation, owned)


def _mean(values: Sequence[Value]) -> float | None:
    known = [value.value for value in values if value.value is not None]
    return sum(known) / len(known) if known else None


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
