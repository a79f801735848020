"""graft.toml → the dataclasses of settings.py: reading, defaults and checking only.

Nothing here builds a part (see wiring/). Unknown keys are refused with the nearest name and the line. One dial,
`effort`, sets the rest; a key that is set explicitly always wins over the dial.
"""

from __future__ import annotations

import dataclasses
import re
import tomllib
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

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
    effort = tables.get("project", {}).get("effort", "balanced")
    made: dict[str, Any] = {"variants": _competitors(tables.get("variants", {}))}
    hints = sections()
    preset = EFFORT.get(effort, {})
    for name, table in tables.items():
        if name in hints and not isinstance(table, Mapping):
            raise ConfigError(f"{name!r} must be a table.", f"Write [{name}] and the keys below it.")
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


def _check(config: Config) -> None:
    """Check what no single type says."""
    for key, known in (("variants", VARIANTS), ("diagnostics", DIAGNOSTICS)):
        unknown = [name for name in getattr(config.evaluation, key) if name not in known]
        if unknown:
            raise ConfigError(f"{key!r} in [evaluation] names {unknown[0]!r}, which is none.",
                              f"Known: {', '.join(known)}.")  # fmt: skip
    for section, key, low, high in [
        ("documents", "parse_seconds", 1, 86_400), ("documents", "parse_memory_mb", 256, 1_048_576), ("documents", "parse_workers", 0, 256),
        ("retrieval", "passages", 1, 50), ("retrieval", "candidates", 1, 10_000),
        ("retrieval", "rerank", 1, 10_000), ("retrieval", "diversity", 0.0, 1.0), ("retrieval", "rounds", 1, 10),
        ("retrieval", "recency_days", 0.01, 100_000), ("generation", "max_tokens", 1, 100_000),
        ("tuning", "dev_fraction", 0.0, 0.5), ("tuning", "golden_fraction", 0.0, 1.0), ("evaluation", "draws", 100, 1_000_000),
        ("decision", "format", 0.0, 1.0), ("decision", "max_declines", 0.0, 1.0), ("decision", "margin", 0.0, 1.0), ("serve", "port", 1, 65_535),
        ("costs", "months", 0.1, 600), ("costs", "label_minutes", 0.0, 10_000), ("costs", "runs", 1, 10_000),
    ]:  # fmt: skip
        value = getattr(getattr(config, section), key)
        if not low <= value <= high:
            raise ConfigError(f"{key!r} in [{section}] is {value}.", f"Give a number from {low} to {high}.")
    for key, lists in (("weights", ("dense", "bm25")), ("least", ("dense", "bm25", "rerank"))):
        unknown = [name for name in getattr(config.retrieval, key) if name not in lists]
        if unknown:
            raise ConfigError(f"{key!r} in [retrieval] names {unknown[0]!r}, which is no list.",
                              f"Known: {', '.join(lists)}.")  # fmt: skip
    _check_excluded(config.decision.exclude, [*VARIANTS, *config.variants])
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


def _check_excluded(given: Mapping[str, str], competing: Sequence[str]) -> None:
    for name, reason in given.items():
        if name not in competing:
            raise ConfigError(
                f"'exclude' in [decision] names {name!r}, which does not compete.",
                f"Known: {', '.join(competing)}.",
            )
        if not isinstance(reason, str) or not reason.strip():
            raise ConfigError(f"'exclude' in [decision] gives no reason for {name!r}.",
                              f'For example: exclude = {{ {name} = "its answers leave our machines" }}.')  # fmt: skip


def _check_generation(section: GenerationSection) -> None:
    if section.schema and section.regex:
        raise ConfigError(
            "'regex' in [generation] stands beside 'schema'.", "Hold answers to one of the two."
        )
    for name, least in section.min_confidence.items():
        if name not in VARIANTS or not isinstance(least, int | float) or not 0 <= least <= 1:
            raise ConfigError(f"'min_confidence' in [generation] says {name} = {least!r}.",
                              f"Give a probability from 0 to 1 for one of {', '.join(VARIANTS)}.")  # fmt: skip
