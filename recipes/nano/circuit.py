"""Start with heads that copy: the weights of an "induction" circuit are written in before training.

From a random start the network sat on the same loss for two million tokens, guessing values by their type, before
any head copied (LOG.md). The circuit that it has to find is known (Olsson et al. 2022): a head of one layer
moves each token's predecessor onto it; a head of the next looks for the places whose predecessor is the current token
and copies what stands there. Here both are written down with random projections, and training is free to change them.

Rotary positions make a previous-token head possible without position embeddings: if query and key are constant
vectors, their score depends on distance alone. The constant comes from one channel of the embedding that is the same
for every token; in a tied head such a channel adds the same amount to every logit, so it costs nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor

from recipes.nano.model import Nano

CONSTANT = 0  # the channel of the embedding that is alike for all tokens


def plant_copying(model: Nano, seed: int = 0, table_std: float = 0.02) -> None:
    """Write previous-token heads (distances 1 to 3) into layer 0 and matching, copying heads into layer 1."""
    g = torch.Generator().manual_seed(seed)
    shape = model.shape
    d, k, heads = shape.hidden, shape.head_dim, shape.heads
    with torch.no_grad():
        model.embed[:, CONSTANT] = (
            table_std * d**0.5
        )  # half of the energy; the norm then makes it sqrt(d / 2)
        level = (d / 2) ** 0.5
        angle = shape.rope_theta ** (-torch.arange(0, k, 2).float() / k)  # (k/2,), radians a position
        basis = torch.linalg.qr(torch.randn(d - 1, d - 1, generator=g))[
            0
        ]  # orthonormal rows off the constant channel
        read = torch.zeros(d, d)
        read[: d - 1, 1:] = basis
        first, second = model.blocks[0], model.blocks[1]
        for head in range(min(3, heads - 1)):
            rows = slice(head * k, (head + 1) * k)
            _look_back(first, rows, head + 1, angle, level)
            first.v_proj.weight[rows] = read[:k]
            first.o_proj.weight[:, rows] = read[(head + 1) * k : (head + 1) * k + k].T * table_std
        slow = torch.arange(k // 4, k // 2)
        slow = torch.cat((slow, slow + k // 2))  # channels whose rotation is slow: they match at any distance
        for head in range(heads):
            rows = slice(head * k, (head + 1) * k)
            second.q_proj.weight[rows] = _keep(read[:k], slow) * 2.5
            second.k_proj.weight[rows] = _keep(read[k : 2 * k], slow) * 2.5
            own = read[head * k : (head + 1) * k]
            second.v_proj.weight[rows] = own
            second.o_proj.weight[:, rows] = own.T * table_std * 6
        for block in (first, second):
            _wake(block, g)


def _wake(block: torch.nn.Module, g: torch.Generator) -> None:
    """Give a query to the channels that the circuit leaves alone; their keys stay zero, so nothing changes yet.

    A channel that is zero in query and key alike gets no gradient in either: 144 and 128 of the 256 channels of these two
    layers were still zero after 280 M tokens.
    """
    asked, told = block.q_proj.weight, block.k_proj.weight
    asleep = (asked.norm(dim=1) == 0) & (told.norm(dim=1) == 0)
    fresh = torch.randn(int(asleep.sum()), asked.shape[1], generator=g)
    asked[asleep] = fresh / fresh.norm(dim=1, keepdim=True)


def _look_back(
    block: torch.nn.Module, rows: slice, distance: int, angle: Tensor, level: float, sharp: float = 7.0
) -> None:
    """Make a head attend `distance` tokens back: fast channels only, key turned by that distance."""
    half = angle.numel()
    fast = torch.arange(half // 4)
    q, key = torch.zeros(2 * half), torch.zeros(2 * half)
    q[fast] = sharp / level
    turn = angle[fast] * distance
    key[fast], key[fast + half] = turn.cos() * sharp / level, turn.sin() * sharp / level
    block.q_proj.weight[rows] = 0
    block.k_proj.weight[rows] = 0
    block.q_proj.weight[rows, CONSTANT] = q
    block.k_proj.weight[rows, CONSTANT] = key


def _keep(matrix: Tensor, channels: Tensor) -> Tensor:
    """Zero all rows but some."""
    kept = torch.zeros_like(matrix)
    kept[channels] = matrix[channels]
    return kept
