"""Tables drawn with ruled lines: the grid the lines make, and the pieces of text that lie in its cells.

A cell that spans several places of the grid, because no line parts them, stands in each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from graft.backends.loaders.load_table import pipe_table
from graft.backends.loaders.pdf_page import Piece, Rule

_NEAR = 3.0
# More lines than that are a chart or a map; comparing each with each would take seconds.
_MAX_RULES = 1500
_MAX_PLACES = 5000


def grids(pieces: Sequence[Piece], rules: Sequence[Rule]) -> list[tuple[str, list[Piece]]]:
    """Return each ruled table as (pipe table, the pieces in it)."""
    found = []
    for group in _groups(rules) if len(rules) <= _MAX_RULES else ():
        across = [rule for rule in group if rule.horizontal]
        upright = [rule for rule in group if not rule.horizontal]
        if not across or not upright:
            continue
        # A table may be open at its sides: then its lines end where the missing edges would be.
        columns = _places(
            [*(rule.left for rule in upright), *_ends([(rule.left, rule.right) for rule in across])]
        )
        lines = _places(
            [*(rule.bottom for rule in across), *_ends([(rule.bottom, rule.top) for rule in upright])]
        )[::-1]
        if len(columns) < 3 or len(lines) < 3 or len(columns) * len(lines) > _MAX_PLACES:
            continue
        inside = [
            piece for piece in pieces
            if columns[0] - _NEAR < _middle(piece)[0] < columns[-1] + _NEAR
            and lines[-1] - _NEAR < _middle(piece)[1] < lines[0] + _NEAR
        ]  # fmt: skip
        text = _table(inside, group, columns, lines)
        if text:
            found.append((text, inside))
    return found


def _groups(rules: Sequence[Rule]) -> list[list[Rule]]:
    """Return the sets of rules that touch each other."""
    parent = list(range(len(rules)))

    def root(at: int) -> int:
        while parent[at] != at:
            parent[at] = parent[parent[at]]
            at = parent[at]
        return at

    order = sorted(range(len(rules)), key=lambda at: rules[at].left)
    for number, at in enumerate(order):
        for other in order[number + 1 :]:
            if rules[other].left > rules[at].right + _NEAR:
                break
            if rules[other].bottom <= rules[at].top + _NEAR and rules[other].top >= rules[at].bottom - _NEAR:
                parent[root(at)] = root(other)
    groups: dict[int, list[Rule]] = {}
    for at, rule in enumerate(rules):
        groups.setdefault(root(at), []).append(rule)
    return [group for group in groups.values() if len(group) >= 4]


def _places(values: Sequence[float]) -> list[float]:
    """Return the distinct places among values, those nearer than 3 points to each other as one."""
    places: list[float] = []
    for value in sorted(values):
        if not places or value - places[-1] > _NEAR:
            places.append(value)
    return places


def _ends(spans: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return min(low for low, _ in spans), max(high for _, high in spans)


def _middle(piece: Piece) -> tuple[float, float]:
    return (piece.left + piece.right) / 2, (piece.bottom + piece.top) / 2


def _table(
    pieces: Sequence[Piece], rules: Sequence[Rule], columns: Sequence[float], lines: Sequence[float]
) -> str:
    """Return the pipe table of a grid, or nothing when it is a frame or a form rather than a table."""
    high, wide = len(lines) - 1, len(columns) - 1
    root = _merged(rules, columns, lines)
    texts: dict[int, list[Piece]] = {}
    for piece in pieces:
        x, y = _middle(piece)
        column = max((at for at in range(wide) if columns[at] - _NEAR <= x), default=0)
        row = max((at for at in range(high) if lines[at] + _NEAR >= y), default=0)
        texts.setdefault(root(row * wide + column), []).append(piece)
    cells = {root(place) for place in range(high * wide)}
    filled = [place for place in cells if place in texts]
    if len(cells) < 4 or len(filled) < max(3, 0.4 * len(cells)):
        return ""
    if max(sum(len(piece.text) for piece in texts[place]) for place in filled) > 1500:
        return ""  # a page set into boxes
    grid = [
        [" ".join(piece.text for piece in texts.get(root(row * wide + column), ())) for column in range(wide)]
        for row in range(high)
    ]
    grid = [row for row in grid if any(row)]
    used = [any(row[at] for row in grid) for at in range(wide)]
    grid = [[cell for cell, keep in zip(row, used, strict=True) if keep] for row in grid]
    return pipe_table(grid) if len(grid) > 1 and sum(used) > 1 else ""


def _merged(rules: Sequence[Rule], columns: Sequence[float], lines: Sequence[float]) -> Callable[[int], int]:
    """Return which place of the grid stands for each: those that no line parts are one cell."""
    high, wide = len(lines) - 1, len(columns) - 1
    parent = list(range(high * wide))

    def root(place: int) -> int:
        while parent[place] != place:
            place = parent[place]
        return place

    across = [rule for rule in rules if rule.horizontal]
    upright = [rule for rule in rules if not rule.horizontal]
    for row in range(high):
        for column in range(wide):
            left, right = columns[column], columns[column + 1]
            top, bottom = lines[row], lines[row + 1]
            place = row * wide + column
            if column + 1 < wide and not any(
                abs(rule.left - right) <= _NEAR
                and min(rule.top, top) - max(rule.bottom, bottom) > 0.5 * (top - bottom)
                for rule in upright
            ):
                parent[root(place + 1)] = root(place)
            if row + 1 < high and not any(
                abs(rule.bottom - bottom) <= _NEAR
                and min(rule.right, right) - max(rule.left, left) > 0.5 * (right - left)
                for rule in across
            ):
                parent[root(place + wide)] = root(place)
    return root
