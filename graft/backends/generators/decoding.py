"""From logits to answers: one loop over any decoder that can prefill and step.

A `Decoder` turns a batch of prompts into the logits of the next token, then takes one token a row at a time. The loop
chooses tokens, stops each row at its own end and drops finished rows. Knows nothing of text or templates.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor


class Decoder(Protocol):
    """One batch being decoded; holds its own key-value cache."""

    def prefill(self, prompts: Sequence[Sequence[int]], room: int) -> Tensor:
        """Read the prompts and return the next-token logits [batch, vocabulary]; `room` is how many tokens will
        follow at most."""

    def step(self, tokens: Tensor) -> Tensor:
        """Append one token a row [batch] and return the next logits."""

    def keep(self, rows: Tensor) -> None:
        """Keep only these rows (indices into the present batch) from now on."""

    def back(self, count: int) -> None:
        """Forget the last `count` tokens of every row."""


class Held(Protocol):
    """What holds the answers of a batch to a format (`graft.backends.generators.constraints`). It is shown the `ahead` tokens
    that each would begin with if it were not held."""

    ahead: int

    def begin(self, free: Sequence[Sequence[int]]) -> None:
        """Look at those tokens."""

    def allowed(self, logits: Tensor, rows: Sequence[int]) -> Tensor:
        """Return the logits of these rows with minus infinity at what may not come next."""

    def take(self, row: int, token: int) -> None:
        """Go on behind a token."""


class Free:
    """Holds them to nothing."""

    ahead = 0

    def begin(self, free: Sequence[Sequence[int]]) -> None:
        """Do nothing."""

    def allowed(self, logits: Tensor, rows: Sequence[int]) -> Tensor:  # noqa: ARG002
        """Return them as they are."""
        return logits

    def take(self, row: int, token: int) -> None:
        """Do nothing."""


FREE = Free()


@dataclass(slots=True)
class Decoded:
    """What came out for one prompt: token ids without the stop token, how it ended, the sum of the tokens'
    log-probabilities (stop token included) over `scored` tokens, of which `forced` had no alternative, and seconds by
    stage."""

    tokens: list[int] = field(default_factory=list)
    finish: str = "length"
    logprob: float = 0.0
    scored: int = 0
    forced: int = 0
    prefill: float = 0.0
    decode: float = 0.0


def decode_batch(
    decoder: Decoder,
    prompts: Sequence[Sequence[int]],
    done: Sequence[Decoded],
    *,
    stop: frozenset[int],
    limits: Sequence[int],
    temperature: float,
    seed: int,
    held: Held = FREE,
) -> Iterator[list[tuple[int, int]]]:
    """Fill `done` (one Decoded a prompt), and yield after each step the (row, token) pairs that are text.

    `limits` are the most tokens each row may get. Log-probabilities are of what `held` allows. Sampling draws from a generator of the row's own, seeded by the seed
    and the prompt, so that an answer does not depend on its batch mates or its place. Timings are shares of the
    batch's: their sum is the wall time.
    """
    dice = [_dice(seed, prompt) for prompt in prompts] if temperature > 0 else []
    start = time.perf_counter()
    with torch.inference_mode():
        logits = decoder.prefill(prompts, max(limits))
        if held.ahead:
            held.begin(_look_ahead(decoder, logits, min(held.ahead, *limits)))
    total = sum(len(prompt) for prompt in prompts)
    for prompt, result in zip(prompts, done, strict=True):
        result.prefill = (time.perf_counter() - start) * len(prompt) / total
    live = list(range(len(prompts)))
    while live:
        start = time.perf_counter()
        with torch.inference_mode():
            possible = held.allowed(logits, live)
            chosen, logprobs = _choose(possible, temperature, [dice[row] for row in live] if dice else [])
        news, going = [], []
        for place, (row, token, logprob) in enumerate(
            zip(live, chosen.tolist(), logprobs.tolist(), strict=True)
        ):
            result = done[row]
            result.logprob += logprob
            result.scored += 1
            result.forced += held is not FREE and logprob == 0.0
            if token in stop:
                result.finish = "stop"
                continue
            result.tokens.append(token)
            news.append((row, token))
            held.take(row, token)
            if len(result.tokens) < limits[row]:
                going.append(place)
        if going:
            with torch.inference_mode():
                if len(going) < len(live):
                    rows = torch.tensor(going, device=chosen.device)
                    decoder.keep(rows)
                    chosen = chosen[rows]
                logits = decoder.step(chosen)
        share = (time.perf_counter() - start) / len(live)
        for row in live:
            done[row].decode += share
        live = [live[place] for place in going]
        yield news


def _look_ahead(decoder: Decoder, logits: Tensor, count: int) -> list[list[int]]:
    """Return the `count` tokens that each row would begin with, greedily; the decoder is left as it was."""
    made = [logits.argmax(-1)]
    while len(made) < count:
        made.append(decoder.step(made[-1]).argmax(-1))
    decoder.back(count - 1)
    return torch.stack(made, dim=1).tolist()


def _dice(seed: int, prompt: Sequence[int]) -> torch.Generator:
    digest = hashlib.sha256(f"{seed}:{list(prompt)}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


def _choose(logits: Tensor, temperature: float, dice: Sequence[torch.Generator]) -> tuple[Tensor, Tensor]:
    """Return the chosen token and its log-probability (at temperature 1) for each row."""
    logprobs = torch.log_softmax(logits.float(), dim=-1)
    if temperature <= 0:
        best = logprobs.max(dim=-1)
        return best.indices, best.values
    weights = torch.softmax(logits.float() / temperature, dim=-1).cpu()
    drawn = [torch.multinomial(row, 1, generator=die) for row, die in zip(weights, dice, strict=True)]
    chosen = torch.cat(drawn).to(logits.device)
    return chosen, logprobs.gather(-1, chosen[:, None])[:, 0]


class HFDecoder:
    """Any Hugging Face causal language model, through its own key-value cache; prompts padded on the left."""

    def __init__(self, model: Any, pad: int) -> None:
        self.model = model
        self.pad = pad
        self.cache: Any = None
        self.mask = torch.empty(0)

    def prefill(self, prompts: Sequence[Sequence[int]], room: int) -> Tensor:  # noqa: ARG002  (the cache grows)
        """Read the prompts; only the last position's logits are computed."""
        longest = max(map(len, prompts))
        ids = torch.tensor([[self.pad] * (longest - len(prompt)) + list(prompt) for prompt in prompts])
        mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
        self.mask = mask.to(self.model.device)
        self.cache = None
        return self._forward(ids.to(self.model.device), (self.mask.cumsum(-1) - 1).clamp(min=0))

    def step(self, tokens: Tensor) -> Tensor:
        """Append one token a row."""
        self.mask = torch.cat([self.mask, self.mask.new_ones(len(self.mask), 1)], dim=-1)
        return self._forward(tokens[:, None], self.mask.sum(-1, keepdim=True) - 1)

    def keep(self, rows: Tensor) -> None:
        """Keep only these rows."""
        self.mask = self.mask[rows]
        self.cache.batch_select_indices(rows)

    def back(self, count: int) -> None:
        """Forget the last tokens: they stay in the cache, where nothing sees them."""
        if count:
            self.mask[:, -count:] = 0

    def _forward(self, ids: Tensor, positions: Tensor) -> Tensor:
        out = self.model(
            input_ids=ids, attention_mask=self.mask, position_ids=positions, past_key_values=self.cache,
            use_cache=True, logits_to_keep=1,
        )  # fmt: skip
        self.cache = out.past_key_values
        logits: Tensor = out.logits[:, -1]
        return logits
