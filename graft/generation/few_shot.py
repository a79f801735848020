"""Few-shot prompting as a generator: the nearest examples stand before the question, the model is unchanged.

A Generator around another one, so that any variant can be asked with examples in its prompt: it tells what tuning gains
over showing. Which examples are near comes from a callable; it knows no embedder and no examples file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from graft.generation.prompts import QUESTION_PREFIX
from graft.protocols import Generator
from graft.types import Generation, Message, content_hash

Shown = Sequence[tuple[str, str]]
"""Inputs and ideal outputs, the nearest first."""


class FewShot:
    """Asks `inner` with examples as earlier turns: question, ideal answer, question, ideal answer … and then the question
    with its passages. The nearest example stands last, next to the question: models lean on what they read last (Zhao et
    al. 2021). `nearest` maps questions to their examples; `fingerprint_parts` name what they are drawn from.
    """

    def __init__(
        self,
        inner: Generator,
        nearest: Callable[[Sequence[str]], Sequence[Shown]],
        *,
        fingerprint_parts: Sequence[str],
    ) -> None:
        self._inner = inner
        self._nearest = nearest
        self._found: dict[str, Shown] = {}  # a budget counts the same prompt several times
        self.fingerprint = content_hash("few-shot", "1", inner.fingerprint, *fingerprint_parts)

    def generate(
        self,
        prompts: Sequence[Sequence[Message]],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> list[Generation]:
        """Return one Generation a prompt, in order."""
        return self._inner.generate(
            self._with_examples(prompts), max_tokens=max_tokens, temperature=temperature, seed=seed
        )

    def stream(
        self, prompt: Sequence[Message], *, max_tokens: int, temperature: float = 0.0, seed: int = 0
    ) -> Iterator[str | Generation]:
        """Yield text deltas, then one final Generation."""
        [shown] = self._with_examples([prompt])
        yield from self._inner.stream(shown, max_tokens=max_tokens, temperature=temperature, seed=seed)

    def count_tokens(self, prompt: Sequence[Message]) -> int:
        """Return the length of the prompt with its examples, so that a variant's budget leaves room for them."""
        return self._inner.count_tokens(self._with_examples([prompt])[0])

    def _with_examples(self, prompts: Sequence[Sequence[Message]]) -> list[list[Message]]:
        asked = [_question(prompt) for prompt in prompts]
        new = [question for question in dict.fromkeys(asked) if question not in self._found]
        if new:
            self._found.update(zip(new, self._nearest(new), strict=True))
        return [
            _shown(prompt, self._found[question]) for prompt, question in zip(prompts, asked, strict=True)
        ]


def _question(prompt: Sequence[Message]) -> str:
    """Return the bare question of a prompt: what follows the last mark of a question in its last turn."""
    return prompt[-1].content.rpartition(QUESTION_PREFIX)[2]


def _shown(prompt: Sequence[Message], examples: Shown) -> list[Message]:
    turns = [
        turn
        for asked, answer in reversed(list(examples))
        for turn in (Message("user", f"{QUESTION_PREFIX}{asked}"), Message("assistant", answer))
    ]
    head = [message for message in prompt if message.role == "system"]
    rest = [message for message in prompt if message.role != "system"]
    return [*head, *turns, *rest]
