"""Answers held to a format while they are written: what may not come next is given no probability.

The grammar is llguidance's, the engine that vLLM and llama.cpp use too: 5 to 200 µs a token here, two milliseconds for
the first inside an object. JSON is written on one line, as Python's `json.dumps` does: where a small model may choose its
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
from torch import Tensor

from graft.errors import BackendError, ConfigError, MissingExtra

AHEAD = 4  # tokens: "I don't know." is six in the shipped model's vocabulary, a space first, and four tell it from a name
WRITTEN = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}


class Format:
    """A contract's `grammar` for one tokenizer; `start` begins a batch that keeps it. Raises ConfigError for a tokenizer that
    the engine does not know."""

    def __init__(
        self,
        keeps: str,
        otherwise: str,
        *,
        tokenizer: Any,
        vocabulary: int,
        stop: frozenset[int],
    ) -> None:
        try:
            self._tokenizer = _adapted(tokenizer, max(vocabulary, len(tokenizer)), tuple(sorted(stop)))
        except ValueError as error:
            raise ConfigError(f"This model's answers cannot be held to a format: {error}.",
                              "Leave the format out, or take a model with a fast tokenizer.") from error  # fmt: skip
        self._grammar = keeps
        self._otherwise = _lark(json.dumps(otherwise)) if otherwise else ""

    def start(self, rows: int) -> Held:
        """Begin that many answers."""
        declining = self._matcher(self._otherwise) if self._otherwise else None
        return Held([self._matcher(self._grammar) for _ in range(rows)], declining)

    def _matcher(self, rules: str) -> Any:
        from llguidance import LLMatcher

        return LLMatcher(self._tokenizer, rules, log_level=0)


class Held:
    """The answers of one batch, each at its own place in the grammar.

    A row may say the other text instead, and does where the model, held to nothing, begins with it (`ahead` tokens are
    looked at: "I" also begins a name). Offered both, a model that was not told the format would rather say that it does
    not know than open a brace.
    """

    def __init__(self, matchers: list[Any], declining: Any = None) -> None:
        self._matchers = matchers
        self._declining = declining
        self.ahead = AHEAD if declining is not None else 0

    def begin(self, free: Sequence[Sequence[int]]) -> None:
        """Choose between the two for each row by what the model would begin with."""
        for row, tokens in enumerate(free):
            if self._declining.validate_tokens(list(tokens)) == len(tokens):
                self._matchers[row] = self._declining.deep_copy()

    def allowed(self, logits: Tensor, rows: Sequence[int]) -> Tensor:
        """Return logits [len(rows), vocabulary] with minus infinity at what may not come next. Raises BackendError where
        the engine gives up."""
        bits = [np.frombuffer(self._matchers[row].compute_bitmask(), dtype=np.uint8) for row in rows]
        for row in rows:
            self._check(row)
        mask = np.unpackbits(np.stack(bits), axis=1, count=logits.shape[1], bitorder="little").astype(bool)
        return logits.masked_fill(~torch.from_numpy(mask).to(logits.device), float("-inf"))

    def take(self, row: int, token: int) -> None:
        """Go on behind a token."""
        self._matchers[row].consume_token(token)
        self._check(row)

    def _check(self, row: int) -> None:
        if self._matchers[row].is_error():
            raise BackendError(f"The format is too much for the engine that keeps it: {_reason(self._matchers[row].get_error())}.",
                               "Make it smaller: fewer alternatives, fewer and shorter bounds.")  # fmt: skip


def grammar(contract: Mapping[str, Any]) -> str:
    """Return the contract as the engine's grammar. Raises ConfigError for one that it cannot keep."""
    try:
        from llguidance import LLMatcher
    except ModuleNotFoundError as error:
        raise MissingExtra("Answers held to a format", "llguidance", "models") from error
    if "schema" in contract:
        schema = _rewritten(contract["schema"])
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


_MAPS = ("properties", "patternProperties", "$defs", "definitions")  # name → schema


def _rewritten(schema: Any) -> Any:
    """Return a schema with `propertyNames`, which the engine does not know, as `patternProperties`, which it does."""
    if isinstance(schema, list):
        return [_rewritten(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {
        key: {name: _rewritten(one) for name, one in value.items()}
        if key in _MAPS and isinstance(value, dict)
        else value
        if key in ("enum", "const", "default", "examples")
        else _rewritten(value)
        for key, value in schema.items()
    }
    pattern = _pattern(made.get("propertyNames"))
    if pattern and {"properties", "patternProperties"}.isdisjoint(made):
        del made["propertyNames"]
        value = made.pop("additionalProperties", True)
        made |= {"patternProperties": {pattern: value}, "additionalProperties": False}
    return made


def _pattern(names: Any) -> str:
    """Return what a `propertyNames` allows as one pattern; "" where it says something else."""
    rules = {key: value for key, value in names.items() if key != "type"} if isinstance(names, dict) else {}
    if set(rules) == {"enum"} and isinstance(rules["enum"], list) and rules["enum"]:
        return "^(" + "|".join(re.escape(str(name)) for name in rules["enum"]) + ")$"
    return str(rules["pattern"]) if set(rules) == {"pattern"} else ""


def _reason(told: str) -> str:
    """Return what the engine says is wrong, without its place in a grammar that nobody wrote."""
    return re.sub(r"^at \d+\(\d+\): ", "", told.splitlines()[0]).rstrip(".")


@lru_cache(4)
def _adapted(tokenizer: Any, vocabulary: int, stop: tuple[int, ...]) -> Any:
    """Return the tokenizer as the engine knows it; its documentation puts that at a second, the shipped one takes 30 ms."""
    import llguidance.hf

    return llguidance.hf.from_tokenizer(tokenizer, n_vocab=vocabulary, eos_token=list(stop))
