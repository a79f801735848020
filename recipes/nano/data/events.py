"""Events: passages in which a sentence or two tell several facts, and questions that ask for each part.

`events.txt` holds the frames. What a relation (`relations.txt`) does not teach: who did what to whom, which part of a
sentence a question word asks for, and that a telling may leave a part out.
"""

from __future__ import annotations

import functools
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from recipes.nano.data import things, words
from recipes.nano.data.documents import FILLER, Passage, World, make_world
from recipes.nano.data.forms import Form, Reply, draw_system
from recipes.nano.data.questions import Chat, Turn, to_chat, turns
from recipes.nano.data.relations import Relation

SLOT = re.compile(r"\{(\w)(?:_bare)?\}")
SENTENCE = re.compile(r"(?<=[.?!]) ")
ARTICLE = re.compile(r"^(?:the|a|an) ")
PEOPLE = ("person", "party", "organisation", "team")


@dataclass(frozen=True)
class Frame:
    """A kind of event: its slots with the makers of their values, ways to tell it, questions by slot."""

    name: str
    slots: dict[str, str]
    told: tuple[str, ...]
    asked: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Event:
    """One event as a passage tells it; `shown` are the slots that the telling names."""

    frame: Frame
    values: dict[str, str]
    shown: frozenset[str]
    text: str
    passage: int


@functools.cache
def frames() -> tuple[Frame, ...]:
    """Read `events.txt`."""
    found: list[Frame] = []
    for line in (Path(__file__).with_name("written") / "events.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            name, _, rest = line[1:].partition("] ")
            found.append(Frame(name, dict(p.split("=") for p in rest.split()), (), {}))
        elif line.startswith("+ "):
            found[-1] = replace(found[-1], told=(*found[-1].told, line[2:]))
        elif line[1:3] == "? ":
            found[-1].asked[line[0]] = tuple(q.strip() for q in line[3:].split(" ; "))
    return tuple(found)


def fill(form: str, values: dict[str, str]) -> str:
    """Put values into a wording; every sentence begins with a capital."""
    text = form
    for slot, value in values.items():
        text = text.replace(f"{{{slot}}}", value).replace(f"{{{slot}_bare}}", ARTICLE.sub("", value))
    return " ".join(s[:1].upper() + s[1:] for s in SENTENCE.split(text))


def _draw(rng: random.Random, frame: Frame, earlier: Sequence[Event]) -> dict[str, str]:
    """Draw an event's values; two in five share a part with an earlier event of the frame."""
    values = {slot: things.MAKERS[maker](rng) for slot, maker in frame.slots.items()}
    alike = [e for e in earlier if e.frame is frame]
    if alike and rng.random() < 0.4:
        slot = rng.choice(list(frame.slots))
        values[slot] = rng.choice(alike).values[slot]
    return values


def _passage(
    rng: random.Random, frame: Frame, count: int, place: int, earlier: list[Event], noise: Sequence[str]
) -> Passage:
    """Tell `count` events of a frame; `earlier` grows by them. A lone event may be told of "it" or "she", under a title
    with the name."""
    mine: list[Event] = []
    for _ in range(count):
        values = _draw(rng, frame, earlier)
        form = rng.choice(frame.told)
        text = fill(form, values)
        if len(set(values.values())) < len(values):
            continue
        event = Event(frame, values, frozenset(SLOT.findall(form)), text, place)
        mine.append(event)
        earlier.append(event)
    first = mine[0] if mine else None
    title = words.title(rng)
    if first and rng.random() < 0.6:
        lead = rng.choice(sorted(first.shown))
        title = first.values[lead]
        title = title[:1].upper() + title[1:]
    texts = [e.text for e in mine]
    if first and len(mine) == 1 and rng.random() < 0.3 and first.text.startswith(title + " "):
        kind = first.frame.slots[lead]
        who = rng.choice(("He", "She")) if kind == "person" else "They" if kind == "team" else "It"
        texts[0] = who + first.text[len(title) :]
    if rng.random() < 0.5:
        texts.insert(rng.randint(0, len(texts)), rng.choice(noise))
    if rng.random() < 0.25:
        texts.insert(rng.randint(0, len(texts)), rng.choice(noise))
    glue = rng.choice((" ", " ", " ", "\n", "\n\n", "\n- "))
    text = ("- " if glue == "\n- " else "") + glue.join(texts)
    return Passage(title if rng.random() < 0.88 else "", (), text)


def _turn(event: Event, slot: str, question: str, form: Form, *, told: bool) -> Turn:
    asked = fill(question, event.values)
    value = event.values[slot]
    if not told:
        return Turn(asked, form(Reply(Relation("", "", ("{v}",), ()), "", None, None)), None, None)
    sentences = [s for s in SENTENCE.split(event.text) if value.lower() in s.lower()] or [value]
    at = sentences[0].lower().find(value.lower())
    said = sentences[0][:at] + "{v}" + sentences[0][at + len(value) :] if at > 0 else "{v}."
    return Turn(
        asked, form(Reply(Relation("", "", (said,), ()), "", value, event.passage)), value, event.passage
    )


def _rivals(event: Event, needs: set[str], slot: str, all_events: Sequence[Event]) -> bool:
    """Whether another event of the frame fits a question as well, with another answer."""
    alike = [e for e in all_events if e.frame is event.frame and e is not event]
    return any(
        all(e.values[q] == event.values[q] for q in needs) and e.values[slot] != event.values[slot]
        for e in alike
    )


def _ask(
    rng: random.Random, told: Sequence[Event], shown_text: str, form: Form, unknown: float
) -> Iterator[Turn]:
    """Yield one question for each slot of each event, and the share `unknown` of questions that have no answer."""
    for event in told:
        for slot, questions in event.frame.asked.items():
            fits = [q for q in questions if (n := set(SLOT.findall(q))) <= event.shown and slot not in n]
            fits = [q for q in fits if not _rivals(event, set(SLOT.findall(q)), slot, told)]
            if fits and slot in event.shown:
                yield _turn(event, slot, rng.choice(fits), form, told=True)
            elif fits and event.values[slot].lower() not in shown_text and rng.random() < unknown * 3:
                yield _turn(event, slot, rng.choice(fits), form, told=False)
        if rng.random() < unknown * 3:
            stranger = replace(event, values=_draw(rng, event.frame, ()))
            slot = rng.choice(list(event.frame.asked))
            named = [
                q
                for q in event.frame.asked[slot]
                if slot not in SLOT.findall(q)
                and any(
                    event.frame.slots[s]
                    in (*PEOPLE, "product", "title", "device", "thing", "structure", "code", "topic")
                    and stranger.values[s].lower() not in shown_text
                    for s in SLOT.findall(q)
                )
            ]
            if named:
                yield _turn(stranger, slot, rng.choice(named), form, told=False)


def make_chat(rng: random.Random, passages: int, events_each: float, fillers: Sequence[str] = ()) -> Chat:
    """Draw passages of events, two in five beside passages of `make_world`, and a chat of all their questions."""
    noise = [*FILLER["train"], *fillers]
    plain_count = rng.randint(1, passages - 1) if passages > 1 and rng.random() < 0.4 else 0
    world = make_world(rng, "train", plain_count, 3, fillers) if plain_count else World()
    pool = rng.sample(frames(), rng.choice((1, 1, 2, 3)))
    told: list[Event] = []
    shown = list(world.passages)
    for place in range(plain_count, passages):
        count = max(1, round(events_each * rng.uniform(0.5, 1.5)))
        shown.append(_passage(rng, rng.choice(pool), count, place, told, noise))
    order = list(range(passages))
    rng.shuffle(order)
    where = {old: new for new, old in enumerate(order)}
    told = [replace(e, passage=where[e.passage]) for e in told]
    world.facts = [replace(f, passage=where[f.passage]) for f in world.facts]
    shown = [shown[old] for old in order]
    system, form = draw_system(rng)
    unknown = rng.choice((0.0, 0.15, 0.25, 0.35))
    text = "\n".join(f"{p.title}\n{p.text}" for p in shown).lower()
    asked = list(_ask(rng, told, text, form, unknown))
    asked += turns(rng, world, "train", form, unknown) if world.facts else ()
    rng.shuffle(asked)
    return to_chat(system, shown, asked, form)
