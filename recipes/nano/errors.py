"""What kinds of error a model makes on the development family: what to mend in the data. Never run on the test family.

python -m recipes.nano.errors --model graft/models/nano --count 100 --show 20
"""

from __future__ import annotations

import argparse
from collections import Counter

from graft.backends.generators.generate_transformers import TransformersGenerator
from graft.evaluation.checks.abstention import is_abstention
from graft.evaluation.checks.correctness import exact_match
from recipes.nano.data.documents import World
from recipes.nano.data.questions import Turn
from recipes.nano.evaluate import CITATION, MAX_TOKENS
from recipes.nano.measure import drawn


def kind_of(turn: Turn, world: World, answer: str) -> str:
    """Name what is wrong with an answer; "right" and "refused" are not errors."""
    said = CITATION.sub("", answer).strip()
    stated = [f for f in world.facts if f.value.lower() == said.lower()]
    asked_of = {f.entity for f in world.facts if f.entity.lower() in turn.question.lower()}
    if turn.value is None:
        whose = "of the thing" if any(f.entity in asked_of for f in stated) else "of another thing or none"
        about = "a known thing" if asked_of else "a stranger"
        return f"refused, {about}" if is_abstention(answer) else f"not refused, {about}, value {whose}"
    if is_abstention(answer):
        return "refused though told"
    if exact_match(said, (turn.value,)):
        return "right" if f"[{(turn.place or 0) + 1}]" in answer else "right, wrong citation"
    gold = [f for f in world.facts if f.value == turn.value and f.passage == turn.place]
    if not stated:
        return "copied wrongly or in part"
    if any(f.entity == g.entity for f in stated for g in gold):
        return "other attribute of the thing"
    if any(f.relation.noun == g.relation.noun for f in stated for g in gold):
        return "the attribute of another thing"
    return "other attribute of another thing"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="nano")
    parser.add_argument("--count", type=int, default=100, help="questions of each sort")
    parser.add_argument("--passages", type=int, default=5)
    parser.add_argument("--split", choices=["train", "dev"], default="dev")
    parser.add_argument("--show", type=int, default=0, help="wrong answers to print of each sort")
    args = parser.parse_args()
    generator = TransformersGenerator(TransformersGenerator.Options(model=args.model))
    for known in (True, False):
        found = list(drawn(args.count, passages=args.passages, known=known, seed=7, split=args.split))
        said = generator.generate([case.prompt for case, _, _ in found], max_tokens=MAX_TOKENS)
        answers = [g.text.strip() for g in said]
        kinds = [kind_of(turn, world, a) for (_, turn, world), a in zip(found, answers, strict=True)]
        print("told" if known else "untold", dict(Counter(kinds).most_common()), flush=True)
        wrong = [
            f"  {k}: {turn.question} | {turn.value} | {a}"
            for k, (_, turn, _), a in zip(kinds, found, answers, strict=True)
            if k != "right" and not k.startswith("refused, ")
        ]
        print("\n".join(wrong[: args.show]))


if __name__ == "__main__":
    main()
