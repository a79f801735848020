"""The HTML report: one file, no requests, readable without scripts; a script serves the question browser only.

Fills the template's marked places with tables made here. All text that came from users or models is escaped. The page's
own content policy allows exactly one script, by its hash, so that nothing in an answer can ever run.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any

from graft.decision.costs.ownership import Ownership
from graft.decision.trust import Trust
from graft.reporting import decided, measured, trusted
from graft.reporting.data import Scores, as_script, browser_data, outcomes
from graft.types import Comparison, Question, Recommendation, Row

# One fixed colour a variant, whatever the comparison; strangers get the colours that follow.
_SLOTS = {"base": 0, "rag": 1, "tuned": 2, "hybrid": 3, "extractive": 4, "bm25": 5}
_COLOURS = 10


def to_html(
    comparison: Comparison,
    recommendation: Recommendation,
    rows: Mapping[str, Sequence[Row]],
    questions: Sequence[Question],
    scores: Scores,
    *,
    title: str = "",
    settings: Mapping[str, Any] | None = None,
    stages: Mapping[str, Sequence[Mapping[str, float]]] | None = None,
    cost: Ownership | None = None,
    trust: Trust | None = None,
) -> str:
    """Return the report as one self-contained HTML file.

    `rows[variant]` and `scores[variant][metric]` run along `questions`; `stages` are seconds by stage of questions timed
    one at a time; `settings` are shown as they are; `cost` is what owning each variant costs over a horizon.
    """
    slots = _slots([*comparison.variants, *rows])
    became = outcomes(rows, questions, scores)
    parts = {
        "TITLE": escape(title or "Comparison"),
        "VERDICT": decided.verdict(comparison, recommendation),
        "WARNINGS": decided.warnings(comparison),
        "OUTCOMES": measured.outcome_bars(comparison, recommendation, became, slots),
        "OVERVIEW": measured.overview(comparison, recommendation, slots),
        "ALL_METRICS": measured.all_metrics(comparison),
        "DIFFERENCES": measured.differences(comparison),
        "STRATA": measured.strata(comparison, slots),
        "SENSITIVITY": decided.sensitivity(recommendation),
        "FAILURES": decided.failures(recommendation, comparison),
        "SPEED": measured.speed(comparison, stages or {}, slots),
        "COST": decided.ownership(cost),
        "TRUST": trusted.to_html(trust or Trust(), comparison.primary),
        "TRACE": decided.trace(recommendation),
        "CARDS": decided.metric_cards(comparison),
        "REPRODUCE": decided.reproduce(comparison, settings or {}),
        "DATA": as_script(browser_data(comparison, recommendation, rows, questions, scores, slots)),
    }
    return _filled(files("graft.reporting").joinpath("page.html").read_text(encoding="utf-8"), parts)


def _slots(names: Iterable[str]) -> dict[str, int]:
    """Return variant → the number of its colour."""
    found: dict[str, int] = {}
    for name in dict.fromkeys(names):
        free = (slot for slot in range(len(_SLOTS), _COLOURS) if slot not in found.values())
        found[name] = _SLOTS[name] if name in _SLOTS else next(free, len(found) % _COLOURS)
    return found


def _filled(template: str, parts: Mapping[str, str]) -> str:
    """Fill the template's {{PLACES}} in one pass, so that a text that looks like a place stays text."""
    script = re.search(r"<script>(.*?)</script>", template, re.DOTALL)
    if script is None:
        raise ValueError("the report's template has lost its script")
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    every = {**parts, "SCRIPT_HASH": f"sha256-{digest}"}
    return re.sub(r"\{\{([A-Z_]+)\}\}", lambda place: every[place[1]], template)
