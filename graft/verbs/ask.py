"""ask: one question, one answer, with its sources."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from graft.errors import DataError
from graft.generation.variant import Variant
from graft.protocols import Filter
from graft.types import Answer, Message
from graft.verbs.comparing.stored import last
from graft.verbs.release import current, released
from graft.wiring.parts import Parts


def ask(
    parts: Parts,
    question: str | Sequence[Message],
    *,
    variant: str | None = None,
    where: Filter | None = None,
) -> Answer:
    """Answer a question or a conversation that ends with a user turn."""
    return chosen(parts, variant, where).answer(_checked(question))


def stream(
    parts: Parts,
    question: str | Sequence[Message],
    *,
    variant: str | None = None,
    where: Filter | None = None,
) -> Iterator[str | Answer]:
    """Yield the answer's text as it comes, then the Answer."""
    yield from chosen(parts, variant, where).stream(_checked(question))


def chosen(parts: Parts, name: str | None, where: Filter | None = None) -> Variant:
    """Return the named variant, else the current release's, else the default one."""
    promoted = None if name else current(parts.workspace)
    if promoted is not None:
        return released(parts, promoted, where)
    return parts.variant(name or default_variant(parts), where=where)


def default_variant(parts: Parts) -> str:
    """Return the recommended variant of a project without a release; before any comparison rag if something is indexed,
    else base."""
    latest = last(parts.workspace)
    if latest is not None and latest.variant:
        return latest.variant
    return "rag" if len(parts.retrieval.store) else "base"


def _checked(question: str | Sequence[Message]) -> str | Sequence[Message]:
    text = question if isinstance(question, str) else question[-1].content if question else ""
    if not text.strip():
        raise DataError("The question is empty.", "Ask something.")
    return question
