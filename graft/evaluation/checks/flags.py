"""What an answer says that its evidence does not: a figure, a name, a "not". Flags for reading, no scores.

Presence alone tells little of whether an answer is supported (AUC .49–.58 against people), so nothing here is weighed into
a score: a flag names the words to look at. Plain strings in; knows nothing of rows, passages or references.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from graft.evaluation.checks.figures import figures, numbers, same_number
from graft.evaluation.checks.groundedness import STOP
from graft.evaluation.checks.text import sentences, tokens

# A clause says the same as a claim when it has so much of its content words: below, its "not" is about something else.
_SAME = 0.6
_LEAST = 3  # content words; "75 days." or "It is not." say too little to be held against anything
_LIST_NUMBER = re.compile(r"(?m)^\s*(?:\d{1,2}[.)]|[-*•])\s+")
_CLAUSE = re.compile(
    r"[;:—–]\s|,\s|\s(?:but|however|unless|except|although|though|while|whereas|because)\s", re.IGNORECASE
)
_NEGATION = re.compile(
    r"\b(?:not|no|never|none|nobody|nothing|neither|nor|cannot|without)\b|n['’]t\b", re.IGNORECASE
)
# A "not" that denies nothing: a bound, an addition, a manner of speaking.
_NO_DENIAL = re.compile(
    r"\b(?:no|not) (?:more|less|fewer|later|earlier|longer|sooner|older|higher|lower) than\b|\bnot (?:only|just|merely|to exceed)\b"
    r"|\bwhether or not\b|\bno (?:doubt|matter)\b|\b(?:why not|if not|or not)\b|\bnot (?:until|before)\b|\bno\. ?\d",
    re.IGNORECASE,
)
_WORD = re.compile(r"(?<!\w)[^\W\d_](?:[\w&’'.-]*\w)?")
_TITLES = frozenset(
    {"mr", "mrs", "ms", "dr", "prof", "sir", "i", "im", "ive", "ill", "id", "yes", "no", "ok"}
)


def unsupported_numbers(said: str, evidence: Sequence[str], asked: str = "") -> tuple[str, ...]:
    """Return the figures that the answer states and no text of the evidence, nor the question, has: as written, each once.

    Figures agree as in `same_number`: 1 %, scale words, percent, dates in part. Numbers of a list do not count.
    """
    held = [number for text in (*evidence, asked) for number in numbers(text)]
    stated = figures(_LIST_NUMBER.sub("", said))
    missing = [text for text, number in stated if not any(same_number(number, other) for other in held)]
    return tuple(dict.fromkeys(missing))


def unsupported_names(said: str, evidence: Sequence[str], asked: str = "") -> tuple[str, ...]:
    """Return the names in the answer of which a word is in no text of the evidence, nor in the question: each once.

    A name is a run of capitalised words, without the first of a sentence unless that has another capital or a digit, or is
    the whole sentence. Languages that capitalise nouns are over-flagged, scripts without capitals never.
    """
    held = frozenset().union(*map(_vocabulary, (*evidence, asked)))
    return tuple(
        dict.fromkeys(
            name for name in names(said) if any(held.isdisjoint(_stems(word)) for word in _parts(name))
        )
    )


def names(text: str) -> tuple[str, ...]:
    """Return the names in a text, in order."""
    found: list[str] = []
    for sentence in sentences(_LIST_NUMBER.sub("", text)):
        run: list[re.Match[str]] = []
        for word in (*_WORD.finditer(sentence), None):
            joins = bool(run) and word is not None and sentence[run[-1].end() : word.start()] == " "
            if run and not (joins and word is not None and word[0][0].isupper()):
                found += _name(sentence, run)
                run = []
            if word is not None and word[0][0].isupper():
                run.append(word)
    return tuple(found)


def _name(sentence: str, run: Sequence[re.Match[str]]) -> list[str]:
    """Return the run as a name. The first word of a sentence may be capitalised for that alone ("Ask Anna Lee") and is left
    out, unless it is all there is."""
    first = run[0]
    around = sentence[: first.start()], sentence[first.end() :]
    before, after = (any(character.isalnum() for character in side) for side in around)
    if not before and after and not re.search(r".[A-Z\d]", first[0]):
        run = run[1:]
    kept = [word for word in run if not set(tokens(word[0])) <= _TITLES | STOP]
    return [sentence[kept[0].start() : kept[-1].end()]] if kept else []


def _parts(name: str) -> Iterator[str]:
    """Yield the words of a name that tell it apart."""
    plain = re.sub(r"['’]s\b", "", name).replace("-", " ")
    yield from (word for word in tokens(plain) if word not in STOP and word not in _TITLES)


@lru_cache(1 << 12)
def _vocabulary(text: str) -> frozenset[str]:
    """Return the words of a text, also those on both sides of a hyphen, a slash or a colon, with and without a last s."""
    words = (*tokens(text), *tokens(re.sub(r"[^\w\s]", " ", text)))
    return frozenset(stem for word in words for stem in _stems(word))


def _stems(word: str) -> set[str]:
    return {word, word.removesuffix("s")}


def reversed_claims(claims: Sequence[str], evidence: Sequence[str]) -> tuple[str, ...]:
    """Return the claims that deny what the evidence affirms, or affirm what it denies.

    Each clause of a claim is held against the clauses of the evidence that have most of its content words; one that denies or
    affirms like it clears it. Idioms such as "no later than" deny nothing.
    """
    held = [clause for text in evidence for clause in _comparable(text)]
    return tuple(claim for claim in claims if any(_is_reversed(clause, held) for clause in _clauses(claim)))


def _is_reversed(clause: str, held: Sequence[tuple[frozenset[str], bool]]) -> bool:
    words = _content(clause)
    if len(words) < _LEAST:
        return False
    same = [denied for known, denied in held if len(words & known) >= _SAME * len(words)]
    return bool(same) and denies(clause) not in same


def denies(text: str) -> bool:
    """Whether a text holds a negation that denies something."""
    return _NEGATION.search(text) is not None and _NEGATION.search(_NO_DENIAL.sub(" ", text)) is not None


def _content(text: str) -> frozenset[str]:
    return frozenset(tokens(_NEGATION.sub(" ", text))) - STOP


def _clauses(sentence: str) -> list[str]:
    return [part for part in _CLAUSE.split(sentence) if part.strip()] or [sentence]


@lru_cache(1 << 12)
def _comparable(text: str) -> tuple[tuple[frozenset[str], bool], ...]:
    """Return (words, whether they deny) of the clauses of a text, and of its sentences that hold no "not": in one that does,
    only its clause tells what is denied."""
    found = []
    for sentence in sentences(text):
        clauses = [(frozenset(tokens(clause)), denies(clause)) for clause in _clauses(sentence)]
        found += clauses
        if len(clauses) > 1 and not any(denied for _, denied in clauses):
            found.append((frozenset().union(*(words for words, _ in clauses)), False))
    return tuple(found)
