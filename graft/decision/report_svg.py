"""The report's small pictures, as inline SVG. Every one stands beside the numbers that it draws, so it is hidden from
screen readers. Coordinates are in a box of fixed size that the page stretches."""

from __future__ import annotations

from collections.abc import Sequence

WIDTH, HEIGHT = 160.0, 16.0


def _x(value: float, axis: tuple[float, float], width: float = WIDTH) -> float:
    """Return the place of a value on an axis, within the box."""
    low, high = axis
    share = (value - low) / (high - low) if high > low else 0.0
    return round(4 + min(max(share, 0.0), 1.0) * (width - 8), 2)


def _svg(body: str, width: float = WIDTH, height: float = HEIGHT) -> str:
    return f'<svg class="bar" viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" aria-hidden="true" focusable="false">{body}</svg>'


def interval_bar(mean: float, low: float | None, high: float | None, axis: tuple[float, float], slot: int) -> str:
    """Draw a mean as a dot on its interval, on the axis; a tick marks zero where the axis crosses it."""
    middle = HEIGHT / 2
    parts = [f'<line class="axis" x1="4" x2="{WIDTH - 4:g}" y1="{middle}" y2="{middle}"/>']
    if axis[0] < 0 < axis[1]:
        zero = _x(0.0, axis)
        parts.append(f'<line class="zero" x1="{zero}" x2="{zero}" y1="1" y2="{HEIGHT - 1:g}"/>')
    if low is not None and high is not None:
        parts.append(f'<line class="whisker s{slot}" x1="{_x(low, axis)}" x2="{_x(high, axis)}" y1="{middle}" y2="{middle}"/>')
    parts.append(f'<circle class="dot s{slot}" cx="{_x(mean, axis)}" cy="{middle}" r="4"/>')
    return _svg("".join(parts))


def difference_bar(value: float, low: float | None, high: float | None, reach: float, *, clear: bool) -> str:
    """Draw a difference around zero; `reach` is the end of the axis on both sides, `clear` whether it is shown to be one."""
    axis, middle = (-reach, reach), HEIGHT / 2
    zero = _x(0.0, axis)
    kind = "clear" if clear else "open"
    parts = [f'<line class="axis" x1="4" x2="{WIDTH - 4:g}" y1="{middle}" y2="{middle}"/>',
             f'<line class="zero" x1="{zero}" x2="{zero}" y1="1" y2="{HEIGHT - 1:g}"/>']  # fmt: skip
    if low is not None and high is not None:
        parts.append(f'<line class="whisker {kind}" x1="{_x(low, axis)}" x2="{_x(high, axis)}" y1="{middle}" y2="{middle}"/>')
    parts.append(f'<circle class="dot {kind}" cx="{_x(value, axis)}" cy="{middle}" r="4"/>')
    return _svg("".join(parts))


def length_bar(value: float, most: float, slot: int, tip: float | None = None) -> str:
    """Draw a length from zero; `tip` goes on as a thin line (the 95th percentile behind a median)."""
    axis = (0.0, most or 1.0)
    end = _x(value, axis)
    parts = [f'<rect class="fill s{slot}" x="4" y="4" width="{max(end - 4, 1):g}" height="8" rx="1"/>']
    if tip is not None:
        parts.append(f'<line class="whisker s{slot}" x1="{end}" x2="{_x(tip, axis)}" y1="8" y2="8"/>')
    return _svg("".join(parts))


def stacked_bar(parts: Sequence[tuple[str, int]]) -> str:
    """Draw counts as one bar of segments, each with its count where it fits; a part is (outcome code, count)."""
    total = sum(count for _, count in parts)
    width, height, at = 600.0, 26.0, 0.0
    body = []
    for code, count in parts:
        if not count:
            continue
        size = width * count / total
        body.append(f'<rect class="o-{code}" x="{at:.2f}" y="0" width="{max(size - 1, 0.5):.2f}" height="{height:g}"/>')
        if size >= 26:
            body.append(f'<text class="t-{code}" x="{at + size / 2:.2f}" y="17.5" text-anchor="middle">{count}</text>')
        at += size
    return _svg("".join(body), width, height).replace('class="bar"', 'class="stack" preserveAspectRatio="none"')
