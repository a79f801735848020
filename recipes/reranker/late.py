"""Rows → a late-interaction reranker: a low-rank change of MiniLM's last layers, and a weight a query token.

    python -m recipes.reranker.late --work runs/reranker --out runs/reranker/late

The score of a passage is the mean, over the tokens of the question, of the best cosine that any of the passage's tokens
has with it (MaxSim: Khattab & Zaharia, SIGIR 2020), weighted by a learned weight a token. The loss is the cross entropy
of the positive among its own negatives and those of the batch. The layers below `--cut` are frozen and computed once a
text, so that a step costs a third; what is stored is the change of the others, one megabyte beside MiniLM's 90. The
reranker late-interaction opens the folder as its `change`. What came of it stands in README.md.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from safetensors.torch import save_file
from torch import Tensor, nn

from graft.backends.devices import cpu_has_bf16
from graft.backends.trainers import train_ranking
from graft.backends.trainers.lora_layers import LowRankLinear
from graft.protocols import RankingRow
from recipes.reranker.train import SEED, read_rows

MAX_TOKENS = 192
RANK = 32
ALPHA = 32.0
SCALE = 20.0  # cosines differ by little: 1 / 0.05, as the embedder's own temperature


class TokenEncoder(nn.Module):
    """MiniLM cut in two: layers below `cut` frozen, the others changed by LoRA; tokens out as unit vectors."""

    def __init__(self, folder: Path, cut: int) -> None:
        from transformers import AutoModel, AutoTokenizer

        super().__init__()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.bert = AutoModel.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa")
        self.bert.requires_grad_(requires_grad=False)
        self.cut = cut
        self.gate = nn.Linear(self.bert.config.hidden_size, 1)
        nn.init.zeros_(self.gate.weight)
        nn.init.zeros_(self.gate.bias)
        self.changed: dict[str, LowRankLinear] = {}
        for number, layer in enumerate(self.bert.encoder.layer[cut:], start=cut):
            for path, linear in list(layer.named_modules()):
                if isinstance(linear, nn.Linear):
                    made = LowRankLinear(linear, RANK, ALPHA)
                    parent, _, name = path.rpartition(".")
                    setattr(layer.get_submodule(parent), name, made)
                    self.changed[f"encoder.layer.{number}.{path}"] = made

    @torch.no_grad()
    def below(self, texts: Sequence[str]) -> list[Tensor]:
        """Return the states of each text below the cut, bfloat16 [tokens, width]."""
        ids = self.tokenizer(list(texts), truncation=True, max_length=MAX_TOKENS)["input_ids"]
        made: list[Tensor] = [torch.empty(0)] * len(ids)
        order = sorted(range(len(ids)), key=lambda row: -len(ids[row]))
        for at in range(0, len(order), 16):
            rows = order[at : at + 16]
            padded, present = _padded([torch.tensor(ids[row])[:, None] for row in rows])
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=cpu_has_bf16()):
                states = self.bert.embeddings(input_ids=padded[..., 0])
                for layer in self.bert.encoder.layer[: self.cut]:
                    states = _first(layer(states, attention_mask=present[:, None, None, :]))
            for place, row in enumerate(rows):
                made[row] = states[place, : len(ids[row])].bfloat16().clone()
        return made

    def above(self, states: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Return unit vectors [texts, tokens, width], which tokens are there, and the weight of each token, summing to 1."""
        padded, present = _padded(list(states))
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=cpu_has_bf16()):
            x = padded.float()
            for layer in self.bert.encoder.layer[self.cut :]:
                x = _first(layer(x, attention_mask=present[:, None, None, :]))
        x = x.float()
        weights = self.gate(x)[..., 0].masked_fill(~present, -torch.inf).softmax(-1)
        return F.normalize(x, dim=-1), present, weights


def _first(result: Any) -> Tensor:
    made: Tensor = result[0] if isinstance(result, tuple) else result
    return made


def _padded(many: list[Tensor]) -> tuple[Tensor, Tensor]:
    made = nn.utils.rnn.pad_sequence(many, batch_first=True)
    lengths = torch.tensor([len(one) for one in many])
    return made, torch.arange(made.shape[1]) < lengths[:, None]


def maxsim(query: tuple[Tensor, Tensor, Tensor], passage: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Return the score of every query with every passage."""
    close = torch.einsum("qid,pjd->qpij", query[0], passage[0])
    best = close.masked_fill(~passage[1][None, :, None, :], -torch.inf).amax(-1)
    return (best * query[2][:, None, :]).sum(-1)


def main() -> None:
    """Train and store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--most", type=int, default=900)
    parser.add_argument("--negatives", type=int, default=2)
    parser.add_argument("--cut", type=int, default=4)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--learning-rate", type=float, default=5e-4)
    options = parser.parse_args()
    rows = read_rows(options.work / "rows.jsonl", options.most)
    torch.manual_seed(SEED)
    train_ranking.hush()
    model = TokenEncoder(train_ranking.start_folder(""), options.cut)
    started = time.monotonic()
    texts = sorted(
        {text for row in rows for text in (row.query, row.positive, *row.negatives[: options.negatives])}
    )
    held = dict(zip(texts, model.below(texts), strict=True))
    print(
        f"{len(rows)} rows, {len(texts)} texts below the cut in {time.monotonic() - started:.0f} s",
        flush=True,
    )
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=options.learning_rate, weight_decay=0.01)
    steps = train_ranking.batches(len(rows), options.batch, options.epochs, SEED)
    since: list[float] = []
    for step, chosen in enumerate(steps):
        for group in optimizer.param_groups:
            group["lr"] = options.learning_rate * train_ranking.share_of_peak(step, len(steps))
        loss = loss_of(model, [rows[at] for at in chosen], held, options.negatives)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        since.append(loss.item())
        if (step + 1) % 20 == 0 or step + 1 == len(steps):
            print(f"{step + 1}/{len(steps)} loss {sum(since) / len(since):.4f} {time.monotonic() - started:.0f} s, "
                  f"CPU {time.process_time():.0f} s", flush=True)  # fmt: skip
            since.clear()
            store(model, options.out)


def loss_of(
    model: TokenEncoder, rows: Sequence[RankingRow], held: Mapping[str, Tensor], negatives: int
) -> Tensor:
    """Return the mean cross entropy of the positives, each among all passages of the batch that are not its own question's."""
    passages = {text for row in rows for text in (row.positive, *row.negatives[:negatives])}
    flat = sorted(passages, key=lambda text: len(held[text]))  # so that little is padded
    place = {text: at for at, text in enumerate(flat)}
    queries = model.above([held[row.query] for row in rows])
    parts = [
        maxsim(queries, model.above([held[text] for text in flat[at : at + 12]]))
        for at in range(0, len(flat), 12)
    ]
    table = SCALE * torch.cat(parts, dim=1)
    losses = []
    for at, row in enumerate(rows):
        gold = {one.positive for one in rows if one.query == row.query}
        others = [place[text] for text in flat if text not in gold]
        line = torch.cat([table[at, place[row.positive]][None], table[at, others]])
        losses.append(-line.log_softmax(0)[0])
    return torch.stack(losses).mean()


def store(model: TokenEncoder, folder: Path) -> None:
    """Write the change in half precision."""
    tensors: dict[str, Tensor] = {"gate.weight": model.gate.weight.detach()}
    for name, layer in model.changed.items():
        tensors[f"{name}.down"] = layer.down.detach()
        tensors[f"{name}.up"] = layer.up.detach() * layer.scale
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: one.half().contiguous() for name, one in tensors.items()}, folder / "change.safetensors")
    (folder / "change.json").write_text(json.dumps({"rank": RANK, "cut": model.cut}) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
