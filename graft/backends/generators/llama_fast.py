"""A short decoder for small Llama-type models on a CPU: the same numbers as Hugging Face's, without its overhead.

For a model of a few million parameters most of a step's time goes into calls, not into arithmetic. Here a layer is four
matrix products on fused weights (query-key-value together, gate-up together) and a preallocated cache; rotary
embedding is one complex product, after reordering the rows of the query and key weights once. Each prompt of a batch
is read alone and unpadded, so reading a prompt does not depend on its batch mates.

Where the CPU multiplies in bf16, prompts may be read with bf16 products and keys and values be kept in bf16, the residual
stream in fp32: the mixed precision that such models are trained in. One core with AMX then reads 19,000 tokens a second
of the shipped model, where `transformers` in fp32 reads 5,300 (recipes/nano/speed.py), and attention over a batch takes
a third of the time. What writes a token stays in fp32: the product of a matrix and one vector waits for memory, and bf16
was slower.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class _Layer:
    norm_in: Tensor
    qkv: Tensor
    out: Tensor
    norm_mid: Tensor
    gate_up: Tensor
    down: Tensor


def supports(model: Any) -> bool:
    """Whether `FastLlama` covers this model: a plain Llama on a CPU, unquantised and without adapters attached."""
    config = model.config
    layers = getattr(model.model, "layers", ())  # none where peft has wrapped the model
    return (
        bool(layers)
        and config.model_type == "llama"
        and model.device.type == "cpu"
        and config.hidden_act == "silu"
        and not (config.attention_bias or config.mlp_bias)
        and config.rope_parameters.get("rope_type") == "default"
        and all(type(layer.self_attn.q_proj) is nn.Linear for layer in layers)
    )


class FastLlama:
    """The fused weights of one model, shared by all batches; `mixed`: bf16 where the module's docstring says so."""

    def __init__(self, model: Any, *, mixed: bool = False) -> None:
        config = model.config
        self.heads: int = config.num_attention_heads
        self.kv_heads: int = config.num_key_value_heads
        self.width: int = getattr(config, "head_dim", None) or config.hidden_size // self.heads
        self.eps: float = config.rms_norm_eps
        self.embedding: Tensor = model.get_input_embeddings().weight.detach()
        self.head: Tensor = model.get_output_embeddings().weight.detach()
        self.norm: Tensor = model.model.norm.weight.detach()
        self.layers = [self._fuse(layer) for layer in model.model.layers]
        self.reading = [_in_bf16(layer) for layer in self.layers] if mixed else self.layers
        self.mixed = mixed
        self.cache_type = torch.bfloat16 if mixed else self.embedding.dtype
        # One angle a position and pair of coordinates, as unit complex numbers: [positions, width / 2].
        rates = config.rope_parameters["rope_theta"] ** (
            -torch.arange(0, self.width, 2).double() / self.width
        )
        angles = torch.outer(torch.arange(config.max_position_embeddings).double(), rates)
        self.turns = torch.polar(torch.ones_like(angles), angles).to(torch.complex64)

    def _fuse(self, layer: Any) -> _Layer:
        attention, mlp = layer.self_attn, layer.mlp
        return _Layer(
            norm_in=layer.input_layernorm.weight.detach(),
            qkv=torch.cat(
                [
                    self._paired(attention.q_proj.weight.detach()),
                    self._paired(attention.k_proj.weight.detach()),
                    attention.v_proj.weight.detach(),
                ]
            ),
            out=attention.o_proj.weight.detach(),
            norm_mid=layer.post_attention_layernorm.weight.detach(),
            gate_up=torch.cat([mlp.gate_proj.weight.detach(), mlp.up_proj.weight.detach()]),
            down=mlp.down_proj.weight.detach(),
        )

    def _paired(self, weight: Tensor) -> Tensor:
        """Reorder a projection's rows so that the coordinates which turn together (i and i + width/2) lie side by side.
        Queries and keys are reordered alike, so their products stay the same."""
        halves = weight.view(-1, 2, self.width // 2, weight.shape[1])
        return halves.transpose(1, 2).reshape(weight.shape)

    def split_qkv(self, x: Tensor, layer: _Layer, turns: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries, keys (both turned by their positions) and values, each [rows, length, heads, width]."""
        rows, length, _ = x.shape
        both = self.heads + self.kv_heads
        normed = functional.rms_norm(x, x.shape[-1:], layer.norm_in, self.eps)
        mixed = functional.linear(normed.to(layer.qkv.dtype), layer.qkv)
        mixed = mixed.view(rows, length, both + self.kv_heads, self.width)
        pairs = torch.view_as_complex(mixed[:, :, :both].float().reshape(rows, length, both, -1, 2))
        turned = torch.view_as_real(pairs * turns).flatten(-2).to(mixed.dtype)
        return turned[:, :, : self.heads], turned[:, :, self.heads :], mixed[:, :, both:]

    def finish(self, x: Tensor, attended: Tensor, layer: _Layer) -> Tensor:
        """Add what attention found, then the feed-forward; `attended` is [rows, length, heads · width]."""
        x = x + functional.linear(attended, layer.out)
        normed = functional.rms_norm(x, x.shape[-1:], layer.norm_mid, self.eps)
        gate, up = functional.linear(normed.to(layer.gate_up.dtype), layer.gate_up).chunk(2, dim=-1)
        return x + functional.linear(functional.silu(gate) * up, layer.down)

    def logits(self, x: Tensor) -> Tensor:
        """Return the next-token logits of hidden states [rows, hidden]."""
        return functional.linear(functional.rms_norm(x, x.shape[-1:], self.norm, self.eps), self.head)


def _in_bf16(layer: _Layer) -> _Layer:
    matrices = {name: getattr(layer, name).bfloat16() for name in ("qkv", "out", "gate_up", "down")}
    return replace(layer, **matrices)


class FastLlamaDecoder:
    """One batch (see `graft.backends.generators.decoding.Decoder`). Row r's keys stand at 0 … lengths[r] - 1 of its cache."""

    def __init__(self, llama: FastLlama) -> None:
        self.llama = llama
        self.keys: list[Tensor] = []
        self.values: list[Tensor] = []
        self.lengths = torch.empty(0, dtype=torch.long)

    def prefill(self, prompts: Sequence[Sequence[int]], room: int) -> Tensor:
        """Read each prompt alone."""
        llama = self.llama
        self.lengths = torch.tensor([len(prompt) for prompt in prompts])
        size = (len(prompts), llama.kv_heads, int(self.lengths.max()) + room, llama.width)
        self.keys = [torch.zeros(size, dtype=llama.cache_type) for _ in llama.layers]
        self.values = [torch.zeros(size, dtype=llama.cache_type) for _ in llama.layers]
        return torch.cat([self._read(row, torch.tensor(prompt)) for row, prompt in enumerate(prompts)])

    def _read(self, row: int, tokens: Tensor) -> Tensor:
        llama, length = self.llama, len(tokens)
        x = llama.embedding[tokens][None]
        turns = llama.turns[:length, None]
        for number, layer in enumerate(llama.reading):
            q, k, v = (part.transpose(1, 2) for part in llama.split_qkv(x, layer, turns))
            self.keys[number][row, :, :length] = k[0]
            self.values[number][row, :, :length] = v[0]
            if number == len(llama.layers) - 1:
                # Only the last position is asked for: it attends to all, the others are not computed.
                x, q = x[:, -1:], q[:, :, -1:]
            found = functional.scaled_dot_product_attention(
                q, k, v, is_causal=q.shape[2] > 1, enable_gqa=True
            )
            x = llama.finish(x, found.transpose(1, 2).flatten(2), layer)
        return llama.logits(x[:, -1])

    def step(self, tokens: Tensor) -> Tensor:
        """Append one token a row."""
        if len(tokens) == 1:
            return self._step_alone(int(tokens[0]))[None]
        llama, lengths = self.llama, self.lengths
        rows, longest, kind = len(tokens), int(lengths.max()), llama.cache_type
        everyone = torch.arange(rows)
        x = llama.embedding[tokens][:, None]
        turns = llama.turns[lengths][:, None, None]
        even = int(lengths.min()) == longest
        mask = None if even else (torch.arange(longest + 1) <= lengths[:, None])[:, None, None]
        for number, layer in enumerate(llama.layers):
            q, k, v = llama.split_qkv(x, layer, turns)
            keys, values = self.keys[number], self.values[number]
            if even:
                keys[:, :, longest], values[:, :, longest] = k[:, 0], v[:, 0]
            else:
                keys[everyone, :, lengths], values[everyone, :, lengths] = k[:, 0].to(kind), v[:, 0].to(kind)
            found = functional.scaled_dot_product_attention(
                q.transpose(1, 2).to(kind),
                keys[:, :, : longest + 1],
                values[:, :, : longest + 1],
                mask,
                enable_gqa=True,
            )
            x = llama.finish(x, found.transpose(1, 2).flatten(2).to(x.dtype), layer)
        self.lengths = lengths + 1
        return llama.logits(x[:, -1])

    def _step_alone(self, token: int) -> Tensor:
        """Append a token to the only row, by products of a matrix and a vector: a tenth faster than a batch of one."""
        llama, place = self.llama, int(self.lengths[0])
        heads, kv_heads, width = llama.heads, llama.kv_heads, llama.width
        x, turn = llama.embedding[token], llama.turns[place]
        for layer, keys, values in zip(llama.layers, self.keys, self.values, strict=True):
            normed = functional.rms_norm(x, x.shape, layer.norm_in, llama.eps)
            mixed = torch.mv(layer.qkv, normed).view(-1, width)
            pairs = torch.view_as_complex(mixed[:-kv_heads].float().view(heads + kv_heads, -1, 2))
            turned = torch.view_as_real(pairs * turn).view(1, -1, 1, width).to(llama.cache_type)
            keys[0, :, place], values[0, :, place] = turned[0, heads:, 0], mixed[-kv_heads:]
            found = functional.scaled_dot_product_attention(
                turned[:, :heads],
                keys[:, :, : place + 1],
                values[:, :, : place + 1],
                enable_gqa=heads != kv_heads,
            )
            x = torch.addmv(x, layer.out, found.view(-1).to(x.dtype))
            normed = functional.rms_norm(x, x.shape, layer.norm_mid, llama.eps)
            gate, up = torch.mv(layer.gate_up, normed).chunk(2)
            x = torch.addmv(x, layer.down, functional.silu(gate) * up)
        self.lengths = self.lengths + 1
        return llama.logits(x)

    def keep(self, rows: Tensor) -> None:
        """Keep only these rows."""
        self.lengths = self.lengths[rows]
        self.keys = [keys[rows] for keys in self.keys]
        self.values = [values[rows] for values in self.values]

    def back(self, count: int) -> None:
        """Forget the last tokens of every row: what comes next is written over them."""
        self.lengths = self.lengths - count
