"""Is what an answer says right? Offline, against reference answers, without a model.

Works on plain strings. `correctness` agrees with human grades at kappa .73 (2,400 answers, FinanceBench) and ranks 16
systems at Spearman .97, where token-F1 reaches .63; its level needs a sample of human labels. Knows nothing of rows,
abstention or citations.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from graft.evaluation.checks.figures import Number, numbers, same_number, without_numbers
from graft.evaluation.checks.text import normalise, tokens

RIGHT = 0.5  # the cut-off from 0–1 to right/wrong; agreement with people is flat from .3 to .7
_LAST_NUMBERS = 3  # an answer may restate figures of the question; the result stands last
_YES_NO_WINDOW = 30  # in words: further down, "no" is rarely the verdict
# What may stand around figures without making the gold more than its figures: "from 07:00 to 19:00", "$24 per hour".
_FILLERS = frozenset(
    tokens("to and or from between until of at on in by per about approximately around since")
)


def exact_match(said: str, golds: Sequence[str]) -> float:
    """Return 1.0 when N(said) equals N(gold) for any of the golds (SQuAD v1.1)."""
    return float(any(normalise(said) == normalise(gold) for gold in golds))


def token_f1(said: str, golds: Sequence[str]) -> float:
    """Return the best token-F1 with any of the golds (SQuAD v1.1; two texts without words count as equal)."""
    return max((_f1(tokens(said), tokens(gold)) for gold in golds), default=0.0)


def _f1(left: Sequence[str], right: Sequence[str]) -> float:
    if not left or not right:
        return float(left == right)
    common = (Counter(left) & Counter(right)).total()
    return 2 * common / (len(left) + len(right))


def correctness(said: str, golds: Sequence[str]) -> float:
    """Return 0–1: how right the answer is by the best-matching gold; `RIGHT` and above counts as right.

    A gold that is a figure (with at most one word, its unit) or several needs all of them among the last three figures of
    the answer, or as many as it has. A yes/no gold is wrong when the first
    yes or no within 30 words differs, and at least .5 when it is the same. Otherwise half the recall of the gold's words,
    and half the recall of the gold's numbers (or of its words again, when it has none).
    """
    return max((_against(said, gold) for gold in golds), default=0.0)


def _against(said: str, gold: str) -> float:
    wanted = _figures(gold)
    if wanted:
        given = numbers(said)[-max(_LAST_NUMBERS, len(wanted)) :]
        return float(all(any(same_number(number, other) for other in given) for number in wanted))
    words = tokens(gold)
    recall = _recall(words, tokens(said))
    gold_numbers = numbers(gold)
    score = 0.5 * recall + 0.5 * (_number_recall(gold_numbers, numbers(said)) if gold_numbers else recall)
    verdict = words[0] if words and words[0] in {"yes", "no"} else None
    if verdict is None:
        return score
    answered = next((word for word in tokens(said)[:_YES_NO_WINDOW] if word in {"yes", "no"}), None)
    if answered is None:
        return score
    return max(0.5, score) if answered == verdict else 0.0


def _figures(gold: str) -> tuple[Number, ...]:
    """Return the figures of a gold that is nothing else: one with at most one more word, or several without any."""
    found = numbers(gold)
    others = sum(word not in _FILLERS for word in tokens(without_numbers(gold)))
    return found if others == 0 or (len(found) == 1 and others == 1) else ()


def _recall(gold: Sequence[str], said: Sequence[str]) -> float:
    return (Counter(gold) & Counter(said)).total() / len(gold) if gold else 0.0


def _number_recall(gold: Sequence[Number], said: Sequence[Number]) -> float:
    return sum(any(same_number(wanted, number) for number in said) for wanted in gold) / len(gold)
