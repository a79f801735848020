"""Answers held to a format while they are written: what may not come next is given no probability.

The grammar is llguidance's, the engine that vLLM and llama.cpp use too: 5 to 100 µs a token here, a millisecond for the
first inside an object. JSON is written on one line, as Python's `json.dumps` does: where a small model may choose its
white space, it goes on choosing white space.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from graft.errors import ConfigError, MissingExtra

Bits = NDArray[np.uint8]
WRITTEN = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}


class Format:
    """A contract compiled for one tokenizer; `start` begins a batch that keeps it."""

    def __init__(
        self,
        contract: Mapping[str, Any],
        otherwise: str,
        *,
        tokenizer: Any,
        vocabulary: int,
        stop: frozenset[int],
    ) -> None:
        self._tokenizer = _adapted(tokenizer, vocabulary, tuple(sorted(stop)))
        self._ways = [check(contract), *([_lark(json.dumps(otherwise))] if otherwise else [])]

    def start(self, rows: int) -> Held:
        """Begin that many answers."""
        from llguidance import LLMatcher

        matchers = [[LLMatcher(self._tokenizer, way, log_level=0) for way in self._ways] for _ in range(rows)]
        return Held(matchers)


class Held:
    """The answers of one batch, each at its own place in the grammar.

    A row has the matcher of its format and, until it has begun with one of the two, that of the other text, which is
    taken only where the model's own first choice, held to nothing, begins it: a model that was not told the format
    would rather say that it does not know than open a brace, and be right about neither.
    """

    def __init__(self, matchers: list[list[Any]]) -> None:
        self._matchers = matchers

    def allowed(self, logits: Tensor, rows: Sequence[int]) -> Tensor:
        """Return logits [len(rows), vocabulary] with minus infinity at what may not come next."""
        first = logits.argmax(-1).tolist()
        bits = [self._possible(row, token) for row, token in zip(rows, first, strict=True)]
        mask = np.unpackbits(np.stack(bits), axis=1, count=logits.shape[1], bitorder="little").astype(bool)
        return logits.masked_fill(~torch.from_numpy(mask).to(logits.device), float("-inf"))

    def _possible(self, row: int, first: int) -> Bits:
        """Return a bit a token for a row whose model would choose `first`."""
        bits = self._bits(row, 0)
        if len(self._matchers[row]) > 1 and not _has(bits, first):
            other = self._bits(row, 1)
            declines = _has(other, first)
            self._matchers[row] = self._matchers[row][declines : declines + 1]
            return other if declines else bits
        return bits

    def _bits(self, row: int, way: int) -> Bits:
        return np.frombuffer(self._matchers[row][way].compute_bitmask(), dtype=np.uint8)

    def take(self, row: int, token: int) -> None:
        """Go on behind a token."""
        self._matchers[row] = [matcher for matcher in self._matchers[row] if matcher.consume_token(token)]


def _has(bits: Bits, token: int) -> bool:
    return bool(bits[token // 8] >> (token % 8) & 1)


def check(contract: Mapping[str, Any]) -> str:
    """Return the contract as the engine's grammar. Raises ConfigError for one that it cannot keep."""
    try:
        from llguidance import LLMatcher
    except ModuleNotFoundError as error:
        raise MissingExtra("Answers held to a format", "llguidance", "models") from error
    if "schema" in contract:
        schema = _known(contract["schema"])
        made = _lark(
            "%json " + json.dumps({**schema, "x-guidance": WRITTEN} if isinstance(schema, dict) else schema)
        )
    else:
        made = _lark("/" + re.sub(r"(?<!\\)((?:\\\\)*)/", r"\1\\/", contract["regex"]) + "/")
    failed, told = LLMatcher.validate_grammar_with_warnings(made)
    if failed:
        raise ConfigError(
            f"No answer can be held to this format: {_reason(told[0])}.",
            "Mend it, or leave out what the engine (llguidance) does not know.",
        )
    return made


def _lark(rule: str) -> str:
    """Return the grammar of a rule; a space may stand before the answer, as some chat templates have it."""
    from llguidance import LLMatcher

    return str(LLMatcher.grammar_from_lark(f"start: / ?/ ({rule})"))


def _known(schema: Any) -> Any:
    """Return a schema with `propertyNames`, which the engine does not know, as `patternProperties`, which it does."""
    if isinstance(schema, list):
        return [_known(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: value if key in ("enum", "const") else _known(value) for key, value in schema.items()}
    names = made.get("propertyNames")
    if isinstance(names, dict) and len(names) == 1 and {"properties", "patternProperties"}.isdisjoint(made):
        listed = names.get("enum", ())
        pattern = names.get("pattern") or "^(" + "|".join(re.escape(str(name)) for name in listed) + ")$"
        if listed or "pattern" in names:
            value = made.pop("additionalProperties", True)
            del made["propertyNames"]
            made |= {"patternProperties": {pattern: value}, "additionalProperties": False}
    return made


def _reason(told: str) -> str:
    """Return what the engine says is wrong, without its place in a grammar that nobody wrote."""
    return re.sub(r"^at \d+\(\d+\): ", "", told.splitlines()[0]).rstrip(".")


@lru_cache(4)
def _adapted(tokenizer: Any, vocabulary: int, stop: tuple[int, ...]) -> Any:
    """Return the tokenizer as the engine knows it: a second for a vocabulary of 150,000."""
    import llguidance.hf

    return llguidance.hf.from_tokenizer(tokenizer, n_vocab=vocabulary, eos_token=list(stop))
