"""BM25 over sorted postings in memory: exact top k, filters before ranking, grown by appending.

LanceDB's full-text query costs 2–6 ms whatever it finds, most of it call overhead. Here a term's postings are a slice of
two numpy arrays, and every row that has it is scored: 1.5 ms for a question of twelve words over 200,000 passages.
Immutable to its readers: growing returns a new index that shares the old one's arrays. Knows row numbers only.
"""

from __future__ import annotations

import functools
import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from graft.backends.stores.lance import lancedb
from graft.backends.stores.top import Rows, at_least_kth, kth

Mask = NDArray[np.bool_]
Packed = NDArray[np.uint64]
"""The distinct terms of a text, one number each: 36 bits of hash, 20 left free for a row, 8 of term frequency. Two of a
million distinct terms share their 36 bits with a chance of 1 in 70,000 for any given one."""

_ROW_BITS, _TF_BITS = 20, 8
_LOW_BITS = _ROW_BITS + _TF_BITS
SEGMENT_ROWS = 1 << _ROW_BITS
_MERGE_FACTOR = (
    8  # a segment joins the new one while it is at most so many times as large: about log8(n) of them
)
_K1, _B = 1.2, 0.75
_BLOCK = 1 << 16
# Lengths as one byte, as in Lucene, but finer: exact to 63, then in steps of 3 % to 18,000 words.
_LENGTHS = np.concatenate([np.arange(64), 64 * 1.03 ** np.arange(192)]).astype(np.float32)
# Terms in more than a quarter of all rows are added as whole arrays: 0.08 ms at 200,000 rows, by their postings 0.28 ms.
# There can be a dozen or two of them, and they are the words that questions are made of.
_DENSE = 4
_SPARSE = 16


def tokens(text: str, language: str, *, stop_words: bool) -> list[str]:
    """Return the words as indexed: split by ICU (which knows Chinese, Japanese and Thai), folded and stemmed. The same
    analyser as that of the index on disk."""
    found = lancedb().tokenize(
        text, base_tokenizer="icu", language=language, remove_stop_words=not stop_words
    )
    return [token.text for token in found]


def packed(words: Sequence[str]) -> Packed:
    """Return a text's words as they are stored: hash and frequency; a frequency above 255 counts as 255."""
    counts = Counter(words)
    return np.fromiter(
        (_hash(word) << _LOW_BITS | min(count, 255) for word, count in counts.items()), np.uint64, len(counts)
    )


@functools.lru_cache(maxsize=1 << 17)
def _hash(word: str) -> int:
    digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) >> _LOW_BITS


@dataclass(frozen=True, slots=True)
class _Segment:
    """Postings of `size` consecutive rows from `first`: those of `terms[i]` lie at `starts[i]:starts[i + 1]`. A code is
    the term frequency and the length byte of its row."""

    first: int
    size: int
    terms: Packed
    starts: NDArray[np.int64]
    rows: NDArray[np.int32]
    codes: NDArray[np.uint16]

    def postings(self, term: int) -> tuple[NDArray[np.int32], NDArray[np.uint16]]:
        """Return the rows, ascending, and codes of a term."""
        at = int(self.terms.searchsorted(np.uint64(term)))  # a plain int would convert the whole array first
        if at == len(self.terms) or int(self.terms[at]) != term:
            return self.rows[:0], self.codes[:0]
        span = slice(self.starts[at], self.starts[at + 1])
        return self.rows[span], self.codes[span]

    def keys(self) -> Packed:
        """Return what the segment was sorted from, rows counted from `first`."""
        terms = np.repeat(self.terms, np.diff(self.starts)) << np.uint64(_LOW_BITS)
        rows = (self.rows - self.first).astype(np.uint64) << np.uint64(_TF_BITS)
        return np.asarray(terms | rows | (self.codes >> 8).astype(np.uint64), dtype=np.uint64)


def _numbered(terms: Packed, counts: NDArray[np.int64]) -> NDArray[np.int32]:
    """Write each text's row number into its terms, and return the texts' lengths in words."""
    lengths = np.zeros(len(counts), dtype=np.int32)
    bounds = np.concatenate([[0], np.cumsum(counts)])
    for low in range(
        0, len(counts), _BLOCK
    ):  # a block at a time: the temporaries of 200,000 rows would take 0.5 GB
        high = min(low + _BLOCK, len(counts))
        block = terms[bounds[low] : bounds[high]]
        row = np.repeat(np.arange(high - low), counts[low:high])
        # A text may have no word at all, so lengths are counted by row and not summed between bounds.
        lengths[low:high] = np.bincount(row, block & np.uint64(255), high - low)
        block |= (row + low).astype(np.uint64) << np.uint64(_TF_BITS)
    return lengths


def _sorted_segment(keys: Packed, first: int, lengths: NDArray[np.int32]) -> _Segment:
    """Sort keys in place into a segment; `lengths` are those of its rows."""
    keys.sort()
    starts = np.concatenate([np.zeros(0, dtype=np.int64), *_changes(keys), [len(keys)]])
    rows = ((keys >> np.uint64(_TF_BITS)) & np.uint64(SEGMENT_ROWS - 1)).astype(np.int32)
    middle = (_LENGTHS[1:] + _LENGTHS[:-1]) / 2
    codes = middle.searchsorted(lengths).astype(np.uint16)[rows]
    codes |= (keys & np.uint64(255)).astype(np.uint16) << np.uint16(8)
    rows += np.int32(first)
    return _Segment(first, len(lengths), keys[starts[:-1]] >> np.uint64(_LOW_BITS), starts, rows, codes)


def _changes(keys: Packed) -> Iterator[NDArray[np.int64]]:
    """Yield where a new term begins."""
    before = np.array([2**64 - 1], dtype=np.uint64)
    for low in range(0, len(keys), _BLOCK):
        hashes = np.concatenate([before, keys[low : low + _BLOCK] >> np.uint64(_LOW_BITS)])
        yield np.flatnonzero(hashes[1:] != hashes[:-1]) + low
        before = hashes[-1:]


@dataclass(frozen=True, slots=True)
class _Term:
    weight: np.float32
    """Inverse document frequency × how often the query says it."""
    parts: list[tuple[NDArray[np.int32], NDArray[np.uint16]]]
    frequency: int
    hash: int


class _Impacts:
    """What each code adds to a score at one average length: tf (k1 + 1) / (tf + k1 (1 − b + b · length / average))."""

    def __init__(self, average: float, rows: int) -> None:
        self.average = average
        frequency = np.arange(256, dtype=np.float32)[:, None]
        norm = _K1 * (1 - _B + _B * _LENGTHS[None, :] / max(average, 1e-9))
        self._table = (frequency * (_K1 + 1) / (frequency + norm)).ravel().astype(np.float32)
        self._rows = rows
        self._spread: dict[int, tuple[NDArray[np.float32], float]] = {}

    def of(self, codes: NDArray[np.uint16]) -> NDArray[np.float32]:
        """Return the impacts of postings. `take` is three times as fast as an index."""
        return self._table.take(codes, mode="clip")

    def of_all_rows(self, term: _Term) -> tuple[NDArray[np.float32], float]:
        """Return what a frequent term gives each row, and the most it gives to one; kept, as questions are full of the
        same few words."""
        made = self._spread.get(term.hash)
        if made is None:
            spread = np.zeros(self._rows, dtype=np.float32)
            for rows, codes in term.parts:
                spread[rows] = self.of(codes)
            made = self._spread[term.hash] = (spread, float(spread.max()))
        return made


class Bm25Index:
    """BM25 of Robertson with k1 = 1.2 and b = 0.75, idf = ln(1 + (N − df + ½) / (df + ½)) as in Lucene."""

    def __init__(self, segments: tuple[_Segment, ...] = (), lengths: NDArray[np.int32] | None = None) -> None:
        self._segments = segments
        self._lengths = np.zeros(0, dtype=np.int32) if lengths is None else lengths
        self._impacts: _Impacts | None = None
        self._last: _Statistics | None = None

    def __len__(self) -> int:
        return len(self._lengths)

    @property
    def nbytes(self) -> int:
        """Memory taken by the postings."""
        arrays = [(s.terms, s.starts, s.rows, s.codes) for s in self._segments]
        return self._lengths.nbytes + sum(array.nbytes for part in arrays for array in part)

    def grown(self, terms: Packed, counts: NDArray[np.int64]) -> Bm25Index:
        """Return an index with more rows: the packed terms of all new texts, one after the other, and how many each has.
        `terms` is overwritten."""
        segments, lengths = list(self._segments), self._lengths
        bounds = np.concatenate([[0], np.cumsum(counts)])
        for low in range(0, len(counts), SEGMENT_ROWS):
            high = min(low + SEGMENT_ROWS, len(counts))
            keys, first = terms[bounds[low] : bounds[high]], len(lengths)
            lengths = np.concatenate([lengths, _numbered(keys, counts[low:high])])
            while segments and segments[-1].size <= _MERGE_FACTOR * (len(lengths) - first):
                last = segments[-1]
                if len(lengths) - last.first > SEGMENT_ROWS:
                    break
                segments.pop()
                keys, first = (
                    np.concatenate([last.keys(), keys + np.uint64(last.size << _TF_BITS)]),
                    last.first,
                )
            segments.append(_sorted_segment(keys, first, lengths[first:]))
        return Bm25Index(tuple(segments), lengths)

    def search(
        self, words: Sequence[str], k: int, allowed: Mask | None = None, live: Mask | None = None
    ) -> tuple[Rows, NDArray[np.float32]]:
        """Return rows and scores, unordered: all that score at least as high as the k-th best, none that scores 0.

        `live` says which rows exist, for the statistics; `allowed` which of them may be found. None means all.
        """
        statistics = self._counted(live)
        terms = self._terms(words, statistics, live)
        if not terms:
            return np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.float32)
        scores = np.zeros(len(self._lengths), dtype=np.float32)
        impacts = self._impacts
        if impacts is None or impacts.average != statistics.average:
            impacts = self._impacts = _Impacts(statistics.average, len(scores))
        rare = [term for term in terms if term.frequency * _DENSE <= len(scores)]
        for term in rare:
            for rows, codes in term.parts:
                np.add.at(scores, rows, term.weight * impacts.of(codes))
        visible = live if allowed is None else allowed
        if visible is not None:
            scores *= visible
        spread = [(term.weight, *impacts.of_all_rows(term)) for term in terms[len(rare) :]]
        if not spread and sum(term.frequency for term in rare) * _SPARSE < len(scores):
            # Few rows to choose from: leave the others unread.
            found: Rows = np.unique(np.concatenate([rows for term in rare for rows, _ in term.parts]))
            return _best(found, scores[found], k)
        return _with_frequent(scores, spread, k, visible)

    def holds(self, words: Sequence[str], visible: Mask | None = None) -> bool:
        """Whether a visible row has one of the words."""
        for word in words:
            for segment in self._segments:
                rows = segment.postings(_hash(word))[0]
                if len(rows) and (visible is None or bool(visible[rows].any())):
                    return True
        return False

    def _counted(self, live: Mask | None) -> _Statistics:
        """Return what scores depend on besides a row; kept for the mask that was asked for last."""
        last = self._last
        if last is None or last.live is not live:
            lengths = self._lengths if live is None else self._lengths[live]
            average = float(lengths.mean()) if len(lengths) else 0.0
            last = self._last = _Statistics(live, len(lengths), average)
        return last

    def _terms(self, words: Sequence[str], statistics: _Statistics, live: Mask | None) -> list[_Term]:
        """Return the query's terms that occur, the rarest first: the order in which a row's score is added up."""
        made = []
        for word, times in Counter(words).items():
            term = _hash(word)
            parts = [part for part in (segment.postings(term) for segment in self._segments) if len(part[0])]
            frequency = statistics.frequencies.get(term)
            if frequency is None:
                frequency = sum(
                    len(rows) if live is None else int(np.count_nonzero(live[rows])) for rows, _ in parts
                )
                statistics.frequencies[term] = frequency
            if frequency:
                idf = math.log1p((statistics.rows - frequency + 0.5) / (frequency + 0.5))
                made.append(_Term(np.float32(times * idf), parts, frequency, term))
        return sorted(made, key=lambda term: (term.frequency, term.hash))


@dataclass(frozen=True, slots=True, eq=False)
class _Statistics:
    """How many rows exist, their average length, and in how many of them the terms are that were asked for so far."""

    live: Mask | None
    rows: int
    average: float
    frequencies: dict[int, int] = field(default_factory=dict)


def _best(rows: Rows, scores: NDArray[np.float32], k: int) -> tuple[Rows, NDArray[np.float32]]:
    kept = at_least_kth(scores, k)
    kept = kept[scores[kept] > 0]
    return rows[kept], scores[kept]


def _with_frequent(
    scores: NDArray[np.float32],
    spread: Sequence[tuple[np.float32, NDArray[np.float32], float]],
    k: int,
    visible: Mask | None,
) -> tuple[Rows, NDArray[np.float32]]:
    """Add what frequent terms give (weight, by row, at most) to what rare ones gave, and return the best k.

    Frequent terms tell little apart: as soon as all that are left cannot lift a row to where the k-th best stands already,
    they are added for the others only (MaxScore; Turtle & Flood 1995). The result is the same to the last bit.
    """
    left = 1.001 * sum(float(weight) * most for weight, _, most in spread)  # more than rounding can add
    floor = kth(scores[at_least_kth(scores, k)], k) if spread and len(scores) >= k else 0.0
    rows: Rows | None = None
    for weight, by_row, most in spread:
        if rows is None and floor > left:
            rows = np.flatnonzero(scores >= floor - left)
            scores = scores[rows]
        if rows is None:
            scores += weight * (by_row if visible is None else by_row * visible)
        else:
            scores += weight * by_row[rows]
        left -= 1.001 * float(weight) * most
    return _best(np.arange(len(scores)) if rows is None else rows, scores, k)
