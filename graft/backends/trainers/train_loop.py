"""The training loop: steps, dev loss, early stopping, checkpoints from which a killed run goes on exactly.

A plain loop rather than a trainer class: on the CPU it is as fast as Hugging Face's Trainer (2,029 against 2,051 tokens
a second with LoRA on a 10M model) and shows what happens. `accelerate` places it on a GPU or on several processes.
Everything random is a function of (seed, step), so a checkpoint needs no random state. Knows nothing of adapters: it
trains the parameters that require a gradient.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from graft.backends.trainers.checkpoints import CHECKPOINT, save_checkpoint
from graft.backends.trainers.train_data import IGNORED, Batch
from graft.errors import BackendError
from graft.protocols import Progress

CHECKPOINT_SECONDS = 30.0
# Of the time at most: all weights of a 7B and their moments are 80 GB, minutes of a disk's time.
CHECKPOINT_SHARE = 0.02
ADAM_BETAS = (0.9, 0.999)
MAX_GRADIENT_NORM = 1.0
FINAL_RATE = 0.1  # the cosine ends at a tenth of the peak, so that the last epoch still learns
MIN_GAIN = 1e-3  # nats a token: a smaller fall of the dev loss is no reason to go on


@dataclass(slots=True)
class Progressed:
    """How far training is: what a checkpoint holds beside the weights, and what is reported at the end.

    `curve` has one (step, train loss since the last point, dev loss) a measurement, in nats a token, and `accuracy` one
    (step, share of the dev answers' tokens that were the likeliest). `bad` counts the last measurements that improved
    neither; `since` holds the summed loss and answer tokens since the last one.
    """

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    curve: list[tuple[int, float | None, float | None]] = field(default_factory=list)
    accuracy: list[tuple[int, float]] = field(default_factory=list)
    best_step: int = 0
    best_accuracy: float = -1.0
    lowest_loss: float = math.inf
    bad: int = 0
    since: list[float] = field(default_factory=lambda: [0.0, 0.0])
    stopped: str = ""


@dataclass(frozen=True, slots=True)
class Loop:
    """All that the loop needs. `steps` lists, for each optimiser step, its batches; `bf16` runs the network in bf16
    with fp32 weights; `max_seconds` 0 means no limit."""

    model: Any
    steps: Sequence[Sequence[Callable[[], Batch]]]
    dev: Sequence[Callable[[], Batch]]
    folder: Path
    seed: int
    learning_rate: float
    warmup_steps: int
    weight_decay: float
    eval_every: int
    patience: int
    max_seconds: float
    bf16: bool
    device: str
    progress: Progress


def answer_loss(model: Any, batch: Batch) -> tuple[Tensor, int]:
    """Return the summed cross entropy (nats) over the answer tokens of the batch, and how many of them were likeliest."""
    window = batch.labels.shape[1]
    logits = model(input_ids=batch.tokens, use_cache=False, logits_to_keep=window + 1).logits
    # The logits at a position predict the next token: one earlier than the labels. A model that does not know
    # `logits_to_keep` returns all positions; those wanted are the last in either case.
    predicted = logits[:, -(window + 1) : -1].float()
    loss = functional.cross_entropy(
        predicted.flatten(0, 1), batch.labels.flatten(), ignore_index=IGNORED, reduction="sum"
    )
    return loss, int((predicted.argmax(-1) == batch.labels).sum())


def run(loop: Loop) -> Progressed:
    """Train, leave the best weights in the model, and return how it went. Goes on from the folder's checkpoint."""
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=loop.device == "cpu")
    trained = {name: weight for name, weight in loop.model.named_parameters() if weight.requires_grad}
    optimizer = torch.optim.AdamW(
        trained.values(), lr=loop.learning_rate, betas=ADAM_BETAS, weight_decay=loop.weight_decay
    )
    model, optimizer = accelerator.prepare(loop.model, optimizer)
    state, best = _resume(loop, trained, optimizer)
    started, saved, cost = time.perf_counter() - state.seconds, time.perf_counter(), 0.0
    if state.step == 0 and not state.curve and loop.dev:
        _measure(loop, accelerator, model, state, trained, best)
    while state.step < len(loop.steps) and not state.stopped:
        _one_step(loop, accelerator, model, optimizer, state)
        state.seconds = _agreed(accelerator, time.perf_counter() - started)
        if accelerator.is_main_process:
            loop.progress("train", state.step, len(loop.steps))
        if state.step % loop.eval_every == 0 or state.step == len(loop.steps):
            _measure(loop, accelerator, model, state, trained, best)
        if loop.max_seconds and state.seconds > loop.max_seconds and state.step < len(loop.steps):
            state.stopped = (
                state.stopped or f"max_minutes reached after step {state.step} of {len(loop.steps)}"
            )
        if accelerator.is_main_process and checkpoint_due(time.perf_counter() - saved, cost):
            began = time.perf_counter()
            _save(loop.folder, state, trained, optimizer, best)
            saved = time.perf_counter()
            cost = saved - began
    accelerator.wait_for_everyone()
    if best:
        _restore(trained, best)
    else:
        state.best_step = state.step
    return state


def processes() -> int:
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_main_process() -> bool:
    """Whether this process writes the results: the first of those that `accelerate launch` or torchrun started."""
    return os.environ.get("RANK", "0") == "0"


def _one_step(loop: Loop, accelerator: Any, model: Any, optimizer: Any, state: Progressed) -> None:
    """One optimiser step: the mean over all answer tokens of the step, whatever its batches and processes."""
    model.train()
    for group in optimizer.param_groups:
        group["lr"] = rate_at(state.step, len(loop.steps), loop.learning_rate, loop.warmup_steps)
    torch.manual_seed(loop.seed * 1_000_003 + state.step * 1009 + accelerator.process_index)  # dropout
    batches = [make() for make in loop.steps[state.step]]
    answers = sum(batch.answer_tokens for batch in batches)
    world = accelerator.num_processes
    mine = [(batch, 1.0) for batch in batches[accelerator.process_index :: world]]
    # Each process must run backward equally often; one with nothing left repeats a batch with weight zero.
    mine += [(batches[0], 0.0)] * (math.ceil(len(batches) / world) - len(mine))
    total = 0.0
    for batch, weight in mine:
        with _precision(loop):
            loss, _right = answer_loss(model, _to(batch, loop.device))
        accelerator.backward(loss * (weight * world / answers))
        total += loss.item() * weight
    accelerator.clip_grad_norm_(model.parameters(), MAX_GRADIENT_NORM)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    total = world * _agreed(accelerator, total)
    if not math.isfinite(total):
        raise BackendError(f"The training loss is no longer a number at step {state.step + 1}.",
                           "Lower learning_rate in [tuning.trainer].")  # fmt: skip
    state.step += 1
    state.tokens += sum(batch.read for batch in batches)
    state.since[0] += total
    state.since[1] += answers


def _measure(
    loop: Loop,
    accelerator: Any,
    model: Any,
    state: Progressed,
    trained: dict[str, Any],
    best: dict[str, Tensor],
) -> None:
    """Add a point to the curve; keep the weights when no earlier ones have a dev accuracy higher by a standard error; stop
    when neither accuracy nor loss has improved for a while.

    Not the weights of the lowest loss: tuning overfits it within an epoch while answers still get better (Ouyang et al.
    2022, section 3.5). On the demo, closed book, the lowest loss (step 115 of 235) held the format in 67 % of the
    answers, the last weights in 95 %. Nor those that are ahead by chance: with passages, step 23 of 184 was one point
    ahead and held it in 79 %, the last ones in 97 %.
    """
    train = state.since[0] / state.since[1] if state.since[1] else None
    state.since = [0.0, 0.0]
    if not loop.dev:
        state.curve.append((state.step, train, None))
        return
    # Every process measures all of dev; one that saw another last bit would stop alone, and the others wait for ever.
    *figures, tokens = measure_dev(loop, model)
    loss, accuracy = (_agreed(accelerator, figure) for figure in figures)
    state.curve.append((state.step, train, loss))
    state.accuracy.append((state.step, accuracy))
    better = accuracy > state.best_accuracy or loss < state.lowest_loss - MIN_GAIN
    state.bad = 0 if better else state.bad + 1
    state.lowest_loss = min(loss, state.lowest_loss)
    state.best_accuracy = max(accuracy, state.best_accuracy)
    error = math.sqrt(state.best_accuracy * (1 - state.best_accuracy) / tokens)
    if accuracy >= state.best_accuracy - error:
        state.best_step = state.step
        best.clear()
        # In main memory: with `full` a GPU would have to hold all weights once more.
        best.update({name: weight.detach().to("cpu", copy=True) for name, weight in trained.items()})
    if state.bad >= loop.patience and state.step < len(loop.steps):
        state.stopped = f"the dev rows had not improved for {state.bad} measurements at step {state.step}"


def _agreed(accelerator: Any, value: float) -> float:
    """Return the mean of the value over the processes, so that all of them decide alike."""
    if accelerator.num_processes == 1:
        return value
    return float(accelerator.reduce(torch.tensor(value, device=accelerator.device), reduction="mean").item())


def measure_dev(loop: Loop, model: Any) -> tuple[float, float, int]:
    """Return the mean cross entropy over the dev rows' answer tokens, in nats, the share of them that was likeliest, and
    how many they are."""
    for module in model.modules():
        # Not `model.eval()`: on a CPU with AVX512_BF16, bitsandbytes 0.50 repacks a 4-bit layer at its first evaluation
        # for a kernel without a gradient, and the rest of the training would silently be wrong.
        module.training = hasattr(getattr(module, "weight", None), "quant_state")
    total, right, answers = 0.0, 0, 0
    with torch.inference_mode(), _precision(loop):
        for make in loop.dev:
            batch = make()
            loss, hits = answer_loss(model, _to(batch, loop.device))
            total, right, answers = total + loss.item(), right + hits, answers + batch.answer_tokens
    return total / answers, right / answers, answers


def rate_at(step: int, steps: int, peak: float, warmup: int) -> float:
    """Return the learning rate of a step (from 0): linear warm-up, then a cosine down to a tenth of the peak."""
    if step < warmup:
        return peak * (step + 1) / (warmup + 1)
    done = (step - warmup) / max(1, steps - warmup)
    return peak * (FINAL_RATE + (1 - FINAL_RATE) * 0.5 * (1 + math.cos(math.pi * done)))


def forward_backward(loop: Loop, batch: Batch) -> None:
    """One pass whose gradients are thrown away: for timing."""
    with _precision(loop):
        loss, _right = answer_loss(loop.model, _to(batch, loop.device))
    loss.backward()  # type: ignore[no-untyped-call]
    loop.model.zero_grad(set_to_none=True)


def _precision(loop: Loop) -> Any:
    return torch.autocast(loop.device.split(":")[0], dtype=torch.bfloat16, enabled=loop.bf16)


def _to(batch: Batch, device: str) -> Batch:
    return batch if device == "cpu" else Batch(batch.tokens.to(device), batch.labels.to(device), batch.read)


# --- checkpoints ---------------------------------------------------------------------------------------------------


def checkpoint_due(since: float, cost: float) -> bool:
    """Whether to save again, `since` seconds after a checkpoint that took `cost` seconds to write."""
    return since > max(CHECKPOINT_SECONDS, cost / CHECKPOINT_SHARE)


def _save(
    folder: Path, state: Progressed, trained: dict[str, Any], optimizer: Any, best: dict[str, Tensor]
) -> None:
    content = {
        "state": asdict(state),
        "trained": {name: weight.detach() for name, weight in trained.items()},
        "optimizer": optimizer.state_dict(),
        "best": best,
    }
    save_checkpoint(folder, content)


def _resume(loop: Loop, trained: dict[str, Any], optimizer: Any) -> tuple[Progressed, dict[str, Tensor]]:
    """Return the state of the folder's checkpoint, its weights and optimiser put back; a new state without one."""
    path = loop.folder / CHECKPOINT
    if not path.is_file():
        return Progressed(), {}
    content = torch.load(path, map_location="cpu", weights_only=True)  # the optimiser moves what it needs
    _restore(trained, content["trained"])
    optimizer.load_state_dict(content["optimizer"])
    state = Progressed(**content["state"])
    state.curve = [tuple(point) for point in state.curve]  # type: ignore[misc]
    state.accuracy = [tuple(point) for point in state.accuracy]  # type: ignore[misc]
    return state, content["best"]


def _restore(trained: dict[str, Any], weights: dict[str, Tensor]) -> None:
    with torch.no_grad():
        for name, weight in trained.items():
            weight.copy_(weights[name])
