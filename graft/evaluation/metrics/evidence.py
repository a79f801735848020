"""Metrics of evidence: does it support the answer, is it cited rightly.

Functions Case → Value with their cards. Whether the evidence was found is `metrics_retrieval`'s.
"""

from __future__ import annotations

from collections.abc import Sequence

from graft.evaluation.checks.citations import CitationScores, citation_scores
from graft.evaluation.checks.groundedness import SUPPORTED, claims, says_nothing, support
from graft.evaluation.checks.relevance import cited_passage, covers
from graft.evaluation.checks.text import content, sentences
from graft.evaluation.metrics.cards import Case, MetricCard, once
from graft.evaluation.metrics.retrieval import (
    FAILED,
    HELD,
    NO_EVIDENCE,
    NO_RETRIEVAL,
    NOTHING_SHOWN,
    answer_of,
    passages_shown,
)
from graft.types import Value

ABSTAINED = Value(None, "the answer declines, so it claims nothing")
NO_CLAIMS = Value(None, "the answer makes no claim")

# --- groundedness ----------------------------------------------------------------------------------------------------


def _supported(case: Case, evidence: Sequence[str]) -> Value:
    answer = answer_of(case)
    if answer is None:
        return FAILED
    if case.abstained:
        return ABSTAINED
    made = claims(answer.text, case.question.text)
    if not made:
        return NO_CLAIMS
    held = sum(support(claim, evidence, case.weights) >= SUPPORTED for claim in made)
    return Value(held / len(made), of=len(made))


@once
def ctx_grounded(case: Case) -> Value:
    """Return the share of claims with lexical support in the passages shown."""
    shown = passages_shown(case)
    if isinstance(shown, Value):
        return shown
    return _supported(case, [passage.text for passage in shown]) if shown else NOTHING_SHOWN


def evid_grounded(case: Case) -> Value:
    """Return the share of claims with lexical support in the gold evidence and the references."""
    if not case.question.evidence:
        return NO_EVIDENCE
    if not case.evidence:
        return Value(None, "the text of the gold evidence is not at hand")
    return _supported(case, [*case.evidence, *case.question.answers])


# --- citations -------------------------------------------------------------------------------------------------------


def _citation_scores(case: Case) -> CitationScores | Value:
    answer = answer_of(case)
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
    return scores if isinstance(scores, Value) else Value(scores.recall, of=scores.sentences)


def citation_precision(case: Case) -> Value:
    """Return the share of citations that support their sentence and are needed."""
    scores = _citation_scores(case)
    if isinstance(scores, Value):
        return scores
    if scores.precision is None:
        return Value(None, "the answer cites nothing")
    return Value(scores.precision, of=scores.citations)


def citation_coverage(case: Case) -> Value:
    """Return the share of sentences that cite a passage."""
    scores = _citation_scores(case)
    return scores if isinstance(scores, Value) else Value(scores.coverage)


def citation_correct(case: Case) -> Value:
    """Return the share of cited passages that hold gold evidence."""
    answer = answer_of(case)
    if answer is None:
        return FAILED
    if not case.question.evidence:
        return NO_EVIDENCE
    passages = dict.fromkeys(cited_passage(citation, answer) for citation in answer.citations)
    total = len(passages) + answer.dropped_citations
    if not total:
        return Value(None, "the answer cites nothing")
    right = sum(any(covers(item, gold) for gold in case.question.evidence) for item in passages)
    return Value(right / total, of=total)


_LEXICAL = (
    "A faithful answer in other words counts as unsupported.",
    "A copied sentence about something else counts as supported.",
)
CARDS = (
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
        f"Whether the sources named are the right ones. Citations that point nowhere count as wrong. {HELD}", citation_correct,
        ("A passage that says the same elsewhere, unknown to the question's author, counts as wrong.",), ("evidence", "citations"),
    ),
)  # fmt: skip
