"""Who competes: GRAFT's variants, the competitors of [variants], the baselines and diagnostic arms that cannot win.

What `compare` and its plans share. All of them are Answerers; what measures them knows no difference.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from graft import plugins
from graft.decision.costs.pricing import TokenPricing
from graft.errors import NotBuilt
from graft.evaluation.checks.abstention import is_abstention
from graft.evaluation.question_sets.questions import fingerprint
from graft.evaluation.recorded import RecordedAnswers
from graft.evaluation.run import run
from graft.generation.competitor import Competitor
from graft.protocols import Answerer, Progress
from graft.settings import BASELINES
from graft.settings_deciding import CompetitorSection
from graft.types import Question, Row, content_hash
from graft.verbs.comparing.diagnostics import diagnostic_arms, named_format
from graft.wiring.parts import ADAPTED, Parts


@dataclass(frozen=True, slots=True)
class Field:
    """Those who can answer, in the order of the table; why others cannot; and what a reader should know.

    `shown` stand in the table and cannot win; `recorded` cannot be asked again, so their time is what they reported.
    """

    answerers: Mapping[str, Answerer]
    missing: Mapping[str, str]
    shown: tuple[str, ...] = BASELINES
    recorded: frozenset[str] = frozenset()
    warnings: tuple[str, ...] = field(default=())


@contextlib.contextmanager
def competitors(parts: Parts, questions: Sequence[Question]) -> Iterator[Field]:
    """Everybody who takes part: base and GRAFT's variants from simple to elaborate, competitors, baselines,
    diagnostic arms. Connections to competitors are closed at the end."""
    entered = _entered(parts, questions)
    try:
        yield entered
    finally:
        for answerer in entered.answerers.values():
            if isinstance(answerer, Competitor):
                answerer.close()


def _entered(parts: Parts, questions: Sequence[Question]) -> Field:
    answerers: dict[str, Answerer] = {}
    missing: dict[str, str] = {}
    warnings: list[str] = list(parts.pricing("base").warnings(datetime.now(UTC).date()))
    recorded = set()
    for name in dict.fromkeys(["base", *parts.config.evaluation.variants]):
        _compose(parts, name, answerers, missing)
    for name, section in parts.config.variants.items():
        if section.answers:
            found = RecordedAnswers(
                name, parts.root / section.answers, questions, is_abstention=is_abstention
            )
            recorded.add(name)
            warnings += found.warnings
            answerers[name] = found
        else:
            price = TokenPricing(
                section.model,
                section.input_price,
                section.output_price,
                parts.prices,
                where=f"[variants.{name}]",
            )
            warnings += price.warnings(datetime.now(UTC).date())
            answerers[name] = _endpoint(parts, name, section, price)
    for name in BASELINES:
        _compose(parts, name, answerers, missing)
    diagnostics = parts.config.evaluation.diagnostics
    arms, absent = diagnostic_arms(parts, questions, diagnostics)
    warnings += _untried(parts, questions, answerers)
    answerers |= arms
    missing |= absent
    return Field(answerers, missing, (*BASELINES, *diagnostics), frozenset(recorded), tuple(warnings))


def _untried(parts: Parts, questions: Sequence[Question], answerers: Mapping[str, Answerer]) -> list[str]:
    """Before tuning is credited with a form: that it can be had without, where nobody looked."""
    if "held" in parts.config.evaluation.diagnostics or parts.models.contract:
        return []
    if not answerers.keys() & set(ADAPTED) or named_format(questions) is None:
        return []
    return [
        "The questions name one format. What tuning brings to it may need no training: "
        '[evaluation] diagnostics = ["held"] measures the untrained model held to it.'
    ]


def run_key(answerer: Answerer, questions: Sequence[Question]) -> str:
    """Return the name of the run of one Answerer over these questions."""
    return content_hash(answerer.name, answerer.fingerprint, fingerprint(questions))


def rows_of(
    parts: Parts, answerer: Answerer, questions: Sequence[Question], progress: Progress
) -> tuple[Row, ...]:
    """Return the rows of an Answerer, asking what it has not answered yet; no latency is measured: a comparison adds
    it to the same run."""
    folder = parts.workspace.run(run_key(answerer, questions))
    size = parts.config.evaluation.batch_size
    return run(answerer, questions, folder, batch_size=size, latency_questions=0, progress=progress)


def _compose(parts: Parts, name: str, answerers: dict[str, Answerer], missing: dict[str, str]) -> None:
    """Add a variant, or why it cannot answer."""
    try:
        answerers[name] = parts.variant(name)
    except NotBuilt as error:
        missing[name] = str(error)


def _endpoint(parts: Parts, name: str, section: CompetitorSection, price: TokenPricing) -> Competitor:
    generation = parts.config.generation
    options = {
        "model": section.model,
        "base_url": section.endpoint,
        "key_env": section.key_env,
        "omit": section.omit,
    }
    return Competitor(
        name,
        plugins.build("generator", "openai", options, where=f"[variants.{name}]"),
        raw=section.raw,
        instructions=generation.instructions,
        max_tokens=generation.max_tokens,
        temperature=generation.temperature,
        seed=parts.config.project.seed,
        price=price,
        is_abstention=is_abstention,
    )
