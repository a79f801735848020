"""What the report's question browser holds: every question with every variant's answer, small enough to mail.

Plain JSON values. Passages are kept once, however many answers show them, and cut evenly when they would outgrow the
file. Answers are untrusted text: `as_script` makes them safe inside a script element, and the page inserts text only.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from graft.reporting import shown
from graft.reporting.notes import notes
from graft.types import Comparison, Passage, Question, Recommendation, Row, Value

Scores = Mapping[str, Mapping[str, Sequence[Value]]]

# Characters. Four variants × 200 rows stay below 2 MB with all of these at their most.
_PASSAGES, _PASSAGE_MOST, _PASSAGE_LEAST = 700_000, 1_200, 120
_ANSWERS, _ANSWER_MOST, _ANSWER_LEAST = 600_000, 4_000, 200
_PRESETS = 6
_METRICS = (
    "correctness",
    "f1",
    "format",
    "recall@5",
    "context_recall",
    "ctx_grounded",
    "evid_grounded",
    "citation_correct",
    "tokens_out",
    "cost",
)

RIGHT, RIGHTLY_DECLINED, DECLINED, WRONG, FAILED, UNSCORED = "r", "d", "a", "w", "e", "n"
OUTCOMES = {
    RIGHT: "right",
    RIGHTLY_DECLINED: "rightly declined",
    DECLINED: "declined",
    WRONG: "wrong",
    FAILED: "failed",
    UNSCORED: "not scored",
}
_GOOD = {RIGHT, RIGHTLY_DECLINED}


def outcome(question: Question, row: Row, value: Value | None) -> str:
    """Return what became of a question: one of the keys of OUTCOMES, from truthfulness (+1, 0, −1)."""
    if row.status in {"error", "timeout"} or row.answer is None:
        return FAILED
    if value is None or value.value is None:
        return UNSCORED
    if value.value > 0:
        return RIGHT if question.answerable else RIGHTLY_DECLINED
    return DECLINED if value.value == 0 else WRONG


def outcomes(
    rows: Mapping[str, Sequence[Row]], questions: Sequence[Question], scores: Scores
) -> dict[str, list[str]]:
    """Return the outcome of every question, by variant."""
    found = {}
    for name, answered in rows.items():
        values = scores.get(name, {}).get("truthfulness", [None] * len(questions))
        found[name] = [outcome(*case) for case in zip(questions, answered, values, strict=True)]
    return found


def browser_data(
    comparison: Comparison,
    recommendation: Recommendation,
    rows: Mapping[str, Sequence[Row]],
    questions: Sequence[Question],
    scores: Scores,
    slots: Mapping[str, int],
) -> dict[str, Any]:
    """Return the data of the question browser. Questions are referred to by their position."""
    names = list(rows)
    became = outcomes(rows, questions, scores)
    passages = _Passages()
    most = _share(_ANSWERS, len(names) * len(questions), _ANSWER_LEAST, _ANSWER_MOST)
    metrics = [name for name in _METRICS if any(name in scores.get(variant, {}) for variant in names)]
    answers = [
        [
            {
                "o": became[name][at],
                **_answer(row, passages, most),
                "k": notes(questions[at], row),
                "s": _values(scores.get(name, {}), metrics, at),
            }
            for at, row in enumerate(rows[name])
        ]
        for name in names
    ]
    places = {question.id: at for at, question in enumerate(questions)}
    return {
        "variants": [
            {"name": name, "slot": slots[name], "baseline": name in comparison.baselines} for name in names
        ],
        "outcomes": OUTCOMES,
        "metrics": [shown.long(name) for name in metrics],
        "questions": [_question(question) for question in questions],
        "rows": answers,
        "passages": passages.listed(),
        "causes": [
            {"variant": name, "cause": cause, "questions": [places[item] for item in ids if item in places]}
            for name, causes in recommendation.failures.items()
            if name in rows
            for cause, ids in causes.items()
        ],
        "drivers": [places[item] for item in recommendation.drivers if item in places],
        "presets": _presets([name for name in names if name not in comparison.baselines], names, became),
    }


def as_script(data: Any) -> str:
    """Return JSON that no text in it can break out of: every <, > and & is escaped, and so are the line separators that
    end a line in JavaScript."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


# --- parts -----------------------------------------------------------------------------------------------------------


class _Passages:
    """Distinct passages in the order in which they are first shown."""

    def __init__(self) -> None:
        self._places: dict[Passage, int] = {}

    def add(self, passage: Passage) -> int:
        """Return the passage's number. The score is left out: the same text for two questions is one passage."""
        key = Passage(
            passage.document,
            passage.start,
            passage.end,
            passage.text,
            passage.title,
            passage.headings,
            passage.page,
        )
        return self._places.setdefault(key, len(self._places))

    def listed(self) -> list[dict[str, Any]]:
        """Return the passages as JSON values, cut to their share of the room."""
        most = _share(_PASSAGES, len(self._places), _PASSAGE_LEAST, _PASSAGE_MOST)
        return [
            {
                "d": item.document,
                "h": " > ".join([item.title, *item.headings]),
                "g": item.page,
                "t": _cut(item.text, most),
            }
            for item in self._places
        ]


def _share(room: int, count: int, least: int, most: int) -> int:
    return max(least, min(most, room // max(count, 1)))


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most].rstrip()} …"


def _question(question: Question) -> dict[str, Any]:
    earlier = [f"{message.role}: {message.content}" for message in question.messages[:-1]]
    return {
        "id": question.id,
        "q": _cut(question.text, 2_000),
        "before": [_cut(turn, 500) for turn in earlier],
        "gold": [_cut(answer, 500) for answer in question.answers[:8]],
        "ok": question.answerable,
        "stratum": question.stratum,
        "tags": list(question.tags),
        "evidence": [
            {"d": item.document, "s": item.start, "e": item.end, "g": item.page} for item in question.evidence
        ],
    }


def _answer(row: Row, passages: _Passages, most: int) -> dict[str, Any]:
    if row.answer is None:
        return {"t": "", "error": _cut(f"{row.status}: {row.error}", 500)}
    shown_passages = [passages.add(passage) for passage in row.answer.passages]
    cited = [[item.number, item.document, item.page, _cut(item.quote, 160)] for item in row.answer.citations]
    made: dict[str, Any] = {"t": _cut(row.answer.text, most), "c": cited, "p": shown_passages}
    counts = {"x": row.answer.dropped_citations, "m": row.answer.trimmed_passages}
    return {**made, **{key: count for key, count in counts.items() if count}}


def _values(columns: Mapping[str, Sequence[Value]], metrics: Iterable[str], at: int) -> list[str | None]:
    """Return the row's values as text; null where there is none."""
    found = []
    for metric in metrics:
        value = columns[metric][at].value if metric in columns else None
        found.append(None if value is None else shown.number(metric, value))
    return found


def _presets(
    names: Sequence[str], order: Sequence[str], became: Mapping[str, Sequence[str]]
) -> list[dict[str, Any]]:
    """Return the telling filters: one variant right where another is wrong, the most frequent first, and all wrong."""
    found = []
    for left in names:
        for right in names:
            pairs = zip(became[left], became[right], strict=True)
            count = sum(one in _GOOD and other == WRONG for one, other in pairs)
            if left != right and count:
                found.append(
                    (
                        count,
                        {order.index(left): "good", order.index(right): "w"},
                        f"{left} right, {right} wrong",
                    )
                )
    found.sort(key=lambda item: (-item[0], item[2]))
    lost = (
        sum(all(became[name][at] == WRONG for name in names) for at in range(len(became[names[0]])))
        if names
        else 0
    )
    if lost and len(names) > 1:
        found = [*found[:_PRESETS], (lost, {order.index(name): "w" for name in names}, "all wrong")]
    return [{"label": label, "count": count, "set": chosen} for count, chosen, label in found[: _PRESETS + 1]]
