"""What the tests of `graft drift` found, in words: a table for the terminal, and what to do about each.

Formats findings; decides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from graft.decision.drift import Finding

QUESTIONS, SCORE, LENGTH, DECLINED = "what is asked", "best match", "length", "declined"
"""The features that are compared, as they are called."""
_LOOK = "Check with questions of that length in {file} that the search copes (graft compare)."
_ADVICE = {
    QUESTIONS: (
        "People ask other things than were measured. Add questions like those below to {file}, then run graft compare.",
    ),
    SCORE: (
        "The documents match what is asked less well. Look for documents that are missing or out of date (graft gaps).",
        "The documents match what is asked better: what was measured was harder than what is asked.",
    ),
    LENGTH: (f"Questions are shorter. {_LOOK}", f"Questions are longer. {_LOOK}"),
    DECLINED: (
        "Less is declined. See whether what is answered instead is right (graft label).",
        "More is declined. See whether the index is fresh (graft status), then what is declined (graft gaps).",
    ),
}
"""Feature → what to do, when its mean fell and when it rose."""


def advice(one: Finding, file: str) -> str:
    """Return what to do about a feature that drifted; `file` holds the evaluation questions."""
    told = _ADVICE[one.feature]
    rose = (one.now or 0.0) > (one.before or 0.0)
    return told[-1 if rose else 0].format(file=file)


def table(findings: Sequence[Finding]) -> list[str]:
    """Return a header and a line a finding, in columns."""
    header = ("", "before", "now", "effect", "seen from", "p (Holm)", "")
    rows = [header, *(_cells(one) for one in findings)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    lines = []
    for row in rows:
        cells = [
            row[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(row[1:6], widths[1:6], strict=True)),
        ]
        lines.append("  ".join([*cells, row[6]]).rstrip())
    return lines


def _cells(one: Finding) -> tuple[str, ...]:
    if one.p is None:
        return one.feature, "", "", "", "", "", f"{one.status}: {one.reason}"
    form = {SCORE: "{:.2f}", LENGTH: "{:.0f}", DECLINED: "{:.0%}"}.get(one.feature, "{}")
    sides = ("" if side is None else form.format(side) for side in (one.before, one.now))
    effect, critical = (
        "–" if value is None else _effect(one.kind, value) for value in (one.effect, one.critical)
    )
    psi = "" if one.psi is None else f", PSI {one.psi:.2f}"
    p = "< 0.001" if (one.p_adjusted or 0.0) < 0.001 else f"{one.p_adjusted:.3f}"
    return (
        one.feature,
        *sides,
        effect,
        critical.removeprefix("AUC ").removeprefix("distance "),
        p,
        f"{one.status}{psi}",
    )


def _effect(kind: str, value: float) -> str:
    return {"auc": f"AUC {value:.2f}", "distance": f"distance {value:.2f}"}.get(
        kind, f"{100 * value:.1f} points"
    )


def listed(names: Sequence[str]) -> str:
    """Return "a, b and c"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
