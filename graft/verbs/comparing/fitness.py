"""Which variants are fit to be served, beside the verdict: who says nothing, who is behind saying nothing or behind a plain
baseline, and who may be worth more where it is sure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graft.decision.recommending.utility import Values
from graft.settings import BASELINES
from graft.types import Comparison, Question, Recommendation, Row


def mute(comparison: Comparison, limit: float) -> dict[str, str]:
    """Return the variants that decline too much to be called a system, with the reason."""
    declines = {name: metrics["over_refusal"].mean for name, metrics in comparison.variants.items()}
    return {
        name: f"it declines {share:.0%} of the questions that have an answer, the limit {limit:.0%}"
        for name, share in declines.items()
        if share is not None and share > limit
    }


def beaten(
    questions: Sequence[Question], comparison: Comparison, best: Recommendation, values: Values
) -> tuple[str, ...]:
    """Warn when saying nothing would be worth more than the best variant, or a plain baseline is ahead of all."""
    left = [known for known in (best.variant, *best.candidates) if known and known in best.utility]
    worth = {name: mean for name in left or best.utility if (mean := best.utility[name].mean) is not None}
    if not worth:
        return ()
    found = []
    name = max(worth, key=lambda known: worth[known])
    gains = [-values.abstain if question.answerable else values.right for question in questions]
    silent = sum(gains) / len(gains)
    if left and worth[name] < silent:  # without one left, the verdict says so itself
        told = f"declining every question would be worth {silent:+.2f} a question, {name} {worth[name]:+.2f}"
        found.append(f"Do not serve {name} as it is: {told}.")
    plain = [known for known in BASELINES if known in comparison.variants]
    means = {known: comparison.variants[known][comparison.primary].mean or 0.0 for known in (*plain, *worth)}
    top = max(worth, key=lambda known: means[known])  # by this metric: worth counts formats too
    ahead = [known for known in plain if means[known] > means[top]]
    if ahead:
        told = ", ".join(f"{known} {means[known]:+.2f}" for known in ahead)
        found.append(
            f"Plain baselines, which quote the best sentences, are ahead on {comparison.primary}: {told}; {top} {means[top]:+.2f}. "
            "The search finds what the model then loses: try a stronger model."
        )
    return tuple(found)


def unsure(
    rows: Mapping[str, Sequence[Row]],
    comparison: Comparison,
    best: Recommendation,
    thresholds: Mapping[str, float],
) -> tuple[str, ...]:
    """Where no variant is fit to serve, name the one to try with a threshold: of those that say how sure they are, the one
    that is right most often, since declining the rest can only keep what is right."""
    if best.variant or best.candidates:
        return ()
    told = {
        name: comparison.variants[name]["correct"].mean or 0.0
        for name, given in rows.items()
        if name in best.utility
        and name not in thresholds
        and any(row.answer is not None and row.answer.confidence is not None and not row.answer.abstained for row in given)
    }  # fmt: skip
    name = max(told, key=lambda known: told[known], default="")
    if not told.get(name):
        return ()
    return (f"Where it is sure of an answer, {name} may be worth more: graft calibrate --variant {name}",)
