"""TOML tables before they are settings: two of them merged, and the line at which a mistake stands.

Knows nothing of what the keys mean.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any


def merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two tables key by key. A backend table that names another backend replaces the one below."""
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        if (
            isinstance(value, Mapping)
            and isinstance(under, Mapping)
            and value.get("name", under.get("name")) == under.get("name")
        ):
            merged[key] = {**under, **value}
        else:
            merged[key] = value
    return merged


def line_of(text: str, message: str) -> int:
    """Find the line of the key that an error message quotes first, in the section it names; 1 when it cannot tell."""
    quoted = re.search(r"'([^']+)'", message)
    section = re.search(r"\[([\w.\-]+)\]", message)
    inside, lines = section is None, text.splitlines()
    for number, line in enumerate(lines, start=1):
        header = re.match(r"\s*\[+([\w.\-]+)\]+", line)
        if header:
            inside = section is None or header[1].split(".")[0] == section[1].split(".")[0]
            if quoted and header[1].split(".")[-1] == quoted[1]:
                return number
        elif inside and quoted and re.match(rf"\s*{re.escape(quoted[1])}\s*[=.]", line):
            return number
    return 1
