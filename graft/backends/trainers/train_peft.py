"""The trainer `peft`: LoRA, QLoRA or all linear weights, on any Hugging Face causal model.

Writes a standard peft adapter, whatever the method. What is trained on is exactly the answer and its end-of-turn token;
rows that the model cannot read whole are refused and reported, never cut.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from graft.backends import devices, models
from graft.errors import ConfigError, DataError
from graft.protocols import Progress
from graft.records import to_dict
from graft.types import TrainingRow, content_hash

if TYPE_CHECKING:
    from graft.backends.trainers.train_loop import Progressed

# Peak rate of LoRA on a Llama of width 2000, and how it falls with the width: measured by Thinking Machines over many
# models ("LoRA Without Regret", 2025; tinker-cookbook, hyperparam_utils.py). 2.5e-3 for the shipped model of width 256,
# 2.9e-4 for a 7B. Training all weights wants a tenth.
RATE, WIDTH, FALL, FULL = 5e-4, 2000, 0.781, 0.1
LIBRARIES = ("torch", "transformers", "peft", "accelerate")


class PeftTrainer:
    """Makes an adapter from rows."""

    @dataclass(frozen=True, slots=True)
    class Options:
        """`model` is "nano", a folder or a hub id. `target_modules` are the names of the linear layers that LoRA changes
        ("q_proj", "v_proj", …), none: all but the head. `learning_rate` 0 takes what suits the model's width. `batch_size`
        is rows an optimiser step, `batch_tokens` the most tokens in memory at once. `max_length` 0 is what the model
        reads. `warmup` is a share of all steps; the dev rows are measured `evals_per_epoch` times an epoch, and
        training stops when they have not improved for `patience` measurements, or after `max_minutes` (0: no limit).
        `processes` share each step, one a GPU (0: all that are visible); `elsewhere` prepares the rows for `torchrun` on
        several machines instead of training here.

        The defaults come from the demo's 371 rows and the shipped model. Closed book, 5 epochs at 2.5e-3: the format
        held in 67 % of 73 held-out answers with the weights of the lowest dev loss (step 115), 93 % with the most
        accurate (161), 95 % with the last (235), so 4 epochs of 47 steps are
        enough; grounded, 3 epochs: 99 %, refusals as before. One contended core reads 3,000 tokens a second,
        measurements included: 50 s for 5 epochs of plain rows (73 tokens), 330 s for 3 of grounded ones (898)."""

        model: str = "nano"
        method: Literal["lora", "qlora", "full"] = "lora"
        rank: int = 16
        alpha: int = 32
        dropout: float = 0.0
        target_modules: tuple[str, ...] = ()
        learning_rate: float = 0.0
        epochs: int = 4
        batch_size: int = 8
        batch_tokens: int = 4096
        max_length: int = 0
        warmup: float = 0.05
        weight_decay: float = 0.01
        evals_per_epoch: int = 2
        patience: int = 4
        max_minutes: float = 0.0
        activation_checkpointing: bool = False
        dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
        device: str = "auto"
        processes: int = 1
        elsewhere: bool = False

    def __init__(self, options: Options) -> None:
        self.options = options
        self.settings = to_dict(options)
        # Where it ran is not part of what was made: processes share a step's rows, which changes the order of additions
        # (and which random numbers dropout draws). The base model is known by its content, not by its path.
        where = {"device", "model", "processes", "elsewhere"}
        made_of = {key: value for key, value in self.settings.items() if key not in where}
        self.fingerprint = content_hash("peft 1", json.dumps(made_of, sort_keys=True))

    def train(
        self,
        rows: Sequence[TrainingRow],
        dev: Sequence[TrainingRow],
        folder: Path,
        *,
        seed: int,
        progress: Progress,
    ) -> dict[str, Any]:
        """Write the adapter to `folder` and return what happened (see `graft.protocols.Trainer`).

        Raises DataError when no row fits, ConfigError for a model that the method cannot train, BackendError when the
        chat template does not allow an exact loss mask or the loss diverges.
        """
        import torch

        from graft.backends.trainers import checkpoints, together, train_data, train_loop

        given = self.options
        if given.elsewhere or given.processes != 1:
            return together.train(
                given, rows, dev, folder, seed=seed, processes=self._processes(), progress=progress
            )
        base = models.locate(given.model)
        tokenizer = models.load_tokenizer(base)
        longest = min(given.max_length or 10**9, models.context_length(base))
        encoded, refused = train_data.encode_rows(tokenizer, rows, longest)
        held, refused_dev = train_data.encode_rows(tokenizer, dev, longest)
        if not encoded:
            raise DataError(f"All {len(rows)} training rows are longer than the {longest} tokens that the model reads.",
                            "Show fewer or shorter passages, or use a model with a longer context.")  # fmt: skip
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model, export = self._trainable(base)
            loop = self._loop(model, encoded, held, folder, seed, tokenizer.pad_token_id, progress)
            state = train_loop.run(loop)
        if train_loop.is_main_process():
            export(folder)
            (folder / checkpoints.CHECKPOINT).unlink(missing_ok=True)
        return {
            "steps": state.step,
            "tokens": state.tokens,
            "loss": [list(point) for point in state.curve],
            "accuracy": [list(point) for point in state.accuracy],
            "best_step": state.best_step,
            "seconds": round(state.seconds, 2),
            "refused": [*refused, *refused_dev],
            "settings": {**self.settings, "learning_rate": loop.learning_rate},
            "versions": {name: version(name) for name in LIBRARIES},
            "notes": _notes(state, dev=bool(held)),
        }

    def estimate(self, lengths: Sequence[int]) -> dict[str, float]:
        """Return {"steps", "tokens", "seconds"} for rows of these token lengths, at most (early stopping may end it
        sooner). Times one step on rows of the mean length."""
        from graft.backends.trainers import train_data, train_loop

        given = self.options
        base = models.locate(given.model)
        model, _export = self._trainable(base)
        mean = max(2, min(sum(lengths) // max(1, len(lengths)), models.context_length(base)))
        size = max(1, min(given.batch_size, given.batch_tokens // mean))
        row = train_data.Encoded("", tuple(range(1, 3)) * (mean // 2), min(20, mean // 2))
        batch = train_data.collate([row] * size, 0)
        loop = self._loop(model, [row] * size, [], base, 0, 0, lambda *_: None)
        times = []
        for _ in range(2):  # the first pass warms up
            started = time.perf_counter()
            train_loop.forward_backward(loop, batch)
            times.append(time.perf_counter() - started)
        tokens = sum(lengths) * given.epochs
        steps = -(-len(lengths) // given.batch_size) * given.epochs
        return {"steps": steps, "tokens": tokens, "seconds": round(tokens * times[-1] / (size * mean), 1)}

    def _loop(
        self,
        model: Any,
        rows: Sequence[Any],
        dev: Sequence[Any],
        folder: Path,
        seed: int,
        pad: int,
        progress: Progress,
    ) -> Any:
        """Plan the steps and put the loop together."""
        from graft.backends.trainers import train_data, train_loop

        given = self.options
        lengths = [len(row.tokens) for row in rows]
        steps = train_data.plan_steps(
            lengths,
            epochs=given.epochs,
            batch_size=given.batch_size,
            batch_tokens=given.batch_tokens,
            seed=seed,
            shares=train_loop.processes(),
        )
        dev_lengths = [len(row.tokens) for row in dev]
        dev_order = sorted(range(len(dev)), key=lambda row: (dev_lengths[row], row))
        dev_batches = train_data.split_by_tokens(dev_order, dev_lengths, given.batch_tokens, len(dev))

        def maker(source: Sequence[Any], chosen: Sequence[int]) -> Callable[[], Any]:
            return partial(train_data.collate, [source[row] for row in chosen], pad)

        device = devices.pick_device(given.device)
        return train_loop.Loop(
            model=model,
            steps=[[maker(rows, batch) for batch in step] for step in steps],
            dev=[maker(dev, batch) for batch in dev_batches],
            folder=folder,
            seed=seed,
            learning_rate=given.learning_rate or default_rate(model, given.method),
            warmup_steps=round(given.warmup * len(steps)),
            weight_decay=given.weight_decay,
            eval_every=max(1, len(steps) // given.epochs // given.evals_per_epoch),
            patience=given.patience,
            max_seconds=60 * given.max_minutes,
            bf16=_uses_bf16(device),
            device=device,
            progress=progress,
        )

    def _processes(self) -> int:
        """How many processes train together. Raises ConfigError for more than there are GPUs."""
        import torch

        given = self.options
        here = torch.cuda.device_count() if devices.pick_device(given.device).startswith("cuda") else 0
        if here and given.processes > here:
            raise ConfigError(
                f"processes = {given.processes} in [tuning.trainer], and {here} GPUs are visible.",
                "Set processes = 0 for one a GPU.",
            )
        if given.processes != 1 and ":" in given.device:
            raise ConfigError(f'device = "{given.device}" names one device, and processes = {given.processes} asks for several.',
                              'Set device = "cuda", and choose GPUs by CUDA_VISIBLE_DEVICES.')  # fmt: skip
        return given.processes or here or 1

    def _dtype(self) -> str:
        """The type in which the base is held. What is trained must be fp32, or small steps round away: that is all of
        it for "full", and everything where bf16 is missing (fp16 would need loss scaling)."""
        given = self.options
        if given.dtype != "auto" or (
            given.method != "full" and _uses_bf16(devices.pick_device(given.device))
        ):
            return given.dtype
        return "float32"

    def _trainable(self, base: Path) -> tuple[Any, Callable[[Path], None]]:
        """Return the model with its trainable weights, and what writes them as a peft adapter."""
        from graft.backends.trainers import adapters_peft, train_checks

        given = self.options
        if given.method == "qlora":
            train_checks.check_quantizable(base)
        model = models.load_base(base, self._dtype(), given.device, load_in_4bit=given.method == "qlora")
        train_checks.check_targets(model, given.target_modules)
        if given.activation_checkpointing:
            model.gradient_checkpointing_enable({"use_reentrant": False})
            model.enable_input_require_grads()
        if given.method == "full":
            if given.target_modules:
                raise ConfigError('`target_modules` is for method = "lora" or "qlora": "full" trains every linear layer.',
                                  "Remove one of the two from [tuning.trainer].")  # fmt: skip
            return adapters_peft.unfreeze(model, given.model)
        if given.method == "lora" and not given.dropout and model.num_parameters() < devices.SMALL:
            return adapters_peft.attach_small(
                model, given.model, rank=given.rank, alpha=given.alpha, targets=given.target_modules
            )
        return adapters_peft.attach(
            model,
            given.model,
            rank=given.rank,
            alpha=given.alpha,
            dropout=given.dropout,
            targets=given.target_modules,
        )


def default_rate(model: Any, method: str) -> float:
    """Return the peak learning rate for a model of this width."""
    width: int = model.config.get_text_config().hidden_size
    return float(RATE * (WIDTH / width) ** FALL * (FULL if method == "full" else 1.0))


def _notes(state: Progressed, *, dev: bool) -> list[str]:
    notes = [state.stopped] if state.stopped else []
    if dev and state.best_step == 0:
        notes.append("training never improved the dev rows: the adapter changes nothing")
    return notes


def _uses_bf16(device: str) -> bool:
    """Whether the network runs in bf16: on this class of CPU it trains 1.8 times as fast as fp32 (AVX512_BF16, AMX);
    where it is emulated it is slower."""
    import torch

    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported())
    return device == "cpu" and devices.cpu_has_bf16()
