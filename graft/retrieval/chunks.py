"""Documents → chunks with exact spans: by structure (the default), by a fixed number of tokens, or whole.

Every chunker is a pure function of the document and its options, and leaves out nothing but white space and front
matter. Knows nothing of embedders or stores; sizes are in estimated tokens (`token_ends`).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile, zip_longest

from graft.errors import ConfigError
from graft.retrieval.blocks import Block, blocks
from graft.sentences import sentence_spans
from graft.types import Chunk, Document, content_hash

_VERSION = "1"
# One token for every eight letters of a word, every mark and every Chinese, Japanese, Korean or Thai character. Against
# MiniLM's WordPiece: 1.00-1.03 of the true count on four English sets, 0.96 Chinese, 0.91 tables, 0.6 German and Spanish.
_TOKEN = re.compile(
    "[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\\W_\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]{1,8}|[^\\w\\s]|_+"
)
# A line break that is only a wrap: the next line goes on in lower case, or the line was long and did not end.
_WRAP = re.compile(r"\n(?=[ \t]*[a-zß-öø-ÿ])|(?<=[^.!?:;\n]{60})\n")


def token_ends(text: str) -> list[int]:
    """Return where each estimated token ends."""
    return [match.end() for match in _TOKEN.finditer(text)]


@dataclass(frozen=True, slots=True)
class _Unit:
    """A stretch that is not cut any further. `columns` names the columns of a table row parted from its header."""

    start: int
    end: int
    path: tuple[str, ...]
    page: int | None
    columns: str = ""


class _Sizes:
    """Estimated tokens of any span of one text."""

    def __init__(self, text: str) -> None:
        self.ends = token_ends(text)

    def __call__(self, start: int, end: int) -> int:
        return max(bisect_right(self.ends, end) - bisect_right(self.ends, start), 0)


class StructureChunker:
    """Fills chunks with whole paragraphs, list items, table rows and sentences, within one section.

    A heading, and a line that announces a list, stay with what follows. A table that fits is kept whole; otherwise its
    rows are spread, and the chunks without its header row carry the column names as their last heading. Sections are
    filled evenly, so that no stub is left over; a chunk under a third of the size joins its neighbour, as long as both
    stand under the same top section and on the same page.
    """

    @dataclass(frozen=True, slots=True)
    class Options:
        """`tokens`: the most a chunk may hold. `overlap`: sentences repeated from the chunk before.

        160 tokens are about 120 words: five of them and a question leave room to answer in a context of 2,048, and
        MiniLM reads at most 256.
        """

        tokens: int = 160
        overlap: int = 0

    def __init__(self, options: Options | None = None) -> None:
        self._options = options or self.Options()
        if self._options.tokens < 16 or self._options.overlap < 0:
            raise ConfigError(
                "The chunker's 'tokens' is below 16, or its 'overlap' below 0.", "Try tokens = 160."
            )
        self.fingerprint = content_hash("structure", _VERSION, repr(self._options))

    def split(self, document: Document) -> list[Chunk]:
        """Return the chunks, in order of their start."""
        sizes = _Sizes(document.text)
        runs: list[list[_Unit]] = []
        for unit in self._units(document, sizes):
            same = runs and (runs[-1][-1].path, runs[-1][-1].page) == (unit.path, unit.page)
            if same:
                runs[-1].append(unit)
            else:
                runs.append([unit])
        groups = [group for run in runs for group in self._fill(run, sizes)]
        groups = groups if self._options.overlap else self._join_small(groups, sizes)
        return [_chunk(document, group[0].start, group[-1].end, _headings(group)) for group in groups]

    def _units(self, document: Document, sizes: _Sizes) -> list[_Unit]:
        units: list[_Unit] = []
        lead: list[Block] = []  # headings and announcing lines, waiting for what they belong to
        found = blocks(document)
        for block, following in zip_longest(found, found[1:]):
            if lead and not _leads(document, lead[0], block):
                units += [_alone(document, waiting) for waiting in lead]
                lead = []
            start = lead[0].start if lead else block.start
            if _waits(document, block, following) and sizes(start, block.end) <= self._options.tokens // 3:
                lead.append(block)
            else:
                units += self._cut(document, block, start, sizes)
                lead = []
        return units + [_alone(document, waiting) for waiting in lead]

    def _cut(self, document: Document, block: Block, start: int, sizes: _Sizes) -> list[_Unit]:
        """Return a block, with the headings that lead to it (from `start` on), as units that fit."""
        limit, page = self._options.tokens, document.page_at(start)
        by_sentence = self._options.overlap > 0 and block.kind == "paragraph"
        if sizes(start, block.end) <= limit and not by_sentence:
            return [_Unit(start, block.end, block.path, page)]
        text = document.text[block.start : block.end]
        if block.kind in {"table", "code"}:
            spans = [(line.start(), line.end()) for line in re.finditer(r"[^\n]*\S[^\n]*", text)]
        else:
            spans = sentence_spans(_WRAP.sub(" ", text))
        spans = [(block.start + first, block.start + last) for first, last in spans]
        spans[0] = (start, spans[0][1])
        pieces = [piece for span in spans for piece in _cut_words(*span, sizes, limit)]
        columns = column_names(text.split("\n", 1)[0]) if block.kind == "table" else ""
        first = _Unit(*pieces[0], block.path, page)
        return [first, *(_Unit(*piece, block.path, page, columns) for piece in pieces[1:])]

    def _fill(self, run: Sequence[_Unit], sizes: _Sizes) -> list[list[_Unit]]:
        """Spread the units of one section over as few chunks as fit, of about equal size."""
        limit, overlap = self._options.tokens, self._options.overlap
        total = sizes(run[0].start, run[-1].end)
        target = total / -(-total // limit) if total else limit
        groups: list[list[_Unit]] = [[run[0]]]
        for unit in run[1:]:
            held = groups[-1]
            size = sizes(held[0].start, unit.end)
            # Take the unit when that comes nearer to the target than stopping before it.
            if size <= limit and size - target <= target - sizes(held[0].start, held[-1].end):
                held.append(unit)
            else:
                kept = held[-overlap:] if overlap else []
                while kept and (len(kept) == len(held) or sizes(kept[0].start, unit.end) > limit):
                    kept = kept[1:]
                groups.append([*kept, unit])
        return groups

    def _join_small(self, groups: Sequence[list[_Unit]], sizes: _Sizes) -> list[list[_Unit]]:
        joined: list[list[_Unit]] = []
        for group in groups:
            before = joined[-1] if joined else None
            if before is not None and self._may_join(before, group, sizes):
                before.extend(group)
            else:
                joined.append(list(group))
        return joined

    def _may_join(self, before: Sequence[_Unit], group: Sequence[_Unit], sizes: _Sizes) -> bool:
        limit = self._options.tokens
        smaller = min(sizes(part[0].start, part[-1].end) for part in (before, group))
        same = before[0].page == group[0].page and before[0].path[:1] == group[0].path[:1]
        return same and smaller < limit / 3 and sizes(before[0].start, group[-1].end) <= limit


class FixedChunker:
    """Windows of a fixed number of tokens, wherever they fall; the plain baseline of chunking."""

    @dataclass(frozen=True, slots=True)
    class Options:
        """`tokens`: the size of a window. `overlap`: tokens shared with the window before."""

        tokens: int = 160
        overlap: int = 32

    def __init__(self, options: Options | None = None) -> None:
        self._options = options or self.Options()
        if not 0 <= self._options.overlap < self._options.tokens:
            raise ConfigError(
                "The chunker's 'overlap' is not below its 'tokens'.", "Try tokens = 160, overlap = 32."
            )
        self.fingerprint = content_hash("fixed", _VERSION, repr(self._options))

    def split(self, document: Document) -> list[Chunk]:
        """Return the windows, each with the heading path at its start."""
        matches = list(_TOKEN.finditer(document.text, document.body))
        paths = [(block.start, block.path) for block in blocks(document)]
        step = self._options.tokens - self._options.overlap
        chunks = []
        for first in range(0, max(len(matches) - self._options.overlap, 1), step):
            window = matches[first : first + self._options.tokens]
            if window:
                start, end = window[0].start(), window[-1].end()
                at = bisect_right(paths, start, key=lambda entry: entry[0]) - 1
                chunks.append(_chunk(document, start, end, paths[at][1] if at >= 0 else ()))
        return chunks


class DocumentChunker:
    """The whole document as one chunk, for FAQs and other short texts."""

    def __init__(self, options: None = None) -> None:
        del options
        self.fingerprint = content_hash("document", _VERSION)

    def split(self, document: Document) -> list[Chunk]:
        """Return one chunk, or none for a document without text."""
        body = document.text[document.body :]
        if not body.strip():
            return []
        start = document.body + len(body) - len(body.lstrip())
        return [_chunk(document, start, document.body + len(body.rstrip()), ())]


def column_names(header: str) -> str:
    """Return the cells of a pipe table's header row, joined by ` | `."""
    return " | ".join(cell.strip() for cell in re.split(r"(?<!\\)\|", header) if cell.strip())


def _leads(document: Document, lead: Block, block: Block) -> bool:
    """Whether what waits belongs to a block: the block stands under it, on the same page."""
    under = block.path[: len(lead.path)] == lead.path
    return under and document.page_at(lead.start) == document.page_at(block.start)


def _waits(document: Document, block: Block, following: Block | None) -> bool:
    """Whether a block makes no sense without the next one: a heading, or a line that announces a list or table."""
    if block.kind == "paragraph" and following is not None and following.kind in {"item", "table"}:
        return document.text[block.start : block.end].rstrip().endswith(":")
    return block.kind == "heading"


def _alone(document: Document, block: Block) -> _Unit:
    return _Unit(block.start, block.end, block.path, document.page_at(block.start))


def _cut_words(start: int, end: int, sizes: _Sizes, limit: int) -> list[tuple[int, int]]:
    """Cut a span that is too long after its last token that fits; there is no better place left."""
    pieces = []
    while sizes(start, end) > limit:
        cut = sizes.ends[bisect_right(sizes.ends, start) + limit - 1]
        pieces.append((start, cut))
        start = cut
    return [*pieces, (start, end)]


def _headings(group: Sequence[_Unit]) -> tuple[str, ...]:
    """Return the heading path that all units share, and the columns of table rows parted from their header."""
    first, last = min(unit.path for unit in group), max(unit.path for unit in group)
    shared = [a for a, _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))]
    columns = group[0].columns  # rows behind their own header need no names
    return (*shared, columns) if columns else tuple(shared)


def _chunk(document: Document, start: int, end: int, headings: tuple[str, ...]) -> Chunk:
    """Return the chunk of a span, without the white space around it."""
    raw = document.text[start:end]
    start, end = start + len(raw) - len(raw.lstrip()), start + len(raw.rstrip())
    text = document.text[start:end]
    label = " > ".join(part for part in (document.title, *headings) if part)
    return Chunk(
        id=content_hash(document.id, str(start), str(end), text, label),
        document=document.id,
        start=start,
        end=end,
        text=text,
        title=document.title,
        headings=headings,
        page=document.page_at(start),
        metadata=document.metadata,
    )
