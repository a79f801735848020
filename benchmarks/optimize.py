"""`graft optimize` on real public data: a GRAFT project of a public set, searched on its training questions, judged on its
development or test questions.

    python benchmarks/optimize.py covid-qa --data ../shared/data --out runs/optimize --minutes 20
    python benchmarks/optimize.py nq-oracle --data ../shared/data --out runs/optimize --train embedder

Prints what the command prints. The data is not part of this repository; docs/benchmarks.md says where it is from.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator
from pathlib import Path

from public_sets import Record, read, sample, write

from graft import Project
from graft.cli.console import progress

PARTS = {"covid-qa": ("train", "dev"), "clapnq": ("train", "dev"), "nq-oracle": ("train", "dev"),
         "hotpotqa": ("train", "dev"), "squad2": ("train", "dev"), "nfcorpus": ("dev", "test")}  # fmt: skip


def questions(rows: list[Record]) -> Iterator[Record]:
    """The answerable rows as questions, with the answer's span where the set gives one."""
    for row in rows:
        if not row["relevant"] or not row.get("answerable", True):
            continue
        answers = row["answers"] or ["-"]
        evidence: list[Record] = [{"document": name} for name in row["relevant"]]
        if row.get("answer_start") is not None and len(evidence) == 1:
            evidence[0] |= {"start": row["answer_start"], "end": row["answer_start"] + len(answers[0])}
        yield {"id": row["id"], "question": row["question"], "answers": answers, "evidence": evidence}


def examples(rows: list[Record]) -> Iterator[Record]:
    """The answerable rows as examples that name their documents."""
    for row in rows:
        if row["relevant"] and row.get("answerable", True) and row["answers"]:
            yield {
                "id": row["id"],
                "input": row["question"],
                "output": row["answers"][0],
                "documents": row["relevant"],
            }


def make(name: str, data: Path, folder: Path, most: int, train: bool) -> Path:
    """Write the project, afresh but for what it has computed. With training, a third of the training questions are for
    development and the rest are examples."""
    first, second = PARTS[name]
    searched = [row for row in read(data / name / f"queries-{first}.jsonl.gz") if row["relevant"]]
    held = read(data / name / f"queries-{second}.jsonl.gz")
    if train:
        chosen = sample(searched, min(most, len(searched) // 3))
        ids = {row["id"] for row in chosen}
        write(folder / "examples.jsonl", examples([row for row in searched if row["id"] not in ids]))
    else:
        chosen = sample(searched, most)
        (folder / "examples.jsonl").unlink(missing_ok=True)
    write(folder / "documents" / "corpus.jsonl", read(data / name / "corpus.jsonl.gz"))
    write(folder / "questions-dev.jsonl", questions(chosen))
    write(folder / "questions.jsonl", questions(held))
    (folder / "graft.toml").write_text(
        f'[project]\nname = "{name}"\n\n[evaluation]\nvariants = ["rag"]\n', encoding="utf-8"
    )
    return folder


def main() -> None:
    """Make each project, optimise it, print the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="+", choices=PARTS)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/optimize"))
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--questions", type=int, default=250, help="development questions, at most")
    parser.add_argument("--train", action="append", default=[], choices=("embedder", "reranker"))
    parser.add_argument("--fresh", action="store_true", help="forget what was computed before")
    arguments = parser.parse_args()
    for name in arguments.sets:
        folder = arguments.out / "-".join([name, *arguments.train])
        if arguments.fresh:
            shutil.rmtree(folder, ignore_errors=True)
        project = Project(make(name, arguments.data, folder, arguments.questions, bool(arguments.train)))
        with progress() as report:
            if arguments.train:
                project.build(progress=report)
            found = project.optimize(minutes=arguments.minutes, train=arguments.train, progress=report)
        print(f"## {name}\n\n{found.text}\n", flush=True)


if __name__ == "__main__":
    main()
