"""graft.toml → the dataclasses of settings.py: reading, defaults and checking only.

Nothing here builds a part (see wiring/). Unknown keys are refused with the nearest name and the line. One dial,
`effort`, sets the rest; a key that is set explicitly always wins over the dial.
"""

from __future__ import annotations

import dataclasses
import re
import tomllib
import typing
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from graft.decision.costs.cost import load_prices
from graft.errors import ConfigError
from graft.filters import Filter
from graft.plugins import dataclass_from
from graft.settings import (
    DIAGNOSTICS,
    EFFORT,
    FILE,
    RESERVED,
    RUBRICS,
    VARIANTS,
    Backend,
    Config,
    GenerationSection,
    sections,
)
from graft.settings_deciding import CompetitorSection, JudgeSection
from graft.settings_serving import KeySection
from graft.tables import line_of, merge


def read(path: Path) -> Config:
    """Read a project file. Raises ConfigError with file:line for a bad one."""
    try:
        text = path.read_text(encoding="utf-8-sig")  # editors on Windows write the mark
    except FileNotFoundError:
        raise ConfigError(f"There is no {path.name} in {path.parent}.",
                          f"Make one with: graft init {path.parent}") from None  # fmt: skip
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"Cannot read {path}: {error}.", "Check the file.") from error
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}.", "Fix that line.") from error
    try:
        return from_tables(tables)
    except ConfigError as error:
        raise ConfigError(f"{path}:{line_of(text, error.message)}: {error.message}", error.hint) from error


def from_tables(tables: Mapping[str, Any]) -> Config:
    """Build a Config from parsed TOML: the dial's settings below, the file's own on top."""
    hints = sections()
    for name, table in tables.items():
        if name in hints and not isinstance(table, Mapping):
            raise ConfigError(f"{name!r} must be a table.", f"Write [{name}] and the keys below it.")
    made: dict[str, Any] = {"variants": _competitors(tables.get("variants", {}))}
    effort = tables.get("project", {}).get("effort", "balanced")
    preset = EFFORT.get(effort, {}) if isinstance(effort, str) else {}
    for name, kind in hints.items():
        table = merge(preset.get(name, {}), tables.get(name, {}))
        made[name] = dataclass_from(kind, _with_backends(kind, table, name), f"[{name}]")
    unknown: dict[str, Any] = {name: {} for name in tables if name not in made}
    config: Config = dataclass_from(Config, {**made, **unknown}, FILE)
    _check(config)
    return config


def _competitors(tables: Any) -> dict[str, CompetitorSection]:
    """Read [variants.NAME]. Each has an endpoint with a model, or a file of answers."""
    if not isinstance(tables, Mapping) or not all(isinstance(table, Mapping) for table in tables.values()):
        raise ConfigError("'variants' must hold tables.", "Write [variants.NAME] and the keys below it.")
    made: dict[str, CompetitorSection] = {}
    for name, table in tables.items():
        where = f"[variants.{name}]"
        if name in RESERVED or not re.fullmatch(r"[\w.-]+", name):
            raise ConfigError(f"{name!r} in {where} cannot be used as a name.",
                              f"Use letters, digits, - and _, and none of {', '.join(sorted(RESERVED))}.")  # fmt: skip
        made[name] = dataclass_from(CompetitorSection, table, where)
        _within(made[name], where, _PRICES)
        if bool(made[name].endpoint) == bool(made[name].answers):
            raise ConfigError(f"{where} needs either 'endpoint' or 'answers'.", "Give one of the two.")
        if made[name].endpoint and not made[name].model:
            raise ConfigError(
                f"{where} has an 'endpoint' and no model.", 'Add model = "…", as it is named there.'
            )
    return made


def _judge(table: Any) -> JudgeSection:
    """Read [evaluation.judge]."""
    where = "[evaluation.judge]"
    if not isinstance(table, Mapping):
        raise ConfigError("'judge' in [evaluation] must be a table.", f"Write {where} and the keys below it.")
    judge: JudgeSection = dataclass_from(JudgeSection, table, where)
    for key in ("endpoint", "model"):
        if not getattr(judge, key):
            raise ConfigError(f"{where} has no {key!r}.", f'Add {key} = "…".')
    unknown = [name for name in judge.rubrics if name not in RUBRICS]
    if unknown or not judge.rubrics:
        raise ConfigError(f"'rubrics' in {where} names {(unknown or ['nothing'])[0]!r}.",
                          f"Known: {', '.join(RUBRICS)}.")  # fmt: skip
    _within(judge, where, _JUDGE)
    if not 1 <= judge.votes <= 15:
        raise ConfigError(
            f"'votes' in {where} is {judge.votes}.", "Give a number from 1 to 15, best an odd one."
        )
    if judge.budget is not None and (judge.input_price is None or judge.output_price is None):
        raise ConfigError(f"'budget' in {where} needs 'input_price' and 'output_price'.", "Give both.")
    return judge


def _keys(tables: Any) -> dict[str, KeySection]:
    """Read [serve.keys.NAME]. A caller without a rule would see everything, which is what [serve] key_env is for."""
    if not isinstance(tables, Mapping) or not all(isinstance(table, Mapping) for table in tables.values()):
        raise ConfigError(
            "'keys' in [serve] must hold tables.", "Write [serve.keys.NAME] and the keys below it."
        )
    made: dict[str, KeySection] = {}
    for name, table in tables.items():
        where = f"[serve.keys.{name}]"
        made[name] = dataclass_from(KeySection, table, where)
        if not made[name].env or not made[name].where:
            raise ConfigError(f"{where} needs 'env' and 'where'.",
                              'For example: env = "GRAFT_KEY_PEOPLE" and where = { team = "people" }.')  # fmt: skip
    return made


def _with_backends(kind: Any, table: Mapping[str, Any], section: str) -> dict[str, Any]:
    """Turn the tables (or bare names) of backend fields into Backend values."""
    hints = typing.get_type_hints(kind)
    defaults = {entry.name: entry.default for entry in dataclasses.fields(kind)}
    made = dict(table)
    for key, value in table.items():
        hint = hints.get(key)
        if JudgeSection in typing.get_args(hint):
            made[key] = _judge(value)
        if KeySection in typing.get_args(hint):
            made[key] = _keys(value)
        if hint is not Backend and Backend not in typing.get_args(hint):
            continue
        choice = {"name": value} if isinstance(value, str) else value
        if not isinstance(choice, Mapping):
            raise ConfigError(
                f"{key!r} in [{section}] must be a table or a name.", f'Write {key} = {{ name = "…" }}.'
            )
        default = defaults[key]
        name = choice.get("name", default.name if isinstance(default, Backend) else None)
        if name is None:
            raise ConfigError(f"[{section}.{key}] has no name.", 'Add name = "…".')
        made[key] = Backend(name, {option: setting for option, setting in choice.items() if option != "name"})
    return made


_MANY = 1_000_000_000
"""More than any count, and any sum of USD, that is meant."""
_PRICES = (("input_price", 0, _MANY), ("output_price", 0, _MANY))
_JUDGE = (
    ("temperature", 0, 100),
    ("max_tokens", 1, 100_000),
    ("concurrency", 1, 1_000),
    ("budget", 0, _MANY),
    *_PRICES,
)
_RANGES: Mapping[str, Sequence[tuple[str, float, float]]] = {
    "project": [("seed", 0, 2**32 - 1)],
    "documents": [("parse_seconds", 1, 86_400), ("parse_memory_mb", 256, 1_048_576), ("parse_workers", 0, 256)],
    "retrieval": [
        ("passages", 1, 50), ("passage_tokens", 1, _MANY), ("candidates", 1, 10_000), ("fusion_k", 0, _MANY), ("rerank", 1, 10_000),
        ("diversity", 0.0, 1.0), ("rounds", 1, 10), ("round_tokens", 0, _MANY), ("recency_days", 0.01, 100_000),
    ],
    "generation": [("max_tokens", 1, 100_000), ("temperature", 0, 100)],
    "tuning": [("dev_fraction", 0.0, 0.5), ("golden_fraction", 0.0, 1.0)],
    "evaluation": [
        ("shots", 1, 100), ("batch_size", 1, 10_000), ("latency_questions", 0, _MANY), ("repeats", 1, 100), ("draws", 100, 1_000_000),
    ],
    "optimize": [("minutes", 0, _MANY)],
    "decision": [
        ("wrong", 0, _MANY), ("format", 0.0, 1.0), ("max_declines", 0.0, 1.0), ("max_p95_seconds", 0, _MANY),
        ("max_cost_per_query", 0, _MANY), ("machine_per_hour", 0, _MANY), *_PRICES,
    ],
    "costs": [
        ("months", 0.1, 600), ("wage", 0, _MANY), ("label_minutes", 0.0, 10_000), ("runs", 1, 10_000), ("reindexes_per_month", 0, _MANY),
        ("retrains_per_month", 0, _MANY),
    ],
    "serve": [("port", 1, 65_535), ("cache", 0, _MANY)],
}  # fmt: skip
"""Section → key, least and most. What is wrong here would be met only when all answers are paid for, or never."""
_ABOVE_ZERO = (
    ("tuning", "retention_margin", 1), ("decision", "margin", 1), ("decision", "right", _MANY), ("decision", "queries_per_month", _MANY),
)  # fmt: skip
"""What is divided by, or a margin: no number of questions proves that nothing at all was lost."""


def _within(section: Any, where: str, ranges: Sequence[tuple[str, float, float]]) -> None:
    """Refuse a number that is out of its range; what may be left out and is, is not checked."""
    for key, low, high in ranges:
        value = getattr(section, key)
        if value is not None and not low <= value <= high:
            raise ConfigError(f"{key!r} in {where} is {value}.", f"Give a number from {low} to {high}.")


def _check(config: Config) -> None:
    """Check what no single type says."""
    for key, known in (("variants", VARIANTS), ("diagnostics", DIAGNOSTICS)):
        unknown = [name for name in getattr(config.evaluation, key) if name not in known]
        if unknown:
            raise ConfigError(f"{key!r} in [evaluation] names {unknown[0]!r}, which is none.",
                              f"Known: {', '.join(known)}.")  # fmt: skip
    for section, ranges in _RANGES.items():
        _within(getattr(config, section), f"[{section}]", ranges)
    _check_decision(config)
    _check_costs(config)
    for key, lists in (("weights", ("dense", "bm25")), ("least", ("dense", "bm25", "rerank"))):
        unknown = [name for name in getattr(config.retrieval, key) if name not in lists]
        if unknown:
            raise ConfigError(f"{key!r} in [retrieval] names {unknown[0]!r}, which is no list.",
                              f"Known: {', '.join(lists)}.")  # fmt: skip
    _check_generation(config.generation)
    for where, rule in (("[retrieval]", config.retrieval.where),
                        *((f"[serve.keys.{name}]", key.where) for name, key in config.serve.keys.items())):  # fmt: skip
        try:
            Filter.of(rule)
        except ConfigError as error:
            raise ConfigError(f"'where' in {where}: {error.message}", error.hint) from error
    unclear = [rule for rule in config.retrieval.boost if not rule.partition("=")[0] or "=" not in rule]
    if unclear:
        raise ConfigError(f"'boost' in [retrieval] has {unclear[0]!r}, which is not key=value.",
                          'For example: boost = { "status=current" = 0.5 }.')  # fmt: skip


def _check_decision(config: Config) -> None:
    """Check what the verdict rests on."""
    for section, key, most in _ABOVE_ZERO:
        value = getattr(getattr(config, section), key)
        if not 0 < value <= most:
            raise ConfigError(
                f"{key!r} in [{section}] is {value}.", f"Give a number above 0, at most {most}."
            )
    for metric, margin in config.decision.guardrails.items():
        if not 0 < margin <= _MANY:
            raise ConfigError(f"'guardrails' in [decision] says {metric} = {margin}.",
                              f"Give a margin above 0, for example: guardrails = {{ {metric} = 0.01 }}.")  # fmt: skip
    _compete("'exclude' in [decision]", config.decision.exclude, config)
    for name, reason in config.decision.exclude.items():
        if not isinstance(reason, str) or not reason.strip():
            raise ConfigError(f"'exclude' in [decision] gives no reason for {name!r}.",
                              f'For example: exclude = {{ {name} = "its answers leave our machines" }}.')  # fmt: skip


def _check_costs(config: Config) -> None:
    """Check what the bills rest on."""
    _compete("'hosting' in [costs]", config.costs.hosting, config)
    for name, amount in config.costs.hosting.items():
        if not 0 <= amount <= _MANY:
            raise ConfigError(f"'hosting' in [costs] says {name} = {amount}.", "Give USD a month, 0 or more.")
    load_prices(config.costs.prices)


def _compete(where: str, names: Iterable[str], config: Config) -> None:
    """Refuse the name of a variant that is in no comparison of this project."""
    known = [*VARIANTS, *config.variants]
    for name in names:
        if name not in known:
            raise ConfigError(
                f"{where} names {name!r}, which does not compete.", f"Known: {', '.join(known)}."
            )


def _check_generation(section: GenerationSection) -> None:
    if section.schema and section.regex:
        raise ConfigError(
            "'regex' in [generation] stands beside 'schema'.", "Hold answers to one of the two."
        )
    for name, least in section.min_confidence.items():
        if name not in VARIANTS or not isinstance(least, int | float) or not 0 <= least <= 1:
            raise ConfigError(f"'min_confidence' in [generation] says {name} = {least!r}.",
                              f"Give a probability from 0 to 1 for one of {', '.join(VARIANTS)}.")  # fmt: skip
