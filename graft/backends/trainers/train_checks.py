"""What a model must be for a method to train it: checked before the first step, with what to do instead.

Knows nothing of rows and loops.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from graft.errors import ConfigError, MissingExtra

QUANTIZED_MULTIPLE = 64


def check_targets(model: Any, targets: Sequence[str]) -> None:
    """Raise ConfigError unless each name is that of some linear layer that an adapter can change by itself."""
    import torch

    linear = {
        path.rpartition(".")[2] for path, layer in model.named_modules() if isinstance(layer, torch.nn.Linear)
    }
    if unknown := sorted(set(targets) - linear):
        raise ConfigError(
            f"The model has no linear layers named {', '.join(unknown)} (tuning.trainer.target_modules).",
            f"It has {', '.join(sorted(linear))}.",
        )
    head = model.get_output_embeddings()
    tied = head.weight is model.get_input_embeddings().weight
    if tied and any(
        layer is head and path.rpartition(".")[2] in targets for path, layer in model.named_modules()
    ):
        raise ConfigError(
            "The model's head shares its weights with the embeddings, so an adapter of the head cannot be merged: it would "
            "change how every token is read (tuning.trainer.target_modules).",
            "Leave the head out; it needs no training for a style or a format.",
        )


def check_quantizable(base: Path) -> None:
    """Raise unless bitsandbytes is there and can quantise every linear layer of the model.

    NF4 packs blocks of 64 along the input: other widths train and then fail at the first evaluation on the CPU.
    """
    try:
        import bitsandbytes  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtra('method = "qlora"', "bitsandbytes", "qlora") from error
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    with torch.device("meta"):
        empty = AutoModelForCausalLM.from_config(
            AutoConfig.from_pretrained(str(base), trust_remote_code=False)
        )
    odd = sorted(
        {layer.in_features for layer in empty.modules() if isinstance(layer, torch.nn.Linear)
         if layer.in_features % QUANTIZED_MULTIPLE}
    )  # fmt: skip
    if odd:
        raise ConfigError(
            f"The model in {base} has linear layers of input width {', '.join(map(str, odd))}, and 4-bit training needs "
            f"multiples of {QUANTIZED_MULTIPLE}.",
            'Use method = "lora", or another model.',
        )
