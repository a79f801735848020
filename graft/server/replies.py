"""The OpenAI wire format: what is sent back, whole or as a stream's events.

Plain values in and out; knows nothing of HTTP frameworks, threads or variants. What GRAFT adds stands in two extension
fields that other clients ignore: `message.citations`, and `graft` with the passages, timings and fingerprint.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graft import calls
from graft.records import to_dict
from graft.server.schema import Asked
from graft.types import Answer, Usage


@dataclass(frozen=True, slots=True)
class Reply:
    """The frame that all parts of one reply share."""

    id: str
    created: int
    model: str

    @staticmethod
    def new(model: str) -> Reply:
        """Start a reply to a request for `model`."""
        return Reply(f"chatcmpl-{secrets.token_hex(12)}", int(time.time()), model)

    def completion(self, answer: Answer, details: Mapping[str, Any], asked: Asked) -> dict[str, Any]:
        """Return the whole answer as one object: calls of functions as calls, words in place of JSON as a refusal."""
        called = tool_calls(answer, asked.functions)
        refused = asked.contract is not None and bool(answer.text) and may_refuse(answer.text)
        message = {
            "role": "assistant",
            "content": None if called or refused else answer.text,
            "citations": to_dict(answer.citations),
            **({"tool_calls": called} if called else {}),
            **({"refusal": answer.text} if refused else {}),
        }
        finish = "tool_calls" if called else _finish(answer)
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
        return {
            **self._frame("chat.completion"),
            "choices": [choice],
            "usage": usage(answer.usage),
            "graft": details,
        }

    def opening(self) -> dict[str, Any]:
        """Return a stream's first chunk: the role."""
        return self._chunk({"role": "assistant", "content": ""})

    def piece(self, text: str, *, refusal: bool = False) -> dict[str, Any]:
        """Return a chunk of text."""
        return self._chunk({"refusal" if refusal else "content": text})

    def closing(
        self, answer: Answer, details: Mapping[str, Any], called: Sequence[Mapping[str, Any]] = ()
    ) -> dict[str, Any]:
        """Return the last chunk: why it ended, the citations, the calls and the details."""
        delta: dict[str, Any] = {"citations": to_dict(answer.citations)}
        if called:
            delta["tool_calls"] = [{"index": index, **call} for index, call in enumerate(called)]
        return {**self._chunk(delta, "tool_calls" if called else _finish(answer)), "graft": details}

    def counted(self, answer: Answer) -> dict[str, Any]:
        """Return the chunk that `stream_options.include_usage` asks for: no choices, only usage."""
        return {**self._frame("chat.completion.chunk"), "choices": [], "usage": usage(answer.usage)}

    def _chunk(self, delta: Mapping[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return {**self._frame("chat.completion.chunk"), "choices": [choice]}

    def _frame(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}


_JSON_BEGINS = frozenset('{["-0123456789tfn')


def may_refuse(said: str) -> bool:
    """Whether an answer that is to be JSON, as far as it is said, may be words instead: JSON begins otherwise."""
    return said.lstrip()[:1] not in _JSON_BEGINS


def tool_calls(answer: Answer, functions: Collection[str]) -> list[dict[str, Any]]:
    """Return the calls that an answer consists of, in OpenAI's form; none when it is an answer in words."""
    found = calls.read(answer.text, functions) if functions else None
    return [
        {
            "id": f"call_{secrets.token_hex(12)}",
            "type": "function",
            "function": {
                "name": call["name"],
                "arguments": json.dumps(call["arguments"], ensure_ascii=False),
            },
        }
        for call in found or ()
    ]


def usage(used: Usage) -> dict[str, Any]:
    """Return token counts in OpenAI's words."""
    return {
        "prompt_tokens": used.prompt,
        "completion_tokens": used.completion,
        "total_tokens": used.prompt + used.completion,
        "prompt_tokens_details": {"cached_tokens": used.cached},
    }


def details(answer: Answer, *, ignored: Sequence[str] = (), cached: bool = False) -> dict[str, Any]:
    """Return the extension field `graft`: the Answer but for its text and the hits that were not shown, whether it came
    from the cache, and the request fields that were not applied."""
    whole = to_dict(answer)
    return {
        **{key: whole[key] for key in whole if key not in ("text", "usage", "ranking")},
        "cached": cached,
        "ignored": list(ignored),
    }


def models(names: Sequence[str]) -> dict[str, Any]:
    """Return the answer of GET /v1/models."""
    return {
        "object": "list",
        "data": [{"id": name, "object": "model", "created": 0, "owned_by": "graft"} for name in names],
    }


def event(data: Mapping[str, Any] | str) -> str:
    """Return one server-sent event."""
    return f"data: {data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)}\n\n"


def _finish(answer: Answer) -> str:
    return {"budget": "length"}.get(answer.finish, answer.finish)
