"""A trained network carried into a larger one that computes the same at first (Net2Net, Chen et al., 2016).

What is added starts with an output of zero, as every block of a new network does (`Nano.reset`): hidden units whose column in
`down_proj` is zero, blocks whose `o_proj` and `down_proj` are zero. Such blocks come behind the one that finds a passage's
number: the three that point to answers stay the last, and read what the new ones add.
"""

from __future__ import annotations

import torch

from recipes.nano.model import HEADING_LAYER, Nano


@torch.no_grad()
def grow(small: Nano, large: Nano) -> None:
    """Copy `small` into `large`, a newly initialised network with as many or more hidden units and blocks.

    ValueError where they differ in what cannot be added without changing what is computed.
    """
    for name in ("vocab", "hidden", "heads", "context", "rope_theta"):
        if getattr(small.shape, name) != getattr(large.shape, name):
            was, now = getattr(small.shape, name), getattr(large.shape, name)
            raise ValueError(f"a network cannot grow from {name} {was} to {now}: only ffn and layers can")
    if small.shape.ffn > large.shape.ffn or small.shape.layers > large.shape.layers:
        raise ValueError(f"{small.shape} does not fit into {large.shape}")
    more = large.shape.layers - small.shape.layers
    places = [i if i <= HEADING_LAYER else i + more for i in range(small.shape.layers)]
    pairs = [(small.embed, large.embed), (small.norm, large.norm), (small.meaning, large.meaning)]
    for block, place in zip(small.blocks, places, strict=True):
        pairs += zip(block.parameters(), large.blocks[place].parameters(), strict=True)
    for kept, into in pairs:
        into[tuple(slice(size) for size in kept.shape)] = kept
