"""How a comparison's numbers are written, for the terminal, Markdown and HTML alike.

Words and digits only; knows no layout. Metrics are read by their cards; one without a card is shown as a plain number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from graft.decision.compare import TOO_FEW
from graft.decision.inference.ratios import ABSTAIN_F1, COST_PER_CORRECT, MICRO
from graft.evaluation.metrics.catalogue import METRICS
from graft.settings import DIAGNOSTICS
from graft.types import Comparison, Estimate, Recommendation

NONE = "–"
OVERVIEW = (
    "correct",
    "wrong",
    "abstain_recall",
    "format",
    "recall@5",
    "citation_correct",
    "latency_p50",
    "latency_p95",
    "cost",
)
"""What the first table shows beside the primary metric, as far as it was measured."""

_SHORT = {
    "truthfulness": "truthful", "abstain_recall": "declines", "citation_correct": "cites", "latency_p50": "p50",
    "latency_p95": "p95", "cost": "per 1k",
}  # fmt: skip
_LONG = {
    "truthfulness": "Truthfulness", "correctness": "Correctness", "correct": "Right answers", "wrong": "Wrong answers",
    "em": "Exact match", "f1": "Token F1", "sari": "SARI", "abstain_recall": "Declines the unanswerable",
    "over_refusal": "Declines the answerable", "format": "Keeps the format", "recall@5": "Finds the evidence (recall@5)",
    "success@5": "Finds some evidence (success@5)", "ndcg@10": "Ranks the evidence (nDCG@10)",
    "mrr@10": "First evidence (MRR@10)", "context_recall": "Shows the evidence", "context_precision": "Passages with evidence",
    "recall@20": "Reaches the evidence (recall@20)", "unsupported_number": "States a figure from nowhere",
    "unsupported_name": "States a name from nowhere", "reversed_claim": "Turns a “not” around", "evid_grounded": "Lexical support in the gold evidence",
    "ctx_grounded": "Lexical support in its passages", "citation_precision": "Citation precision",
    "citation_recall": "Citation recall", "citation_coverage": "Sentences with a citation",
    "citation_correct": "Cites the right sources", "tokens_in": "Prompt tokens", "tokens_out": "Answer tokens",
    "format_repaired": "Keeps the format after repair", "answer_rate": "Answers at all", "abstain_f1": "Declines rightly (F1)",
    "unsupported_wrong": "Wrong, not from its passages", "supported_wrong": "Wrong, from its passages",
    "unsupported_right": "Right, not from its passages", "cost_per_correct": "Cost per 1,000 right answers",
    "cost": "Cost per 1,000 answers", "latency": "Seconds an answer, in batches", "latency_p50": "Latency, median",
    "latency_p95": "Latency, 95th percentile", "latency_max": "Latency, slowest", "log_latency": "Latency (ratio)",
    "ttft_p50": "First word, median", "ttft_p95": "First word, 95th percentile", "ttft_max": "First word, slowest",
    "bits_per_byte": "Bits per byte of the reference answer", "perplexity": "Perplexity of the reference answer",
}  # fmt: skip
_MONEY = {"cost", COST_PER_CORRECT}
_VERDICTS = {"RECOMMEND": "Recommended", "KEEP_THE_CHEAPER": "Keep the cheaper", "UNDECIDED": "Undecided"}

UNFIT = "None is fit to serve"


@dataclass(frozen=True, slots=True)
class Scale:
    """How the numbers of a metric are written and drawn: `low` to `high` is the axis (None: as far as the data go);
    `factor` and `form` make the text; `better` is "higher" or "lower", "" when unknown."""

    low: float
    high: float | None
    factor: float
    form: str
    better: str


def scale(metric: str) -> Scale:
    """Return how to write a metric."""
    if metric.startswith(("latency", "ttft")):
        return Scale(0.0, None, 1.0, "{:.2f} s", "lower")
    if metric in _MONEY:
        return Scale(0.0, None, 1000.0, "${:,.2f}", "lower")
    card = METRICS.get(metric.removesuffix(MICRO))
    better = card.direction if card else "higher" if metric == ABSTAIN_F1 else ""
    if metric == ABSTAIN_F1 or (card and card.unit in {"share", "0–1"}):
        return Scale(0.0, 1.0, 100.0, "{:.0f}%", better)
    if card and card.unit == "−1–1":
        return Scale(-1.0, 1.0, 1.0, "{:+.2f}", better)
    if metric in {"bits_per_byte", "perplexity"}:
        return Scale(0.0, None, 1.0, "{:.2f}", better)
    return Scale(0.0, None, 1.0, "{:.0f}" if card else "{:.3f}", better)


def number(metric: str, value: float | None) -> str:
    """Return a value as text with its unit."""
    if value is None:
        return NONE
    shown = scale(metric)
    if metric in _MONEY:
        return _money(value * shown.factor)
    if shown.form.endswith(" s") and 0 < value < 0.01:
        return f"{max(1, round(1000 * value))} ms"
    return shown.form.format(value * shown.factor).replace("-", "−")


def _money(usd: float) -> str:
    """Return USD with cents, or with two figures where cents would be nothing."""
    return f"${usd:,.2f}" if usd >= 0.1 or usd == 0 else f"${usd:#.2g}"


def mean(metric: str, estimate: Estimate | None) -> str:
    """Return the mean of an estimate, or a dash."""
    return number(metric, estimate.mean if estimate else None)


def interval(metric: str, estimate: Estimate | None) -> str:
    """Return the 95 % interval as "low to high"; nothing when there is none, or when both ends read the same."""
    if estimate is None or estimate.low is None or estimate.high is None:
        return ""
    first, last = number(metric, estimate.low), number(metric, estimate.high)
    if first == last:
        return ""
    for unit in ("%", " s"):  # stands once, behind the higher end
        first = first.removesuffix(unit)
    return f"{first} to {last}"


def few(estimate: Estimate | None) -> str:
    """Return "4 of 219" where so few of many rows could be scored that the mean says little; else nothing."""
    if (
        estimate is None
        or estimate.mean is None
        or estimate.n_scored >= TOO_FEW
        or estimate.n_total < TOO_FEW
    ):
        return ""
    return f"{estimate.n_scored} of {estimate.n_total}"


def difference(metric: str, value: float | None) -> str:
    """Return a difference with its sign, shares in points; a log-latency as the ratio that it is."""
    if value is None:
        return NONE
    if metric == "log_latency":
        return f"× {math.exp(value):.2f}"
    shown = scale(metric)
    form = "{:+.1f}" if "%" in shown.form else "{:+.2f}" if abs(value * shown.factor) < 100 else "{:+.0f}"
    return form.format(value * shown.factor).replace("-", "−")


def points(metric: str) -> str:
    """Return the unit of a difference."""
    if "%" in scale(metric).form:
        return "points"
    return {"cost": "USD per 1,000", "log_latency": ""}.get(
        metric, "s" if metric.startswith("latency") else ""
    )


def p_value(p: float | None) -> str:
    """Return a p-value; never 0."""
    if p is None:
        return NONE
    return f"{p:.3f}" if p >= 0.001 else "< 0.001"


def short(metric: str) -> str:
    """Return the name of a metric for a narrow column."""
    return _SHORT.get(metric, metric)


def long(metric: str) -> str:
    """Return the name of a metric in plain words."""
    name = metric.removesuffix(MICRO)
    pooled = "" if name == metric else ", all rows pooled"
    return _LONG.get(name, name) + pooled


def overview(comparison: Comparison) -> list[str]:
    """Return the metrics of the first table: the primary one, and those of OVERVIEW that any variant has."""
    measured = {
        name
        for found in comparison.variants.values()
        for name, estimate in found.items()
        if estimate.mean is not None
    }
    return [
        comparison.primary,
        *(name for name in OVERVIEW if name in measured and name != comparison.primary),
    ]


def verdict(recommendation: Recommendation) -> str:
    """Return the verdict as a headline: "Recommended: rag"."""
    if recommendation.rejected and not recommendation.variant and not recommendation.candidates:
        return UNFIT
    kind = _VERDICTS.get(recommendation.kind, recommendation.kind)
    who = recommendation.variant or " or ".join(recommendation.candidates)
    return f"{kind}: {who}" if who else kind


def mark(name: str, comparison: Comparison, recommendation: Recommendation) -> str:
    """Return what a variant is in this comparison: "recommended", "baseline", "diagnostic", "dropped", "candidate" or
    nothing."""
    if name == recommendation.variant:
        return "recommended"
    if name in comparison.baselines:
        return "diagnostic" if name in DIAGNOSTICS else "baseline"
    if name in recommendation.rejected:
        return "dropped"
    return "candidate" if recommendation.variant is None and name in recommendation.candidates else ""


def span(metric: str, estimates: Mapping[str, Estimate]) -> tuple[float, float]:
    """Return the axis of a metric over several variants."""
    shown = scale(metric)
    if shown.high is not None:
        return shown.low, shown.high
    ends = [end for e in estimates.values() for end in (e.mean, e.high) if end is not None]
    return shown.low, max(ends, default=1.0) or 1.0
