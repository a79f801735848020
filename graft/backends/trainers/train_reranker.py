"""A cross-encoder from rows of (query, passage, passages that only look right), starting from a sentence encoder.

The loss is the cross entropy of the positive among its own negatives (localised contrastive estimation: Gao, Dai &
Callan 2021), which ranks instead of judging single pairs. Writes a standard sequence classifier with one output, which
the reranker `cross-encoder` opens. Knows nothing of where the rows are from.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from graft.backends.models import hush
from graft.errors import DataError
from graft.protocols import Progress, RankingRow
from graft.types import content_hash


class RerankerTrainer:
    """Makes a reranker from rows."""

    @dataclass(frozen=True, slots=True)
    class Options:
        """`start`: the folder of a BERT encoder to start from; default, the installed MiniLM. `batch_size`: rows an
        optimiser step, each read with at most `negatives` of its negatives. `max_tokens`: longer pairs are cut.
        `max_minutes` 0 means no limit."""

        start: str = ""
        epochs: int = 1
        batch_size: int = 8
        negatives: int = 5
        learning_rate: float = 1e-4
        weight_decay: float = 0.01
        max_tokens: int = 192
        max_minutes: float = 0.0

    def __init__(self, options: Options | None = None) -> None:
        self._options = options or self.Options()
        made_of = {key: value for key, value in asdict(self._options).items() if key != "start"}
        self.fingerprint = content_hash("reranker 1", json.dumps(made_of, sort_keys=True))

    def train(
        self, rows: Sequence[RankingRow], folder: Path, *, seed: int, progress: Progress
    ) -> dict[str, Any]:
        """Write the cross-encoder to `folder` (see `graft.protocols.RetrieverTrainer`). Raises DataError when no row
        has a negative."""
        import torch
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        from graft.backends.trainers import train_ranking

        options = self._options
        groups = [
            (row.query, (row.positive, *row.negatives[: options.negatives])) for row in rows if row.negatives
        ]
        if not groups:
            raise DataError(
                "No training row has a negative passage.", "Give more documents, or more examples."
            )
        start = train_ranking.start_folder(options.start)
        hush()
        tokenizer = AutoTokenizer.from_pretrained(start)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = AutoModelForSequenceClassification.from_pretrained(
                start, num_labels=1, attention_probs_dropout_prob=0.0, dtype=torch.float32
            )

            def loss_of(chosen: Sequence[int]) -> torch.Tensor:
                picked = [groups[row] for row in chosen]
                pairs = tokenizer(
                    [query for query, texts in picked for _ in texts],
                    [text for _, texts in picked for text in texts],
                    padding=True, truncation="longest_first", max_length=options.max_tokens, return_tensors="pt",
                )  # fmt: skip
                logits = model(**pairs).logits[:, 0].float().split([len(texts) for _, texts in picked])
                return torch.stack([-group.log_softmax(0)[0] for group in logits]).mean()

            steps = train_ranking.batches(len(groups), options.batch_size, options.epochs, seed)
            state = train_ranking.fit(
                model, steps, loss_of, folder, learning_rate=options.learning_rate, seed=seed, progress=progress,
                weight_decay=options.weight_decay, max_minutes=options.max_minutes,
            )  # fmt: skip
        train_ranking.store(model, start, folder)
        return {
            "rows": len(groups), "steps": state.step, "planned_steps": len(steps), "seconds": round(state.seconds, 1),
            "loss": state.curve, "settings": asdict(options),
        }  # fmt: skip
