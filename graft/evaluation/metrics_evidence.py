"""Metrics of evidence: was it found, does it support the answer, is it cited rightly.

Functions Case → Value with their cards. A variant without retrieval has no ranking and no context: null, not zero. That
retrieval ran is known from the passages, or from its stage in the timings when it found nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from graft.evaluation import retrieval_metrics as ranking
from graft.evaluation.cards import Case, MetricCard
from graft.evaluation.citations import CitationScores, citation_scores
from graft.evaluation.groundedness import SUPPORTED, claims, says_nothing, support
from graft.evaluation.relevance import cited_passage, covers, ranked_units, units
from graft.evaluation.text import content, sentences
from graft.types import Answer, Value

_STAGES = {"embed", "search", "rerank"}
NO_EVIDENCE = Value(None, "the question has no gold evidence")
NO_RETRIEVAL = Value(None, "the variant retrieves nothing")
FAILED = Value(None, "the row failed")
ABSTAINED = Value(None, "the answer declines, so it claims nothing")
NO_CLAIMS = Value(None, "the answer makes no claim")

# --- retrieval -----------------------------------------------------------------------------------------------------


def _answer(case: Case) -> Answer | None:
    return None if case.failed else case.row.answer


def _ranked(
    measure: Callable[[Sequence[str], ranking.Gold, int], float], shown: int, k: int
) -> Callable[[Case], Value]:
    """Return the metric that ranks the first `shown` passages as gold units and measures them to depth `k`."""

    def metric(case: Case) -> Value:
        answer = _answer(case)
        gold = units(case.question.evidence)
        if answer is None:
            return FAILED
        if not answer.passages and _STAGES.isdisjoint(answer.timings):
            return NO_RETRIEVAL
        if not gold:
            return NO_EVIDENCE
        ranked = ranked_units(answer.passages[:shown], gold)
        return Value(measure(ranked, {f"unit {number}": 1.0 for number in range(len(gold))}, k))

    return metric


_EVERY = 1_000_000  # no cut in the ranking itself: the passages were cut before
recall_at_5 = _ranked(ranking.recall, 5, _EVERY)
success_at_5 = _ranked(ranking.success, 5, _EVERY)
ndcg_at_10 = _ranked(ranking.ndcg, 10, 10)
mrr_at_10 = _ranked(ranking.mrr, 10, 10)
map_at_10 = _ranked(ranking.average_precision, 10, 10)
BUDGET = 2000
"""Tokens of passages for recall@budget, at four characters a token: no tokenizer is the same for all variants."""


def precision_at_5(case: Case) -> Value:
    """Return the share of the first 5 places that hold gold evidence; places left empty count against it."""
    answer = _answer(case)
    if answer is None:
        return FAILED
    if not answer.passages and _STAGES.isdisjoint(answer.timings):
        return NO_RETRIEVAL
    if not case.question.evidence:
        return NO_EVIDENCE
    held = sum(
        any(covers(passage, gold) for gold in case.question.evidence) for passage in answer.passages[:5]
    )
    return Value(held / 5)


def recall_at_budget(case: Case) -> Value:
    """Return recall over the first passages that fit into the budget together."""
    answer = _answer(case)
    if answer is None:
        return FAILED
    spent = fit = 0
    for passage in answer.passages:
        spent += len(passage.text)
        if spent > 4 * BUDGET:
            break
        fit += 1
    return _ranked(ranking.recall, fit, _EVERY)(case)


# --- groundedness ----------------------------------------------------------------------------------------------------


def _supported(case: Case, evidence: Sequence[str]) -> Value:
    answer = _answer(case)
    if answer is None:
        return FAILED
    if case.abstained:
        return ABSTAINED
    made = claims(answer.text, case.question.text)
    if not made:
        return NO_CLAIMS
    return Value(sum(support(claim, evidence, case.weights) >= SUPPORTED for claim in made) / len(made))


def ctx_grounded(case: Case) -> Value:
    """Return the share of claims with lexical support in the passages shown."""
    answer = _answer(case)
    if answer is None:
        return FAILED
    if not answer.passages:
        return NO_RETRIEVAL if _STAGES.isdisjoint(answer.timings) else Value(None, "no passage was found")
    return _supported(case, [passage.text for passage in answer.passages])


def evid_grounded(case: Case) -> Value:
    """Return the share of claims with lexical support in the gold evidence and the references."""
    if not case.question.evidence:
        return NO_EVIDENCE
    if not case.evidence:
        return Value(None, "the text of the gold evidence is not at hand")
    return _supported(case, [*case.evidence, *case.question.answers])


# --- citations -------------------------------------------------------------------------------------------------------


def _citation_scores(case: Case) -> CitationScores | Value:
    answer = _answer(case)
    if answer is None:
        return FAILED
    if case.abstained:
        return ABSTAINED
    if not answer.passages and not answer.dropped_citations:
        return NO_RETRIEVAL
    said = content(answer.text, citations=True)
    made = [piece for piece in sentences(said) if not says_nothing(piece)]
    if not made:
        return NO_CLAIMS

    def entails(sentence: str, texts: Sequence[str]) -> bool:
        return support(sentence, texts, case.weights, jointly=True) >= SUPPORTED

    return citation_scores(
        made, [passage.text for passage in answer.passages], entails, answer.dropped_citations
    )


def citation_recall(case: Case) -> Value:
    """Return the share of sentences that their cited passages support."""
    scores = _citation_scores(case)
    return scores if isinstance(scores, Value) else Value(scores.recall)


def citation_precision(case: Case) -> Value:
    """Return the share of citations that support their sentence and are needed."""
    scores = _citation_scores(case)
    if isinstance(scores, Value):
        return scores
    return Value(None, "the answer cites nothing") if scores.precision is None else Value(scores.precision)


def citation_coverage(case: Case) -> Value:
    """Return the share of sentences that cite a passage."""
    scores = _citation_scores(case)
    return scores if isinstance(scores, Value) else Value(scores.coverage)


def citation_correct(case: Case) -> Value:
    """Return the share of cited passages that hold gold evidence."""
    answer = _answer(case)
    if answer is None:
        return FAILED
    if not case.question.evidence:
        return NO_EVIDENCE
    passages = dict.fromkeys(cited_passage(citation, answer) for citation in answer.citations)
    total = len(passages) + answer.dropped_citations
    if not total:
        return Value(None, "the answer cites nothing")
    return Value(sum(any(covers(item, gold) for gold in case.question.evidence) for item in passages) / total)


_SPANS = "A passage is relevant when it covers half of a gold span, or lies on the gold page or in the gold document where no span is given."
_LEXICAL = (
    "A faithful answer in other words counts as unsupported.",
    "A copied sentence about something else counts as supported.",
)
CARDS = (
    MetricCard(
        "recall@5", "distinct gold units in the first 5 passages / gold units", "higher", "0–1", "A",
        f"How much of the gold evidence reached the model. {_SPANS}",
        recall_at_5, ("Longer chunks reach more: compare only variants of the same passage size.",), ("evidence", "passages"),
    ),
    MetricCard(
        "success@5", "1 when any gold unit is in the first 5 passages", "higher", "share", "A",
        f"Whether any evidence reached the model. {_SPANS}", success_at_5,
        ("One of two needed facts counts as success.",), ("evidence", "passages"),
    ),
    MetricCard(
        "ndcg@10", "Σ rel / log2(place + 1) over 10 passages ÷ the same for the ideal order", "higher", "0–1", "A",
        "How early the gold evidence stands, of all that was shown to the model (linear gain).", ndcg_at_10,
        ("A variant that shows the model 5 passages cannot gain from places 6 to 10.",), ("evidence", "passages"),
    ),
    MetricCard(
        "mrr@10", "1 / place of the first passage with gold evidence", "higher", "0–1", "A",
        "How early the first evidence stands.", mrr_at_10, ("Ignores all evidence after the first.",), ("evidence", "passages"),
    ),
    MetricCard(
        "precision@5", "of the first 5 places, those whose passage holds gold evidence / 5", "higher", "0–1", "A",
        f"How much of what the model reads is evidence. {_SPANS}", precision_at_5,
        ("One gold span cannot fill five places: a perfect search scores .2 then.",), ("evidence", "passages"),
    ),
    MetricCard(
        "map@10", "mean over all gold units of the precision at the place where each was found, within 10", "higher", "0–1", "A",
        f"Average precision: early and complete. {_SPANS}", map_at_10,
        ("With one gold unit it is mrr@10.",), ("evidence", "passages"),
    ),
    MetricCard(
        "recall@budget", "gold units in the passages that fit 2,000 tokens (4 characters each) / gold units", "higher", "0–1", "A",
        f"Recall that can be compared across passage sizes. {_SPANS}", recall_at_budget,
        ("A variant that shows less than the budget cannot gain from the rest.",), ("evidence", "passages"),
    ),
    MetricCard(
        "evid_grounded", "claims with lexical support ≥ .6 in gold evidence and references / claims", "higher", "0–1", "C",
        "Lexical support of the answer in the gold evidence, for every variant alike. No hallucination rate: near-extractive "
        "answers AUC .84 against people, freely worded ones .59.", evid_grounded, _LEXICAL, ("evidence",),
    ),
    MetricCard(
        "ctx_grounded", "claims with lexical support ≥ .6 in the passages shown / claims", "higher", "0–1", "C",
        "Lexical support of the answer in what the model was shown: does it keep to its context? Variants with retrieval only.",
        ctx_grounded, _LEXICAL, ("passages",),
    ),
    MetricCard(
        "citation_precision", "citations that support their sentence and are needed / citations", "higher", "0–1", "C",
        "ALCE with lexical support in the place of its entailment model. Null when nothing is cited: read the coverage beside it.",
        citation_precision, _LEXICAL, ("citations", "passages"),
    ),
    MetricCard(
        "citation_recall", "sentences that their cited passages jointly support / sentences", "higher", "0–1", "C",
        "ALCE with lexical support in the place of its entailment model.", citation_recall, _LEXICAL, ("passages",),
    ),
    MetricCard(
        "citation_coverage", "sentences with a citation / sentences", "higher", "0–1", "A",
        "How much of the answer names a source at all, right or wrong.", citation_coverage,
        ("A citation on every sentence is full coverage, whatever it points to.",), ("passages",),
    ),
    MetricCard(
        "citation_correct", "cited passages that hold gold evidence / cited passages", "higher", "0–1", "A",
        f"Whether the sources named are the right ones. Citations that point nowhere count as wrong. {_SPANS}", citation_correct,
        ("A passage that says the same elsewhere, unknown to the question's author, counts as wrong.",), ("evidence", "citations"),
    ),
)  # fmt: skip
