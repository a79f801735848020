"""What the command line shows besides results' own text: progress with stage, rate and ETA, an answer, the metrics."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator, Sequence

from graft.evaluation.metrics.cards import GRADES, MetricCard
from graft.protocols import Progress
from graft.types import Answer


@contextlib.contextmanager
def progress() -> Iterator[Progress]:
    """Show a bar a stage on standard error: share done, rate and time left, and nothing for a stage that takes less than two
    seconds. Where that is no terminal (a CI log), a line every half minute, so that long work does not look dead."""
    if not sys.stderr.isatty():
        yield _lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    rate = TextColumn("{task.fields[rate]}")
    bars = Bars(TextColumn("{task.description:<22}"), BarColumn(), MofNCompleteColumn(), rate, TimeRemainingColumn(),
                console=Console(stderr=True))  # fmt: skip
    tasks: dict[str, TaskID] = {}
    started: dict[str, float] = {}

    def tell(stage: str, done: int, total: int) -> None:
        begun = started.setdefault(stage, time.monotonic())
        seconds = time.monotonic() - begun
        if stage not in tasks:
            if seconds < 2 and done < total:
                return
            tasks[stage] = bars.add_task(stage, total=total or None, rate="")
        bars.update(
            tasks[stage],
            completed=done,
            total=total or None,
            rate=f"{done / seconds:.1f}/s" if seconds else "",
        )

    with bars:
        yield tell


def _lines(every: float = 30.0) -> Progress:
    """Return what prints `stage: done/total` when `every` seconds have passed since the last line, or since the start."""
    last = time.monotonic()

    def tell(stage: str, done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= every:
            last = now
            print(f"{stage}: {done}/{total}" if total else f"{stage}: {done}", file=sys.stderr, flush=True)

    return tell


def answer_summary(answer: Answer) -> str:
    """Return an answer with its sources."""
    lines = [answer.text, ""]
    for citation in answer.citations:
        page = f", page {citation.page}" if citation.page else ""
        place = f"{citation.document}{page}, characters {citation.start}–{citation.end}"
        lines.append(f"[{citation.number}] {place}\n    “{citation.quote}”")
    total = answer.timings.get("total", 0.0)
    tokens = f"{answer.usage.prompt} + {answer.usage.completion} tokens"
    cost = "" if answer.cost is None else f", ${answer.cost:.6f}"
    lines.append(f"({answer.variant}, {total:.2f} s, {tokens}{cost})")
    return "\n".join(lines)


def metric_list(cards: Sequence[MetricCard]) -> str:
    """Return one line a metric: name, grade, direction, unit."""
    return "\n".join(f"{card.name:<20} {card.grade}  {card.direction:<6}  {card.unit}" for card in cards)


def metric_page(card: MetricCard) -> str:
    """Return a metric's card."""
    lines = [
        f"{card.name}: {card.direction} is better, unit {card.unit}",
        f"Grade {card.grade}: {GRADES[card.grade]}",
        "",
        card.description,
        f"Formula: {card.formula}",
        *(f"Misleads: {example}" for example in card.failure_examples),
    ]
    return "\n".join(lines)
