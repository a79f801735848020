"""calibrate: the least cosine worth answering for, from development questions, judged on the held-out ones.

No generator is asked: a question's score is the best cosine that the search finds for it, which is what [retrieval]
min_score is compared with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from graft.decision.calibration import Threshold, apply, calibrate
from graft.decision.intervals import Interval
from graft.errors import ConfigError, DataError, NotBuilt
from graft.evaluation.questions import read_questions
from graft.generation.followup import search_query
from graft.types import Question
from graft.verbs.comparing.development import development, held_apart
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
            f"Best cosine at or above {chosen.value:.2f} ({chosen.low:.2f} to {chosen.high:.2f}) keeps "
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
                         f"min_score = {chosen.value:.2f} under [retrieval]; today it is {self.today:g}.")  # fmt: skip
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """The documented form for scripts."""
        return asdict(self)


def calibrated(parts: Parts, *, target: float = 0.95) -> Calibrated:
    """Choose the threshold that keeps `target` of the answerable development questions. Raises NotBuilt without an index,
    DataError with too few questions, ConfigError for a target that is no share."""
    if not 0 < target <= 1:
        raise ConfigError(
            f"The target {target} is no share.", "Give a number above 0 and at most 1, e.g. 0.95."
        )
    if len(parts.retrieval.store) == 0:
        raise NotBuilt("Nothing is indexed yet.", "Run graft build.")
    asked = development(parts)
    section = parts.config.evaluation
    held, _ = held_apart(read_questions(parts.root / section.questions), asked, section.development)
    if sum(question.answerable for question in asked) < FEWEST:
        raise DataError(f"{section.development} has fewer than {FEWEST} answerable questions.",
                        "A threshold from fewer is a guess: write more, and unanswerable ones beside them.")  # fmt: skip
    chosen = calibrate(_best(parts, asked), [question.answerable for question in asked], target=target)
    judged = apply(chosen, _best(parts, held), [question.answerable for question in held])
    return Calibrated(chosen, judged, len(asked), len(held), parts.config.retrieval.min_score)


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
