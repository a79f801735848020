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
from recipes.nano.data import events
from recipes.nano.data.forms import UNKNOWN
from recipes.nano.data.questions import Chat, Turn, make_chat
from recipes.nano.data.tokenizer import END, PAD, SPECIALS

# What a position is to the loss: padding, a token to read, one to answer with; and, among those, the ones that decide:
# where a value opens, where a citation's number stands, where a refusal begins.
NOTHING, CONTEXT, ANSWER, OPENING, CITING, REFUSING = range(6)


NOWHERE = (
    0,
)  # where to look when the passages do not tell: at the row's first token, so that finding nothing is seen
Pointers = tuple[tuple[int, tuple[int, ...]], ...]


@dataclass(frozen=True)
class Batch:
    """`ids` (B, L) and `target` (B, L), the next token of each position; `role` (B, L) is what that token is.

    `points` are (flat position before an answer's value, citation or refusal, places in its row where the value stands in
    the passages, or `NOWHERE`); `headings` are (flat position of such a place, the place of its passage's number).
    """

    ids: np.ndarray
    target: np.ndarray
    role: np.ndarray
    points: Pointers = ()
    headings: Pointers = ()


@dataclass(frozen=True)
class Encoded:
    """Token ids of a chat cut at whole turns; each token's role in an answer (0: in none); pointers as in `Batch`."""

    ids: list[int]
    answer: list[int]
    points: Pointers = ()
    headings: Pointers = ()


@dataclass(frozen=True)
class Shown:
    """The turn that holds the passages: its text, the characters where its tokens begin, its first token's place."""

    text: str
    begins: list[int]
    offset: int

    def places(self, value: str, number: int) -> tuple[int, ...]:
        """Return where a value begins in the passage of that number: up to three places in the row."""
        begin = self.text.find(f"\n\n[{number}]")
        if begin < 0:
            return ()
        end = self.text.find(f"\n\n[{number + 1}]", begin)
        end = end if end > 0 else self.text.rfind("\n\n" + prompts.QUESTION_PREFIX)
        whole = re.compile(r"(?<!\w)" + re.escape(value.lower()) + r"(?!\w)")  # "5" is not in "1985"
        found = whole.finditer(self.text[begin:end].lower(), 4)  # behind the passage's own number
        spots = [bisect.bisect_right(self.begins, begin + m.start()) - 1 for m in found]
        return tuple(self.offset + spot for spot in spots[:3])

    def heading(self, number: int) -> int:
        """Return where the number of a passage stands in the row."""
        return self.offset + bisect.bisect_right(self.begins, self.text.find(f"\n\n[{number}]") + 3) - 1


def _opening(begins: Sequence[int], ids: Sequence[int], at: int, space: int) -> tuple[int, ...]:
    """Return which tokens of an answer to point from, 0 being its role token: the one that predicts the value at
    character `at`, and the one before it where that is a bare space (a capital or a digit follows)."""
    first = bisect.bisect_right(begins, at) - 1
    return (first - 1, first) if first and ids[first - 1] == space else (first,)


def encode_chat(
    tokenizer: Tokenizer, chat: Sequence[Message], limit: int, turns: Sequence[Turn] = ()
) -> Encoded | None:
    """Encode as the chat template does; drop whole question-answer pairs from the end until `limit` tokens hold it.

    An answer's tokens are its text and its end-of-turn. `turns` tell what the answers rest on, one an answer; none: no
    pointers. None when not even the first pair fits.
    """
    pad = {"assistant": " "}  # as the template does: see tokenizer.CHAT_TEMPLATE
    texts = tokenizer.encode_batch([pad.get(m.role, "") + m.content for m in chat], add_special_tokens=False)
    special = {name: i for i, name in enumerate(SPECIALS)}
    space = tokenizer.token_to_id("Ġ")
    ids: list[int] = []
    answer: list[int] = []
    points: list[tuple[int, tuple[int, ...]]] = []
    headings: list[tuple[int, tuple[int, ...]]] = []
    shown: Shown | None = None
    rest = iter(turns)
    keep = 0
    for message, text in zip(chat, texts, strict=True):
        begins = [begin for begin, _ in text.offsets]
        said = message.role == "assistant"
        if message.content.startswith(prompts.PASSAGES_HEADING):
            shown = Shown(message.content, begins, len(ids) + 1)
        turn = next(rest, None) if said else None
        mine = said and (turn is None or turn.learnt)
        roles = {}  # by place in the row
        if mine and shown and turn and turn.value is not None and turn.place is not None:
            at = f" {message.content}".lower().find(turn.value.lower())
            found = shown.places(turn.value, turn.place + 1) if at > 0 else ()
            if found:
                opening = _opening(begins, text.ids, at, space)
                points += [(len(ids) + i, found) for i in opening]
                roles |= dict.fromkeys((len(ids) + i + 1 for i in opening), OPENING)
                headings += [(place, (shown.heading(turn.place + 1),)) for place in found]
                number = re.compile(rf"(?<!\w){turn.place + 1}(?!\w)")
                cited = number.search(f" {message.content}", at + len(turn.value)) or number.search(
                    f" {message.content}", 0, at
                )
                if cited:  # the same place tells which passage it is
                    before = len(ids) + bisect.bisect_right(begins, cited.start()) - 1
                    points.append((before, found))
                    roles[before + 1] = CITING
        elif mine and turn and turn.value is None:
            at = f" {message.content}".find(UNKNOWN)
            opening = _opening(begins, text.ids, at, space) if at > 0 else ()
            points += [(len(ids) + i, NOWHERE) for i in opening]
            roles |= dict.fromkeys((len(ids) + i + 1 for i in opening), REFUSING)
        first = len(ids) + 1
        ids += [special[f"<|{message.role}|>"], *text.ids, special[END]]
        answer += [0] + [roles.get(first + i, ANSWER) if mine else 0 for i in range(len(text.ids) + 1)]
        if len(ids) > limit:
            break
        if said:
            keep = len(ids)
    if not keep:
        return None
    within = tuple(p for p in points if p[0] < keep)
    return Encoded(ids[:keep], answer[:keep], within, tuple(dict.fromkeys(headings)))


Source = Callable[
    [random.Random, int], Encoded | None
]  # (rng, row length in tokens) → a sample that fits, or None


def programmatic(tokenizer: Tokenizer, fillers: Sequence[str] = (), *, dense: bool = False) -> Source:
    """Worlds sized to the row: about half of it passages, the rest questions; `dense` as in `make_chat`."""

    def draw(rng: random.Random, length: int) -> Encoded | None:
        most = {256: 2, 512: 5, 1024: 7}.get(length, 10)
        passages = rng.randint(1, most)
        facts = max(1, round(length / 46 / passages * rng.uniform(0.6, 1.1)))
        chat, asked = make_chat(
            rng, "train", passages, facts, rng.sample(fillers, 12) if fillers else (), dense=dense
        )
        return encode_chat(tokenizer, chat, length + 1, asked)

    return draw


def told_events(tokenizer: Tokenizer, fillers: Sequence[str] = ()) -> Source:
    """Passages that tell events, sized as in `programmatic`."""

    def draw(rng: random.Random, length: int) -> Encoded | None:
        passages = rng.randint(1, {256: 2, 512: 5, 1024: 7}.get(length, 10))
        some = rng.sample(fillers, 12) if fillers else ()
        chat, asked = events.make_chat(rng, passages, length / 95 / passages, some)
        return encode_chat(tokenizer, chat, length + 1, asked) if asked else None

    return draw


def chats(tokenizer: Tokenizer, make: Callable[[random.Random, int], Chat]) -> Source:
    """Turn a maker of conversations into a source."""

    def draw(rng: random.Random, length: int) -> Encoded | None:
        chat, asked = make(rng, length)
        return encode_chat(tokenizer, chat, length + 1, asked) if len(chat) > 1 else None

    return draw


def language(tokenizer: Tokenizer, texts: Sequence[str]) -> Source:
    """Plain prose: a window of a document that fills the row."""

    def draw(rng: random.Random, length: int) -> Encoded | None:
        text = rng.choice(texts)
        start = rng.randrange(max(1, len(text) - length * 4))
        ids = tokenizer.encode(text[start : start + length * 6], add_special_tokens=False).ids[: length + 1]
        return Encoded(ids, [0] * len(ids)) if len(ids) > length // 2 else None

    return draw


def make_batch(
    seed: int, step: int, rows: int, length: int, mix: Sequence[tuple[float, Source]], first: int = 0
) -> Batch:
    """Draw `rows` samples for one step from the weighted sources: those of its rows from number `first` on.

    A row filled under 85 % is drawn again, eleven times at most.
    """
    ids = np.full((rows, length), SPECIALS.index(PAD), dtype=np.int64)
    role = np.zeros((rows, length), dtype=np.int8)
    target = np.zeros((rows, length), dtype=np.int64)
    points: list[tuple[int, tuple[int, ...]]] = []
    headings: list[tuple[int, tuple[int, ...]]] = []
    for row in range(rows):
        rng = random.Random(f"{seed}:{step}:{first + row}")
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
        role[row, :n] = np.maximum(best.answer[1:], CONTEXT)
        points += [(row * length + at, places) for at, places in best.points if at < n]
        headings += [(row * length + at, places) for at, places in best.headings]
    return Batch(ids, target, role, tuple(points), tuple(headings))
