"""Answers through any OpenAI-compatible chat completions endpoint.

Runs a batch in a bounded number of threads and stops before a spending cap. Knows nothing of passages or citations;
keys, retries and errors are the endpoint's business (`endpoint.py`).
"""

from __future__ import annotations

import contextlib
import copy
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from typing import Any

import httpx

from graft.backends.endpoint import Endpoint
from graft.errors import BudgetExceeded, ConfigError, EndpointError
from graft.types import Generation, Message, Usage, content_hash

_PATH = "/chat/completions"


class OpenAIGenerator:
    """A model behind `POST {base_url}/chat/completions`."""

    @dataclass(frozen=True, slots=True)
    class Options:
        """How to reach the model, and what it may cost.

        `model`: as the endpoint names it. `base_url`: with its version. `key_env`: the environment variable with the
        key; empty for none, and it may be unset on loopback. `timeout`: seconds without a byte. `max_retries`: after
        the first try. `concurrency`: requests in flight in a batch. `budget`: the most USD that this process may spend
        here; needs `input_price` and `output_price`, USD per 1M tokens. `context_length`: tokens that the model reads,
        prompt and answer, so that passages which would not fit are left out; 0 for no known limit. `logprobs`: ask how
        likely each token was, which [generation] min_confidence needs; not every endpoint tells. `omit`: request
        fields to leave out for models that refuse them, e.g. ["temperature", "seed", "max_tokens"]. `extra`: fields to
        add.
        """

        model: str
        base_url: str = "https://api.openai.com/v1"
        key_env: str = "OPENAI_API_KEY"
        timeout: float = 60.0
        max_retries: int = 4
        concurrency: int = 8
        budget: float | None = None
        input_price: float | None = None
        output_price: float | None = None
        context_length: int = 0
        logprobs: bool = False
        omit: tuple[str, ...] = ()
        extra: Mapping[str, Any] = field(default_factory=dict)

    def __init__(
        self,
        options: Options,
        *,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._options = options
        self._wallet = _Wallet(options.budget, options.input_price, options.output_price)
        self._endpoint = Endpoint(
            options.base_url, key_env=options.key_env, timeout=options.timeout, retries=options.max_retries,
            connections=options.concurrency, transport=transport, sleep=sleep,
        )  # fmt: skip
        self._kept: dict[str, Generation] = {}
        request = json.dumps(
            {"extra": dict(options.extra), "omit": options.omit} | ({"logprobs": True} if options.logprobs else {}),
            sort_keys=True, default=str,
        )  # fmt: skip
        self.fingerprint = content_hash("openai", "1", self._endpoint.base_url, options.model, request)

    def constrained(self, contract: Mapping[str, Any], otherwise: str = "") -> OpenAIGenerator:
        """Return the same model, asked for structured outputs (`graft.protocols.Constrained`): the endpoint holds the
        answers to the schema, and declines in words of its own."""
        del otherwise
        if set(contract) != {"schema"}:
            raise ConfigError("An endpoint cannot be held to a regular expression.",
                              "Give a JSON Schema, or use a local model.")  # fmt: skip
        schema = contract["schema"]
        wanted = {"name": "answer", "schema": schema, "strict": _is_strict(schema)}
        form = {"response_format": {"type": "json_object"} if schema == {"type": "object"}
                else {"type": "json_schema", "json_schema": wanted}}  # fmt: skip
        made = copy.copy(self)  # shares the connections and the wallet
        options = replace(self._options, extra={**self._options.extra, **form})
        vars(made).update(_options=options, fingerprint=content_hash(self.fingerprint, json.dumps(form)))
        return made

    @property
    def context_length(self) -> int:
        """Tokens that the model reads, prompt and answer; 0 when it is not known."""
        return self._options.context_length

    @property
    def spent(self) -> float:
        """USD spent by this generator so far; 0 without prices."""
        return self._wallet.spent

    def close(self) -> None:
        """Close the connections."""
        self._endpoint.close()

    def count_tokens(self, prompt: Sequence[Message]) -> int:
        """Estimate: a token per four characters, OpenAI's rule of thumb for English, and four a message for its frame."""
        return sum(4 + _estimate(message.content) for message in prompt)

    def generate(
        self,
        prompts: Sequence[Sequence[Message]],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> list[Generation]:
        """Return one Generation a prompt, in order, with at most `concurrency` requests in flight.

        When one fails, no more are started and its error is raised. What the others were answered is kept and handed
        out when they are asked again, so that nothing is paid for twice.
        """
        bodies = [self._body(prompt, max_tokens, temperature, seed) for prompt in prompts]
        stop = threading.Event()

        def ask(body: dict[str, Any], prompt: Sequence[Message]) -> Generation | None:
            if stop.is_set():
                return None
            try:
                return self._ask(body, prompt, max_tokens)
            except BaseException:
                stop.set()
                raise

        with ThreadPoolExecutor(max(1, min(self._options.concurrency, len(bodies)))) as pool:
            try:
                futures = [
                    pool.submit(ask, body, prompt) for body, prompt in zip(bodies, prompts, strict=True)
                ]
                wait(futures)
            finally:  # an interrupt waits for the requests in flight only
                stop.set()
        made: list[Generation] = []
        failed = next((future for future in futures if future.exception() is not None), None)
        for body, future in zip(bodies, futures, strict=True):
            one = future.result() if future.exception() is None else None
            if one is not None:
                made.append(one)
                if failed is not None:
                    self._kept[_name(body)] = one
        if failed is not None:
            failed.result()  # raises
        return made

    def stream(
        self, prompt: Sequence[Message], *, max_tokens: int, temperature: float = 0.0, seed: int = 0
    ) -> Iterator[str | Generation]:
        """Yield text deltas, then the Generation. Closing the iterator closes the connection."""
        body = {**self._body(prompt, max_tokens, temperature, seed), "stream": True}
        if "stream_options" not in self._options.omit:
            body["stream_options"] = {"include_usage": True}
        text, finish, usage, first = "", None, None, None
        likely: list[float] = []
        started = time.perf_counter()
        with self._wallet.purse(self.count_tokens(prompt), max_tokens) as pay:
            try:
                with contextlib.closing(self._endpoint.events(_PATH, body)) as events:
                    for event in events:
                        usage = event.get("usage") or usage
                        finish = _choice(event).get("finish_reason") or finish
                        likely += _logprobs(event)
                        said = _choice(event).get("delta") or {}
                        delta = said.get("content") or said.get("refusal")
                        if delta:
                            first = first or time.perf_counter()
                            text += delta
                            yield delta
            finally:  # also when the reader went away: what was made until then is paid for
                if text or usage:
                    pay(self._usage(usage, prompt, text))
        if finish is None:
            raise EndpointError(
                f"{self._endpoint.base_url}{_PATH} ended in the middle of an answer.", "Ask again."
            )
        ended = time.perf_counter()
        timings = {"prefill": (first or ended) - started, "decode": ended - (first or ended)}
        yield Generation(text, self._usage(usage, prompt, text), finish, timings, _mean(likely))

    def _ask(self, body: Mapping[str, Any], prompt: Sequence[Message], max_tokens: int) -> Generation:
        kept = self._kept.pop(_name(body), None)
        if kept is not None:
            return kept
        started = time.perf_counter()
        with self._wallet.purse(self.count_tokens(prompt), max_tokens) as pay:
            reply = self._endpoint.post(_PATH, body)
            message = _choice(reply).get("message")
            if not isinstance(message, dict):
                raise EndpointError(f"{self._endpoint.base_url}{_PATH} answered without choices[0].message.",
                                    "Is it an OpenAI-compatible endpoint?")  # fmt: skip
            text = message.get("content") or message.get("refusal") or ""
            used = self._usage(reply.get("usage"), prompt, text)
            pay(used)
        # One request: where the prefill ends cannot be seen from outside.
        timings = {"generate": time.perf_counter() - started}
        finish = _choice(reply).get("finish_reason") or "stop"
        return Generation(text, used, finish, timings, _mean(_logprobs(reply)))

    def _body(
        self, prompt: Sequence[Message], max_tokens: int, temperature: float, seed: int
    ) -> dict[str, Any]:
        body = {
            "model": self._options.model,
            "messages": [{"role": message.role, "content": message.content} for message in prompt],
            "max_tokens": max_tokens,
            "temperature": temperature,
            "seed": seed,
            **({"logprobs": True} if self._options.logprobs else {}),
        }
        kept = {key: value for key, value in body.items() if key not in self._options.omit}
        return {**kept, **self._options.extra}

    def _usage(self, reported: Any, prompt: Sequence[Message], text: str) -> Usage:
        """Return the endpoint's own count, or an estimate that says so."""
        if not isinstance(reported, dict) or "prompt_tokens" not in reported:
            return Usage(self.count_tokens(prompt), _estimate(text), estimated=True)
        details = reported.get("prompt_tokens_details") or {}
        return Usage(
            reported["prompt_tokens"], reported.get("completion_tokens", 0), details.get("cached_tokens") or 0
        )


class _Wallet:
    """What was spent, and what the requests in flight may still cost: together they never exceed the budget."""

    def __init__(self, budget: float | None, input_price: float | None, output_price: float | None) -> None:
        if budget is not None and (input_price is None or output_price is None):
            raise ConfigError(f"budget = {budget} needs input_price and output_price.",
                              "Give both, in USD per 1M tokens, or leave the budget out.")  # fmt: skip
        self.spent = 0.0
        self._budget = budget
        self._prices = (input_price or 0.0, output_price or 0.0)
        self._reserved = 0.0
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def purse(self, prompt: int, completion: int) -> Iterator[Callable[[Usage], None]]:
        """Set aside what a request may cost at most, and hand out what books its real cost.

        Raises BudgetExceeded, before anything is sent, when that could exceed the budget.
        """
        most = self._cost(prompt, completion)
        with self._lock:
            if self._budget is not None and self.spent + self._reserved + most > self._budget:
                raise BudgetExceeded(
                    f"The budget of ${self._budget:.4f} is used up: ${self.spent:.4f} are spent, ${self._reserved:.4f} are "
                    f"in flight, and the next answer may cost ${most:.4f}.",
                    "Raise `budget` in [generation.model] and run the same command again; finished answers are kept.",
                )
            self._reserved += most
        try:
            yield self._book
        finally:
            with self._lock:
                self._reserved -= most

    def _book(self, usage: Usage) -> None:
        with self._lock:
            self.spent += self._cost(usage.prompt, usage.completion)

    def _cost(self, prompt: int, completion: int) -> float:
        return (prompt * self._prices[0] + completion * self._prices[1]) / 1e6


def _choice(reply: Mapping[str, Any]) -> dict[str, Any]:
    """Return the first choice; {} when there is none, as in the event that carries the usage."""
    choices = reply.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else {}
    return first if isinstance(first, dict) else {}


def _logprobs(reply: Mapping[str, Any]) -> list[float]:
    """Return the log-probabilities of the tokens in a reply or an event; none where the endpoint does not tell."""
    told = _choice(reply).get("logprobs")
    content = told.get("content") if isinstance(told, dict) else None
    tokens = content if isinstance(content, list) else []
    found = [token.get("logprob") for token in tokens if isinstance(token, dict)]
    return [float(one) for one in found if isinstance(one, int | float)]


def _is_strict(schema: Any) -> bool:
    """Whether a schema is one that OpenAI takes as strict: every object names all its properties as required and allows no
    others."""
    if isinstance(schema, list):
        return all(map(_is_strict, schema))
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object" or "properties" in schema:
        named = schema.get("properties", {})
        if schema.get("additionalProperties") is not False or set(schema.get("required", ())) != set(named):
            return False
    return all(map(_is_strict, schema.values()))


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _name(body: Mapping[str, Any]) -> str:
    return content_hash(json.dumps(body, sort_keys=True, default=str))


def _estimate(text: str) -> int:
    return -(-len(text) // 4)
