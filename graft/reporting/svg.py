"""The report's small pictures, as inline SVG.

Each stands beside the numbers that it draws, so it is hidden from screen readers. Knows numbers and colours' slots only.
"""

from __future__ import annotations

WIDTH, HEIGHT = 120.0, 16.0


def _x(value: float, axis: tuple[float, float]) -> float:
    """Return the place of a value on an axis, within the box."""
    low, high = axis
    share = (value - low) / (high - low) if high > low else 0.0
    return round(4 + min(max(share, 0.0), 1.0) * (WIDTH - 8), 2)


def _svg(parts: list[str]) -> str:
    size = f'viewBox="0 0 {WIDTH:g} {HEIGHT:g}" width="{WIDTH:g}" height="{HEIGHT:g}"'
    return f'<svg class="bar" {size} aria-hidden="true" focusable="false">{"".join(parts)}</svg>'


def interval_bar(
    mean: float, low: float | None, high: float | None, axis: tuple[float, float], slot: int
) -> str:
    """Draw a mean as a dot on its interval, on the axis; a tick marks zero where the axis crosses it."""
    middle = HEIGHT / 2
    parts = [f'<line class="axis" x1="4" x2="{WIDTH - 4:g}" y1="{middle}" y2="{middle}"/>']
    if axis[0] < 0 < axis[1]:
        zero = _x(0.0, axis)
        parts.append(f'<line class="zero" x1="{zero}" x2="{zero}" y1="1" y2="{HEIGHT - 1:g}"/>')
    if low is not None and high is not None:
        parts.append(
            f'<line class="whisker s{slot}" x1="{_x(low, axis)}" x2="{_x(high, axis)}" y1="{middle}" y2="{middle}"/>'
        )
    parts.append(f'<circle class="dot s{slot}" cx="{_x(mean, axis)}" cy="{middle}" r="4"/>')
    return _svg(parts)


def difference_bar(value: float, low: float | None, high: float | None, reach: float, *, clear: bool) -> str:
    """Draw a difference around zero; `reach` is the end of the axis on both sides, `clear` whether it is shown to be one."""
    axis, middle = (-reach, reach), HEIGHT / 2
    zero = _x(0.0, axis)
    kind = "clear" if clear else "open"
    parts = [f'<line class="axis" x1="4" x2="{WIDTH - 4:g}" y1="{middle}" y2="{middle}"/>',
             f'<line class="zero" x1="{zero}" x2="{zero}" y1="1" y2="{HEIGHT - 1:g}"/>']  # fmt: skip
    if low is not None and high is not None:
        parts.append(
            f'<line class="whisker {kind}" x1="{_x(low, axis)}" x2="{_x(high, axis)}" y1="{middle}" y2="{middle}"/>'
        )
    parts.append(f'<circle class="dot {kind}" cx="{_x(value, axis)}" cy="{middle}" r="4"/>')
    return _svg(parts)


def length_bar(value: float, most: float, slot: int, tip: float | None = None) -> str:
    """Draw a length from zero; `tip` goes on as a thin line (the 95th percentile behind a median)."""
    axis = (0.0, most or 1.0)
    end = _x(value, axis)
    parts = [f'<rect class="fill s{slot}" x="4" y="4" width="{max(end - 4, 1):g}" height="8" rx="1"/>']
    if tip is not None:
        parts.append(f'<line class="whisker s{slot}" x1="{end}" x2="{_x(tip, axis)}" y1="8" y2="8"/>')
    return _svg(parts)
