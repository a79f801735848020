"""Chats over a world: questions in many wordings, answers in the form that the system turn asks for (`forms.py`).

The default form is the shortest: the value and the place of its passage, `$1,200 [2]`, or `I don't know.`. Every
other form is asked for in the system turn, so that one question has one right answer.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from graft import types
from graft.generation import prompts
from graft.types import Context, Message
from recipes.nano.data import words
from recipes.nano.data.documents import Passage, World, make_world
from recipes.nano.data.forms import Form, Reply, announced, draw_system, plain
from recipes.nano.data.layouts import Fact, fill
from recipes.nano.data.relations import Relation, Split
from recipes.nano.data.strange import STRANGE_ASKED

OPENERS = ("",) * 20 + (
    "Please tell me: ",
    "Quick question: ",
    "Hello, ",
    "I would like to know: ",
    "One more: ",
)
FOLLOW_SAME = ("And the {n}?", "What about the {n}?", "And its {n}?", "Also the {n}, please.")
FOLLOW_RIVAL = ("And {e}?", "What about {e}?", "And for {e}?", "The same for {e}, please.")
STRANGE_SHARE = 0.12  # of questions: round a word that nobody knows (`strange.py`)
REVERSE = {
    "train": ("Which {k} has the {n} {v}?", "Whose {n} is {v}?", "{v} is the {n} of which {k}?", "Find the {k} with the {n} {v}.", "Which {k} is listed with {n} {v}?",
              "To which {k} does the {n} {v} belong?", "Name the {k} whose {n} is {v}."),
    "test": ("Of which {k} is {v} given as the {n}?", "The {n} {v} points to what {k}?"),
}  # fmt: skip


@dataclass(frozen=True)
class Turn:
    """One question with its answer; `value` and `place` (from 0) are what a scorer compares, None when untold. `learnt`:
    whether the answer can be known from what stands before it."""

    question: str
    answer: str
    value: str | None
    place: int | None
    learnt: bool = True


Chat = tuple[list[Message], list[Turn]]  # a conversation, and what each of its answers rests on


def user_turn(passages: Sequence[Passage], question: str) -> str:
    """Render a user turn exactly as the product does (`graft.generation.prompts`)."""
    asked = prompts.QUESTION_PREFIX + question
    if not passages:
        return asked
    shown = Context(tuple(types.Passage("", 0, 0, p.text, p.title, p.headings) for p in passages))
    return f"{prompts.render_passages(shown)}\n\n{asked}"


def _word_question(rng: random.Random, text: str) -> str:
    """Vary a question's surface: an opener, lower case, no question mark."""
    opener = rng.choice(OPENERS)
    if opener:
        text = opener + (
            text[:1].lower() + text[1:]
            if text.partition(" ")[0] in ("What", "Where", "Who", "When", "How", "Which")
            else text
        )
    roll = rng.random()
    if roll < 0.06:
        return text.rstrip("?.").lower()
    return text.rstrip("?") if roll < 0.1 else text


def turns(
    rng: random.Random, world: World, split: Split, form: Form, unknown: float, rounds: int = 1
) -> Iterator[Turn]:
    """Yield questions about a world, in random order, the share `unknown` untold; `rounds` asks for each fact again."""
    told, untold = [], list(world.untold)
    for _ in range(rounds):
        told += rng.sample(world.facts, len(world.facts))
    values = [f.value for f in world.facts]
    while told or untold:
        if untold and (rng.random() < unknown or not told):
            if not told:
                return
            _, entity, relation = untold.pop()
            yield Turn(
                _word_question(rng, fill(rng.choice(relation.asked), entity, "")),
                form(Reply(relation, entity, None, None)),
                None,
                None,
            )
            continue
        fact = told.pop()
        if (
            values.count(fact.value) == 1
            and fact.relation.value not in ("state", "day", "month", "colour")
            and rng.random() < 0.08
        ):
            yield _reverse(rng, fact, split, form)
            continue
        asked = fact.relation.asked
        if split == "train" and rng.random() < STRANGE_SHARE and _only_of_type(world, fact):
            asked = STRANGE_ASKED[fact.relation.value]
        question = fill(rng.choice(asked).replace("{w}", words.invented(rng, 1, 2)), fact.entity, "")
        yield _turn(_word_question(rng, question), fact, form)
        if split == "train" and rng.random() < 0.07:
            yield from _follow_up(rng, world, fact, form)


def _only_of_type(world: World, fact: Fact) -> bool:
    """Whether a question word tells which of a thing's values is meant, whatever else the question says."""
    kind = {"year": "date", "venue": "city", "organisation": "person"}
    own = kind.get(fact.relation.value, fact.relation.value)
    alike = [
        f
        for f in world.facts
        if f.entity == fact.entity and kind.get(f.relation.value, f.relation.value) == own
    ]
    return len(alike) == 1 and fact.relation.value in STRANGE_ASKED


def _turn(question: str, fact: Fact, form: Form) -> Turn:
    return Turn(
        question, form(Reply(fact.relation, fact.entity, fact.value, fact.passage)), fact.value, fact.passage
    )


def _follow_up(rng: random.Random, world: World, fact: Fact, form: Form) -> Iterator[Turn]:
    """Ask on in the way of a conversation: the same thing's other attribute, or another thing's same attribute."""
    same = [f for f in world.facts if f.entity == fact.entity and f.relation.noun != fact.relation.noun]
    rival = [f for f in world.facts if f.entity != fact.entity and f.relation.noun == fact.relation.noun]
    if same and rng.random() < 0.5:
        other = rng.choice(same)
        yield _turn(rng.choice(FOLLOW_SAME).replace("{n}", other.relation.noun), other, form)
    elif rival:
        other = rng.choice(rival)
        yield _turn(rng.choice(FOLLOW_RIVAL).replace("{e}", other.entity), other, form)


def _reverse(rng: random.Random, fact: Fact, split: Split, form: Form) -> Turn:
    """Ask for the thing by its value."""
    asked = (
        rng.choice(REVERSE["train" if split == "train" else "test"])
        .replace("{k}", fact.kind)
        .replace("{n}", fact.relation.noun)
        .replace("{v}", fact.value)
    )
    relation = Relation(
        fact.kind, "", (f"The {fact.kind} with the {fact.relation.noun} {fact.value} is {{v}}.",), ()
    )
    return Turn(
        asked[:1].upper() + asked[1:],
        form(Reply(relation, "", fact.entity, fact.passage)),
        fact.entity,
        fact.passage,
    )


def make_chat(
    rng: random.Random,
    split: Split,
    passages: int,
    facts_each: int,
    fillers: Sequence[str] = (),
    *,
    dense: bool = False,
) -> Chat:
    """Draw a world and a chat of all the questions it offers; whoever packs it cuts whole turns off the end.

    `dense` is for the start of training: mostly no system turn, every fact asked twice, few untold.
    """
    world = make_world(rng, split, passages, facts_each, fillers)
    system, form = draw_system(rng)
    if dense and rng.random() < 0.7:
        system, form = None, plain
    unknown = rng.choice((0.0, 0.0, 0.15)) if dense else rng.choice((0.0, 0.2, 0.25, 0.4))
    asked = list(turns(rng, world, split, form, unknown, rounds=2))
    return to_chat(system, world.passages, asked, form)


def to_chat(
    system: str | None, passages: Sequence[Passage], asked: Sequence[Turn], form: Form = plain
) -> Chat:
    """Lay turns out as a conversation; the passages stand in the first question."""
    asked = [replace(t, learnt=i > 0 or announced(system, form)) for i, t in enumerate(asked)]
    chat = [Message("system", system)] if system is not None else []
    for i, turn in enumerate(asked):
        chat.append(Message("user", user_turn(passages if i == 0 else (), turn.question)))
        chat.append(Message("assistant", turn.answer))
    return chat, asked
