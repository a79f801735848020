"""drift: do people still ask what was measured? A window of live questions against the evaluation questions, or against an
earlier window.

Compares what is asked (as vectors), how well the index matches it, how long it is and how often it is declined. No model is
asked. Reads questions; keeps nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from graft.decision import drift as testing
from graft.decision.drift import Finding
from graft.decision.inference.resampling import Floats
from graft.errors import ConfigError, DataError
from graft.evaluation.live import Live, distinct, read_live, since, window
from graft.evaluation.question_sets.questions import read_questions
from graft.evaluation.run import spread
from graft.protocols import Progress
from graft.records import to_dict
from graft.reporting.drifted import DECLINED, LENGTH, QUESTIONS, SCORE, advice, listed, table
from graft.verbs.ask import default_variant
from graft.verbs.comparing.stored import last, read_rows
from graft.wiring.parts import Parts
from graft.wiring.retrieval import narrowed

_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Drifted:
    """What the tests found. `asked` live questions were read, of which `live` are distinct; `reference` names what they
    were compared with, `measured` distinct questions; `examples` are the live ones most unlike it."""

    asked: int
    live: int
    measured: int
    reference: str
    file: str
    findings: tuple[Finding, ...]
    examples: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def drifted(self) -> tuple[str, ...]:
        """The features that drifted."""
        return tuple(one.feature for one in self.findings if one.status == "drift")

    @property
    def verdict(self) -> str:
        """One plain sentence."""
        if self.drifted:
            return f"Drift in {listed(self.drifted)}."
        tested = [one for one in self.findings if one.p is not None]
        if not tested:
            return f"Too few questions to tell: {self.live} live, {self.measured} measured, {testing.FEWEST} of each are needed."
        small = [one.feature for one in self.findings if one.status == "small"]
        told = f"; a shift in {listed(small)} is too small to matter" if small else ""
        return f"No drift seen ({self.live} live questions, {self.measured} of {self.reference}){told}."

    @property
    def text(self) -> str:
        """The counts, a line a test, the verdict, and what to do."""
        head = f"{self.asked} questions asked, {self.live} distinct, against {self.measured} of {self.reference}."
        lines = [head, "", *table(self.findings), "", self.verdict]
        lines += [f"  - {advice(one, self.file)}" for one in self.findings if one.status == "drift"]
        if self.examples and QUESTIONS in self.drifted:
            lines += ["Most unlike what was measured:", *(f"  - {text}" for text in self.examples)]
        return "\n".join([*lines, *self.notes])

    def to_json(self) -> dict[str, Any]:
        """The documented form for scripts."""
        plain: dict[str, Any] = to_dict(self)
        return {"drift": bool(self.drifted), "verdict": self.verdict, **plain}


def drift(
    parts: Parts,
    live: Path | None = None,
    *,
    against: Path | None = None,
    start: str | None = None,
    earlier: bool = False,
    progress: Progress,
) -> Drifted:
    """Compare live questions with the evaluation questions, with another file, or with those before the window.

    `live` is a JSON Lines file (default: the server's log); `start` takes only what was asked since then ("7d", a date), and
    `earlier` compares that with what was asked before. Raises ConfigError or DataError.
    """
    path = live or _log(parts)
    if earlier and (start is None or against is not None):
        raise ConfigError(
            "--earlier compares a window with what was asked before it.", "Give --since, and not --against."
        )
    asked = read_live(path)
    before: Sequence[Live] = ()
    if start is not None:
        before, asked = window(asked, since(start, datetime.now(UTC)))
    notes: list[str] = []
    name = parts.config.evaluation.questions
    if earlier:
        reference, measured = f"those before {start}", before
    elif against is not None:
        reference, measured = against.name, read_live(against)
    else:
        reference, measured = name, _evaluation(parts, asked, notes)
    if not asked or not measured:
        empty = path.name if not asked else reference
        raise DataError(f"There are no questions in {empty}{' in that time' if start else ''}.",
                        "Take a longer window, or another file.")  # fmt: skip
    return _compared(parts, asked, measured, reference, notes, progress)


def _compared(
    parts: Parts,
    asked: Sequence[Live],
    measured: Sequence[Live],
    reference: str,
    notes: list[str],
    progress: Progress,
) -> Drifted:
    seed = parts.config.project.seed
    once, known = distinct(asked), distinct(measured)
    now, before = (spread(side, testing.MOST) for side in (once, known))
    if len(now) < len(once) or len(before) < len(known):
        notes.append(
            f"Of each side {testing.MOST} questions, evenly spread, were taken for the vectors and matches."
        )
    texts = [one.text for one in (*before, *now)]
    vectors = _embedded(parts, texts, progress)
    first, second = vectors[: len(before)], vectors[len(before) :]
    content, unlike = testing.vectors(QUESTIONS, first, second, seed=seed)
    lengths = [float(len(one.text)) for one in known], [float(len(one.text)) for one in once]
    findings = testing.judged(
        (
            content,
            _matches(parts, first, second, progress),
            testing.numbers(LENGTH, *lengths),
            _declined(measured, asked),
        )
    )
    order = np.argsort(-unlike, kind="stable")[:_EXAMPLES]
    return Drifted(
        len(asked), len(once), len(known), reference, parts.config.evaluation.questions, findings,
        tuple(now[at].text for at in order), tuple(notes),
    )  # fmt: skip


# --- what is compared ------------------------------------------------------------------------------------------------


def _log(parts: Parts) -> Path:
    name = parts.config.serve.log
    if not name:
        raise ConfigError(
            "No live questions: the server keeps none, and no file was given.",
            'Give a JSON Lines file of questions, or set log = "live.jsonl" in [serve].',
        )
    return parts.root / name


def _evaluation(parts: Parts, asked: Sequence[Live], notes: list[str]) -> list[Live]:
    """Return the evaluation questions, with whether the variant in service declined each in the last comparison."""
    questions = read_questions(parts.root / parts.config.evaluation.questions)
    named = Counter(one.variant for one in asked if one.variant)
    variant = named.most_common(1)[0][0] if named else default_variant(parts)
    if len(named) > 1:
        told = ", ".join(f"{count} by {name}" for name, count in named.most_common())
        notes.append(
            f"Several variants answered ({told}); what is declined is compared with {variant} when measured."
        )
    latest = last(parts.workspace)
    rows = read_rows(latest.folder) if latest else []
    declined = {
        row["question"]: row["answer"]["abstained"]
        for row in rows
        if row["variant"] == variant and row["answer"]
    }
    return [
        Live(question.text, abstained=declined.get(question.id), variant=variant) for question in questions
    ]


def _embedded(parts: Parts, texts: Sequence[str], progress: Progress) -> Floats:
    made = []
    for at in range(0, len(texts), 128):
        made.append(parts.retrieval.embedder.encode(texts[at : at + 128], query=True))
        progress("embed questions", min(at + 128, len(texts)), len(texts))
    return np.concatenate(made).astype(np.float64)


def _matches(parts: Parts, before: Floats, now: Floats, progress: Progress) -> Finding:
    """Return the finding on the cosine of the nearest chunk, for both sides from the index as it is now."""
    store = parts.retrieval.store
    if not len(store):
        return Finding(
            SCORE,
            "distance",
            "not measured",
            len(before),
            len(now),
            reason="nothing is indexed: run graft build",
        )
    where = narrowed(parts.config.retrieval.where, None)
    best = []
    for place, vector in enumerate(np.concatenate([before, now])):
        found = store.search_dense(vector.astype(np.float32), 1, where)
        best.append(found[0][1] if found else 0.0)
        progress("match questions", place + 1, len(before) + len(now))
    return testing.numbers(SCORE, best[: len(before)], best[len(before) :])


def _declined(measured: Sequence[Live], asked: Sequence[Live]) -> Finding:
    """Return the finding on the share that is declined, over every question that says whether it was."""
    first, second = (
        [one.abstained for one in side if one.abstained is not None] for side in (measured, asked)
    )
    if not first or not second:
        side = "the live questions do" if not second else "what they are compared with does"
        return Finding(DECLINED, "share", "not measured", len(first), len(second),
                       reason=f"{side} not say what was declined")  # fmt: skip
    return testing.shares(DECLINED, first, second)
