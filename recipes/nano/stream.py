"""Training batches as a pure function of (seed, step): resuming needs no state but the step's number.

A row holds one sample and nothing else: a sample is grown (turns added, passages sized) until the row is nearly full,
so there is no packing, no mask and no cross-contamination, and about 5 % padding. All rows of a batch have one length.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer

from graft.types import Message

from recipes.nano.questions import make_chat
from recipes.nano.tokenizer import END, PAD, SPECIALS

ANSWER, CONTEXT, NOTHING = 2, 1, 0  # what a position is to the loss: a token to answer with, one to read, padding


@dataclass(frozen=True)
class Batch:
    """`ids` (B, L) and `target` (B, L), the next token of each position; `role` (B, L) is what that token is."""

    ids: np.ndarray
    target: np.ndarray
    role: np.ndarray


@dataclass(frozen=True)
class Encoded:
    """Token ids of a chat cut at whole turns, and for each token whether it belongs to an answer."""

    ids: list[int]
    answer: list[bool]


def encode_chat(tokenizer: Tokenizer, chat: Sequence[Message], limit: int) -> Encoded | None:
    """Encode as the chat template does; drop whole question-answer pairs from the end until `limit` tokens hold it.

    An answer's tokens are its text and its end-of-turn. None when not even the first pair fits.
    """
    texts = tokenizer.encode_batch([m.content for m in chat], add_special_tokens=False)
    special = {name: i for i, name in enumerate(SPECIALS)}
    ids: list[int] = []
    answer: list[bool] = []
    keep = 0
    for message, text in zip(chat, texts, strict=True):
        ids += [special[f"<|{message.role}|>"], *text.ids, special[END]]
        mine = message.role == "assistant"
        answer += [False] + [mine] * (len(text.ids) + 1)
        if len(ids) > limit:
            break
        if mine:
            keep = len(ids)
    return Encoded(ids[:keep], answer[:keep]) if keep else None


Source = Callable[[random.Random, int], Encoded | None]  # (rng, row length in tokens) → a sample that fits, or None


def programmatic(tokenizer: Tokenizer, fillers: Sequence[str] = (), *, dense: bool = False) -> Source:
    """Worlds sized to the row: about half of it passages, the rest questions; `dense` as in `make_chat`."""

    def draw(rng: random.Random, length: int) -> Encoded | None:
        most = {256: 2, 512: 5, 1024: 7}.get(length, 10)
        passages = rng.randint(1, most)
        facts = max(1, round(length / 40 / passages * rng.uniform(0.6, 1.1)))
        chat, _ = make_chat(rng, "train", passages, facts, rng.sample(fillers, 12) if fillers else (), dense=dense)
        return encode_chat(tokenizer, chat, length + 1)

    return draw


def recall(vocab: int) -> Source:
    """Strings of random tokens that come back: the shortest way to heads that copy ("induction heads").

    Half the samples repeat one string; half are pairs (key, value) whose keys are then asked for in another order.
    What can be known from the row counts as an answer.
    """

    def draw(rng: random.Random, length: int) -> Encoded | None:
        first = len(SPECIALS)
        ids: list[int] = []
        answer: list[bool] = []
        while len(ids) < length:
            if rng.random() < 0.5:
                piece = [rng.randrange(first, vocab) for _ in range(rng.randint(6, 40))]
                for time in range(rng.randint(2, 3)):
                    ids += piece
                    answer += [time > 0 and i > 0 for i in range(len(piece))]
                continue
            mark, stop = rng.randrange(first, vocab), rng.randrange(first, vocab)
            width, deep = rng.randint(1, 3), rng.randint(1, 5)
            pairs = [
                ([rng.randrange(first, vocab) for _ in range(width)], [rng.randrange(first, vocab) for _ in range(deep)])
                for _ in range(rng.randint(3, 10))
            ]
            for time in range(3):
                rng.shuffle(pairs)
                for key, value in pairs:
                    ids += [*key, mark, *value, stop]
                    answer += [False] * (width + 1) + [time > 0] * (deep + 1)
        return Encoded(ids[: length + 1], answer[: length + 1])

    return draw


def chats(tokenizer: Tokenizer, make: Callable[[random.Random, int], list[Message]]) -> Source:
    """Turn a maker of conversations into a source."""

    def draw(rng: random.Random, length: int) -> Encoded | None:
        chat = make(rng, length)
        return encode_chat(tokenizer, chat, length + 1) if len(chat) > 1 else None

    return draw


def language(tokenizer: Tokenizer, texts: Sequence[str]) -> Source:
    """Plain prose: a window of a document that fills the row."""

    def draw(rng: random.Random, length: int) -> Encoded | None:
        text = rng.choice(texts)
        start = rng.randrange(max(1, len(text) - length * 4))
        ids = tokenizer.encode(text[start : start + length * 6], add_special_tokens=False).ids[: length + 1]
        return Encoded(ids, [False] * len(ids)) if len(ids) > length // 2 else None

    return draw


def make_batch(seed: int, step: int, rows: int, length: int, mix: Sequence[tuple[float, Source]]) -> Batch:
    """Draw `rows` samples for one step from the weighted sources; a row filled under 70 % is drawn again, twice at most."""
    ids = np.full((rows, length), SPECIALS.index(PAD), dtype=np.int64)
    role = np.zeros((rows, length), dtype=np.int8)
    target = np.zeros((rows, length), dtype=np.int64)
    for row in range(rows):
        rng = random.Random(f"{seed}:{step}:{row}")
        best: Encoded | None = None
        for _ in range(12):
            sample = rng.choices([s for _, s in mix], [w for w, _ in mix])[0](rng, length)
            if sample and (best is None or len(sample.ids) > len(best.ids)):
                best = sample
            if best and len(best.ids) > 0.85 * length:
                break
        if best is None:
            continue
        n = len(best.ids) - 1
        ids[row, :n] = best.ids[:-1]
        target[row, :n] = best.ids[1:]
        role[row, :n] = np.where(best.answer[1:], ANSWER, CONTEXT)
    return Batch(ids, target, role)
