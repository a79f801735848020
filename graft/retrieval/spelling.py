"""A misspelt word of a query → the word of the indexed texts that was probably meant.

Only words that the index does not hold are touched, so that a query without mistakes stays what it is. Numbers, codes,
words of three letters and scripts without spaces are left alone. Pure but for the callables that ask the index; knows
nothing of stores.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from graft.retrieval.terms import is_spaced, words

# One edit from four letters on, two from eight on; the first letter is nearly always right (Pollock & Zamora 1984), and
# two edits that change it too find words that nobody meant.
_ONE_EDIT, _TWO_EDITS = 4, 8
_LONGEST = 32  # what is longer is no word that somebody mistyped, and all are held as wide as the longest
_PROPOSALS = 3
# Reading more texts than this would take over two seconds at the first unknown word. What they leave out is asked of
# the index and is still not "corrected".
_MOST_TEXTS = 50_000
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The words of the texts with how often they occur."""

    counts: Mapping[str, int]

    @staticmethod
    def of(texts: Iterable[str]) -> Vocabulary:
        """Read the texts, the first 50,000 of them."""
        runs = Counter[str]()
        for text in islice(texts, _MOST_TEXTS):
            runs.update(text.casefold().split())
        # A word never goes across white space, so that it is enough to look into each different run once.
        counts = Counter[str]()
        for run, count in runs.items():
            for word in (run,) if run.isascii() and run.isalnum() else words(run):
                counts[word] += count
        return Vocabulary(counts)

    @cached_property
    def _words(self) -> _Words:
        return _Words.of(sorted(
            word for word in self.counts
            if _ONE_EDIT - 1 <= len(word) <= _LONGEST and word.isalpha() and is_spaced(word)
        ))  # fmt: skip

    def like(self, word: str) -> list[str]:
        """Return at most three words within the edits allowed for its length: the fewest edits first, then the most
        frequent."""
        most = 2 if len(word) >= _TWO_EDITS else 1
        found = self._words.near(word, most) if len(word) <= _LONGEST else []
        found = [(edits, other) for edits, other in found if edits <= (most if other[0] == word[0] else 1)]
        found.sort(key=lambda pair: (pair[0], -self.counts[pair[1]], pair[1]))
        return [other for _, other in found[:_PROPOSALS]]


@dataclass(frozen=True, slots=True, eq=False)
class _Words:
    """Words as arrays. `signs` [n, longest] are their characters by code, 0 behind the last; `letters` has one bit for
    each letter of a word (by its code modulo 64): one edit changes at most two of them, which rules out nearly every word
    without looking at it."""

    words: list[str]
    signs: NDArray[np.uint32]
    lengths: NDArray[np.intp]
    letters: NDArray[np.uint64]

    @staticmethod
    def of(ascending: list[str]) -> _Words:
        signs = np.array(ascending or [""], dtype=f"U{_LONGEST}").view(np.uint32).reshape(-1, _LONGEST)
        signs = signs[: len(ascending)]
        bits = np.uint64(1) << (signs & 63).astype(np.uint64)
        letters = np.bitwise_or.reduce(np.where(signs > 0, bits, np.uint64(0)), axis=1)
        return _Words(ascending, signs, np.count_nonzero(signs, axis=1), letters)

    def near(self, word: str, most: int) -> list[tuple[int, str]]:
        """Return the words within so many edits, with the edits it takes."""
        own = _Words.of([word])
        near = np.bitwise_count(self.letters ^ own.letters) <= 2 * most
        near &= np.abs(self.lengths - len(word)) <= most
        at = np.flatnonzero(near)
        edits = distances(word, self.signs[at, : len(word) + most], self.lengths[at])
        close = np.flatnonzero(edits <= most)
        return [(int(edits[one]), self.words[at[one]]) for one in close]


def correct(query: str, vocabulary: Callable[[], Vocabulary], holds: Callable[[str], bool]) -> str:
    """Return the query with its misspelt words replaced.

    `holds` says whether the index has a word in a passage that the caller may see: it decides what is unknown (its
    stemmer knows more forms than the vocabulary), and what may be proposed, so that nobody is led to a word of texts
    that are closed to them. The vocabulary is made only when a query has a word that the index does not hold.
    """

    def mended(match: re.Match[str]) -> str:
        written = match[0]
        word = written.casefold()
        if len(word) < _ONE_EDIT or not word.isalpha() or not is_spaced(word) or written.isupper():
            return written
        if holds(word):
            return written
        known = vocabulary()
        if word in known.counts:  # in texts that are closed to the caller
            return written
        return next((other for other in known.like(word) if holds(other)), written)

    return _WORD.sub(mended, query)


def distances(word: str, signs: NDArray[np.uint32], lengths: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the edits between a word of at most 63 letters and others (insert, delete, replace, swap neighbours: optimal
    string alignment). `signs` [n, width] are the others' characters by code; their first `lengths` count.

    Hyyrö's bit-vector recurrence (A Bit-Vector Algorithm for Computing Levenshtein and Damerau Edit Distances, 2003): a
    column of the table of edits is two machine words, here of all the others at once. 900 words take 0.3 ms, where a
    table in plain Python takes 20.
    """
    one = np.uint64(1)
    same = np.zeros(signs.shape, dtype=np.uint64)
    for at, letter in enumerate(word):
        same[signs == ord(letter)] |= one << np.uint64(at)
    last = one << np.uint64(max(len(word) - 1, 0))
    more, less = np.full(len(signs), np.uint64(2**64 - 1)), np.zeros(len(signs), dtype=np.uint64)
    level, before = less, less
    edits = np.full(len(signs), len(word), dtype=np.intp)
    found = np.where(lengths == 0, edits, 0)
    for column in range(signs.shape[1]):
        here = same[:, column]
        swapped = ((~level & here) << one) & before
        level = (((here & more) + more) ^ more) | here | less | swapped
        up, down = less | ~(level | more), level & more
        edits += ((up & last) != 0).astype(np.intp) - ((down & last) != 0)
        up, down = (up << one) | one, down << one
        more, less = down | ~(level | up), level & up
        before = here
        found = np.where(lengths == column + 1, edits, found)
    return found if word else lengths.copy()
