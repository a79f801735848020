# ruff: noqa: SIM905  (word lists are read as text)
"""Programmatic documents: passages in many layouts, with the facts that they state.

A world is a handful of passages about things of one kind (or several). The things share their attributes on purpose:
every value has rivals with the same attribute and rivals of the same thing, so that only a reader who matches both
finds it. Everything is drawn from one `random.Random`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from recipes.nano.data import things, words
from recipes.nano.data.layouts import Fact, faq, listing, mail, prose, records, revised, table
from recipes.nano.data.relations import (
    Kind,
    Relation,
    Split,
    catalogue,
    open_relation,
    strange_relation,
    vary,
)


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
        "The weather was good that year.", "Few people know the whole story.", "A short summary is given below.", "Readers should bear this in mind.", "No further remarks were made.",
    ),
    "test": ("Rain fell for most of the week.", "A map hangs by the entrance.", "Someone left a note on the table.", "It took years to write all this down."),
}  # fmt: skip
HEADINGS = (
    "Overview,Details,Summary,General,Facts,Notes,Current data,Basics,At a glance,Introduction,Records,Background,Terms,Profile,Data"
).split(",")


def name_things(rng: random.Random, kind: Kind, count: int) -> list[str]:
    """Draw distinct names; one in six looks like an earlier one, so that half a name is not enough to find it."""
    names: list[str] = []
    while len(names) < count:
        name = things.MAKERS[kind.maker](rng)
        if names and rng.random() < 0.17:
            old = rng.choice(names).split(" ")
            new = name.split(" ")
            name = " ".join([old[0], *new[1:]]) if len(new) > 1 else name
        if name not in names:
            names.append(name)
    return names


def _label(rng: random.Random, kind: Kind, entities: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Draw title and headings; a title that names the only thing lets the text leave it out."""
    if rng.random() < 0.12:
        return "", ()
    name = entities[0]
    many = (
        f"{kind.plural.capitalize()}",
        f"List of {kind.plural}",
        f"{kind.plural.capitalize()} {rng.randint(2015, 2026)}",
    )
    title = rng.choice(
        (name, name, f"About {name}", f"{kind.name.capitalize()} {name}")
        if len(entities) == 1
        else (*many, words.title(rng))
    )
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
        text = (
            f"{rng.choice(fillers)}\n\n{text}" if rng.random() < 0.5 else f"{text}\n\n{rng.choice(fillers)}"
        )
    return Passage(title, headings, text)


def _value(rng: random.Random, relation: Relation, rivals: Sequence[Fact]) -> str:
    """Draw a value; one in eight differs in one place only from a rival's: copying has to be exact."""
    alike = [f.value for f in rivals if f.relation.value == relation.value]
    if not alike or rng.random() > 0.12:
        return things.MAKERS[relation.value](rng)
    value = rng.choice(alike)
    digits = [i for i, c in enumerate(value) if c.isdigit()]
    if digits:
        i = rng.choice(digits)
        return value[:i] + str((int(value[i]) + rng.randint(1, 8)) % 9 + 1) + value[i + 1 :]
    first, _, rest = value.partition(" ")
    other = things.MAKERS[relation.value](rng).partition(" ")[2]
    return f"{first} {other}" if rest and other else things.MAKERS[relation.value](rng)


def make_world(
    rng: random.Random, split: Split, passages: int, facts_each: int, fillers: Sequence[str] = ()
) -> World:
    """Draw a world of `passages` passages with about `facts_each` facts in each.

    `fillers` are further sentences (real prose) to stand between the facts, beside the built-in ones.
    """
    world = World()
    kinds = list(catalogue(split))
    kind = rng.choice(kinds)
    mixed = rng.random() < 0.25
    named, most = (0.88, 2) if split == "train" else (0.75, 3)  # real attributes beside composed ones
    noise = [*FILLER["train" if split == "train" else "test"], *fillers]
    pool: dict[str, list[Relation]] = {}
    used: set[str] = set()
    for place in range(passages):
        if mixed:
            kind = rng.choice(kinds)
        if kind.name not in pool:
            own = rng.sample(kind.relations, rng.randint(1, min(6, len(kind.relations))))
            own = [vary(rng, r, split, share=0.6) for r in own] if rng.random() < named else []
            fresh = [
                open_relation(rng, split) for _ in range(rng.randint(0, most) if own else rng.randint(2, 6))
            ]
            if split == "train" and rng.random() < 0.3:
                fresh += [strange_relation(rng) for _ in range(rng.randint(1, 2))]
            pool[kind.name] = list({r.noun: r for r in [*own, *fresh]}.values())
        relations = pool[kind.name]
        count = max(1, round(facts_each * rng.uniform(0.6, 1.4)))
        many = rng.choice((1, 1, 2, 3)) if count > 2 else 1
        names = [n for n in name_things(rng, kind, many) if n not in used] or name_things(rng, kind, 1)
        used.update(names)
        chosen = rng.sample(relations, min(len(relations), max(1, round(count / len(names)))))
        facts = [
            Fact(kind.name, e, r, _value(rng, r, world.facts if split == "train" else ()), place)
            for e in names
            for r in chosen
            if rng.random() < 0.92
        ] or [Fact(kind.name, names[0], chosen[0], things.MAKERS[chosen[0].value](rng), place)]
        if rng.random() < 0.3:
            rng.shuffle(facts)
        world.passages.append(_passage(rng, kind, facts, noise))
        world.facts += facts
    _collect_untold(rng, world, pool, {k.name: k for k in kinds})
    return world


def _collect_untold(
    rng: random.Random, world: World, pool: dict[str, list[Relation]], kinds: dict[str, Kind]
) -> None:
    """List what the passages do not tell: a known thing without the attribute, or the attribute of an unknown thing."""
    told = {(f.entity, f.relation.noun) for f in world.facts}
    entities = {f.entity: f.kind for f in world.facts}
    for entity, kind in entities.items():
        others = [*pool[kind], *kinds[kind].relations]
        spoken = {
            f.relation.value for f in world.facts if f.entity == entity
        }  # "Where is X?" must not have an answer by type
        world.untold += [
            (kind, entity, r) for r in others if (entity, r.noun) not in told and r.value not in spoken
        ][:4]
    for kind in dict.fromkeys(entities.values()):  # a set would make the draws depend on the process
        strangers = name_things(rng, kinds[kind], 3)
        rng.shuffle(pool[kind])
        world.untold += [
            (kind, s, r) for s, r in zip(strangers, pool[kind] * 3, strict=False) if s not in entities
        ]
    rng.shuffle(world.untold)
