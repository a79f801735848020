"""How likely a local model finds given texts: teacher forcing, in batches, summed over tokens and counted in bytes.

Log-probabilities of different vocabularies compare only per byte of the text that they write, so every row is checked to
decode to its text, and what a vocabulary cannot write is null instead of a figure for something else. Knows models and
tokens; nothing of what the texts are for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from graft.backends.generators import chat
from graft.errors import BackendError
from graft.protocols import Likelihood
from graft.types import Message

# Logits of a batch are held whole: 2^26 of them are 256 MB in fp32, 16 rows of 1,000 tokens of a 4,096-token vocabulary.
_LOGITS = 1 << 26

UNWRITABLE = "the model's vocabulary cannot write this text as it stands"


@dataclass(frozen=True, slots=True)
class Window:
    """A piece that the model reads at once: the last `scored` of `ids` are scored, the others are what goes before."""

    ids: tuple[int, ...]
    scored: int


@dataclass(frozen=True, slots=True)
class Encoded:
    """A row as windows, and what they stand for; `null_reason` instead where they would not."""

    windows: tuple[Window, ...] = ()
    bytes: int = 0
    null_reason: str = ""


def encode_reply(tokenizer: Any, prompt: Sequence[Message], text: str, context: int) -> Encoded:
    """Encode a text as the reply to a prompt. White space that the template puts around it is scored with it, for it
    belongs to how this model writes the reply; the end-of-turn token is not."""
    try:
        ids, opening = chat.encode_row(tokenizer, prompt, text)
    except BackendError as error:  # the template does not continue the prompt, or does not close the turn
        return Encoded(null_reason=error.message)
    ids = ids[:-1]
    if len(ids) > context:
        return Encoded(null_reason=f"prompt and text have {len(ids)} tokens, the model reads {context}")
    if chat.decode(tokenizer, ids[opening:]).strip() != text.strip():
        return Encoded(null_reason=UNWRITABLE)
    return Encoded((Window(tuple(ids), len(ids) - opening),), len(text.encode()))


def encode_text(tokenizer: Any, text: str, context: int) -> Encoded:
    """Encode a text by itself, behind the token that begins or ends texts, in windows of the model's length.

    Each token is scored once. A further window overlaps the one before it by half, so that no token is read with less
    than half of the model's length before it.
    """
    ids = tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
    start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    if start is None:
        return Encoded(null_reason="the model has no token that begins a text")
    if chat.decode(tokenizer, ids).strip() != text.strip():
        return Encoded(null_reason=UNWRITABLE)
    whole = [int(start), *ids]
    windows, scored = [], 1  # what begins the text is given
    while scored < len(whole):
        first = max(0, scored - context // 2) if scored > 1 else 0
        piece = whole[first : first + context]
        windows.append(Window(tuple(piece), first + len(piece) - scored))
        scored = first + len(piece)
    return Encoded(tuple(windows), len(text.encode()))


def log_likelihoods(model: Any, pad: int, rows: Sequence[Encoded], *, batch_size: int, batch_tokens: int) -> list[Likelihood]:  # fmt: skip
    """Return the likelihood of each row, in order; the batches are of similar length."""
    windows = [(place, window) for place, row in enumerate(rows) for window in row.windows]
    windows.sort(key=lambda item: -len(item[1].ids))
    vocabulary = int(model.config.get_text_config().vocab_size)
    nats = [0.0] * len(rows)
    for batch in _batches(windows, batch_size, batch_tokens, vocabulary):
        found = _score(model, pad, [window for _, window in batch])
        for (place, _), value in zip(batch, found.tolist(), strict=True):
            nats[place] += value
    return [
        Likelihood(None, null_reason=row.null_reason)
        if row.null_reason
        else Likelihood(nats[place], sum(window.scored for window in row.windows), row.bytes)
        for place, row in enumerate(rows)
    ]


def _batches(
    windows: Sequence[tuple[int, Window]], batch_size: int, batch_tokens: int, vocabulary: int
) -> Iterator[list[tuple[int, Window]]]:
    """Yield batches within the limits, one window at least; the longest come first."""
    batch: list[tuple[int, Window]] = []
    kept = 0
    for item in windows:
        rows, widest = len(batch) + 1, max(kept, item[1].scored)
        width = len(batch[0][1].ids) if batch else 0
        if batch and (
            len(batch) == batch_size or width * rows > batch_tokens or rows * widest * vocabulary > _LOGITS
        ):
            yield batch
            batch, widest = [], item[1].scored
        batch.append(item)
        kept = widest
    if batch:
        yield batch


def _score(model: Any, pad: int, windows: Sequence[Window]) -> Tensor:
    """Return the sum of the scored tokens' log-probabilities of each window, [windows] in double precision."""
    longest = max(len(window.ids) for window in windows)
    kept = max(window.scored for window in windows)
    # Padded on the left, so that what is scored stands at the end of every row and only those logits are computed.
    ids = torch.tensor([[pad] * (longest - len(window.ids)) + list(window.ids) for window in windows])
    mask = torch.tensor([[0] * (longest - len(window.ids)) + [1] * len(window.ids) for window in windows])
    ids, mask = ids.to(model.device), mask.to(model.device)
    with torch.inference_mode():
        logits = model(
            input_ids=ids, attention_mask=mask, position_ids=(mask.cumsum(-1) - 1).clamp(min=0), use_cache=False,
            logits_to_keep=kept + 1,
        ).logits[:, -(kept + 1) : -1]  # fmt: skip
        wanted = ids[:, -kept:]
        given = logits.gather(-1, wanted[..., None])[..., 0].double()
        logprobs = given - torch.logsumexp(logits.float(), dim=-1).double()
        scored = torch.tensor([window.scored for window in windows], device=ids.device)
        places = torch.arange(kept, 0, -1, device=ids.device)
        return torch.where(places <= scored[:, None], logprobs, 0.0).sum(-1).cpu()
