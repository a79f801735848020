"""Before a comparison: what it would still have to ask (--dry-run), and how many questions it needs (--plan).

The first asks two questions of a local variant at most, the second none.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graft.decision.inference import sizing
from graft.decision.inference.sizing import Need
from graft.errors import ConfigError
from graft.evaluation.run import outstanding
from graft.generation import prompts
from graft.generation.competitor import Competitor
from graft.generation.variant import Variant
from graft.protocols import Answerer
from graft.records import to_dict
from graft.tuning.examples import read_examples
from graft.types import Message, Question, Usage
from graft.verbs.compare import held_out
from graft.verbs.comparing.competitors import competitors, run_key
from graft.verbs.comparing.judging import judge_plan
from graft.verbs.comparing.repeats import asked_again
from graft.verbs.comparing.stored import last, read_comparison, read_scores
from graft.wiring.parts import Parts

# Tokens of a passage's number, title and headings in the prompt, ample; the budget of the passages counts their texts.
_LABEL = 30
_PROBE = 2
_FREE = {"prompt_tokens": 0, "completion_tokens": 0, "seconds": 0.0, "cost_usd": 0.0}


def plan(parts: Parts) -> dict[str, Any]:
    """Say what `compare` would run: questions left, tokens, seconds and USD of each variant."""
    questions, _ = held_out(parts)
    left = _left(parts, questions)
    judge = judge_plan(parts, len(questions), len(left))
    costs = [entry["cost_usd"] for entry in (*left.values(), *([judge] if judge else []))]
    total = None if any(cost is None for cost in costs) else sum(costs)
    seconds = sum(entry["seconds"] or 0 for entry in left.values())
    told = {"judge": judge} if judge else {}
    return {"variants": left, **told, "seconds": seconds, "cost_usd": total}


def _left(parts: Parts, questions: Sequence[Question]) -> dict[str, dict[str, Any]]:
    """Return what each variant has still to answer and to time, with an estimate of tokens, seconds and USD of both.

    A local variant answers two questions to be timed; an endpoint is never called: its tokens are as many as its prompts
    and answers may have, at the client's four characters each, and its time is unknown (null).
    """
    latency_questions = parts.config.evaluation.latency_questions
    with competitors(parts, questions) as entered:
        left: dict[str, dict[str, Any]] = {}
        for name, answerer in entered.answerers.items():
            folder = parts.workspace.run(run_key(answerer, questions))
            todo, timed = outstanding(folder, questions, 0 if name in entered.recorded else latency_questions)
            asked = [*todo, *timed[:1], *timed]  # one answer before the timings warms everything up
            if name not in entered.shown:
                asked += asked_again(parts, name, answerer, questions)
            if name in entered.recorded:
                estimate = _FREE
            elif parts.is_local(name):
                estimate = _probed(answerer, asked)
            else:
                estimate = _bounded(parts, answerer, asked)
            left[name] = {"questions": len(todo), "timed": len(timed), **estimate}
    return left


def _probed(answerer: Answerer, questions: Sequence[Question]) -> dict[str, Any]:
    answers = (
        answerer.answer_batch([question.messages for question in questions[:_PROBE]]) if questions else []
    )
    share = len(questions) / max(1, len(answers))
    costs = [answer.cost for answer in answers if answer.cost is not None]
    return {
        "prompt_tokens": round(share * sum(answer.usage.prompt for answer in answers)),
        "completion_tokens": round(share * sum(answer.usage.completion for answer in answers)),
        "seconds": round(share * sum(answer.timings["total"] for answer in answers), 1),
        "cost_usd": share * sum(costs),
    }


def _bounded(parts: Parts, answerer: Answerer, questions: Sequence[Question]) -> dict[str, Any]:
    searches = isinstance(answerer, Variant) and answerer.search is not None
    around = (_passages(parts) if searches else 0) + (_examples(parts) if answerer.name == "few-shot" else 0)
    # A competitor has a client of its own; few-shot's would look for the nearest examples to count them.
    model = answerer.generator if isinstance(answerer, Competitor) else parts.models.generator()
    instructions = parts.config.generation.instructions

    def tokens(question: Question) -> int:
        if isinstance(answerer, Competitor) and answerer.raw:
            return model.count_tokens(question.messages)
        return around + model.count_tokens(prompts.build(question.messages, None, instructions))

    prompt = sum(map(tokens, questions))
    usage = Usage(prompt, len(questions) * parts.config.generation.max_tokens)
    price = getattr(answerer, "price", None)
    cost = price(usage, {}) if price else None
    uncounted = _uncounted(parts) if searches and questions else []
    return {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "seconds": None,
        "cost_usd": cost,
        **({"not_counted": uncounted} if uncounted else {}),
    }


def _passages(parts: Parts) -> int:
    """Return the most tokens that passages take in a prompt."""
    section, heading = parts.config.retrieval, parts.models.count_tokens(prompts.PASSAGES_HEADING)
    return section.passage_tokens + section.passages * _LABEL + heading


def _examples(parts: Parts) -> int:
    """Return the most tokens that the examples of few-shot take in a prompt: those of the longest."""
    count = parts.models.generator().count_tokens
    shown = (
        [Message("user", prompts.QUESTION_PREFIX + example.input), Message("assistant", example.output)]
        for example in read_examples(parts.root / parts.config.tuning.examples)
    )
    return sum(heapq.nlargest(parts.config.evaluation.shots, map(count, shown)))


def _uncounted(parts: Parts) -> list[str]:
    """Return what is not in the figures: which settings let a search ask the model too. How much, nobody knows before."""
    section = parts.config.retrieval
    asking = {"reword": section.reword != "off", "condense": section.condense, "rounds": section.rounds > 1}
    return [f"what [retrieval] {name} asks of the model" for name, on in asking.items() if on]


# --- how many questions ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class QuestionPlan:
    """How many questions show a true `difference` in `metric` with 80 % power, all pairs of variants tested.

    `pairs` rest on the last comparison, of `have` questions; without one they are empty. `table` is for a metric of 0 and
    1: the share of questions on which two variants differ → questions. `collect` are the questions still missing.
    """

    metric: str
    difference: float
    have: int
    pairs: tuple[Need, ...]
    table: dict[float, int | None]
    collect: int

    @property
    def text(self) -> str:
        """The plan for people."""
        lines = [
            f"To show a difference of {self.difference:g} in {self.metric} (80 % power, all pairs tested):"
        ]
        for need in self.pairs:
            told = "never differed" if need.questions is None else f"{need.questions:,} questions"
            lines.append(
                f"  {need.a} - {need.b}: {told} (differ on {need.discordance:.0%} of {need.n}, sd {need.sd:.2f})"
            )
        if not self.pairs:
            lines += [
                f"  if two variants differ on {share:.0%} of the questions: "
                + ("not possible, that is less than the difference" if n is None else f"{n:,}")
                for share, n in self.table.items()
            ]
        more = f"Collect {self.collect:,} more" if self.collect else "You have enough"
        return "\n".join([*lines, f"{more}: {self.have} are there. Make a fifth of them unanswerable."])

    def to_json(self) -> dict[str, Any]:
        """The documented form for scripts."""
        plain: dict[str, Any] = to_dict(self)
        return plain


def plan_questions(parts: Parts, difference: float = 0.05) -> QuestionPlan:
    """Say how many questions to collect for the difference that matters. No model is asked.

    With a comparison, from how much the variants' answers differed there; else from the planning table, at a typical
    share of discordant questions.
    """
    if not 0 < difference <= 1:
        raise ConfigError(
            f"A difference of {difference:g} cannot be planned for.", "Give one from 0 to 1, e.g. 0.05."
        )
    metric = parts.config.evaluation.primary
    path = parts.root / parts.config.evaluation.questions
    have = len(held_out(parts)[0]) if path.exists() else 0
    pairs = _measured(parts, metric, difference)
    competing = len({"base", *parts.config.evaluation.variants, *parts.config.variants})
    tested = max(1, competing * (competing - 1) // 2)
    known = [need.questions for need in pairs if need.questions is not None]
    needed = max(sizing.FEWEST, *known) if known else sizing.typical(difference, pairs=tested)
    table = sizing.table(difference, pairs=tested)
    return QuestionPlan(metric, difference, have, pairs, table, max(0, needed - have))


def _measured(parts: Parts, metric: str, difference: float) -> tuple[Need, ...]:
    """Return what each pair of the last comparison needs; nothing without one."""
    latest = last(parts.workspace)
    if latest is None:
        return ()
    shown = set(read_comparison(latest.folder).get("baselines", ()))
    scores = {name: rows for name, rows in read_scores(latest.folder).items() if name not in shown}
    cluster = {question.id: question.cluster for question in held_out(parts)[0]}
    ids = list(dict.fromkeys(name for rows in scores.values() for name in rows))
    columns = {
        name: np.array([_nan(rows.get(identifier, {}).get(metric)) for identifier in ids])
        for name, rows in scores.items()
    }
    return sizing.needs(columns, [cluster.get(identifier, "") for identifier in ids], difference)


def _nan(value: float | None) -> float:
    return np.nan if value is None else value
