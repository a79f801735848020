"""Causal attention for training on a CPU: scores in bf16 products, kept for the backward pass.

PyTorch's flash kernel for the CPU is slow going back: on a core with AMX 51 ms of a layer's 60 at 32 rows of 256
tokens, four heads of 64. Plain batched products, a few heads at a time so that their scores stay in the second-level
cache, take half of it (LOG.md). The operators are opaque, so that the compiler leaves them alone; on a GPU the network
uses PyTorch's own.

Shapes: N heads of all rows, L tokens a row, K head width.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

BLOCK = 256  # queries at a time: they skip the keys behind their block
HEADS = 16  # heads at a time: 2 MB of scores at BLOCK keys


def _blocks(heads: int, length: int) -> Iterator[tuple[slice, int, int]]:
    """Yield the heads and the queries, [begin, end), of each piece of work; the last queries of some heads first."""
    for first in range(0, heads, HEADS):
        for begin in reversed(range(0, length, BLOCK)):
            yield slice(first, first + HEADS), begin, min(length, begin + BLOCK)


@torch.library.custom_op("nano::attend", mutates_args=())
def attend(q: Tensor, k: Tensor, v: Tensor) -> list[Tensor]:
    """Return the attended values (N, L, K), then the attention weights of each block; inputs contiguous, `q` scaled."""
    out, kept = torch.empty_like(q), []
    width = min(BLOCK, q.shape[1])
    ahead = torch.full((width, width), float("-inf"), dtype=q.dtype, device=q.device).triu(1)
    for heads, begin, end in _blocks(*q.shape[:2]):
        theirs = k[heads, :end].transpose(1, 2)
        if begin:
            scores = torch.bmm(q[heads, begin:end], theirs)
            scores[..., begin:] += ahead[: end - begin, : end - begin]
        else:
            scores = torch.baddbmm(ahead, q[heads, :end], theirs)
        share = scores.softmax(-1)
        out[heads, begin:end] = torch.bmm(share, v[heads, :end])
        kept.append(share)
    return [out, *kept]


@attend.register_fake
def _(q: Tensor, k: Tensor, v: Tensor) -> list[Tensor]:  # noqa: ARG001  (the operator's signature)
    some = [(len(range(*h.indices(q.shape[0]))), e - b, e) for h, b, e in _blocks(*q.shape[:2])]
    return [torch.empty_like(q), *(q.new_empty(shape) for shape in some)]


@torch.library.custom_op("nano::attend_back", mutates_args=())
def attend_back(grad: Tensor, q: Tensor, k: Tensor, v: Tensor, kept: list[Tensor]) -> list[Tensor]:
    """Return the gradients of queries, keys and values (N, L, K)."""
    into_q, into_k, into_v = (torch.empty_like(q) for _ in range(3))
    length = q.shape[1]
    grad = grad.contiguous()
    for (heads, begin, end), share in zip(_blocks(*q.shape[:2]), kept, strict=True):
        g = grad[heads, begin:end]
        into_share = torch.bmm(g, v[heads, :end].transpose(1, 2))
        into_scores = torch._softmax_backward_data(into_share, share, -1, share.dtype)  # noqa: SLF001  (one pass instead of four)
        into_q[heads, begin:end] = torch.bmm(into_scores, k[heads, :end])
        to_k = torch.bmm(into_scores.transpose(1, 2), q[heads, begin:end])
        to_v = torch.bmm(share.transpose(1, 2), g)
        if end == length:  # the last block reaches every key: it starts the sums
            into_k[heads], into_v[heads] = to_k, to_v
        else:
            into_k[heads, :end] += to_k
            into_v[heads, :end] += to_v
    return [into_q, into_k, into_v]


@attend_back.register_fake
def _(grad: Tensor, q: Tensor, k: Tensor, v: Tensor, kept: list[Tensor]) -> list[Tensor]:  # noqa: ARG001
    return [torch.empty_like(q), torch.empty_like(k), torch.empty_like(v)]


def _keep(ctx: torch.autograd.function.FunctionCtx, inputs: tuple[Tensor, ...], output: list[Tensor]) -> None:
    ctx.save_for_backward(*inputs, *output[1:])


def _back(ctx: torch.autograd.function.FunctionCtx, grads: list[Tensor | None]) -> tuple[Tensor, ...]:
    q, k, v, *kept = ctx.saved_tensors  # type: ignore[attr-defined]
    return tuple(attend_back(grads[0], q, k, v, kept))


attend.register_autograd(_back, setup_context=_keep)
