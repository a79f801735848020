"""The training loop: Muon + AdamW, warm-up / constant / linear decay, crash-safe checkpoints, exact resume.

The batch of a step is a function of (seed, step), so a checkpoint is weights, optimiser state and the step's number.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from recipes.nano.crew import Crew
from recipes.nano.data.meanings import Meanings
from recipes.nano.data.stream import ANSWER, CITING, CONTEXT, OPENING, REFUSING, Batch, Pointers
from recipes.nano.growing import grow
from recipes.nano.model import MEANING_WIDTH, Nano, Picks, Points, Shape, Words
from recipes.nano.muon import Muon

POINTS_EVERY = 20  # tokens of a row for each position that is told where to look
# What the log tells apart, since a mean over all tokens hid that citations were guessed: the share of first guesses that are right.
SKILLS = {"opening": OPENING, "citing": CITING, "refusing": REFUSING}
BatchMaker = Callable[[int, float], Batch]  # (step, progress in [0, 1]) → batch


@dataclass(frozen=True)
class Settings:
    """The dials of a run."""

    steps: int
    seed: int = 0
    lr: float = (
        0.006  # Muon's, on matrices; 0.02 learnt templates as fast but wiped the copying heads out (LOG.md)
    )
    lr_table: float = (
        0.0015  # AdamW's, on the embedding (which is the head) and the norms; 0.004 did the same
    )
    warmup: int = 40
    decay_from: float = 0.4  # share of the steps after which both rates fall linearly to 3 %
    picked: float = (
        0.25  # share of positions whose loss is computed: all answers first, then context at random
    )
    context_weight: float = 0.1  # weight of the mean context loss beside the mean answer loss
    deciding_weight: float = (
        3.0  # of an answer's deciding tokens beside its others, most of which are merely copied on
    )
    save_every: float = 120.0  # seconds between checkpoints


def rate(settings: Settings, step: int) -> float:
    """Return the factor on the learning rates at a step."""
    warm = min(1.0, (step + 1) / settings.warmup)
    left = (1 - step / settings.steps) / (1 - settings.decay_from)
    return warm * max(0.03, min(1.0, left))


def pick_positions(batch: Batch, settings: Settings, step: int) -> Picks:
    """Choose the positions that reach the output head; the answers' weights sum to 1.

    N is fixed by the batch's size, so that the compiled graph keeps one shape. Answers come first; what is left of N
    is filled with context positions drawn at random. Padding is never chosen unless nothing else is left, then with
    weight 0.
    """
    rng = np.random.default_rng((settings.seed, step))
    role, target = batch.role.ravel(), batch.target.ravel()
    n = int(role.size * settings.picked)
    order = rng.permutation(role.size)
    order = order[np.argsort(-role[order], kind="stable")][:n]
    chosen = role[order]
    context = chosen == CONTEXT
    answers = (chosen >= ANSWER) + (settings.deciding_weight - 1) * (chosen > ANSWER)
    weight = answers / max(1.0, answers.sum()) + settings.context_weight * context / max(1, context.sum())
    return Picks(
        torch.from_numpy(order), torch.from_numpy(target[order]), torch.from_numpy(weight.astype(np.float32))
    )


def point_positions(batch: Batch, pointers: Pointers, settings: Settings, step: int) -> Points:
    """Choose M positions to point from, M / B in each row, fixed by the batch's shape as N above."""
    rows, length = batch.ids.shape
    each = max(1, length // POINTS_EVERY)
    rng = random.Random(f"{settings.seed}:{step}:points")
    by_row: list[list[tuple[int, tuple[int, ...]]]] = [[] for _ in range(rows)]
    for point in pointers:
        by_row[point[0] // length].append(point)
    chosen = [rng.sample(mine, min(each, len(mine))) for mine in by_row]
    count = sum(map(len, chosen))
    query = np.arange(rows).repeat(each) * length
    keys, weight = np.full((rows * each, 3), -1, dtype=np.int64), np.zeros(rows * each, dtype=np.float32)
    keys[:, 0] = 0
    for row, mine in enumerate(chosen):
        for i, (at, places) in enumerate(mine, start=row * each):
            query[i], weight[i] = at, 1 / max(1, count)
            keys[i, : len(places)] = places
    return Points(torch.from_numpy(query), torch.from_numpy(keys), torch.from_numpy(weight))


def tell_meanings(batch: Batch, meanings: Meanings | None, settings: Settings, step: int) -> Words:
    """Choose the words of a batch whose meaning is told; without vectors, one position that tells nothing."""
    if meanings is None:
        return Words(torch.zeros(1, dtype=torch.long), torch.zeros(1, MEANING_WIDTH))
    positions, words = meanings.pick(batch.ids, f"{settings.seed}:{step}:words")
    return Words(
        torch.from_numpy(positions), torch.from_numpy(meanings.vectors[words] * (words >= 0)[:, None])
    )


def told(
    batch: Batch, settings: Settings, step: int, meanings: Meanings | None, device: str
) -> tuple[Tensor, Picks, Points, Points, Words]:
    """Return what the loss is computed from, on the device."""
    picks = Picks(*(t.to(device) for t in pick_positions(batch, settings, step)))
    points, headings = (
        Points(*(t.to(device) for t in point_positions(batch, pointers, settings, step)))
        for pointers in (batch.points, batch.headings)
    )
    words = Words(*(t.to(device) for t in tell_meanings(batch, meanings, settings, step)))
    return torch.from_numpy(batch.ids).to(device), picks, points, headings, words


class Tally:
    """What the steps since the last line of the log have come to."""

    def __init__(self) -> None:
        self.steps = self.tokens = 0
        self.sums = np.zeros(4)  # loss, cross-entropy of answers, pointing loss, cosine of meanings
        self.hits = {name: [0, 0] for name in SKILLS}  # right first guesses, all

    def add(
        self,
        batch: Batch,
        picks: Picks,
        loss: Tensor,
        each: Tensor,
        right: Tensor,
        pointing: Tensor,
        kinship: Tensor,
    ) -> None:
        """Count one step; `each` and `right` (N,) are of the picks."""
        self.steps += 1
        self.tokens += batch.ids.size
        roles = torch.from_numpy(batch.role.ravel().astype(np.int64))[picks.position.cpu()]
        answers = roles >= ANSWER
        self.sums += (
            loss.item(),
            each.cpu()[answers].mean().item() if answers.any() else 0.0,
            pointing.item(),
            kinship.item(),
        )
        for name, role in SKILLS.items():
            mine = right.cpu()[roles == role]
            self.hits[name][0] += int(mine.sum())
            self.hits[name][1] += mine.numel()

    def line(self, step: int, seconds: float) -> dict[str, float]:
        """Return the means, the share of right first guesses for each skill, and tokens a second.

        Of a crew's first process: `seconds` is the time divided by the number of processes.
        """
        row = {
            "step": float(step),
            **dict(zip(("loss", "answer", "pointing", "meaning"), self.sums / self.steps, strict=True)),
        }
        row |= {name: hits / max(1, of) for name, (hits, of) in self.hits.items()}
        return {k: round(float(v), 4) for k, v in (row | {"tok_s": self.tokens / seconds}).items()}


def optimisers(model: Nano, settings: Settings) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the blocks, AdamW for the embedding and the norms."""
    matrices = [p for p in model.blocks.parameters() if p.ndim == 2]
    norms = [p for p in model.parameters() if p.ndim == 1]
    adam = torch.optim.AdamW(
        [model.embed, *norms], lr=settings.lr_table, betas=(0.9, 0.95), weight_decay=0.0, fused=True
    )
    # Apart, so that a run can start from a checkpoint of before there were meanings.
    meaning = torch.optim.AdamW([model.meaning], lr=settings.lr_table, betas=(0.9, 0.95), weight_decay=0.0)
    return [Muon(matrices, lr=settings.lr), adam, meaning]


def advance(optims: list[torch.optim.Optimizer], factor: float) -> None:
    """Take one step at the base rates times a factor, and forget the gradients."""
    for optim in optims:
        for group in optim.param_groups:
            group["lr"] = group["base"] * factor
        optim.step()
        optim.zero_grad(set_to_none=True)


def save(path: Path, model: Nano, optims: list[torch.optim.Optimizer], settings: Settings, step: int) -> None:
    """Write a checkpoint so that a kill at any moment leaves the old or the new one whole."""
    scratch = path.with_suffix(".tmp")
    state = {
        "shape": model.shape.as_dict(),
        "settings": asdict(settings),
        "step": step,
        "model": model.state_dict(),
        "optims": [o.state_dict() for o in optims],
    }
    with scratch.open("wb") as f:
        torch.save(state, f)
        f.flush()
        os.fsync(f.fileno())
    scratch.replace(path)


def restore(path: Path, model: Nano, optims: list[torch.optim.Optimizer]) -> int:
    """Load a checkpoint into model and optimisers; return the next step."""
    state = torch.load(path, map_location=model.embed.device, weights_only=True)
    model.load_state_dict(model.state_dict() | state["model"])
    for optim, kept in zip(optims, state["optims"], strict=False):  # an older run has none for meanings
        optim.load_state_dict(kept)
    return int(state["step"])


def begin_from(path: Path, model: Nano, optims: list[torch.optim.Optimizer]) -> None:
    """Load the checkpoint of an earlier run; a smaller one is grown, and its optimisers' state is left behind."""
    smaller = load_model(path)
    if smaller.shape == model.shape:
        restore(path, model, optims)
    else:
        grow(smaller, model)


def load_model(path: Path) -> Nano:
    """Load a checkpoint's model alone, in fp32, for evaluation and export."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    shape = {k: float(v) if k == "rope_theta" else int(v) for k, v in state["shape"].items()}
    model = Nano(Shape(**shape))
    model.load_state_dict(model.state_dict() | state["model"])
    return model


def train(
    model: Nano,
    settings: Settings,
    make: BatchMaker,
    out: Path,
    *,
    device: str = "cpu",
    compiled: bool = True,
    start: Path | None = None,
    meanings: Meanings | None = None,
    crew: Crew = Crew(),  # noqa: B008  (frozen)
    log: Callable[[str], None] = print,
) -> int:
    """Train to `settings.steps`, resuming from `out/checkpoint.pt`; return the steps done.

    `start` is the checkpoint of an earlier run, whose weights and optimiser state a new run begins with, at step 0. `make`
    returns the rows of this process; the first of a crew writes log and checkpoints.
    """
    model.to(device).train()
    torch.set_flush_denormal(True)  # products of small attention weights were 5 times slower without (LOG.md)
    optims = optimisers(model, settings)
    path = out / "checkpoint.pt"
    step = 0
    if path.exists():
        step = restore(path, model, optims)
    elif start:
        begin_from(start, model, optims)
    for optim, base in zip(optims, (settings.lr, settings.lr_table, settings.lr_table), strict=True):
        for group in optim.param_groups:
            group["base"] = base
    loss_of = torch.compile(model.loss, dynamic=False) if compiled else model.loss
    stop: list[int] = []
    with contextlib.suppress(ValueError):  # only the main thread may set handlers
        signal.signal(signal.SIGTERM, lambda number, _: stop.append(number))
    saved = reported = time.monotonic()
    tally = Tally()
    stopping = False
    while step < settings.steps and not stopping:
        batch = make(step, step / settings.steps)
        given = told(batch, settings, step, meanings, device)
        with torch.autocast(device.partition(":")[0], torch.bfloat16):
            loss, each, right, pointing, kinship = loss_of(*given)
        loss.backward()
        stopping = crew.average(model, bool(stop))
        advance(optims, rate(settings, step))
        step += 1
        tally.add(batch, given[1], loss, each, right, pointing, kinship)
        now = time.monotonic()
        if crew.rank:
            continue
        if now - reported > 20 or step == settings.steps:
            line = tally.line(step, (now - reported) / crew.size)
            log(json.dumps(line | {"shape": list(batch.ids.shape)}))
            tally, reported = Tally(), time.monotonic()
        if now - saved > settings.save_every:
            save(path, model, optims, settings, step)
            saved = time.monotonic()
    if not crew.rank:
        save(path, model, optims, settings, step)
    return step
