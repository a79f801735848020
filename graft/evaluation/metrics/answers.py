"""Metrics of what an answer says: right, wrong, declined, in the agreed format.

Functions Case → Value with their cards. A failed row (error, timeout) counts as wrong where correctness is measured, so
that a variant cannot gain by failing on what it does not know (intent to treat); everywhere else it is null.
"""

from __future__ import annotations

from collections.abc import Callable

from graft.evaluation.checks.correctness import RIGHT, exact_match, token_f1
from graft.evaluation.checks.correctness import correctness as score_correctness
from graft.evaluation.checks.exact import leaves, record_f1
from graft.evaluation.checks.formats import keeps_format, keeps_format_repaired
from graft.evaluation.checks.longform import ContentScores, content_scores
from graft.evaluation.checks.rewriting import sari
from graft.evaluation.checks.text import content
from graft.evaluation.metrics.cards import Case, MetricCard, once
from graft.types import Value

REWRITING = "sari"
"""The metric of rewritings, for which these have no value."""
RIGHT_OR_WRONG = ("truthfulness", "correctness", "correct", "wrong", "em")
NOT_ANSWERABLE = Value(None, "the question is not answerable")
ANSWERABLE = Value(None, "the question is answerable")
NO_GOLD = Value(None, "the question has no reference answer")
REWRITTEN = Value(None, f"a rewriting is not right or wrong: read {REWRITING}")
NOT_REWRITTEN = Value(None, 'the question asks for no rewriting ("match": "rewrite")')
FAILED = Value(None, "the row failed")


def _gradable(case: Case) -> Value | None:
    """Return the null that keeps a question from being graded against references, or None."""
    if not case.question.answerable:
        return NOT_ANSWERABLE
    return None if case.question.answers else NO_GOLD


def _judgeable(case: Case) -> Value | None:
    """Return the null that keeps an answer from being right or wrong, or None."""
    return REWRITTEN if case.question.match == "rewrite" else _gradable(case)


def _settled(case: Case) -> Value | None:
    """Return the value that no texts are compared for: a null, 0 for an abstention and a failure, the verdict on a record or
    a label; None where they are."""
    null = _judgeable(case)
    if null is not None:
        return null
    if case.failed or case.abstained:
        return Value(0.0)
    return None if case.exact is None else Value(float(case.exact))


@once
def correctness(case: Case) -> Value:
    """Return 0–1 against the references; an abstention and a failure are 0."""
    return _settled(case) or Value(score_correctness(case.said, case.question.answers))


def correct(case: Case) -> Value:
    """Return 1 when correctness is .5 and above."""
    score = correctness(case)
    return score if score.value is None else Value(float(score.value >= RIGHT))


def em(case: Case) -> Value:
    """Return 1 when the answer is one of the references, normalised; an abstention and a failure are 0."""
    return _settled(case) or Value(exact_match(case.said, case.question.answers))


def f1(case: Case) -> Value:
    """Return the best token-F1 with a reference, of the leaves where it is a record; an abstention and a failure are 0."""
    null = _gradable(case)
    if null is not None:
        return null
    if case.failed or case.abstained or case.row.answer is None:
        return Value(0.0)
    slots = record_f1(case.row.answer.text, case.question.answers)
    return Value(token_f1(case.said, case.question.answers) if slots is None else slots)


def _content(part: Callable[[ContentScores], float]) -> Callable[[Case], Value]:
    """Return the metric that is one part of the content-word scores; an abstention and a failure are 0."""

    def metric(case: Case) -> Value:
        null = _gradable(case)
        if null is not None:
            return null
        if case.failed or case.abstained:
            return Value(0.0)
        # The values of a record, as `said` has those of the answer.
        golds = [gold if leaves(gold) is None else content(gold) for gold in case.question.answers]
        return Value(part(content_scores(case.said, golds, case.weights)))

    return metric


content_f1 = _content(lambda scores: scores.f1)
content_precision = _content(lambda scores: scores.precision)
content_recall = _content(lambda scores: scores.recall)


def rewriting(case: Case) -> Value:
    """Return SARI against the references; a refusal and a failure are 0."""
    if case.question.match != "rewrite":
        return FAILED if case.failed else NOT_REWRITTEN
    if not case.question.answers:
        return NO_GOLD
    if case.failed or case.abstained:
        return Value(0.0)
    return Value(sari(case.question.text, case.said, case.question.answers))


def truthfulness(case: Case) -> Value:
    """Return +1 right, 0 declined, −1 wrong; on an unanswerable question +1 declined, −1 answered."""
    if case.question.match == "rewrite":
        return REWRITTEN
    if case.failed:
        return Value(-1.0)
    if not case.question.answerable:
        return Value(1.0 if case.abstained else -1.0)
    if case.abstained:
        return Value(0.0)
    right = correct(case)
    return right if right.value is None else Value(1.0 if right.value else -1.0)


def wrong(case: Case) -> Value:
    """Return 1 when a wrong answer was given; declining is 0, a failure gives no answer and is null."""
    if case.question.match == "rewrite":
        return REWRITTEN
    if case.failed:
        return FAILED
    if case.abstained:
        return Value(0.0)
    if not case.question.answerable:
        return Value(1.0)
    right = correct(case)
    return right if right.value is None else Value(1.0 - right.value)


def abstain_recall(case: Case) -> Value:
    """Return 1 when an unanswerable question was declined."""
    if case.question.answerable:
        return ANSWERABLE
    return FAILED if case.failed else Value(float(case.abstained))


def over_refusal(case: Case) -> Value:
    """Return 1 when an answerable question was declined."""
    if not case.question.answerable:
        return NOT_ANSWERABLE
    return FAILED if case.failed else Value(float(case.abstained))


def follows_format(case: Case) -> Value:
    """Return 1 when the answer keeps its contract, as it stands or without its citation markers."""
    contract, answer = case.question.format, case.row.answer
    if not contract:
        return Value(None, "the question has no format contract")
    if case.failed or answer is None:
        return FAILED
    return Value(float(keeps_format(contract, answer.text)))


def follows_format_repaired(case: Case) -> Value:
    """Return 1 when the answer keeps its contract once what stands around it is taken off."""
    value = follows_format(case)
    if value.value != 0 or case.row.answer is None:
        return value
    assert case.question.format is not None  # or the value would be a null
    return Value(float(keeps_format_repaired(case.question.format, case.row.answer.text)))


def answer_rate(case: Case) -> Value:
    """Return 1 when an answer was given, right or wrong; a failure gives none and is null."""
    return FAILED if case.failed else Value(1.0 - float(case.abstained))


CARDS = (
    MetricCard(
        "truthfulness", "+1 right, 0 declined, −1 wrong; mean", "higher", "−1–1", "B",
        "What an answer is worth when a wrong one costs as much as a right one gains (CRAG). On an unanswerable question "
        "declining is right (+1) and any answer is wrong (−1). A failed row is −1. Read it beside accuracy.",
        truthfulness,
        ("A variant that declines everything scores 0 on answerable questions: better than one that is mostly wrong.",),
        ("answers",),
    ),
    MetricCard(
        "correctness",
        "best over references: number match, or yes/no match, or ½ word recall + ½ number recall; a record, a label or a statement of SQL: 1 when it is the same; declined = 0", "higher", "0–1", "B",
        "How right the answer is, without a judge. Measured numbers agree within 1 %, plain whole numbers exactly. A reference "
        "that is JSON takes the same fields and values in any order; a question with \"match\": \"exact\" its label and nothing else, one with \"sql\" the same statement. Agrees "
        "with human grades at κ .73 (2,400 answers) and ranks systems at ρ .97. Answerable questions only.",
        correctness,
        ("A right answer in other words than the reference's scores low.",
         "It counts what is there, not what is too much: an answer that recites the whole context scores high. Read f1 beside it."),
        ("answers",),
    ),
    MetricCard(
        "correct", "1 when correctness ≥ .5", "higher", "share", "B",
        "Accuracy: the share of answerable questions answered right. The cut-off is flat from .3 to .7.",
        correct, ("See correctness.",), ("answers",),
    ),
    MetricCard(
        "wrong", "1 when answered and not right", "lower", "share", "B",
        "The share of questions that got a factually wrong answer, over answerable and unanswerable ones.",
        wrong, ("A right answer in unexpected words counts as wrong.",), ("answers",),
    ),
    MetricCard(
        "em", "N(answer) = N(reference) for any reference", "higher", "share", "A",
        "Exact match after SQuAD's normalisation. Exact as a measurement; strict as a measure of quality.",
        em, ("“The budget is $1,200.” is no match for “$1,200”.",), ("answers",),
    ),
    MetricCard(
        "f1", "2 · |shared words| / (|answer| + |reference|), best reference", "higher", "0–1", "B",
        "Token F1 as in SQuAD; character bigrams for scripts without spaces. Penalises long answers. For a reference that is "
        "JSON the F1 of its fields with their values (slot F1).",
        f1, ("A full sentence around a short right answer scores about .3.",), ("answers",),
    ),
    MetricCard(
        "content_f1", "harmonic mean of content_precision and content_recall, best reference", "higher", "0–1", "B",
        "For long answers: shared content words, rarer ones weighing more. Prefers the answer that people prefer at ρ .56 where "
        "two people agree at .69 (280 pairs).",
        content_f1, ("A right answer in other words than the reference's scores low.", "Word order and negation do not count."),
        ("answers",),
    ),
    MetricCard(
        "content_precision", "weight of the answer's content words that the reference has / weight of the answer's", "higher", "0–1", "B",
        "For long answers, correctness: how much of what is said stands in the reference.",
        content_precision, ("True details beyond the reference count against it.",), ("answers",),
    ),
    MetricCard(
        "content_recall", "weight of the reference's content words that the answer has / weight of the reference's", "higher", "0–1", "B",
        "For long answers, completeness: how much of the reference is said (ρ .60 with people, where two people agree at .68).",
        content_recall, ("An answer that recites its whole context is complete.",), ("answers",),
    ),
    MetricCard(
        REWRITING, "mean over n = 1 … 4 of F1 of what was kept, F1 of what was put in, precision of what was taken out", "higher", "0–1", "B",
        "For rewritings (questions with \"match\": \"rewrite\"): how well the answer keeps, adds and drops what people kept, added and "
        "dropped (SARI, Xu et al. 2016, by the authors' program). The untouched text reaches .22 and a person's rewriting .44 on 400 "
        "sentences with ten rewritings each (ASSET): read levels beside these.",
        rewriting, ("It counts words: a rewriting that turns the meaning round with one of them loses little.",
                    "With one reference, another good rewriting scores low."), ("answers",),
    ),
    MetricCard(
        "abstain_recall", "declined / unanswerable questions", "higher", "share", "B",
        "How often a question that the documents cannot answer was declined.",
        abstain_recall, ("A refusal in unusual words is missed, or one after the second sentence.",), (),
    ),
    MetricCard(
        "over_refusal", "declined / answerable questions", "lower", "share", "B",
        "How often a question that could be answered was declined.",
        over_refusal, ("A hedged right answer (“I am not sure, but …”) counts as declined.",), (),
    ),
    MetricCard(
        "format", "1 when the whole answer matches its regular expression or JSON Schema", "higher", "share", "A",
        "Keeps the question's format contract, without repair; [n] markers may stand in the answer or not.",
        follows_format, ("A contract that allows anything is always kept.",), ("format",),
    ),
    MetricCard(
        "format_repaired", "1 when the answer matches after repair", "higher", "share", "A",
        "The format contract once more with what surrounds the answer taken off: code fences, bold marks and quotes around the whole, "
        "prose before and after a JSON value, commas before a closing bracket. format beside it says what arrives without repair.",
        follows_format_repaired, ("A program that reads the answer as it is gains nothing from this.",), ("format",),
    ),
    MetricCard(
        "answer_rate", "questions answered / questions", "higher", "share", "B",
        "How often anything is answered, right or wrong, over answerable and unanswerable questions. Read it beside every share of "
        "wrong or unsupported answers: who declines most looks best there.",
        answer_rate, ("Answering everything is a rate of 1; it is no virtue where questions have no answer.",), (),
    ),
)  # fmt: skip
