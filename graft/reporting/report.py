"""The report of a comparison: a table for the terminal, Markdown for a pull request, one HTML file for the team.

    folder/report.html   self-contained; opens without a network
    folder/report.md     the same in short
    folder/rows.jsonl    every answer of every variant, with its scores

Formats what was decided; computes nothing that a decision rests on.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from graft.decision.costs.ownership import Ownership
from graft.decision.trust import Trust
from graft.records import to_dict
from graft.reporting import shown, trusted
from graft.reporting.page import to_html
from graft.types import Comparison, Contrast, Estimate, Question, Recommendation, Row, Value
from graft.workspace import write_text

__all__ = ["to_decision", "to_html", "to_markdown", "to_terminal", "write_report"]

_WIDTH = 100  # of the terminal's paragraphs
_LONG = 400
Scores = Mapping[str, Mapping[str, Sequence[Value]]]


def write_report(
    folder: Path,
    comparison: Comparison,
    recommendation: Recommendation,
    *,
    rows: Mapping[str, Sequence[Row]],
    questions: Sequence[Question],
    scores: Scores,
    title: str = "",
    settings: Mapping[str, Any] | None = None,
    stages: Mapping[str, Sequence[Mapping[str, float]]] | None = None,
    cost: Ownership | None = None,
    trust: Trust | None = None,
) -> Path:
    """Write rows.jsonl, report.md and report.html to the folder and return the path of the last.

    `rows[variant]` and `scores[variant][metric]` run along `questions`. `settings` are shown as they are; `stages` are
    the timings of single questions by stage, in seconds (`Latencies.samples`); `cost` is what owning each variant costs;
    `trust` what labels and a judge say of the figures.
    """
    write_text(folder / "rows.jsonl", "".join(f"{line}\n" for line in _lines(rows, scores)))
    write_text(folder / "report.md", to_markdown(comparison, recommendation, trust, title=title))
    page = to_html(
        comparison,
        recommendation,
        rows,
        questions,
        scores,
        title=title,
        settings=settings,
        stages=stages,
        cost=cost,
        trust=trust,
    )
    write_text(folder / "report.html", page)
    return folder / "report.html"


def _lines(rows: Mapping[str, Sequence[Row]], scores: Scores) -> Iterable[str]:
    """Yield each row as JSON with its scores; a null has its reason beside it."""
    for name, answered in rows.items():
        for at, row in enumerate(answered):
            values = {metric: column[at] for metric, column in scores.get(name, {}).items()}
            record = {
                **to_dict(row),
                "scores": {metric: value.value for metric, value in values.items()},
                "nulls": {
                    metric: value.null_reason for metric, value in values.items() if value.value is None
                },
            }
            yield json.dumps(record, ensure_ascii=False)


# --- terminal --------------------------------------------------------------------------------------------------------


def to_terminal(comparison: Comparison, recommendation: Recommendation, trust: Trust | None = None) -> str:
    """Return the table (means above their 95 % intervals), the strata, the verdict with its reasons, and the warnings."""
    metrics = shown.overview(comparison)
    intro = f"{comparison.questions} questions. {shown.long(comparison.primary)} decides. Below each mean its 95% interval."
    header = ["", *(shown.short(metric) for metric in metrics)]
    body = [
        line
        for name, found in comparison.variants.items()
        for line in _two_lines(
            name, comparison, recommendation, [(metric, found.get(metric)) for metric in metrics]
        )
    ]
    parts = [intro, "", _aligned([header, *body]), ""]
    if comparison.strata:
        parts += [_by_stratum(comparison), ""]
    parts += [shown.verdict(recommendation), *_bullets(recommendation.reasons)]
    told = trusted.lines(trust) if trust else []
    if told:
        parts += ["", trusted.basis(comparison.primary, trust or Trust()), *told]
    if comparison.warnings:
        parts += ["", "Warnings", *_bullets(comparison.warnings)]
    return "\n".join(parts)


def to_decision(recommendation: Recommendation) -> str:
    """Return the verdict with its reasons, and below them every step that led to it, as printed."""
    head = [shown.verdict(recommendation), *_bullets(recommendation.reasons)]
    return "\n".join([*head, "", "How it was decided", *(f"  {line}" for line in recommendation.trace)])


def _two_lines(
    name: str,
    comparison: Comparison,
    recommendation: Recommendation,
    cells: Sequence[tuple[str, Estimate | None]],
) -> list[list[str]]:
    """Return the line of means and the line of intervals, or of how few rows there were; time and money have theirs in the
    report."""
    status = shown.mark(name, comparison, recommendation)
    below = [
        "" if shown.scale(metric).high is None else shown.few(found) or shown.interval(metric, found)
        for metric, found in cells
    ]
    return [
        [name, *(shown.mean(*cell) for cell in cells)],
        [f" {status}", *(text.replace(" to ", "…") for text in below)],
    ]


def _by_stratum(comparison: Comparison) -> str:
    primary = comparison.primary
    header = [shown.short(primary), *comparison.strata]
    body = []
    for name in comparison.variants:
        within = [found.get(name, {}).get(primary) for found in comparison.strata.values()]
        body.append(
            [
                name,
                *(
                    f"{shown.mean(primary, item)}  {shown.interval(primary, item).replace(' to ', '…')}"
                    for item in within
                ),
            ]
        )
    return _aligned([header, *body])


def _aligned(table: Sequence[Sequence[str]]) -> str:
    """Return the rows in columns: the first to the left, the others to the right, a rule below the header."""
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    lines = []
    for row in table:
        cells = [
            row[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
        ]
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "─" * max(map(len, lines)))
    return "\n".join(lines)


def _bullets(texts: Iterable[str], most: int = _LONG) -> list[str]:
    """Return the texts as an indented list; what is longer than `most` is cut, the report has it whole."""
    cut = (textwrap.shorten(text, most, placeholder=" … (see the report)") for text in texts)
    return [
        "\n".join(textwrap.wrap(text, _WIDTH, initial_indent="  - ", subsequent_indent="    "))
        for text in cut
    ]


# --- Markdown --------------------------------------------------------------------------------------------------------


def to_markdown(
    comparison: Comparison, recommendation: Recommendation, trust: Trust | None = None, *, title: str = ""
) -> str:
    """Return the verdict, the tables and the warnings as Markdown."""
    metrics = shown.overview(comparison)
    lines = [f"# {title or 'Comparison'}", "", f"**{shown.verdict(recommendation)}**", ""]
    lines += [f"- {_plain(reason)}" for reason in recommendation.reasons]
    lines += [
        "",
        f"{comparison.questions} questions; means with 95% intervals; {comparison.primary} decides.",
        "",
    ]
    lines += _table(
        ["variant", *map(shown.short, metrics)],
        [[_named(name, comparison, recommendation), *(_cell(metric, found.get(metric)) for metric in metrics)]
         for name, found in comparison.variants.items()],
    )  # fmt: skip
    if comparison.strata:
        lines += ["", f"## {shown.long(comparison.primary)} by stratum", ""]
        lines += _table(
            ["variant", *comparison.strata],
            [[name, *(_cell(comparison.primary, found.get(name, {}).get(comparison.primary)) for found in comparison.strata.values())]
             for name in comparison.variants],
        )  # fmt: skip
    family = [
        contrast
        for contrast in comparison.contrasts
        if contrast.metric == comparison.primary and not contrast.stratum
    ]
    if family:
        lines += ["", f"## Differences in {shown.long(comparison.primary).lower()}", ""]
        lines += _table(
            ["difference", "95% interval", "p (Holm)", "could have shown", "n"],
            [_difference(item) for item in family],
        )
    lines += trusted.to_markdown(trust, comparison.primary) if trust else []
    if comparison.warnings:
        lines += ["", "## Warnings", "", *(f"- {_plain(warning)}" for warning in comparison.warnings)]
    lines += ["", "## How it was decided", "", "```text", *recommendation.trace, "```", ""]
    return "\n".join(lines)


def _named(name: str, comparison: Comparison, recommendation: Recommendation) -> str:
    status = shown.mark(name, comparison, recommendation)
    return f"**{_plain(name)}** ({status})" if status else _plain(name)


def _cell(metric: str, estimate: Estimate | None) -> str:
    bounds = shown.interval(metric, estimate)
    told = "; ".join(part for part in (bounds, shown.few(estimate)) if part)
    return f"{shown.mean(metric, estimate)} ({told})" if told else shown.mean(metric, estimate)


def _difference(contrast: Contrast) -> list[str]:
    ends = [shown.difference(contrast.metric, end) for end in (contrast.low, contrast.high)]
    bounds = " to ".join(ends) if contrast.low is not None else shown.NONE
    return [
        f"{_plain(contrast.a)} − {_plain(contrast.b)}: {shown.difference(contrast.metric, contrast.difference)}",
        bounds,
        shown.p_value(contrast.p_adjusted),
        shown.NONE
        if contrast.mde is None
        else shown.difference(contrast.metric, contrast.mde).removeprefix("+"),
        str(contrast.n),
    ]


def _table(header: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    rule = "|".join(["---", *["---:"] * (len(header) - 1)])
    return ["| " + " | ".join(header) + " |", f"|{rule}|", *("| " + " | ".join(row) + " |" for row in body)]


def _plain(text: str) -> str:
    """Return a text that Markdown and its tables leave as it is."""
    for sign in "\\`*_[]<>|#":
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.split())
