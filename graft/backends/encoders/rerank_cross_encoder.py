"""Any cross-encoder of the transformers library, by hub name or local folder: query and passage read together.

Slower than the first search by orders of magnitude and better at the top of the list; off unless configured. The reranker
that `graft` trains is one of these. Safetensors only, no remote code. Nothing is loaded before the first score.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from graft.backends.devices import cpu_has_bf16, pick_device
from graft.backends.model_files import hash_of
from graft.errors import BackendError
from graft.types import content_hash


class CrossEncoderReranker:
    """A sequence classifier with one output: its logit is the score. With two or more outputs, the last class's."""

    @dataclass(frozen=True, slots=True)
    class Options:
        """`model`: a hub name or a folder. `weight`: how much its score counts beside the search's; 1: it alone.
        `batch`: pairs computed at once. `max_tokens`: longer pairs are cut. `precision`: auto is bf16 where the
        hardware multiplies it natively, else fp32. `device`: auto, cpu, cuda or mps.
        """

        model: str = "cross-encoder/ms-marco-MiniLM-L6-v2"
        weight: float = 1.0
        batch: int = 32
        max_tokens: int = 512
        precision: Literal["auto", "bf16", "fp32"] = "auto"
        device: Literal["auto", "cpu", "cuda", "mps"] = "auto"

    def __init__(self, options: Options | None = None) -> None:
        self._options = options or self.Options()
        self.weight = self._options.weight
        self._lock = threading.Lock()
        self._loaded: tuple[Any, Any] | None = None

    @cached_property
    def fingerprint(self) -> str:
        """Hash of what changes the scores. A local folder counts by the content of its files, a hub model by its name;
        bf16 and fp32 count as one, as with the embedder."""
        folder = Path(self._options.model).expanduser()
        made_of = hash_of(folder) if folder.is_dir() else self._options.model
        return content_hash("cross-encoder", made_of, str(self._options.max_tokens))

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return one logit a text. Texts of like length are computed together."""
        if not texts:
            return []
        tokenizer, model = self._ready()
        import torch

        scores = [0.0] * len(texts)
        order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
        for at in range(0, len(order), self._options.batch):
            rows = order[at : at + self._options.batch]
            pairs = tokenizer(
                [query] * len(rows), [texts[row] for row in rows], padding=True, truncation="longest_first",
                max_length=self._options.max_tokens, return_tensors="pt",
            ).to(model.device)  # fmt: skip
            with torch.inference_mode():
                logits = model(**pairs).logits[:, -1].float().tolist()
            for row, logit in zip(rows, logits, strict=True):
                scores[row] = logit
        return scores

    def _ready(self) -> tuple[Any, Any]:
        with self._lock:
            if self._loaded is None:
                self._loaded = self._load()
            return self._loaded

    def _load(self) -> tuple[Any, Any]:
        import torch
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        device, precision = pick_device(self._options.device), self._options.precision
        half = precision == "bf16" or (precision == "auto" and (device != "cpu" or cpu_has_bf16()))
        name = str(Path(self._options.model).expanduser())
        try:
            tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
            model = AutoModelForSequenceClassification.from_pretrained(
                name, trust_remote_code=False, use_safetensors=True,
                dtype=torch.bfloat16 if half else torch.float32,
            )  # fmt: skip
        except (OSError, ValueError) as error:
            hint = "Give a model name, or the folder of one with safetensors weights."
            reason = str(error).splitlines()[0]
            raise BackendError(
                f"Cannot load the reranker {self._options.model!r}: {reason}.", hint
            ) from error
        return tokenizer, model.to(device).eval()
