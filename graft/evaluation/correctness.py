"""Is what an answer says right? Offline, against reference answers, without a model.

Works on plain strings. `correctness` agrees with human grades at kappa .73 (2,400 answers, FinanceBench) and ranks 16
systems at Spearman .97, where token-F1 reaches .63; its level needs a sample of human labels. Knows nothing of rows,
abstention or citations.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from graft.evaluation.figures import Number, numbers, same_number
from graft.evaluation.text import normalise, tokens

RIGHT = 0.5  # the cut-off from 0–1 to right/wrong; agreement with people is flat from .3 to .7
_LAST_NUMBERS = 3  # an answer may restate figures of the question; the result stands last
_YES_NO_WINDOW = 30  # in words: further down, "no" is rarely the verdict
_FILLERS = {"usd", "eur", "gbp", "chf", "dollars", "dollar", "euros", "euro", "percent", "per", "cent", "k", "m", "b", "bn",
            "mn", "thousand", "million", "billion", "trillion", "about", "approximately"}  # fmt: skip


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

    A numeric gold needs its figure among the last three numbers of the answer. A yes/no gold is wrong when the first
    yes or no within 30 words differs, and at least .5 when it is the same. Otherwise half the recall of the gold's words,
    and half the recall of the gold's numbers (or of its words again, when it has none).
    """
    return max((_against(said, gold) for gold in golds), default=0.0)


def _against(said: str, gold: str) -> float:
    wanted = _numeric(gold)
    if wanted is not None:
        return float(any(same_number(wanted, number) for number in numbers(said)[-_LAST_NUMBERS:]))
    words = tokens(gold)
    recall = _recall(words, tokens(said))
    gold_numbers = numbers(gold)
    score = 0.5 * recall + 0.5 * (_number_recall(gold_numbers, numbers(said)) if gold_numbers else recall)
    verdict = words[0] if words and words[0] in {"yes", "no"} else None
    if verdict is None:
        return score
    given = next((word for word in tokens(said)[:_YES_NO_WINDOW] if word in {"yes", "no"}), None)
    if given is None:
        return score
    return max(0.5, score) if given == verdict else 0.0


def _numeric(gold: str) -> Number | None:
    """Return the gold's number when it is its whole content: one number and at most one more word, its unit."""
    found = numbers(gold)
    if len(found) != 1:
        return None
    others = [
        word for word in tokens(gold) if word not in _FILLERS and not numbers(word) and not word[0].isdigit()
    ]
    return found[0] if len(others) <= 1 else None


def _recall(gold: Sequence[str], said: Sequence[str]) -> float:
    return (Counter(gold) & Counter(said)).total() / len(gold) if gold else 0.0


def _number_recall(gold: Sequence[Number], said: Sequence[Number]) -> float:
    return sum(any(same_number(wanted, number) for number in said) for wanted in gold) / len(gold)
