"""How far the automatic figures can be trusted: human labels beside them, and a judge's own record.

For the terminal, Markdown and HTML; formats what was computed. The first thing it says is what the verdict rests on.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from graft.decision.inference.repeats import Repeated
from graft.decision.trust import Agreement, Debiased, JudgeRecord, Labelled, Trust
from graft.evaluation.metrics.catalogue import METRICS
from graft.reporting import cells, shown
from graft.types import Estimate

_TARGETS = {
    "truthfulness": "Truthfulness",
    "correct": "Right answers",
    "supported": "Fully supported by its passages",
}
_SCALES = {"supported": "ctx_grounded"}  # what is labelled has no card of its own
_ASK = "Label 50 to 100 answers with graft label: the rates then stand beside what people say."


def basis(primary: str, trust: Trust) -> str:
    """Return what the verdict rests on, in a sentence."""
    card = METRICS.get(primary)
    grade = f" (grade {card.grade})" if card else ""
    if card and "judge" in card.needs:
        return f"The verdict rests on the judge: {primary}{grade} is the primary metric that graft.toml declares."
    beside = [
        name for name, there in (("a judge", trust.judge), ("labels", trust.labels)) if there is not None
    ]
    told = f"; {' and '.join(beside)} beside it did not enter it" if beside else ""
    return f"The verdict rests on {primary}{grade}, measured offline{told}."


# --- plain text --------------------------------------------------------------------------------------------------------


def lines(trust: Trust) -> list[str]:
    """Return the labels and the judge as lines for a terminal; none without either."""
    found: list[str] = []
    if trust.labels is not None:
        found += labels_text(trust.labels).split("\n")
    if trust.judge is not None:
        found += ["", *_judge_lines(trust.judge)] if found else _judge_lines(trust.judge)
    again = [again_line(one) for one in trust.repeated]
    return [*found, *([""] if found and again else []), *again]


def again_line(one: Repeated) -> str:
    """Return what asking again changed, in a sentence."""
    name = shown.long(one.metric).lower()
    told = f"{one.variant} answered {one.questions} questions {one.runs} times: {one.changed} did not score the same each time"
    moved = shown.difference(one.metric, one.sd).removeprefix("+")
    unit = " points" if shown.points(one.metric) == "points" else ""
    return (
        f"{told}. From run to run its {name} over all {one.total} questions varies by {moved}{unit} (one standard deviation); "
        "the intervals hold that already."
    )


def labels_text(labels: Labelled) -> str:
    """Return what the labels say, as text in columns."""
    found = [_counted(labels)]
    if labels.debiased:
        found += ["", *_columns([_HEADER, *(_rate(item) for item in labels.debiased)])]
    if labels.agreements:
        found += ["", *_columns([_KAPPA, *(_kappa(item) for item in labels.agreements)])]
    return "\n".join([*found, *(f"  - {warning}" for warning in labels.warnings)])


_HEADER = ["variant", "what", "by", "automatic", "labels alone", "debiased", "n"]
_KAPPA = ["agreement of", "with", "on", "kappa", "95% interval", "agree", "n"]


def _counted(labels: Labelled) -> str:
    who = f" by {', '.join(labels.annotators)}" if labels.annotators else ""
    return f"Labelled{who}: {labels.done} of {labels.drawn} answers drawn, blind to the variant."


def _rate(item: Debiased) -> list[str]:
    return [
        item.variant,
        item.target,
        item.metric,
        *(_figure(item.target, estimate) for estimate in (item.automatic, item.labelled, item.debiased)),
        str(item.labelled.n_scored),
    ]


def _figure(target: str, estimate: Estimate) -> str:
    metric = _SCALES.get(target, target)
    bounds = shown.interval(metric, estimate)
    return f"{shown.mean(metric, estimate)} ({bounds})" if bounds else shown.mean(metric, estimate)


def _kappa(item: Agreement) -> list[str]:
    bounds = shown.NONE if item.low is None or item.high is None else f"{item.low:.2f} to {item.high:.2f}"
    agree = shown.NONE if item.agreement is None else f"{item.agreement:.0%}"
    value = shown.NONE if item.kappa is None else f"{item.kappa:.2f}"
    return [item.a, item.b, item.target, value, bounds, agree, str(item.n)]


def _judge_lines(judge: JudgeRecord) -> list[str]:
    found = [f"Judge {judge.model}, {judge.votes} votes a verdict{_spent(judge)}."]
    for one in judge.rubrics:
        agree = "" if one.agreement is None else f"; its votes agree on {one.agreement:.0%}"
        lost = f", {one.unread} unread, {one.split} split" if one.unread or one.split else ""
        found.append(f"  {one.rubric}: {one.tasks} verdicts wanted{lost}{agree}")
    if judge.pairs:
        found.append(
            f"  pairs: {judge.pairs} read in both orders, the order decided {judge.order_decided / judge.pairs:.0%}"
        )
    return found


def _spent(judge: JudgeRecord) -> str:
    if not judge.usage.prompt:
        return ", all of them kept from before"
    cost = "at an unknown price" if judge.cost is None else f"${judge.cost:,.4f}"
    return f", {judge.usage.prompt + judge.usage.completion:,} tokens now, {cost}"


def _columns(table: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]


# --- Markdown and HTML -------------------------------------------------------------------------------------------------


def to_markdown(trust: Trust, primary: str) -> list[str]:
    """Return the section as lines of Markdown; none without labels or a judge."""
    told = lines(trust)
    return (
        ["", "## How far the figures can be trusted", "", basis(primary, trust), "", "```text", *told, "```"]
        if told
        else []
    )


def to_html(trust: Trust, primary: str) -> str:
    """Return the section's content as HTML."""
    parts = [f"<p>{escape(basis(primary, trust))}</p>"]
    if trust.labels is None:
        parts.append(f"<p>No answer was labelled by people. {escape(_ASK)}</p>")
    else:
        parts.append(_labels_html(trust.labels))
    if trust.judge is not None:
        told = _judge_lines(trust.judge)
        items = "".join(f"<li>{escape(line.strip())}</li>" for line in told[1:])
        parts.append(f"<p>{escape(told[0])}</p><ul>{items}</ul>")
    parts += [f"<p>{escape(again_line(one))}</p>" for one in trust.repeated]
    return "".join(parts)


def _labels_html(labels: Labelled) -> str:
    parts = [f"<p>{escape(_counted(labels))}</p>"]
    if labels.debiased:
        body = [
            [
                escape(item.variant),
                f"{escape(_TARGETS.get(item.target, item.target))} <small>by {escape(item.metric)}</small>",
                *(
                    cells.estimate(_SCALES.get(item.target, item.target), one)
                    for one in (item.automatic, item.labelled, item.debiased)
                ),
                f"{item.weight:.2f}",
                str(item.labelled.n_scored),
            ]
            for item in labels.debiased
        ]
        header = [
            "Variant",
            "What",
            "Automatic",
            "Labels alone",
            "Debiased",
            "Trust in the automatic",
            "Labels",
        ]
        caption = "The automatic rate, the labels' own, and both together (prediction-powered inference), with 95% intervals"
        parts.append(cells.table(caption, header, body, "numbers"))
    if labels.agreements:
        body = [[escape(cell) for cell in _kappa(item)] for item in labels.agreements]
        caption = "Cohen's kappa: 1 is full agreement, 0 what chance would give"
        parts.append(cells.table(caption, [cell.capitalize() for cell in _KAPPA], body, "numbers"))
    return "".join(parts)
