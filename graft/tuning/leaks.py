"""Which texts are the same text: held-out questions inside the examples, and near-duplicate examples.

Exact set-similarity joins over word shingles by prefix filtering (Chaudhuri et al. 2006; PPJoin, Xiao et al. 2008):
two sets of Jaccard ≥ t share one of their rarest few shingles, so only those are indexed. Exact where MinHash is
approximate, without a random number, and 10,000 examples take about a second. Knows nothing of models.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from graft.errors import LeakError
from graft.types import Example

# 13 words: the length that GPT-3's contamination study settled on (Brown et al. 2020, appendix C), which also ignores
# n-grams that many documents share: they are boilerplate.
NGRAM = 13
COMMON = 10
THRESHOLD = 0.8
# Three words: one exchanged name or number in a question of 12 words leaves Jaccard .54 and makes another question;
# with single words it would leave .85 and be called a leak.
SHINGLE = 3
# Words below which the last turn of a conversation is taken for a follow-up.
FOLLOW_UP = 6

_FUNCTION_WORDS = """
a an the is are was were be been being am do does did can could may might must shall should will would to of in on at
by for from with and or if that this these those it its i me my we our us you your they their there here please tell
all any
"""
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())


@dataclass(frozen=True, slots=True)
class Leak:
    """A held-out question found in an example. `kind` is "same text", "same words", "13 words in common" or
    "Jaccard 0.87"; `similarity` is in [0, 1]."""

    example: str
    question: str
    kind: str
    similarity: float


def normalise(text: str) -> str:
    """Return the text case-folded (NFKC), its punctuation and runs of space turned into single spaces."""
    return " ".join(_words(text))


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", text).casefold())


def find_leaks(examples: Sequence[Example], questions: Sequence[tuple[str, str]]) -> list[Leak]:
    """Return every (question, example) pair that is one question, by question order.

    The same after normalisation, the same but for function words, 13 words in a row in common, or Jaccard ≥ .8 on
    three-word shingles. Shingles that stand in more than half of the examples (a shared instruction) do not count. A
    short follow-up ("And in Utrecht?") means something only with what came before, so it is not compared.
    """
    asked = [_words(text) for _, text in questions]
    known = [[] if _is_follow_up(example) else _words(example.input) for example in examples]
    found: dict[tuple[int, int], tuple[str, float]] = {}
    for left, right in _same(asked, known):
        found[left, right] = ("same text", 1.0)
    for left, right in _same(
        [_content(words) for words in asked], [_content(words) for words in known], least=3
    ):
        found.setdefault((left, right), ("same words", 1.0))
    for left, right in _shared_ngrams(asked, known):
        found.setdefault((left, right), (f"{NGRAM} words in common", 1.0))
    shingled = _without_boilerplate(asked, known)
    for left, right, similarity in similar_pairs(*shingled):
        found.setdefault((left, right), (f"Jaccard {similarity:.2f}", similarity))
    return [
        Leak(examples[right].id, questions[left][0], kind, similarity)
        for (left, right), (kind, similarity) in sorted(found.items())
    ]


def refuse_leaks(examples: Sequence[Example], questions: Sequence[tuple[str, str]]) -> None:
    """Raise LeakError when a held-out question occurs among the examples."""
    leaks = find_leaks(examples, questions)
    if not leaks:
        return
    listed = "\n  ".join(
        f"question {leak.question} = example {leak.example} ({leak.kind})" for leak in leaks[:20]
    )
    more = f"\n  … and {len(leaks) - 20} more" if len(leaks) > 20 else ""
    hit = len({leak.question for leak in leaks})
    raise LeakError(
        f"{hit} held-out question{'s' * (hit > 1)} also stand in the training examples, so the comparison would mean "
        f"nothing:\n  {listed}{more}\n",
        "Remove either the example or the question of each pair.",
    )


def near_duplicates(texts: Sequence[str]) -> list[tuple[int, int, float]]:
    """Return (i, j, Jaccard) with i < j for the texts alike at ≥ .8 on three-word shingles, by j then i."""
    sets = [_shingles(_words(text)) for text in texts]
    return sorted(similar_pairs(sets), key=lambda pair: (pair[1], pair[0]))


def similar_pairs(
    left: Sequence[Collection[str]],
    right: Sequence[Collection[str]] | None = None,
    threshold: float = THRESHOLD,
) -> list[tuple[int, int, float]]:
    """Return (i, j, Jaccard) for all pairs of sets with Jaccard ≥ threshold: left × right, or left × left with i < j.

    Exact. With |a ∩ b| ≥ t·max(|a|, |b|), a pair must share an element among each side's first ⌊(1 - t)·n⌋ + 1 in
    order of rarity.
    """
    alone = right is None
    right = left if right is None else right
    frequency = Counter(element for group in (left if alone else [*left, *right]) for element in group)

    def prefix(elements: Collection[str]) -> list[str]:
        rarest = sorted(elements, key=lambda element: (frequency[element], element))
        return rarest[: len(rarest) - math.ceil(threshold * len(rarest) - 1e-9) + 1] if rarest else []

    index: dict[str, list[int]] = defaultdict(list)
    for number, elements in enumerate(right):
        for element in prefix(elements):
            index[element].append(number)
    pairs = []
    sets = [frozenset(elements) for elements in right]
    for number, elements in enumerate(left):
        mine = frozenset(elements)
        candidates = {other for element in prefix(elements) for other in index[element]}
        for other in sorted(candidates):
            if alone and other <= number:
                continue
            common = len(mine & sets[other])
            similarity = common / (len(mine) + len(sets[other]) - common)
            if similarity >= threshold:
                pairs.append((number, other, similarity))
    return pairs


def _is_follow_up(example: Example) -> bool:
    users = [message for message in example.messages if message.role == "user"]
    return len(users) > 1 and len(_words(example.input)) < FOLLOW_UP


def _shingles(words: Sequence[str], size: int = SHINGLE) -> set[str]:
    """Return the runs of `size` words; a shorter text is its own single shingle."""
    if not words:
        return set()
    return {" ".join(words[start : start + size]) for start in range(max(1, len(words) - size + 1))}


def _content(words: Sequence[str]) -> list[str]:
    return [word for word in words if word not in FUNCTION_WORDS]


def _same(
    left: Sequence[Sequence[str]], right: Sequence[Sequence[str]], least: int = 1
) -> Iterator[tuple[int, int]]:
    """Yield the index pairs whose word sequences are equal and at least `least` words long."""
    index: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for number, words in enumerate(right):
        index[tuple(words)].append(number)
    for number, words in enumerate(left):
        if len(words) >= least:
            for other in index.get(tuple(words), ()):
                yield number, other


def _shared_ngrams(
    asked: Sequence[Sequence[str]], known: Sequence[Sequence[str]]
) -> Iterator[tuple[int, int]]:
    """Yield the index pairs with 13 words in a row in common that at most 10 examples share."""
    holders: dict[str, set[int]] = defaultdict(set)
    for number, words in enumerate(known):
        if len(words) >= NGRAM:
            for gram in _shingles(words, NGRAM):
                holders[gram].add(number)
    for number, words in enumerate(asked):
        if len(words) >= NGRAM:
            for gram in _shingles(words, NGRAM):
                if len(holders.get(gram, ())) <= COMMON:
                    yield from ((number, other) for other in holders.get(gram, ()))


def _without_boilerplate(
    asked: Sequence[Sequence[str]], known: Sequence[Sequence[str]]
) -> tuple[list[set[str]], list[set[str]]]:
    """Return the shingle sets of both sides without those found in more than half of more than 10 examples; a text
    that is nearly all boilerplate keeps its whole set."""
    sets = [_shingles(words) for words in known]
    counts = Counter(shingle for shingles in sets for shingle in shingles)
    common = {shingle for shingle, count in counts.items() if count > max(COMMON, len(sets) / 2)}

    def trim(shingles: set[str]) -> set[str]:
        rest = shingles - common
        return rest if len(rest) >= SHINGLE else shingles

    return [trim(_shingles(words)) for words in asked], [trim(shingles) for shingles in sets]
