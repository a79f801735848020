"""Which examples are near a text: by the project's own embedder. What few-shot prompts and drafts of examples ask."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from graft.protocols import Embedder, Matrix
from graft.types import Example


class Neighbours:
    """The examples of a project as vectors, embedded when they are first asked for."""

    def __init__(self, examples: Sequence[Example], embedder: Embedder) -> None:
        self.examples = tuple(examples)
        self._embedder = embedder

    @cached_property
    def _vectors(self) -> Matrix:
        return self._embedder.encode([example.input for example in self.examples], query=True)

    def nearest(self, texts: Sequence[str], k: int) -> list[tuple[Example, ...]]:
        """Return the `k` nearest examples of each text (fewer when there are fewer), the nearest first; of equals the
        earlier one."""
        if not texts or not self.examples:
            return [() for _ in texts]
        import numpy as np

        scores = self._embedder.encode(list(texts), query=True) @ self._vectors.T
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        return [tuple(self.examples[at] for at in row) for row in order]
