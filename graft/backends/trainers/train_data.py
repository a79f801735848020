"""Rows → token batches for training: nothing cut, nothing padded in vain, the loss on the answer alone.

Rows are padded on the right: causal attention never looks there, so no mask is needed and the attention kernel may skip
the upper half (a fifth of a training step). The model's head is computed from the first answer of the batch on.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from graft.backends.generators.chat import encode_row
from graft.errors import BackendError
from graft.types import TrainingRow

IGNORED = -100  # what cross entropy leaves out
# Batches are cut from this many batches' worth of shuffled rows sorted by length: enough to waste under 5 % on
# padding, and few enough that a batch is still a random draw.
WINDOW = 8
# oneDNN compiles and keeps a kernel for every new shape: with free lengths 40 steps took 1.40 GB, rounded
# up 1.04 GB, and the demo's tuning peaks at 2.8 GB instead of 4.3.
LENGTH_STEP = 64


@dataclass(frozen=True, slots=True)
class Encoded:
    """One row as tokens; the last `answer` of them carry the loss."""

    id: str
    tokens: tuple[int, ...]
    answer: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows padded on the right: `tokens` is [rows, the longest row rounded up to LENGTH_STEP]. `labels` covers only the last positions, from the first
    answer token of any row on; `read` counts the tokens that are not padding."""

    tokens: Tensor
    labels: Tensor
    read: int

    @property
    def answer_tokens(self) -> int:
        """How many tokens carry the loss."""
        return int((self.labels != IGNORED).sum())


def encode_rows(tokenizer: Any, rows: Sequence[TrainingRow], longest: int) -> tuple[list[Encoded], list[str]]:
    """Return the rows as tokens, and the ids of those longer than `longest`, which are refused: a cut answer would
    teach to stop in mid-sentence. Raises BackendError, naming the row, when a prompt is not a prefix of its row."""
    kept, refused = [], []
    for row in rows:
        try:
            tokens, opening = encode_row(tokenizer, row.prompt, row.answer)
        except BackendError as error:
            raise BackendError(f"Training row {row.id!r}: {error.message}", error.hint) from error
        if len(tokens) > longest:
            refused.append(row.id)
        else:
            kept.append(Encoded(row.id, tuple(tokens), len(tokens) - opening))
    return kept, refused


def collate(rows: Sequence[Encoded], pad: int) -> Batch:
    """Return the rows as one batch."""
    longest = -(-max(len(row.tokens) for row in rows) // LENGTH_STEP) * LENGTH_STEP
    first = min(len(row.tokens) - row.answer for row in rows)
    tokens = torch.full((len(rows), longest), pad)
    labels = torch.full((len(rows), longest), IGNORED)
    for number, row in enumerate(rows):
        end = len(row.tokens)
        tokens[number, :end] = torch.tensor(row.tokens)
        labels[number, end - row.answer : end] = tokens[number, end - row.answer : end]
    return Batch(tokens, labels[:, first:], sum(len(row.tokens) for row in rows))


def plan_steps(
    lengths: Sequence[int], *, epochs: int, batch_size: int, batch_tokens: int, seed: int, shares: int = 1
) -> list[list[list[int]]]:
    """Return the whole training as a list of optimiser steps, each a list of batches of row indices.

    A step holds `batch_size` rows (the last of an epoch fewer) of similar length; its batches hold at most
    `batch_tokens` tokens, padding included, and are what one forward pass sees. With several `shares` a step has at
    least as many batches, where it has the rows: a process each. The rows of a step depend on the other arguments only, so
    that a resumed run meets the same steps, with as many processes as it likes.
    """
    steps = []
    for epoch in range(epochs):
        rng = random.Random(f"{seed}:{epoch}")
        order = list(range(len(lengths)))
        rng.shuffle(order)
        drawn: list[list[int]] = []
        for start in range(0, len(order), batch_size * WINDOW):
            window = sorted(order[start : start + batch_size * WINDOW], key=lambda row: (lengths[row], row))
            drawn += [window[first : first + batch_size] for first in range(0, len(window), batch_size)]
        rng.shuffle(drawn)
        steps += [
            list(split_by_tokens(rows, lengths, batch_tokens, -(-len(rows) // shares))) for rows in drawn
        ]
    return steps


def split_by_tokens(
    rows: Sequence[int], lengths: Sequence[int], batch_tokens: int, most: int
) -> Iterator[list[int]]:
    """Yield the rows, in order, in batches of at most `most` rows and `batch_tokens` tokens with padding; a longer row
    stands alone."""
    batch: list[int] = []
    for row in rows:
        widest = max([lengths[row], *(lengths[other] for other in batch)])
        if batch and (len(batch) == most or widest * (len(batch) + 1) > batch_tokens):
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch
