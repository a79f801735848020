"""A judge: a model that is asked for verdicts, k times each, and believed only where most of its votes agree.

Every readable reply is kept on disk by the hash of its prompt, so nothing is asked (or paid) twice and the same data give
the same verdicts. A reply that cannot be read is asked for once more; what then still fails is counted and null, never 0
or 1. Knows a Generator and the rubrics; nothing of variants, metrics or settings.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from graft.errors import BackendError, WorkspaceError
from graft.evaluation.judging.rubrics import Rubric, Task, read_reply, repair
from graft.protocols import Generator, Progress
from graft.types import Generation, Message, Usage, content_hash
from graft.workspace import append_lines, read_lines

BATCH = 32
# So many requests in a row that failed on the wire are an outage: stop, and let the next run ask again.
OUTAGE = 8


@dataclass(frozen=True, slots=True)
class Verdict:
    """What most votes say, one label a part of the task; or none, with the reason. `agreement` is the mean share of the
    readable votes that say the same as the verdict."""

    labels: tuple[str, ...] | None
    agreement: float | None = None
    null_reason: str = ""


@dataclass(frozen=True, slots=True)
class Tally:
    """What a judge did. `tasks` wanted a verdict; `unread` of them got none because replies could not be read or requests
    failed, `split` because the votes did. `votes` replies were read, `repaired` of them after asking once more, `failed`
    not at all. `agreement` is the mean over the verdicts of `Verdict.agreement`; `usage` counts what was asked now."""

    tasks: int = 0
    unread: int = 0
    split: int = 0
    votes: int = 0
    repaired: int = 0
    failed: int = 0
    agreement: float | None = None
    usage: Usage = field(default_factory=Usage)


class Judge:
    """Asks a generator for verdicts.

    `votes` replies are wanted for each task, with the seeds 0, 1, …; a verdict needs more than half of them. `cache` is
    the file of readable replies. With `ask` off nothing is asked: what the cache lacks is null.
    """

    def __init__(
        self,
        generator: Generator,
        cache: Path,
        *,
        votes: int = 3,
        max_tokens: int = 400,
        temperature: float = 0.0,
        ask: bool = True,
    ) -> None:
        if votes < 1:
            raise ValueError("a judge needs at least one vote")
        self._generator = generator
        self._cache = cache
        self._max_tokens = max_tokens
        self._temperature = temperature
        self._count = votes
        self._ask = ask
        self._known = _kept(cache)
        self._failures_in_a_row = 0

    def judge(
        self, tasks: Sequence[Task], progress: Progress | None = None, name: str = "judge"
    ) -> tuple[list[Verdict], Tally]:
        """Return one Verdict a task, in order, and what it took.

        Raises BackendError when the endpoint is down and BudgetExceeded when its cap is reached; what was read is kept.
        """
        tally = _Counts()
        distinct = list(dict.fromkeys(tasks))
        wanted = [(task, vote) for task in distinct for vote in range(self._count)]
        read: dict[tuple[Task, int], tuple[str, ...]] = {}
        todo = []
        for task, vote in wanted:
            kept = self._known.get(self._key(task, vote))
            if kept is None:
                todo.append((task, vote))
            else:
                read[task, vote] = read_reply(kept, task)
        for at in range(0, len(todo) if self._ask else 0, BATCH):
            batch = todo[at : at + BATCH]
            read |= self._read(batch, tally)
            if progress is not None:
                progress(name, min(at + BATCH, len(todo)), len(todo))
        decided = {task: _decide(task, [read.get((task, vote)) for vote in range(self._count)], asked=self._ask)
                   for task in distinct}  # fmt: skip
        found = [decided[task] for task in tasks]
        return found, tally.of(found, len(read))

    def _read(
        self, batch: Sequence[tuple[Task, int]], tally: _Counts
    ) -> dict[tuple[Task, int], tuple[str, ...]]:
        """Ask for a batch of votes and return those that can be read, once they are in the cache."""
        read: dict[tuple[Task, int], tuple[str, ...]] = {}
        kept: list[tuple[str, str]] = []
        again: list[tuple[Task, int, str, str]] = []
        try:
            replies = self._replies([(task.messages, vote) for task, vote in batch], tally)
            for (task, vote), reply in zip(batch, replies, strict=True):
                if reply is None:
                    continue
                try:
                    read[task, vote] = read_reply(reply, task)
                    kept.append((self._key(task, vote), reply))
                except ValueError as error:
                    again.append((task, vote, reply, str(error)))
            repaired = self._replies(
                [(repair(task, bad, why), vote) for task, vote, bad, why in again], tally
            )
            for (task, vote, _, _), reply in zip(again, repaired, strict=True):
                try:
                    if reply is not None:
                        read[task, vote] = read_reply(reply, task)
                        kept.append((self._key(task, vote), reply))
                        tally.repaired += 1
                except ValueError:
                    tally.failed += 1
        finally:
            self._known |= dict(kept)
            lines = [json.dumps({"key": key, "reply": reply}, ensure_ascii=False) for key, reply in kept]
            if lines:
                append_lines(self._cache, lines)
        return read

    def _replies(self, prompts: Sequence[tuple[Sequence[Message], int]], tally: _Counts) -> list[str | None]:
        """Return a reply a prompt, None where the request failed. Votes of one seed go out together."""
        found: list[str | None] = [None] * len(prompts)
        for seed in sorted({vote for _, vote in prompts}):
            places = [at for at, (_, vote) in enumerate(prompts) if vote == seed]
            for at, made in zip(places, self._generate([prompts[at][0] for at in places], seed), strict=True):
                if made is None:
                    tally.failed += 1
                else:
                    found[at] = made.text
                    tally.usage += made.usage
        return found

    def _generate(self, prompts: Sequence[Sequence[Message]], seed: int) -> list[Generation | None]:
        """Return a generation a prompt. A batch that fails is asked one by one, so that one bad prompt is one failure."""
        try:
            made: list[Generation | None] = list(
                self._generator.generate(
                    prompts, max_tokens=self._max_tokens, temperature=self._temperature, seed=seed
                )
            )
        except BackendError as error:
            if len(prompts) > 1:
                return [one for prompt in prompts for one in self._generate([prompt], seed)]
            self._failures_in_a_row += 1
            if self._failures_in_a_row >= OUTAGE:
                hint = "Run the same command again when it is mended: every verdict so far is kept."
                raise BackendError(
                    f"The judge failed on {OUTAGE} requests in a row. {error.message}", hint
                ) from error
            return [None]
        self._failures_in_a_row = 0
        return made

    def _key(self, task: Task, vote: int) -> str:
        prompt = [part for message in task.messages for part in (message.role, message.content)]
        decoding = f"{self._max_tokens} {self._temperature} {vote}"
        return content_hash("judge", "1", self._generator.fingerprint, decoding, *prompt)


def _kept(cache: Path) -> dict[str, str]:
    """Return key → reply of the file of replies."""
    try:
        return {line["key"]: line["reply"] for line in read_lines(cache)}
    except (ValueError, KeyError, TypeError) as error:
        raise WorkspaceError(
            f"{cache} cannot be read ({error}).", "Delete it: the judge is asked again for what it held."
        ) from error


@dataclass(slots=True)
class _Counts:
    """Counts while asking."""

    repaired: int = 0
    failed: int = 0
    usage: Usage = field(default_factory=Usage)

    def of(self, verdicts: Sequence[Verdict], votes: int) -> Tally:
        known = [verdict.agreement for verdict in verdicts if verdict.agreement is not None]
        reasons = Counter(verdict.null_reason for verdict in verdicts if verdict.labels is None)
        return Tally(
            len(verdicts),
            reasons.total() - reasons[SPLIT],
            reasons[SPLIT],
            votes,
            self.repaired,
            self.failed,
            sum(known) / len(known) if known else None,
            self.usage,
        )


SPLIT = "the judge's votes are split"
UNREAD = "the judge gave no readable verdict"
NOT_ASKED = "the judge has not been asked yet: run graft compare"


def _decide(task: Task, votes: Sequence[tuple[str, ...] | None], *, asked: bool) -> Verdict:
    """Return what more than half of all votes wanted say, part by part."""
    held = [vote for vote in votes if vote is not None]
    if 2 * len(held) <= len(votes):
        return Verdict(None, None, UNREAD if asked else NOT_ASKED)
    parts = [_most(task.rubric, [vote[at] for vote in held], len(votes)) for at in range(task.size)]
    labels = tuple(label for label, _ in parts if label is not None)
    if len(labels) < len(parts):
        return Verdict(None, None, SPLIT)
    return Verdict(labels, sum(share for _, share in parts) / len(parts) if parts else None)


def _most(rubric: Rubric, votes: Sequence[str], wanted: int) -> tuple[str | None, float]:
    """Return the label of the majority, and the share of the votes that say so."""
    (label, count), *_ = Counter(votes).most_common()
    if 2 * count > wanted:
        return label, count / len(votes)
    alike = sum(vote in rubric.alike for vote in votes)
    return (rubric.alike[-1], alike / len(votes)) if 2 * alike > wanted else (None, 0.0)


# --- two answers against each other ------------------------------------------------------------------------------------


def either_order(forward: Verdict, backward: Verdict) -> tuple[float | None, bool]:
    """Return +1 when the first answer is preferred in both orders, -1 when the second is, 0 when neither is or the order
    decides, None without both verdicts; and whether the order decided. `backward` was asked with the answers swapped."""
    if forward.labels is None or backward.labels is None:
        return None, False
    mirrored = {"first": "second", "second": "first", "tie": "tie"}[backward.labels[0]]
    if forward.labels[0] != mirrored:
        return 0.0, {forward.labels[0], mirrored} == {"first", "second"}
    return {"first": 1.0, "second": -1.0, "tie": 0.0}[mirrored], False
