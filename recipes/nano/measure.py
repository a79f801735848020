"""Questions to measure a reader on: public dev and test sets, and programmatic documents in held-out wordings.

Nothing here is ever trained on. Each maker yields `Case`s; `evaluate.py` asks them of a generator and scores.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from graft.generation import prompts
from graft.types import Context, Message, Passage
from recipes.nano.data import corpora
from recipes.nano.data.documents import World, make_world
from recipes.nano.data.forms import plain
from recipes.nano.data.questions import Turn, turns
from recipes.nano.data.relations import Split

LONGEST = 2000  # characters shown of a clapnq passage: one has 23,000, of which some take a token each
WINDOW = 900  # characters of a paper shown for a covid-qa question, the answer at a random place inside


@dataclass(frozen=True)
class Case:
    """A prompt with its accepted answers; none means that the passages do not tell. `place` is the gold passage's
    number, counted from 1, when there are several to choose from."""

    prompt: tuple[Message, ...]
    golds: tuple[str, ...]
    place: int | None = None


def _case(
    question: str, passages: Sequence[tuple[str, str]], golds: Iterable[str], place: int | None = None
) -> Case:
    shown = Context(tuple(Passage(title, 0, len(text), text, title) for title, text in passages))
    return Case(tuple(prompts.build(question, shown)), tuple(golds), place)


def drawn(
    count: int, *, passages: int = 5, known: bool = True, seed: int = 20261121, split: Split = "test"
) -> Iterator[tuple[Case, Turn, World]]:
    """One question each about `count` fresh worlds, gold at any place; with what it rests on."""
    made = 0
    for trial in range(count * 4):
        rng = random.Random(f"measure:{seed}:{trial}")
        world = make_world(rng, split, passages, 4)
        asked = [
            t
            for t in turns(rng, world, split, plain, 0.0 if known else 1.0)
            if (t.value is not None) == known
        ]
        if not asked:
            continue
        turn = asked[0]
        shown = Context(
            tuple(Passage(p.title, 0, len(p.text), p.text, p.title, p.headings) for p in world.passages)
        )
        place = None if turn.place is None or passages == 1 else turn.place + 1
        golds = (turn.value,) if turn.value else ()
        yield Case(tuple(prompts.build(turn.question, shown)), golds, place), turn, world
        made += 1
        if made == count:
            return


def programmatic(
    count: int, *, passages: int = 5, known: bool = True, seed: int = 20261121, split: Split = "test"
) -> Iterator[Case]:
    """Questions about `count` fresh worlds in wordings that training never saw."""
    for case, _, _ in drawn(count, passages=passages, known=known, seed=seed, split=split):
        yield case


def gold_passage(data: Path, name: str, file: str, count: int) -> list[Case]:
    """Questions with the one passage that answers them (squad-xquad, nq-oracle)."""
    corpus = {row["id"]: row for row in corpora.rows(data / name / "corpus.jsonl.gz")}
    found = []
    for row in corpora.rows(data / name / file):
        source = corpus[row["relevant"][0]]
        found.append(_case(row["question"], [(source["title"], source["text"])], row["answers"]))
    return _spread(found, count)


def covid(data: Path, count: int) -> list[Case]:
    """Questions with a window of the paper round the answer."""
    corpus = {row["id"]: row for row in corpora.rows(data / "covid-qa" / "corpus.jsonl.gz")}
    found = []
    for row in corpora.rows(data / "covid-qa" / "queries-dev.jsonl.gz"):
        paper = corpus[row["relevant"][0]]
        shift = random.Random(row["id"]).uniform(0.1, 0.8)
        text = corpora.window(
            paper["text"], row["answer_start"], max(WINDOW, 2 * len(row["answers"][0])), shift
        )
        found.append(_case(row["question"], [(paper["title"], text)], row["answers"]))
    return _spread(found, count)


def refusable(data: Path, name: str, *, known: bool, distractors: int = 0) -> list[Case]:
    """Dev questions of clapnq or squad2 with the passages that the set shows, plus random others of the set."""
    corpus = {row["id"]: row for row in corpora.rows(data / name / "corpus.jsonl.gz")}
    found = []
    for row in corpora.rows(data / name / "queries-dev.jsonl.gz"):
        if row["answerable"] != known:
            continue
        rng = random.Random(row["id"])
        ids = list(row["context_ids"])
        ids += [d for d in rng.sample(sorted(corpus), distractors) if d not in ids]
        rng.shuffle(ids)
        place = ids.index(row["context_ids"][0]) + 1 if len(row["context_ids"]) == 1 < len(ids) else None
        found.append(
            _case(
                row["question"],
                [(corpus[d]["title"], corpus[d]["text"][:LONGEST]) for d in ids],
                row["answers"],
                place,
            )
        )
    return found


def _spread(cases: list[Case], count: int) -> list[Case]:
    """Take `count` cases at even steps, so that no document dominates."""
    return [cases[i * len(cases) // count] for i in range(count)] if len(cases) > count else cases


def suites(data: Path | None, count: int) -> dict[str, list[Case]]:
    """All sets by name; public ones only when their folder is there."""
    found = {
        "programmatic, 1 passage": list(programmatic(count, passages=1)),
        "programmatic, 5 passages": list(programmatic(count)),
        "programmatic, 5 passages, untold": list(programmatic(count, known=False)),
        "the same, wordings as in training": list(programmatic(count, split="train")),
        "the same, as in training, untold": list(programmatic(count, split="train", known=False)),
    }
    if data and (data / "squad-xquad").exists():
        found |= {
            "squad-xquad (en)": gold_passage(data, "squad-xquad", "queries.jsonl.gz", count),
            "nq-oracle dev": gold_passage(data, "nq-oracle", "queries-dev.jsonl.gz", count),
            "covid-qa dev": covid(data, count),
            "clapnq dev": refusable(data, "clapnq", known=True),
            "clapnq dev, untold": refusable(data, "clapnq", known=False),
            "squad2 dev": refusable(data, "squad2", known=True),
            "squad2 dev, untold": refusable(data, "squad2", known=False),
        }
    return found
