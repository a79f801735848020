"""Whether a text keeps a format contract: a regular expression, a JSON Schema, or both.

A contract is {"regex": …, "schema": …}, either or both. Plain strings in; knows nothing of rows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from graft.evaluation.checks.text import strip_citations


def keeps_format(contract: Mapping[str, Any], text: str) -> bool:
    """Whether a text keeps a format contract ({"regex": …}, {"schema": …}), as it stands or without its citations."""
    key = json.dumps(contract, sort_keys=True)
    return any(_keeps(key, said) for said in (text.strip(), strip_citations(text)))


def keeps_format_repaired(contract: Mapping[str, Any], text: str) -> bool:
    """Whether a text keeps a format contract as it stands or once repaired."""
    return any(
        keeps_format(contract, said) for said in (text, *_repairs(text, json_wanted="schema" in contract))
    )


def _repairs(text: str, *, json_wanted: bool) -> list[str]:
    """Return the text without what surrounds it, each step on top of the one before."""
    steps = [re.sub(r"^```[\w-]*[ \t]*\n?|\n?```$", "", text.strip()).strip()]
    steps.append(
        "\n".join(line.strip() for line in re.sub(r"\*\*|__", "", steps[-1]).splitlines() if line.strip())
    )
    steps.append(re.sub(r"^[\"'`“”*]+|[\"'`“”*]+$", "", steps[-1]).strip())
    if json_wanted:
        inner = re.search(r"\{.*\}|\[.*\]", text, re.DOTALL)
        if inner:
            steps += [inner.group(), re.sub(r",(\s*[}\]])", r"\1", inner.group())]
    return steps


def _keeps(contract: str, text: str) -> bool:
    pattern, validator = _compiled(contract)
    if pattern is not None and pattern.fullmatch(text) is None:
        return False
    if validator is None:
        return True
    try:
        return bool(validator.is_valid(json.loads(text)))
    except (ValueError, RecursionError):
        return False


@lru_cache(256)
def _compiled(contract: str) -> tuple[re.Pattern[str] | None, Any]:
    """Return the pattern and the JSON Schema validator of a contract (as JSON text, to be a key of the cache)."""
    loaded = json.loads(contract)
    pattern = re.compile(loaded["regex"]) if "regex" in loaded else None
    if "schema" not in loaded:
        return pattern, None
    from jsonschema.validators import validator_for

    return pattern, validator_for(loaded["schema"])(loaded["schema"])
