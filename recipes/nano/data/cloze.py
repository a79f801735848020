# ruff: noqa: SIM905  (word lists are read as text)
"""Questions from plain text by rule: real language to read, without end and without an annotator.

A span of a sentence (name, number, date, quoted or noun phrase) becomes the answer; the rest of the sentence becomes
the question, turned round where rules can do it ("When was the prize given to her?", "Where did he build the mill?") and
else as a bare search ("laureate win prize twice who"). After Lewis et al.
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
AUX = re.compile(
    r"^(?P<subject>.+?) (?P<verb>is|was|are|were|has|had|can|will|may|could|must|should|would) (?P<rest>.*)$"
)
PAST = dict(
    p.split("-")
    for p in (
        "wrote-write became-become won-win began-begin led-lead made-make took-take gave-give went-go came-come held-hold found-find built-build "
        "sold-sell left-leave lost-lose met-meet ran-run sang-sing saw-see sent-send spent-spend taught-teach told-tell thought-think grew-grow "
        "knew-know fought-fight fell-fall drew-draw brought-bring bought-buy chose-choose kept-keep got-get said-say spoke-speak stood-stand "
        "sat-sit rose-rise drove-drive flew-fly threw-throw caught-catch felt-feel heard-hear paid-pay lay-lie struck-strike bore-bear wore-wear"
    ).split()
)
DID = re.compile(rf"^(?P<subject>.+?) (?P<verb>[a-z]{{3,}}ed|{'|'.join(PAST)}) (?P<rest>.*)$")
PREPOSITION = re.compile(
    r"\b(in|on|at|by|from|to|with|of|for|near|into|since|until|during|as) *$", re.IGNORECASE
)
CUT = re.compile(r"[,;:()\"“”—]| (?:and|but|which|who|while|because|where|when|although|that) ")
PRONOUN = re.compile(r"^(He|She|It|They|he|she|it|they)$")
LOWER = re.compile(
    r"^(The|A|An|His|Her|Its|Their|This|These|That|There|In|On|At|Some|Many|All|It|He|She|They|Both|Most) "
)
STOP = set(
    "a all an and are as at be been but by did do for from had has have he i if in my no not so then there these those what when where we you your her his in is it its of on or s she that the their them they this to was were which who will with would".split()
)


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


def _base(verb: str) -> str:
    """The infinitive of a past form, by rule."""
    if verb in PAST:
        return PAST[verb]
    stem = verb[:-2]
    if stem.endswith("i"):
        return stem[:-1] + "y"
    if len(stem) > 3 and stem[-1] == stem[-2] and stem[-1] in "bdgmnprt":
        return stem[:-1]
    silent = re.search(r"([^aeiou][aeiou][cdgklmnprstuvz]|[vcszu]|[^l]l|ng|dg|at|ir|ur)$", stem)
    return stem + "e" if silent and not re.search(r"(en|er|on|it|et|ed|el|op|ow|ss|sh|ch)$", stem) else stem


def _wh(rng: random.Random, kind: str, answer: str, before: str, after: str) -> tuple[str, str, str] | None:
    """Return the question word of a span, and what stands before and behind it without what the word takes up."""
    at = PREPOSITION.search(before)
    word = at[1].lower() if at else ""
    bare = before[: at.start()].rstrip() if at else before
    if kind in ("date", "year"):
        if word not in ("in", "on", "since", "until", "during", "from", "by"):
            return None
        asks = (
            ("When", "When", "In what year", "What year")
            if kind == "year"
            else ("When", "When", "On what date")
        )
        return ("Since when" if word == "since" else rng.choice(asks)), bare, after
    if kind == "number":
        if answer[0] in "$€£":
            return "How much", before, after
        if answer.endswith(("%", "percent", "per cent")):
            return rng.choice(("What percentage", "How many percent")), before, after
        noun = re.match(r" ([a-z]{3,}(?: [a-z]{3,}s)?)\b", after)
        return (f"How many {noun[1]}", before, after[noun.end() :]) if noun and not word else None
    person = (
        kind == "name" and 1 <= answer.count(" ") <= 2 and not re.search(r" (of|the|and) |[A-Z]{2}", answer)
    )
    if word in ("in", "at", "near", "from", "to", "into") and kind == "name" and rng.random() < 0.7:
        return ("From where" if word == "from" else "Where"), bare, after
    if word:
        return f"{word.capitalize()} {'whom' if person else rng.choice(('what', 'which'))}", bare, after
    return ("Who" if person else rng.choice(("What", "Which")) if kind == "name" else "What"), before, after


def _subject(rng: random.Random, text: str, title: str) -> str | None:
    """A subject fit to stand in a question: short, one piece; a pronoun gives way to the passage's title."""
    if PRONOUN.match(text):
        return title if title and rng.random() < 0.8 else text.lower()
    if CUT.search(text) or not 1 <= len(text.split()) <= 8:
        return None
    return text[:1].lower() + text[1:] if LOWER.match(text) else text


def _inverted(rng: random.Random, wh: str, clause: str, tail: str, title: str) -> str | None:
    """Turn "X was made in" + "by Y" into "Where was X made by Y?", with did for a plain past."""
    found = AUX.match(clause + " ")
    did = DID.match(clause + " ")
    if did and (not found or did.start("verb") < found.start("verb")):
        found = did
    if not found or not (subject := _subject(rng, found["subject"], title)):
        return None
    rest = found["rest"].strip()
    if CUT.search(rest) or re.search(r" (and|that|which|who)$", rest):
        return None
    verb, rest = ("did", f"{_base(found['verb'])} {rest}") if found is did else (found["verb"], rest)
    more = " ".join(CUT.split(tail)[0].split()[: rng.randint(3, 10)])
    return " ".join(f"{wh} {verb} {subject} {rest} {more}".split()) + "?"


def _ask(rng: random.Random, kind: str, answer: str, before: str, after: str, title: str) -> str | None:
    """Word one question from a sentence cut at its answer."""
    tail = after.rstrip(" .!?;:")
    lead = re.fullmatch(r"(In|On|At|Since|During|By|From) ?", before)
    question: str | None = None
    if not before.strip() and tail.startswith(
        " "
    ):  # the answer is the subject: the sentence itself is the question
        person = kind == "name" and 1 <= answer.count(" ") <= 2
        wh = (
            "Who"
            if person and rng.random() < 0.8
            else rng.choice(("What", "Which"))
            if kind == "name"
            else "What"
        )
        question = (
            f"{wh}{' '.join(['', *CUT.split(tail)[0].split()[:14]])}?"
            if len(CUT.split(tail)[0].split()) > 2
            else None
        )
    elif lead and tail.startswith(", ") and kind in ("date", "year", "name"):
        wh = "When" if kind != "name" else "Where"
        question = _inverted(rng, wh, CUT.split(tail[2:])[0], "", title)
    else:
        found = _wh(rng, kind, answer, before.strip(), after)
        question = _inverted(rng, found[0], found[1], found[2].rstrip(" .!?;:"), title) if found else None
    if question:
        return question.lower().rstrip("?") if rng.random() < 0.3 else question
    return _searched(rng, kind, answer, before, tail, title) if rng.random() < 0.2 else None


def _searched(rng: random.Random, kind: str, answer: str, before: str, tail: str, title: str) -> str | None:
    """The words of a search, a gap to fill, or the sentence with a question word in its place."""
    left, right = before.split()[-rng.randint(5, 14) :], tail.split()[: rng.randint(2, 9)]
    way = rng.random()
    if way < 0.2:
        return rng.choice(("Fill in the blank: ", "Complete: ")) + " ".join([*left, "____", *right])
    found = _wh(rng, kind, answer, before.strip(), tail)
    if not found:
        return None
    wh = found[0]
    if way < 0.35:
        return " ".join([*left, wh.lower(), *right]) + "?"
    words = [w.strip(".,;:()\"“”'") for w in [*left, *right]]
    words = _drop(rng, [w for w in words if w.lower() not in STOP and len(w) > 1], 0.2)
    if len(words) < 3:
        return None
    if title and rng.random() < 0.4 and title.lower() not in " ".join(words).lower():
        words.insert(0, title)
    text = " ".join([wh, *words]) if rng.random() < 0.8 else " ".join([*words, wh.lower()])
    return text.lower() if rng.random() < 0.6 else text + "?"


def clozes(rng: random.Random, text: str, most: int, title: str = "") -> list[Cloze]:
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
            question = _ask(rng, kind, answer, sentence[: m.start()], sentence[m.end() :], title)
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
