"""A small memory of answers: the least recently used goes first. Knows nothing of how answers are made."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from graft.types import Answer, Message

Key = tuple[str, tuple[Message, ...]]


class AnswerCache:
    """Keeps up to `size` answers by the fingerprint of the variant and the conversation; 0 keeps none.

    A changed index, adapter or prompt changes the fingerprint, so that nothing stale is found. For one thread.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._answers: OrderedDict[Key, Answer] = OrderedDict()

    def get(self, fingerprint: str, messages: Sequence[Message]) -> Answer | None:
        """Return the kept answer, or None."""
        key = (fingerprint, tuple(messages))
        if key not in self._answers:
            return None
        self._answers.move_to_end(key)
        return self._answers[key]

    def put(self, fingerprint: str, messages: Sequence[Message], answer: Answer) -> None:
        """Keep an answer."""
        self._answers[fingerprint, tuple(messages)] = answer
        while len(self._answers) > self._size:
            self._answers.popitem(last=False)
