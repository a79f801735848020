"""How far a text supports what an answer claims, by shared words alone: tier 0, a screen.

Near-extractive answers: ROC AUC .84 against people (714 sentences, QAGS-CNNDM). Freely worded ones: .59, near useless
(239, QAGS-XSum). So its figures find rows to read; they are no hallucination rate. Numbers, names and negation weigh no
more than other words here; flags.py looks at them apart. Knows nothing of questions, rows or where the evidence comes from.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from graft.evaluation.checks.abstention import is_abstention
from graft.evaluation.checks.text import content, sentences, strip_citations, tokens

SUPPORTED = 0.6  # a claim at or above is called supported; uncalibrated, see above
_WINDOW = 2  # sentences of evidence read together
_RESTATED = 0.9  # Jaccard similarity with the question above which a sentence only repeats it
STOP = frozenset(
    tokens(
        "and or but if of in on at by for with from to as is are was were be been being it its this that these those i you "
        "he she we they them his her our your their my me us do does did have has had will would can could should may might "
        "must not no so than then there here what which who whom whose when where why how all any each also into about over"
    )
)
_GREETINGS = frozenset(
    tokens("hello hi hey thanks thank you sure certainly of course happy to help glad welcome good question")
)


def claims(text: str, question: str = "") -> tuple[str, ...]:
    """Return the sentences that claim something: not a refusal, a greeting, a question, or the question said again."""
    pieces = [piece for piece in sentences(content(text)) if not says_nothing(piece)]
    return tuple(piece for piece in pieces if len(pieces) == 1 or not _restates(piece, question))


def says_nothing(sentence: str) -> bool:
    """Whether a sentence claims nothing: a refusal, a greeting, a question, or no words."""
    words = set(tokens(strip_citations(sentence)))
    return words <= _GREETINGS or strip_citations(sentence).endswith("?") or is_abstention(sentence)


def _restates(sentence: str, question: str) -> bool:
    words, asked = set(tokens(sentence)), set(tokens(question))
    return len(words & asked) / len(words | asked) >= _RESTATED


@dataclass(frozen=True, slots=True)
class Weights:
    """How much a word weighs: rarer is heavier; one that was never seen weighs as much as the rarest."""

    known: Mapping[str, float] = field(default_factory=dict)
    rarest: float = 1.0

    def of(self, word: str) -> float:
        """Return the weight of a word, > 0."""
        return self.known.get(word, self.rarest)


def inverse_frequency(texts: Iterable[str]) -> Weights:
    """Return the weights ln(1 + (N − n + .5) / (n + .5)), n of the N distinct texts holding the word."""
    distinct = dict.fromkeys(texts)
    seen = Counter(word for text in distinct for word in set(tokens(text)))
    total = len(distinct)
    known = {word: math.log(1 + (total - n + 0.5) / (n + 0.5)) for word, n in seen.items()}
    return Weights(known, max(known.values(), default=1.0))


def support(claim: str, evidence: Sequence[str], weights: Weights, *, jointly: bool = False) -> float:
    """Return 0–1: the best over windows of two sentences of .5 × weighted recall of the claim's content words
    + .2 × longest common subsequence ÷ the claim's length, + .3 × share of its trigrams found in one of the texts.

    `jointly` also reads the best windows of all the texts as one, for a claim that joins facts from several.
    """
    said = tokens(strip_citations(claim))
    if not said:
        return 0.0
    weighed = {word: weights.of(word) for word in sorted(set(said) - STOP or set(said))}
    found = [_best_window(said, weighed, text) for text in evidence]
    best = max((score for score, _ in found), default=0.0)
    if jointly and len(found) > 1:
        window = tuple(word for _, words in found for word in words)
        joined = (
            _weighted_recall(weighed, window),
            _share(_grams(said), [_prepared(text)[1] for text in evidence]),
            _common_subsequence(said, window) / len(said),
        )
        best = max(best, 0.5 * joined[0] + 0.3 * joined[1] + 0.2 * joined[2])
    return best


def _best_window(
    said: tuple[str, ...], weights: Mapping[str, float], text: str
) -> tuple[float, tuple[str, ...]]:
    """Return the best score of the claim in one text, and the words of the window that has it."""
    windows, run = _prepared(text)
    shared = 0.3 * _share(_grams(said), [run])
    best: tuple[float, tuple[str, ...]] = (0.0, ())
    for window, vocabulary in windows:
        score = shared + 0.5 * _weighted_recall(weights, vocabulary)
        if score + 0.2 > best[0]:  # the subsequence is the slow part, and adds .2 at most
            score += 0.2 * _common_subsequence(said, window) / len(said)
            best = max(best, (score, window), key=lambda pair: pair[0])
    return best


def _weighted_recall(weights: Mapping[str, float], words: Collection[str]) -> float:
    total = sum(weights.values())
    return sum(weight for word, weight in weights.items() if word in words) / total if total else 0.0


@lru_cache(1 << 12)
def _prepared(text: str) -> tuple[tuple[tuple[tuple[str, ...], frozenset[str]], ...], str]:
    """Return the windows of a text as (words, their set), and all its words as one run with a space around each."""
    pieces = [tokens(piece) for piece in sentences(text)]
    spans = [sum(pieces[at : at + _WINDOW], ()) for at in range(max(len(pieces) - _WINDOW + 1, 1))]
    return tuple((span, frozenset(span)) for span in spans), _run(tokens(text))


def _run(words: Sequence[str]) -> str:
    return f" {' '.join(words)} "


def _grams(words: tuple[str, ...]) -> list[str]:
    """Return the trigrams of a claim as runs; a claim shorter than that is one n-gram."""
    return [_run(words[at : at + 3]) for at in range(len(words) - 2)] or [_run(words)]


def _share(grams: Sequence[str], runs: Sequence[str]) -> float:
    """Return the share of the n-grams that stand in one of the runs. Words hold no spaces, so that text in text is enough."""
    return sum(any(gram in run for run in runs) for gram in grams) / len(grams)


def _common_subsequence(left: Sequence[str], right: Sequence[str]) -> int:
    """Return the length of the longest common subsequence, bit-parallel (Hyyrö 2004): one step a word of `right`."""
    places: dict[str, int] = {}
    for at, word in enumerate(left):
        places[word] = places.get(word, 0) | 1 << at
    every = (1 << len(left)) - 1
    state = every
    for word in right:
        matched = state & places.get(word, 0)
        state = ((state + matched) | (state - matched)) & every
    return len(left) - state.bit_count()
