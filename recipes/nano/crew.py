"""Processes that train one network together: each reads its own rows of a step, and their gradients are averaged.

torchrun, or whoever starts them, says who is who in RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT; without these there is one.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import distributed, nn

PATIENCE = timedelta(minutes=30)  # a process whose core others use, or that compiles, is late, not dead


@dataclass(frozen=True)
class Crew:
    """Who this process is among how many."""

    rank: int = 0
    size: int = 1

    @contextlib.contextmanager
    def first_alone(self) -> Iterator[None]:
        """The first does what stands here before the others do it, which find the files that it has left."""
        if self.size > 1 and self.rank:
            distributed.barrier()
        yield
        if self.size > 1 and not self.rank:
            distributed.barrier()

    def average(self, model: nn.Module, stop: bool) -> bool:
        """Put the mean of all processes' gradients into `model`'s; return whether one of them wants to stop."""
        if self.size == 1:
            return stop
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        wish = torch.full((1,), float(stop), device=grads[0].device)
        flat = torch.cat([*(g.ravel() for g in grads), wish])
        distributed.all_reduce(flat)
        flat /= self.size
        for grad, mean in zip(grads, flat[:-1].split([g.numel() for g in grads]), strict=True):
            grad.copy_(mean.view_as(grad))
        return bool(flat[-1] > 0)


def join(device: str) -> Crew:
    """Meet the other processes, if there are any."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size > 1:
        distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo", timeout=PATIENCE)
    return Crew(int(os.environ.get("RANK", "0")), size)
