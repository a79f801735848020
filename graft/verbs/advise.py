"""advise: before any data, what to expect, what to do first, what to collect and what it would cost.

Works outside a project too. Inside one, what can be counted there replaces what was answered (the task is both), and a
comparison replaces the priors that it tests.
"""

from __future__ import annotations

import tomllib
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from graft import config as configuration
from graft.decision.advising.advice import Advice
from graft.decision.advising.advice import advise as advised
from graft.decision.advising.situation import ASSUMED, Situation, Task, completed
from graft.decision.costs.cost import load_prices
from graft.errors import ConfigError, GraftError
from graft.evaluation.checks.exact import leaves
from graft.evaluation.question_sets.questions import read_questions
from graft.plugins import dataclass_from
from graft.records import from_dict, to_dict
from graft.reporting.advised import advice_text
from graft.settings import FILE, Config
from graft.settings_deciding import DecisionSection
from graft.tuning.examples import read_examples
from graft.types import Comparison, Question, Recommendation
from graft.verbs.comparing.stored import last, read_comparison
from graft.verbs.init import field_comments
from graft.wiring.parts import Parts
from graft.workspace import FOLDER, Workspace

PAGE_CHARACTERS = 3_000
NOTABLE = 0.1
"""The share of questions from which a kind of task shapes the advice."""
_YES, _NO = {"y", "yes", "true", "1"}, {"n", "no", "false", "0"}

Ask = Callable[[str], str]
"""Prints a prompt and returns what was typed."""


@dataclass(frozen=True, slots=True)
class Advised:
    """The advice, as text and as data."""

    advice: Advice

    @property
    def text(self) -> str:
        """The advice for people."""
        return advice_text(self.advice)

    def to_json(self) -> dict[str, Any]:
        """The documented form for scripts."""
        advice = self.advice
        return {
            "expected": advice.expected,
            "measured": advice.measured,
            "situation": to_dict(advice.situation),
            "origin": dict(advice.origin),
            "standings": to_dict(advice.standings),
            "priors": [
                {
                    "says": heard.prior.says,
                    "favours": list(heard.prior.favours),
                    "against": list(heard.prior.against),
                    "evidence": to_dict(heard.prior.evidence),
                    "measured": {"verdict": heard.verdict, "figures": heard.figures}
                    if heard.figures
                    else None,
                }
                for heard in advice.heard
            ],
            "plan": list(advice.plan),
            "collect": list(advice.collect),
            "would_change": list(advice.would_change),
            "cost": {
                "months": advice.cost.months,
                "answers_per_month": advice.cost.volume,
                "total": {name: advice.cost.total(name) for name in advice.cost.bills},
                "break_even": to_dict(advice.cost.paybacks()),
            },
            "notes": list(advice.notes),
        }


def advise(root: Path, *, answers: Path | None = None, ask: Ask | None = None) -> Advised:
    """Advise on the project in `root`, or on none when there is no graft.toml.

    Answers come from `answers` (TOML: the keys of [advice], in that table or alone), then from [advice] of graft.toml,
    then from `ask`, a question at a time; what is left is assumed and said so. Raises ConfigError for a bad answer.
    """
    inside = (root / FILE).exists()
    config = configuration.read(root / FILE) if inside else Config()
    given = config.advice if answers is None else _merged(config.advice, read_answers(answers))
    if ask is not None:
        given = _asked(given, ask)
    workspace = Workspace(root / FOLDER)
    situation, origin = completed(given, _counted(config, root, workspace) if inside else {})
    comparison, verdict = _compared(workspace) if inside else (None, "")
    prices = load_prices(config.costs.prices)
    return Advised(advised(situation, origin, prices, comparison=comparison, verdict=verdict))


# --- answers -----------------------------------------------------------------------------------------------------------


def read_answers(path: Path) -> Situation:
    """Read a file of answers. Raises ConfigError that names the file and the key."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(
            f"{path} cannot be read as answers: {error}.", "Write TOML: key = value, as in [advice]."
        ) from error
    found: Situation = dataclass_from(Situation, table.get("advice", table), f"{path}: [advice]")
    return found


def _merged(below: Situation, above: Situation) -> Situation:
    return replace(
        below,
        **{entry.name: value for entry in fields(above) if (value := getattr(above, entry.name)) is not None},
    )


def _asked(given: Situation, ask: Ask) -> Situation:
    """Ask what has not been answered. An empty line leaves it to the assumption; a bad answer is asked again."""
    hints = typing.get_type_hints(Situation)
    answered = {}
    for name, question in field_comments(Situation).items():
        if getattr(given, name) is not None:
            continue
        prompt = f"{' '.join(question.split())} [{_shown(ASSUMED[name])}] "
        while typed := _typed(ask, prompt):
            try:
                answered[name] = getattr(
                    dataclass_from(Situation, {name: understood(hints[name], typed)}, "your answer"), name
                )
                break
            except ConfigError as error:
                prompt = f"{error.message} {error.hint} "
    return replace(given, **answered)


def _typed(ask: Ask, prompt: str) -> str:
    """Return what was typed, nothing at the end of the input."""
    try:
        return ask(prompt).strip()
    except EOFError:
        return ""


def understood(hint: Any, typed: str) -> Any:
    """Return what was typed as a value for a field of this type: words by commas, numbers with thousands separators,
    yes and no. What is not understood is returned as typed, for the check to refuse."""
    kind = next(option for option in typing.get_args(hint) if option is not type(None))
    if typing.get_origin(kind) is tuple:
        return [word.strip() for word in typed.split(",") if word.strip()]
    if kind is bool:
        return True if typed.lower() in _YES else False if typed.lower() in _NO else typed
    if kind in (int, float):
        try:
            number = float(typed.replace(",", "").replace("_", "").rstrip("%"))
        except ValueError:
            return typed
        number = number / 100 if typed.endswith("%") else number
        return int(number) if kind is int and number.is_integer() else number
    return typed


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


# --- what the project shows --------------------------------------------------------------------------------------------


def _counted(config: Config, root: Path, workspace: Workspace) -> dict[str, Any]:
    """Return what can be counted in a project without asking a model. A file that is missing or cannot be read counts
    nothing: advice must not fail on it, and build will name it."""
    found: dict[str, Any] = {}
    plain = DecisionSection()
    for key, setting in (("right", "right"), ("wrong", "wrong"), ("abstain", "abstain"),
                         ("answers_per_month", "queries_per_month"), ("max_seconds", "max_p95_seconds")):  # fmt: skip
        value = getattr(config.decision, setting)
        if value != getattr(plain, setting):
            found[key] = value
    examples = root / config.tuning.examples
    questions = root / config.evaluation.questions
    try:
        if examples.exists():
            found["examples"] = len(read_examples(examples))
        if questions.exists():
            asked = read_questions(questions)
            found["unanswerable"] = sum(not question.answerable for question in asked) / len(asked)
            found["task"] = _tasks(asked)
        lengths = Parts(config, root, workspace).gold.document_lengths() if workspace.index.exists() else {}
        if lengths:
            found["pages"] = max(1, round(sum(lengths.values()) / PAGE_CHARACTERS))
    except GraftError:
        return found
    comparison, _ = _compared(workspace)
    hit = comparison.variants.get("rag", {}).get("recall@20") if comparison else None
    if hit is not None and hit.mean is not None:
        found["in_documents"] = hit.mean
    return found


def _tasks(asked: Sequence[Question]) -> tuple[Task, ...]:
    """Return what the questions call for, none where they do not say: facts where they name evidence or have answers in
    prose, several documents, a form, one of a fixed set."""
    shares: dict[Task, int] = {
        "facts": sum(bool(question.evidence) or _in_prose(question) for question in asked),
        "multi-hop": sum(len({piece.document for piece in question.evidence}) > 1 for question in asked),
        "style": sum(question.format is not None for question in asked),
        "labels": sum(question.match == "exact" for question in asked),
    }
    return tuple(task for task, n in shares.items() if n and n >= NOTABLE * len(asked))


def _in_prose(question: Question) -> bool:
    return question.match == "words" and any(leaves(answer) is None for answer in question.answers)


def _compared(workspace: Workspace) -> tuple[Comparison | None, str]:
    """Return the last comparison and its verdict in words, or nothing."""
    latest = last(workspace)
    stored = read_comparison(latest.folder) if latest else {}
    if not stored:
        return None, ""
    verdict = from_dict(Recommendation, stored["verdict"])
    who = verdict.variant or " or ".join(verdict.candidates) or "no variant"
    said = verdict.kind.replace("_", " ").lower()
    return from_dict(Comparison, stored), f"{said} {who}, {stored['questions']} questions"
