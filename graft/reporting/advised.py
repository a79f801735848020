"""Advice as text: what was taken as given, what is expected and why, what to do, and what it would cost.

Formats what `decision.advice` decided; a figure that was measured stands beside the prior it replaces.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any

from graft.decision.advising.advice import Advice, Heard, Standing
from graft.decision.costs.ownership import aligned, ownership_lines

_WIDTH = 100


def advice_text(advice: Advice) -> str:
    """Return the whole advice for a terminal."""
    if advice.measured:
        head = (
            f"A comparison exists, and it decides: {advice.measured}. The priors below are what other people's data let "
            "one expect; where yours were measured, the figures stand beside them and count."
        )
    else:
        head = (
            "These are PRIORS: expectations from published work about other people's data, not figures about yours. "
            "graft compare replaces them."
        )
    parts = [
        _wrapped(head),
        _section("Taken as given", _given(advice)),
        _section("Expected, before measuring", _standings(advice)),
        _section("Why", _why(advice.heard)),
        _section("What to do", _numbered(advice.plan)),
        _section("What to collect", _bullets(advice.collect)),
        "What it would cost, from list prices and rules of thumb. " + "\n".join(ownership_lines(advice.cost)),
        _section("What would change this", _bullets(advice.would_change)),
    ]
    if advice.notes:
        parts.append(_section("To bear in mind", _bullets(advice.notes)))
    return "\n\n".join(parts)


def _given(advice: Advice) -> list[str]:
    rows = [
        [entry.name, _told(getattr(advice.situation, entry.name)), advice.origin[entry.name]]
        for entry in fields(advice.situation)
    ]
    assumed = sum(origin == "assumed" for origin in advice.origin.values())
    note = f"{assumed} of {len(rows)} are assumed: answer them with graft advise --ask, or in [advice] of graft.toml."
    return [*aligned(rows), *([note] if assumed else [])]


def _told(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(value)
    if isinstance(value, float) and 0 < abs(value) < 1:
        return f"{value:.2f}"
    return f"{value:,.6g}" if isinstance(value, int | float) else str(value)


def _standings(advice: Advice) -> list[str]:
    return aligned([[one.variant, _reasons(one)] for one in advice.standings])


def _reasons(one: Standing) -> str:
    if one.excluded:
        return f"out: {one.excluded}"
    return f"{_count(one.reasons_for, 'reason')} for it, {one.reasons_against} against"


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def _why(heard: Sequence[Heard]) -> list[str]:
    """Return the priors with their evidence; a source is told in full once and named after that."""
    lines, told = [], set()
    for one in heard:
        lines += _heard(one)
        for evidence in one.prior.evidence:
            lines += _indented(f"{evidence.source}: as above." if evidence in told else evidence.text)
            told.add(evidence)
    return lines


def _heard(heard: Heard) -> list[str]:
    prior = heard.prior
    both = (("for", prior.favours), ("against", prior.against))
    sides = [f"{word} {', '.join(names)}" for word, names in both if names]
    lines = _bullets([f"{prior.says} ({'; '.join(sides)})" if sides else prior.says])
    if heard.figures:
        word = {
            "agrees": "Measured here, and it agrees",
            "contradicts": "Measured here, and it CONTRADICTS this",
        }
        lines += _indented(f"{word.get(heard.verdict, 'Measured here, undecided')}: {heard.figures}.")
    return lines


def _section(title: str, lines: Sequence[str]) -> str:
    return "\n".join([title, *lines])


def _wrapped(text: str) -> str:
    return "\n".join(textwrap.wrap(text, _WIDTH))


def _bullets(texts: Iterable[str]) -> list[str]:
    return [
        line
        for text in texts
        for line in textwrap.wrap(text, _WIDTH, initial_indent="  - ", subsequent_indent="    ")
    ]


def _numbered(texts: Iterable[str]) -> list[str]:
    return [
        line
        for number, text in enumerate(texts, start=1)
        for line in textwrap.wrap(text, _WIDTH, initial_indent=f"  {number}. ", subsequent_indent="     ")
    ]


def _indented(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="      ", subsequent_indent="      ")
