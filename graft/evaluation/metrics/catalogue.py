"""The catalogue of metrics, and scoring: questions × rows → one number, or a null with its reason, each.

The mean, the interval and the test come later (decision/). Another package adds a metric by an entry point in the group
`graft.metrics`: a MetricCard, or a function (Question, Row) → Value. Knows no variant and no model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from graft import plugins
from graft.errors import UnknownName
from graft.evaluation.checks.groundedness import Weights, inverse_frequency
from graft.evaluation.judging import metrics as judge_metrics
from graft.evaluation.judging.rows import Verdicts
from graft.evaluation.metrics import answers, evidence, flags, likelihood, retrieval, split, usage
from graft.evaluation.metrics.cards import Case, MetricCard, card_of
from graft.protocols import Likelihood
from graft.types import Evidence, Question, Row, Value

METRICS: dict[str, MetricCard] = {
    card.name: card
    for card in (
        *answers.CARDS,
        *retrieval.CARDS,
        *evidence.CARDS,
        *flags.CARDS,
        *split.CARDS,
        *likelihood.CARDS,
        *usage.CARDS,
        *judge_metrics.CARDS,
    )
}
"""The metrics that come with GRAFT, in the order in which they are shown."""

EvidenceText = Callable[[Evidence], str | None]


def metric_names() -> list[str]:
    """Return the names of all metrics, GRAFT's own first, without importing those of other packages."""
    return [*METRICS, *(name for name in plugins.names("metric") if name not in METRICS)]


def metric_card(name: str) -> MetricCard:
    """Return the card of a metric, GRAFT's own or another package's. Raises UnknownName with the nearest names."""
    if name in METRICS:
        return METRICS[name]
    if name not in plugins.names("metric"):
        raise UnknownName("metric", name, metric_names())
    return card_of(name, plugins.load("metric", name))


def score(
    questions: Sequence[Question],
    rows: Iterable[Row],
    metrics: Sequence[str] | None = None,
    *,
    evidence_text: EvidenceText = lambda _: None,
    verdicts: Verdicts | None = None,
    likelihoods: Mapping[str, Likelihood] | None = None,
) -> dict[str, list[Value]]:
    """Return, for each metric, one Value a question, in the order of `questions`.

    `metrics` are names (None: all, but those of a judge only with its `verdicts`, those of likelihood only with
    `likelihoods`, by question). `evidence_text` looks up the text of a piece of gold evidence, or returns None. The
    weights of words come from the gold evidence of all questions, so they are the same for every variant.
    """
    by_question = {row.question: row for row in rows}
    texts = {evidence: evidence_text(evidence) for question in questions for evidence in question.evidence}
    weights = inverse_frequency(text for text in texts.values() if text)
    cards = [metric_card(name) for name in (metric_names() if metrics is None else metrics)]
    missing = {"judge": verdicts is None, "likelihood": likelihoods is None}
    if metrics is None:
        cards = [card for card in cards if not any(missing.get(need) for need in card.needs)]
    judged, likely = verdicts or {}, likelihoods or {}
    scored: dict[str, list[Value]] = {card.name: [] for card in cards}
    for question in questions:
        row = by_question.get(question.id)
        case = None if row is None else _case(question, row, texts, weights, judged, likely)
        for card in cards:
            scored[card.name].append(
                Value(None, "the question was not put to this variant") if case is None else card(case)
            )
    return scored


def _case(
    question: Question,
    row: Row,
    texts: Mapping[Evidence, str | None],
    weights: Weights,
    judged: Verdicts,
    likely: Mapping[str, Likelihood],
) -> Case:
    found = tuple(text for evidence in dict.fromkeys(question.evidence) if (text := texts[evidence]))
    return Case(question, row, found, weights, judged.get(question.id, {}), likely.get(question.id))
