"""TOML tables before they are settings: two of them merged, one edited in place, and the line at which a mistake stands.

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


def edited(text: str, section: str, changes: Mapping[str, Any]) -> str:
    """Return the TOML text with keys of a table set; everything else stays as it was written, comments and order too.

    None removes a key. A table as value is written in one line. The section is added when it is not there.
    """
    import tomlkit

    document = tomlkit.parse(text)
    if section not in document:
        document.append(section, tomlkit.table())
    table: Any = document[section]
    for key, value in changes.items():
        if value is None:
            table.pop(key, None)
        elif isinstance(value, Mapping):
            made = tomlkit.inline_table()
            made.update(value)
            table[key] = made
        else:
            table[key] = value
    return tomlkit.dumps(document)


def line_of(text: str, message: str) -> int:
    """Find the line of the key that an error message quotes first, in the section it names; 1 when it cannot tell."""
    quoted = re.search(r"'([^']+)'", message)
    section = re.search(r"\[([\w.\-]+)\]", message)
    inside, lines = section is None, text.split("\n")  # as TOML and editors count
    for number, line in enumerate(lines, start=1):
        header = re.match(r"\s*\[+([\w.\-]+)\]+", line)
        if header:
            inside = section is None or header[1].split(".")[0] == section[1].split(".")[0]
            if quoted and header[1].split(".")[-1] == quoted[1]:
                return number
        elif inside and quoted and re.match(rf"\s*{re.escape(quoted[1])}\s*[=.]", line):
            return number
    return 1
