"""Adapters in peft's format: attach LoRA, write it, express whole-weight training as one, merge it for export.

The format is the contract: everything written here loads in plain `peft.PeftModel.from_pretrained`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from graft.backends import models
from graft.backends.generators.chat import encode_prompt
from graft.backends.trainers import lora_layers
from graft.backends.trainers.lora import peft_calm
from graft.errors import Mismatch
from graft.types import Message
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


def merge(
    base: str, adapter: Path, folder: Path, prompts: Sequence[Sequence[Message]], *, tolerance: float = 1e-3
) -> float:
    """Write the base model with the adapter merged into it, and return the largest difference of a logit over `prompts`.

    Merges into an fp32 reload of the base with peft's safe merge, then loads what was written and compares. Raises
    Mismatch when a logit differs by more than `tolerance` (then the folder is not usable).
    """
    from peft import PeftModel

    source = models.locate(base)
    tokenizer = models.load_tokenizer(source)
    with peft_calm():
        tuned = PeftModel.from_pretrained(models.load_base(source, "float32", "cpu"), str(adapter)).eval()
    encoded = [torch.tensor([encode_prompt(tokenizer, prompt)]) for prompt in prompts]
    with torch.inference_mode():
        wanted = [tuned(input_ids=ids).logits for ids in encoded]
    merged = tuned.merge_and_unload(safe_merge=True)
    merged.save_pretrained(str(folder), safe_serialization=True)
    tokenizer.save_pretrained(str(folder))
    written = models.load_base(folder, "float32", "cpu").eval()
    with torch.inference_mode():
        worst = max(
            ((written(input_ids=ids).logits - logits).abs().max().item() for ids, logits in zip(encoded, wanted, strict=True)),
            default=0.0,
        )  # fmt: skip
    if worst > tolerance:
        raise Mismatch(f"The merged model in {folder} differs from the adapter it was made of: a logit by {worst:.2g}.",
                       "Do not ship it; serve the base model with the adapter instead.")  # fmt: skip
    return float(worst)
