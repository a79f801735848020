"""Measure a generator on `measure.suites`: exact match, token-F1, abstention, citations.

    python -m recipes.nano.evaluate --model graft/models/nano --data ../shared/data --out scores.json

Greedy, through the product's own generators and text rules, so that a figure here is a figure there. `--model
extractive` measures the baseline that quotes the best sentence.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean

from graft.backends.generators.generate_extractive import ExtractiveGenerator
from graft.backends.generators.generate_transformers import TransformersGenerator
from graft.evaluation.checks.abstention import is_abstention
from graft.evaluation.checks.correctness import exact_match, token_f1
from graft.protocols import Generator
from recipes.nano.measure import Case, suites

CITATION = re.compile(r"\s*\[(\d+)\]")
MAX_TOKENS = 48


@dataclass(frozen=True)
class Score:
    """Means over one suite, in percent; None where the suite has no such question.

    `em`, `f1`: over answerable questions, an abstention counts 0. `cited`: the answer cites the gold passage and no
    other (of answerable questions with several passages). `refused`: abstentions; on answerable questions that is
    over-refusal, on the others abstention recall.
    """

    n: int
    em: float | None
    f1: float | None
    cited: float | None
    refused: float


def score(cases: Sequence[Case], answers: Sequence[str]) -> Score:
    """Score the answers to one suite."""
    refused = [is_abstention(a) for a in answers]
    plain = [CITATION.sub("", a).strip() for a in answers]
    known = [i for i, c in enumerate(cases) if c.golds]
    placed = [i for i in known if cases[i].place is not None]

    def mean(values: list[float]) -> float | None:
        return round(100 * fmean(values), 1) if values else None

    return Score(
        n=len(cases),
        em=mean([0.0 if refused[i] else exact_match(plain[i], cases[i].golds) for i in known]),
        f1=mean([0.0 if refused[i] else token_f1(plain[i], cases[i].golds) for i in known]),
        cited=mean(
            [float({int(n) for n in CITATION.findall(answers[i])} == {cases[i].place}) for i in placed]
        ),
        refused=mean([float(r) for r in refused]) or 0.0,
    )


def abstention_f1(told: Score, untold: Score) -> float:
    """F1 of abstaining over an answerable and an unanswerable suite, in percent."""
    right = untold.refused / 100 * untold.n
    wrong = told.refused / 100 * told.n
    missed = untold.n - right
    return round(100 * 2 * right / max(1e-9, 2 * right + wrong + missed), 1)


def evaluate(
    generator: Generator, cases: dict[str, list[Case]], keep: Path | None = None
) -> dict[str, Score]:
    """Ask every suite and score it; `keep` receives one line an answer."""
    scores = {}
    for name, suite in cases.items():
        answers = [
            g.text.strip() for g in generator.generate([c.prompt for c in suite], max_tokens=MAX_TOKENS)
        ]
        scores[name] = score(suite, answers)
        print(f"{name:36} {json.dumps(asdict(scores[name]))}", flush=True)
        if keep:
            with keep.open("a", encoding="utf-8") as lines:
                for case, answer in zip(suite, answers, strict=True):
                    asked = case.prompt[-1].content.rpartition("Question: ")[2]
                    lines.write(
                        json.dumps({"set": name, "question": asked, "golds": case.golds, "answer": answer})
                        + "\n"
                    )
    return scores


def table(scores: dict[str, Score], baseline: dict[str, Score]) -> str:
    """Render both as a Markdown table for the model card."""
    rows = [
        "| set | n | EM | F1 | cited | refused | extractive EM | F1 | refused |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, s in scores.items():
        b = baseline.get(name)
        cells = [s.n, s.em, s.f1, s.cited, s.refused, *((b.em, b.f1, b.refused) if b else ("", "", ""))]
        rows.append(f"| {name} | " + " | ".join("–" if c is None else str(c) for c in cells) + " |")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="nano", help='a model folder, "nano", or "extractive"')
    parser.add_argument("--adapter", default="", help="a peft adapter folder")
    parser.add_argument("--data", type=Path, default=None, help="the folder of public data sets")
    parser.add_argument("--count", type=int, default=300, help="questions a set")
    parser.add_argument("--only", default="", help="measure only sets whose name contains this")
    parser.add_argument(
        "--out", type=Path, default=None, help="write the scores here, and the answers beside it"
    )
    args = parser.parse_args()
    options = TransformersGenerator.Options(model=args.model, adapter=args.adapter)
    generator = ExtractiveGenerator() if args.model == "extractive" else TransformersGenerator(options)
    cases = {n: c for n, c in suites(args.data, args.count).items() if args.only in n}
    scores = evaluate(generator, cases, args.out and args.out.with_suffix(".answers.jsonl"))
    if args.out:
        args.out.write_text(json.dumps({n: asdict(s) for n, s in scores.items()}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
