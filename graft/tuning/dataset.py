"""Examples → training rows: the split, plain rows, and rows grounded in retrieved passages.

Grounded rows follow RAFT (Zhang et al. 2024, arXiv 2403.10131) with two changes: the distractors are what retrieval
really returned beside the golden passage, and a row without its golden passage teaches to abstain, where RAFT
teaches to answer from memory (and so to invent). Retrieval, prompts and the abstention test come in as plain data and
callables; this module knows none of them.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from graft.tuning.style import HouseStyle, is_record, learn_style
from graft.tuning.support import best_line, best_passage, supports
from graft.types import Context, Example, Message, Passage, TrainingRow, content_hash

BuildPrompt = Callable[[Sequence[Message], Context | None], list[Message]]


@dataclass(frozen=True, slots=True)
class Grounding:
    """What an example may be grounded in: the passages retrieved for its input, best first, and those of the
    documents that it names."""

    passages: tuple[Passage, ...] = ()
    golden: tuple[Passage, ...] = ()


class Rows(list[TrainingRow]):
    """Training rows, with `counts` of what was done to make them: "golden", "abstain" (golden removed), "abstaining"
    (the example itself abstains), "ungrounded" (no passage supports the output), "uncited" (a JSON output),
    "distractors trimmed"."""

    def __init__(self, rows: Sequence[TrainingRow], counts: Mapping[str, int]) -> None:
        super().__init__(rows)
        self.counts = dict(counts)


# --- split -----------------------------------------------------------------------------------------------------------


def split(
    examples: Sequence[Example], *, dev_fraction: float = 0.1, seed: int
) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    """Return (train, dev), each in the order given.

    An example's own split is respected ("test" goes to neither), and where any example says "dev" the rest is
    training data. Else whole groups, by first document, are drawn until `dev_fraction` is reached, so that dev measures
    new documents; where the groups are too big for that, single examples are drawn.
    """
    usable = [example for example in examples if example.split != "test"]
    own = {example.id for example in usable if example.split == "dev"}
    free = [example for example in usable if example.split is None]
    # A small fraction of few examples is still one; 0 is none, and training then keeps its last weights.
    chosen = own or (_draw(free, max(1, round(dev_fraction * len(usable))), seed) if dev_fraction else set())
    train = tuple(example for example in usable if example.id not in chosen)
    return train, tuple(example for example in usable if example.id in chosen)


def _draw(examples: Sequence[Example], wanted: int, seed: int) -> set[str]:
    """Return the ids of about `wanted` (at least 1) examples in whole groups; none of fewer than two examples."""
    if len(examples) < 2:
        return set()
    groups: dict[str, list[str]] = defaultdict(list)
    for example in examples:
        groups[example.documents[0] if example.documents else f"example {example.id}"].append(example.id)
    names = sorted(groups, key=lambda name: content_hash(str(seed), name))
    chosen: set[str] = set()
    for name in names:
        if len(chosen) + len(groups[name]) <= wanted:
            chosen.update(groups[name])
    if len(chosen) >= wanted / 2:
        return chosen
    ids = sorted((example.id for example in examples), key=lambda name: content_hash(str(seed), name))
    return set(ids[:wanted])


# --- rows ----------------------------------------------------------------------------------------------------------


def plain_rows(examples: Sequence[Example], build_prompt: BuildPrompt) -> list[TrainingRow]:
    """Return one row an example, without passages: what the `tuned` variant is trained on."""
    return [
        TrainingRow(example.id, tuple(build_prompt(example.messages, None)), example.output)
        for example in examples
    ]


def grounded_rows(
    examples: Sequence[Example],
    retrieved: Mapping[str, Grounding],
    build_prompt: BuildPrompt,
    *,
    is_abstention: Callable[[str], bool],
    passages: int = 5,
    golden_fraction: float = 0.8,
    seed: int,
    fits: Callable[[Sequence[Message], str], bool] | None = None,
) -> Rows:
    """Return one row an example, with up to `passages` passages in the prompt: what `hybrid` is trained on.

    `retrieved` maps example ids to their Grounding. `golden_fraction` of the rows that know what they should say keep
    the passage that supports their output, among retrieved distractors in random order, and cite it; the rest are
    examples that abstain by themselves and, to make up the share, examples that lose every passage that supports
    the output, and their target abstains in the style of the house. `fits` tells whether a prompt and its answer are
    short enough: distractors are dropped until they are, the golden passage never.
    """
    style = learn_style([example.output for example in examples], is_abstention)
    grounder = _Grounder(
        style, is_abstention, build_prompt, passages, seed, fits or (lambda _prompt, _answer: True)
    )
    found = {
        example.id: grounder.golden(example, retrieved.get(example.id, Grounding())) for example in examples
    }
    removable = [
        example.id for example in examples if found[example.id] and style.can_abstain(example.output)
    ]  # fmt: skip
    removable.sort(key=lambda name: content_hash(str(seed), "golden", name))
    abstaining = sum(is_abstention(example.output) for example in examples)
    without = set(removable[: _without_golden(len(removable), abstaining, golden_fraction)])
    rows = [
        grounder.row(
            example, retrieved.get(example.id, Grounding()), found[example.id], drop=example.id in without
        )
        for example in examples
    ]
    return Rows(rows, grounder.counts)


def _without_golden(removable: int, abstaining: int, golden_fraction: float) -> int:
    """Return how many examples lose their golden passage.

    Abstaining examples count towards the share: added on top of it, they made a third of the demo's rows abstain,
    which teaches a small model to refuse. At least half of the share is taken from answerable examples, whose passages
    are the hard ones: on the subject, without the answer.
    """
    share = (1 - golden_fraction) * (removable + abstaining)
    return min(removable, round(max(share - abstaining, share / 2)))


@dataclass(frozen=True, slots=True)
class _Grounder:
    """The values that making each row needs, and the counts of what was done."""

    style: HouseStyle
    is_abstention: Callable[[str], bool]
    build_prompt: BuildPrompt
    passages: int
    seed: int
    fits: Callable[[Sequence[Message], str], bool]
    counts: Counter[str] = field(default_factory=Counter)

    def golden(self, example: Example, grounding: Grounding) -> Passage | None:
        """Return the passage that best supports the output, or None. Looks in the example's own documents first (as
        retrieved, so that training sees the passage as it is served), then in all that was retrieved."""
        if self.is_abstention(example.output):
            return None
        own = [passage for passage in grounding.passages if passage.document in example.documents]
        return best_passage(example.output, [*own, *grounding.golden]) or best_passage(
            example.output, grounding.passages
        )

    def row(
        self, example: Example, grounding: Grounding, golden: Passage | None, *, drop: bool
    ) -> TrainingRow:
        """Return the row of one example."""
        rng = random.Random(f"{self.seed}:{example.id}")
        if golden is None:
            self.counts["abstaining" if self.is_abstention(example.output) else "ungrounded"] += 1
            return self._fitted(
                example, grounding, list(grounding.passages[: self.passages]), None, example.output
            )
        others = [passage for passage in grounding.passages if not _overlap(passage, golden)]
        if drop:
            rest = [passage for passage in others if not supports(passage, example.output)]
            if rest:
                self.counts["abstain"] += 1
                answer = self.style.abstain(example.output, best_line(example.output, golden))
                return self._fitted(example, grounding, rest[: self.passages], None, answer)
        self.counts["golden"] += 1
        shown = [golden, *others[: self.passages - 1]]
        rng.shuffle(shown)
        return self._fitted(example, grounding, shown, golden, example.output)

    def _fitted(
        self,
        example: Example,
        grounding: Grounding,
        shown: list[Passage],
        golden: Passage | None,
        output: str,
    ) -> TrainingRow:
        """Drop the distractors, those retrieved last first, until the row fits; then build it."""
        worst_first = [
            passage for passage in reversed(grounding.passages) if passage in shown and passage != golden
        ]
        while True:
            answer = self._cited(output, golden, shown)
            prompt = self.build_prompt(example.messages, Context(tuple(shown)) if shown else None)
            if not worst_first or self.fits(prompt, answer):
                break
            shown.remove(worst_first.pop(0))
            self.counts["distractors trimmed"] += 1
        if golden is not None and answer == output:
            self.counts["uncited"] += 1
        return TrainingRow(example.id, tuple(prompt), answer)

    @staticmethod
    def _cited(output: str, golden: Passage | None, shown: Sequence[Passage]) -> str:
        """Return the output with ` [n]` at the end of the line that the golden passage supports best."""
        if golden is None or is_record(output):
            return output
        lines = output.split("\n")
        number = best_line(output, golden)
        lines[number] = f"{lines[number].rstrip()} [{shown.index(golden) + 1}]"
        return "\n".join(lines)


def _overlap(left: Passage, right: Passage) -> bool:
    return left.document == right.document and left.start < right.end and right.start < left.end
