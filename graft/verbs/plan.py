"""compare --dry-run: what a comparison would still have to ask, and what that takes. Asks two questions at most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graft.evaluation.run import MANIFEST
from graft.generation.variant import Variant
from graft.parts import Parts
from graft.protocols import Answerer
from graft.types import Question, Usage
from graft.verbs.compare import held_out
from graft.verbs.competitors import competitors, run_key
from graft.workspace import read_json

# Tokens around a question and its passages: the contract, the template, the labels.
_FRAME = 60
_PASSAGE = 160
_PROBE = 2
_FREE = {"prompt_tokens": 0, "completion_tokens": 0, "seconds": 0.0, "cost_usd": 0.0}


def plan(parts: Parts) -> dict[str, Any]:
    """Say what `compare` would run: questions left, tokens, seconds and USD of each variant."""
    left = _left(parts)
    costs = [entry["cost_usd"] for entry in left.values()]
    total = None if any(cost is None for cost in costs) else sum(costs)
    seconds = sum(entry["seconds"] or 0 for entry in left.values())
    return {"variants": left, "seconds": seconds, "cost_usd": total}


def _left(parts: Parts) -> dict[str, dict[str, Any]]:
    """Return what each variant has still to answer, with an estimate of tokens, seconds and USD.

    A local variant answers two questions to be timed; an endpoint is never called, its figures are upper bounds from
    lengths and prices, and its time is unknown (null).
    """
    questions, _ = held_out(parts)
    with competitors(parts, questions) as entered:
        left: dict[str, dict[str, Any]] = {}
        for name, answerer in entered.answerers.items():
            folder = parts.workspace.run(run_key(answerer, questions))
            todo = () if read_json(folder / MANIFEST) is not None else questions
            if name in entered.recorded:
                estimate = _FREE
            else:
                estimate = (
                    _probed(answerer, todo) if parts.is_local(name) else _bounded(parts, answerer, todo)
                )
            left[name] = {"questions": len(todo), **estimate}
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
    retrieval = parts.config.retrieval
    searches = isinstance(answerer, Variant) and answerer.search is not None
    passages = min(retrieval.passage_tokens, retrieval.passages * _PASSAGE) if searches else 0
    prompt = sum(parts.count_tokens(question.text) + passages + _FRAME for question in questions)
    usage = Usage(prompt, len(questions) * parts.config.generation.max_tokens)
    price = getattr(answerer, "price", None)
    cost = price(usage, {}) if price else None
    return {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "seconds": None,
        "cost_usd": cost,
    }
