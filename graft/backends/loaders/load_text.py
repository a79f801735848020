"""Plain text and Markdown, and what every text-like loader needs: decoding bytes, plain metadata.

Decoding tries the byte-order mark, then UTF-8, then UTF-16 by its zero bytes, then Windows-1252. A file with other
zero bytes or many control characters is refused as binary. Knows nothing of chunks; headings stay as they are.
"""

from __future__ import annotations

import codecs
import datetime as dt
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from graft.errors import DataError
from graft.types import Document

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16: its mark begins with that of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
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


def decode(data: bytes, path: Path) -> str:
    """Return the text of a file with line ends as newlines. Raises DataError for a binary file."""
    text = _decode(data, path)
    strange = sum(1 for _ in _CONTROL.finditer(text[:65536]))
    if strange > 0.01 * min(len(text), 65536):
        raise DataError(f"{path}: looks like a binary file.", "Give it its right extension, or exclude it.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _decode(data: bytes, path: Path) -> str:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            try:
                return data[len(mark) :].decode(encoding)
            except UnicodeDecodeError as error:
                hint = "The file is cut short or damaged: save it again as UTF-8."
                raise DataError(
                    f"{path}: marked as {encoding}, but does not decode ({error.reason}).", hint
                ) from error
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    even, odd = data[0:4096:2].count(0), data[1:4096:2].count(0)
    half = max(1, min(len(data), 4096) // 2)
    for zeros, encoding in ((odd, "utf-16-le"), (even, "utf-16-be")):
        if zeros > 0.3 * half:
            return data.decode(encoding, errors="replace")
    # cp1252 leaves five bytes undefined; latin-1 maps all, and both agree on Western letters.
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def plain(value: Any) -> Any:
    """Return a metadata value as plain JSON: dates as ISO strings, other objects as text."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


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
    return {str(key): plain(value) for key, value in data.items()}, found.end()


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
