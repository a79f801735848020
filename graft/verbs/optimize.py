"""optimize: try retrieval settings on development questions, judge the winner once on the held-out ones, write it back.

No generator is asked: the objective is where the gold evidence stands among the passages that a model would be shown. A
setting may show no more tokens than today's, so that more is never simply better. The held-out questions decide only
about one setting a run, and the interval widens with every further one that they have judged (Bonferroni), because a
set that is asked often enough says yes. Interrupted, the same call goes on where it stopped.
"""

from __future__ import annotations

import difflib
import json
import shutil
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import Any

from graft.config import from_tables
from graft.errors import BudgetExceeded, ConfigError, NotBuilt
from graft.evaluation.question_sets.questions import fingerprint
from graft.protocols import Progress
from graft.reporting.tried import tried
from graft.retrieval.optimize import SPENT, Dimension, Measured, Search, Setting, Try, changes, lighter
from graft.retrieval.space import dimensions
from graft.settings import FILE
from graft.tables import edited
from graft.types import Document, Question, content_hash
from graft.verbs.build import read_documents
from graft.verbs.optimizing.judge import Judged, judge
from graft.verbs.optimizing.questions import Sets, sets
from graft.wiring.parts import Parts
from graft.wiring.retrievers import Kind, TunedRetriever, tune
from graft.wiring.trials import Trials, as_setting
from graft.workspace import append_lines, read_lines, write_text

FEWEST_CHANGES = "the fewest changes within a standard error of the best"
FEWEST_TOKENS = "nothing is better beyond noise; the fewest tokens without a loss"
SLACK = 1.05  # a setting may show this much of today's tokens: a chunk boundary is not a reason to refuse


@dataclass(frozen=True, slots=True)
class Optimized:
    """What `optimize` found. `chosen` equals `start` when nothing on the development questions was better, nor as good for
    clearly fewer tokens; `judged` is None then. `rule` says by what it was chosen. `diff` is what graft.toml would become; `written` says whether it has."""

    development: int
    source: str
    start: Try
    chosen: Try
    tries: tuple[Try, ...]
    seconds: float
    stopped: str = ""
    rule: str = FEWEST_CHANGES
    judged: Judged | None = None
    diff: str = ""
    written: bool = False
    notes: tuple[str, ...] = field(default_factory=tuple)

    @property
    def text(self) -> str:
        """The tries as a table, the judgement, the diff."""
        return tried(self)

    def to_json(self) -> dict[str, Any]:
        """The documented form for scripts."""
        start = self.start.setting
        judged = self.judged and {
            "questions": self.judged.questions, "looks": self.judged.looks, "better": self.judged.better,
            "lighter": self.judged.lighter, "tokens": {"before": self.judged.before.tokens, "after": self.judged.after.tokens},
            **{name: {"before": getattr(self.judged.before, at), "after": getattr(self.judged.after, at),
                      "difference": one.value, "low": one.low, "high": one.high}
               for name, at, one in (("ndcg@10", "mean", self.judged.ndcg), ("recall", "found", self.judged.recall))},
        }  # fmt: skip
        return {
            "development": {"questions": self.development, "source": self.source},
            "tries": [
                {"changes": changes(one.setting, start), "ndcg@10": one.measured.mean,
                 "recall": one.measured.found, "tokens": one.measured.tokens, "feasible": one.feasible}
                for one in self.tries
            ],
            "chosen": changes(self.chosen.setting, start), "rule": self.rule, "seconds": self.seconds, "stopped": self.stopped,
            "held_out": judged, "diff": self.diff, "written": self.written, "notes": list(self.notes),
        }  # fmt: skip


def optimize(
    parts: Parts,
    *,
    progress: Progress,
    minutes: float | None = None,
    train: Sequence[Kind] = (),
    write: bool = True,
    cheaper: bool = False,
) -> Optimized:
    """Search, judge, and write the winner into graft.toml when it is better beyond noise and `write` is set; with `cheaper`
    also when it is as good and shows the model clearly fewer tokens.

    `train` first fine-tunes an embedder or a reranker on the examples, and lets it compete. Raises DataError when there
    are too few questions or examples, LeakError when they hold a held-out question, NotBuilt when training needs an index.
    """
    with parts.workspace.lock("optimize"):
        dev = sets(parts, train=bool(train))
        documents = read_documents(parts).documents
        started = time.monotonic()
        tuned = _tuned(parts, train, dev, progress)
        trials = Trials(parts, documents, progress)
        chosen, search = _search(parts, trials, dev, documents, tuned, minutes, progress)
        start, rule = search.start, FEWEST_CHANGES
        if not changes(chosen.setting, start):
            chosen, rule = lighter(search.tries, start), FEWEST_TOKENS
        judged, diff, written = None, "", False
        if changes(chosen.setting, start):
            judged = judge(parts, trials, dev.held, start, chosen.setting)
            before, after = _rewritten(parts, chosen.setting, start)
            diff = _diff(before, after)
            if write and _accepted(judged, cheaper=cheaper):
                write_text(parts.root / FILE, after)
                written = True
        shutil.rmtree(trials.folder, ignore_errors=True)
        notes = tuple(
            _kept(one, chosen.setting, start, kept=judged is not None and _accepted(judged, cheaper=cheaper))
            for one in tuned
        )
    return Optimized(
        len(dev.questions), dev.source, search.tries[0], chosen, tuple(search.tries), time.monotonic() - started,
        search.stopped, rule, judged, diff, written, notes,
    )  # fmt: skip


def plan(parts: Parts, *, minutes: float | None = None, train: Sequence[Kind] = ()) -> dict[str, Any]:
    """Say what `optimize` would search, on what, and how many texts each other index would embed. Loads no model."""
    dev = sets(parts, train=bool(train))
    documents = read_documents(parts).documents
    trials = Trials(parts, documents, lambda *_: None)
    start = as_setting(parts.config.retrieval)
    space = _space(trials, start)
    others = [(one, value) for one in space if one.costly for value in one.values]
    return {
        "development": {"questions": len(dev.questions), "source": dev.source},
        "held_out": {"questions": len(dev.held), "judge": "the winner, once"},
        "train": {kind: f"{len(dev.examples)} examples" for kind in train},
        "ranking": {one.name: len(one.values) for one in space if not one.costly},
        "texts_to_embed": {
            _shown(value): trials.to_embed({**start, one.name: value}) for one, value in others
        },
        "minutes_at_most": parts.config.optimize.minutes if minutes is None else minutes,
        "cost_usd": 0.0,
    }


def _shown(value: Mapping[str, Any]) -> str:
    return " ".join(str(part) for part in value.values())


# --- training --------------------------------------------------------------------------------------------------------


def _tuned(parts: Parts, train: Sequence[Kind], dev: Sets, progress: Progress) -> list[TunedRetriever]:
    if train and len(parts.retrieval.store) == 0:
        raise NotBuilt(
            "Hard negatives are searched in the index, and nothing is indexed yet.", "Run graft build."
        )
    return [tune(parts, kind, dev.examples, progress) for kind in dict.fromkeys(train)]


def _accepted(judged: Judged, *, cheaper: bool) -> bool:
    return judged.better or (cheaper and judged.lighter)


def _kept(one: TunedRetriever, chosen: Setting, start: Setting, *, kept: bool) -> str:
    """Keep a tuned part that won, delete one that did not, and say so."""
    rows, seconds = one.report["rows"], one.report["seconds"]
    made = f"The {one.kind} was trained on {rows} rows in {seconds:.0f} s"
    path = f"{one.folder.parent.name}/{one.folder.name}"
    # Until a build puts an earlier run's winner into service, the same rows lead to the same folder: graft.toml names it.
    named = path in (start.get(one.kind) or {}).values()
    if named or (kept and chosen.get(one.kind) == one.table):
        return f"{made} and lies in {path}."
    one.remove()
    return f"{made}; it was not better, and is deleted."


# --- searching -------------------------------------------------------------------------------------------------------


def _space(trials: Trials, start: Setting, tuned: Sequence[TunedRetriever] = ()) -> list[Dimension]:
    """Return what is varied; another spelling of today's index is not another one."""
    found = dimensions(
        start,
        embedders=[one.table for one in tuned if one.kind == "embedder"],
        rerankers=[one.table for one in tuned if one.kind == "reranker"],
    )

    def others(one: Dimension) -> tuple[Any, ...]:
        return tuple(
            value for value in one.values if not trials.same_index(start, {**start, one.name: value})
        )

    return [replace(one, values=(start[one.name], *others(one))) if one.costly else one for one in found]


def _search(
    parts: Parts,
    trials: Trials,
    dev: Sets,
    documents: Sequence[Document],
    tuned: Sequence[TunedRetriever],
    minutes: float | None,
    progress: Progress,
) -> tuple[Try, Search]:
    """Run the search on the development questions."""
    budget = 60 * (parts.config.optimize.minutes if minutes is None else minutes)
    start = as_setting(parts.config.retrieval)
    space = _space(trials, start, tuned)
    measure = _remembered(parts, trials, dev.questions, documents)
    limit = (
        measure(start).tokens * SLACK
    )  # the time counts from here: today's own index may have had to be built
    deadline = time.monotonic() + budget
    search = Search(
        space, start, measure, lambda: deadline - time.monotonic(), limit, parts.config.project.seed,
        lambda _: progress("settings tried", len(search.tries), 0),
    )  # fmt: skip

    def until_spent(stage: str, done: int, total: int) -> None:
        progress(stage, done, total)
        if time.monotonic() > deadline:
            raise BudgetExceeded(SPENT)

    trials.progress = until_spent
    chosen = search.run()
    trials.progress = progress
    return chosen, search


# --- measuring -------------------------------------------------------------------------------------------------------


def _remembered(
    parts: Parts, trials: Trials, questions: Sequence[Question], documents: Sequence[Document]
) -> Callable[[Setting], Measured]:
    """Return `measure` with a memory on disk: a try that an earlier, interrupted call finished is read back."""
    key = content_hash(
        version("graft-llm"), fingerprint(questions), *sorted(document.fingerprint for document in documents),
        parts.retrieval.embedder.fingerprint, parts.models.generator().fingerprint,
    )  # fmt: skip
    path = parts.workspace.optimize / key / "tries.jsonl"
    known = {
        row["setting"]: Measured(tuple(row["ndcg"]), tuple(row["recall"]), row["tokens"])
        for row in read_lines(path)
    }

    def measure(setting: Setting) -> Measured:
        name = content_hash(repr(sorted(setting.items())))
        if name not in known:
            known[name] = trials.measure(setting, questions)
            append_lines(path, [_line(name, known[name])])
        return known[name]

    return measure


def _line(name: str, measured: Measured) -> str:
    row = {"setting": name, "ndcg": measured.objective, "recall": measured.recall, "tokens": measured.tokens}
    return json.dumps(row)


# --- writing ---------------------------------------------------------------------------------------------------------


def _diff(before: str, after: str) -> str:
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    return "".join(difflib.unified_diff(old, new, FILE, f"{FILE} (new)"))


def _rewritten(parts: Parts, chosen: Setting, start: Setting) -> tuple[str, str]:
    """Return graft.toml as it is and with the winner in it. Raises ConfigError when the result would not read back as
    what was measured."""
    before = (parts.root / FILE).read_text(encoding="utf-8")
    after = edited(before, "retrieval", changes(chosen, start))
    if as_setting(from_tables(tomllib.loads(after)).retrieval) != dict(chosen):
        raise ConfigError(f"The winning settings cannot be written into {FILE} as it is laid out.",
                          "Copy them from the report into [retrieval].")  # fmt: skip
    return before, after
