"""Plain text and Markdown, and what every text-like loader needs: plain metadata, titles.

Knows nothing of chunks; headings stay as they are.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from graft.backends.loaders.decoding import decode
from graft.errors import DataError
from graft.types import Document

_FRONT_MATTER = re.compile(
    r"---[ \t]*\n(?P<yaml>.*?)(?:^|\n)(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE
)
_LOOKS_LIKE_HEADING = re.compile(r"^(?=#{1,6}(?:[ \t]|$))", re.MULTILINE)
_FIRST_HEADING = re.compile(
    r"^#{1,6}[ \t]+(?P<atx>[^\n]+)$|^(?P<setext>[^\s>|#-][^\n]*)\n=+[ \t]*$", re.MULTILINE
)
_MAX_TITLE = 300
# Above this a block between dashes is not front matter, and parsing it as YAML would be slow.
_MAX_FRONT_MATTER = 64 * 1024


def plain(value: Any) -> Any:
    """Return a metadata value as plain JSON in valid Unicode: dates as ISO strings, other objects as text."""
    if isinstance(value, Mapping):
        return {valid(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, bool | int | float) else valid(str(value))


def valid(text: str) -> str:
    """Replace the lone surrogates that escapes in JSON and YAML can smuggle in; they cannot be written as UTF-8."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def unmarked(text: str) -> str:
    """Return text of another format such that none of its lines reads as a Markdown heading: four spaces in front."""
    return _LOOKS_LIKE_HEADING.sub("    ", text)


def title_from_name(path: Path) -> str:
    """Return a readable title from a file name: `expense-policy_v2.txt` → `expense policy v2`."""
    stem = path.name.split(".")[0] or path.name
    return " ".join(stem.replace("-", " ").replace("_", " ").split())


class _FrontMatterLoader(yaml.SafeLoader):  # type: ignore[misc]
    """YAML without aliases: nobody writes them by hand, and nested ones expand without bound."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.MarkedYAMLError(problem="aliases are not allowed", problem_mark=mark)
        return super().compose_node(parent, index)


def front_matter(text: str, path: Path) -> tuple[dict[str, Any], int]:
    """Return the metadata at the top of a file, and the offset behind it.

    A block that is not a YAML mapping (such as a rule at the top of the page) is text. Raises DataError with
    file:line for a block that looks like front matter and does not parse.
    """
    found = _FRONT_MATTER.match(text)
    if not found or len(found["yaml"]) > _MAX_FRONT_MATTER:
        return {}, 0
    if not found["yaml"].strip():
        return {}, found.end()
    try:
        loader = _FrontMatterLoader(found["yaml"])
        try:
            data = loader.get_single_data()
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError) as error:
        if ":" not in found["yaml"]:
            return {}, 0
        mark = getattr(error, "problem_mark", None)
        line = 2 + mark.line if mark is not None else 1
        reason = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise DataError(
            f"{path}:{line}: the front matter is not valid YAML ({reason}).",
            "Quote values that contain ': ' or '#'.",
        ) from error
    if not isinstance(data, dict):
        return {}, 0
    return plain(data), found.end()


class TextLoader:
    """Markdown and plain text: one Document a file, spans in the decoded file, `body` behind the front matter."""

    suffixes = (".md", ".markdown", ".mdx", ".txt", ".text", ".rst")

    def __init__(self, options: None = None) -> None:
        del options

    def load(self, path: Path, document_id: str) -> Iterator[Document]:
        """Yield the one Document of the file."""
        text = decode(path.read_bytes(), path)
        metadata, body = front_matter(text, path)
        heading = _FIRST_HEADING.search(text, body)
        first = (heading["atx"] or heading["setext"]).strip("# \t")[:_MAX_TITLE] if heading else ""
        yield Document(
            id=document_id,
            text=text,
            title=str(metadata.get("title") or first or title_from_name(path)),
            source=str(path),
            metadata={"type": path.suffix.lower(), **metadata},
            modified=path.stat().st_mtime,
            body=body,
        )
