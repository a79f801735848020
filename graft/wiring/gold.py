"""Where gold evidence lies in the index: what checks questions, scores evidence and feeds the oracle arm."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from graft.evaluation.checks.text import normalise
from graft.protocols import Store
from graft.types import Chunk, Evidence, Question

_FIRST = 4  # words of a question by which it is looked up in the text of the index


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

    def named(self, questions: Sequence[Question]) -> tuple[tuple[Question, ...], tuple[str, ...]]:
        """Return the questions with their evidence named as it is indexed, and what to tell: `guide.md` stands for the one
        indexed document of that name, in whatever folder. Unmended, nothing that a search finds would count as found."""
        known = self.document_lengths()
        by_name: defaultdict[str, list[str]] = defaultdict(list)
        for document in known:
            by_name[document.rpartition("/")[2]].append(document)
        meant: dict[str, str] = {}
        for name in dict.fromkeys(piece.document for question in questions for piece in question.evidence):
            found = by_name.get(name.replace("\\", "/").rpartition("/")[2], [])
            ending = "/" + name.replace("\\", "/").removeprefix("./")
            fits = [one for one in found if f"/{one}".endswith(ending) or ending.endswith(f"/{one}")]
            if name not in known and len(fits) == 1:
                meant[name] = fits[0]
        if not meant:
            return tuple(questions), ()
        name = next(iter(meant))
        told = f"the evidence names documents by another path ({len(meant)}): {name!r} is taken for {meant[name]!r}"
        return tuple(
            replace(
                question,
                evidence=tuple(
                    replace(piece, document=meant.get(piece.document, piece.document))
                    for piece in question.evidence
                ),
            )
            for question in questions
        ), (told,)

    def word_for_word(self, questions: Sequence[Question]) -> dict[str, list[str]]:
        """Return document → the ids of the questions that stand in it word for word though they do not name it as their
        evidence. Questions of fewer than four words are not looked for."""
        asked: defaultdict[tuple[str, ...], list[tuple[str, Question]]] = defaultdict(list)
        for question in questions:
            words = normalise(question.text).split()
            if len(words) >= _FIRST:
                asked[tuple(words[:_FIRST])].append((f" {' '.join(words)} ", question))
        found: defaultdict[str, dict[str, None]] = defaultdict(dict)
        for chunk in self._store.chunks():
            words = normalise(chunk.text).split()
            for key in asked.keys() & set(zip(*(words[at:] for at in range(_FIRST)), strict=False)):
                text = f" {' '.join(words)} "
                for wanted, question in asked[key]:
                    named = any(piece.document == chunk.document for piece in question.evidence)
                    if not named and wanted in text:
                        found[chunk.document][question.id] = None
        return {document: list(ids) for document, ids in found.items()}

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
