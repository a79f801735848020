"""LoRA on disk: read a plain adapter without peft and add it to the weights it was trained on.

W' = W + s · B A, s = alpha / r (alpha / √r for rank-stabilised LoRA), as peft's `merge_and_unload` (Hu et al. 2021). Plain means
linear layers, no biases, no DoRA, no extra modules; anything else is peft's business.
"""

from __future__ import annotations

import contextlib
import json
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from graft.errors import Mismatch

_PREFIX = "base_model.model."


@contextlib.contextmanager
def peft_calm() -> Iterator[None]:
    """Hide one warning while peft is called: peft 0.21 reads an attribute that transformers 5.23 has renamed."""
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message="`is_gradient_checkpointing` is deprecated", category=FutureWarning
        )
        yield


def is_plain_lora(adapter: Path) -> bool:
    """Whether `merge_plain_lora` covers all that the adapter's configuration asks for."""
    config = _config(adapter)
    return (
        config.get("peft_type") == "LORA"
        and config.get("bias", "none") == "none"
        and not any(
            config.get(key)
            for key in (
                "use_dora", "fan_in_fan_out", "modules_to_save", "trainable_token_indices", "target_parameters",
                "layer_replication", "lora_bias", "alora_invocation_tokens",
            )
        )
    )  # fmt: skip


def merge_plain_lora(model: Any, adapter: Path) -> Any:
    """Add the adapter to the model's fp32 weights in place and return the model. Raises Mismatch when a tensor does not
    fit."""
    import torch
    from safetensors.torch import load_file

    config = _config(adapter)
    tensors = load_file(adapter / "adapter_model.safetensors")
    names = {key.removesuffix(".lora_A.weight") for key in tensors if key.endswith(".lora_A.weight")}
    if 2 * len(names) != len(tensors):
        raise Mismatch(
            f"The adapter {adapter} holds more than LoRA matrices.", "Train it again with `graft build`."
        )
    with torch.no_grad():
        for name in sorted(names):
            down, up = tensors[f"{name}.lora_A.weight"].float(), tensors[f"{name}.lora_B.weight"].float()
            try:
                weight = model.get_submodule(name.removeprefix(_PREFIX)).weight
                weight += (_scale(config, name.removeprefix(_PREFIX), down.shape[0]) * (up @ down)).to(weight)
            except (AttributeError, RuntimeError) as error:
                raise Mismatch(f"The adapter {adapter} does not fit the model ({name}: {error}).",
                               "Train it again on this base model with `graft build`.") from error  # fmt: skip
    return model


def _config(adapter: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    return config


def _scale(config: dict[str, Any], name: str, rank: int) -> float:
    """Return the factor of one layer; `alpha_pattern` may override alpha by a regular expression on its name."""
    alpha = config["lora_alpha"]
    for pattern, value in (config.get("alpha_pattern") or {}).items():
        if re.fullmatch(rf"(.*\.)?({pattern})", name):
            alpha = value
    return float(alpha) / (rank**0.5 if config.get("use_rslora") else rank)
