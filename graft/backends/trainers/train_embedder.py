"""A sentence encoder from rows of (query, passage, passages that only look right).

The loss is the cross entropy of each query's passage among all passages of its batch, hard negatives included, over
cosines divided by a temperature of 0.05 (InfoNCE; multiple negatives ranking in sentence-transformers). Against
forgetting, the result is the mean of the tuned and the starting weights (WiSE-FT: Wortsman et al. 2022), by `mix`.
Writes a folder that the embedder `minilm` opens by its `path`. Knows nothing of where the rows are from.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from graft.backends.models import hush
from graft.errors import DataError
from graft.protocols import Progress, RankingRow
from graft.types import content_hash


class EmbedderTrainer:
    """Makes an embedder from rows."""

    @dataclass(frozen=True, slots=True)
    class Options:
        """`start`: the folder of a BERT encoder to start from; default, the installed MiniLM. `batch_size`: rows an
        optimiser step, each with its first `negatives` negatives; all passages of a step are compared with all its
        queries. `mix`: share of the tuned weights in the result, 1 for all of it. `max_tokens`: longer passages are
        cut. `max_minutes` 0 means no limit."""

        start: str = ""
        epochs: int = 2
        batch_size: int = 32
        negatives: int = 1
        learning_rate: float = 3e-5
        weight_decay: float = 0.01
        temperature: float = 0.05
        mix: float = 0.7
        max_tokens: int = 192
        max_minutes: float = 0.0

    def __init__(self, options: Options | None = None) -> None:
        self._options = options or self.Options()
        made_of = {key: value for key, value in asdict(self._options).items() if key != "start"}
        self.fingerprint = content_hash("embedder 1", json.dumps(made_of, sort_keys=True))

    def train(
        self, rows: Sequence[RankingRow], folder: Path, *, seed: int, progress: Progress
    ) -> dict[str, Any]:
        """Write the encoder to `folder` (see `graft.protocols.RetrieverTrainer`). Raises DataError with fewer than two
        rows: a passage is told from those of other rows."""
        import torch
        from torch.nn import functional
        from transformers import AutoTokenizer, BertModel

        from graft.backends.trainers import train_ranking

        options = self._options
        if len(rows) < 2:
            raise DataError(f"{len(rows)} training rows are too few for an embedder.",
                            "Give examples that name the documents they rest on.")  # fmt: skip
        start = train_ranking.start_folder(options.start)
        hush()
        tokenizer = AutoTokenizer.from_pretrained(start)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = BertModel.from_pretrained(
                start, add_pooling_layer=False, attention_probs_dropout_prob=0.0, dtype=torch.float32
            )
            before = {name: weight.detach().clone() for name, weight in model.named_parameters()}

            def embed(texts: Sequence[str]) -> torch.Tensor:
                read = tokenizer(list(texts), padding=True, truncation=True, max_length=options.max_tokens,
                                 return_tensors="pt")  # fmt: skip
                hidden = model(**read).last_hidden_state.float()
                present = read["attention_mask"][:, :, None]
                return functional.normalize((hidden * present).sum(1) / present.sum(1), dim=-1)

            def loss_of(chosen: Sequence[int]) -> torch.Tensor:
                picked = [rows[row] for row in chosen]
                passages = [row.positive for row in picked]
                passages += [text for row in picked for text in row.negatives[: options.negatives]]
                cosines = embed([row.query for row in picked]) @ embed(passages).T / options.temperature
                return functional.cross_entropy(cosines.masked_fill(_also_right(picked, passages), -1e4),
                                                torch.arange(len(picked)))  # fmt: skip

            steps = train_ranking.batches(len(rows), options.batch_size, options.epochs, seed)
            steps = [step for step in steps if len(step) > 1]
            state = train_ranking.fit(
                model, steps, loss_of, folder, learning_rate=options.learning_rate, seed=seed, progress=progress,
                weight_decay=options.weight_decay, max_minutes=options.max_minutes,
            )  # fmt: skip
            with torch.no_grad():
                for name, weight in model.named_parameters():
                    weight.copy_(options.mix * weight + (1 - options.mix) * before[name])
        train_ranking.store(model, start, folder)
        for part in ("modules.json", "sentence_bert_config.json", "1_Pooling/config.json"):
            if (start / part).is_file():  # so that sentence-transformers opens it too
                (folder / part).parent.mkdir(exist_ok=True)
                shutil.copyfile(start / part, folder / part)
        return {
            "rows": len(rows), "steps": state.step, "planned_steps": len(steps), "seconds": round(state.seconds, 1),
            "loss": state.curve, "settings": asdict(options),
        }  # fmt: skip


def _also_right(rows: Sequence[RankingRow], passages: Sequence[str]) -> Any:
    """Return bool [rows, passages]: the passages that are the row's own positive a second time, or the positive of
    another row of the same query. They must not count as wrong."""
    import torch

    right: dict[str, set[str]] = {}
    for row in rows:
        right.setdefault(row.query, set()).add(row.positive)
    return torch.tensor([
        [at != place and text in right[row.query] for place, text in enumerate(passages)] for at, row in enumerate(rows)
    ])  # fmt: skip
