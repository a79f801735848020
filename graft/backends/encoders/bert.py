"""A BERT encoder in plain torch: tokens in, mean-pooled unit vectors out, or the state of every token.

Written out because it is the hot path of indexing: transformers takes seconds to import and pads whole batches, and the
three projections of attention are one matrix here. Reads the standard safetensors layout. Knows nothing of text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import Tensor

from graft.protocols import Matrix

Precision = Literal["fp32", "bf16"]
Linear = Callable[[Tensor], Tensor]


class BertEncoder:
    """Weights laid out for inference. Stateless between calls, so threads may share it."""

    def __init__(
        self, weights: Mapping[str, Tensor], config: Mapping[str, Any], precision: Precision, device: str
    ) -> None:
        self._heads = int(config["num_attention_heads"])
        self._epsilon = float(config["layer_norm_eps"])
        self._device = device
        self._type = torch.bfloat16 if precision == "bf16" else torch.float32
        held = {name.removeprefix("bert."): weight for name, weight in weights.items()}

        def tensor(name: str) -> Tensor:
            return held[name].to(device, self._type)

        def linear(*names: str) -> Linear:
            weight = torch.cat([held[f"{name}.weight"] for name in names])
            bias = torch.cat([held[f"{name}.bias"] for name in names])
            weight, bias = weight.to(device, self._type), bias.to(device, self._type)
            return lambda x: F.linear(x, weight, bias)

        def norm(name: str) -> Linear:
            weight, bias = tensor(f"{name}.weight"), tensor(f"{name}.bias")
            return lambda x: F.layer_norm(x, weight.shape, weight, bias, self._epsilon)

        self._words = tensor("embeddings.word_embeddings.weight")
        places = tensor("embeddings.position_embeddings.weight")
        self._places = places + tensor("embeddings.token_type_embeddings.weight")[0]
        self._norm = norm("embeddings.LayerNorm")
        self._layers = []
        for number in range(int(config["num_hidden_layers"])):
            layer = f"encoder.layer.{number}"
            attention = [f"{layer}.attention.self.{part}" for part in ("query", "key", "value")]
            self._layers.append((
                linear(*attention),
                linear(f"{layer}.attention.output.dense"),
                norm(f"{layer}.attention.output.LayerNorm"),
                linear(f"{layer}.intermediate.dense"),
                linear(f"{layer}.output.dense"),
                norm(f"{layer}.output.LayerNorm"),
            ))  # fmt: skip

    @torch.inference_mode()
    def encode(self, ids: Sequence[Sequence[int]]) -> Matrix:
        """Return one unit vector a token sequence, float32 [len(ids), width]. The sequences are padded to the longest."""
        x, present = self.states(ids)
        # Summed in float32: a mean over 256 tokens in bfloat16 would lose two digits.
        pooled = (x.float() * present[:, :, None]).sum(1) / present.sum(1)[:, None]
        vectors: Matrix = F.normalize(pooled, dim=-1).cpu().numpy()
        return vectors

    @torch.inference_mode()
    def states(self, ids: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Return the last layer's state of every token, [len(ids), longest, width], and which places hold a token."""
        lengths = torch.tensor([len(sequence) for sequence in ids], device=self._device)
        longest = int(lengths.max())
        padded = torch.zeros((len(ids), longest), dtype=torch.long)
        for row, sequence in zip(padded, ids, strict=True):
            row[: len(sequence)] = torch.tensor(sequence)
        present = torch.arange(longest, device=self._device) < lengths[:, None]
        mask = None if bool(present.all()) else present[:, None, None, :]
        x = self._norm(F.embedding(padded.to(self._device), self._words) + self._places[:longest])
        for projections, output, norm, widen, narrow, last in self._layers:
            x = norm(x + output(self._attend(projections(x), mask)))
            x = last(x + narrow(F.gelu(widen(x))))
        return x, present

    def _attend(self, projected: Tensor, mask: Tensor | None) -> Tensor:
        batch, length, triple = projected.shape
        split = projected.view(batch, length, 3, self._heads, triple // 3 // self._heads).permute(
            2, 0, 3, 1, 4
        )
        attended = F.scaled_dot_product_attention(split[0], split[1], split[2], attn_mask=mask)
        return attended.transpose(1, 2).reshape(batch, length, triple // 3)
