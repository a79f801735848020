"""index measure: what each version of the index finds of the gold evidence, before one is promoted. No model is asked.

A version searches as it would in service, with the project's own ranking. The difference to the version in service is
paired by question, its interval resamples source documents.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graft.decision.inference.intervals import Interval, paired_difference
from graft.errors import DataError, NotBuilt
from graft.evaluation.checks.ranking import ndcg, recall
from graft.evaluation.checks.relevance import ranked_units, units
from graft.generation.followup import search_query
from graft.protocols import Progress
from graft.stages import quiet
from graft.types import Question
from graft.verbs.comparing.development import development, measured_questions
from graft.wiring.parts import Parts

RANKS = 10
"""Places of nDCG."""


@dataclass(frozen=True, slots=True)
class VersionScore:
    """What a version finds: the mean share of the gold evidence among the passages shown, and nDCG@10 of its ranked
    list; `against` is the difference in nDCG to the version in service, with its interval. `milliseconds` is the median
    of a search."""

    name: str
    in_service: bool
    recall: float
    ndcg: float
    milliseconds: float
    against: Interval | None = None


@dataclass(frozen=True, slots=True)
class IndexScores:
    """The versions measured on the same questions."""

    versions: tuple[VersionScore, ...]
    questions: int
    asked: str

    @property
    def text(self) -> str:
        """A table, one version a line."""
        lines = [f"{self.questions} questions with gold evidence from {self.asked}"]
        lines.append(f"{'':18}{'recall':>8}{'nDCG@10':>9}{'ms':>8}   nDCG@10 against the version in service")
        for one in self.versions:
            mark = "*" if one.in_service else " "
            told = "" if one.against is None else _told(one.against)
            lines.append(
                f"{mark} {one.name:<16}{one.recall:>8.3f}{one.ndcg:>9.3f}{one.milliseconds:>8.1f}   {told}"
            )
        return "\n".join(lines)


def _told(difference: Interval) -> str:
    if difference.low is None or difference.high is None:
        return f"{difference.value:+.3f}"
    beyond = (
        "" if difference.low <= 0 <= difference.high else ("  better" if difference.low > 0 else "  worse")
    )
    return f"{difference.value:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}]{beyond}"


def measure(
    parts: Parts, names: Sequence[str] = (), *, held_out: bool = False, progress: Progress = quiet
) -> IndexScores:
    """Measure the named versions (default: all) and the one in service, on the development questions where there are any;
    `held_out` takes the held-out ones, on which nothing should be chosen twice. Raises DataError without gold evidence."""
    now = parts.versions.current()
    if now is None:
        raise NotBuilt("There is no index yet.", "Run graft build.")
    asked, questions = _questions(parts, held_out=held_out)
    wanted = (
        [version.name for version in parts.versions.all()]
        if not names
        else list(dict.fromkeys((now, *names)))
    )
    scores: dict[str, tuple[list[float], list[float], float]] = {}
    for done, name in enumerate(wanted):
        progress("measure", done, len(wanted))
        scores[name] = _searched(parts, name, questions)
    clusters = [question.cluster or question.evidence[0].document for question in questions]
    draws, seed = parts.config.evaluation.draws, parts.config.project.seed
    versions = []
    for name, (recalls, ndcgs, seconds) in scores.items():
        against = None
        if name != now:
            against = paired_difference(ndcgs, scores[now][1], clusters, draws=draws, seed=seed)
        versions.append(
            VersionScore(
                name, name == now, float(np.mean(recalls)), float(np.mean(ndcgs)), 1000 * seconds, against
            )
        )
    return IndexScores(tuple(versions), len(questions), asked)


def _questions(parts: Parts, *, held_out: bool) -> tuple[str, list[Question]]:
    """Return where the questions are from, and those with gold evidence."""
    section = parts.config.evaluation
    found = () if held_out else development(parts)
    path, asked = section.development, [question for question in found if question.evidence]
    if not asked:
        path = section.questions
        file = parts.root / path
        held = measured_questions(parts)[0] if file.is_file() else ()
        asked = [question for question in held if question.evidence]
    if not asked:
        raise DataError(
            f"{path} holds no question with gold evidence.",
            'Give questions "evidence": [{"document": …, "start": …, "end": …}].',
        )
    return path, list(parts.gold.named(asked)[0])


def _searched(
    parts: Parts, name: str, questions: Sequence[Question]
) -> tuple[list[float], list[float], float]:
    """Return recall and nDCG@10 by question, and the median seconds of a search."""
    search = parts.retrieval_of(name).search()
    recalls, ndcgs, seconds = [], [], []
    for question in questions:
        started = time.perf_counter()
        [found] = search([search_query(question.messages)])
        seconds.append(time.perf_counter() - started)
        gold = units(question.evidence)
        shown = ranked_units(found.context.passages, gold)
        wanted = {f"unit {number}": 1.0 for number in range(len(gold))}
        recalls.append(recall(shown, wanted, len(shown)))
        ndcgs.append(ndcg(ranked_units(found.ranking[:RANKS], gold), wanted, RANKS))
    return recalls, ndcgs, float(np.median(seconds))
