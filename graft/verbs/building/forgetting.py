"""What an adapter forgot: the retention suite put to the base model and to the tuned one, and the loss in points.

What a model answered is kept by its fingerprint, so the base model is asked once whatever is trained on it. The result lies
beside the adapter's manifest. Running text is measured too, where a model tells its likelihood: general text that ships with
GRAFT, and a sample of the project's own.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from graft.decision.forgetting import Loss, Shift, losses, shift
from graft.decision.recommending.screening import Apart
from graft.evaluation.retention import suite as retention
from graft.evaluation.retention.suite import Task
from graft.generation import prompts
from graft.protocols import Generator, Progress, Scorer
from graft.records import from_dict, to_dict
from graft.types import Message, content_hash
from graft.wiring.parts import ADAPTED, Parts
from graft.workspace import read_json, write_json

T = TypeVar("T")

FILE = "retention.json"
GUARD = "retention"
"""The name under which [decision] guardrails hold a variant to what its model kept."""
_TOKENS = 48  # the answers of the suite are a few words
_BATCH = 16
_DOCUMENTS = 24  # as many texts of the project's own as the suite has general ones


@dataclass(frozen=True, slots=True)
class Outcome:
    """One task, before and after; `source` is the text that it is about."""

    task: str
    source: str
    before: bool
    after: bool


@dataclass(frozen=True, slots=True)
class Forgetting:
    """What was measured of one adapter. `losses` are of all skills together, then of each; `general` and `own` the bits per
    byte of running text, null where the model does not tell them; `too_long` tasks did not fit into the model's window."""

    identity: Mapping[str, str]
    margin: float
    losses: tuple[Loss, ...]
    general: Shift | None
    own: Shift | None
    outcomes: tuple[Outcome, ...] = ()
    too_long: int = 0
    seconds: float = 0.0

    @property
    def summary(self) -> str:
        """One line: the loss over all skills with its interval, each skill, and how text moved."""
        if not self.losses:
            return "not measured: no task of the retention suite fits into the model's window"
        whole, *skills = self.losses
        parts = [f"{whole.before:.0%} → {whole.after:.0%} of {whole.n} general tasks, {whole.points}"]
        parts.append(
            ", ".join(f"{one.skill} {100 * one.difference:+.0f}" for one in skills).replace("-", "−")
        )
        for what, moved in (("general text", self.general), ("your text", self.own)):
            if moved is not None:
                parts.append(f"{what} {moved.before:.2f} → {moved.after:.2f} bits a byte")
        if self.too_long:
            parts.append(f"{self.too_long} tasks too long for the model")
        return "; ".join(parts)

    @property
    def lost(self) -> bool:
        """Whether the mean loss is beyond the margin."""
        return bool(self.losses) and self.losses[0].status == "regressed"

    def warning(self, name: str) -> str:
        """Return what to say and do about the loss of a variant's model; empty when it is within the margin."""
        if not self.lost:
            return ""
        worst = min(self.losses[1:], key=lambda one: one.difference)
        return (
            f"{name} forgot: {self.losses[0].points} on general tasks, the margin is {100 * self.margin:g}; most in "
            f"{worst.skill}. Fewer epochs or a lower learning rate in [tuning.trainer] keep more; see docs/forgetting.md."
        )


def measure(parts: Parts, name: str, progress: Progress) -> Forgetting:
    """Measure what the adapter in use of a variant forgot, or return what was measured of it before."""
    folder = parts.models.adapter(name)
    config = parts.config
    base, tuned = parts.models.generator(), parts.models.generator(folder)
    identity = {
        "suite": retention.fingerprint(),
        "base": base.fingerprint,
        "tuned": tuned.fingerprint,
        "settings": repr((config.tuning.retention_margin, config.evaluation.draws, config.project.seed)),
    }
    stored = read_json(folder / FILE)
    if stored is not None and stored["identity"] == identity:
        return from_dict(Forgetting, stored)
    found = compared(
        base, tuned, own=_own_texts(parts), window=parts.models.context_length, kept=parts.workspace.retention,
        identity=identity, margin=config.tuning.retention_margin, draws=config.evaluation.draws,
        seed=config.project.seed, progress=progress,
    )  # fmt: skip
    write_json(folder / FILE, to_dict(found))
    return found


def compared(
    base: Generator,
    tuned: Generator,
    *,
    own: Sequence[str],
    window: int,
    kept: Path,
    identity: Mapping[str, str],
    margin: float,
    draws: int,
    seed: int,
    progress: Progress,
) -> Forgetting:
    """Put the suite to both models. `own` are texts of the project; `window` the tokens that the model reads, 0 when not
    known; `kept` the folder in which answers are kept by the model's fingerprint."""
    started = time.perf_counter()
    tasks = retention.suite()
    asked = [prompts.build(task.question, task.context, task.instructions) for task in tasks]
    fits = [not window or base.count_tokens(prompt) + _TOKENS <= window for prompt in asked]
    fitting = [(task, prompt) for task, prompt, fit in zip(tasks, asked, fits, strict=True) if fit]
    held = [task for task, _ in fitting]
    then, now = (_passed(model, fitting, kept, progress) for model in (base, tuned))
    found = losses(
        [task.skill for task in held], then, now, [task.source for task in held],
        margin=margin, draws=draws, seed=seed,
    )  # fmt: skip
    moved = {}
    for what, texts in (("general", retention.texts()), ("own", own)):
        first, second = (_bits(model, texts, kept) for model in (base, tuned))
        both = [(a, b) for a, b in zip(first, second, strict=True) if a is not None and b is not None]
        moved[what] = shift([a for a, _ in both], [b for _, b in both], draws=draws, seed=seed)
    outcomes = tuple(
        Outcome(task.id, task.source, bool(a), bool(b)) for task, a, b in zip(held, then, now, strict=True)
    )
    seconds = time.perf_counter() - started
    return Forgetting(
        identity, margin, found, moved["general"], moved["own"], outcomes, len(tasks) - len(held), seconds
    )


def stored(parts: Parts) -> dict[str, Forgetting]:
    """Return what was measured of the adapters that are in use, by variant; no model is asked."""
    found = {}
    for name in ADAPTED:
        pointer = read_json(parts.workspace.adapter_pointer(name))
        data = None if pointer is None else read_json(parts.workspace.adapter(pointer["key"]) / FILE)
        if data is not None:
            found[name] = from_dict(Forgetting, data)
    return found


def apart(found: Mapping[str, Forgetting]) -> dict[str, Apart]:
    """Return what a guardrail on retention judges: each variant's tasks, after and before."""
    return {
        name: Apart(
            tuple(float(one.after) for one in measured.outcomes),
            tuple(float(one.before) for one in measured.outcomes),
            tuple(one.source for one in measured.outcomes),
        )
        for name, measured in found.items()
        if measured.outcomes
    }


def unmeasured(found: Mapping[str, Forgetting], names: Iterable[str]) -> dict[str, str]:
    """Return why a guardrail on retention drops those of the variants whose trained model nobody measured: unknown is not
    fine. Variants without an adapter had nothing to lose."""
    reasons = {}
    for name in names:
        if name not in ADAPTED:
            continue
        if name not in found:
            reasons[name] = (
                "what its model forgot was not measured, and [decision] guardrails limits its retention: "
                "run graft build with [tuning] retention = true"
            )
        elif not found[name].outcomes:
            reasons[name] = (
                f"what its model forgot was {found[name].summary}, and [decision] guardrails limits its retention: "
                "take a model with a larger window, or leave the guardrail out"
            )
    return reasons


def lines(found: Mapping[str, Forgetting]) -> list[str]:
    """Return a line a variant for the trace of a verdict."""
    return [f"forgetting: {name} kept {measured.summary}" for name, measured in found.items()]


# --- asking ----------------------------------------------------------------------------------------------------------


def _passed(
    model: Generator, asked: Sequence[tuple[Task, Sequence[Message]]], kept: Path, progress: Progress
) -> list[float]:
    """Return 1 for each task that the model passes, else 0."""

    def ask() -> list[float]:
        made: list[float] = []
        for at in range(0, len(asked), _BATCH):
            batch = asked[at : at + _BATCH]
            said = model.generate([prompt for _, prompt in batch], max_tokens=_TOKENS)
            made += [float(task.passes(one.text)) for (task, _), one in zip(batch, said, strict=True)]
            progress("general tasks", at + len(batch), len(asked))
        return made

    made_of = [retention.fingerprint(), prompts.fingerprint(), *(task.id for task, _ in asked)]
    return _known(kept, content_hash("tasks", model.fingerprint, *made_of), ask)


def _bits(model: Generator, texts: Sequence[str], kept: Path) -> list[float | None]:
    """Return the bits per byte of each text by itself; null where the model does not tell."""
    if not isinstance(model, Scorer):
        return [None] * len(texts)

    def ask() -> list[float | None]:
        return [
            None if one.nats is None or not one.bytes else -one.nats / math.log(2) / one.bytes
            for one in model.log_likelihood([((), text) for text in texts])
        ]

    return _known(kept, content_hash("text", model.fingerprint, *texts), ask)


def _known(kept: Path, key: str, ask: Callable[[], list[T]]) -> list[T]:
    """Return what is kept under the key, after asking when nothing is."""
    path = kept / f"{key}.json"
    found: list[T] | None = read_json(path)
    if found is None:
        found = ask()
        write_json(path, found)
    return found


def _own_texts(parts: Parts) -> list[str]:
    """Return a passage from the middle of each of some documents, spread evenly over the index."""
    documents = sorted(parts.retrieval.store.documents())
    some = [documents[at * len(documents) // _DOCUMENTS] for at in range(_DOCUMENTS)] if documents else []
    texts = []
    for document in dict.fromkeys(some):
        chunks = list(parts.retrieval.store.chunks([document]))
        if chunks:
            texts.append(chunks[len(chunks) // 2].text)
    return texts
