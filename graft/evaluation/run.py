"""A run: one system, all questions, one row each; kept as they come, resumed where it stopped.

    folder/run.json        of which system and which questions
    folder/rows.jsonl      a Row a line, appended batch by batch
    folder/manifest.json   written last: counts, cost, and the latency sample

Knows only an Answerer, so any system can be measured: a variant, an endpoint, a file of recorded answers.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from graft.errors import BackendError, BudgetExceeded, DataError, GraftError, Mismatch
from graft.evaluation.question_sets.questions import fingerprint
from graft.protocols import Answerer, Progress, Streamer
from graft.records import from_dict, to_dict
from graft.types import Answer, Question, Row
from graft.workspace import append_lines, read_json, read_lines, write_json

T = TypeVar("T")

ROWS = "rows.jsonl"
MANIFEST = "manifest.json"
IDENTITY = "run.json"
FIRST = "first word"
"""The stage of a timing that a reader waits for: until something is said."""
# So many failures in a row are an outage, not bad luck: stop, and let the next run try these questions again.
OUTAGE = 8
_TIMEOUTS = {"TimeoutError", "TimeoutException", "Timeout", "APITimeoutError"}


@dataclass(frozen=True, slots=True)
class Latencies:
    """Seconds of questions answered one at a time, warm. `samples` are stages → seconds, "total" by the caller's clock, and
    FIRST until the first piece of a streamed answer."""

    samples: tuple[Mapping[str, float], ...] = ()

    @property
    def seconds(self) -> tuple[float, ...]:
        """The total of each question."""
        return tuple(sample["total"] for sample in self.samples)

    @property
    def first_words(self) -> tuple[float, ...]:
        """Until the first word of each question; none where answers do not come in pieces."""
        return tuple(sample[FIRST] for sample in self.samples if FIRST in sample)

    def percentile(self, share: float, stage: str = "total") -> float | None:
        """Return the percentile (0–100, linear between neighbours) of a stage in seconds; None without samples."""
        values = sorted(sample[stage] for sample in self.samples if stage in sample)
        if not values:
            return None
        place = (len(values) - 1) * share / 100
        low, high = math.floor(place), math.ceil(place)
        return values[low] + (values[high] - values[low]) * (place - low)


def run(
    answerer: Answerer,
    questions: Sequence[Question],
    folder: Path,
    *,
    batch_size: int = 16,
    latency_questions: int = 30,
    progress: Progress | None = None,
    budget: float | None = None,
    again: bool = True,
) -> tuple[Row, ...]:
    """Put every question to the answerer and return the rows in the order of the questions.

    Answers are produced in batches, for quality; latency is timed afterwards on `latency_questions` of them one at a
    time. A question that fails becomes a row with status "error" or "timeout". A killed run continues behind its last
    saved batch; a complete one asks only what failed, once more, times what was timed on fewer questions, and does nothing
    without `again`. `budget` is USD over all rows of the folder: once it is reached, what was answered is saved and
    BudgetExceeded raised. Eight failures in a row, or nothing but failures, are an outage: they are not kept, and
    BackendError is raised. A folder that holds another run is a Mismatch.
    """
    identity = {
        "variant": answerer.name,
        "answerer": answerer.fingerprint,
        "questions": fingerprint(questions),
    }
    _claim(folder, identity)
    kept, complete = _kept(folder, questions)
    if not complete:
        todo = [question for question in questions if question.id not in kept]
        _ask(answerer, todo, folder, kept, batch_size=batch_size, progress=progress, budget=budget)
        latencies = time_answers(answerer, questions, latency_questions, progress=progress)
        failed = sum(row.status != "ok" for row in kept.values())
        figures = {"rows": len(kept), "failed": failed, "cost": _spent(kept)}
        timings = {"timed": min(latency_questions, len(questions)), "latency": latencies.samples}
        write_json(folder / MANIFEST, to_dict({**identity, **figures, **timings}))
    elif again:
        _ask_again(answerer, questions, folder, kept, batch_size=batch_size, progress=progress, budget=budget)
        _time_again(answerer, questions, folder, latency_questions, progress)
    return tuple(kept[question.id] for question in questions)


def outstanding(folder: Path, questions: Sequence[Question], n: int) -> tuple[list[Question], list[Question]]:
    """Return what `run` would still ask in a folder, and what it would time when told to time `n`."""
    kept, complete = _kept(folder, questions)
    todo = [one for one in questions if one.id not in kept or (complete and kept[one.id].status != "ok")]
    timed = complete and _timed_on(read_json(folder / MANIFEST) or {}) >= min(n, len(questions))
    return todo, [] if timed else spread(questions, n)


def time_answers(
    answerer: Answerer, questions: Sequence[Question], n: int = 30, *, progress: Progress | None = None
) -> Latencies:
    """Time `n` questions, spread evenly over the set, one at a time after one untimed call that warms everything up.

    Questions that fail are left out: their time is that of the failure. Who can stream is asked to, as a server would,
    unless the untimed call shows that it cannot here.
    """
    chosen = spread(questions, n)
    n = len(chosen)
    samples: list[Mapping[str, float]] = []
    streamed = bool(chosen) and _timed(answerer, chosen[0], streamed=True) is not None
    if not streamed:
        for question in chosen[:1]:
            _timed(answerer, question, streamed=False)
    for number, question in enumerate(chosen, start=1):
        sample = _timed(answerer, question, streamed=streamed)
        samples += [] if sample is None else [sample]
        if progress is not None:
            progress(f"{answerer.name}, one at a time", number, n)
    return Latencies(tuple(samples))


def _timed(answerer: Answerer, question: Question, *, streamed: bool) -> Mapping[str, float] | None:
    """Return the seconds of one question by stage; None when it fails, or is to be streamed and cannot be."""
    started = time.perf_counter()
    first, answer = None, None
    if not streamed:
        row, _ = next(_answer(answerer, [question]))
        answer = row.answer
    elif isinstance(answerer, Streamer):
        try:
            for piece in answerer.stream(question.messages):
                first = first or time.perf_counter() - started
                answer = piece if isinstance(piece, Answer) else answer
        except BudgetExceeded:
            raise
        except Exception:  # noqa: BLE001  (any system can compete; it is asked again without a stream, or left out)
            return None
    if answer is None:
        return None
    stages = {stage: seconds for stage, seconds in answer.timings.items() if stage != "total"}
    told = {} if first is None else {FIRST: first}
    return {"total": time.perf_counter() - started, **told, **stages}


def reported_latencies(rows: Sequence[Row], n: int = 30) -> Latencies:
    """Return the seconds that recorded rows report of themselves, of the `n` questions that `time_answers` would time:
    for answers that nobody can ask again. Rows that report none are left out."""
    answers = [row.answer for row in spread(rows, n) if row.answer is not None]
    return Latencies(
        tuple({"total": answer.timings["total"]} for answer in answers if "total" in answer.timings)
    )


def read_latencies(folder: Path) -> Latencies:
    """Return the latency sample of a complete run; empty when the run is not complete."""
    manifest = read_json(folder / MANIFEST) or {}
    return Latencies(tuple(manifest.get("latency", ())))


def spread(items: Sequence[T], n: int) -> list[T]:
    """Return `n` of the items, or all when there are fewer, spread evenly."""
    n = min(n, len(items))
    return [items[at * len(items) // n] for at in range(n)]


def _kept(folder: Path, questions: Sequence[Question]) -> tuple[dict[str, Row], bool]:
    """Return the rows of these questions in a folder, and whether the run of them is complete."""
    wanted = {question.id for question in questions}
    stored = (from_dict(Row, line) for line in read_lines(folder / ROWS))
    kept = {row.question: row for row in stored if row.question in wanted}
    return kept, len(kept) == len(wanted) and read_json(folder / MANIFEST) is not None


def _timed_on(manifest: Mapping[str, Any]) -> int:
    """Return how many were to be timed: the sample leaves failures out. An older manifest tells only the sample."""
    return int(manifest.get("timed", len(manifest.get("latency", ()))))


# --- asking --------------------------------------------------------------------------------------------------------


def _claim(folder: Path, identity: dict[str, str]) -> None:
    """Write down what the folder is a run of, or check that it is a run of the same."""
    known = read_json(folder / IDENTITY)
    if known is None:
        write_json(folder / IDENTITY, identity)
    elif known != identity:
        changed = ", ".join(key for key in identity if known.get(key) != identity[key])
        raise Mismatch(
            f"{folder} holds another run: its {changed} differ.", "Use another folder, or delete this one."
        )


def _ask(
    answerer: Answerer,
    todo: Sequence[Question],
    folder: Path,
    kept: dict[str, Row],
    *,
    batch_size: int,
    progress: Progress | None,
    budget: float | None,
) -> None:
    """Ask what is left and add its rows to the file and to `kept`, batch by batch.

    Failures wait in `held` until an answer shows that the system is up: so an outage leaves no rows behind that a
    resumed run would take for finished.
    """
    total = len(kept) + len(todo)
    held: list[Row] = []
    for at in range(0, len(todo), batch_size):
        ready: list[Row] = []
        try:
            for row, error in _answer(answerer, todo[at : at + batch_size]):
                if isinstance(
                    error, DataError
                ):  # about this question; says nothing of whether the system is up
                    ready.append(row)
                    continue
                held.append(row)
                if error is None:
                    ready, held = ready + held, []
                elif len(held) >= OUTAGE:
                    raise _outage(answerer, len(held), error)
        finally:
            _save(folder, kept, ready)
        if progress is not None:
            progress(answerer.name, len(kept) + len(held), total)
        if budget is not None and _spent(kept) >= budget and at + batch_size < len(todo):
            raise BudgetExceeded(
                f"The budget of ${budget:.2f} for {answerer.name} is used up after {len(kept)} of {total} questions.",
                "Raise the budget and run the same command again: what was answered is kept.",
            )
    if held and not kept:
        raise _outage(answerer, len(held), BackendError(held[-1].error))
    _save(folder, kept, held)


def _ask_again(
    answerer: Answerer,
    questions: Sequence[Question],
    folder: Path,
    kept: dict[str, Row],
    *,
    batch_size: int,
    progress: Progress | None,
    budget: float | None,
) -> None:
    """Ask what failed in a complete run once more: a rate limit passes. Where all fail again, the rows stay as they were."""
    failed = {question.id: kept[question.id] for question in questions if kept[question.id].status != "ok"}
    if not failed:
        return
    todo = [question for question in questions if question.id in failed]
    for name in failed:
        del kept[name]
    try:
        _ask(answerer, todo, folder, kept, batch_size=batch_size, progress=progress, budget=budget)
    except (BackendError, BudgetExceeded):
        kept.update({name: row for name, row in failed.items() if name not in kept})
    manifest = read_json(folder / MANIFEST) or {}
    figures = {"failed": sum(row.status != "ok" for row in kept.values()), "cost": _spent(kept)}
    write_json(folder / MANIFEST, {**manifest, **figures})


def _time_again(
    answerer: Answerer, questions: Sequence[Question], folder: Path, n: int, progress: Progress | None
) -> None:
    """Time a complete run that was timed on fewer than `n` questions: who needs the rows only asks for no time, and must
    not leave the next reader without any. Where nothing can be timed, the sample stays as it was."""
    manifest = read_json(folder / MANIFEST) or {}
    wanted = min(n, len(questions))
    if _timed_on(manifest) >= wanted:
        return
    latencies = time_answers(answerer, questions, wanted, progress=progress)
    if latencies.samples:
        write_json(folder / MANIFEST, to_dict({**manifest, "timed": wanted, "latency": latencies.samples}))


def _answer(answerer: Answerer, batch: Sequence[Question]) -> Iterator[tuple[Row, Exception | None]]:
    """Yield a row a question, with the error of those that failed. A batch that fails is asked one by one."""
    try:
        answers = answerer.answer_batch([question.messages for question in batch])
        if len(answers) != len(batch):
            raise BackendError(f"{answerer.name} returned {len(answers)} answers to {len(batch)} questions.")  # noqa: TRY301
    except BudgetExceeded:
        if len(batch) == 1:
            raise
        for question in batch:  # what was paid for already is handed out before the cap is met again
            yield from _answer(answerer, [question])
        return
    except Exception as error:  # noqa: BLE001  (any system can compete, so anything can be raised)
        if len(batch) > 1:
            for question in batch:
                yield from _answer(answerer, [question])
            return
        status = "timeout" if _timed_out(error) else "error"
        yield Row(batch[0].id, answerer.name, status, error=f"{type(error).__name__}: {error}"), error
        return
    for question, answer in zip(batch, answers, strict=True):
        yield Row(question.id, answerer.name, "ok", answer), None


def _timed_out(error: BaseException | None) -> bool:
    """Whether a time limit is what lies behind an error. By the class's name: the clients that raise it are not imported."""
    while error is not None:
        if any(kind.__name__ in _TIMEOUTS for kind in type(error).__mro__):
            return True
        error = error.__cause__
    return False


def _outage(answerer: Answerer, failures: int, error: Exception) -> GraftError:
    if isinstance(error, GraftError):
        message, hint = error.message, error.hint
    else:
        message, hint = f"{type(error).__name__}: {error}", ""
    again = "Run the same command again when it is fixed: what was answered is kept."
    return BackendError(
        f"{answerer.name} failed on {failures} questions in a row. {message}", f"{hint} {again}".strip()
    )


def _save(folder: Path, kept: dict[str, Row], rows: Sequence[Row]) -> None:
    if rows:
        append_lines(folder / ROWS, [json.dumps(to_dict(row), ensure_ascii=False) for row in rows])
        kept.update({row.question: row for row in rows})


def _spent(kept: Mapping[str, Row]) -> float:
    """Return the USD of all rows whose price is known."""
    return math.fsum(
        row.answer.cost for row in kept.values() if row.answer is not None and row.answer.cost is not None
    )
