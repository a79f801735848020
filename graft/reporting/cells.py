"""Cells and tables of the HTML report, from what was decided to escaped HTML."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from graft.reporting import shown
from graft.reporting.svg import interval_bar
from graft.types import Estimate

_STATUS = {
    "recommended": "recommended",
    "baseline": "baseline",
    "diagnostic": "diagnostic",
    "dropped": "dropped",
    "candidate": "in question",
}


def table(caption: str, header: Sequence[str], body: Iterable[Sequence[str]], kind: str = "") -> str:
    """Return a table in a box that scrolls sideways and can be reached by keyboard. The first cell of a row is its header;
    cells are HTML already."""
    head = "".join(f'<th scope="col">{cell}</th>' for cell in header)
    lines = [
        f'<tr><th scope="row">{row[0]}</th>{"".join(f"<td>{cell}</td>" for cell in row[1:])}</tr>'
        for row in body
    ]
    label = escape(caption, quote=True)
    return (
        f'<div class="scroll" role="region" aria-label="{label}" tabindex="0"><table class="{kind}"><caption>{escape(caption)}'
        f"</caption><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def named(name: str, slot: int | None, status: str = "") -> str:
    """Return a variant with its colour and, in words, what it is in this comparison."""
    swatch = f'<span class="swatch s{slot}" aria-hidden="true"></span>' if slot is not None else ""
    tag = f' <span class="tag {status}">{_STATUS[status]}</span>' if status else ""
    return f"{swatch}{escape(name)}{tag}"


def estimate(metric: str, found: Estimate | None) -> str:
    """Return mean, interval and, where few rows could be scored, how many were."""
    if found is None or found.mean is None:
        return f'<span class="none">{shown.NONE}</span>'
    bounds = shown.interval(metric, found)
    below = [f'<span class="ci">{bounds}</span>'] if bounds else []
    below += [f'<span class="n">{few}</span>'] if (few := shown.few(found)) else []
    return "".join([f"<b>{shown.mean(metric, found)}</b>", *below])


def bar(found: Estimate | None, axis: tuple[float, float], slot: int) -> str:
    """Return the picture of an estimate, or nothing."""
    if found is None or found.mean is None:
        return ""
    return interval_bar(found.mean, found.low, found.high, axis, slot)
