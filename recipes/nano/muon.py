"""Muon (Jordan et al., 2024) for the weight matrices: momentum, then the update made orthogonal by Newton-Schulz.

In our pilots, as in the brief, it needs about half of AdamW's tokens. Matrices of one shape are stacked so that the
iteration is a few batched bf16 products. Everything else (embedding, norms) is trained by AdamW in `train.py`.
"""

from __future__ import annotations

import torch
from torch import Tensor

COEFFICIENTS = (
    3.4445,
    -4.7750,
    2.0315,
)  # the quintic of the Muon post: fastest slope at zero, converges to [0.7, 1.2]


def orthogonalise(g: Tensor, steps: int = 5) -> Tensor:
    """Replace the singular values of each matrix of `g` (N, rows, cols) by about 1; in bf16, returns bf16."""
    a, b, c = COEFFICIENTS
    x = g.bfloat16()
    tall = x.shape[-2] > x.shape[-1]
    if tall:
        x = x.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Momentum with Nesterov look-ahead, orthogonalised, scaled by sqrt(max(1, rows / cols))."""

    def __init__(
        self, params: list[Tensor], lr: float = 0.02, momentum: float = 0.95, decay: float = 0.01
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "decay": decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # noqa: ARG002
        """Update every matrix that has a gradient."""
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[Tensor]] = {}
            for p in group["params"]:
                if p.grad is not None:
                    by_shape.setdefault(p.shape, []).append(p)
            for shape, params in by_shape.items():
                pushes = []
                for p in params:
                    momentum = self.state[p].setdefault("momentum", torch.zeros_like(p))
                    momentum.lerp_(p.grad, 1 - group["momentum"])
                    pushes.append(p.grad.lerp(momentum, group["momentum"]))
                updates = orthogonalise(torch.stack(pushes)).to(params[0].dtype)
                scale = group["lr"] * max(1.0, shape[0] / shape[1]) ** 0.5
                for p, update in zip(params, updates, strict=True):
                    p.mul_(1 - group["lr"] * group["decay"]).add_(update, alpha=-scale)
