"""The words of what is searched: documents, chunks, hits, and the passages shown of them.

Values only, like all of `types.py`, from which they are imported: that is the one place to import any word from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


def content_hash(*parts: str | bytes) -> str:
    """Return 16 hex digits (64 bits) of SHA-256 over the parts, each behind its length so that none runs into the next."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Document:
    """A source file or record.

    `id` is stable: the path relative to the documents folder (POSIX), or the record's own id in a JSONL file.
    `text` is what spans count in (characters). For text formats it is the decoded file, front matter included, with
    line ends normalised; `body` is where the content starts behind the front matter. `pages` holds the offset at
    which each page starts (page 1 first); empty when the format has none. Headings are Markdown lines (`## …`),
    whatever the source format, and tables are pipe tables.
    """

    id: str
    text: str
    title: str = ""
    source: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    modified: float | None = None
    body: int = 0
    pages: tuple[int, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Hash of all that a chunk is made of: a changed fingerprint means chunk and embed again."""
        meta = repr(sorted((key, repr(value)) for key, value in self.metadata.items()))
        return content_hash(self.id, self.title, self.text, meta, str(self.pages))

    def page_at(self, offset: int) -> int | None:
        """Return the 1-based page that holds the character at `offset`, or None for a format without pages."""
        if not self.pages:
            return None
        return sum(1 for start in self.pages if start <= offset) or 1


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage of a document: `text == document.text[start:end]`, always. `shown` is the wider span that the reader gets
    in its place, for a chunk cut small only to be found (sentence window, parent and child); None is its own."""

    id: str
    document: str
    start: int
    end: int
    text: str
    title: str = ""
    headings: tuple[str, ...] = ()
    page: int | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    shown: tuple[int, int] | None = None

    @property
    def label(self) -> str:
        """Title and heading path, joined by ' > '."""
        return " > ".join(part for part in (self.title, *self.headings) if part)

    @property
    def searchable(self) -> str:
        """What is embedded and indexed: the label, so that a passage is found by its section's name, and the text."""
        return f"{self.label}\n{self.text}" if self.label else self.text


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk found for a query. `score` is the final one (higher is better); `ranks` tells where each list had it,
    1-based: {"dense": 3, "bm25": 1}; `scores` the raw score of each list."""

    chunk: Chunk
    score: float
    ranks: Mapping[str, int] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)

    def reference(self) -> RankedHit:
        """Return the hit without its text, as a row keeps it."""
        start, end = self.chunk.shown or (self.chunk.start, self.chunk.end)
        chunk = self.chunk
        return RankedHit(
            chunk.id, chunk.document, start, end, chunk.page, round(float(self.score), 6), self.ranks
        )


@dataclass(frozen=True, slots=True)
class RankedHit:
    """A place in the ranked list of a search, without the text. `id` is the chunk's; `start` and `end` are the span that a
    reader would get of it (`Chunk.shown`, else its own); `ranks` tells where each list had it."""

    id: str
    document: str
    start: int = 0
    end: int = 0
    page: int | None = None
    score: float = 0.0
    ranks: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Passage:
    """A numbered piece of evidence as the model sees it: one chunk, or several neighbours merged."""

    document: str
    start: int
    end: int
    text: str
    title: str = ""
    headings: tuple[str, ...] = ()
    page: int | None = None
    score: float = 0.0


@dataclass(frozen=True, slots=True)
class Context:
    """The passages given to the model; passage [n] is `passages[n - 1]`."""

    passages: tuple[Passage, ...] = ()

    @staticmethod
    def sample() -> Context:
        """Two fixed passages, for hashing how a prompt is rendered."""
        return Context((Passage("a", 0, 1, "x", "t", ("h",)), Passage("b", 0, 1, "y")))
