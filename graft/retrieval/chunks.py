"""Documents → chunks with exact spans, by name: structure (the default), sentence-window, parent-child, fixed, document.

Every chunker is a pure function of the document and its options, and leaves out nothing but white space and front
matter. Two of them cut small to be found and name the wider span that is shown (`Chunk.shown`; `shown.py` puts it in
place). Knows nothing of embedders or stores; sizes are in estimated tokens (`units.py` cuts and fills).
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace

from graft.errors import ConfigError
from graft.retrieval.blocks import blocks
from graft.retrieval.units import TOKEN, Sizes, Unit, cut, fill, headings_of, join_small, make_chunk, sections
from graft.types import Chunk, Document, content_hash

_VERSION = "1"


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
        groups = _groups(document, Sizes(document.text), self._options.tokens, self._options.overlap)
        return [make_chunk(document, group[0].start, group[-1].end, headings_of(group)) for group in groups]


class SentenceWindowChunker:
    """A sentence or a few to be found, shown with the sentences around it.

    The window stays within the section and the page. A heading goes with the first sentence behind it; a list item, a
    table row and a line of code count as sentences.
    """

    @dataclass(frozen=True, slots=True)
    class Options:
        """`sentences`: how many make a chunk. `window`: how many chunks are shown before it, and as many behind it.
        `tokens`: the most that one sentence may hold; a longer one is cut."""

        sentences: int = 1
        window: int = 3
        tokens: int = 160

    def __init__(self, options: Options | None = None) -> None:
        self._options = options or self.Options()
        if self._options.sentences < 1 or self._options.window < 0 or self._options.tokens < 16:
            raise ConfigError(
                "The chunker's 'sentences' is below 1, its 'window' below 0, or its 'tokens' below 16.",
                "Try sentences = 1, window = 3, tokens = 160.",
            )
        self.fingerprint = content_hash("sentence-window", _VERSION, repr(self._options))

    def split(self, document: Document) -> list[Chunk]:
        """Return the sentences, in order, each with the span of its window."""
        step, window = self._options.sentences, self._options.window
        units = cut(document, Sizes(document.text), self._options.tokens, by_sentence=True)
        chunks = []
        for run in sections(units):
            groups = [run[at : at + step] for at in range(0, len(run), step)]
            for at, group in enumerate(groups):
                around = groups[max(at - window, 0) : at + window + 1]
                shown = (around[0][0].start, around[-1][-1].end)
                chunks.append(make_chunk(document, group[0].start, group[-1].end, headings_of(group), shown))
        return chunks


class ParentChildChunker:
    """Small chunks to be found, each shown as the larger one that it is a part of.

    The parents are the chunks of `structure`; the children fill the same units again, smaller, and never cross the edge
    of a parent.
    """

    @dataclass(frozen=True, slots=True)
    class Options:
        """`parent`: the most tokens of what is shown. `tokens`: the most of what is embedded."""

        parent: int = 320
        tokens: int = 80

    def __init__(self, options: Options | None = None) -> None:
        self._options = options or self.Options()
        if not 16 <= self._options.tokens <= self._options.parent:
            raise ConfigError(
                "The chunker's 'tokens' is below 16 or above its 'parent'.", "Try tokens = 80, parent = 320."
            )
        self.fingerprint = content_hash("parent-child", _VERSION, repr(self._options))

    def split(self, document: Document) -> list[Chunk]:
        """Return the children, in order, each with the span of its parent."""
        sizes = Sizes(document.text)
        small = cut(document, sizes, self._options.tokens)
        chunks: list[Chunk] = []
        at = 0
        for parent in _groups(document, sizes, self._options.parent):
            start, end = parent[0].start, parent[-1].end
            inside: list[Unit] = []
            while at < len(small) and small[at].start < end:
                # A sentence of more than a parent's size may lie across its edge.
                inside.append(
                    replace(small[at], start=max(small[at].start, start), end=min(small[at].end, end))
                )
                if small[at].end > end:
                    break
                at += 1
            groups = [group for run in sections(inside) for group in fill(run, sizes, self._options.tokens)]
            chunks += [
                make_chunk(document, group[0].start, group[-1].end, headings_of(group), (start, end))
                for group in groups
            ]
        return chunks


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
        matches = list(TOKEN.finditer(document.text, document.body))
        paths = [(block.start, block.path) for block in blocks(document)]
        step = self._options.tokens - self._options.overlap
        chunks = []
        for first in range(0, max(len(matches) - self._options.overlap, 1), step):
            window = matches[first : first + self._options.tokens]
            if window:
                start, end = window[0].start(), window[-1].end()
                at = bisect_right(paths, start, key=lambda entry: entry[0]) - 1
                chunks.append(make_chunk(document, start, end, paths[at][1] if at >= 0 else ()))
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
        return [make_chunk(document, start, document.body + len(body.rstrip()), ())]


def _groups(document: Document, sizes: Sizes, limit: int, overlap: int = 0) -> list[list[Unit]]:
    """Return the units of each of the structure's chunks."""
    units = cut(document, sizes, limit, by_sentence=overlap > 0)
    groups = [group for run in sections(units) for group in fill(run, sizes, limit, overlap)]
    return groups if overlap else join_small(groups, sizes, limit)
