"""label: people say of a sample of answers whether they are right and supported, blind to the variant that gave them.

The sample is drawn from the last comparison and kept with the labels in the project ([evaluation] labels); what they
make of the automatic figures stands in the comparison's report (verbs/labelling/rates.py). Knows no form: a terminal or a page
asks for the next item and hands back a label.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from graft.decision.trust import Labelled
from graft.errors import ConfigError, NotBuilt
from graft.evaluation.checks.text import content
from graft.evaluation.labelling.draw import Candidate, draw
from graft.evaluation.labelling.labels import (
    SUPPORTED,
    VERDICTS,
    Draw,
    Label,
    Supported,
    add_draw,
    add_labels,
    item_id,
    read_labels,
)
from graft.evaluation.labelling.scores import outcome
from graft.records import from_dict
from graft.types import Question, Row, Value
from graft.verbs.compare import held_out
from graft.verbs.comparing.stored import last, read_comparison, read_rows
from graft.verbs.labelling.rates import labelled
from graft.wiring.parts import Parts

MOST = 1000


@dataclass(frozen=True, slots=True)
class Sheet:
    """One answer as its labeller sees it: no variant, no score. `passages` are (title, text) of what the model was shown,
    in whose light `supported` is asked; `label` is what this annotator said of it before."""

    item: str
    question: str
    before: tuple[str, ...]
    answerable: bool
    references: tuple[str, ...]
    answer: str
    passages: tuple[tuple[str, str], ...]
    label: Label | None = None


class Desk:
    """One annotator's work on one draw. Every label is on disk when `save` returns; the same item may be labelled again."""

    def __init__(self, path: Path, drawn: Draw, sheets: Mapping[str, Sheet], annotator: str) -> None:
        self.path = path
        self.annotator = annotator
        self._sheets = sheets
        self._order = [item.id for item in drawn.items]
        kept = read_labels(path).by.get(annotator, {})
        self._labels = {name: kept[name] for name in self._order if name in kept}

    @property
    def total(self) -> int:
        """How many answers were drawn."""
        return len(self._order)

    @property
    def done(self) -> int:
        """How many of them this annotator has labelled."""
        return len(self._labels)

    def data(self) -> list[dict[str, Any]]:
        """Return all sheets in the order of labelling, with the labels so far, as plain JSON values for a page."""
        return [_as_data(self.sheet(name)) for name in self._order]

    def sheet(self, item: str) -> Sheet:
        """Return one sheet. Raises ConfigError for an item that was not drawn."""
        known = self._sheets.get(item)
        if known is None:
            raise ConfigError(f"There is no item {item!r} in this draw.", "Reload the page.")
        return replace(known, label=self._labels.get(item))

    def next(self) -> Sheet | None:
        """Return the first sheet without a label; None when all have one."""
        return next((self.sheet(name) for name in self._order if name not in self._labels), None)

    def save(self, item: str, verdict: str, supported: str = "") -> Label:
        """Keep a label. Raises ConfigError for an item or a verdict that is none, or one that the item does not allow."""
        sheet = self.sheet(item)
        if verdict not in VERDICTS or supported not in SUPPORTED:
            raise ConfigError(f"{verdict!r}, {supported!r} is no label.", f"Verdicts: {', '.join(VERDICTS)}.")
        if verdict == "right" and not sheet.answerable:
            raise ConfigError("The question has no answer, so none is right.", "Say declined or wrong.")
        rests: Supported = supported if sheet.passages and verdict in ("right", "wrong") else ""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        label = Label(item, self.annotator, verdict, rests, now)
        add_labels(self.path, [label])
        self._labels[item] = label
        return label


def label(
    parts: Parts,
    n: int = 60,
    *,
    annotator: str = "me",
    fresh: bool = False,
) -> Desk:
    """Open the labelling of the last comparison's answers: `n` of them, evenly over the variants that can win.

    A draw whose answers all stand is gone on with when it holds `n` or more, else extended; `fresh` draws anew with
    another seed. Raises NotBuilt without a comparison of today's questions.
    """
    if not 1 <= n <= MOST:
        raise ConfigError(
            f"{n} items cannot be labelled.", f"Give a number from 1 to {MOST}; 50 to 100 is usual."
        )
    if not annotator.strip() or len(annotator) > 60 or not annotator.isprintable():
        raise ConfigError(
            f"{annotator!r} is no name for an annotator.", "Give a short one, e.g. --annotator anna."
        )
    path = parts.root / parts.config.evaluation.labels
    answered = list(_compared(parts).answered())
    if not answered:
        raise NotBuilt("The last comparison holds no answer to label.", "Run graft compare.")
    sheets = {item_id(row): _sheet(question, row) for question, row, _ in answered}
    known = read_labels(path).draw
    stands = known is not None and all(item.id in sheets for item in known.items)
    if known is not None and stands and not fresh and len(known.items) >= min(n, len(sheets)):
        drawn = known
    else:
        seed = parts.config.project.seed if known is None else known.seed + fresh
        drawn = draw([_candidate(*one) for one in answered], n, seed)
        if known is None or drawn.id != known.id:
            add_draw(path, drawn)
    return Desk(path, drawn, sheets, annotator.strip())


def said(parts: Parts) -> Labelled:
    """Return what the labels so far make of the last comparison's figures; no model is asked. Raises NotBuilt without a
    comparison, or before anything was drawn."""
    compared = _compared(parts)
    found = labelled(
        parts.root / parts.config.evaluation.labels, compared.questions, compared.rows, compared.scores,
        draws=parts.config.evaluation.draws, seed=parts.config.project.seed,
    )  # fmt: skip
    if found is None:
        raise NotBuilt("Nothing has been drawn for labelling yet.", "Run graft label.")
    return found


# --- the last comparison -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Compared:
    """The last comparison's questions, and along them the rows and scores of the variants that can win."""

    questions: tuple[Question, ...]
    rows: Mapping[str, list[Row]]
    scores: Mapping[str, dict[str, list[Value]]]

    def answered(self) -> Iterator[tuple[Question, Row, float | None]]:
        """Yield every row that holds an answer, with its question and its truthfulness."""
        for name, rows in self.rows.items():
            truths = self.scores[name].get("truthfulness", [Value(None)] * len(rows))
            for question, row, truth in zip(self.questions, rows, truths, strict=True):
                if row.answer is not None and row.status not in {"error", "timeout"}:
                    yield question, row, truth.value


def _compared(parts: Parts) -> _Compared:
    latest = last(parts.workspace)
    if latest is None:
        raise NotBuilt(
            "Nothing has been compared yet, so there are no answers to label.", "Run graft compare."
        )
    shown = set(read_comparison(latest.folder).get("baselines", ()))
    questions = held_out(parts)[0]
    rows: dict[str, list[Row]] = {}
    scores: dict[str, dict[str, list[Value]]] = {}
    for record in read_rows(latest.folder):
        if record["variant"] in shown:
            continue
        rows.setdefault(record["variant"], []).append(from_dict(Row, record))
        columns = scores.setdefault(record["variant"], {})
        for metric, value in record["scores"].items():
            columns.setdefault(metric, []).append(Value(value))
    asked = [question.id for question in questions]
    if any([row.question for row in answered] != asked for answered in rows.values()):
        raise NotBuilt("The questions have changed since the last comparison.", "Run graft compare.")
    return _Compared(questions, rows, scores)


def _candidate(question: Question, row: Row, truth: float | None) -> Candidate:
    outcome_seen = outcome(question, truth) or "unscored"
    return Candidate(item_id(row), question.id, row.variant, question.stratum, outcome_seen)


def _sheet(question: Question, row: Row) -> Sheet:
    assert row.answer is not None
    return Sheet(
        item_id(row),
        question.text,
        tuple(f"{turn.role}: {turn.content}" for turn in question.messages[:-1]),
        question.answerable,
        question.answers if question.answerable else (),
        content(row.answer.text) or row.answer.text.strip(),
        tuple(
            (
                " > ".join(part for part in (passage.document, passage.title, *passage.headings) if part),
                passage.text,
            )
            for passage in row.answer.passages
        ),
    )


def _as_data(sheet: Sheet) -> dict[str, Any]:
    said = sheet.label
    return {
        "item": sheet.item,
        "question": sheet.question,
        "before": list(sheet.before),
        "answerable": sheet.answerable,
        "references": list(sheet.references),
        "answer": sheet.answer,
        "passages": [list(passage) for passage in sheet.passages],
        "verdict": said.verdict if said else "",
        "supported": said.supported if said else "",
    }
