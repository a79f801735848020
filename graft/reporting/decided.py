"""The report's sections on what was decided, and on how to read and repeat it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from graft.decision.costs.ownership import Ownership
from graft.decision.recommending.failures import CAUSES
from graft.decision.recommending.screening import chance
from graft.evaluation.metrics.cards import GRADES
from graft.evaluation.metrics.catalogue import METRICS
from graft.reporting import cells, shown
from graft.types import Comparison, Recommendation

_MEANING = {
    "RECOMMEND": "It is worth more than every cheaper variant by more than the margin that you set.",
    "KEEP_THE_CHEAPER": "No dearer variant is better by an amount that matters to you, and this one costs least.",
    "UNDECIDED": "These questions cannot tell the variants apart. Nothing is wrong; there is just not enough evidence yet.",
}
_UNFIT = "Every variant breaks a limit, or its answers are worth less than declining every question. Mend what is named here, or try another model."
_FACTS = ("correct", "wrong", "over_refusal", "abstain_recall", "format", "latency_p50", "cost")


def verdict(comparison: Comparison, recommendation: Recommendation) -> str:
    """The headline, why, and the figures of the variants that it is about."""
    who = [
        name
        for name in ([recommendation.variant] if recommendation.variant else recommendation.candidates)
        if name
    ]
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in recommendation.reasons)
    unfit = recommendation.rejected and not who
    meaning = _UNFIT if unfit else _MEANING.get(recommendation.kind, "")
    more = ""
    if recommendation.questions_needed:
        more = f'<p class="next">Next: collect about <b>{recommendation.questions_needed:,}</b> more questions.</p>'
    told = shown.verdict(recommendation)
    kind, _, name = ("Verdict", "", told) if unfit else told.partition(": ")
    headline = f'<span class="kind">{escape(kind)}</span> <span class="who">{escape(name)}</span>'
    text = f'<h1 class="headline">{headline}</h1><p class="meaning">{meaning}</p><ul class="reasons">{reasons}</ul>{more}'
    names = [
        name
        for name in [*who, *comparison.variants]
        if name in comparison.variants and name not in comparison.baselines
    ]
    beside = list(dict.fromkeys([*who, *names]))[: max(len(who), 2)]
    return (
        f'<div class="hero {recommendation.kind.lower()}"><div>{text}</div>{_facts(comparison, beside)}</div>'
    )


def _facts(comparison: Comparison, names: Sequence[str]) -> str:
    found = {name: comparison.variants[name] for name in names if name in comparison.variants}
    metrics = [
        name
        for name in _FACTS
        if any(estimates.get(name) and estimates[name].mean is not None for estimates in found.values())
    ]
    body = [
        [shown.long(metric), *(cells.estimate(metric, estimates.get(metric)) for estimates in found.values())]
        for metric in metrics
    ]
    if not body:
        return ""
    return cells.table("What you would get, with 95% intervals", ["", *map(escape, found)], body, "facts")


def warnings(comparison: Comparison) -> str:
    """What limits the comparison."""
    if not comparison.warnings:
        return ""
    items = "".join(f"<li>{_folded(warning)}</li>" for warning in comparison.warnings)
    return f'<section class="care" aria-labelledby="care"><h2 id="care">Read with care</h2><ul>{items}</ul></section>'


def _folded(text: str, most: int = 240) -> str:
    """Return a long text behind its own beginning."""
    if len(text) <= most:
        return escape(text)
    head = text[:most].rsplit(" ", 1)[0]
    return f"<details><summary>{escape(head)} …</summary>{escape(text)}</details>"


def sensitivity(recommendation: Recommendation) -> str:
    """What the verdict would be under other values, prices and volumes, and when the dearer one pays."""
    if not recommendation.sensitivity:
        return "<p>No other settings were tried.</p>"
    rows: dict[str, list[str]] = {}
    for row in recommendation.sensitivity:
        other = Recommendation(row["kind"], row["variant"], candidates=tuple(row["candidates"]))
        none = not other.variant and not other.candidates
        told = escape(shown.UNFIT if none else shown.verdict(other))
        verdict_there = f"<b>{told}</b>" if row["changes"] else f'<span class="none">{told}</span>'
        rows.setdefault(str(row["what"]), []).append(
            f"<span><small>at {row['at']:g}</small> {verdict_there}</span>"
        )
    changes = sum(bool(row["changes"]) for row in recommendation.sensitivity)
    tried = (
        f"{changes} of {len(recommendation.sensitivity)} other settings"
        if changes
        else "None of the other settings tried"
    )
    body = [[escape(what), f'<div class="settings">{"".join(told)}</div>'] for what, told in rows.items()]
    table = cells.table(
        "The verdict under other settings; bold where it differs", ["What", "Verdict at each setting"], body
    )
    even = [escape(line) for line in recommendation.trace if line.startswith("break-even")]
    best = ", ".join(
        f"{escape(name)} {chance(part)}" for name, part in recommendation.probability_best.items()
    )
    lines = [*even, *([f"Chance of being worth the most: {best}."] if best else [])]
    return f"<p><b>{tried}</b> would change the verdict.</p>{table}" + "".join(
        f"<p>{line}</p>" for line in lines
    )


def ownership(cost: Ownership | None) -> str:
    """What owning each variant costs over the horizon, what changes it, and from which volume one pays for itself."""
    if cost is None or not cost.bills:
        return ""
    horizon = f"{cost.months:g} months at {cost.volume:,.0f} answers a month"
    bills, scenarios = cost.table(), cost.scenarios()
    tables = [
        cells.table(f"What it costs over {horizon}, USD", *_escaped(bills), "numbers"),
        cells.table(
            f"In all over {cost.months:g} months, if it turns out otherwise", *_escaped(scenarios), "numbers"
        ),
    ]
    lines = [payback.text for payback in cost.paybacks()]
    lines += [f"Not counted: {'; '.join(cost.unknown)}."] if cost.unknown else []
    return "".join(tables) + "".join(f"<p>{escape(line)}</p>" for line in lines)


def _escaped(rows: Sequence[Sequence[str]]) -> tuple[list[str], list[list[str]]]:
    header, *body = [[escape(cell) for cell in row] for row in rows]
    return header, body


def failures(recommendation: Recommendation, comparison: Comparison) -> str:
    """Which stage lost the questions, by variant; the browser below filters by them."""
    names = [name for name in comparison.variants if recommendation.failures.get(name)]
    causes = dict.fromkeys(cause for name in names for cause in recommendation.failures[name])
    if not causes:
        return "<p>No failures were attributed.</p>"
    body = []
    for cause in causes:
        counts = [len(recommendation.failures[name].get(cause, ())) for name in names]
        drawn = [f'<button type="button" data-cause="{escape(cause, quote=True)}" data-variant="{escape(name, quote=True)}">{count}</button>'
                 if count else shown.NONE for name, count in zip(names, counts, strict=True)]  # fmt: skip
        body.append([escape(cause), *drawn, f'<span class="help">{escape(CAUSES.get(cause, ""))}</span>'])
    return cells.table(
        "Questions lost, by the first stage that failed. A number shows its questions.",
        ["Cause", *map(escape, names), "What it means, and what helps"],
        body,
        "numbers",
    )


def trace(recommendation: Recommendation) -> str:
    """The steps that led to the verdict, as printed."""
    return (
        "<ol class='trace'>" + "".join(f"<li>{escape(line)}</li>" for line in recommendation.trace) + "</ol>"
    )


def metric_cards(comparison: Comparison) -> str:
    """How to read each metric."""
    used = dict.fromkeys(metric for found in comparison.variants.values() for metric in found)
    body = []
    for metric in used:
        card = METRICS.get(metric)
        if card is not None:
            misled = " ".join(card.failure_examples)
            body.append([f"{escape(shown.long(metric))} <code>{metric}</code>", card.grade, f"{card.direction} is better", escape(card.formula),
                         f'{escape(card.description)} <span class="misled">{escape(misled)}</span>'])  # fmt: skip
    grades = "".join(f"<li><b>{grade}</b> {escape(meaning)}</li>" for grade, meaning in GRADES.items())
    table = cells.table(
        "Metric cards",
        ["Metric", "Grade", "Direction", "Formula", "What it means, and when it misleads"],
        body,
        "cards",
    )
    return f'<ul class="grades">{grades}</ul><details><summary>All {len(body)} metric cards</summary>{table}</details>'


def reproduce(comparison: Comparison, settings: Mapping[str, Any]) -> str:
    """Fingerprints and settings."""
    rows = [
        [escape(str(key)), f"<code>{escape(str(value))}</code>"]
        for key, value in {**comparison.fingerprints, **settings}.items()
    ]
    return (
        cells.table("What this was made from", ["What", "Fingerprint or setting"], rows)
        if rows
        else "<p>No fingerprints were kept.</p>"
    )
