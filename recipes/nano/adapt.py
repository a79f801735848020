"""What the base model is for: LoRA in minutes. Measures a new format, a house style, forgetting, and 77 labels.

    python -m recipes.nano.adapt format --model graft/models/nano --out runs/format
    python -m recipes.nano.adapt style --model graft/models/nano --out runs/style
    python -m recipes.nano.adapt labels --model graft/models/nano --data ../shared/data --out runs/labels
    python -m recipes.nano.adapt held --model graft/models/nano     (nothing is trained: answers are held to the format)

Uses the product's trainer and generators, so the times are those that a user sees.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from graft.backends.generators.generate_transformers import TransformersGenerator
from graft.backends.trainers.train_peft import PeftTrainer
from graft.evaluation.checks.correctness import exact_match
from graft.generation import prompts
from graft.types import TrainingRow
from recipes.nano.data import corpora
from recipes.nano.evaluate import CITATION
from recipes.nano.measure import Case, programmatic

STYLE = re.compile(
    r"Per our records: (?P<value>.+)\. Source: document (?P<place>\d+)\. Anything else\?", re.DOTALL
)


@dataclass(frozen=True)
class Contract:
    """A format that the base model never saw: how to write an answer in it, and how to read one back."""

    write: Callable[[str, int], str]
    read: Callable[[str], str | None]  # the value, or None when the text breaks the format


def _read_json(text: str) -> str | None:
    try:
        body = json.loads(text)
    except ValueError:
        return None
    kept = isinstance(body, dict) and list(body) == ["ticket_answer", "evidence", "confidence"]
    return (
        str(body["ticket_answer"])
        if kept and body["confidence"] == "high" and isinstance(body["evidence"], list)
        else None
    )


def _read_style(text: str) -> str | None:
    match = STYLE.fullmatch(text)
    return match["value"] if match else None


CONTRACTS = {
    "format": Contract(
        lambda value, place: json.dumps(
            {"ticket_answer": value, "evidence": [place], "confidence": "high"}, ensure_ascii=False
        ),
        _read_json,
    ),
    "style": Contract(
        lambda value, place: f"Per our records: {value}. Source: document {place}. Anything else?",
        _read_style,
    ),
}


SCHEMA = {
    "type": "object",
    "properties": {
        "ticket_answer": {"type": "string"},
        "evidence": {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 1},
        "confidence": {"const": "high"},
    },
    "required": ["ticket_answer", "evidence", "confidence"],
    "additionalProperties": False,
}


def _ask(model: str, adapter: str, cases: list[Case]) -> list[str]:
    generator = TransformersGenerator(TransformersGenerator.Options(model=model, adapter=adapter))
    return [g.text.strip() for g in generator.generate([c.prompt for c in cases], max_tokens=64)]


def learn_format(name: str, model: str, out: Path, **settings: Any) -> dict[str, float]:
    """Train on 200 rows in the format (their documents in other wordings than the 300 questions'), then measure both models."""
    contract = CONTRACTS[name]
    cases = list(programmatic(300, passages=3))
    source = list(programmatic(220, passages=3, seed=7, split="train"))
    rows = [
        TrainingRow(f"row-{i}", c.prompt, contract.write(c.golds[0], c.place or 0))
        for i, c in enumerate(source)
    ]
    trainer = PeftTrainer(PeftTrainer.Options(model=model, **settings))
    started = time.monotonic()
    trainer.train(rows[:200], rows[200:], out, seed=0, progress=lambda *_: None)
    seconds = time.monotonic() - started
    before = [CITATION.sub("", a).strip() for a in _ask(model, "", cases)]
    after = [contract.read(a) for a in _ask(model, str(out), cases)]
    return {
        "seconds": round(seconds, 1),
        "adherence": round(100 * fmean(a is not None for a in after), 1),
        "em_base": round(100 * fmean(exact_match(a, c.golds) for a, c in zip(before, cases, strict=True)), 1),
        "em_tuned": round(
            100 * fmean(exact_match(a or "", c.golds) for a, c in zip(after, cases, strict=True)), 1
        ),
    }


def hold_format(model: str) -> dict[str, float]:
    """Hold the untrained model's answers to the format's schema, on the questions of `learn_format`; as in the product, it
    may decline in words instead."""
    contract, cases = CONTRACTS["format"], list(programmatic(300, passages=3))
    held = TransformersGenerator(TransformersGenerator.Options(model=model)).constrained(
        {"schema": SCHEMA}, prompts.ABSTENTION
    )
    said = [g.text.strip() for g in held.generate([c.prompt for c in cases], max_tokens=64)]
    values = [contract.read(text) for text in said]
    declined = [text == prompts.ABSTENTION for text in said]
    return {
        "adherence": round(100 * fmean(v is not None or d for v, d in zip(values, declined, strict=True)), 1),
        "declined": round(100 * fmean(declined), 1),
        "em": round(
            100 * fmean(exact_match(v or "", c.golds) for v, c in zip(values, cases, strict=True)), 1
        ),
    }


def learn_labels(model: str, data: Path, out: Path, epochs: int, rank: int) -> dict[str, float]:
    """banking77, its own split: the answer is the label's name, written freely and held to the 77 there are."""

    def rows(file: str) -> list[TrainingRow]:
        found = corpora.rows(data / "banking77" / file)
        return [TrainingRow(r["id"], tuple(prompts.build(r["input"])), r["output"]) for r in found]

    train, test = rows("examples-train.jsonl.gz"), rows("examples-test.jsonl.gz")
    options = PeftTrainer.Options(
        model=model, epochs=epochs, rank=rank, alpha=2 * rank, batch_size=32, batch_tokens=8192
    )
    started = time.monotonic()
    PeftTrainer(options).train(train, [], out, seed=0, progress=lambda *_: None)
    seconds = time.monotonic() - started
    labels = "|".join(re.escape(label) for label in sorted({r.answer for r in train}))
    free = TransformersGenerator(TransformersGenerator.Options(model=model, adapter=str(out)))
    result = {"train_seconds": round(seconds, 1), "n": len(test)}
    for name, generator in (("", free), ("_held", free.constrained({"regex": f"({labels})"}))):
        began = time.monotonic()
        said = [g.text.strip() for g in generator.generate([r.prompt for r in test], max_tokens=64)]
        result[f"test_seconds{name}"] = round(time.monotonic() - began, 1)
        result[f"accuracy{name}"] = round(
            100 * fmean(a == r.answer for a, r in zip(said, test, strict=True)), 2
        )
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["format", "style", "labels", "held"])
    parser.add_argument("--model", default="nano")
    parser.add_argument("--data", type=Path, default=None, help="the folder of public data sets (for labels)")
    parser.add_argument("--out", type=Path, default=None, help="where the adapter goes")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--rate", type=float, default=0.0, help="learning rate; 0: the trainer's own")
    parser.add_argument("--targets", nargs="*", default=(), help="names of the layers to change; none: all")
    args = parser.parse_args()
    if args.what == "held":
        print(json.dumps(hold_format(args.model)))
        return
    if args.out is None or (args.what == "labels" and args.data is None):
        parser.error("--out is needed, and for labels --data")
    if args.what == "labels":
        result = learn_labels(args.model, args.data, args.out, args.epochs, args.rank)
    else:
        result = learn_format(
            args.what, args.model, args.out, epochs=args.epochs, rank=args.rank, alpha=2 * args.rank,
            learning_rate=args.rate, target_modules=tuple(args.targets),
        )  # fmt: skip
    print(json.dumps(result))


if __name__ == "__main__":
    main()
