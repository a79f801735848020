"""One winner of `graft optimize` against today's settings, on the held-out questions: paired, by document.

A set that is asked often enough says yes, so it is written down which winners a set has judged, and the interval widens
with each (Bonferroni).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from graft.decision.statistics import Interval, paired_difference
from graft.evaluation.question_sets.questions import fingerprint
from graft.retrieval.optimize import FEWER, Measured, Setting
from graft.types import Question, content_hash
from graft.wiring.parts import Parts
from graft.wiring.trials import Trials
from graft.workspace import append_lines, read_lines

LEVEL = 0.95
MARGIN = 0.02  # of nDCG and recall: what "as good" may cost at most, as for the guardrails of a comparison


@dataclass(frozen=True, slots=True)
class Judged:
    """What the held-out questions say of the winner against today's settings. `looks`: the winners that they have judged
    so far, this one counted; the intervals are at 1 - 0.05 / looks."""

    questions: int
    looks: int
    before: Measured
    after: Measured
    ndcg: Interval
    recall: Interval
    margin: float = MARGIN

    @property
    def better(self) -> bool:
        """Whether nDCG is higher beyond noise, and recall not lower beyond noise."""
        low, high = self.ndcg.low, self.recall.high
        return low is not None and low > 0 and (high is None or high >= 0)

    @property
    def lighter(self) -> bool:
        """Whether it shows clearly fewer tokens, and loses less than `margin` of nDCG and of recall beyond doubt."""
        lows = (self.ndcg.low, self.recall.low)
        return self.saved >= 1 - FEWER and all(low is not None and low >= -self.margin for low in lows)

    @property
    def saved(self) -> float:
        """The share of today's tokens that it does without."""
        return 1 - self.after.tokens / self.before.tokens if self.before.tokens else 0.0


def judge(parts: Parts, trials: Trials, held: Sequence[Question], start: Setting, chosen: Setting) -> Judged:
    """Compare the winner with today's settings on the held-out questions, paired; remember that they were asked."""
    path = parts.workspace.optimize / "judged.jsonl"
    entry = [fingerprint(held), content_hash(repr(sorted(chosen.items())))]
    seen = read_lines(path)
    if entry not in seen:
        append_lines(path, [json.dumps(entry)])
        seen.append(entry)
    looks = sum(one[0] == entry[0] for one in seen)
    before, after = trials.measure(start, held), trials.measure(chosen, held)
    clusters = [question.cluster for question in held]
    seed, level = parts.config.project.seed, 1 - (1 - LEVEL) / looks

    def compared(name: str) -> Interval:
        return paired_difference(
            getattr(after, name), getattr(before, name), clusters, seed=seed, level=level
        )

    return Judged(len(held), looks, before, after, compared("objective"), compared("recall"))
