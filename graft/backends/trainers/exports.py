"""Writing a tuned model so that it runs without GRAFT: the base with its adapter merged in, or the plain adapter.

Merged in fp32, then read back from the disk and compared where answers are made: exports that silently say something else
are what people of this field complain of most (LLaMA-Factory #5232: 82 % right by the adapter, 0 % after the export). Knows
nothing of projects and variants.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from graft.backends import models
from graft.backends.generators import chat
from graft.backends.trainers.lora import peft_calm
from graft.errors import Mismatch, WorkspaceError
from graft.types import Message
from graft.workspace import guard, write_json

# In fp32 only the order of additions differs; the shipped model with the demo's adapters comes to 2e-5.
EXACT = 1e-3
# In 16 bits weights are rounded, so near ties may fall the other way; a merge that lost something falls far below.
AGREEMENT = 0.9

Asked = Sequence[tuple[Sequence[Message], str]]


@dataclass(frozen=True, slots=True)
class Parity:
    """Two models over the same answers: the largest difference of a logit, the share of places with the same likeliest
    token, and at how many answers that holds of every place."""

    difference: float
    agreement: float
    same: int


def merge(base: str, adapter: Path, folder: Path, asked: Asked, *, dtype: str = "float32") -> Parity:
    """Write the base model with the adapter merged into it, its tokenizer and its stop tokens; return how the written
    model compares over `asked`, prompts with answers.

    Merges in fp32 with peft's safe merge, rounds to `dtype` once, then loads what was written. Raises WorkspaceError when
    the disk has no room, Mismatch when the written model differs: by more than EXACT in a logit, or in 16 bits when fewer
    than AGREEMENT of the likeliest tokens are the same. Then the folder is not usable.
    """
    from peft import PeftModel

    source = models.locate(base)
    _check_whole(source)
    tokenizer = models.load_tokenizer(source)
    with peft_calm():
        tuned = PeftModel.from_pretrained(models.load_base(source, "float32", "cpu"), str(adapter)).eval()
    rows = [chat.encode_row(tokenizer, prompt, answer) for prompt, answer in asked]
    wanted = [_logits(tuned, tokens, opening) for tokens, opening in rows]
    merged = tuned.merge_and_unload(safe_merge=True).to(getattr(torch, dtype))
    check_room(folder, sum(weight.nbytes for weight in merged.parameters()))
    # Elsewhere nothing but this file says where an answer ends: a base whose own does not name the template's end of turn
    # would talk on (trl #1623, LLaMA-Factory #2884).
    merged.generation_config.eos_token_id = sorted(models.stop_tokens(merged, tokenizer))
    _be_greedy(merged.generation_config)
    with guard(folder):
        merged.save_pretrained(str(folder), safe_serialization=True)
        tokenizer.save_pretrained(str(folder))
    del tuned, merged
    written = models.load_base(folder, "float32", "cpu").eval()
    found = _compare(written, rows, wanted)
    if found.difference > EXACT if dtype == "float32" else found.agreement < AGREEMENT:
        raise Mismatch(f"The merged model differs from the adapter that it was made of: a logit by {found.difference:.2g}, and "
                       f"{found.agreement:.0%} of the likeliest tokens are the same.",
                       "Export the adapter alone (--adapter-only) and serve it on the base model.")  # fmt: skip
    return found


def copy_adapter(base: str, adapter: Path, folder: Path) -> None:
    """Copy the adapter, naming its base so that plain peft finds it from any working directory, and the tokenizer."""
    found = models.resolve(base)
    weights = adapter / "adapter_model.safetensors"
    check_room(folder, weights.stat().st_size)
    config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    with guard(folder):
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(weights, folder / weights.name)
        models.load_tokenizer(models.locate(base)).save_pretrained(str(folder))
    write_json(folder / "adapter_config.json", {**config, "base_model_name_or_path": str(found)})


def rank(adapter: Path) -> int:
    """Return the largest rank of any of its layers."""
    config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    return int(max([config["r"], *(config.get("rank_pattern") or {}).values()]))


def switches(tokenizer: Any) -> dict[str, bool]:
    """Return those of the variables that GRAFT sets which this chat template reads."""
    template = str(tokenizer.chat_template)
    return {name: value for name, value in chat.NO_THINKING.items() if re.search(rf"\b{name}\b", template)}


def check_room(folder: Path, needed: int) -> None:
    """Raise WorkspaceError unless the disk of `folder` has room for so many bytes and the tokenizer beside them."""
    parent = next(path for path in [folder, *folder.parents] if path.exists())
    free = shutil.disk_usage(parent).free
    if free < needed + 50 * 2**20:
        raise WorkspaceError(
            f"The export takes {needed / 2**30:.1f} GiB, and the disk of {parent} has {free / 2**30:.1f} free.",
            "Free some space, or name a folder on another disk; 16 bits (--dtype bfloat16) take half of 32.",
        )


def _check_whole(base: Path) -> None:
    """Raise Mismatch for a base whose weights are stored quantised: merged and rounded again it would be another model
    (peft #2321)."""
    if "quantization_config" in json.loads((base / "config.json").read_text(encoding="utf-8")):
        raise Mismatch(f"The weights in {base} are quantised: with the adapter merged in they would be another model than the one "
                       "that was measured.", "Export the adapter alone (--adapter-only) and serve it on this base.")  # fmt: skip


def _be_greedy(config: Any) -> None:
    """Drop what the base asks for when it samples: GRAFT measures greedy answers, and a file that names a temperature
    without sampling cannot be saved."""
    config.do_sample = False
    for name in ("temperature", "top_p", "top_k", "min_p", "typical_p"):
        setattr(config, name, None)


def _logits(model: Any, tokens: Sequence[int], opening: int) -> Tensor:
    """Return the logits from which the tokens behind `opening` are predicted: [tokens, vocabulary]."""
    count = len(tokens) - opening
    with torch.inference_mode():
        logits: Tensor = model(
            input_ids=torch.tensor([tokens]), use_cache=False, logits_to_keep=count + 1
        ).logits
    return logits[0, -(count + 1) : -1].float()


def _compare(model: Any, rows: Sequence[tuple[list[int], int]], wanted: Sequence[Tensor]) -> Parity:
    difference, places, hits, same = 0.0, 0, 0, 0
    for (tokens, opening), expected in zip(rows, wanted, strict=True):
        got = _logits(model, tokens, opening)
        equal = got.argmax(-1) == expected.argmax(-1)
        difference = max(difference, (got - expected).abs().max().item())
        places, hits, same = places + len(equal), hits + int(equal.sum()), same + bool(equal.all())
    return Parity(difference, hits / max(1, places), same)
