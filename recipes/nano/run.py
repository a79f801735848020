"""The whole recipe in one command: tokenizer, training, export, evaluation, model card.

    python -m recipes.nano.run --minutes 85 --device auto --data ../shared/data --out runs/nano

Run it again with the same --out to go on where it stopped: every stage leaves a file behind, and training leaves a
checkpoint every two minutes (kill -9 loses at most that; the batches are a function of the seed and the step).
Without --data the programmatic documents alone carry the run.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import torch
from tokenizers import Tokenizer

from recipes.nano import card, circuit, evaluate, export, measure, plan, train
from recipes.nano.crew import join
from recipes.nano.data import corpora, meanings, stream, tokenizer
from recipes.nano.data.questions import make_chat
from recipes.nano.model import MEANING_WIDTH, Nano, Picks, Points, Shape, Words

PEAK_TFLOPS = {
    "H100": 989.0,
    "H200": 989.0,
    "A100": 312.0,
    "L4": 121.0,
}  # dense bf16, from the makers' data sheets
TABLE_STD = (
    0.05  # of the embedding at the start: large beside AdamW's steps, or the planted heads wash out (LOG.md)
)


def tokenizer_texts(data: Path | None, seed: int) -> Iterator[str]:
    """What the merges are learnt from: programmatic chats, prose, and prompts of train files."""
    rng = random.Random(seed)
    for sample in range(6000):
        chat, _ = make_chat(random.Random(f"tok{sample}"), "train", rng.randint(1, 5), rng.randint(2, 6))
        yield "\n".join(m.content for m in chat)
    if data:
        texts = corpora.prose(data)
        yield from (t[:6000] for t in rng.sample(texts, min(len(texts), 2200)))
        for row in corpora.rows(data / "p3-mini" / "examples-train.jsonl.gz"):
            yield f"{row['input'][:1500]} {row['output']}"


def build_tokenizer(out: Path, data: Path | None, vocab: int, seed: int) -> Tokenizer:
    """Train the tokenizer, or load the one that an earlier start of this run has left."""
    path = out / "tokenizer.json"
    if not path.exists():
        tokenizer.train_tokenizer(tokenizer_texts(data, seed), vocab).save(str(path))
    return tokenizer.load(path)


def new_model(shape: Shape, seed: int) -> Nano:
    """Initialise the network, with the copying heads planted."""
    torch.manual_seed(seed)
    model = Nano(shape)
    with torch.no_grad():
        model.embed.mul_(TABLE_STD / 0.02)
    circuit.plant_copying(model, table_std=TABLE_STD)
    return model


def steps_for(minutes: float, model: Nano, device: str, stages: tuple[plan.Stage, ...]) -> int:
    """Turn minutes into steps: time a few steps at the plan's mean batch, optimiser included, without compiling.

    Compiled steps are faster, so the plan ends somewhat early rather than late.
    """
    ids = torch.randint(5, model.shape.vocab, (8, 512), device=device)
    half = torch.arange(ids.numel() // 2, device=device)
    picks = Picks(half, ids.view(-1)[half], torch.full((half.numel(),), 1.0 / half.numel(), device=device))
    points = Points(
        half[:64],
        torch.zeros(64, 3, dtype=torch.long, device=device),
        torch.full((64,), 1 / 64, device=device),
    )
    none = Words(half[:1], torch.zeros(1, MEANING_WIDTH, device=device))
    probe = Nano(model.shape).to(device)
    optims = train.optimisers(probe, train.Settings(steps=1))
    began = time.monotonic()
    for _ in range(4):
        with torch.autocast(device.partition(":")[0], torch.bfloat16):
            probe.loss(ids, picks, points, points, none)[0].backward()
        for optim in optims:
            optim.step()
            optim.zero_grad()
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    rate = 4 * ids.numel() / (time.monotonic() - began)
    tokens = plan.tokens_per_step(stages)
    print(f"{rate:,.0f} tokens/s before compiling, {tokens:,.0f} tokens a step", flush=True)
    return max(20, int(minutes * 60 * rate / tokens))


def flops_per_token(shape: Shape, length: int) -> float:
    """Training FLOPs a token: 6 per weight in a matrix product, and attention's 12 * layers * hidden * length / 2."""
    matrices = (
        shape.layers * (4 * shape.hidden**2 + 3 * shape.hidden * shape.ffn) + shape.vocab * shape.hidden
    )
    return 6.0 * matrices + 6.0 * shape.layers * shape.hidden * length


def report(line: str, shape: Shape, device: str, path: Path) -> None:
    """Print a line of the training log, with the share of the device's peak on a GPU, and append it to the file."""
    row = json.loads(line)
    if device.startswith("cuda"):
        name = torch.cuda.get_device_name(device)
        peak = next((v for k, v in PEAK_TFLOPS.items() if k in name), None)
        if peak:
            row["mfu_percent"] = round(
                row["tok_s"] * flops_per_token(shape, row["shape"][1]) / peak / 1e10, 2
            )
    print(json.dumps(row), flush=True)
    with path.open("a", encoding="utf-8") as log:
        log.write(json.dumps(row) + "\n")


def run(args: argparse.Namespace) -> None:
    """Do all stages in order."""
    out: Path = args.out
    out.mkdir(parents=True, exist_ok=True)
    device = args.device if args.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda":
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    crew = join(device)
    stages = plan.STAGES[-1:] if args.start else plan.STAGES
    with crew.first_alone():
        words, model, steps, told = prepare(args, out, device, stages)
    found = plan.sources(words, args.data)
    settings = train.Settings(steps=steps, seed=args.seed, warmup=min(40, steps // 5 + 1))

    def make(step: int, progress: float) -> stream.Batch:
        return plan.batch_at(args.seed, step, progress, found, stages, crew.rank)

    done = train.train(
        model, settings, make, out, device=device, compiled=args.compile, start=args.start, meanings=told, crew=crew,
        log=lambda line: report(line, model.shape, device, out / "train.jsonl"),
    )  # fmt: skip
    if crew.rank:
        return
    if done < steps:
        print(f"stopped at step {done:,} of {steps:,}: the same command goes on")
        return
    folder = out / "model"
    export.export(train.load_model(out / "checkpoint.pt"), words, folder)
    cases = measure.suites(args.data, args.count)
    nano = evaluate.TransformersGenerator(evaluate.TransformersGenerator.Options(model=str(folder)))
    scores = evaluate.evaluate(nano, cases)
    baseline = evaluate.evaluate(evaluate.ExtractiveGenerator(), cases)
    tokens = steps * plan.tokens_per_step(stages) * crew.size
    training = f"{steps:,} steps, about {tokens / 1e6:.1f} M tokens, on {device}."
    card.write(folder / "README.md", model.shape, training, scores, baseline)
    print(f"done: {folder}")


def prepare(
    args: argparse.Namespace, out: Path, device: str, stages: tuple[plan.Stage, ...]
) -> tuple[Tokenizer, Nano, int, meanings.Meanings | None]:
    """Return tokenizer, new network, number of steps and word vectors; a start before this one has left them in `out`."""
    if args.start and not (out / "tokenizer.json").exists():
        shutil.copy(args.start.with_name("tokenizer.json"), out)
    words = build_tokenizer(out, args.data, args.vocab, args.seed)
    shape = Shape(
        vocab=words.get_vocab_size(),
        hidden=args.hidden,
        layers=args.layers,
        heads=args.hidden // 64,
        ffn=args.ffn or 6 * args.hidden,
    )
    model = new_model(shape, args.seed)
    plan_file = out / "plan.json"
    if not plan_file.exists():
        steps = args.steps or steps_for(args.minutes, model, device, stages)
        plan_file.write_text(
            json.dumps({"steps": steps, "shape": asdict(shape), "seed": args.seed}), encoding="utf-8"
        )
    steps = json.loads(plan_file.read_text(encoding="utf-8"))["steps"]
    return words, model, steps, meanings.load(out / "meanings.npz", words, args.data)


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=85.0, help="training time to plan for")
    parser.add_argument(
        "--steps", type=int, default=0, help="plan this many steps instead of measuring the speed"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1")
    parser.add_argument("--data", type=Path, default=None, help="the folder of public data sets (optional)")
    parser.add_argument("--out", type=Path, required=True, help="where checkpoints, logs and the model go")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--start",
        type=Path,
        default=None,
        help="go on from this checkpoint of an earlier run, of this size or smaller (last stage's mix, new rates)",
    )
    parser.add_argument("--hidden", type=int, default=256, help="a multiple of 64")
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument(
        "--ffn", type=int, default=0, help="hidden units of a feed-forward layer (6 times --hidden)"
    )
    parser.add_argument("--vocab", type=int, default=4096)
    parser.add_argument("--count", type=int, default=300, help="questions a set in the evaluation")
    parser.add_argument(
        "--no-compile", dest="compile", action="store_false", help="skip torch.compile (short runs)"
    )
    return parser.parse_args(argv)


# Large blocks freed and asked for again at every step cost a fifth of the time in page faults; glibc reads these at the start.
ALLOCATION = {
    "MALLOC_MMAP_THRESHOLD_": str(4 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(8 << 30),
    "MALLOC_TOP_PAD_": str(256 << 20),
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}


def main() -> None:
    """Run, in a process whose allocator keeps what it has been given."""
    args = parse()
    if sys.platform == "linux" and not os.environ.keys() & ALLOCATION.keys():
        again = [sys.executable, "-m", "recipes.nano.run", *sys.argv[1:]]
        os.execve(sys.executable, again, {**os.environ, **ALLOCATION})
    run(args)


if __name__ == "__main__":
    main()
