"""Chats over real text: the public reading questions, cloze questions, and requests without passages."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from graft.generation import prompts
from recipes.nano.data.cloze import SENTENCE_END, clozes
from recipes.nano.data.corpora import Reading
from recipes.nano.data.documents import Passage
from recipes.nano.data.forms import Form, Reply, draw_system, plain
from recipes.nano.data.questions import Chat, Turn, to_chat
from recipes.nano.data.relations import Relation

Titled = tuple[str, str]  # (title, text)
SPAN = Relation("", "", ("{v}",), ())
LONGEST = 300  # characters of a sentence that is given as an answer
UNTOLD_KEPT = (
    0.5  # of the written questions that their passage does not answer, a third of all: users ask fewer
)


def _passage(rng: random.Random, titled: Titled) -> Passage:
    title, text = titled
    return Passage(title if rng.random() < 0.85 else "", (), text)


def _place(
    rng: random.Random, gold: Sequence[Titled], others: Sequence[Titled]
) -> tuple[list[Passage], list[int]]:
    """Shuffle gold passages among the others; return all, and where each gold one went."""
    order = list(range(len(gold) + len(others)))
    rng.shuffle(order)
    everything = [*gold, *others]
    return [_passage(rng, everything[i]) for i in order], [order.index(g) for g in range(len(gold))]


def _turn(question: str, value: str | None, place: int | None, form: Form, text: str = "") -> Turn:
    """A turn whose answer is a span of the text: as a full sentence, the one sentence of the text that holds it."""
    relation = SPAN
    holding = [s for s in SENTENCE_END.split(text) if value and value in s]
    if value and len(holding) == 1 and len(holding[0]) <= LONGEST:
        relation = Relation("", "", (holding[0].strip().replace(value, "{v}", 1),), ())
    return Turn(question, form(Reply(relation, "", value, place)), value, place)


def cloze_chat(rng: random.Random, pool: Sequence[Titled], budget: int) -> Chat:
    """Cloze questions over neighbouring paragraphs of the pool; `budget` is in characters.

    Neighbours in the pool often come from one document, so a question of a paragraph that was left out is a hard
    unanswerable one.
    """
    start = rng.randrange(len(pool) - 12)
    near = rng.random() < 0.6
    pick = [pool[start + i] if near else rng.choice(pool) for i in range(10)]
    shown: list[Titled] = [pick[0]]
    for titled in pick[1:8]:
        if sum(len(t[1]) for t in shown) + len(titled[1]) < budget * 0.66 and titled not in shown:
            shown.append(titled)
    if rng.random() < 0.3:
        shown = shown[:1]
    passages, places = _place(rng, shown, [])
    return _ask_about(rng, shown, passages, places, [t for t in pick if t not in shown], budget)


def _ask_about(
    rng: random.Random,
    shown: Sequence[Titled],
    passages: Sequence[Passage],
    places: Sequence[int],
    hidden: Sequence[Titled],
    budget: int,
) -> Chat:
    system, form = draw_system(rng, unstyled=0.72)
    asked: list[Turn] = []
    for (title, text), place in zip(shown, places, strict=True):
        made = clozes(rng, text, max(2, budget // 90 // len(shown)), title)
        asked += [_turn(c.question, c.answer, place, form, text) for c in made]
    told = " ".join(text for _, text in shown)
    unknown = rng.choice((0.0, 0.15, 0.25)) if hidden else 0.0
    for _ in range(round(len(asked) * unknown)):
        away = rng.choice(hidden)
        made = clozes(rng, away[1], 1, away[0])
        asked += [_turn(c.question, None, None, form) for c in made if c.answer not in told]
    rng.shuffle(asked)
    return to_chat(system, passages, asked, form)


def reading_chat(rng: random.Random, pool: Sequence[Reading], budget: int) -> Chat:
    """Real questions over their passages among distractors; in one chat of three some have no passage that tells."""
    gold = rng.sample(pool, rng.randint(1, max(1, min(4, budget // 1400))))
    chosen = [(r.title, r.text) for r in gold]
    asked_of = list(gold)
    if rng.random() < 0.35:  # a neighbour, often of the same document, is asked about and not shown
        ghost = pool[(pool.index(gold[0]) + rng.choice((-1, 1))) % len(pool)]
        asked_of += [ghost] if ghost not in gold else []
    room = budget * 0.62 - sum(len(t) for _, t in chosen)
    others: list[Titled] = []
    while room > 350 and len(others) < 7:
        extra = rng.choice(pool)
        text = extra.text[: max(350, int(room))]
        if extra not in asked_of:
            others.append((extra.title, text))
            room -= len(text)
    passages, places = _place(rng, chosen, others if rng.random() < 0.85 else [])
    where = dict(zip(chosen, places, strict=True))
    system, form = draw_system(rng, unstyled=0.72)
    asked: list[Turn] = []
    for r in asked_of:
        place = where.get((r.title, r.text))
        mine = [pair for pair in r.asked if pair[1] is not None or rng.random() < UNTOLD_KEPT]
        own = rng.sample(mine, min(len(mine), 12 if place is not None else 3))
        made = clozes(rng, r.text, 12 - len(own), r.title) if place is not None and len(own) < 12 else []
        extra_turns = [(c.question, c.answer) for c in made]
        for question, answer in [*own, *extra_turns]:
            told = place is not None and answer is not None
            asked.append(_turn(question, answer if told else None, place if told else None, form, r.text))
    rng.shuffle(asked)
    return to_chat(system, passages, asked, form)


def plain_chat(
    rng: random.Random, tasks: Sequence[Sequence[tuple[str, str]]], alone: Sequence[str], budget: int
) -> Chat:
    """Turns without passages: requests of one task, which hold all that is needed, and questions about the world,
    which are declined; `budget` is in characters."""
    system, form = draw_system(rng, unstyled=0.7)
    task = rng.choice(tasks)
    requests = (
        rng.sample(task, min(len(task), 24)) if form is plain else []
    )  # a request asks for its own form
    asked: list[Turn] = []
    while budget > 0:
        if requests and rng.random() < 0.5:
            request, answer = requests.pop()
            asked.append(Turn(request, answer, answer, None))
        else:
            asked.append(_turn(rng.choice(alone), None, None, form))
        budget -= len(asked[-1].question) + len(asked[-1].answer) + 25
    chat, learnt = to_chat(system, (), asked, form)
    if rng.random() < 0.2:  # as asked by who knows nothing of this product's prompts
        bare = prompts.QUESTION_PREFIX
        chat = [replace(m, content=m.content.removeprefix(bare)) if m.role == "user" else m for m in chat]
    return chat, learnt
