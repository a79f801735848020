"""Late interaction on the installed MiniLM: each token of the question with the token of the passage nearest to it.

MaxSim (Khattab & Zaharia, SIGIR 2020). Needs no weights but the embedder's: MiniLM was trained for the mean of its tokens,
and its tokens are good enough alone. A change of its last layers that recipes/reranker/late.py trained can be put on top. A
passage is encoded without the question, so that what was read once is kept. Nothing is loaded before the first score.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graft.backends.devices import cpu_has_bf16
from graft.backends.encoders.embed_minilm import MAX_TOKENS, PUBLISHED_SHA256, installed, readable, verify
from graft.errors import ConfigError
from graft.types import content_hash

if TYPE_CHECKING:
    import torch

    from graft.backends.encoders.bert import BertEncoder

_TOKENS = 2048  # padded tokens computed at once


class LateInteractionReranker:
    """MiniLM's tokens, compared with one another. Threads may share it."""

    @dataclass(frozen=True, slots=True)
    class Options:
        """`change`: a folder that recipes/reranker/late.py wrote; default, MiniLM as it is. `weight`: how much its score
        counts beside the search's. `max_tokens`: longer texts are cut. `kept`: passages whose tokens stay in memory,
        0.1 MB each of 130 tokens; 0 keeps none."""

        change: str = ""
        weight: float = 0.33
        max_tokens: int = MAX_TOKENS
        kept: int = 1000

    def __init__(self, options: Options | None = None) -> None:
        self._options = options or self.Options()
        self._lock = threading.Lock()
        self._loaded: tuple[Any, BertEncoder, torch.Tensor | None] | None = None
        self._held: OrderedDict[str, torch.Tensor] = OrderedDict()
        self.weight = self._options.weight

    @cached_property
    def _change(self) -> Path | None:
        if not self._options.change:
            return None
        path = Path(self._options.change).expanduser() / "change.safetensors"
        if not path.is_file():
            raise ConfigError(f"{path} does not exist.", "Leave 'change' out to use MiniLM as it is.")
        return path

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the weights and of what changes the scores."""
        change = content_hash(self._change.read_bytes()) if self._change else ""
        return content_hash("late", PUBLISHED_SHA256, change, str(self._options.max_tokens))

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return one score a text, from -1 to 1."""
        if not texts:
            return []
        with self._lock:
            if self._loaded is None:
                self._loaded = self._load()
        import torch

        _, _, gate = self._loaded
        with torch.inference_mode():
            [asked] = self._encoded([query])
            weights = torch.full((len(asked),), 1 / len(asked)) if gate is None else (asked @ gate).softmax(0)
            asked = torch.nn.functional.normalize(asked, dim=-1)
            return [float((asked @ text.T).amax(1) @ weights) for text in self._passages(texts)]

    def _passages(self, texts: Sequence[str]) -> list[torch.Tensor]:
        """Return the unit vectors of each text's tokens, [tokens, width]."""
        import torch

        with self._lock:
            found = {text: self._held[text] for text in set(texts) if text in self._held}
            for text in found:
                self._held.move_to_end(text)
        new = [text for text in dict.fromkeys(texts) if text not in found]
        for text, states in zip(new, self._encoded(new), strict=True):
            found[text] = torch.nn.functional.normalize(states, dim=-1).bfloat16()
        with self._lock:
            self._held.update((text, found[text]) for text in new)
            while len(self._held) > self._options.kept:
                self._held.popitem(last=False)
        return [found[text].float() for text in texts]

    def _encoded(self, texts: Sequence[str]) -> list[torch.Tensor]:
        """Return the states of each text's tokens, float32. Texts of like length are computed together. As it is, MiniLM
        gives the marks at the ends no meaning of their own; a change was trained with them."""
        assert self._loaded is not None
        tokenizer, encoder, gate = self._loaded
        ends = 1 if gate is None else 0
        ids = [encoding.ids for encoding in tokenizer.encode_batch_fast(list(texts))]
        made: list[Any] = [None] * len(ids)
        order = sorted(range(len(ids)), key=lambda row: -len(ids[row]))
        while order:
            many = max(1, _TOKENS // len(ids[order[0]]))
            rows, order = order[:many], order[many:]
            states = encoder.states([ids[row] for row in rows])[0].float()
            for place, row in enumerate(rows):
                length = len(ids[row])
                first, last = (ends, length - ends) if length > 2 * ends else (0, length)
                made[row] = states[place, first:last].clone()
        return made

    def _load(self) -> tuple[Any, BertEncoder, torch.Tensor | None]:
        from safetensors.torch import load_file
        from tokenizers import Tokenizer

        from graft.backends.encoders.bert import BertEncoder

        base = installed("The reranker 'late-interaction'")
        config = json.loads((base / "config.json").read_text(encoding="utf-8"))
        most = readable(self._options.max_tokens, config)
        verify(base)
        weights = load_file(base / "model.safetensors")
        gate: torch.Tensor | None = None
        if self._change:
            change = {name: one.float() for name, one in load_file(self._change).items()}
            gate = change["gate.weight"][0]
            for name in [name.removesuffix(".up") for name in change if name.endswith(".up")]:
                weight = weights[f"{name}.weight"].float()
                weights[f"{name}.weight"] = weight + change[f"{name}.up"] @ change[f"{name}.down"]
        tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
        tokenizer.enable_truncation(most)
        tokenizer.no_padding()
        return tokenizer, BertEncoder(weights, config, "bf16" if cpu_has_bf16() else "fp32", "cpu"), gate
