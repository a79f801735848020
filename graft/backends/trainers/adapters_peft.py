"""Adapters in peft's format: attach LoRA, write it, express whole-weight training as one.

The format is the contract: everything written here loads in plain `peft.PeftModel.from_pretrained`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from graft.backends.trainers import lora_layers
from graft.backends.trainers.lora import peft_calm
from graft.workspace import guard, write_json

Export = Callable[[Path], None]


def attach(
    model: Any, name: str, *, rank: int, alpha: int, dropout: float, targets: Sequence[str] = ()
) -> tuple[Any, Export]:
    """Return the model with fresh LoRA matrices on the linear layers of these names, and what writes them.

    Without names all linear layers but the head, because that is what matches full fine-tuning (Schulman et al. 2025,
    "LoRA Without Regret").
    """
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules=list(targets) or "all-linear",
        bias="none",
        task_type="CAUSAL_LM",
    )
    with peft_calm():
        tuned = get_peft_model(model, config)

    def export(folder: Path) -> None:
        tuned.peft_config["default"].base_model_name_or_path = name
        tuned.save_pretrained(str(folder), safe_serialization=True)
        (folder / "README.md").unlink(missing_ok=True)  # peft's empty model card
        _settle(folder / "adapter_config.json")

    return tuned, export


def attach_small(
    model: Any, name: str, *, rank: int, alpha: int, targets: Sequence[str] = ()
) -> tuple[Any, Export]:
    """Like `attach`, without dropout and without peft at work: what small models train with, twice as fast."""
    layers = lora_layers.insert(model, rank=rank, alpha=alpha, targets=targets)

    def export(folder: Path) -> None:
        tensors = {}
        for path, layer in layers.items():
            tensors[f"base_model.model.{path}.lora_A.weight"] = layer.down.detach()
            tensors[f"base_model.model.{path}.lora_B.weight"] = layer.up.detach()
        _write(folder, tensors, {"base_model_name_or_path": name, "lora_alpha": alpha, "r": rank,
                                 "target_modules": sorted({path.rpartition(".")[2] for path in layers})})  # fmt: skip

    return model, export


def _write(folder: Path, tensors: dict[str, torch.Tensor], config: dict[str, Any]) -> None:
    """Write a LoRA adapter as peft does."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    with guard(folder):
        save_file({key: tensor.float().cpu().contiguous() for key, tensor in tensors.items()},
                  folder / "adapter_model.safetensors", metadata={"format": "pt"})  # fmt: skip
    fixed = {
        "bias": "none",
        "inference_mode": True,
        "lora_dropout": 0.0,
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
    }
    write_json(folder / "adapter_config.json", dict(sorted({**fixed, **config}.items())))


def _settle(path: Path) -> None:
    """Rewrite peft's configuration with its sets in order: they come in hash order, which changes from run to run."""
    config = json.loads(path.read_text(encoding="utf-8"))
    write_json(
        path,
        {key: sorted(value) if key == "target_modules" else value for key, value in sorted(config.items())},
    )


def unfreeze(model: Any, name: str) -> tuple[Any, Export]:
    """Return the model with every linear weight but the head trainable, and what writes the change as an adapter.

    ΔW = B A with rank min(in, out) is exact: one of the two matrices is the identity. So "full" needs no format of its
    own. Embeddings, norms and head stay as they are.
    """
    head = model.get_output_embeddings()
    layers = {
        path: layer
        for path, layer in model.named_modules()
        if isinstance(layer, torch.nn.Linear) and layer is not head
    }
    model.requires_grad_(False)
    before = {path: layer.weight.detach().clone() for path, layer in layers.items()}
    for layer in layers.values():
        layer.weight.requires_grad_(True)

    def export(folder: Path) -> None:
        tensors, ranks = {}, {}
        for path, layer in layers.items():
            change = layer.weight.detach() - before[path]
            out, inner = change.shape
            down, up = (torch.eye(inner), change) if inner <= out else (change, torch.eye(out))
            tensors[f"base_model.model.{path}.lora_A.weight"] = down
            tensors[f"base_model.model.{path}.lora_B.weight"] = up
            ranks[path] = min(out, inner)
        _write(folder, tensors, {"alpha_pattern": ranks, "base_model_name_or_path": name, "lora_alpha": 1, "r": 1,
                                 "rank_pattern": ranks, "target_modules": sorted(layers)})  # fmt: skip

    return model, export
