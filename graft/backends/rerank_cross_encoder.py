"""Any cross-encoder of the transformers library, by hub name or local folder: query and passage read together.

Slower than the first search by orders of magnitude and better at the top of the list; off unless configured.
Safetensors only, no remote code. Nothing is loaded before the first score.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graft.errors import BackendError
from graft.types import content_hash


class CrossEncoderReranker:
    """A sequence classifier with one output: its logit is the score. With two or more outputs, the last class's."""

    @dataclass(frozen=True, slots=True)
    class Options:
        """`model`: a hub name or a folder. `batch`: pairs computed at once. `max_tokens`: longer pairs are cut."""

        model: str = "cross-encoder/ms-marco-MiniLM-L6-v2"
        batch: int = 32
        max_tokens: int = 512

    def __init__(self, options: Options | None = None) -> None:
        self._options = options or self.Options()
        self._lock = threading.Lock()
        self._loaded: tuple[Any, Any] | None = None
        self.fingerprint = content_hash("cross-encoder", self._options.model, str(self._options.max_tokens))

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
            )  # fmt: skip
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
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        name = str(Path(self._options.model).expanduser())
        try:
            tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
            model = AutoModelForSequenceClassification.from_pretrained(
                name, trust_remote_code=False, use_safetensors=True
            )
        except (OSError, ValueError) as error:
            hint = "Give a model name, or the folder of one with safetensors weights."
            reason = str(error).splitlines()[0]
            raise BackendError(
                f"Cannot load the reranker {self._options.model!r}: {reason}.", hint
            ) from error
        return tokenizer, model.eval()
