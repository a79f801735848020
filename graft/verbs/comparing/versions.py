"""How many versions of each variant these questions have measured: whoever keeps the best of many keeps some luck with it.

Counts the runs that lie in the project's folder; a fresh checkout knows of none, so it is the least there were.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from graft.decision.inference.winners import optimism
from graft.evaluation.question_sets.questions import fingerprint
from graft.evaluation.run import IDENTITY
from graft.types import Comparison, Question
from graft.wiring.parts import Parts
from graft.workspace import read_json

SEVERAL = 3
"""From so many versions on, a reader is warned: the best of two equal ones gains half a standard error."""


def versions(parts: Parts, questions: Sequence[Question]) -> dict[str, int]:
    """Return variant → how many versions of it were asked exactly these questions."""
    asked, found = fingerprint(questions), defaultdict(set)
    for path in sorted(parts.workspace.run("").glob(f"*/{IDENTITY}")):
        known = read_json(path) or {}
        if known.get("questions") == asked:
            found[known["variant"]].add(known["answerer"])
    return {name: len(answerers) for name, answerers in found.items()}


def selected(parts: Parts, questions: Sequence[Question], comparison: Comparison) -> tuple[str, ...]:
    """Warn where the questions have measured several versions of a variant that can win."""
    known = versions(parts, questions)
    most = {name: known.get(name, 0) for name in comparison.variants if name not in comparison.baselines}
    many = {name: count for name, count in most.items() if count >= SEVERAL}
    if not many:
        return ()
    name = max(many, key=lambda one: many[one])
    estimate = comparison.variants[name][comparison.primary]
    told = ", ".join(f"{count} of {one}" for one, count in many.items())
    gain = ""
    if estimate.low is not None and estimate.high is not None:
        luck = optimism(many[name], (estimate.high - estimate.low) / 3.92)
        gain = f" If all were equally good, the best of {many[name]} would still look up to {luck:.2f} better than it is in {comparison.primary}."
    return (
        f"These questions have measured several versions: {told}.{gain} Choose between versions on development questions "
        "(graft optimize, graft gaps), and write new held-out questions before a decision that matters.",
    )
