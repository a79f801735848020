"""What fine-tuning an embedder and a reranker share: starting weights, the loop, its checkpoint, and how it is stored.

Everything random is a function of (seed, step), so that a killed run goes on exactly. Word embeddings stay frozen: half
of the weights of a small encoder, most of whose rows a few thousand pairs never touch. Knows nothing of losses.
"""

from __future__ import annotations

import json
import math
import random
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from graft.backends.devices import cpu_has_bf16
from graft.backends.encoders.embed_minilm import PACKAGE
from graft.backends.trainers.checkpoints import CHECKPOINT, save_checkpoint
from graft.errors import BackendError, ConfigError, MissingExtra
from graft.protocols import Progress
from graft.workspace import guard

CHECKPOINT_SECONDS = 30.0
WARMUP = 0.1
MAX_GRADIENT_NORM = 1.0
REPORT_EVERY = 10
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")


@dataclass(slots=True)
class State:
    """How far training is. `curve` has one [step, mean loss of the steps since the last point] every ten steps."""

    step: int = 0
    seconds: float = 0.0
    curve: list[list[float]] = field(default_factory=list)
    since: list[float] = field(default_factory=list)


def start_folder(path: str) -> Path:
    """Return the folder of the weights to start from: `path`, or the installed MiniLM. Raises ConfigError when it is
    not a BERT with safetensors weights."""
    if path:
        folder = Path(path).expanduser()
    else:
        spec = find_spec(PACKAGE)
        if spec is None or not spec.submodule_search_locations:
            raise MissingExtra("Fine-tuning a retriever", PACKAGE, "models")
        folder = Path(next(iter(spec.submodule_search_locations))) / "model"
    config = folder / "config.json"
    if not (folder / "model.safetensors").is_file() or not config.is_file():
        raise ConfigError(f"{folder} holds no model to start from.",
                          "Give a folder with config.json, tokenizer.json and model.safetensors.")  # fmt: skip
    kind = json.loads(config.read_text(encoding="utf-8")).get("model_type")
    if kind != "bert":
        raise ConfigError(
            f"{folder} is a {kind!r} model; only BERT encoders are fine-tuned.", "Start from MiniLM."
        )
    return folder


def batches(count: int, size: int, epochs: int, seed: int) -> list[list[int]]:
    """Return the row indices of every step: each epoch all rows once, shuffled; a function of the arguments only."""
    steps = []
    for epoch in range(epochs):
        order = list(range(count))
        random.Random(f"{seed}:{epoch}").shuffle(order)
        steps += [order[at : at + size] for at in range(0, count, size)]
    return steps


def fit(
    model: Any,
    steps: Sequence[Sequence[int]],
    loss_of: Callable[[Sequence[int]], Tensor],
    folder: Path,
    *,
    learning_rate: float,
    weight_decay: float,
    max_minutes: float,
    seed: int,
    progress: Progress,
) -> State:
    """Train the model's parameters but its word embeddings, a call of `loss_of` with the rows of each step.

    Linear warm-up over a tenth of the steps, then linear to zero. Stops early after `max_minutes` (0: never). Goes on
    from the folder's checkpoint. Raises BackendError when the loss is no longer a number.
    """
    for name, weight in model.named_parameters():
        weight.requires_grad = "word_embeddings" not in name
    trained = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    optimizer = torch.optim.AdamW(trained.values(), lr=learning_rate, weight_decay=weight_decay)
    state = _resume(folder, trained, optimizer)
    started, saved = time.monotonic() - state.seconds, time.monotonic()
    model.train()
    while state.step < len(steps) and not (max_minutes and state.seconds > 60 * max_minutes):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * share_of_peak(state.step, len(steps))
        torch.manual_seed(seed * 1_000_003 + state.step)  # dropout
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=cpu_has_bf16()):
            loss = loss_of(steps[state.step])
        if not math.isfinite(loss.item()):
            raise BackendError(f"The training loss is no longer a number at step {state.step + 1}.",
                               "Lower the learning rate.")  # fmt: skip
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(trained.values(), MAX_GRADIENT_NORM)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        state.step += 1
        state.since.append(loss.item())
        state.seconds = time.monotonic() - started
        if state.step % REPORT_EVERY == 0 or state.step == len(steps):
            state.curve.append([state.step, round(sum(state.since) / len(state.since), 4)])
            state.since.clear()
        progress("train", state.step, len(steps))
        if time.monotonic() - saved > CHECKPOINT_SECONDS:
            _save(folder, state, trained, optimizer)
            saved = time.monotonic()
    return state


def share_of_peak(step: int, steps: int) -> float:
    """Return the share of the peak rate at a step."""
    warm = max(1, int(WARMUP * steps))
    return (step + 1) / warm if step < warm else (steps - step) / max(1, steps - warm)


def store(model: Any, start: Path, folder: Path) -> None:
    """Write the model in half precision with the tokenizer it started with, and forget the checkpoint.

    fp16 keeps three bits more than bf16, in which it is computed, and a MiniLM takes 45 MB.
    """
    with guard(folder):
        folder.mkdir(parents=True, exist_ok=True)
        model.half().save_pretrained(folder)
        for name in TOKENIZER_FILES:
            if (start / name).is_file():
                shutil.copyfile(start / name, folder / name)
        (folder / CHECKPOINT).unlink(missing_ok=True)


def _save(folder: Path, state: State, trained: dict[str, Tensor], optimizer: Any) -> None:
    content = {
        "state": [state.step, state.seconds, state.curve, state.since],
        "trained": {name: weight.detach() for name, weight in trained.items()},
        "optimizer": optimizer.state_dict(),
    }
    save_checkpoint(folder, content)


def _resume(folder: Path, trained: dict[str, Tensor], optimizer: Any) -> State:
    path = folder / CHECKPOINT
    if not path.is_file():
        return State()
    content = torch.load(path, map_location="cpu", weights_only=True)
    with torch.no_grad():
        for name, weight in trained.items():
            weight.copy_(content["trained"][name])
    optimizer.load_state_dict(content["optimizer"])
    return State(*content["state"])
