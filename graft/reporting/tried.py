"""The report of `graft optimize`: the best tries as a table, what the held-out questions say, the diff.

Reads the result's fields; knows nothing of how it came about.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ROWS = 12


def tried(found: Any) -> str:
    """Return the report of an `Optimized` as text."""
    start = found.start
    indexes = len({repr((one.setting.get("chunker"), one.setting.get("embedder"))) for one in found.tries})
    lines = [
        f"Searched on {found.development} development questions of {found.source}: {len(found.tries)} settings over "
        f"{indexes} {'index' if indexes == 1 else 'indexes'} in {found.seconds:.0f} s"
        + (f"; {found.stopped}." if found.stopped else "."),
        "nDCG@10 of the gold evidence among the passages shown; none may show more tokens than today's.",
        "",
        " nDCG@10  recall  tokens  changed",
    ]
    ranked = sorted((one for one in found.tries if one.feasible), key=lambda one: -one.measured.mean)
    shown = ranked[:ROWS]
    shown += [one for one in (found.chosen, start) if one not in shown]
    lines += [_row(one, start.setting, chosen=one is found.chosen) for one in shown]
    refused = sum(not one.feasible for one in found.tries)
    if refused:
        lines.append(f"         ({refused} more showed too many tokens)")
    return "\n".join([*lines, "", *_verdict(found), *found.notes])


def _row(one: Any, start: Mapping[str, Any], *, chosen: bool) -> str:
    mark = "→" if chosen else " "
    return f"{mark}  {one.measured.mean:.3f}   {one.measured.found:.3f}  {one.measured.tokens:6.0f}  {described(one.setting, start)}"


def described(setting: Mapping[str, Any], start: Mapping[str, Any]) -> str:
    """Return what a setting changes, in a line."""
    parts = [f"{key} = {_value(value)}" for key, value in setting.items() if start.get(key) != value]
    return "; ".join(parts) or "(as it is set)"


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        name = str(value.get("name", ""))
        rest = " ".join(f"{key}={item}" for key, item in value.items() if key != "name")
        return f"{name} {rest}".strip() or "{}"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _verdict(found: Any) -> list[str]:
    judged = found.judged
    if judged is None:
        return [
            "Nothing beats the settings of today beyond noise, on the development questions, or is as good for a fifth fewer "
            "tokens. graft.toml is unchanged."
        ]
    level = 100 * (1 - 0.05 / judged.looks)
    lines = [
        f"Chosen (→): {found.rule}. On {judged.questions} held-out questions, which the search never saw:",
    ]
    for name, at, interval in (("nDCG@10", "mean", judged.ndcg), ("recall", "found", judged.recall)):
        before, after = getattr(judged.before, at), getattr(judged.after, at)
        bounds = (
            ""
            if interval.low is None
            else f", {level:.3g} % interval {interval.low:+.3f} to {interval.high:+.3f}"
        )
        lines.append(f"  {name:8}{before:.3f} → {after:.3f}  ({after - before:+.3f}{bounds})")
    if judged.looks > 1:
        lines.append(
            f"  These questions have now judged {judged.looks} winners, so the interval is wider than 95 %."
        )
    lines.append(f"  tokens  {judged.before.tokens:5.0f} → {judged.after.tokens:5.0f}")
    if not judged.better and not judged.lighter:
        return [*lines, "", "Not better beyond noise: graft.toml is unchanged."]
    said = (
        "Better beyond noise."
        if judged.better
        else f"Not better beyond noise, but as good within {100 * judged.margin:.0f} points for {judged.saved:.0%} fewer tokens."
    )
    if found.written:
        said += " Written to graft.toml; run graft build."
    elif not judged.better:
        said += " graft.toml is unchanged; --cheaper takes it over."
    return [*lines, "", said, "", found.diff.rstrip()]
