"""Where gold evidence lies in the index: what checks questions, scores evidence and feeds the oracle arm."""

from __future__ import annotations

from collections.abc import Sequence

from graft.protocols import Store
from graft.types import Chunk, Evidence


class GoldEvidence:
    """Looks up gold evidence among the stored chunks; what it has read of a document it keeps."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._read: dict[str, list[Chunk]] = {}

    def document_lengths(self) -> dict[str, int]:
        """Document id → the end of its last chunk, for checking that gold spans lie inside."""
        lengths: dict[str, int] = {}
        for chunk in self._store.chunks():
            lengths[chunk.document] = max(lengths.get(chunk.document, 0), chunk.end)
        return lengths

    def text(self, evidence: Evidence) -> str | None:
        """The text of a piece of gold evidence: its span, its page, or its whole document."""
        chunks = self.chunks([evidence])
        if evidence.start is None or evidence.end is None:
            return "\n".join(chunk.text for chunk in chunks) or None
        pieces = [
            chunk.text[max(0, evidence.start - chunk.start) : evidence.end - chunk.start] for chunk in chunks
        ]
        return "\n".join(pieces) or None

    def chunks(self, evidence: Sequence[Evidence]) -> list[Chunk]:
        """The chunks that hold gold evidence, in the order of the evidence."""
        return [chunk for piece in evidence for chunk in self._of(piece.document) if holds(chunk, piece)]

    def _of(self, document: str) -> list[Chunk]:
        if document not in self._read:
            self._read[document] = list(self._store.chunks([document]))
        return self._read[document]


def holds(chunk: Chunk, evidence: Evidence) -> bool:
    """Whether a chunk of the evidence's document has some of it: of its span, else of its page, else at all."""
    if evidence.start is None or evidence.end is None:
        return evidence.page in (None, chunk.page)
    return chunk.start < evidence.end and chunk.end > evidence.start
