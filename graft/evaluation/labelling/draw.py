"""Which answers people should label: a random sample, stratified, whose probabilities are known.

Every variant gets the same number. Within a variant the cells are question stratum × what the automatic metric says
(right, wrong, declined), so that each is seen and rare ones are not missed. Knows ids and cells; no texts, no scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from graft.evaluation.labelling.labels import Draw, Item
from graft.types import content_hash

LEAST = 2  # labels of a cell, where it holds so many: one says nothing about the spread


@dataclass(frozen=True, slots=True)
class Candidate:
    """An answer that can be labelled; `stratum` of its question, `outcome` as the automatic metric sees it."""

    id: str
    question: str
    variant: str
    stratum: str = ""
    outcome: str = ""


def draw(candidates: Sequence[Candidate], n: int, seed: int) -> Draw:
    """Draw `n` answers (or all when there are fewer), evenly over the variants.

    Within a variant each cell gets its share, at least two. Where `n` is too small for that, cells are merged: first over
    the strata, then altogether. Which answers of a cell are drawn, and the order of labelling, come from hashes of their
    ids and the seed: a larger `n` on the same answers keeps what was drawn before, as far as the shares allow, and an
    interrupted session has labelled a random part.
    """
    by_variant: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        by_variant.setdefault(candidate.variant, []).append(candidate)
    shares = _even(n, {variant: len(found) for variant, found in by_variant.items()})
    items: list[Item] = []
    sizes: dict[str, int] = {}
    for variant, found in by_variant.items():
        for cell, held, many in _cells(variant, found, shares[variant]):
            sizes[cell] = len(held)
            chosen = sorted(held, key=lambda one: content_hash("draw", str(seed), one.id))[:many]
            items += [Item(one.id, one.question, variant, cell, many / len(held)) for one in chosen]
    items.sort(key=lambda item: content_hash("order", str(seed), item.id))
    made = Draw("", seed, tuple(items), sizes)
    return replace(made, id=content_hash("draw", repr(made)))


def _cells(variant: str, found: Sequence[Candidate], n: int) -> list[tuple[str, list[Candidate], int]]:
    """Return the cells of one variant with their members and how many are drawn: the finest that `n` can serve."""
    for parts in (("stratum", "outcome"), ("outcome",), ()):
        cells: dict[str, list[Candidate]] = {}
        for one in found:
            name = " / ".join([variant, *(getattr(one, part) or "–" for part in parts)])
            cells.setdefault(name, []).append(one)
        least = {cell: min(LEAST, len(held)) for cell, held in cells.items()}
        if sum(least.values()) <= n or not parts:
            break
    many = _proportional(n, {cell: len(held) for cell, held in cells.items()}, least)
    return [(cell, held, many[cell]) for cell, held in cells.items() if many[cell]]


def _even(n: int, sizes: Mapping[str, int]) -> dict[str, int]:
    """Share `n` out evenly, no more than there is to each."""
    shares = dict.fromkeys(sizes, 0)
    left = min(n, sum(sizes.values()))
    while left:
        open_ones = [name for name in sizes if shares[name] < sizes[name]]
        for name in open_ones[:left]:
            shares[name] += 1
        left -= min(left, len(open_ones))
    return shares


def _proportional(n: int, sizes: Mapping[str, int], least: Mapping[str, int]) -> dict[str, int]:
    """Share `n` out in proportion to the sizes, by largest remainders, from `least` up to the sizes."""
    total = sum(sizes.values())
    shares = {name: min(least[name], n) for name in sizes}
    for _ in range(max(0, min(n, total) - sum(shares.values()))):
        wanting = [name for name in sizes if shares[name] < sizes[name]]
        name = max(wanting, key=lambda one: n * sizes[one] / total - shares[one])
        shares[name] += 1
    return shares
