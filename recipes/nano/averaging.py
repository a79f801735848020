"""The mean of two checkpoints of one lineage, as a model: often better than both (model soups, Wortsman et al. 2022).

    python -m recipes.nano.averaging EARLIER/checkpoint.pt LATER/checkpoint.pt --share 0.75 --out runs/nano/model

The later one knows what it was trained on last, the earlier one has not forgotten what came before; between two ends of
one run after the other the loss has no ridge. Choose the share on the development family (`errors.py`), never on a test set.
"""

from __future__ import annotations

import argparse
from copy import deepcopy
from pathlib import Path

import torch

from recipes.nano import export, train
from recipes.nano.data import tokenizer
from recipes.nano.growing import grow
from recipes.nano.model import Nano


def average(earlier: Nano, later: Nano, share: float) -> Nano:
    """Return the earlier network moved by `share` of the way to the later one, into which it may have grown. ValueError for
    shapes between which nothing grows."""
    if earlier.shape != later.shape:
        earlier = _grown(earlier, later)
    with torch.no_grad():
        for one, other in zip(earlier.parameters(), later.parameters(), strict=True):
            one.lerp_(other, share)
    return earlier


@torch.no_grad()
def _grown(earlier: Nano, later: Nano) -> Nano:
    """Return the earlier network in the later one's shape: what was added is the later one's, with an output of zero."""
    large = deepcopy(later)
    for block in large.blocks:
        block.o_proj.weight.zero_()
        block.down_proj.weight.zero_()
    grow(earlier, large)
    return large


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("earlier", type=Path)
    parser.add_argument("later", type=Path, help="its tokenizer.json lies beside it")
    parser.add_argument("--share", type=float, default=0.75, help="of the later one")
    parser.add_argument("--out", type=Path, required=True, help="the folder of the model")
    args = parser.parse_args()
    made = average(train.load_model(args.earlier), train.load_model(args.later), args.share)
    export.export(made, tokenizer.load(args.later.with_name("tokenizer.json")), args.out)


if __name__ == "__main__":
    main()
