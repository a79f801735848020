"""Words written again without the space before them: in JSON, in tags, on lines, between bars; and back.

Behind a space most lower-case words are one token (" tomato"), behind a quotation mark several others ("tom", "ato"), so
copying a word into JSON is not the identity. Answers teach it one word at a time; these rows teach it at every token.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from recipes.nano.data.cloze import SENTENCE_END
from recipes.nano.data.forms import plain
from recipes.nano.data.questions import Chat, Turn, to_chat


@dataclass(frozen=True)
class Way:
    """How a list of words is written, and what it is called."""

    called: str
    write: Callable[[Sequence[str]], str]


def _joined(before: str, between: str, after: str) -> Callable[[Sequence[str]], str]:
    return lambda parts: before + between.join(parts) + after


WAYS = (
    Way("a JSON list", lambda parts: json.dumps(list(parts), ensure_ascii=False)),
    Way("a JSON list", lambda parts: json.dumps(list(parts), ensure_ascii=False)),
    Way(
        "a JSON object with numbers as keys",
        lambda parts: json.dumps({str(i): p for i, p in enumerate(parts, 1)}, ensure_ascii=False),
    ),
    Way("words in quotation marks", _joined('"', '" "', '"')),
    Way("words in quotation marks with commas", _joined('"', '", "', '"')),
    Way("words in single quotation marks", _joined("'", "' '", "'")),
    Way("lines", _joined("", "\n", "")),
    Way("words in tags", _joined("<w>", "</w><w>", "</w>")),
    Way("words in brackets", _joined("(", ") (", ")")),
    Way("words between bars", _joined("|", "|", "|")),
    Way("words with slashes", _joined("", "/", "")),
    Way("words with commas and no spaces", _joined("", ",", "")),
)
ASKED = ("Write this as {}: {}", "Turn this into {}: {}", "Give me {} of: {}", "{} of this, please: {}", "Make {} of the words: {}", "Rewrite as {}: {}")  # fmt: skip
ASKED_BACK = ("Write this as plain text: {}", "Only the words, with spaces: {}", "Turn this back into a sentence: {}", "Read the words out: {}")  # fmt: skip
BACK = 0.3  # share of turns that go from the form to plain words
MARKS = ".,;:!?()[]{}\"'“”‘’`*_|<>/\\-–—"


def _words(rng: random.Random, text: str) -> list[str]:
    """Draw 4 to 24 bare words that follow one another in a sentence."""
    sentence = rng.choice(SENTENCE_END.split(text))
    found = [w for w in (w.strip(MARKS) for w in sentence.split()) if w]
    start = rng.randrange(max(1, len(found) - 12))
    return found[start : start + rng.randint(4, 24)]


def _parts(rng: random.Random, words: Sequence[str], most: int) -> list[str]:
    """Cut words into pieces of one to `most` words."""
    pieces: list[str] = []
    at = 0
    while at < len(words):
        size = rng.randint(1, most)
        pieces.append(" ".join(words[at : at + size]))
        at += size
    return pieces


def quoting_chat(rng: random.Random, pool: Sequence[tuple[str, str]], budget: int) -> Chat:
    """Requests to write words of real text in another form; `pool` holds (title, text), `budget` is in characters."""
    asked: list[Turn] = []
    while budget > 0:
        words = _words(rng, rng.choice(pool)[1])
        if len(words) < 4:
            continue
        way, most = rng.choice(WAYS), rng.choice((1, 1, 3))
        parts = _parts(rng, words, most)
        written, bare = way.write(parts), " ".join(words)
        if rng.random() < BACK:
            turn = Turn(rng.choice(ASKED_BACK).format(written), bare, bare, None)
        else:
            request = rng.choice(ASKED).format(way.called, (" " if most == 1 else ", ").join(parts))
            turn = Turn(request[0].upper() + request[1:], written, written, None)
        asked.append(turn)
        budget -= len(turn.question) + len(turn.answer) + 25
    return to_chat(None, (), asked, plain)
