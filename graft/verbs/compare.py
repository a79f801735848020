"""compare and recommend: the same held-out questions to every variant, then metrics, statistics and a verdict.

One Run a variant, resumable; a variant that has not changed is not asked again, so `recommend` can decide again under
other [decision] settings without asking any model. The same data and seed give the same figures, latency aside.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from graft.decision.trust import Trust
from graft.errors import BudgetExceeded, ConfigError, DataError, GraftError, LeakError, NotBuilt
from graft.evaluation.metrics.answers import REWRITING, RIGHT_OR_WRONG
from graft.evaluation.metrics.catalogue import score
from graft.evaluation.question_sets.questions import check_questions, finding_lines, fingerprint
from graft.evaluation.run import MANIFEST, read_latencies, reported_latencies, run
from graft.protocols import Answerer, Progress
from graft.tuning.examples import read_examples
from graft.tuning.leaks import refuse_leaks
from graft.types import Question
from graft.verbs.comparing.answered import remarks
from graft.verbs.comparing.competitors import Field, competitors, run_key
from graft.verbs.comparing.deciding import Decided, Measured, decide
from graft.verbs.comparing.development import measured_questions
from graft.verbs.comparing.judging import judging
from graft.verbs.comparing.likelihoods import likelihoods
from graft.verbs.comparing.repeats import repetitions
from graft.verbs.comparing.stored import last
from graft.wiring.parts import Parts
from graft.workspace import read_json

INDEXED_QUESTIONS, INDEXED_SHARE = 5, 0.1
"""How many questions, and which share of all, must stand in one document for it to be taken for the question set."""


def compare(parts: Parts, *, progress: Progress) -> Decided:
    """Ask, score, compare, decide and write the report. Raises LeakError when a question is in the training data."""
    with parts.workspace.lock("compare"):
        return decide(parts, _measure(parts, progress, ask=True))


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
        return decide(parts, _measure(parts, progress, ask=False))


# --- measuring -------------------------------------------------------------------------------------------------------


def held_out(parts: Parts) -> tuple[tuple[Question, ...], tuple[str, ...]]:
    """Return the questions and what is odd about them. Raises LeakError when examples hold one of them, or an indexed
    document holds them as a set of questions would; ConfigError when the primary metric judges none of them."""
    section = parts.config.evaluation
    questions, apart = measured_questions(parts)
    if not questions:
        raise DataError(
            f"Every question of {section.questions} stands in {section.development} too, so none is left to measure on.",
            "Set [evaluation] development to another file, or write questions that stand in one of the two only.",
        )
    if section.primary in RIGHT_OR_WRONG and all(question.match == "rewrite" for question in questions):
        raise ConfigError(
            f"All {len(questions)} questions of {section.questions} ask for a rewriting, which {section.primary} cannot judge.",
            f'Set [evaluation] primary = "{REWRITING}".',
        )
    examples = parts.root / parts.config.tuning.examples
    if examples.exists():
        refuse_leaks(read_examples(examples), [(question.id, question.text) for question in questions])
    questions, renamed = parts.gold.named(questions)
    _refuse_indexed(parts, questions)
    checked = check_questions(questions, parts.gold.document_lengths())
    # What the comparison says itself: that they are few, and that none is unanswerable.
    said = {"few", *(() if any(not question.answerable for question in questions) else ("few-unanswerable",))}
    findings = [finding for finding in checked if finding.kind not in said]
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
            _warm_up(answerer, questions[0])
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


def _warm_up(answerer: Answerer, question: Question) -> None:
    """Load the model: no question is charged for that. What fails here fails in the run too, which tells of whom, and makes
    a row of it where only this question is at fault."""
    try:
        answerer.answer_batch([question.messages])
    except BudgetExceeded:
        raise
    except GraftError:
        return
