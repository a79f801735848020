"""The report's sections on what was measured: outcomes, metrics, differences, strata, cost and speed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape

from graft.decision.compare import TOO_FEW
from graft.decision.inference.ratios import MICRO
from graft.decision.recommending.verdict import PLAN
from graft.evaluation.metrics.catalogue import METRICS
from graft.reporting import cells, shown
from graft.reporting.data import OUTCOMES
from graft.reporting.svg import difference_bar, length_bar
from graft.types import Comparison, Contrast, Estimate, Recommendation


def outcome_bars(
    comparison: Comparison,
    recommendation: Recommendation,
    became: Mapping[str, Sequence[str]],
    slots: Mapping[str, int],
) -> str:
    """What became of the questions, a bar a variant and the counts in it."""
    seen = {code for codes in became.values() for code in codes}
    legend = "".join(
        f'<li><span class="key o-{code}" aria-hidden="true"></span>{label}</li>'
        for code, label in OUTCOMES.items()
        if code in seen
    )
    bars = []
    for name, codes in became.items():
        counts = Counter(codes)
        told = ", ".join(f"{counts[code]} {label}" for code, label in OUTCOMES.items() if counts[code])
        segments = "".join(
            f'<span class="o-{code}" style="flex:{counts[code]}">{counts[code] if counts[code] >= 0.04 * len(codes) else ""}</span>'
            for code in OUTCOMES
            if counts[code]
        )
        title = cells.named(name, slots[name], shown.mark(name, comparison, recommendation))
        picture = f'<span class="stack" role="img" aria-label="{told}">{segments}</span>'
        bars.append(f'<li><span class="who">{title}</span>{picture}</li>')
    caption = f'<p class="caption" id="became-h">What became of the {comparison.questions} questions</p>'
    return f'{caption}<ul class="outcomes" aria-labelledby="became-h">{"".join(bars)}</ul><ul class="legend">{legend}</ul>'


def overview(comparison: Comparison, recommendation: Recommendation, slots: Mapping[str, int]) -> str:
    """The metrics that matter first, a row a variant."""
    # The tail of the latency has its place under cost and speed.
    metrics = [metric for metric in shown.overview(comparison) if metric != "latency_p95"]
    primary = comparison.primary
    axis = shown.span(
        primary, {name: found[primary] for name, found in comparison.variants.items() if primary in found}
    )
    header = [
        "Variant",
        f"{shown.long(primary)} <small>decides</small>",
        "",
        *(escape(shown.long(metric)) for metric in metrics[1:]),
    ]
    header[2] = (
        f'<span class="ends"><span>{shown.number(primary, axis[0])}</span><span>{shown.number(primary, axis[1])}</span></span>'
    )
    body = [
        [
            cells.named(name, slots[name], shown.mark(name, comparison, recommendation)),
            cells.estimate(primary, found.get(primary)),
            cells.bar(found.get(primary), axis, slots[name]),
            *(_brief(metric, found.get(metric)) for metric in metrics[1:]),
        ]
        for name, found in comparison.variants.items()
    ]
    return cells.table("Means with 95% intervals", header, body, "numbers")


def _brief(metric: str, found: Estimate | None) -> str:
    """Return an estimate; of time and money the mean alone, so that the table fits: their intervals stand under cost and speed."""
    if found is not None and shown.scale(metric).high is None:
        found = replace(found, low=None, high=None)
    return cells.estimate(metric, found)


# Of what is no metric of a row: measured times, and ratios, which are as good as what they are made of.
_GRADES = {"latency": "A", "ttft": "A", "cost": "B", "abstain": "B"}


def all_metrics(comparison: Comparison) -> str:
    """Every metric of every variant, with how many rows it rests on."""
    names = list(comparison.variants)
    metrics = dict.fromkeys(metric for found in comparison.variants.values() for metric in found)
    body = []
    for metric in metrics:
        found = [comparison.variants[name].get(metric) for name in names]
        card = METRICS.get(metric.removesuffix(MICRO))
        grade = card.grade if card else _GRADES.get(metric.partition("_")[0], "")
        drawn = [
            cells.estimate(metric, item)
            + (
                f'<span class="n">{item.n_scored}/{item.n_total}</span>'
                if item and item.mean is not None and not shown.few(item)
                else ""
            )
            for item in found
        ]
        body.append([f"{escape(shown.long(metric))} <code>{escape(metric)}</code>", grade, *drawn])
    return cells.table(
        "Every metric: mean, 95% interval, rows scored / rows",
        ["Metric", "Grade", *map(escape, names)],
        body,
        "numbers",
    )


def differences(comparison: Comparison) -> str:
    """The contrasts on the primary metric, then the exploratory ones behind a fold."""
    family = [item for item in comparison.contrasts if item.metric == comparison.primary and not item.stratum]
    others = [item for item in comparison.contrasts if item not in family]
    first = (
        _contrasts(
            f"Differences in {shown.long(comparison.primary).lower()}: p after Holm, each interval by itself",
            family,
        )
        if family
        else "<p>None.</p>"
    )
    if not others:
        return first
    rest = _contrasts("Exploratory: every other metric, p after Benjamini-Hochberg", others)
    return f"{first}<details><summary>All {len(others)} exploratory differences</summary>{rest}</details>"


def _contrasts(caption: str, contrasts: Sequence[Contrast]) -> str:
    reach: dict[str, float] = {}
    for item in contrasts:
        ends = [abs(end) for end in (item.difference, item.low, item.high) if end is not None]
        reach[item.metric] = max([reach.get(item.metric, 0.0), *ends])
    single = len(reach) == 1
    header = [
        "Difference",
        *([] if single else ["Metric"]),
        "Size",
        "95% interval",
        "",
        "p",
        "Could have shown",
        "n",
        "Reading",
    ]
    return cells.table(
        caption,
        header,
        [_contrast(item, reach[item.metric] or 1.0, single=single) for item in contrasts],
        "numbers",
    )


def _contrast(item: Contrast, reach: float, *, single: bool) -> list[str]:
    name = f"{escape(item.a)} − {escape(item.b)}"
    metric = (
        [] if single else [escape(shown.long(item.metric) + (f", {item.stratum}" if item.stratum else ""))]
    )
    if item.difference is None:
        return [
            name,
            *metric,
            shown.NONE,
            "",
            "",
            "",
            "",
            str(item.n),
            "refused: too many nulls on one side only",
        ]
    p = item.p_adjusted if item.p_adjusted is not None else item.p
    clear = p is not None and p < 0.05
    ends = [shown.difference(item.metric, end) for end in (item.low, item.high) if end is not None]
    effect = shown.NONE if item.mde is None else shown.difference(item.metric, item.mde).removeprefix("+")
    return [
        name,
        *metric,
        f"<b>{shown.difference(item.metric, item.difference)}</b> {shown.points(item.metric)}",
        f'<span class="nowrap">{" to ".join(ends)}</span>',
        difference_bar(item.difference, item.low, item.high, reach, clear=clear),
        shown.p_value(p),
        effect,
        str(item.n),
        _reading(item, clear=clear) + (_more(item) if single and not clear else ""),
    ]


def _more(item: Contrast) -> str:
    """Return how many more questions would show a difference that most teams would act on: n grows with 1 ÷ difference²."""
    if item.mde is None or item.mde <= PLAN or item.n < TOO_FEW:
        return ""
    more = math.ceil(item.n * ((item.mde / PLAN) ** 2 - 1) / 10) * 10
    return (
        f"; about {more:,} more questions would show {shown.difference(item.metric, PLAN).removeprefix('+')}"
    )


def _reading(item: Contrast, *, clear: bool) -> str:
    if item.n < TOO_FEW:
        return "too few questions"
    if not clear or item.difference is None:
        return "no difference shown"
    lower = shown.scale(item.metric).better == "lower"
    better = item.a if (item.difference > 0) != lower else item.b
    return f"{escape(better)} is better"


def strata(comparison: Comparison, slots: Mapping[str, int]) -> str:
    """The primary metric and accuracy within each stratum."""
    if not comparison.strata:
        return "<p>The questions name no strata.</p>"
    primary = comparison.primary
    axis = shown.span(
        primary, {name: found[primary] for name, found in comparison.variants.items() if primary in found}
    )
    header = ["Variant"]
    for stratum, found in comparison.strata.items():
        n = max((item.n_total for estimates in found.values() for item in estimates.values()), default=0)
        header += [f"{escape(stratum)} <small>n = {n}</small>", ""]
    body = []
    for name in comparison.variants:
        within = [found.get(name, {}).get(primary) for found in comparison.strata.values()]
        drawn = [
            part
            for item in within
            for part in (cells.estimate(primary, item), cells.bar(item, axis, slots[name]))
        ]
        body.append([cells.named(name, slots[name]), *drawn])
    return cells.table(f"{shown.long(primary)} by stratum, with 95% intervals", header, body, "numbers")


def speed(
    comparison: Comparison, stages: Mapping[str, Sequence[Mapping[str, float]]], slots: Mapping[str, int]
) -> str:
    """Cost and latency, a row a variant."""
    found = comparison.variants
    slowest = max(
        (
            e.mean or 0.0
            for item in found.values()
            for m, e in item.items()
            if m in {"latency_p50", "latency_p95"}
        ),
        default=0.0,
    )
    streamed = ("ttft_p50", "ttft_p95") if any("ttft_p50" in item for item in found.values()) else ()
    dearest = max((item["cost"].mean or 0.0 for item in found.values() if "cost" in item), default=0.0)
    body = []
    for name, item in found.items():
        middle, tail, price = (item.get(metric) for metric in ("latency_p50", "latency_p95", "cost"))
        time = (
            length_bar(middle.mean, slowest, slots[name], tail.mean if tail else None)
            if middle and middle.mean is not None
            else ""
        )
        money = length_bar(price.mean, dearest, slots[name]) if price and price.mean is not None else ""
        first = [cells.estimate(metric, item.get(metric)) for metric in streamed]
        body.append([cells.named(name, slots[name]), cells.estimate("latency_p50", middle), cells.estimate("latency_p95", tail), time, *first,
                     cells.estimate("cost", price), money, cells.estimate("tokens_in", item.get("tokens_in")),
                     cells.estimate("tokens_out", item.get("tokens_out"))])  # fmt: skip
    header = [
        "Variant",
        "Median",
        "95th percentile",
        "",
        *(["First word", "95th percentile"] if streamed else []),
        "Cost per 1,000",
        "",
        "Prompt tokens",
        "Answer tokens",
    ]
    caption = "Seconds of questions asked one at a time, warm (bar: median, line: to the 95th percentile), until the first word where answers are streamed; cost at the price table's prices"
    return cells.table(caption, header, body, "numbers") + _stages(stages, slots)


def _stages(stages: Mapping[str, Sequence[Mapping[str, float]]], slots: Mapping[str, int]) -> str:
    import numpy as np

    kinds = dict.fromkeys(stage for samples in stages.values() for sample in samples for stage in sample)
    if not kinds:
        return ""
    body = []
    for name, samples in stages.items():
        drawn = []
        for stage in kinds:
            values = [sample[stage] for sample in samples if stage in sample]
            drawn.append(
                f"<b>{np.quantile(values, 0.5):.3f}</b> / {np.quantile(values, 0.95):.3f}"
                if values
                else shown.NONE
            )
        body.append([cells.named(name, slots.get(name)), *drawn])
    table = cells.table(
        "Seconds by stage, median / 95th percentile", ["Variant", *map(escape, kinds)], body, "numbers"
    )
    return f"<details><summary>By stage</summary>{table}</details>"
