"""The questionnaire: what a team knows about its task before anything is measured.

One frozen dataclass; the text under each field is the question as it is asked, in the terminal and in the comments of
graft.toml. None means "not answered": the assumption in `ASSUMED` stands in, and the advice says so. Knows no answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

Task = Literal["facts", "multi-hop", "style", "labels"]
Pace = Literal["never", "yearly", "monthly", "weekly", "daily"]

PER_MONTH: Mapping[str, float] = {
    "never": 0.0,
    "yearly": 1 / 12,
    "monthly": 1.0,
    "weekly": 4.35,
    "daily": 30.4,
}
"""How often a month something happens at each pace."""


@dataclass(frozen=True, slots=True)
class Situation:
    """The table [advice], and the answers to `graft advise`."""

    task: tuple[Task, ...] | None = None
    """What do the answers need? facts (what the documents say), multi-hop (facts from several documents together),
    style (a house format or tone), labels (one of a fixed set). Several are possible."""
    cite: bool | None = None
    """Must every answer name its source?"""
    pages: int | None = None
    """How many pages of documents are there? (a page is about 500 words)"""
    change: Pace | None = None
    """How often does what is true in the documents change?"""
    max_age_days: float | None = None
    """How old may the knowledge in an answer be, in days?"""
    examples: int | None = None
    """How many examples of ideal answers are at hand?"""
    in_documents: float | None = None
    """Which share of the questions has its answer in the documents? 0 to 1; GRAFT measures it once there are questions."""
    unanswerable: float | None = None
    """Which share of the real questions cannot be answered at all? 0 to 1"""
    right: float | None = None
    """What is a right answer worth, in USD?"""
    wrong: float | None = None
    """What does a wrong answer cost, in USD?"""
    abstain: float | None = None
    """What does an answer not given cost, in USD?"""
    on_premise: bool | None = None
    """Must documents and questions stay on your own machines (privacy, licence, policy)?"""
    max_seconds: float | None = None
    """How many seconds may 95 of 100 answers take, at most?"""
    answers_per_month: float | None = None
    """How many answers a month?"""
    peak_per_second: float | None = None
    """How many questions a second at the peak?"""
    languages: tuple[str, ...] | None = None
    """Which languages are the questions and the documents in? en, de, …"""
    gpu: bool | None = None
    """Is there a GPU that is paid for anyway?"""
    relabel: Pace | None = None
    """How often can somebody who knows the subject write and check examples?"""
    model: str | None = None
    """Which hosted model would answer? A name from the price list, or own when none may be used."""
    wage: float | None = None
    """What does an hour of that person's work cost, in USD?"""


ASSUMED: Mapping[str, Any] = {
    "task": ("facts",),
    "cite": False,
    "pages": 500,
    "change": "monthly",
    "max_age_days": 30.0,
    "examples": 0,
    "in_documents": 0.9,
    "unanswerable": 0.2,
    "right": 1.0,
    "wrong": 1.0,
    "abstain": 0.0,
    "on_premise": False,
    "max_seconds": 5.0,
    "answers_per_month": 10_000.0,
    "peak_per_second": 1.0,
    "languages": ("en",),
    "gpu": False,
    "relabel": "yearly",
    "model": "gpt-5-mini",
    "wage": 40.0,
}
"""What stands in for an answer that was not given. Each use is printed."""


def completed(
    given: Situation, measured: Mapping[str, Any] | None = None
) -> tuple[Situation, dict[str, str]]:
    """Return the situation without gaps, and where each value is from: "answered", "measured", "answered, measured" or
    "assumed".

    What the project itself shows (`measured`: field → value) replaces what was answered: a count beats a memory. The task
    is what both say: the questions that are there need not call for all that the answers will need.
    """
    known = dict(measured or {})
    counted = known.pop("task", ())
    origin = {}
    values = {}
    for entry in fields(Situation):
        answer = getattr(given, entry.name)
        if entry.name in known:
            values[entry.name], origin[entry.name] = known[entry.name], "measured"
        elif answer is not None:
            values[entry.name], origin[entry.name] = answer, "answered"
        else:
            values[entry.name], origin[entry.name] = ASSUMED[entry.name], "assumed"
    stated = given.task or ()
    if more := [task for task in counted if task not in stated]:
        values["task"] = (*stated, *more)
        origin["task"] = "answered, measured" if stated else "measured"
    return replace(given, **values), origin
