"""Programmatic documents: passages in many layouts, with the facts that they state.

A world is a handful of passages about things of one kind (or several). The things share their attributes on purpose:
every value has rivals with the same attribute and rivals of the same thing, so that only a reader who matches both
finds it. Everything is drawn from one `random.Random`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from recipes.nano import words
from recipes.nano.relations import Kind, Relation, Split, catalogue, open_relation


@dataclass(frozen=True)
class Fact:
    """What a passage states: the thing, its attribute, the value, and the passage's place (from 0)."""

    kind: str
    entity: str
    relation: Relation
    value: str
    passage: int


@dataclass(frozen=True)
class Passage:
    """One passage: title and headings (possibly empty) and its text."""

    title: str
    headings: tuple[str, ...]
    text: str


@dataclass
class World:
    """Passages, what they state, and pairs (kind, thing, attribute) that they do not tell."""

    passages: list[Passage] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    untold: list[tuple[str, str, Relation]] = field(default_factory=list)


FILLER = {
    "train": (
        "This page is reviewed every month.", "Please contact the office with any questions.", "More details will follow soon.",
        "The list was checked twice.", "Nothing else has changed.", "All other rules stay the same.", "Thank you for your help.",
        "Earlier notes may be out of date.", "See the handbook for the full text.", "Some records are still missing.",
        "This was discussed at the last meeting.", "Feedback is welcome at any time.", "It is one of several in the region.",
        "The weather was good that year.", "Few people know the whole story.", "A short summary is given below.",
    ),
    "heldout": ("Readers should bear this in mind.", "No further remarks were made.", "The archive holds the rest.", "Copies are kept downstairs."),
}  # fmt: skip
HEADINGS = (
    "Overview,Details,Summary,General,Facts,Notes,Current data,Basics,At a glance,Introduction,Records,Background,Terms,Profile,Data"
).split(",")


def fill(form: str, entity: str, value: str) -> str:
    """Put a thing and a value into a wording, with a capital at the start and the right article."""
    text = form.replace("{a}", "an" if value[:1].lower() in "aeiou" else "a")
    text = text.replace("{e}", entity).replace("{v}", value).replace("{V}", value.capitalize())
    return text[:1].upper() + text[1:]


def name_things(rng: random.Random, kind: Kind, count: int) -> list[str]:
    """Draw distinct names; one in six looks like an earlier one, so that half a name is not enough to find it."""
    names: list[str] = []
    while len(names) < count:
        name = words.MAKERS[kind.maker](rng)
        if names and rng.random() < 0.17:
            old = rng.choice(names).split(" ")
            new = name.split(" ")
            name = " ".join([old[0], *new[1:]]) if len(new) > 1 else name
        if name not in names:
            names.append(name)
    return names


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
                text = text.replace(" and " + text.split(" and ")[-1], " and " + text.split(" and ")[-1][:1].lower() + text.split(" and ")[-1][1:])
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
        lines = [f"{bullet}{bold}{f.relation.noun.capitalize()}{bold}{sep}{f.value}" for f in facts if f.entity == entity]
        if not named_by_title:
            head = rng.choice((f"{bullet}{bold}Name{bold}{sep}{entity}", entity, f"{kind.name.capitalize()}{sep}{entity}", f"## {entity}"))
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
        return "\n".join(["| " + " | ".join(head) + " |", *rule, *("| " + " | ".join(r) + " |" for r in rows)])
    sep = rng.choice((" ; ", " | ", "; "))
    return "\n".join(sep.join(r) for r in [head, *rows])


def listing(rng: random.Random, facts: Sequence[Fact]) -> str:
    """A list with one line a fact: "- Ada Bell: 12 May (start date)"."""
    style = rng.choice(("{e}: {n} {v}", "{e}, {n}: {v}", "{e} ({n} {v})", "{n} of {e}: {v}", "{e} - {n} - {v}"))
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
        answer = f"{f.value[:1].upper()}{f.value[1:]}." if rng.random() < 0.4 else fill(rng.choice(f.relation.said), f.entity, f.value)
        parts.append(f"{ask}{fill(rng.choice(f.relation.asked), f.entity, '')}{close}\n{reply}{answer}")
    return "\n\n".join(parts)


def mail(rng: random.Random, kind: Kind, facts: Sequence[Fact], fillers: Sequence[str]) -> str:
    """A short letter that mentions the facts."""
    reader, writer = rng.choice(words.FIRST), words.person(rng)
    hello = rng.choice((f"Hi {reader},", f"Dear {reader},", "Hello all,", "Dear team,"))
    bye = rng.choice(("Best,", "Regards,", "Thanks,", "Kind regards,"))
    head = f"From: {writer}\nSubject: {facts[0].entity}\n\n" if rng.random() < 0.4 else ""
    return f"{head}{hello}\n{prose(rng, kind, facts, fillers)}\n{bye}\n{writer}"


def revised(rng: random.Random, facts: Sequence[Fact]) -> str:
    """Each fact with an older value that no longer holds; the questions ask for the one in force."""
    lines = []
    for f in facts:
        old = words.MAKERS[f.relation.value](rng)
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


def _label(rng: random.Random, kind: Kind, entities: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Draw title and headings; a title that names the only thing lets the text leave it out."""
    if rng.random() < 0.12:
        return "", ()
    name = entities[0]
    many = (f"{kind.plural.capitalize()}", f"List of {kind.plural}", f"{kind.plural.capitalize()} {rng.randint(2015, 2026)}")
    title = rng.choice((name, name, f"About {name}", f"{kind.name.capitalize()} {name}") if len(entities) == 1 else (*many, words.title(rng)))
    if rng.random() < 0.15:
        title = words.title(rng)
    depth = rng.choice((0, 0, 1, 1, 2))
    return title, tuple(rng.sample(HEADINGS, depth))


def _passage(rng: random.Random, kind: Kind, facts: list[Fact], fillers: Sequence[str]) -> Passage:
    """Lay the facts of one passage out."""
    entities = list(dict.fromkeys(f.entity for f in facts))
    title, headings = _label(rng, kind, entities)
    layouts: list[tuple[float, Callable[[], str]]] = [
        (5.0, lambda: prose(rng, kind, facts, fillers)),
        (1.5, lambda: records(rng, kind, facts, len(entities) == 1 and entities[0] in title)),
        (1.8 if len(entities) > 1 else 0.1, lambda: table(rng, kind, facts)),
        (0.8, lambda: listing(rng, facts)),
        (0.8, lambda: faq(rng, facts)),
        (0.6, lambda: mail(rng, kind, facts, fillers)),
        (0.5 if len(facts) <= 3 else 0.0, lambda: revised(rng, facts)),
    ]
    make = rng.choices([m for _, m in layouts], [w for w, _ in layouts])[0]
    text = make()
    if rng.random() < 0.1:
        text = f"{rng.choice(fillers)}\n\n{text}" if rng.random() < 0.5 else f"{text}\n\n{rng.choice(fillers)}"
    return Passage(title, headings, text)


def make_world(rng: random.Random, split: Split, passages: int, facts_each: int, fillers: Sequence[str] = ()) -> World:
    """Draw a world of `passages` passages with about `facts_each` facts in each.

    `fillers` are further sentences (real prose) to stand between the facts, beside the built-in ones.
    """
    world = World()
    kinds = list(catalogue(split))
    kind = rng.choice(kinds)
    mixed = rng.random() < 0.25
    noise = [*FILLER[split], *fillers]
    pool: dict[str, list[Relation]] = {}
    used: set[str] = set()
    for place in range(passages):
        if mixed:
            kind = rng.choice(kinds)
        if kind.name not in pool:
            own = rng.sample(kind.relations, rng.randint(1, min(6, len(kind.relations))))
            own = own if rng.random() < 0.75 else []
            fresh = [open_relation(rng, split) for _ in range(rng.randint(0, 3) if own else rng.randint(2, 6))]
            pool[kind.name] = list({r.noun: r for r in [*own, *fresh]}.values())
        relations = pool[kind.name]
        count = max(1, round(facts_each * rng.uniform(0.6, 1.4)))
        things = rng.choice((1, 1, 2, 3)) if count > 2 else 1
        names = [n for n in name_things(rng, kind, things) if n not in used] or name_things(rng, kind, 1)
        used.update(names)
        chosen = rng.sample(relations, min(len(relations), max(1, round(count / len(names)))))
        facts = [
            Fact(kind.name, e, r, words.MAKERS[r.value](rng), place) for e in names for r in chosen if rng.random() < 0.92
        ] or [Fact(kind.name, names[0], chosen[0], words.MAKERS[chosen[0].value](rng), place)]
        if rng.random() < 0.3:
            rng.shuffle(facts)
        world.passages.append(_passage(rng, kind, facts, noise))
        world.facts += facts
    _collect_untold(rng, world, pool, {k.name: k for k in kinds})
    return world


def _collect_untold(rng: random.Random, world: World, pool: dict[str, list[Relation]], kinds: dict[str, Kind]) -> None:
    """List what the passages do not tell: a known thing without the attribute, or the attribute of an unknown thing."""
    told = {(f.entity, f.relation.noun) for f in world.facts}
    entities = {f.entity: f.kind for f in world.facts}
    for entity, kind in entities.items():
        others = [*pool[kind], *kinds[kind].relations]
        spoken = {f.relation.value for f in world.facts if f.entity == entity}  # "Where is X?" must not have an answer by type
        world.untold += [(kind, entity, r) for r in others if (entity, r.noun) not in told and r.value not in spoken][:4]
    for kind in set(entities.values()):
        strangers = name_things(rng, kinds[kind], 3)
        rng.shuffle(pool[kind])
        world.untold += [(kind, s, r) for s, r in zip(strangers, pool[kind] * 3, strict=False) if s not in entities]
    rng.shuffle(world.untold)
