"""The training-time network: a Llama decoder written for throughput, weight-compatible with `LlamaForCausalLM`.

Why not train `LlamaForCausalLM` itself: on one CPU core this version, compiled and in pure bf16 with fp32 master
weights, is several times faster (figures in LOG.md). `to_llama_state` gives the exact Hugging Face names, and
`tests/test_recipe_nano.py` checks that both give the same logits.

Shapes: B rows, L tokens a row, D hidden, H heads, K head width, V vocabulary.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (as everywhere in PyTorch)

from recipes.nano.attention import attend


@dataclass(frozen=True)
class Shape:
    """The size of the network. Every in-features is a multiple of 64 so that NF4 (QLoRA on CPU) accepts it."""

    vocab: int = 4096
    hidden: int = 256
    layers: int = 8
    heads: int = 4
    ffn: int = 1536
    context: int = 2048
    rope_theta: float = 10_000.0

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.hidden // self.heads

    def as_dict(self) -> dict[str, float]:
        """Plain values, for checkpoints and for config.json."""
        return asdict(self)


POINTING = (
    3  # last blocks whose head 0 is told where answers stand: the later ones refine what the first found
)
HEADING_LAYER = (
    2  # whose head 0 is told, at each such place, where the number of its passage stands: citing (LOG.md)
)
POINTING_WEIGHT = 1.0
MEANING_LAYER = (
    1  # after which the state at a word's end is to tell its meaning: two blocks put a word's tokens together
)
MEANING_WEIGHT = 0.5
MEANING_WIDTH = 256  # of the vectors that tell it, whatever the network's own width


class Picks(NamedTuple):
    """Positions that reach the output head, all (N,): flat position, its next token, its weight in the loss."""

    position: Tensor
    target: Tensor
    weight: Tensor


class Points(NamedTuple):
    """Where answers are copied from: flat query positions (M,), M / B for each row in order; up to three places in the
    row (M, 3) with -1 for none; weights (M,) that sum to 1 or are all 0."""

    query: Tensor
    keys: Tensor
    weight: Tensor


class Words(NamedTuple):
    """Ends of words: flat position (M,) and the vector of the word's meaning (M, E), of length one or 0 for none."""

    position: Tensor
    vector: Tensor


def rms_norm(x: Tensor, weight: Tensor) -> Tensor:
    """Llama's RMSNorm: statistics in fp32, the result in the type of `x`."""
    wide = x.float()
    return (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-5)).to(x.dtype) * weight


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position embedding in the Hugging Face half-split layout; `x` is (B, L, H, K), cos and sin (L, 1, K).

    `sin` is negative in its first half; the halves are swapped by a flip, which the compiler vectorises (not so a cat).
    """
    swapped = x.unflatten(-1, (2, -1)).flip(-2).flatten(-2)
    return (x * cos + swapped * sin).to(x.dtype)


class Block(nn.Module):
    """One decoder layer: attention, then a gated feed-forward, each behind a pre-norm."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        d = shape.hidden
        self.shape = shape
        self.input_layernorm = nn.Parameter(torch.ones(d))
        self.post_attention_layernorm = nn.Parameter(torch.ones(d))
        self.q_proj = nn.Linear(d, d, bias=False)
        self.k_proj = nn.Linear(d, d, bias=False)
        self.v_proj = nn.Linear(d, d, bias=False)
        self.o_proj = nn.Linear(d, d, bias=False)
        self.gate_proj = nn.Linear(d, shape.ffn, bias=False)
        self.up_proj = nn.Linear(d, shape.ffn, bias=False)
        self.down_proj = nn.Linear(shape.ffn, d, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map (B, L, D) to (B, L, D), causal over the whole row; also return head 0's query and key, (B, L, K)."""
        b, length, d = x.shape
        heads = (b, length, self.shape.heads, self.shape.head_dim)
        h = rms_norm(x, self.input_layernorm)
        q, k, v = (p(h).view(heads) for p in (self.q_proj, self.k_proj, self.v_proj))
        q, k, v = (t.transpose(1, 2).contiguous() for t in (rotate(q, cos, sin), rotate(k, cos, sin), v))
        if x.device.type == "cpu" and self.training:
            a = attend(q.flatten(0, 1) * q.shape[-1] ** -0.5, k.flatten(0, 1), v.flatten(0, 1))[0].view(
                q.shape
            )
        else:
            a = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.o_proj(a.transpose(1, 2).reshape(b, length, d))
        h = rms_norm(x, self.post_attention_layernorm)
        return x + self.down_proj(F.silu(self.gate_proj(h)) * self.up_proj(h)), q[:, 0], k[:, 0]


class Nano(nn.Module):
    """Embedding, blocks, final norm; the output head is the embedding (tied)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embed = nn.Parameter(torch.empty(shape.vocab, shape.hidden))
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = nn.Parameter(torch.ones(shape.hidden))
        self.meaning = nn.Parameter(torch.empty(MEANING_WIDTH, shape.hidden))  # (E, D), for training alone
        self.register_buffer("cos", torch.empty(0), persistent=False)
        self.register_buffer("sin", torch.empty(0), persistent=False)
        self.reset()

    def reset(self) -> None:
        """Initialise: uniform with std 1/sqrt(fan-in); zero output projections, so that every block starts as identity."""
        nn.init.normal_(self.embed, std=0.02)
        nn.init.normal_(self.meaning, std=0.02)
        for block in self.blocks:
            for name, p in block.named_parameters():
                if p.ndim == 2:
                    bound = (3.0 / p.shape[1]) ** 0.5
                    nn.init.zeros_(p) if name[:2] in ("o_", "do") else nn.init.uniform_(p, -bound, bound)
        k = self.shape.head_dim
        angle = torch.outer(
            torch.arange(self.shape.context).float(),
            self.shape.rope_theta ** (-torch.arange(0, k, 2).float() / k),
        )
        angle = torch.cat((angle, angle), dim=-1)
        self.cos = angle.cos()[:, None]
        self.sin = torch.cat((-angle[:, : k // 2].sin(), angle[:, k // 2 :].sin()), dim=-1)[:, None]

    def forward(self, ids: Tensor) -> Tensor:
        """Map token ids (B, L) to normed hidden states (B, L, D)."""
        return self._run(ids)[0]

    def _run(self, ids: Tensor) -> tuple[Tensor, list[tuple[Tensor, Tensor]], Tensor]:
        """Return the hidden states (B, L, D), query and key (B, L, K) of each pointing head, the states that tell meanings."""
        length = ids.shape[1]
        x = F.embedding(ids, self.embed)
        cos, sin = self.cos[:length], self.sin[:length]
        heads, early = [], x
        last = len(self.blocks) - 1
        for place, block in enumerate(self.blocks):
            x, q, k = block(x, cos, sin)
            if place in (HEADING_LAYER, last) or place > max(HEADING_LAYER, last - POINTING):
                heads.append((q, k))
            if place == MEANING_LAYER:
                early = x
        return rms_norm(x, self.norm), heads, early

    def loss(
        self, ids: Tensor, picks: Picks, points: Points, headings: Points, words: Words
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Return the loss to minimise; of each pick the cross-entropy (N,) and whether the first guess is right (N,); the
        mean pointing loss; the mean cosine of told meanings and true ones.

        The output head costs a sixth of the network, so positions without a loss never reach it.
        """
        hidden, heads, early = self._run(ids)
        logits = F.linear(hidden.reshape(-1, self.shape.hidden)[picks.position], self.embed).float()
        each = F.cross_entropy(logits, picks.target, reduction="none")
        pointing = sum(point_loss(q, k, points) for q, k in heads[1:] or heads) / len(heads[1:] or heads)
        pointing = pointing + 0.5 * point_loss(*heads[0], headings)
        told = F.linear(early.reshape(-1, self.shape.hidden)[words.position], self.meaning).float()
        kinship = F.cosine_similarity(told, words.vector, dim=-1).mean()
        total = (each * picks.weight).sum() + POINTING_WEIGHT * pointing - MEANING_WEIGHT * kinship
        right = logits.detach().argmax(-1) == picks.target
        return total, each.detach(), right, pointing.detach(), kinship.detach()


def point_loss(q: Tensor, k: Tensor, points: Points) -> Tensor:
    """How much attention of one head misses where the answer stands: the mean of -log(attention mass on it).

    `q`, `k` (B, L, K) of that head. Told where to look, a reader learns to retrieve in a fraction of the tokens that it
    takes to find out from the answers alone (LOG.md); the weights it leaves are those of a plain decoder.
    """
    rows, length, width = q.shape
    asking = q.reshape(-1, width)[points.query].view(rows, -1, width)  # (B, M / B, K)
    scores = (asking @ k.transpose(1, 2)).float().view(-1, length) / width**0.5
    ahead = torch.arange(length, device=q.device)[None] > (points.query % length)[:, None]
    share = scores.masked_fill(ahead, -1e9).log_softmax(-1)
    found = share.gather(1, points.keys.clamp(min=0)).masked_fill(points.keys < 0, -1e9)
    return -(found.logsumexp(-1) * points.weight).sum()


def to_llama_state(model: Nano) -> dict[str, Tensor]:
    """Return the weights under the names `LlamaForCausalLM` uses (tied head: `lm_head` is left out)."""
    state = {"model.embed_tokens.weight": model.embed, "model.norm.weight": model.norm}
    for i, block in enumerate(model.blocks):
        for name, p in block.named_parameters():
            stem, _, leaf = name.rpartition(".")
            part = ("self_attn." if stem[:1] in "qkvo" else "mlp.") + stem if leaf == "weight" else name
            state[f"model.layers.{i}.{part}.weight"] = p
    return {k: v.detach().contiguous() for k, v in state.items()}
