"""A Variant: one way to answer. Prompt + generator + maybe search; its generator may carry an adapter.

base has neither, rag searches, tuned has an adapter, hybrid has both: composition, no subclasses. Satisfies
`graft.protocols.Answerer`. Knows nothing of stores, models or settings: it gets a generator and a callable that finds.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from graft.errors import BackendError, ConfigError, DataError
from graft.generation import grounding, prompts
from graft.generation.followup import SearchFor, search_query
from graft.protocols import Constrained, Generator
from graft.types import Answer, Context, Generation, Message, RankedHit, Usage, content_hash

_KEEPS = (
    "ranking"  # what rows keep of a search; part of the fingerprint, so that rows without it are asked again
)


@dataclass(frozen=True, slots=True)
class Retrieved:
    """What a search found for one question: the `context` to show, and the `ranking` that it was made from. `timings`
    are seconds by stage ("embed", "search", "rerank"); `best_dense` is the highest cosine between the query and a
    chunk, None when nothing was searched by vector; `usage` counts the tokens of a generator that helped to search,
    `fallbacks` how often it failed to."""

    context: Context
    timings: Mapping[str, float] = field(default_factory=dict)
    best_dense: float | None = None
    usage: Usage = field(default_factory=Usage)
    fallbacks: int = 0
    ranking: tuple[RankedHit, ...] = ()


@dataclass(frozen=True, slots=True)
class _Case:
    """One question on its way: its prompt, or None when the evidence is too weak to ask the model. What was found
    is kept in either case: how good the search was is measured apart from whether it was used."""

    question: str
    prompt: list[Message] | None
    context: Context
    trimmed: int
    timings: Mapping[str, float]
    usage: Usage = field(default_factory=Usage)
    fallbacks: int = 0
    ranking: tuple[RankedHit, ...] | None = None


def _by_rule(conversation: Sequence[Message]) -> SearchFor:
    return SearchFor(search_query(conversation))


@dataclass(slots=True)
class Variant:
    """A composed way to answer.

    `search` maps queries to what was found, one Retrieved each; `query` a conversation to what to search for. With a
    search, the model is not asked, and the answer is the contract's "I don't know.", when nothing was found or the best
    dense cosine is below `min_score`. An answer whose confidence (`Answer.confidence`) is below `min_confidence` is
    withheld: "I don't know." in its place. `prompt_budget` is the most tokens a prompt may have; passages that do not
    fit are left out and counted in `Answer.trimmed_passages`. `price` maps usage and seconds by stage to USD.
    `is_abstention` reads a text. `fingerprint_parts` name all that decides an answer and that the variant cannot see:
    prompt, index, settings. `held` says that the generator keeps a format: then no marker is taken out of its text.
    """

    name: str
    generator: Generator
    instructions: str = field(default="", kw_only=True)
    search: Callable[[Sequence[str]], list[Retrieved]] | None = field(default=None, kw_only=True)
    query: Callable[[Sequence[Message]], SearchFor] = field(default=_by_rule, kw_only=True)
    max_tokens: int = field(default=96, kw_only=True)
    temperature: float = field(default=0.0, kw_only=True)
    seed: int = field(default=0, kw_only=True)
    min_score: float | None = field(default=None, kw_only=True)
    min_confidence: float = field(default=0.0, kw_only=True)
    prompt_budget: int | None = field(default=None, kw_only=True)
    held: bool = field(default=False, kw_only=True)
    price: Callable[[Usage, Mapping[str, float]], float | None] | None = field(default=None, kw_only=True)
    is_abstention: Callable[[str], bool] = field(default=grounding.abstains, kw_only=True)
    fingerprint_parts: Sequence[str] = field(default=(), kw_only=True)
    fingerprint: str = field(init=False)

    def __post_init__(self) -> None:
        decoding: tuple[object, ...] = (
            self.max_tokens, self.temperature, self.seed, self.min_score, self.prompt_budget,
            *((self.min_confidence,) if self.min_confidence else ()),
        )  # fmt: skip
        self.fingerprint = content_hash(
            self.name, self.generator.fingerprint, prompts.fingerprint(self.instructions), repr(decoding),
            *(() if self.search is None else (_KEEPS,)), *self.fingerprint_parts,
        )  # fmt: skip

    def constrained(self, contract: Mapping[str, Any]) -> Variant:
        """Return this variant held to a format, or to saying that it does not know (`graft.protocols.Constrained`)."""
        if not isinstance(self.generator, Constrained):
            raise ConfigError(
                f"{self.name} cannot be held to a format: its model cannot.", "Leave the format out."
            )
        held = self.generator.constrained(contract, prompts.ABSTENTION)
        return replace(self, generator=held, held=True)

    def answer(self, question: str | Sequence[Message]) -> Answer:
        """Answer one question, given as text or as a conversation that ends with a user turn."""
        return self.answer_batch([_conversation(question)])[0]

    def answer_batch(self, questions: Sequence[Sequence[Message]]) -> list[Answer]:
        """Return one Answer a question, in order.

        Seconds in a batch are shares: what the batch took, divided evenly among the questions that took part, so that
        their sum is the time spent. Latency is measured with one question at a time.
        """
        started = time.perf_counter()
        cases = self._prepare([_conversation(question) for question in questions])
        found_after = time.perf_counter() - started
        asked = [case.prompt for case in cases if case.prompt is not None]
        made = iter(self._generate(asked))
        generating = time.perf_counter() - started - found_after
        answers = []
        for case in cases:
            total = found_after / len(cases)
            generation = _UNASKED
            if case.prompt is not None:
                generation = next(made)
                total += generating / len(asked)
            answers.append(self._finish(case, generation, total))
        return answers

    def stream(self, question: str | Sequence[Message]) -> Iterator[str | Answer]:
        """Yield the answer's text in pieces, then the Answer whose text is their concatenation.

        A piece is held back while it may still turn out to be a citation that points nowhere, and all of it where
        `min_confidence` may yet withhold it: what was said cannot be unsaid. Closing the iterator stops the generator.
        """
        started = time.perf_counter()
        [case] = self._prepare([_conversation(question)])
        generation, raw, shown = None, "", ""
        if case.prompt is None:
            generation = _UNASKED
        else:
            pieces = self.generator.stream(
                case.prompt, max_tokens=self.max_tokens, temperature=self.temperature, seed=self.seed
            )
            try:
                for piece in pieces:
                    if isinstance(piece, Generation):
                        generation = replace(piece, text=raw)
                        break
                    raw += piece
                    if self.min_confidence:
                        continue
                    sure = raw.strip() if self.held else grounding.settled(raw, case.context)
                    if len(sure) > len(shown):
                        yield sure[len(shown) :]
                        shown = sure
            finally:
                close = getattr(pieces, "close", None)
                if close is not None:
                    close()
        if generation is None:
            raise BackendError("The generator's stream ended without its final Generation.",
                               "Run graft.testing's conformance suite on the backend.")  # fmt: skip
        answer = self._finish(case, generation, time.perf_counter() - started)
        if len(answer.text) > len(shown):
            yield answer.text[len(shown) :]
        yield answer

    def _generate(self, asked: list[list[Message]]) -> list[Generation]:
        if not asked:
            return []
        return self.generator.generate(
            asked, max_tokens=self.max_tokens, temperature=self.temperature, seed=self.seed
        )

    def _prepare(self, questions: Sequence[Sequence[Message]]) -> list[_Case]:
        """Search for each question and build its prompt."""
        if self.search is None:
            return [
                _Case(_asked(question), self._prompt(question, None), Context(), 0, {})
                for question in questions
            ]
        queries = [self.query(question) for question in questions]
        found = self.search([query.text for query in queries]) if queries else []
        return [
            replace(
                self._grounded(question, one),
                usage=query.usage + one.usage,
                fallbacks=query.failed + one.fallbacks,
                ranking=one.ranking,
            )
            for question, one, query in zip(questions, found, queries, strict=True)
        ]

    def _grounded(self, question: Sequence[Message], found: Retrieved) -> _Case:
        context, trimmed = found.context, 0
        weak = (
            self.min_score is not None and found.best_dense is not None and found.best_dense < self.min_score
        )
        if weak or not context.passages:
            return _Case(_asked(question), None, context, 0, found.timings)
        if self.prompt_budget is not None:
            context, trimmed = grounding.trim(
                context,
                lambda some: self.generator.count_tokens(self._prompt(question, some)),
                self.prompt_budget,
            )
            if not context.passages:
                raise DataError(
                    f"The question leaves no room for a single passage in a prompt of {self.prompt_budget} tokens.",
                    "Ask a shorter question, or use smaller chunks or a model that takes longer prompts.",
                )
        return _Case(_asked(question), self._prompt(question, context), context, trimmed, found.timings)

    def _prompt(self, question: Sequence[Message], context: Context | None) -> list[Message]:
        return prompts.build(question, context, self.instructions)

    def _finish(self, case: _Case, generation: Generation, total: float) -> Answer:
        confidence = None if generation.logprob is None else math.exp(generation.logprob)
        if confidence is not None and confidence < self.min_confidence:
            generation = replace(generation, text=prompts.ABSTENTION)
        text, citations, dropped = grounding.resolve_citations(
            generation.text, case.context, case.question, untouched=self.held
        )
        timings = {**case.timings, **generation.timings, "total": total}
        usage = case.usage + generation.usage
        return Answer(
            text,
            variant=self.name,
            citations=citations,
            passages=case.context.passages,
            abstained=case.prompt is None or self.is_abstention(text),
            dropped_citations=dropped,
            trimmed_passages=case.trimmed,
            fallbacks=case.fallbacks,
            usage=usage,
            finish=generation.finish,
            timings=timings,
            cost=None if self.price is None else self.price(usage, timings),
            fingerprint=self.fingerprint,
            ranking=case.ranking,
            confidence=confidence,
        )


_UNASKED = Generation(prompts.ABSTENTION)


def _asked(conversation: Sequence[Message]) -> str:
    return conversation[-1].content


def _conversation(question: str | Sequence[Message]) -> Sequence[Message]:
    """Return the question as a conversation. Raises DataError when it does not end with something a user said."""
    turns = [Message("user", question)] if isinstance(question, str) else question
    if not turns or turns[-1].role != "user" or not turns[-1].content.strip():
        raise DataError(
            "The conversation does not end with a question.", "Make a non-empty user turn its last one."
        )
    return turns
