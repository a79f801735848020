"""How a passage lays its facts out: prose, records, table, list, questions and answers, letter, revised rules."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from recipes.nano.data import lexicon, things, words
from recipes.nano.data.relations import Kind, Relation


@dataclass(frozen=True)
class Fact:
    """What a passage states: the thing, its attribute, the value, and the passage's place (from 0)."""

    kind: str
    entity: str
    relation: Relation
    value: str
    passage: int


def fill(form: str, entity: str, value: str) -> str:
    """Put a thing and a value into a wording, with a capital at the start and the right article."""
    text = form.replace("{a}", "an" if value[:1].lower() in "aeiou" else "a")
    text = text.replace("{e}", entity).replace("{v}", value).replace("{V}", value.capitalize())
    return text[:1].upper() + text[1:]


def prose(rng: random.Random, kind: Kind, facts: Sequence[Fact], fillers: Sequence[str]) -> str:
    """Sentences, one or two facts each; later ones may say "it" or "the company"."""
    female = rng.random() < 0.5
    sentences: list[str] = []
    spoken = ""  # the thing that "it" would mean
    i = 0
    while i < len(facts):
        fact = facts[i]
        form = rng.choice(fact.relation.said)
        name = fact.entity
        if spoken == name and form.startswith("{e} ") and rng.random() < 0.6:
            pronoun = ("She" if female else "He") if kind.name == "person" else "It"
            name = pronoun if rng.random() < 0.7 or kind.name == "person" else f"The {kind.name}"
        text = fill(form, name, fact.value)
        follower = facts[i + 1] if i + 1 < len(facts) else None
        if follower and follower.entity == fact.entity and form.startswith("{e} ") and rng.random() < 0.4:
            tails = [s for s in follower.relation.said if s.startswith("{e} ")]
            if tails:
                text = f"{text[:-1]} and {fill(rng.choice(tails), '', follower.value).strip()}"
                i += 1
        spoken = fact.entity
        sentences.append(text)
        if rng.random() < 0.18:
            sentences.append(rng.choice(fillers))
            spoken = ""
        i += 1
    cut = rng.randint(1, len(sentences)) if len(sentences) > 4 and rng.random() < 0.3 else 0
    return (" ".join(sentences[:cut]) + "\n" + " ".join(sentences[cut:])).strip()


def records(rng: random.Random, kind: Kind, facts: Sequence[Fact], named_by_title: bool) -> str:
    """Key-value lines, a block per thing."""
    bullet, sep = rng.choice(("", "", "- ", "* ")), rng.choice((": ", ": ", " = ", " - ", ":  "))
    bold = "**" if rng.random() < 0.15 else ""
    blocks = []
    for entity in dict.fromkeys(f.entity for f in facts):
        lines = [
            f"{bullet}{bold}{f.relation.noun.capitalize()}{bold}{sep}{f.value}"
            for f in facts
            if f.entity == entity
        ]
        if not named_by_title:
            head = rng.choice(
                (
                    f"{bullet}{bold}Name{bold}{sep}{entity}",
                    entity,
                    f"{kind.name.capitalize()}{sep}{entity}",
                    f"## {entity}",
                )
            )
            lines.insert(0, head)
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def table(rng: random.Random, kind: Kind, facts: Sequence[Fact]) -> str:
    """A table, a row per thing: pipes, or commas, or tabs-as-bars without a rule."""
    nouns = list(dict.fromkeys(f.relation.noun for f in facts))
    cell = {(f.entity, f.relation.noun): f.value for f in facts}
    head = [rng.choice(("Name", kind.name.capitalize(), "Item")), *(n.capitalize() for n in nouns)]
    rows = [[e, *(cell.get((e, n), "-") for n in nouns)] for e in dict.fromkeys(f.entity for f in facts)]
    if rng.random() < 0.75:
        rule = ["| " + " | ".join("---" for _ in head) + " |"] if rng.random() < 0.8 else []
        return "\n".join(
            ["| " + " | ".join(head) + " |", *rule, *("| " + " | ".join(r) + " |" for r in rows)]
        )
    sep = rng.choice((" ; ", " | ", "; "))
    return "\n".join(sep.join(r) for r in [head, *rows])


def listing(rng: random.Random, facts: Sequence[Fact]) -> str:
    """A list with one line a fact: "- Ada Bell: 12 May (start date)"."""
    style = rng.choice(
        ("{e}: {n} {v}", "{e}, {n}: {v}", "{e} ({n} {v})", "{n} of {e}: {v}", "{e} - {n} - {v}")
    )
    number = rng.random() < 0.3
    lines = []
    for i, f in enumerate(facts, start=1):
        text = style.replace("{e}", f.entity).replace("{n}", f.relation.noun).replace("{v}", f.value)
        lines.append((f"{i}. " if number else "- ") + text)
    return "\n".join(lines)


def faq(rng: random.Random, facts: Sequence[Fact]) -> str:
    """Questions with their answers."""
    ask, reply = rng.choice((("Q: ", "A: "), ("", ""), ("**", "")))
    close = "**" if ask == "**" else ""
    parts = []
    for f in facts:
        answer = (
            f"{f.value[:1].upper()}{f.value[1:]}."
            if rng.random() < 0.4
            else fill(rng.choice(f.relation.said), f.entity, f.value)
        )
        parts.append(f"{ask}{fill(rng.choice(f.relation.asked), f.entity, '')}{close}\n{reply}{answer}")
    return "\n\n".join(parts)


def mail(rng: random.Random, kind: Kind, facts: Sequence[Fact], fillers: Sequence[str]) -> str:
    """A short letter that mentions the facts."""
    reader, writer = rng.choice(lexicon.FIRST), words.person(rng)
    hello = rng.choice((f"Hi {reader},", f"Dear {reader},", "Hello all,", "Dear team,"))
    bye = rng.choice(("Best,", "Regards,", "Thanks,", "Kind regards,"))
    head = f"From: {writer}\nSubject: {facts[0].entity}\n\n" if rng.random() < 0.4 else ""
    return f"{head}{hello}\n{prose(rng, kind, facts, fillers)}\n{bye}\n{writer}"


def revised(rng: random.Random, facts: Sequence[Fact]) -> str:
    """Each fact with an older value that no longer holds; the questions ask for the one in force."""
    lines = []
    for f in facts:
        old = things.MAKERS[f.relation.value](rng)
        form, y = rng.choice(f.relation.said), rng.randint(2005, 2025)
        now, then = fill(form, f.entity, f.value), fill(form, f.entity, old)
        pair = rng.choice(
            (
                (f"Until {y}: {then}", f"Since {y}: {now}"),
                (f"Version 1 (superseded): {then}", f"Version 2 (in force): {now}"),
                (f"Old rule, no longer valid: {then}", f"New rule: {now}"),
                (f"{y}: {then} (out of date)", f"{y + 2}: {now} (current)"),
            )
        )
        lines += pair if rng.random() < 0.6 else pair[::-1]
    return "\n".join(lines)
