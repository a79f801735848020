# ruff: noqa: SIM905  (word lists are read as text)
"""The forms of an answer: the default (value and citation), and those that a system turn asks for.

Each form is a function from what there is to say (`Reply`) to the text of the answer. Fixed house styles and JSON objects
are drawn with invented words, so that no two are alike and a reader has to follow the instruction.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from graft.generation import prompts
from recipes.nano.data import words
from recipes.nano.data.layouts import fill
from recipes.nano.data.relations import Relation

UNKNOWN = "I don't know."
PARAPHRASES = (
    "Answer from the passages and cite them like [1]. If they do not tell, reply: I don't know.",
    'You are a helpful assistant. Use only the passages given and cite the one you used. Say "I don\'t know." if they do not tell.',
    "Read the passages and answer briefly with a citation. If you cannot tell, reply: I don't know.",
    "You answer questions about a team's documents. Cite the passage in brackets. When unsure, reply: I don't know.",
    "Use only the passages. Cite like [1].",
)
SENTENCE = (
    "Answer in a full sentence.",
    "Reply with one complete sentence.",
    "Use a full sentence.",
    "Write a whole sentence as the answer.",
)
BARE = (
    "Do not cite.",
    "Give only the answer, without a citation.",
    "No citations, please.",
    "Answer in as few words as possible and do not cite.",
)
BULLET = ("Answer as a bullet point.", "Reply with a single bullet.", "Start the answer with a dash.")
KEYS = "answer result value reply response text solution output finding fact".split()
SOURCES = "source passage ref cite evidence origin from citation".split()


@dataclass(frozen=True)
class Reply:
    """What an answer has to say: the value of a thing's attribute and its passage (from 0); None when untold."""

    relation: Relation
    entity: str
    value: str | None
    place: int | None

    @property
    def said(self) -> str:
        """The value, or that it is not known."""
        return UNKNOWN if self.value is None else self.value

    @property
    def cited(self) -> str:
        """The default answer."""
        return UNKNOWN if self.value is None or self.place is None else f"{self.value} [{self.place + 1}]"


Form = Callable[[Reply], str]


def plain(reply: Reply) -> str:
    """The default form: the value and its citation."""
    return reply.cited


def _sentence(reply: Reply) -> str:
    return _whole(plain)(reply)


def _whole(form: Form) -> Form:
    """The same form with a full sentence where the value stands."""

    def written(reply: Reply) -> str:
        if reply.value is None:
            return form(reply)
        return form(replace(reply, value=fill(reply.relation.said[0], reply.entity, reply.value)))

    return written


def _json_form(key: str, source: str | None) -> Form:
    def form(reply: Reply) -> str:
        body: dict[str, object] = {key: reply.said}
        if source:
            body[source] = None if reply.place is None else reply.place + 1
        return json.dumps(body, ensure_ascii=False)

    return form


def _lines_form(key: str, source: str) -> Form:
    def form(reply: Reply) -> str:
        where = "none" if reply.place is None else f"[{reply.place + 1}]"
        return f"{key}: {reply.said}\n{source}: {where}"

    return form


MARKS = ("Answer", "Our files say", "As written", "We found", "Reply", "Note", "The papers state", "In short", "Checked", "Result", "Hello",
         "From the desk", "Good news", "Dear reader", "Finding", "It says", "On record", "See", "Short answer", "Thank you")  # fmt: skip
PLACES = ("page", "passage", "text", "item", "number", "part", "source", "paper", "ref", "see", "from")
CLOSES = (
    "",
    "",
    ".",
    "!",
    ". Bye.",
    ". Ask again any time.",
    " (end)",
    ". Over.",
    ". Yours, the desk.",
    ". More?",
    " *",
    ". Best wishes!",
)


def _template(rng: random.Random) -> tuple[str, Form]:
    """A house style: fixed words round the answer and its place, shown in the system turn."""
    opens = rng.choice(MARKS) if rng.random() < 0.7 else words.invented(rng).capitalize()
    place = rng.choice(PLACES) if rng.random() < 0.7 else words.invented(rng)
    shape = rng.choice(
        (
            "{o}: {v}. {P} {n}{c}", "{o}: {v} ({p} {n}){c}", "{v} - {p} {n}{c}", "<{o}>{v}</{o}> {n}{c}", "{o} | {v} | {n}{c}", "{P} {n}: {v}{c}",
            "{o}, {v}, {p} {n}{c}", "*{v}* [{n}]{c}", "{o} => {v} [{n}]{c}", "{o}: {v}{c}", "[{n}] {v}{c}", "{n}. {v}{c}", "({o}) {v} / {p} {n}{c}",
        )
    )  # fmt: skip
    shape = (
        shape.replace("{o}", opens)
        .replace("{P}", place.capitalize())
        .replace("{p}", place)
        .replace("{c}", rng.choice(CLOSES))
    )

    def form(reply: Reply) -> str:
        if reply.value is None or reply.place is None:
            return UNKNOWN
        return shape.replace("{v}", reply.value).replace("{n}", str(reply.place + 1))

    ask = rng.choice(
        (
            "Answer in this form: ",
            "Use this template: ",
            "Always write: ",
            "House style: ",
            "Reply like this: ",
            "Format: ",
        )
    )
    names = rng.choice((("...", "n"), ("<answer>", "<number>"), ("ANSWER", "N"), ("{answer}", "{number}")))
    return ask + shape.replace("{v}", names[0]).replace("{n}", names[1]), form


def _wide_json(rng: random.Random) -> tuple[str, Form]:
    """A JSON object of two to four keys in any order: the value, its place (bare or in a list), constants."""
    names = [rng.choice((*KEYS, *SOURCES)) if rng.random() < 0.4 else words.invented(rng) for _ in range(4)]
    if rng.random() < 0.4:
        names = [f"{n}_{rng.choice((*KEYS, *SOURCES, 'id', 'text'))}" for n in names]
    names = list(dict.fromkeys(names))
    constant: object = rng.choice((rng.choice(KEYS), words.invented(rng), True, rng.randint(0, 9), None, []))
    listed, many = rng.random() < 0.5, rng.randint(2, len(names)) if len(names) > 2 else len(names)
    roles = ["v", *rng.sample(["n", "c", "k"], many - 1)]
    rng.shuffle(roles)

    def fill_in(value: str, place: object) -> dict[str, object]:
        held = {"v": value, "n": [place] if listed and place is not None else place, "c": constant, "k": "ok"}
        return {name: held[role] for name, role in zip(names, roles, strict=False)}

    def form(reply: Reply) -> str:
        place = None if reply.place is None else reply.place + 1
        return json.dumps(fill_in(reply.said, place), ensure_ascii=False)

    ask = rng.choice(
        ("Reply in JSON like ", "Answer as JSON: ", "Return exactly this object: ", "Use this JSON: ")
    )
    return ask + json.dumps(fill_in("...", 1 if rng.random() < 0.5 else "n"), ensure_ascii=False), form


def _styled(rng: random.Random) -> tuple[str, Form]:
    """Draw an instruction and the form it asks for."""
    key = rng.choice(KEYS) if rng.random() < 0.6 else words.invented(rng)
    source = rng.choice(SOURCES) if rng.random() < 0.7 else words.invented(rng)
    if rng.random() < 0.5:
        return _template(rng) if rng.random() < 0.4 else _wide_json(rng)
    roll = rng.random()
    if roll < 0.28:
        return rng.choice(SENTENCE), _sentence
    if roll < 0.42:
        return rng.choice(BARE), lambda reply: reply.said
    if roll < 0.54:
        return rng.choice(BULLET), lambda reply: f"- {reply.cited}"
    if roll < 0.68:
        asks = (
            f"Reply in JSON with the keys {key} and {source}.",
            f'Answer as {{"{key}": ..., "{source}": passage number}}.',
        )
        return rng.choice(asks), _json_form(key, source)
    if roll < 0.76:
        asks = (f"Reply in JSON with the key {key}.", f"Return a JSON object with one key, {key}.")
        return rng.choice(asks), _json_form(key, None)
    if roll < 0.9:
        key, source = key.capitalize(), source.capitalize()
        asks = (f"Answer in two lines: {key} and {source}.", f"Use this format:\n{key}: ...\n{source}: [n]")
        return rng.choice(asks), _lines_form(key, source)
    if rng.random() < 0.5:
        return ("Answer in capital letters.", "UPPER CASE ONLY.")[rng.randint(0, 1)], _upper
    return f"Begin every answer with {key.upper()}:", lambda reply: f"{key.upper()}: {reply.cited}"


def _upper(reply: Reply) -> str:
    return reply.cited if reply.value is None else reply.cited.upper()


WHOLE = 0.3  # of styles: they hold a full sentence in place of the bare value, as house styles of people do
UNANNOUNCED = 0.3  # of styles: only the earlier answers show them, as to a model that is being fine-tuned


def announced(system: str | None, form: Form) -> bool:
    """Whether the system turn tells the form, so that the first answer can be known."""
    return form is plain or "\n" in (system or "")


def draw_system(rng: random.Random, unstyled: float = 0.55) -> tuple[str | None, Form]:
    """Draw a system turn (None: absent) and the form of the answers; `unstyled` is the share without a style."""
    roll = rng.random()
    base = prompts.CONTRACT if roll < 0.78 else None if roll < 0.84 else rng.choice(PARAPHRASES)
    if rng.random() < unstyled:
        return base, plain
    style, form = _styled(rng)
    if form is not _sentence and rng.random() < WHOLE:
        style, form = f"{style} {rng.choice(SENTENCE)}", _whole(form)
    if rng.random() < UNANNOUNCED:
        return base, form
    return f"{base or prompts.CONTRACT}\n{style}", form
