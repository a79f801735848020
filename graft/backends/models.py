"""Local models: a name → a folder → a loaded model and tokenizer, once per process.

Weights come from safetensors only and no code of the model's is run. A plain LoRA adapter is merged into the weights
at load (in fp32, `graft.backends.trainers.lora`), which saves importing peft and a quarter of each step; anything else goes
through peft.
"""

from __future__ import annotations

import json
import os
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graft.backends.devices import four_bit, pick_device, pick_dtype
from graft.backends.trainers.lora import is_plain_lora, merge_plain_lora, peft_calm
from graft.errors import BackendError, ConfigError
from graft.types import content_hash
from graft.workspace import file_hash

# Before torch and the hub client are imported: no telemetry; and OpenMP workers sleep at barriers instead of
# spinning, since on a busy 2-core machine spinning cost a factor of 70 (183 → 2.4 tokens/s).
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
if (os.cpu_count() or 1) <= 4:
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

PACKAGED = Path(__file__).parent.parent / "models"
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_NEEDED = ("config.json", "tokenizer_config.json")


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model in evaluation mode and its tokenizer. `fingerprint` is that of the base: configuration, weights,
    tokenizer and chat template. `stop` holds the tokens that end an answer; `context` the tokens it can read."""

    model: Any
    tokenizer: Any
    fingerprint: str
    stop: frozenset[int]
    context: int


# --- where it is -----------------------------------------------------------------------------------------------------


def resolve(name: str) -> Path | str:
    """Return the folder of the model, or its hub id when it has to come from the Hugging Face hub.

    `name` is a packaged model ("nano"), a folder, or a hub id ("org/model"). Raises ConfigError.
    """
    packaged, folder = PACKAGED / name, Path(name).expanduser()
    if "/" not in name and packaged.is_dir():
        return check_folder(packaged)
    if folder.is_dir():
        return check_folder(folder)
    if _HUB_ID.fullmatch(name) and not name.startswith("."):
        return name
    shipped = sorted(path.name for path in PACKAGED.iterdir() if path.is_dir()) if PACKAGED.is_dir() else []
    raise ConfigError(
        f"No model {name!r}: it is neither a packaged model ({', '.join(shipped) or 'none'}) nor a folder "
        f"({folder.absolute()}), and not a hub id (org/model).",
        "Give a folder with config.json, the tokenizer and *.safetensors, or a hub id.",
    )


def check_folder(folder: Path) -> Path:
    """Return the folder when it holds a whole model; else ConfigError says which file is missing."""
    missing = [name for name in _NEEDED if not (folder / name).is_file()]
    if not any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer.model", "vocab.json")):
        missing.append("tokenizer.json")
    missing += [path.name for path in _weights(folder) if not path.is_file()]
    if not missing:
        return folder
    pickled = sorted(path.name for path in folder.glob("*.bin"))
    note = f" ({pickled[0]} is a pickle: GRAFT reads safetensors only; convert it.)" if pickled else ""
    raise ConfigError(f"The model folder {folder} lacks {', '.join(missing)}.{note}",
                      "Copy or download the whole model again.")  # fmt: skip


def _weights(folder: Path) -> list[Path]:
    """Return the weight files that the folder should have."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        shards = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
        return [folder / name for name in sorted(set(shards))]
    return [folder / "model.safetensors"]


def locate(name: str) -> Path:
    """Return the model's folder on this machine, after a download when it is a hub id."""
    found = resolve(name)
    if isinstance(found, Path):
        return found
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    patterns = ["*.json", "*.safetensors", "*.model", "*.jinja", "*.txt"]
    try:
        return check_folder(Path(snapshot_download(found, allow_patterns=patterns)))
    except LocalEntryNotFoundError as error:
        raise ConfigError(f"The model {name!r} is not on this machine and the hub cannot be reached.",
                          f"Download it where there is a network (hf download {name}) and give its folder.") from error  # fmt: skip
    except (HfHubHTTPError, OSError) as error:
        raise ConfigError(f"The model {name!r} cannot be fetched: {error}.",
                          "Check the id, and for a gated model log in with `hf auth login`.") from error  # fmt: skip


def base_fingerprint(name: str) -> str:
    """Return the hash of all that decides what the base model says: configuration, weights, tokenizer, template."""
    return _folder_fingerprint(locate(name))


def _folder_fingerprint(folder: Path) -> str:
    files = [
        "config.json",
        "generation_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
    ]
    present = [folder / name for name in files if (folder / name).is_file()]
    return content_hash(*(f"{path.name}:{file_hash(path)}" for path in [*present, *_weights(folder)]))


# --- loading -------------------------------------------------------------------------------------------------------

_CACHE: dict[tuple[str, ...], LoadedModel] = {}
_LOCK = threading.Lock()


def load(
    name: str,
    adapter: Path | str | None = None,
    dtype: str = "auto",
    device: str = "auto",
    *,
    load_in_4bit: bool = False,
) -> LoadedModel:
    """Return the model, from this process's cache when it is the same model, adapter and type.

    Raises ConfigError for a wrong name, folder or adapter, BackendError when the weights cannot be loaded.
    """
    folder = locate(name)
    fingerprint = _folder_fingerprint(folder)
    adapter = Path(adapter) if adapter else None
    stamp = adapter_files_hash(adapter) if adapter else ""
    key = (str(folder), fingerprint, str(adapter), stamp, dtype, device, str(load_in_4bit))
    with _LOCK:
        if key not in _CACHE:
            _CACHE[key] = _load(folder, fingerprint, adapter, dtype, device, load_in_4bit)
        return _CACHE[key]


def adapter_files_hash(adapter: Path) -> str:
    """Return the hash of an adapter's configuration and weights. Raises ConfigError when one is missing."""
    files = [adapter / "adapter_config.json", adapter / "adapter_model.safetensors"]
    for path in files:
        if not path.is_file():
            raise ConfigError(
                f"The adapter folder {adapter} lacks {path.name}.", "Train it again with `graft build`."
            )
    return content_hash(*(file_hash(path) for path in files))


def _load(
    folder: Path, fingerprint: str, adapter: Path | None, dtype: str, device: str, load_in_4bit: bool
) -> LoadedModel:
    tokenizer = load_tokenizer(folder)
    model = load_base(folder, dtype, device, load_in_4bit=load_in_4bit)
    if adapter is not None:
        model = _with_adapter(model, adapter, quantized=load_in_4bit)
    model.eval()
    return LoadedModel(model, tokenizer, fingerprint, stop_tokens(model, tokenizer), context_length(folder))


def load_tokenizer(folder: Path) -> Any:
    """Return the tokenizer, padding on the left."""
    hush()
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False, padding_side="left")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_base(folder: Path, dtype: str = "auto", device: str = "auto", *, load_in_4bit: bool = False) -> Any:
    """Return the base model on its device, not cached: a trainer changes it."""
    hush()
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    place = pick_device(device)
    stored = (
        sum(path.stat().st_size for path in _weights(folder)) // 2
    )  # two bytes a parameter, as most are stored
    kind = pick_dtype(dtype, place, stored)
    extra: dict[str, Any] = {"quantization_config": four_bit(kind)} if load_in_4bit else {}
    try:
        model = AutoModelForCausalLM.from_pretrained(
            str(folder),
            dtype=kind,
            use_safetensors=True,
            trust_remote_code=False,
            attn_implementation="sdpa",
            **extra,
        )
    except (OSError, ValueError, RuntimeError, SafetensorError, torch.OutOfMemoryError) as error:
        raise BackendError(f"The model in {folder} cannot be loaded: {error}.",
                           "Check that the folder is whole and that this version of transformers knows the model.") from error  # fmt: skip
    return model if load_in_4bit else model.to(place)


def hush() -> None:
    """Keep transformers from telling what it loads, and from warning that a head is new or left out: both are meant."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()


def _with_adapter(model: Any, adapter: Path, *, quantized: bool) -> Any:
    import torch

    if model.dtype == torch.float32 and not quantized and is_plain_lora(adapter):
        return merge_plain_lora(model, adapter)
    from peft import PeftModel

    with peft_calm():
        return PeftModel.from_pretrained(model, str(adapter), is_trainable=False)


def stop_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    """Return the tokens that end an answer: the template's end of turn, and those that the model itself names."""
    from graft.backends.generators.chat import end_of_turn

    own = model.generation_config.eos_token_id
    listed = own if isinstance(own, list) else [own]
    ids = {end_of_turn(tokenizer), tokenizer.eos_token_id, *listed}
    return frozenset(int(token) for token in ids if token is not None)


def context_length(folder: Path) -> int:
    """Return how many tokens the model reads, prompt and answer: the smaller of what the network and the tokenizer
    say."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    tokenizer = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    network = config.get("text_config", config).get("max_position_embeddings")
    known = [int(length) for length in (network, tokenizer.get("model_max_length")) if length]
    # Some tokenizers write 10^30 for "unknown"; without any figure, 2048 is what the oldest models of use read.
    return min(known, default=2048)
