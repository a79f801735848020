# ruff: noqa: SIM905  (word lists are read as text)
"""Questions from plain text by rule: real language to read, without end and without an annotator.

A span of a sentence (name, number, date, quoted or noun phrase) becomes the answer; the rest of the sentence becomes
the question in one of five ways, from natural ("Who is the only laureate to win the prize twice?") to a bare search
("laureate win prize twice who"). Words are dropped at random so that matching has to be fuzzy. After Lewis et al.
2019, "Unsupervised question answering by cloze translation", with rules in the place of their translator.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

SENTENCE_END = re.compile(r"(?<=[.!?])[\"”']?\s+(?=[A-Z\"“'])")
MONTH = r"(?:January|February|March|April|May|June|July|August|September|October|November|December)"
CAP = r"[A-Z][\w'’&-]*[a-zA-Z0-9]"
SPANS: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "date",
        re.compile(
            rf"\b(?:\d{{1,2}} {MONTH}(?:,? \d{{4}})?|{MONTH} \d{{1,2}}(?:, \d{{4}})?|{MONTH} \d{{4}})\b"
        ),
    ),
    ("year", re.compile(r"\b(?:1[1-9]|20)\d\d\b")),
    ("number", re.compile(r"[$€£]?\b\d+(?:,\d{3})*(?:\.\d+)?(?: ?%| percent| per cent| million| billion)?")),
    ("name", re.compile(rf"{CAP}(?: (?:of |the |de |van |von |and )?{CAP})*|\b[A-Z]{{2,}}\b")),
    ("quote", re.compile(r"(?<=[\"“])[^\"“”]{3,50}(?=[\"”])")),
    (
        "phrase",
        re.compile(
            r"\b(?:(?:a|an|the|his|her|their|its) )(?:[a-z-]+ ){0,3}[a-z]{4,}(?=[,.;]| (?:of|in|and|that|which|who|to|for|with|on|is|was|were|are|at|by|from)\b)"
        ),
    ),
)
AUX = re.compile(r" (is|was|are|were|has|had|can|will|may|could|must|should|would) ")
STOP = set(
    "a all an and are as at be been but by did do for from had has have he i if in my no not so then there these those what when where we you your her his in is it its of on or s she that the their them they this to was were which who will with would".split()
)
ASK = {"date": "When", "year": "When", "number": "How many", "name": "Who", "quote": "What", "phrase": "What"}
IN_PLACE = {
    "date": "when",
    "year": "what year",
    "number": "how many",
    "name": "whom",
    "quote": "what",
    "phrase": "what",
}


@dataclass(frozen=True)
class Cloze:
    """A question whose answer is a literal span of the text."""

    question: str
    answer: str


def _drop(rng: random.Random, words: list[str], share: float) -> list[str]:
    return [w for w in words if rng.random() > share] or words


def _usable(kind: str, span: re.Match[str], text: str) -> bool:
    """Refuse capitals that only mark the start of a sentence."""
    if kind != "name":
        return span.start() > 1 or kind in ("date", "number")
    if span[0].split(" ")[0].lower() in STOP:
        return False
    return span.start() > 1 or " " in span[0] or text.count(span[0]) > 1


def _wh(rng: random.Random, kind: str, before: str) -> str:
    """The question word for a span, by its kind and the preposition before it."""
    last = before.rsplit(" ", 1)[-1].lower()
    if kind == "name":
        if last in ("in", "at", "near", "from", "to", "into"):
            return "Where" if rng.random() < 0.7 else "In which place"
        return rng.choice(("Who", "Who", "What", "Which"))
    return ASK[kind]


def _ask(rng: random.Random, kind: str, before: str, after: str) -> str | None:
    """Word one question from a sentence cut at its answer."""
    way = rng.random()
    tail = after.rstrip(" .!?;:")
    if (
        not before.strip() and tail and way < 0.8
    ):  # the answer was the subject: the question is the sentence itself
        return f"{rng.choice(('Who', 'What', 'Which')) if kind == 'name' else ASK[kind]}{tail if tail[0] == ' ' else ' ' + tail}?"
    inversion = AUX.search(before)
    if inversion and way < 0.45 and inversion.start() < 60:
        subject, rest = before[: inversion.start()], before[inversion.end() :]
        wh = _wh(rng, kind, before.rstrip())
        rest = (
            re.sub(r"\s*\b(in|on|at|by|from|to|with|of|for)\s*$", "", rest)
            if wh in ("Where", "When")
            else rest
        )
        noun, _, more = tail.strip().partition(" ")
        head = f"How many {noun}" if kind == "number" and noun.isalpha() else wh
        tail = " " + more if head != wh else tail
        cut = re.split(r"[,;]| (?:and|but|which|who|while|because) ", tail)[0]
        subject = (
            subject[:1].lower() + subject[1:]
            if subject.split(" ")[0].lower() in STOP | {"there", "these"}
            else subject
        )
        return " ".join(f"{head} {inversion[1]} {subject} {rest} {cut}".split()) + "?"
    left, right = before.split(), tail.split()
    left, right = left[-rng.randint(5, 16) :], right[: rng.randint(2, 10)]
    if way < 0.6:
        joined = [
            *_drop(rng, left, 0.08),
            rng.choice((IN_PLACE[kind], "what", "which")),
            *_drop(rng, right, 0.08),
        ]
        return " ".join(joined) + "?"
    if way < 0.7:
        return rng.choice(("Fill in the blank: ", "Complete: ", "What is missing? ")) + " ".join(
            [*left, "____", *right]
        )
    words = [w.strip(".,;:()\"“”'") for w in [*left, *right]]
    words = _drop(rng, [w for w in words if w.lower() not in STOP and len(w) > 1], 0.25)
    if len(words) < 2:
        return None
    if rng.random() < 0.3:
        rng.shuffle(words)
    wh = _wh(rng, kind, before.rstrip())
    text = " ".join([wh, *words]) if rng.random() < 0.75 else " ".join([*words, wh.lower()])
    return text.lower() if rng.random() < 0.5 else text + "?"


def clozes(rng: random.Random, text: str, most: int) -> list[Cloze]:
    """Draw up to `most` questions from a text, each from another span, at most two a sentence."""
    found: list[Cloze] = []
    seen: set[str] = set()
    parts = SENTENCE_END.split(text)
    for sentence in rng.sample(parts, len(parts)):
        if not 30 <= len(sentence) <= 400:
            continue
        spans = [(kind, m) for kind, pattern in SPANS for m in pattern.finditer(sentence)]
        spans = [(k, m) for k, m in spans if _usable(k, m, text)]
        rng.shuffle(spans)
        weights = {"phrase": 0.35, "name": 0.9}
        taken = 0
        for kind, m in spans:
            answer = m[0].strip()
            if answer in seen or sentence.count(answer) > 1 or rng.random() > weights.get(kind, 1.0):
                continue
            question = _ask(rng, kind, sentence[: m.start()], sentence[m.end() :])
            if not question or not 10 <= len(question) <= 220:
                continue
            seen.add(answer)
            found.append(
                Cloze(question[:1].upper() + question[1:] if rng.random() < 0.9 else question, answer)
            )
            taken += 1
            if taken == 2:
                break
        if len(found) >= most:
            break
    return found[:most]
