"""How well a text is rewritten: SARI (Xu et al., 2016, "Optimizing Statistical Machine Translation for Text Simplification").

A rewriting shares most of its words with what it rewrites, so shared words would call the untouched text right. SARI looks
at what was kept, taken out and put in, n-gram by n-gram, against what people kept, took out and put in. Follows the
authors' own program; later ones weigh what is kept a little differently (EASSE) and give other levels.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from graft.evaluation.checks.text import tokens

ORDERS = (1, 2, 3, 4)
FEWEST = 10
"""Pairs from which it can be told that the answers restate their questions."""
_RESTATED, _SHORTEST = 0.5, 8

Grams = Counter[tuple[str, ...]]


def sari(source: str, said: str, golds: Sequence[str]) -> float:
    """Return 0–1: the mean over n = 1 … 4 of the F1 of what was kept, the F1 of what was put in and the precision of what was
    taken out. Case makes no difference; a punctuation mark is a word."""
    parts = [_order(_grams(source, n), _grams(said, n), [_grams(gold, n) for gold in golds]) for n in ORDERS]
    return sum(map(sum, parts)) / (3 * len(ORDERS))


def restate(pairs: Sequence[tuple[str, str]]) -> bool:
    """Whether the answers (question, answer) say their questions again in other words: long ones, half of whose words the
    question has."""
    if len(pairs) < FEWEST:
        return False
    words = [(Counter(tokens(question)), Counter(tokens(answer))) for question, answer in pairs]
    long = [(asked, said) for asked, said in words if min(asked.total(), said.total()) >= _SHORTEST]
    shared = [(asked & said).total() / said.total() for asked, said in long]
    return len(long) > 0.8 * len(pairs) and sum(shared) / len(shared) > _RESTATED


def _grams(text: str, n: int) -> Grams:
    words = re.findall(r"\w+|[^\w\s]", text.casefold())
    return Counter(tuple(words[at : at + n]) for at in range(len(words) - n + 1))


def _order(source: Grams, said: Grams, golds: Sequence[Grams]) -> tuple[float, float, float]:
    """Return kept, taken out and put in for n-grams of one order. Counts of source and answer are taken once for each
    reference, so that a reference's vote is a share."""
    voted: Grams = Counter()
    for gold in golds:
        voted.update(gold)
    times = len(golds)
    before, after = (Counter({gram: times * n for gram, n in grams.items()}) for grams in (source, said))

    kept, keepable = before & after, before & voted
    good = kept & voted
    precision = sum(good[gram] / kept[gram] for gram in good) / len(kept) if kept else 0.0
    recall = sum(good[gram] / keepable[gram] for gram in good) / len(keepable) if keepable else 0.0

    out = before - after
    rightly = out - voted
    taken = sum(rightly[gram] / out[gram] for gram in rightly) / len(out) if out else 0.0

    new, wanted = said.keys() - source.keys(), voted.keys() - source.keys()
    hits = len(new & wanted)
    put = _f1(hits / len(new), hits / len(wanted)) if hits else 0.0
    return _f1(precision, recall), taken, put


def _f1(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
