"""GRAFT on real public data: turn a public set into a GRAFT project, build it, compare, print the tables.

    python benchmarks/public_sets.py clapnq nq-oracle banking77 --data ../shared/data --out runs/public

The data is not part of this repository; docs/benchmarks.md says where each set is from. Training rows come from a set's
train split, questions from its dev or test split. What a project is made of is printed, so that a table can be read on
its own. Interrupted, the same command goes on where it stopped.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

Record = dict[str, Any]
SEED = 0


def read(path: Path) -> list[Record]:
    """Return the rows of a gzipped JSONL file."""
    with gzip.open(path, "rt", encoding="utf-8") as handle:
        return [json.loads(line) for line in handle]


def write(path: Path, rows: Iterable[Record]) -> int:
    """Write rows as JSONL; return how many."""
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return len(lines)


def sample(rows: list[Record], count: int) -> list[Record]:
    """Return `count` rows, drawn with the fixed seed, in file order."""
    chosen = set(random.Random(SEED).sample(range(len(rows)), min(count, len(rows))))
    return [row for number, row in enumerate(rows) if number in chosen]


def clapnq(data: Path, out: Path, questions: int) -> Record:
    """Real search questions over Wikipedia passages; about half cannot be answered from any passage of the pool's own
    article. Answers are cohesive sentences, so correctness is the offline definition's token recall."""
    corpus = read(data / "corpus.jsonl.gz")
    text = {row["id"]: row["text"] for row in corpus}
    asked = sample(read(data / "queries-dev.jsonl.gz"), questions)
    return {
        "documents": write(out / "documents/corpus.jsonl", corpus),
        "examples": write(out / "examples.jsonl", map(_example, read(data / "queries-train.jsonl.gz"))),
        "questions": write(out / "questions.jsonl", (_question(row, text) for row in asked)),
        "unanswerable": sum(not row["answerable"] for row in asked),
    }


def nq_oracle(data: Path, out: Path, questions: int) -> Record:
    """Real search questions with short answers. A quarter of the questions lose their passage from the corpus: they
    cannot be answered from what is left, and the right behaviour is to abstain."""
    corpus = read(data / "corpus.jsonl.gz")
    text = {row["id"]: row["text"] for row in corpus}
    asked = sample(read(data / "queries-dev.jsonl.gz"), questions)
    gone = {document for row in asked[::4] for document in row["relevant"]}
    for row in asked:
        row["answerable"] = not gone & set(row["relevant"])
        row["evidence"] = []
    train = [
        row for row in sample(read(data / "queries-train.jsonl.gz"), 400) if not gone & set(row["relevant"])
    ]
    return {
        "documents": write(out / "documents/corpus.jsonl", (row for row in corpus if row["id"] not in gone)),
        "examples": write(out / "examples.jsonl", map(_example, train)),
        "questions": write(out / "questions.jsonl", (_question(row, text) for row in asked)),
        "unanswerable": sum(not row["answerable"] for row in asked),
    }


def banking77(data: Path, out: Path, questions: int) -> Record:
    """Support intents: a classification task. The documents are one page a label with ten training messages, so that
    retrieval has something to go by; the answer is the label, which is also the format contract."""
    labels = json.loads((data / "labels.json").read_text(encoding="utf-8"))
    names = labels if isinstance(labels, list) else list(labels.values())
    messages = defaultdict(list)
    train = read(data / "examples-train.jsonl.gz")
    for row in train:
        messages[row["output"]].append(row["input"])
    pages = [
        {
            "id": name,
            "title": name,
            "text": "\n".join(f"- {message} → {name}" for message in messages[name][:10]),
            "metadata": {},
        }
        for name in names
    ]
    contract = {"regex": "(" + "|".join(map(re.escape, names)) + r")( \[\d+\])*"}
    asked = sample(read(data / "examples-test.jsonl.gz"), questions)
    fresh = without_leaks(sample(train, 3000), asked)
    return {
        "documents": write(out / "documents/labels.jsonl", pages),
        "examples": write(out / "examples.jsonl", fresh),
        "questions": write(
            out / "questions.jsonl",
            (
                {"id": row["id"], "question": row["input"], "answers": [row["output"]], "answerable": True,
                 "relevant": [row["output"]], "format": contract, "cluster": row["id"]}
                for row in asked
            ),
        ),
        "unanswerable": 0,
    }  # fmt: skip


def without_leaks(examples: list[Record], questions: list[Record]) -> list[Record]:
    """Return the examples without those that GRAFT's own leak gate finds among the questions."""
    from graft.tuning.leaks import find_leaks
    from graft.types import Example, Message

    known = [Example(row["id"], (Message("user", row["input"]),), row["output"]) for row in examples]
    leaks = find_leaks(known, [(row["id"], row["input"]) for row in questions])
    gone = {leak.example for leak in leaks}
    print(f"{len(gone)} training examples are test questions in the published split: left out.\n")
    return [row for row in examples if row["id"] not in gone]


def _example(row: Record) -> Record:
    answer = row["answers"][0] if row.get("answerable", True) and row["answers"] else "I don't know."
    return {"id": row["id"], "input": row["question"], "output": answer, "documents": row["relevant"]}


def _question(row: Record, text: dict[str, str]) -> Record:
    evidence = []
    for document in row["relevant"] if row["answerable"] else []:
        spans = [(text[document].find(quote), quote) for quote in row.get("evidence", [])]
        found = [
            {"document": document, "start": at, "end": at + len(quote)} for at, quote in spans if at >= 0
        ]
        evidence += found or [{"document": document}]
    return {
        "id": row["id"], "question": row["question"], "answers": row["answers"] if row["answerable"] else [],
        "answerable": row["answerable"], "evidence": evidence, "cluster": (row["relevant"] or row.get("context_ids") or [row["id"]])[0],
    }  # fmt: skip


SETS: dict[str, Callable[[Path, Path, int], Record]] = {
    "clapnq": clapnq, "nq-oracle": nq_oracle, "banking77": banking77,
}  # fmt: skip
# Short passages for the very small shipped reader, as in examples/handbook. Banking77 has no facts to ground, and its
# hybrid would train on 3,000 prompts of passages: left out to keep the run under ten minutes.
READER = 'chunker = { name = "structure", tokens = 60 }\npassages = 3\n'
SETTINGS = {
    "clapnq": f"[retrieval]\n{READER}\n[tuning.trainer]\nepochs = 2\n",
    "nq-oracle": f"[retrieval]\n{READER}\n[tuning.trainer]\nepochs = 2\n",
    "banking77": f'[retrieval]\n{READER}\n[evaluation]\nvariants = ["base", "rag", "tuned"]\n',
}


def main() -> None:
    """Make, build and compare each set; print its Markdown table and verdict."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="+", choices=SETS)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds the sets")
    parser.add_argument("--out", type=Path, default=Path("runs/public"))
    parser.add_argument("--questions", type=int, default=200)
    arguments = parser.parse_args()
    from graft import Project
    from graft.cli.console import progress

    for name in arguments.sets:
        folder = arguments.out / name
        made = SETS[name](arguments.data / name, folder, arguments.questions)
        (folder / "graft.toml").write_text(
            f'[project]\nname = "{name}"\n\n{SETTINGS.get(name, "")}', encoding="utf-8"
        )
        project = Project(folder)
        with progress() as report:
            built = project.build(progress=report)
            decided = project.compare(progress=report)
        print(f"## {name}\n\n{SETS[name].__doc__}\n")
        print(", ".join(f"{count} {what}" for what, count in made.items()), end=". ")
        print(", ".join(f"{stage} {took.seconds:.0f} s" for stage, took in built.stages.items()), end=".\n\n")
        print(decided.markdown, flush=True)


if __name__ == "__main__":
    main()
