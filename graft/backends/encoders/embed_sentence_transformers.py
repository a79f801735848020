"""Any sentence-transformers model, by hub name or local folder: its own pooling, prompts and Matryoshka sizes.

For MiniLM and other BERT encoders the embedder `minilm` is faster on a CPU; this one runs every other. Safetensors
only, no remote code. Nothing is loaded before the first `encode`.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from graft.backends.model_files import hash_of
from graft.errors import BackendError, ConfigError, MissingExtra
from graft.protocols import Matrix
from graft.types import content_hash

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


class SentenceTransformersEmbedder:
    """A sentence encoder. Threads may share it."""

    @dataclass(frozen=True, slots=True)
    class Options:
        """`model`: a hub name or a folder; `revision`: its branch, tag or commit on the hub.

        `query_prompt`, `passage_prompt`: put before the texts; left out, the model's own prompts are used where it
        brings them. Models that were trained with prefixes and bring none (E5: "query: " and "passage: ") lose points
        without. `truncate_dim`: keep the first so many numbers of each vector, for models trained for that (0 keeps
        all). `max_tokens`: longer texts are cut (0 leaves it to the model). `batch`: texts computed at once.
        """

        model: str = ""
        revision: str = ""
        query_prompt: str = ""
        passage_prompt: str = ""
        truncate_dim: int = 0
        max_tokens: int = 0
        batch: int = 32
        device: Literal["auto", "cpu", "cuda", "mps"] = "auto"

    def __init__(self, options: Options | None = None) -> None:
        self._options = options or self.Options()
        if not self._options.model:
            raise ConfigError(
                "The embedder 'sentence-transformers' has no model.",
                'For example: embedder = { name = "sentence-transformers", model = "BAAI/bge-small-en-v1.5" }.',
            )
        self._lock = threading.Lock()
        self._loaded: SentenceTransformer | None = None

    @cached_property
    def fingerprint(self) -> str:
        """Hash of what changes the vectors. A local folder counts by the content of its files, a hub model by its name
        and revision: name a commit where an index must never mix two versions of a model."""
        options, folder = self._options, Path(self._options.model).expanduser()
        weights = hash_of(folder) if folder.is_dir() else f"{options.model}@{options.revision}"
        prompts = (options.query_prompt, options.passage_prompt)
        return content_hash(
            "sentence-transformers", weights, *prompts, str(options.truncate_dim), str(options.max_tokens)
        )

    @cached_property
    def dimension(self) -> int:
        """Length of the vectors; loads the model."""
        return int(self.encode([" "]).shape[1])

    def encode(self, texts: Sequence[str], *, query: bool = False) -> Matrix:
        """Return float32 [len(texts), dimension], unit rows. Raises BackendError when the model cannot be loaded."""
        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        model, options = self._ready(), self._options
        prompt = options.query_prompt if query else options.passage_prompt
        encode = model.encode if prompt else model.encode_query if query else model.encode_document
        made: Matrix = np.asarray(
            encode(
                list(texts), prompt=prompt or None, batch_size=options.batch, show_progress_bar=False,
                convert_to_numpy=True, normalize_embeddings=False,
            ),
            dtype=np.float32,
        )  # fmt: skip
        # Normalised here and not by the model: cut vectors are no longer of unit length.
        made /= np.maximum(np.linalg.norm(made, axis=1, keepdims=True), 1e-12)
        return made

    def _ready(self) -> SentenceTransformer:
        with self._lock:
            if self._loaded is None:
                self._loaded = self._load()
            return self._loaded

    def _load(self) -> SentenceTransformer:
        try:
            from sentence_transformers import SentenceTransformer
        except ModuleNotFoundError as error:
            raise MissingExtra(
                "The embedder 'sentence-transformers'", "sentence_transformers", "sentence-transformers"
            ) from error
        options = self._options
        folder = Path(options.model).expanduser()
        try:
            model = SentenceTransformer(
                str(folder) if folder.is_dir() else options.model,
                revision=options.revision or None,
                device=None if options.device == "auto" else options.device,
                truncate_dim=options.truncate_dim or None,
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True},
            )
        except (OSError, ValueError, RuntimeError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            hint = "Give the name of a sentence-transformers model with safetensors weights, or its folder."
            raise BackendError(f"Cannot load the embedder {options.model!r}: {reason}.", hint) from error
        if options.max_tokens:
            model.max_seq_length = options.max_tokens
        return model.eval()
