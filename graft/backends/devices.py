"""What this machine computes with: device, number type, 4-bit quantisation. Knows nothing of models but their size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graft.errors import MissingExtra

# Below this many parameters a CPU writes as fast in fp32 as in bf16, and holding the weights twice (in bf16 as well, to read
# with: `generators/llama_fast.py`) costs nothing that matters.
SMALL = 200_000_000


def pick_device(device: str) -> str:
    """Return "cuda", "mps" or "cpu" for "auto", else the device as given."""
    if device != "auto":
        return device
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def pick_dtype(dtype: str, device: str, parameters: int) -> Any:
    """Return the torch type: for "auto" fp32 for a small model on a CPU, else bf16 where the hardware has it."""
    import torch

    if dtype != "auto":
        return getattr(torch, dtype)
    if device == "cpu":
        return torch.float32 if parameters < SMALL or not cpu_has_bf16() else torch.bfloat16
    return torch.bfloat16 if device != "cuda" or torch.cuda.is_bf16_supported() else torch.float16


def cpu_has_bf16() -> bool:
    """Whether the CPU multiplies in bf16 (AVX512_BF16 or AMX): elsewhere bf16 is emulated and slower than fp32."""
    import torch

    capability: Iterator[bool] = (
        bool(getattr(torch.cpu, name, lambda: False)())
        for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported", "_is_arm_bf16_supported")
    )
    return any(capability)


def four_bit(compute: Any) -> Any:
    """Return the NF4 configuration. Raises MissingExtra without bitsandbytes."""
    try:
        import bitsandbytes  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtra("4-bit loading", "bitsandbytes", "qlora") from error
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=compute,
    )
