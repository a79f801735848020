"""The same questions once more, under other seeds, of those whose answers can differ from run to run.

Endpoints (also at temperature 0) and whatever samples. A local model that decodes greedily, the baselines and recorded
answers are not asked: they would say the same. Each repetition is a run of its own, kept like the first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from graft.decision.compare import column
from graft.decision.inference.repeats import Repeated, repeated
from graft.errors import BackendError, BudgetExceeded
from graft.evaluation.judging.metrics import JUDGED
from graft.evaluation.metrics.catalogue import score
from graft.evaluation.run import MANIFEST, outstanding, run, spread
from graft.generation.competitor import Competitor
from graft.generation.variant import Variant
from graft.protocols import Answerer, Progress
from graft.settings import BASELINES
from graft.types import Question, Row
from graft.verbs.comparing.competitors import Field, run_key
from graft.wiring.parts import Parts
from graft.workspace import read_json

ASKED = 30
"""How many questions are asked again: enough to see one answer in ten change (96 % of the time), at the price of a small run."""


def varies(parts: Parts, name: str, answerer: Answerer) -> bool:
    """Whether the answers of a variant can differ from run to run."""
    if name in BASELINES or not isinstance(answerer, Variant | Competitor):
        return False
    return not parts.is_local(name) or answerer.temperature > 0


def asked_again(parts: Parts, name: str, answerer: Answerer, questions: Sequence[Question]) -> list[Question]:
    """Return what the repetitions of a variant have still to ask, a question once for each of them."""
    if not varies(parts, name, answerer):
        return []
    chosen = spread(questions, ASKED)
    folders = [parts.workspace.run(run_key(other, chosen)) for other in _others(parts, answerer)]
    return [question for folder in folders for question in outstanding(folder, chosen, 0)[0]]


def repetitions(
    parts: Parts,
    questions: Sequence[Question],
    entered: Field,
    rows: Mapping[str, Sequence[Row]],
    *,
    ask: bool,
    progress: Progress,
) -> tuple[tuple[Repeated, ...], tuple[str, ...]]:
    """Return what the repetitions of each variant that can win say in the primary metric, and why some could not be made.
    Without `ask` no model is asked, and only what was finished counts."""
    found, told = [], []
    declared = parts.config.evaluation.primary
    metric = (
        "truthfulness" if declared == JUDGED else declared
    )  # a judge is asked about the first answers only
    chosen = spread(questions, ASKED)
    places = {question.id: at for at, question in enumerate(questions)}
    for name, answerer in entered.answerers.items():
        if name in entered.shown or not varies(parts, name, answerer):
            continue
        runs: list[Sequence[Row]] = [[rows[name][places[question.id]] for question in chosen]]
        try:
            runs += _again(parts, chosen, answerer, ask=ask, progress=progress)
        except (BackendError, BudgetExceeded) as error:  # the comparison itself is complete
            told.append(f"How far {name} differs from run to run was not measured. {error.message}")
        scores = [column(score(chosen, one, [metric], evidence_text=parts.gold.text)[metric]) for one in runs]
        one = repeated(name, metric, np.stack(scores), len(questions))
        found += [one] if one else []
    return tuple(found), tuple(told)


def _again(
    parts: Parts, questions: Sequence[Question], answerer: Answerer, *, ask: bool, progress: Progress
) -> list[Sequence[Row]]:
    """Return the rows of each repetition, under the next seeds."""
    section = parts.config.evaluation
    made: list[Sequence[Row]] = []
    for other in _others(parts, answerer):
        folder = parts.workspace.run(run_key(other, questions))
        if not ask and read_json(folder / MANIFEST) is None:
            break
        made.append(
            run(other, questions, folder, batch_size=section.batch_size, latency_questions=0, progress=progress, again=ask)
        )  # fmt: skip
    return made


def _others(parts: Parts, answerer: Answerer) -> list[Variant | Competitor]:
    """Return a variant under the seeds of its repetitions."""
    assert isinstance(answerer, Variant | Competitor)
    steps = range(1, parts.config.evaluation.repeats)
    return [replace(answerer, name=f"{answerer.name} again", seed=answerer.seed + step) for step in steps]
