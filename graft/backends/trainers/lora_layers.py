"""LoRA for small models: the low-rank change is added to the weight, so each layer stays one matrix product.

y = x (W + s B A)ᵀ is LoRA's own formula without dropout; what differs from peft is the order of the work. peft runs three
thin products beside each layer, which on a small model and a CPU cost as much as the model: 2,500 tokens a second
with it, 4,700 without (6M parameters, one core, bf16). Adding the change first costs |W| · r multiplications a batch
and a copy of W, which is nothing here and too much for billions of weights: those go through peft.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


class LowRankLinear(nn.Module):
    """A frozen linear layer with a trainable low-rank change."""

    def __init__(self, layer: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        self.weight = layer.weight
        self.bias = layer.bias
        self.scale = alpha / rank
        # As in Hu et al. 2021 and peft: A random, B zero, so that training starts from the base model.
        self.down = nn.Parameter(torch.empty(rank, layer.in_features, device=layer.weight.device))
        self.up = nn.Parameter(torch.zeros(layer.out_features, rank, device=layer.weight.device))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        """Return x (W + s B A)ᵀ + b, in the type of the surrounding autocast, if any."""
        y: Tensor = _LowRank.apply(x, self.weight, self.down, self.up, self.scale)  # type: ignore[no-untyped-call]
        return y if self.bias is None else y + self.bias


class _LowRank(torch.autograd.Function):
    """Saves the changed weight for the way back, and never forms the gradient of W: with thin products for A and B it
    is a third less work than training W itself."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, down: Tensor, up: Tensor, scale: float) -> Tensor:
        device = x.device.type
        kind = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype
        with torch.autocast(device, enabled=False):
            changed = torch.addmm(weight.float(), up, down, alpha=scale).to(kind)
            narrow = x.to(kind)
            ctx.save_for_backward(narrow, changed, down, up)
            ctx.scale, ctx.wide = scale, x.dtype
            return narrow @ changed.T

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, Tensor, Tensor, None]:
        x, changed, down, up = ctx.saved_tensors
        grad = grad.to(x.dtype)
        flat, flat_x = grad.flatten(0, -2), x.flatten(0, -2)
        through_up = flat @ up.to(x.dtype)
        grad_down = (through_up.T @ flat_x).float() * ctx.scale
        grad_up = (flat.T @ (flat_x @ down.to(x.dtype).T)).float() * ctx.scale
        return (grad @ changed).to(ctx.wide), None, grad_down, grad_up, None


def insert(model: Any, *, rank: int, alpha: float, targets: Sequence[str] = ()) -> dict[str, LowRankLinear]:
    """Put a LowRankLinear in place of every linear layer of these names, of all but the head when there are none; freeze
    all else. Return them by path."""
    head = model.get_output_embeddings()
    model.requires_grad_(False)
    layers = {
        path: LowRankLinear(layer, rank, alpha)
        for path, layer in model.named_modules()
        if isinstance(layer, nn.Linear)
        and (path.rpartition(".")[2] in targets if targets else layer is not head)
    }
    for path, layer in layers.items():
        parent, _, name = path.rpartition(".")
        setattr(model.get_submodule(parent), name, layer)
    return layers
