"""The curriculum: which row lengths and which sources at which point of the run.

Short rows first: a reader learns to copy from 256-token rows before it is asked to search 1,000 tokens. Batches are
4,096 tokens while the loss falls fast (more Muon steps), 8,192 after.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from recipes.nano.data import corpora, quoting, reading, stream
from recipes.nano.data.questions import Chat
from recipes.nano.data.stream import Batch, Source


@dataclass(frozen=True)
class Stage:
    """Up to `until` (share of all steps): (weight, rows, length) of the batches and the weights of the sources."""

    until: float
    shapes: tuple[tuple[float, int, int], ...]
    mix: Mapping[str, float]


STAGES = (
    Stage(
        0.12,
        ((1.0, 16, 256),),
        {"dense": 0.55, "worlds": 0.22, "cloze": 0.13, "reading": 0.05, "language": 0.05},
    ),
    Stage(
        0.50,
        ((0.5, 16, 256), (0.5, 8, 512)),
        {
            "dense": 0.12,
            "worlds": 0.27,
            "events": 0.20,
            "cloze": 0.20,
            "reading": 0.15,
            "plain": 0.03,
            "language": 0.03,
        },
    ),
    Stage(
        1.00,
        ((0.12, 32, 256), (0.40, 16, 512), (0.44, 8, 1024), (0.04, 4, 2048)),
        {
            "worlds": 0.31,
            "events": 0.07,
            "cloze": 0.06,
            "reading": 0.47,
            "plain": 0.04,
            "quoting": 0.03,
            "language": 0.02,
        },
    ),
)


def sources(tokenizer: Tokenizer, data: Path | None) -> dict[str, Source]:
    """All sources by name; those that need public data are absent when the folder is."""
    fillers = corpora.sentences(data) if data else []
    found: dict[str, Source] = {
        "dense": stream.programmatic(tokenizer, fillers, dense=True),
        "worlds": stream.programmatic(tokenizer, fillers),
        "events": stream.told_events(tokenizer, fillers),
    }
    if data and corpora.prose(data):
        found["language"] = stream.language(tokenizer, corpora.prose(data))
    if data and corpora.readings(data):
        found |= _real_chats(tokenizer, data)
    return found


def _real_chats(tokenizer: Tokenizer, data: Path) -> dict[str, Source]:
    """The sources that read public text; a row of n tokens is asked to hold about 2.9 n characters (measured)."""
    pool, real, tasks = corpora.paragraphs(data), corpora.readings(data), corpora.instructions(data)
    alone = corpora.questions_alone(data)
    makers: dict[str, Callable[[random.Random, int], Chat]] = {
        "cloze": lambda rng, length: reading.cloze_chat(rng, pool, int(length * 2.9)),
        "reading": lambda rng, length: reading.reading_chat(rng, real, int(length * 2.9)),
        "quoting": lambda rng, length: quoting.quoting_chat(rng, pool, int(length * 2.45)),
        "plain": lambda rng, length: reading.plain_chat(rng, tasks, alone, int(length * 2.9)),
    }
    return {name: stream.chats(tokenizer, make) for name, make in makers.items()}


def batch_at(
    seed: int,
    step: int,
    progress: float,
    found: Mapping[str, Source],
    stages: tuple[Stage, ...] = STAGES,
    rank: int = 0,
) -> Batch:
    """Return the batch of a step, the rows of one process: a pure function of its arguments."""
    stage = next(s for s in stages if progress < s.until or s is stages[-1])
    rng = random.Random(f"{seed}:{step}")
    _, rows, length = rng.choices(stage.shapes, [w for w, _, _ in stage.shapes])[0]
    mix = [(w, found[name]) for name, w in stage.mix.items() if name in found]
    return stream.make_batch(seed, step, rows, length, mix, first=rank * rows)


def tokens_per_step(stages: tuple[Stage, ...] = STAGES) -> float:
    """Mean tokens of a step over the whole plan."""
    total, begin = 0.0, 0.0
    for stage in stages:
        weights = sum(w for w, _, _ in stage.shapes)
        total += (stage.until - begin) * sum(w * rows * length for w, rows, length in stage.shapes) / weights
        begin = stage.until
    return total
