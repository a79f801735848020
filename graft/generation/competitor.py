"""A competitor: a model or a whole system behind a generator, asked the same questions as GRAFT's own variants.

Satisfies `graft.protocols.Answerer` and no more: it is measured, not served. It gets no passages from GRAFT; what it
retrieves on its own side is its business, so it has no passages and no resolved citations here either.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from graft.generation import grounding, prompts
from graft.protocols import Generator
from graft.types import Answer, Generation, Message, Usage, content_hash


@dataclass(slots=True)
class Competitor:
    """`raw` sends the bare conversation instead of GRAFT's prompt: for a system that brings a prompt of its own.

    `price` maps usage and seconds by stage to USD; `is_abstention` reads a text.
    """

    name: str
    generator: Generator
    raw: bool = field(default=False, kw_only=True)
    instructions: str = field(default="", kw_only=True)
    max_tokens: int = field(default=96, kw_only=True)
    temperature: float = field(default=0.0, kw_only=True)
    seed: int = field(default=0, kw_only=True)
    price: Callable[[Usage, Mapping[str, float]], float | None] | None = field(default=None, kw_only=True)
    is_abstention: Callable[[str], bool] = field(default=grounding.abstains, kw_only=True)
    fingerprint: str = field(init=False)

    def __post_init__(self) -> None:
        asked = "raw" if self.raw else prompts.fingerprint(self.instructions)
        decoding = repr((self.max_tokens, self.temperature, self.seed))
        self.fingerprint = content_hash(self.name, self.generator.fingerprint, asked, decoding)

    def close(self) -> None:
        """Close the generator's connections, if it holds any."""
        close = getattr(self.generator, "close", None)
        if close is not None:
            close()

    def answer_batch(self, questions: Sequence[Sequence[Message]]) -> list[Answer]:
        """Return one Answer a question, in order. Seconds in a batch are shares of what the batch took."""
        started = time.perf_counter()
        asked = [self._prompt(question) for question in questions]
        made = self.generator.generate(
            asked, max_tokens=self.max_tokens, temperature=self.temperature, seed=self.seed
        )
        total = (time.perf_counter() - started) / max(1, len(questions))
        return [self._answer(generation, total) for generation in made]

    def stream(self, question: Sequence[Message]) -> Iterator[str | Answer]:
        """Yield the answer's text in pieces, then the Answer: only so can be told when its first word comes."""
        started = time.perf_counter()
        pieces = self.generator.stream(
            self._prompt(question), max_tokens=self.max_tokens, temperature=self.temperature, seed=self.seed
        )
        for piece in pieces:
            if isinstance(piece, Generation):
                yield self._answer(piece, time.perf_counter() - started)
            else:
                yield piece

    def _prompt(self, question: Sequence[Message]) -> list[Message]:
        return list(question) if self.raw else prompts.build(question, None, self.instructions)

    def _answer(self, generation: Generation, total: float) -> Answer:
        timings = {**generation.timings, "total": total}
        return Answer(
            generation.text.strip(),
            variant=self.name,
            abstained=self.is_abstention(generation.text),
            usage=generation.usage,
            finish=generation.finish,
            timings=timings,
            cost=None if self.price is None else self.price(generation.usage, timings),
            fingerprint=self.fingerprint,
        )
