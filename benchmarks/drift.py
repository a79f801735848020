"""False alarms and power of `graft drift`, on real questions: `python benchmarks/drift.py` (about two minutes of one idle core).

Questions are those of the example handbook (422, held-out and development), embedded by MiniLM. Under the null both windows
are drawn from all of them; with drift a share of the live window is replaced, by questions on one topic (the 100 nearest to
one question, which then are in no other place) or by another way of asking (the inputs of the examples). Every run goes
through all that the verb does: four tests, Holm, and the least effect that counts. ± is 1.96 Monte Carlo errors.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from graft import plugins
from graft.decision import drift

HANDBOOK = Path(__file__).parent.parent / "examples/handbook"
RUNS = 200
PERMUTATIONS = 99
DECLINED = 0.15  # of the answers, on both sides

Pool = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Vectors, and lengths in characters."""
Draw = Callable[[np.random.Generator], tuple[Pool, Pool]]


def pool(texts: Sequence[str]) -> Pool:
    """Embed the texts."""
    made = plugins.build("embedder", "minilm").encode(texts, query=True)
    return made.astype(np.float64), np.array([float(len(text)) for text in texts])


def asked(name: str, key: str) -> list[str]:
    """Return the questions of a file of the handbook."""
    lines = (HANDBOOK / name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line)[key] for line in lines]


def taken(one: Pool, rows: NDArray[np.int64]) -> Pool:
    """Return some rows of a pool."""
    return one[0][rows], one[1][rows]


def mixed(known: Pool, other: Pool, n: int, m: int, share: float) -> Draw:
    """Return what draws n questions measured and m live, a share of these from `other`."""

    def draw(rng: np.random.Generator) -> tuple[Pool, Pool]:
        rows, others = rng.permutation(len(known[0])), rng.permutation(len(other[0]))
        count = round(share * m)
        before, now = taken(known, rows[:n]), taken(known, rows[n : n + m - count])
        strange = taken(other, others[:count])
        return before, (np.concatenate([now[0], strange[0]]), np.concatenate([now[1], strange[1]]))

    return draw


def alarm(draw: Draw, centre: NDArray[np.float64], run: int) -> tuple[bool, bool]:
    """Return whether anything was drift, and whether what is asked was. The product with `centre` stands for the best match: a
    number that follows a question's content, by what neither window decides."""
    rng = np.random.default_rng([11, run])
    before, now = draw(rng)
    found, _ = drift.vectors("asked", before[0], now[0], seed=run, permutations=PERMUTATIONS)
    declined = drift.shares(
        "declined", *(list(rng.random(len(side[0])) < DECLINED) for side in (before, now))
    )
    match = drift.numbers("match", before[0] @ centre, now[0] @ centre)
    judged = drift.judged((found, match, drift.numbers("length", before[1], now[1]), declined))
    return any(one.status == "drift" for one in judged), judged[0].status == "drift"


def main() -> None:
    """Print the table."""
    known = pool([*asked("questions.jsonl", "question"), *asked("questions-dev.jsonl", "question")])
    examples = pool(asked("examples.jsonl", "input"))
    centre = known[0].mean(axis=0)
    near = np.argsort(-(known[0] @ known[0][3]))
    topic, rest = taken(known, near[:100]), taken(known, near[100:])
    cases = [
        ("nothing changed, 200 measured, 100 live", mixed(known, known, 200, 100, 0.0)),
        ("nothing changed, 60 measured, 60 live", mixed(known, known, 60, 60, 0.0)),
        *((f"{share:.0%} of 100 live questions on one topic", mixed(rest, topic, 200, 100, share)) for share in (0.2, 0.4)),
        ("all of 100 live questions asked another way", mixed(known, examples, 200, 100, 1.0)),
    ]  # fmt: skip
    print("| case | any alarm | what is asked |\n|---|---|---|")
    for name, draw in cases:
        told = np.array([alarm(draw, centre, run) for run in range(RUNS)], dtype=float)
        shares = [f"{100 * p:.1f} % ± {196 * np.sqrt(p * (1 - p) / RUNS):.1f}" for p in told.mean(axis=0)]
        print(f"| {name} | {' | '.join(shares)} |", flush=True)


if __name__ == "__main__":
    main()
