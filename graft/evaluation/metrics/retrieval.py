"""Metrics of retrieval: was the gold evidence found, and was it shown.

Functions Case → Value with their cards. Finding is measured on the ranked list of the search, whatever was made of it for
the prompt; showing on the passages of the prompt. A variant without retrieval has neither: null, not zero.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from graft.evaluation.checks import ranking
from graft.evaluation.checks.relevance import Place, covers, ranked_units, units
from graft.evaluation.metrics.cards import Case, MetricCard
from graft.types import Answer, Passage, RankedHit, Value

Measure = Callable[[Sequence[str], ranking.Gold, int], float]

NO_EVIDENCE = Value(None, "the question has no gold evidence")
NO_RETRIEVAL = Value(None, "the variant retrieves nothing")
NO_RANKING = Value(None, "the row keeps no ranked list of its search; ask again with graft compare")
NOTHING_SHOWN = Value(None, "no passage was shown")
FAILED = Value(None, "the row failed")


def answer_of(case: Case) -> Answer | None:
    """Return the answer; None when the row failed."""
    return None if case.failed else case.row.answer


def _found(case: Case) -> tuple[RankedHit, ...] | Value:
    """Return the ranked list of the search, or the null that stands for it."""
    answer = answer_of(case)
    if answer is None:
        return FAILED
    if answer.ranking is None:
        return NO_RANKING if answer.passages else NO_RETRIEVAL
    return answer.ranking if case.question.evidence else NO_EVIDENCE


def _measured(case: Case, places: Sequence[Place], measure: Measure, k: int) -> Value:
    gold = units(case.question.evidence)
    wanted = {f"unit {number}": 1.0 for number in range(len(gold))}
    return Value(measure(ranked_units(places, gold), wanted, k))


def _ranked(measure: Measure, depth: int, k: int) -> Callable[[Case], Value]:
    """Return the metric that ranks the first `depth` hits as gold units and measures them to rank `k`."""

    def metric(case: Case) -> Value:
        found = _found(case)
        return found if isinstance(found, Value) else _measured(case, found[:depth], measure, k)

    return metric


_EVERY = 1_000_000  # no cut in the ranking itself: the hits were cut before
recall_at_5 = _ranked(ranking.recall, 5, _EVERY)
recall_at_20 = _ranked(ranking.recall, 20, _EVERY)
success_at_5 = _ranked(ranking.success, 5, _EVERY)
ndcg_at_10 = _ranked(ranking.ndcg, 10, 10)
mrr_at_10 = _ranked(ranking.mrr, 10, 10)
map_at_10 = _ranked(ranking.average_precision, 10, 10)
BUDGET = 2000
"""Tokens of hits for recall@budget, at four characters a token: no tokenizer is the same for all variants."""


def precision_at_5(case: Case) -> Value:
    """Return the share of the first 5 ranks whose hit holds gold evidence; ranks left empty count against it."""
    found = _found(case)
    return found if isinstance(found, Value) else Value(_holding(case, found[:5]) / 5)


def _holding(case: Case, places: Sequence[Place]) -> int:
    return sum(any(covers(place, gold) for gold in case.question.evidence) for place in places)


def recall_at_budget(case: Case) -> Value:
    """Return recall over the first hits that fit into the budget together."""
    found = _found(case)
    if isinstance(found, Value):
        return found
    spent = fit = 0
    for hit in found:
        spent += hit.end - hit.start
        if spent > 4 * BUDGET:
            break
        fit += 1
    return _measured(case, found[:fit], ranking.recall, _EVERY)


# --- what was shown -----------------------------------------------------------------------------------------------------


def passages_shown(case: Case) -> tuple[Passage, ...] | Value:
    """Return the passages that the model was shown, or the null that stands for them."""
    answer = answer_of(case)
    if answer is None:
        return FAILED
    return NO_RETRIEVAL if answer.ranking is None and not answer.passages else answer.passages


def context_recall(case: Case) -> Value:
    """Return the share of the gold evidence that the passages shown hold."""
    shown = passages_shown(case)
    if isinstance(shown, Value):
        return shown
    return _measured(case, shown, ranking.recall, _EVERY) if case.question.evidence else NO_EVIDENCE


def context_precision(case: Case) -> Value:
    """Return the share of the passages shown that hold gold evidence."""
    shown = passages_shown(case)
    if isinstance(shown, Value):
        return shown
    if not case.question.evidence:
        return NO_EVIDENCE
    return Value(_holding(case, shown) / len(shown)) if shown else NOTHING_SHOWN


HELD = (
    "A place counts when it covers half of a gold span, or lies on the gold page or in the gold document where no span is given; "
    "a span longer than a hit is held by several hits together."
)
"""When a place holds gold evidence, for the cards."""
CARDS = (
    MetricCard(
        "recall@5", "distinct gold units in the first 5 hits of the search / gold units", "higher", "0–1", "A",
        f"How much of the gold evidence the search finds early. {HELD}", recall_at_5,
        ("Longer chunks reach more: compare only variants of the same passage size.",), ("evidence", "ranking"),
    ),
    MetricCard(
        "success@5", "1 when any gold unit is in the first 5 hits of the search", "higher", "share", "A",
        f"Whether the search finds any evidence early. {HELD}", success_at_5,
        ("One of two needed facts counts as success.",), ("evidence", "ranking"),
    ),
    MetricCard(
        "ndcg@10", "Σ rel / log2(rank + 1) over the first 10 hits ÷ the same for the ideal order", "higher", "0–1", "A",
        "How early the gold evidence stands in the ranked list of the search (linear gain), whatever was then shown of it.",
        ndcg_at_10, ("A search that returns fewer than 10 hits cannot gain from the other ranks.",), ("evidence", "ranking"),
    ),
    MetricCard(
        "mrr@10", "1 / rank of the first of 10 hits with gold evidence", "higher", "0–1", "A",
        "How early the first evidence stands.", mrr_at_10, ("Ignores all evidence after the first.",), ("evidence", "ranking"),
    ),
    MetricCard(
        "precision@5", "of the first 5 ranks, those whose hit holds gold evidence / 5", "higher", "0–1", "A",
        f"How much of what is found first is evidence. {HELD}", precision_at_5,
        ("One gold span cannot fill five ranks: a perfect search scores .2 then.",), ("evidence", "ranking"),
    ),
    MetricCard(
        "map@10", "mean over all gold units of the precision at the rank where each was found, within 10", "higher", "0–1", "A",
        f"Average precision: early and complete. {HELD}", map_at_10,
        ("With one gold unit it is mrr@10.",), ("evidence", "ranking"),
    ),
    MetricCard(
        "recall@20", "distinct gold units in the first 20 hits of the search / gold units", "higher", "0–1", "A",
        f"Whether the documents hold the answers and the search can reach them: the most that reranking can bring. {HELD}",
        recall_at_20, ("Says nothing of what a model would be shown.",), ("evidence", "ranking"),
    ),
    MetricCard(
        "recall@budget", "gold units in the first hits that fit 2,000 tokens (4 characters each) / gold units", "higher", "0–1", "A",
        f"Recall that can be compared across passage sizes. {HELD}", recall_at_budget,
        ("Rows keep 20 hits: with chunks below 100 tokens the budget is not used up.",), ("evidence", "ranking"),
    ),
    MetricCard(
        "context_recall", "gold units in the passages shown / gold units", "higher", "0–1", "A",
        f"How much of the gold evidence reached the model, after passages were merged and cut to fit. {HELD}", context_recall,
        ("More and longer passages reach more and dilute more: read context_precision beside it.",), ("evidence", "passages"),
    ),
    MetricCard(
        "context_precision", "passages shown that hold gold evidence / passages shown", "higher", "0–1", "A",
        f"How much of what the model reads is evidence. {HELD}", context_precision,
        ("A variant that shows one passage scores 0 or 1; one that shows five cannot reach 1 with one gold span.",),
        ("evidence", "passages"),
    ),
)  # fmt: skip
