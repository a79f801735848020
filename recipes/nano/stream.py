"""Training batches as a pure function of (seed, step): resuming needs no state but the step's number.

A row holds one sample and nothing else: a sample is grown (turns added, passages sized) until the row is nearly full,
so there is no packing, no mask and no cross-contamination, and about 5 % padding. All rows of a batch have one length.
"""

from __future__ import annotations

import bisect
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer

from graft.generation import prompts
from graft.types import Message
from recipes.nano.questions import make_chat
from recipes.nano.tokenizer import END, PAD, SPECIALS

CITED = re.compile(r"(.+?) \[(\d+)\]", re.DOTALL)
ANSWER, CONTEXT, NOTHING = (
    2,
    1,
    0,
)  # what a position is to the loss: a token to answer with, one to read, padding


@dataclass(frozen=True)
class Batch:
    """`ids` (B, L) and `target` (B, L), the next token of each position; `role` (B, L) is what that token is.

    `points` are (flat position before an answer, places in its row where the answer's value stands in the passages).
    """

    ids: np.ndarray
    target: np.ndarray
    role: np.ndarray
    points: tuple[tuple[int, tuple[int, ...]], ...] = ()


@dataclass(frozen=True)
class Encoded:
    """Token ids of a chat cut at whole turns; for each token whether it belongs to an answer; pointers as in `Batch`."""

    ids: list[int]
    answer: list[bool]
    points: tuple[tuple[int, tuple[int, ...]], ...] = ()


@dataclass(frozen=True)
class Shown:
    """The turn that holds the passages: its text, the characters where its tokens begin, its first token's place."""

    text: str
    begins: list[int]
    offset: int

    def places(self, answer: str) -> tuple[int, ...]:
        """Return where the value of a cited answer begins in the passage it cites: up to three places in the row."""
        match = CITED.fullmatch(answer)
        begin = self.text.find(f"\n\n[{match[2]}]") if match else -1
        if begin < 0:
            return ()
        end = self.text.find(f"\n\n[{int(match[2]) + 1}]", begin)
        end = end if end > 0 else self.text.rfind("\n\n" + prompts.QUESTION_PREFIX)
        passage, value = self.text[begin:end].lower(), match[1].lower()
        spots: list[int] = []
        at = passage.find(value, 4)  # behind the passage's own number
        while at >= 0 and len(spots) < 3:
            spots.append(self.offset + bisect.bisect_right(self.begins, begin + at) - 1)
            at = passage.find(value, at + 1)
        return tuple(spots)


def encode_chat(tokenizer: Tokenizer, chat: Sequence[Message], limit: int) -> Encoded | None:
    """Encode as the chat template does; drop whole question-answer pairs from the end until `limit` tokens hold it.

    An answer's tokens are its text and its end-of-turn. None when not even the first pair fits.
    """
    pad = {"assistant": " "}  # as the template does: see tokenizer.CHAT_TEMPLATE
    texts = tokenizer.encode_batch([pad.get(m.role, "") + m.content for m in chat], add_special_tokens=False)
    special = {name: i for i, name in enumerate(SPECIALS)}
    ids: list[int] = []
    answer: list[bool] = []
    points: list[tuple[int, tuple[int, ...]]] = []
    shown: Shown | None = None
    keep = 0
    for message, text in zip(chat, texts, strict=True):
        if message.content.startswith(prompts.PASSAGES_HEADING):
            shown = Shown(message.content, [begin for begin, _ in text.offsets], len(ids) + 1)
        found = shown.places(message.content) if shown and message.role == "assistant" else ()
        if found:
            points.append((len(ids), found))
        ids += [special[f"<|{message.role}|>"], *text.ids, special[END]]
        mine = message.role == "assistant"
        answer += [False] + [mine] * (len(text.ids) + 1)
        if len(ids) > limit:
            break
        if mine:
            keep = len(ids)
    if not keep:
        return None
    return Encoded(ids[:keep], answer[:keep], tuple(p for p in points if p[0] < keep))


Source = Callable[
    [random.Random, int], Encoded | None
]  # (rng, row length in tokens) → a sample that fits, or None


def programmatic(tokenizer: Tokenizer, fillers: Sequence[str] = (), *, dense: bool = False) -> Source:
    """Worlds sized to the row: about half of it passages, the rest questions; `dense` as in `make_chat`."""

    def draw(rng: random.Random, length: int) -> Encoded | None:
        most = {256: 2, 512: 5, 1024: 7}.get(length, 10)
        passages = rng.randint(1, most)
        facts = max(1, round(length / 40 / passages * rng.uniform(0.6, 1.1)))
        chat, _ = make_chat(
            rng, "train", passages, facts, rng.sample(fillers, 12) if fillers else (), dense=dense
        )
        return encode_chat(tokenizer, chat, length + 1)

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
    points: list[tuple[int, tuple[int, ...]]] = []
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
        points += [(row * length + at, places) for at, places in best.points if at < n]
    return Batch(ids, target, role, tuple(points))
