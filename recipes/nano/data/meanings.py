"""What words mean, told by the sentence encoder that GRAFT searches with: the loss that gives synonyms one direction.

Seventy million tokens do not teach a reader that a fee is charged or that who bred a dog is its breeder. The encoder
(all-MiniLM-L6-v2, Apache-2.0) knows, so the state at the last token of every common word, two blocks up, is trained to
tell that word's vector by one projection, which is thrown away afterwards. Names and numbers are not among the words.

Shapes: W words, E width of the vectors, M words picked in a batch.
"""

from __future__ import annotations

import random
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from graft.backends.encoders.embed_minilm import MiniLMEmbedder
from recipes.nano.data import corpora, events
from recipes.nano.data.questions import make_chat
from recipes.nano.data.tokenizer import SPECIALS
from recipes.nano.model import MEANING_WIDTH

WORD = re.compile(r"(?<![A-Za-z])[a-z]{2,}(?![A-Za-z])")  # lower case alone: a capital may begin a name
MOST = 24_000
EVERY = 16  # tokens of a row for each word that is told


@dataclass(frozen=True)
class Meanings:
    """`vectors` (W, E), centred, of length one; `place` of each word; `pieces`, the text of each token."""

    vectors: np.ndarray
    place: dict[str, int]
    pieces: tuple[str, ...]

    def pick(self, ids: np.ndarray, seed: str) -> tuple[np.ndarray, np.ndarray]:
        """Choose L / EVERY ends of words in each row of (B, L) ids; return flat positions and words, both (M,).

        A row with too few known words repeats them; one with none tells nothing: its words are -1.
        """
        rng = random.Random(seed)
        rows, length = ids.shape
        each = max(1, length // EVERY)
        positions, words = np.zeros(rows * each, dtype=np.int64), np.full(rows * each, -1, dtype=np.int64)
        for row in range(rows):
            found = list(self._ends(ids[row].tolist()))
            if found:
                some = rng.sample(found, each) if len(found) >= each else rng.choices(found, k=each)
                part = slice(row * each, (row + 1) * each)
                positions[part] = [row * length + at for at, _ in some]
                words[part] = [word for _, word in some]
        return positions, words

    def _ends(self, ids: list[int]) -> Iterator[tuple[int, int]]:
        """Yield (place of the last token, word) of each known word of a row."""
        pieces = [self.pieces[i] for i in ids]
        ends = list(accumulate(map(len, pieces)))
        for match in WORD.finditer("".join(pieces)):
            word = self.place.get(match.group())
            if word is not None:
                yield bisect_right(ends, match.end() - 1), word


def common_words(data: Path | None, seed: int = 0) -> list[str]:
    """The words of the programmatic documents and of the public texts, the most frequent ones first."""

    def texts() -> Iterable[str]:
        for sample in range(6000):
            rng = random.Random(f"words{seed}:{sample}")
            chat, _ = make_chat(rng, "train", 3, 4) if sample % 2 else events.make_chat(rng, 2, 2, ())
            yield from (message.content for message in chat)
        if data:
            yield from corpora.prose(data)
            yield from (passage for _, passage in corpora.paragraphs(data))

    counts = Counter(word for text in texts() for word in WORD.findall(text))
    return [word for word, times in counts.most_common(MOST) if times > 2]


def load(path: Path, words: Tokenizer, data: Path | None) -> Meanings:
    """Read the vectors from a file, made by the encoder when it is missing (a minute)."""
    if not path.exists():
        common = common_words(data)
        raw = MiniLMEmbedder().encode(common)
        raw = raw - raw.mean(0)
        _, axes = np.linalg.eigh(raw.T @ raw)
        vectors = raw @ axes[:, ::-1][:, :MEANING_WIDTH]  # the principal components
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-6)
        np.savez(path, words=np.array(common), vectors=vectors.astype(np.float16))
    held = np.load(path)
    # Each of the tokenizer's characters stands for one byte; what is not ASCII can be in no word, nor can a turn's mark.
    pieces = [
        "\n" if i < len(SPECIALS) else words.id_to_token(i).replace("Ġ", " ")
        for i in range(words.get_vocab_size())
    ]
    place = {str(word): i for i, word in enumerate(held["words"])}
    return Meanings(held["vectors"].astype(np.float32), place, tuple(pieces))
