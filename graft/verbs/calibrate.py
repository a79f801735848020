"""calibrate: when to decline, from development questions, judged on the held-out ones.

Of a search: the least cosine worth answering for ([retrieval] min_score); no generator is asked. Of a variant: the least
confidence of its answer worth giving ([generation] min_confidence); it answers the questions of both sets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from graft.decision.calibration import Threshold, apply, calibrate
from graft.decision.compare import column
from graft.decision.inference.intervals import Interval
from graft.decision.selective import Answered, Selection, choose, judge
from graft.errors import ConfigError, DataError, NotBuilt
from graft.evaluation.metrics.catalogue import score
from graft.generation.followup import search_query
from graft.generation.variant import Variant
from graft.protocols import Progress
from graft.types import Answer, Question
from graft.verbs.comparing.competitors import rows_of
from graft.verbs.comparing.deciding import outcome_of
from graft.verbs.comparing.development import development, measured_questions
from graft.wiring.parts import Parts
from graft.wiring.retrieval import narrowed

# Below this chance of telling an answerable question from another the threshold declines both alike.
_TELLS = 0.65
FEWEST = 30


@dataclass(frozen=True, slots=True)
class Calibrated:
    """`chosen` is the threshold with its shares on the `development` questions it was chosen on, `judged` the same on
    the `held` ones; `today` is what the project uses now, 0 for none."""

    chosen: Threshold
    judged: Threshold
    development: int
    held: int
    today: float

    @property
    def text(self) -> str:
        """What was found, what it does to other questions, and what to write."""
        chosen, judged = self.chosen, self.judged
        kept, declined = _share(judged.kept), _share(judged.declined)
        lines = [
            f"Best cosine at or above {_written(chosen.value)} ({chosen.low:.2f} to {chosen.high:.2f}) keeps "
            f"{chosen.target:.0%} of the answerable among {self.development} development questions.",
            f"Of {self.held} held-out questions it keeps {kept} of the answerable and declines {declined} of the others.",
        ]
        if judged.separation is None:
            lines.append(
                "No held-out question is unanswerable, so what it declines is not known: collect some."
            )
        elif judged.separation < _TELLS:
            lines.append(f"But this score hardly tells them apart ({judged.separation:.2f}, where 0.5 is chance): leave "
                         "min_score at 0 and let the model decline.")  # fmt: skip
        else:
            lines.append(f"It tells them apart with {judged.separation:.2f}, where 0.5 is chance. To use it, write "
                         f"min_score = {_written(chosen.value)} under [retrieval]; today it is {self.today:g}.")  # fmt: skip
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """The documented form for scripts."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Selected:
    """`chosen` is what the threshold does to the `development` questions it was chosen on, `judged` the same on the held-out
    ones; `today` is the project's own threshold for the `variant`, 0 for none."""

    variant: str
    chosen: Selection
    judged: Selection
    today: float

    @property
    def text(self) -> str:
        """What was found, what it does to other questions, and what to write."""
        chosen, judged = self.chosen, self.judged
        told = "" if judged.separation is None else (
            f"A right answer of {self.variant} is surer than a wrong one with {judged.separation:.2f}, where 0.5 is chance."
        )  # fmt: skip
        if not chosen.threshold:
            none = f"On {chosen.n} development questions no threshold makes the answers of {self.variant} worth more."
            return "\n".join(filter(None, [none, told]))
        gain = judged.gain
        limits = "" if gain.low is None or gain.high is None else f" [{gain.low:+.2f}, {gain.high:+.2f}]"
        lines = [
            f"{self.variant}, answering from a confidence of {_written(chosen.threshold)} on (chosen on {chosen.n} development "
            f"questions), of {judged.n} held-out ones:",
            f"  right     {_change(judged, 'right')}",
            f"  wrong     {_change(judged, 'wrong')}",
            f"  missed    {_change(judged, 'missed')}   (not given, though there was an answer)",
            f"  worth     {judged.worth_before:+.2f} → {judged.worth_after:+.2f} a question ({gain.value or 0:+.2f}{limits})",
            f"To decline every question would be worth {judged.worth_declining:+.2f}.",
            told,
        ]
        if gain.low is not None and gain.low > 0:
            lines.append(f"To use it, write min_confidence = {{ {self.variant} = {_written(chosen.threshold)} }} under [generation]; "
                         f"today it is {self.today:g}.")  # fmt: skip
        else:
            lines.append("That it helps is not shown: leave it, or collect more questions.")
        return "\n".join(filter(None, lines))

    def to_json(self) -> dict[str, Any]:
        """The documented form for scripts."""
        return asdict(self)


def _written(threshold: float) -> str:
    """Return the very number that was judged: rounded once more, 0.9963 would be 1.00, which declines everything."""
    return np.format_float_positional(threshold, min_digits=2)


def _change(judged: Selection, kind: str) -> str:
    before, after = getattr(judged.before, kind), getattr(judged.after, kind)
    return f"{before:>4.0%} → {after:>4.0%}"


def calibrated(parts: Parts, *, target: float = 0.95) -> Calibrated:
    """Choose the threshold that keeps `target` of the answerable development questions. Raises NotBuilt without an index,
    DataError with too few questions, ConfigError for a target that is no share."""
    if not 0 < target <= 1:
        raise ConfigError(
            f"The target {target} is no share.", "Give a number above 0 and at most 1, e.g. 0.95."
        )
    if len(parts.retrieval.store) == 0:
        raise NotBuilt("Nothing is indexed yet.", "Run graft build.")
    asked, held = _both(parts)
    chosen = calibrate(_best(parts, asked), [question.answerable for question in asked], target=target)
    judged = apply(chosen, _best(parts, held), [question.answerable for question in held])
    return Calibrated(chosen, judged, len(asked), len(held), parts.config.retrieval.min_score)


def selected(parts: Parts, name: str, *, progress: Progress) -> Selected:
    """Choose the confidence from which on the answers of a variant are worth most, by [decision]'s values. No judge is
    asked: where one decides comparisons, right and wrong are told by truthfulness here. Raises NotBuilt when the variant
    is not built, DataError with too few questions or a generator that tells no confidence."""
    asked, held = _both(parts)
    # Without the project's own threshold: what it withheld could not be judged.
    answerer = replace(parts.variant(name), min_confidence=0.0)
    values = parts.values
    first, second = (_answered(parts, answerer, questions, progress) for questions in (asked, held))
    threshold = choose(first, values)
    chosen, judged = (
        judge(threshold, made, values, draws=parts.config.evaluation.draws, seed=parts.config.project.seed)
        for made in (first, second)
    )
    return Selected(name, chosen, judged, parts.config.generation.min_confidence.get(name, 0.0))


def _answered(parts: Parts, answerer: Variant, questions: Sequence[Question], progress: Progress) -> Answered:
    rows = rows_of(parts, answerer, questions, progress)
    answers = [row.answer for row in rows]
    if all(answer is None or answer.confidence is None for answer in answers):
        raise DataError(f"The generator of {answerer.name} does not say how sure it is of an answer.",
                        'With name = "openai" under [generation.model] add logprobs = true; not every endpoint tells.')  # fmt: skip
    scores = score(questions, rows, evidence_text=parts.gold.text)
    metric = outcome_of(parts.config.evaluation.primary, judged=False)
    outcome = column(scores[metric])
    judged = ~np.isnan(outcome)  # a rewriting, say, is neither right nor wrong
    if not judged.any():
        raise DataError(f"None of the {len(questions)} questions has a value of {metric}, so no answer can be judged.",
                        "Write questions with reference answers.")  # fmt: skip
    answerable = np.array([question.answerable for question in questions])
    return Answered(
        confidence=np.array([_withholdable(answer) for answer in answers])[judged],
        outcome=outcome[judged],
        formats=np.where(answerable, column(scores["format"]), np.nan)[judged],
        answerable=answerable[judged],
        clusters=[question.cluster for question, known in zip(questions, judged, strict=True) if known],
    )


def _withholdable(answer: Answer | None) -> float:
    """Return the confidence of an answer that a threshold could withhold; NaN for one that declines already."""
    if answer is None or answer.abstained or answer.confidence is None:
        return float("nan")
    return answer.confidence


def _both(parts: Parts) -> tuple[tuple[Question, ...], tuple[Question, ...]]:
    """Return the development and the held-out questions. Raises DataError when the first are too few."""
    asked = development(parts)
    held, _ = measured_questions(parts)
    if sum(question.answerable for question in asked) < FEWEST:
        raise DataError(f"{parts.config.evaluation.development} has fewer than {FEWEST} answerable questions.",
                        "A threshold from fewer is a guess: write more, and unanswerable ones beside them.")  # fmt: skip
    return asked, held


def _best(parts: Parts, questions: Sequence[Question]) -> list[float]:
    if parts.config.retrieval.mode == "bm25":
        raise ConfigError(
            "The search has no cosine: [retrieval] mode is bm25.", 'Use mode = "hybrid" or "dense".'
        )
    queries = [search_query(question.messages) for question in questions]
    where = narrowed(parts.config.retrieval.where, None)
    found = parts.retrieval.searcher().search_batch(queries, 1, where)
    return [result.best_dense if result.best_dense is not None else -1.0 for result in found]


def _share(found: Interval) -> str:
    if found.value is None or found.low is None or found.high is None:
        return "none"
    return f"{found.value:.0%} ({found.low:.0%} to {found.high:.0%})"
