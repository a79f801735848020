"""The judge of a comparison: built from [evaluation.judge], put to every variant's rows, and what a reader should know of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from graft import plugins
from graft.decision.costs.pricing import TokenPricing
from graft.decision.trust import JudgedRubric, JudgeRecord
from graft.evaluation.judging.family import family
from graft.evaluation.judging.judge import Judge, Tally
from graft.evaluation.judging.rows import Judged, Verdicts, judge_rows
from graft.evaluation.judging.rubrics import CORRECTNESS, GROUNDEDNESS, PREFERENCE, REPLY
from graft.protocols import Progress
from graft.settings import BASELINES
from graft.settings_deciding import JudgeSection
from graft.types import Question, Row, Usage
from graft.wiring.parts import Parts

MANY = 0.02
"""Above this share of missing verdicts a rubric is said to be unreliable: as much as makes a contrast refused."""
_FORMATS: Mapping[str, Mapping[str, Any]] = {
    "schema": {"type": "json_schema", "json_schema": {"name": "verdicts", "strict": True, "schema": REPLY}},
    "object": {"type": "json_object"},
}


@dataclass(frozen=True, slots=True)
class Judging:
    """The verdicts of each variant (None: no judge is configured), the judge's record, and warnings."""

    verdicts: Mapping[str, Verdicts] | None = None
    record: JudgeRecord | None = None
    warnings: tuple[str, ...] = field(default=())


def judging(
    parts: Parts,
    questions: Sequence[Question],
    rows: Mapping[str, Sequence[Row]],
    *,
    ask: bool,
    progress: Progress,
) -> Judging:
    """Have the judge of [evaluation.judge] judge all rows; nothing without one. With `ask` off only kept verdicts count.

    Raises BackendError when its endpoint is down and BudgetExceeded when its budget is; what was judged is kept.
    """
    section = parts.config.evaluation.judge
    if section is None:
        return Judging()
    generator = _generator(section)
    try:
        judge = Judge(
            generator,
            parts.workspace.root / "cache" / "judge.jsonl",
            votes=section.votes,
            max_tokens=section.max_tokens,
            temperature=section.temperature,
            ask=ask,
        )
        judged = judge_rows(
            judge, questions, rows, rubrics=section.rubrics, reference="base", evidence_text=parts.gold.text,
            progress=progress,
        )  # fmt: skip
    finally:
        generator.close()
    price = _price(parts, section)
    record = _record(parts, section, judged, price, rows)
    return Judging(judged.verdicts, record, _warnings(section, judged.tallies, record, price))


def _generator(section: JudgeSection) -> Any:
    extra = {"response_format": _FORMATS[section.constrain]} if section.constrain in _FORMATS else {}
    options = {
        "model": section.model, "base_url": section.endpoint, "key_env": section.key_env, "omit": section.omit,
        "concurrency": section.concurrency, "budget": section.budget, "input_price": section.input_price,
        "output_price": section.output_price, "extra": extra,
    }  # fmt: skip
    given = {key: value for key, value in options.items() if value is not None}
    return plugins.build("generator", "openai", given, where="[evaluation.judge]")


def _price(parts: Parts, section: JudgeSection) -> TokenPricing:
    return TokenPricing(
        section.model, section.input_price, section.output_price, parts.prices, where="[evaluation.judge]"
    )


def _record(
    parts: Parts,
    section: JudgeSection,
    judged: Judged,
    price: TokenPricing,
    rows: Mapping[str, Sequence[Row]],
) -> JudgeRecord:
    usage = sum((tally.usage for tally in judged.tallies.values()), Usage())
    own = family(section.model)
    models = {name: _model(parts, name) for name in rows if name not in BASELINES}
    return JudgeRecord(
        section.model,
        section.votes,
        tuple(
            JudgedRubric(rubric, tally.tasks, tally.unread, tally.split, tally.agreement)
            for rubric, tally in judged.tallies.items()
        ),
        judged.pairs,
        judged.order_decided,
        usage,
        price(usage, {}) if usage.prompt else 0.0,
        tuple(name for name, model in models.items() if own and family(model) == own),
    )


def _model(parts: Parts, variant: str) -> str:
    """Return the model that a variant answers with; "" where nobody says (recorded answers)."""
    competitor = parts.config.variants.get(variant)
    if competitor is not None:
        return competitor.model
    return str(parts.config.generation.model.options.get("model", ""))


def _warnings(
    section: JudgeSection, tallies: Mapping[str, Tally], record: JudgeRecord, price: TokenPricing
) -> tuple[str, ...]:
    found = []
    if record.family:
        found.append(
            f"The judge {section.model} is of the same model family as {', '.join(record.family)}: it may favour them. "
            "Take another one, or check its kappa with graft label."
        )
    for rubric, tally in tallies.items():
        lost = tally.unread + tally.split
        if lost:
            why = f"{tally.unread} unreadable or failed, {tally.split} split"
            weight = " Its metrics are not reliable here." if lost > MANY * tally.tasks else ""
            found.append(
                f"The judge gave no verdict on {lost} of {tally.tasks} ({rubric}: {why}): they are null.{weight}"
            )
    if record.pairs and record.order_decided > 0.1 * record.pairs:
        share = record.order_decided / record.pairs
        found.append(
            f"The judge prefers by position in {share:.0%} of {record.pairs} pairs: those count as even."
        )
    if section.votes % 2 == 0:
        found.append("An even number of votes leaves ties without a verdict: take an odd one.")
    return (*found, *price.warnings(datetime.now(UTC).date()))


def judge_plan(parts: Parts, questions: int, variants: int) -> dict[str, Any] | None:
    """Return what a first comparison would ask of the judge at most: requests, tokens, USD (None: no price is known).

    What is kept from before, and answers that two variants share, cost nothing and are not subtracted here.
    """
    section = parts.config.evaluation.judge
    if section is None:
        return None
    shown = parts.config.retrieval.passage_tokens
    answer = parts.config.generation.max_tokens
    # A prompt is its rubric, the question (about 30 tokens), the answer, and what it is held against.
    kinds = {
        "correctness": [(CORRECTNESS.system, answer + 60)],
        "groundedness": [(GROUNDEDNESS.system, answer + shown), (GROUNDEDNESS.system, answer + shown)],
        "preference": [(PREFERENCE.system, 2 * answer + 60)] * 2,
    }
    asked = [prompt for rubric in section.rubrics for prompt in kinds[rubric]]
    times = questions * variants * section.votes
    prompt = times * sum(len(system) // 4 + 30 + rest for system, rest in asked)
    usage = Usage(prompt, times * len(asked) * section.max_tokens)
    price = _price(parts, section)
    return {
        "requests": times * len(asked),
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "cost_usd": price(usage, {}),
    }
