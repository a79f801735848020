"""A document's blocks → units that no chunker cuts any further, and how units fill chunks.

Sizes are in estimated tokens (`token_ends`). What lies between two units is white space only. Knows no options and
decides no policy: `chunks.py` says what is a chunk.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile, zip_longest

from graft.retrieval.blocks import Block, blocks
from graft.sentences import sentence_spans
from graft.types import Chunk, Document, content_hash

# One token for every eight letters of a word, every mark and every Chinese, Japanese, Korean or Thai character. Against
# MiniLM's WordPiece: 1.00-1.03 of the true count on four English sets, 0.96 Chinese, 0.91 tables, 0.6 German and Spanish.
TOKEN = re.compile(
    "[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\\W_\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]{1,8}|[^\\w\\s]|_+"
)
# A line break that is only a wrap: the next line goes on in lower case, or the line was long and did not end.
_WRAP = re.compile(r"\n(?=[ \t]*[a-zß-öø-ÿ])|(?<=[^.!?:;\n]{60})\n")


def token_ends(text: str) -> list[int]:
    """Return where each estimated token ends."""
    return [match.end() for match in TOKEN.finditer(text)]


@dataclass(frozen=True, slots=True)
class Unit:
    """A stretch that is not cut any further. `columns` names the columns of a table row parted from its header."""

    start: int
    end: int
    path: tuple[str, ...]
    page: int | None
    columns: str = ""


class Sizes:
    """Estimated tokens of any span of one text."""

    def __init__(self, text: str) -> None:
        self.ends = token_ends(text)

    def __call__(self, start: int, end: int) -> int:
        """Return the tokens that end inside a span."""
        return max(bisect_right(self.ends, end) - bisect_right(self.ends, start), 0)


def cut(document: Document, sizes: Sizes, limit: int, *, by_sentence: bool = False) -> list[Unit]:
    """Return the document's units, in order, each of at most `limit` tokens.

    A block that fits is one unit, with the headings and announcing lines that lead to it; a larger one falls into its
    sentences, table rows or lines of code. `by_sentence` parts paragraphs that would fit, too.
    """
    units: list[Unit] = []
    lead: list[Block] = []  # headings and announcing lines, waiting for what they belong to
    found = blocks(document)
    for block, following in zip_longest(found, found[1:]):
        if lead and not _leads(document, lead[0], block):
            units += [_alone(document, waiting) for waiting in lead]
            lead = []
        start = lead[0].start if lead else block.start
        if _waits(document, block, following) and sizes(start, block.end) <= limit // 3:
            lead.append(block)
        else:
            units += _cut_block(document, block, start, sizes, limit, by_sentence=by_sentence)
            lead = []
    return units + [_alone(document, waiting) for waiting in lead]


def sections(units: Sequence[Unit]) -> list[list[Unit]]:
    """Return the units in runs that stand under one heading, on one page."""
    runs: list[list[Unit]] = []
    for unit in units:
        if runs and (runs[-1][-1].path, runs[-1][-1].page) == (unit.path, unit.page):
            runs[-1].append(unit)
        else:
            runs.append([unit])
    return runs


def fill(run: Sequence[Unit], sizes: Sizes, limit: int, overlap: int = 0) -> list[list[Unit]]:
    """Spread the units of one section over as few groups of `limit` tokens as fit, of about equal size. `overlap` units
    of a group are repeated at the start of the next."""
    total = sizes(run[0].start, run[-1].end)
    target = total / -(-total // limit) if total else limit
    groups: list[list[Unit]] = [[run[0]]]
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


def join_small(groups: Sequence[Sequence[Unit]], sizes: Sizes, limit: int) -> list[list[Unit]]:
    """Join a group under a third of the limit to its neighbour, under the same top section and on the same page."""
    joined: list[list[Unit]] = []
    for group in groups:
        before = joined[-1] if joined else None
        if before is not None and _may_join(before, group, sizes, limit):
            before.extend(group)
        else:
            joined.append(list(group))
    return joined


def make_chunk(
    document: Document,
    start: int,
    end: int,
    headings: tuple[str, ...],
    shown: tuple[int, int] | None = None,
) -> Chunk:
    """Return the chunk of a span, without the white space around it; a wider span to show is left out when it is not
    wider."""
    start, end = trimmed(document, start, end)
    text = document.text[start:end]
    label = " > ".join(part for part in (document.title, *headings) if part)
    wider = trimmed(document, *shown) if shown else (start, end)
    identity = [document.id, str(start), str(end), text, label]
    if wider != (start, end):
        identity.append(str(wider))
    return Chunk(
        id=content_hash(*identity),
        document=document.id,
        start=start,
        end=end,
        text=text,
        title=document.title,
        headings=headings,
        page=document.page_at(start),
        metadata=document.metadata,
        shown=wider if wider != (start, end) else None,
    )


def trimmed(document: Document, start: int, end: int) -> tuple[int, int]:
    """Return a span without the white space at its ends."""
    raw = document.text[start:end]
    return start + len(raw) - len(raw.lstrip()), start + len(raw.rstrip())


def headings_of(group: Sequence[Unit]) -> tuple[str, ...]:
    """Return the heading path that all units share, and the columns of table rows parted from their header."""
    first, last = min(unit.path for unit in group), max(unit.path for unit in group)
    shared = [a for a, _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))]
    columns = group[0].columns  # rows behind their own header need no names
    return (*shared, columns) if columns else tuple(shared)


def column_names(header: str) -> str:
    """Return the cells of a pipe table's header row, joined by ` | `."""
    return " | ".join(cell.strip() for cell in re.split(r"(?<!\\)\|", header) if cell.strip())


def _cut_block(
    document: Document, block: Block, start: int, sizes: Sizes, limit: int, *, by_sentence: bool
) -> list[Unit]:
    """Return a block, with the headings that lead to it (from `start` on), as units that fit."""
    page = document.page_at(start)
    whole = not (by_sentence and block.kind == "paragraph")
    if whole and sizes(start, block.end) <= limit:
        return [Unit(start, block.end, block.path, page)]
    text = document.text[block.start : block.end]
    if block.kind in {"table", "code"}:
        spans = [(line.start(), line.end()) for line in re.finditer(r"[^\n]*\S[^\n]*", text)]
    else:
        spans = sentence_spans(_WRAP.sub(" ", text))
    spans = [(block.start + first, block.start + last) for first, last in spans]
    spans[0] = (start, spans[0][1])
    pieces = [piece for span in spans for piece in _cut_words(*span, sizes, limit)]
    columns = column_names(text.split("\n", 1)[0]) if block.kind == "table" else ""
    first = Unit(*pieces[0], block.path, page)
    return [first, *(Unit(*piece, block.path, page, columns) for piece in pieces[1:])]


def _may_join(before: Sequence[Unit], group: Sequence[Unit], sizes: Sizes, limit: int) -> bool:
    smaller = min(sizes(part[0].start, part[-1].end) for part in (before, group))
    same = before[0].page == group[0].page and before[0].path[:1] == group[0].path[:1]
    return same and smaller < limit / 3 and sizes(before[0].start, group[-1].end) <= limit


def _leads(document: Document, lead: Block, block: Block) -> bool:
    """Whether what waits belongs to a block: the block stands under it, on the same page."""
    under = block.path[: len(lead.path)] == lead.path
    return under and document.page_at(lead.start) == document.page_at(block.start)


def _waits(document: Document, block: Block, following: Block | None) -> bool:
    """Whether a block makes no sense without the next one: a heading, or a line that announces a list or table."""
    if block.kind == "paragraph" and following is not None and following.kind in {"item", "table"}:
        return document.text[block.start : block.end].rstrip().endswith(":")
    return block.kind == "heading"


def _alone(document: Document, block: Block) -> Unit:
    return Unit(block.start, block.end, block.path, document.page_at(block.start))


def _cut_words(start: int, end: int, sizes: Sizes, limit: int) -> list[tuple[int, int]]:
    """Cut a span that is too long after its last token that fits; there is no better place left."""
    pieces = []
    while sizes(start, end) > limit:
        cut = sizes.ends[bisect_right(sizes.ends, start) + limit - 1]
        pieces.append((start, cut))
        start = cut
    return [*pieces, (start, end)]
