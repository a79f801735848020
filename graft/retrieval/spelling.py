"""A misspelt word of a query → the word of the indexed texts that was probably meant.

Only words that the index does not hold are touched, so that a query without mistakes stays what it is. Numbers, codes,
words of three letters and scripts without spaces are left alone. Pure but for the callable that asks the index; knows
nothing of stores.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from graft.retrieval.terms import is_spaced, words

# One edit from four letters on, two from eight on; the first letter is nearly always right (Pollock & Zamora 1984), and
# two edits that change it too find words that nobody meant.
_ONE_EDIT, _TWO_EDITS = 4, 8
_PROPOSALS = 3
# Reading more texts than this would take over three seconds at the first unknown word. What they leave out is asked of
# the index and is still not "corrected".
_MOST_TEXTS = 50_000
_BITS = np.array([number.bit_count() for number in range(1 << 16)], dtype=np.uint8)
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words of the texts with how often they occur. `letters` has one bit for each letter of a word (by its code
    modulo 64): one edit changes at most two of them, which rules out nearly every word without looking at it."""

    words: tuple[str, ...]
    counts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    letters: NDArray[np.uint64]
    known: frozenset[str]

    @staticmethod
    def of(texts: Iterable[str]) -> Vocabulary:
        """Read the texts, the first 50,000 of them."""
        counts: Counter[str] = Counter()
        for text in islice(texts, _MOST_TEXTS):
            counts.update(words(text))
        kept = sorted(
            word for word in counts if word.isalpha() and is_spaced(word) and len(word) >= _ONE_EDIT - 1
        )
        return Vocabulary(
            tuple(kept),
            np.array([counts[word] for word in kept], dtype=np.int64),
            np.array([len(word) for word in kept], dtype=np.int64),
            np.array([_letters(word) for word in kept], dtype=np.uint64),
            frozenset(counts),
        )

    def like(self, word: str) -> list[str]:
        """Return at most three words within the edits allowed for its length: the fewest edits first, then the most
        frequent."""
        most = 2 if len(word) >= _TWO_EDITS else 1
        changed = (self.letters ^ np.uint64(_letters(word))).view(np.uint16).reshape(-1, 4)
        near = _BITS[changed].sum(1) <= 2 * most
        near &= np.abs(self.lengths - len(word)) <= most
        found = []
        for at in np.flatnonzero(near):
            other = self.words[at]
            edits = distance(word, other, most)
            if edits <= (most if other[0] == word[0] else 1):
                found.append((edits, -int(self.counts[at]), other))
        return [other for _, _, other in sorted(found)[:_PROPOSALS]]


def correct(query: str, vocabulary: Callable[[], Vocabulary], holds: Callable[[str], bool]) -> str:
    """Return the query with its misspelt words replaced.

    `holds` says whether the index has a word in a passage that the caller may see: it decides what is unknown (its
    stemmer knows more forms than the vocabulary), and what may be proposed, so that nobody is led to a word of texts
    that are closed to them. The vocabulary is made only when a query has a word that could be wrong.
    """

    def mended(match: re.Match[str]) -> str:
        written = match[0]
        word = written.casefold()
        if len(word) < _ONE_EDIT or not word.isalpha() or not is_spaced(word) or written.isupper():
            return written
        known = vocabulary()
        if word in known.known or holds(word):
            return written
        return next((other for other in known.like(word) if holds(other)), written)

    return _WORD.sub(mended, query)


def distance(a: str, b: str, most: int) -> int:
    """Return the edits between two words (insert, delete, replace, swap neighbours: optimal string alignment), or
    `most` + 1 when there are more."""
    before: list[int] = []
    last = list(range(len(b) + 1))
    for i, sign in enumerate(a, start=1):
        row = [i]
        for j, other in enumerate(b, start=1):
            edits = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (sign != other))
            if i > 1 and j > 1 and sign == b[j - 2] and a[i - 2] == other:
                edits = min(edits, before[j - 2] + 1)
            row.append(edits)
        if min(row) > most:
            return most + 1
        before, last = last, row
    return min(last[-1], most + 1)


def _letters(word: str) -> int:
    bits = 0
    for sign in word:
        bits |= 1 << (ord(sign) % 64)
    return bits
