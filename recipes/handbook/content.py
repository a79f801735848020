"""What the authors wrote: facts, document sources, and the items (examples and questions) about them.

A source file under `content/documents/` is the document's text with `{{key}}` where a fact stands. `name.html.md`,
`name.docx.md` and `name.pdf.md` are Markdown that `render` turns into that format; all other files are shipped as they
are. The item files are described in `content/README.md`.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

CONTENT = Path(__file__).parent / "content"
DESKS = ("people", "it", "finance", "safety", "support", "facilities", "product")
PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")
RENDERED = (".html", ".docx", ".pdf")

_SENTENCE = re.compile(r"(?<=[.!?])\*{0,2}\s+(?=[\"“*(]*[A-Z{])")
_ITEM_MARK = re.compile(r"^\s*(?:[-*]|\d+\.)\s+")

Kind = Literal["example", "unanswerable example", "question", "freshness", "multi", "unanswerable question"]
_KINDS: Mapping[str, Kind] = {
    "E": "example",
    "X": "unanswerable example",
    "Q": "question",
    "F": "freshness",
    "M": "multi",
    "U": "unanswerable question",
}


@dataclass(frozen=True, slots=True)
class Source:
    """A document before its facts are filled in. `path` is where it is shipped, below `documents/`."""

    path: str
    template: str

    @property
    def suffix(self) -> str:
        """The suffix of the shipped file."""
        return Path(self.path).suffix

    @property
    def keys(self) -> tuple[str, ...]:
        """The facts it states, in order, one for each time."""
        return tuple(PLACEHOLDER.findall(self.template))

    @property
    def superseded(self) -> bool:
        """Whether a newer edition has replaced it."""
        return self.path.startswith("archive/")


@dataclass(frozen=True, slots=True)
class Item:
    """One line of an item file: an example (several wordings of one input) or a question.

    `keys` are the facts it asks for; `answer` is the sentence an example teaches, `aliases` are further accepted
    answers to a question.
    """

    kind: Kind
    document: str
    desk: str
    keys: tuple[str, ...]
    wordings: tuple[str, ...]
    answer: str = ""
    aliases: tuple[str, ...] = ()


@cache
def facts() -> dict[str, str]:
    """Return every fact by its key."""
    tables = tomllib.loads((CONTENT / "facts.toml").read_text(encoding="utf-8"))
    return {key: value for table in tables.values() for key, value in table.items()}


@cache
def sources() -> dict[str, Source]:
    """Return every document source by the path it is shipped at."""
    folder = CONTENT / "documents"
    found = {}
    for file in sorted(folder.rglob("*.*")):
        path = file.relative_to(folder).as_posix()
        if Path(path).with_suffix("").suffix in RENDERED:
            path = path.removesuffix(".md")
        found[path] = Source(path, file.read_text(encoding="utf-8"))
    return found


def fill(template: str) -> str:
    """Return the text with its facts."""
    return PLACEHOLDER.sub(lambda found: facts()[found[1]], template)


def document_of(key: str) -> str:
    """Return the one document that states a fact; its superseded edition has a key of its own."""
    (path,) = [source.path for source in sources().values() if key in source.keys]
    return path


def quote_of(key: str) -> str:
    """Return the sentence, list item or table row that states a fact, as it is written in its source."""
    source = sources()[document_of(key)]
    units = [unit for unit in _units(source) if "{{" + key + "}}" in unit]
    return fill(units[0])


def record_of(key: str) -> str:
    """Return the id of the document that states a fact: its path, or a JSONL record's own id."""
    path = document_of(key)
    if not path.endswith(".jsonl"):
        return path
    lines = sources()[path].template.splitlines()
    return next(str(json.loads(line)["id"]) for line in lines if "{{" + key + "}}" in line)


def _units(source: Source) -> Iterator[str]:
    """Yield the sentences, list items and table rows of a source."""
    if source.suffix == ".csv":
        yield from source.template.splitlines()
        return
    if source.suffix == ".jsonl":
        texts = [json.loads(line)["text"] for line in source.template.splitlines()]
    else:
        texts = re.split(r"\n\s*\n", source.template)
    for text in texts:
        block: list[str] = []
        for line in text.splitlines():
            if line.startswith("|"):
                yield line.strip("| ")
                continue
            if _ITEM_MARK.match(line):
                yield from _SENTENCE.split(" ".join(block))
                block = []
            block.append(_ITEM_MARK.sub("", line).strip())
        yield from _SENTENCE.split(" ".join(block))


def items() -> Iterator[Item]:
    """Yield every example and question in the order of their files. Raises ValueError with file:line."""
    for file in sorted((CONTENT / "items").glob("*.txt")):
        document = desk = ""
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
            if not line.strip():
                continue
            try:
                if line.startswith("# "):
                    document, desk = (part.strip() for part in line[2:].split(" : "))
                else:
                    yield _item(line, document, desk)
            except (ValueError, KeyError) as error:
                raise ValueError(f"{file.name}:{number}: {error}") from error


def _item(line: str, document: str, desk: str) -> Item:
    """Parse one item line; see `content/README.md`."""
    mark, rest = line.split(" ", 1)
    kind = _KINDS[mark]
    if kind in {"unanswerable example", "unanswerable question"}:
        return Item(kind, document, desk, (), (rest.strip(),))
    first, second, third = (part.strip() for part in rest.split(" | "))
    keys = tuple(first.split())
    if unknown := [key for key in keys if key not in facts()]:
        raise ValueError(f"unknown fact {unknown[0]}")
    if kind == "example":
        wordings = tuple(part.strip() for part in third.split(" // "))
        return Item(kind, document, desk, keys, wordings, answer=second.replace("{}", facts()[keys[0]]))
    aliases = tuple(part.strip() for part in third.split(";"))
    return Item(kind, document, desk, keys, (second,), aliases=aliases)
