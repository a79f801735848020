# ruff: noqa: SIM905  (word lists are read as text)
"""The catalogue of what programmatic documents say: kinds of thing, relations, and their wordings.

`relations.txt` holds the hand-written ones. Beside them stand open attributes, composed from a modifier and a noun
("backup fee", "spare key code"): thousands of labels, so that a reader learns to match any label, not these few.
`relations-test.txt` and the "test" wordings are for the final figure: training never sees them.
"""

from __future__ import annotations

import functools
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from recipes.nano.data import words
from recipes.nano.data.strange import STRANGE_ASKED, STRANGE_SAID
from recipes.nano.data.wordings import composed

WRITTEN = Path(__file__).with_name("written")
Split = Literal["train", "dev", "test"]
FILES = {
    "train": (
        "relations.txt",
        "relations-more.txt",
        "relations-work.txt",
        "relations-tech.txt",
        "relations-world.txt",
        "relations-firm.txt",
        "relations-made.txt",
        "relations-people.txt",
        "relations-daily.txt",
        "relations-trade.txt",
        "relations-science.txt",
        "relations-life.txt",
    ),
    "dev": ("relations-dev.txt",),
    "test": ("relations-test.txt",),
}


def _lines(file: str) -> tuple[str, ...]:
    return tuple((WRITTEN / file).read_text(encoding="utf-8").splitlines())


@dataclass(frozen=True)
class Relation:
    """One attribute: its label, the maker of its values, ways to state it and ways to ask for it."""

    noun: str
    value: str
    said: tuple[str, ...]
    asked: tuple[str, ...]


@dataclass(frozen=True)
class Kind:
    """A kind of thing with the maker of its names and its relations."""

    name: str
    maker: str
    plural: str
    relations: tuple[Relation, ...]


OPEN_SAID = {
    "train": (
        "The {n} of {e} is {v}.", "{e} has a {n} of {v}.", "{e}'s {n} is {v}.", "For {e}, the {n} is {v}.", "The {n} for {e}: {v}.",
        "The {n} of {e} was set to {v}.", "{v} is the {n} of {e}.", "As {n}, {e} lists {v}.", "{e} gives its {n} as {v}.",
        "{e} shows {v} as its {n}.", "Please note that the {n} for {e} is {v}.", "At {e}, the {n} is {v}.",
        "Under {n}, the record of {e} says {v}.", "When it comes to {e}, its {n} was fixed at {v}.", "One finds {v} as {n} of {e}.",
        *_lines("open-said.txt"),
    ),
    "test": ("{e} made {v} its {n} long ago.", "If {e} is meant, read {v} wherever the {n} comes up.", "Nobody at {e} doubts that the {n} equals {v}."),
}  # fmt: skip
OPEN_ASKED = {
    "train": (
        "What is the {n} of {e}?", "What is {e}'s {n}?", "Tell me the {n} of {e}.", "What is the {n} for {e}?", "{n} of {e}?",
        "What {n} does {e} have?", "Which {n} does {e} have?", "what is {e} {n}", "Give the {n} of {e}.", "I need the {n} for {e}.",
        "Can you find the {n} of {e}?", "Do you know the {n} of {e}?", "{e}: {n}?", "What is listed as the {n} of {e}?",
        "Could you look up {e} and tell me its {n}?", "I am looking for the {n} that {e} has. What is it?", "State {e}'s {n}, please.",
        *_lines("open-asked.txt"),
    ),
    "test": ("What do the papers name as {e}'s {n}?", "Suppose I call {e}: which {n} will they give me?", "How is the {n} of {e} described?"),
}  # fmt: skip
MODIFIERS = {
    "train": (
        "annual backup base basic daily default delivery emergency entry final first guest holiday initial internal late local main "
        "maximum minimum monthly next night office old opening order original outer overtime parking planned postal previous primary "
        "public quarterly regional regular remote reserve return safety school second service shipping spare special staff standard "
        "start storage summer support target temporary test total travel trial weekend weekly winter yearly "
        "boarding cleaning export harvest import interim laboratory nightly premium seasonal tasting workshop"
    ).split(),
    "test": "alpine archive bridge christmas dawn ferry garden hospital midnight orchard pilot quay rehearsal stage vintage".split(),
}
# Words of any kind before a noun, so that a modifier is matched because it is the same word and not because it is known.
ANY_WORD = tuple(word for line in _lines("modifiers.txt") for word in line.split())
OPEN_NOUNS: dict[str, tuple[str, ...]] = {
    "money": ("fee", "budget", "price", "allowance", "deposit", "cost", "fine", "salary", "rent", "limit", "refund", "bonus"),
    "person": ("contact", "owner", "coordinator", "officer", "supervisor", "assistant", "reviewer", "guide", "deputy"),
    "date": ("date", "deadline", "review date", "check", "inspection", "delivery date", "meeting"),
    "code": ("code", "number", "key", "reference", "badge", "serial number", "password hint", "account", "id"),
    "duration": ("period", "wait", "break", "duration", "lead time", "time limit", "leave"),
    "percent": ("rate", "share", "discount", "tax", "quota", "score", "margin"),
    "measure": ("weight", "length", "capacity", "distance", "temperature", "power", "width", "pressure", "depth"),
    "number": ("count", "quantity", "seats", "members", "copies", "level", "points", "size"),
    "city": ("site", "office", "depot", "destination", "location", "branch"),
    "venue": ("room", "venue", "meeting point", "address", "hall"),
    "organisation": ("supplier", "partner", "sponsor", "carrier", "customer", "insurer", "bank"),
    "clock": ("time", "start time", "closing time", "departure", "arrival", "shift"),
    "email": ("mailbox", "contact address", "e-mail", "site address"),
    "version": ("version", "release", "firmware"),
    "colour": ("colour", "label colour", "flag"), "material": ("material", "lining", "cover"), "state": ("status", "state"),
    "day": ("day", "market day", "pick-up day"), "phrase": ("motto", "name", "nickname", "title", "slogan", "topic", "type"),
    "product": ("tool", "device", "system", "model"), "country": ("country", "origin"), "food": ("dish", "snack", "meal"),
    "invented": ("label", "username", "brand", "alias", "handle"), "reason": ("reason", "cause", "problem"), "role": ("post", "rank"),
}  # fmt: skip


def open_relation(rng: random.Random, split: Split) -> Relation:
    """Compose an attribute such as "monthly parking fee" with its general wordings."""
    value = rng.choice(list(OPEN_NOUNS))
    noun = rng.choice(OPEN_NOUNS[value])
    held = "train" if split == "train" else "test"
    mods = MODIFIERS[held] if split != "train" or rng.random() < 0.5 else ANY_WORD
    if rng.random() < 0.9 or split != "train":
        noun = f"{rng.choice(mods)} {noun}"
    if rng.random() < 0.12:
        noun = f"{words.invented(rng, 1, 2)} {noun}"
    said = tuple(s.replace("{n}", noun) for s in OPEN_SAID[held])
    asked = tuple(q.replace("{n}", noun) for q in OPEN_ASKED[held])
    return vary(rng, Relation(noun, value, said, asked), split, share=1.0)


def strange_relation(rng: random.Random) -> Relation:
    """An attribute round an invented word, the same in what is told and asked: matching a word that was never met."""
    value = rng.choice(list(STRANGE_SAID))
    word = words.invented(rng, 1, 2)
    said = tuple(s.replace("{w}", word) for s in STRANGE_SAID[value])
    asked = tuple(q.replace("{w}", word) for q in STRANGE_ASKED[value])
    return Relation(word, value, said, asked)


def vary(rng: random.Random, relation: Relation, split: Split, share: float) -> Relation:
    """Add composed wordings, about `share` for each that is there; held-out relations stay as they are."""
    if split != "train":
        return relation
    many = max(1, round(share * len(relation.said))), max(1, round(share * len(relation.asked)))
    said, asked = composed(rng, relation.noun, relation.value, *many)
    # The first statement stays first: it is the form of full-sentence answers.
    return Relation(relation.noun, relation.value, (*relation.said, *said), (*relation.asked, *asked))


def _forms(text: str) -> tuple[str, ...]:
    return tuple(f.strip() for f in text.split(";"))


@functools.cache
def catalogue(split: Split) -> tuple[Kind, ...]:
    """Read the files of a split; dev and test have kinds of thing of their own."""
    kinds: list[tuple[list[str], list[Relation]]] = []
    texts = [(WRITTEN / file).read_text(encoding="utf-8") for file in FILES[split]]
    for line in "\n".join(texts).splitlines():
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            name, rest = line[1:].split("]")
            kinds.append(([name, *(p.strip() for p in rest.split("|"))], []))
            continue
        noun, value, said, asked = (p.strip() for p in line.split("|"))
        kinds[-1][1].append(Relation(noun, value, _forms(said), _forms(asked)))
    return tuple(Kind(head[0], head[1], head[2], tuple(relations)) for head, relations in kinds)
