"""Measurements → Markdown tables, and the peers' figures as multiples of GRAFT's."""

from __future__ import annotations

from typing import Any

NAMES = {
    "graft": "GRAFT",
    "llamaindex": "LlamaIndex",
    "langchain": "LangChain",
    "haystack": "Haystack",
    "txtai": "txtai",
}
Rows = list[dict[str, Any]]


def latest(rows: Rows) -> dict[tuple[str, str, str], dict[str, Any]]:
    """Return the last measurement of each kind; a part that was begun again replaces what was measured of it before."""
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for row in rows:
        system, part, measure = row["system"], row["part"], row["measure"]
        if measure == "versions":
            found = {key: old for key, old in found.items() if key[:2] != (system, part)}
        found[system, part, measure] = row
    return found


def table(head: list[str], body: list[list[str]]) -> str:
    """Return Markdown."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _shown(value: float | None, unit: str = "", digits: int = 3) -> str:
    return "–" if value is None else f"{value:,.0f}{unit}" if value >= 100 else f"{value:.{digits}g}{unit}"


def _ratio(value: float | None, ours: float | None) -> str:
    return "" if not value or not ours or value == ours else f" ({value / ours:.2g}×)"


def _column(found: dict, part: str, measure: str, key: str, unit: str) -> list[str]:
    values = [found.get((system, part, measure), {}).get(key) for system in NAMES]
    return [_shown(value, unit) + _ratio(value, values[0]) for value in values]


def tables(rows: Rows) -> str:
    """Return one table for each part that was measured."""
    found, parts = latest(rows), []
    versions = {}
    for row in rows:
        if row["measure"] == "versions":
            versions[row["system"]] = ", ".join(
                f"{k} {v}" for k, v in row.items() if k not in {"measure", "system", "part"}
            )
    parts.append("\n".join(f"- {NAMES[system]}: {text}" for system, text in versions.items()))
    if any(row["measure"] == "ingest" for row in rows):
        parts.append(_ingest(found))
    scales = {row["part"] for row in rows if row["part"].startswith("scale")}
    parts += [_scale(found, part) for part in sorted(scales, key=len)]
    if any(row["measure"] == "quality" for row in rows):
        parts.append(_quality(rows))
    stopped = [
        f"- {NAMES[row['system']]}, {row['part']}: {row['why']}"
        for row in found.values()
        if row["measure"] == "stopped"
    ]
    return "\n\n".join([*parts, *(["Stopped:\n" + "\n".join(stopped)] if stopped else [])])


def _ingest(found: dict) -> str:
    part, body = "ingest-covid-faq", []
    ours = found.get(("graft", part, "ingest"))
    for system, name in NAMES.items():
        made, asked = found.get((system, part, "ingest")), found.get((system, part, "embed a query"))
        if made:
            speed = made["documents"] / made["cpu"]
            own = ours["documents"] / ours["cpu"] if ours else None
            embed = asked["cpu_p50"] if asked else None
            body.append(
                [
                    name,
                    f"{speed:.1f}{_ratio(speed, own)}",
                    str(made["chunks"]),
                    _shown(embed, " ms"),
                    _shown(made["peak_mb"], " MB"),
                ]
            )
    return table(
        [
            "parse + chunk + embed + index",
            "documents per CPU second",
            "chunks",
            "embed a query (CPU)",
            "peak memory",
        ],
        body,
    )


def _scale(found: dict, part: str) -> str:
    cold = part.replace("scale", "cold")
    columns = {
        "search p50": _column(found, part, "search", "clock_p50", " ms"),
        "p95": _column(found, part, "search", "clock_p95", " ms"),
        "mean (CPU)": _column(found, part, "search", "cpu_mean", " ms"),
        "misspelt p50": _column(found, part, "search misspelt", "clock_p50", " ms"),
        "misspelt p95": _column(found, part, "search misspelt", "clock_p95", " ms"),
        "index (CPU)": _column(found, part, "index", "cpu", " s"),
        "one more, searchable": _column(found, part, "add", "cpu_p50", " ms"),
        "cold start (CPU)": _column(found, cold, "cold start", "cpu", " s"),
        "memory, serving": _column(found, cold, "cold start", "peak_mb", " MB"),
        "disk": _column(found, part, "save", "disk_mb", " MB"),
    }
    body = [[name, *(column[at] for column in columns.values())] for at, name in enumerate(NAMES.values())]
    return table([f"{int(part.split('-')[1]):,} chunks, hybrid", *columns], body)


def _quality(rows: Rows) -> str:
    found = {
        (row["system"], row["part"].removeprefix("quality-")): row
        for row in rows
        if row["measure"] == "quality"
    }
    sets = list(dict.fromkeys(name for _, name in found))
    body = []
    for system, name in NAMES.items():
        cells = [found.get((system, each)) for each in sets]
        body.append(
            [
                name,
                *(
                    f"{100 * cell['ndcg']:.1f} / {100 * cell['recall']:.1f}" if cell else "–"
                    for cell in cells
                ),
            ]
        )
    return table(["nDCG@10 / recall@5, hybrid", *sets], body)
