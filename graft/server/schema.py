"""The OpenAI wire format: what a chat request may hold, and how one is refused.

Plain values in and out; knows nothing of HTTP frameworks, threads or variants.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from graft import calls
from graft.errors import BudgetExceeded, ConfigError, DataError, EndpointError, GraftError
from graft.protocols import Filter
from graft.types import Message

# A request that depends on one of these would get something else than it asked for, so it is refused.
_UNSUPPORTED = ("logprobs", "audio", "modalities", "prediction")
_HARMLESS: tuple[Any, ...] = (None, [], False, {"type": "text"}, ["text"])


class ApiError(Exception):
    """A refusal in OpenAI's shape. `kind` is its `type`, e.g. "invalid_request_error"."""

    def __init__(self, status: int, message: str, *, kind: str = "invalid_request_error", code: str | None = None,
                 param: str | None = None, headers: Mapping[str, str] | None = None) -> None:  # fmt: skip
        super().__init__(message)
        self.status = status
        self.body = {"error": {"message": message, "type": kind, "param": param, "code": code}}
        self.kind = kind
        self.headers = dict(headers or {})


class Part(BaseModel):
    """A piece of a message's content; only text is understood."""

    type: str
    text: str = ""


class Turn(BaseModel):
    """One message as clients send it. A declined answer in a format comes back as it was sent: `refusal`, no content."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[Part] | None = None
    refusal: str | None = None


class StreamOptions(BaseModel):
    """What a stream should carry besides the text."""

    include_usage: bool = False


Scalar = str | int | float | bool
Rule = Scalar | list[Scalar] | dict[str, str | int | float]
"""A value, any of several, or the bounds of a range."""


class ChatRequest(BaseModel):
    """The body of POST /v1/chat/completions."""

    model_config = ConfigDict(extra="allow")

    model: str
    messages: list[Turn] = Field(min_length=1)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: int | None = None
    where: dict[str, Rule] | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A checked request. `where` narrows what is searched, besides the caller's own rights. `ignored` names the fields
    that are not applied: an answer is made with the settings it was measured with, whatever temperature a client
    sends."""

    model: str
    messages: tuple[Message, ...]
    stream: bool
    include_usage: bool
    ignored: tuple[str, ...]
    where: Filter | None = None
    functions: frozenset[str] = frozenset()
    """What may be called: a reply that is nothing but calls of these is sent as calls."""
    contract: Mapping[str, Any] | None = None
    """What the answer is held to (`graft.protocols.Constrained`) by `response_format`, or by `tool_choice` where a call must
    be made."""
    contract_from: str = ""
    """Which of the two fields that was."""


def parse_chat(body: bytes) -> Asked:
    """Check a request's body. Raises ApiError (400) that names the field."""
    row = _parsed(body)
    told, functions = _spelled_out(row)
    contract, source = _held_to(row, functions)
    try:
        request = ChatRequest.model_validate(told)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ApiError(
            400, f"{where}: {first['msg']}" if where else first["msg"], param=where or None
        ) from None
    extra = request.model_extra or {}
    for name in _UNSUPPORTED:
        if extra.get(name) not in _HARMLESS:
            raise ApiError(
                400, f"{name} is not supported by this server.", param=name, code="unsupported_parameter"
            )
    if request.n not in (None, 1):
        raise ApiError(400, "n must be 1.", param="n", code="unsupported_parameter")
    messages = tuple(_message(turn, at) for at, turn in enumerate(request.messages))
    if messages[-1].role != "user" or not messages[-1].content.strip():
        raise ApiError(400, "The last message must be a non-empty user message.", param="messages")
    usage = request.stream_options is not None and request.stream_options.include_usage
    try:
        narrower = Filter.of(request.where) if request.where else None
    except ConfigError as error:
        raise ApiError(400, f"where: {error.message}", param="where") from None
    ignored = tuple(sorted(extra.keys() - {"response_format", "tool_choice", "parallel_tool_calls"}))
    return Asked(
        request.model, messages, bool(request.stream), usage, ignored, narrower, functions, contract, source
    )


def _parsed(body: bytes) -> dict[str, Any]:
    """Return a body's JSON. Pydantic's parser, unlike Python's, refuses half a character, and nesting that would break
    whatever walks through it."""
    try:
        row = from_json(body)
    except ValueError as error:
        raise ApiError(400, f"Invalid JSON: {error}") from None
    if not isinstance(row, dict):
        raise ApiError(400, "The body must be a JSON object.")
    if row.get("tool_choice") == "none":
        row = {key: value for key, value in row.items() if key not in ("tools", "functions")}
    return row


def _spelled_out(row: Mapping[str, Any]) -> tuple[dict[str, Any], frozenset[str]]:
    """Return a request with its functions and calls as text (`graft.calls`), and the names of what may be called."""
    try:
        return calls.spelled_out(row), calls.offered(row)
    except ValueError as error:
        raise ApiError(400, f"{error}.", param="tools" if row.get("tools") else "messages") from None


def _held_to(row: Mapping[str, Any], functions: Collection[str]) -> tuple[Mapping[str, Any] | None, str]:
    """Return what a request's answer is held to, and by which field: a call that must be made goes before a format, and a
    format leaves calls possible. Raises ApiError (400)."""
    choice = row.get("tool_choice")
    if choice not in (None, "auto", "none", "required") and not isinstance(choice, dict):
        raise ApiError(
            400, 'tool_choice must be "auto", "none", "required" or name a function.', param="tool_choice"
        )
    wanted = _contract(row.get("response_format"))
    forced = choice not in (None, "auto", "none")
    if not forced and (wanted is None or not functions):
        return wanted, "response_format"
    try:
        calling = calls.schema(row)
    except ValueError as error:
        raise ApiError(400, f"{error}.", param="tool_choice") from None
    if forced or wanted is None:
        return {"schema": calling}, "tool_choice"
    return {"schema": _either(wanted["schema"], calling)}, "response_format"


def _contract(wanted: Any) -> Mapping[str, Any] | None:
    """Return what `response_format` holds the answer to. Raises ApiError (400)."""
    kind = wanted.get("type") if isinstance(wanted, dict) else wanted
    if kind in (None, "text"):
        return None
    if kind == "json_object":
        return {"schema": {"type": "object"}}
    told = wanted.get("json_schema") if isinstance(wanted, dict) and kind == "json_schema" else None
    if not isinstance(told, dict) or not isinstance(told.get("schema"), dict):
        raise ApiError(
            400,
            'response_format must be {"type": "text"}, {"type": "json_object"} or '
            '{"type": "json_schema", "json_schema": {"name": …, "schema": {…}}}.',
            param="response_format",
        )
    return {"schema": told["schema"]}


def _either(wanted: Mapping[str, Any], calling: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of an answer that may be one thing or calls. What either defines by name moves to the top, where
    its references look for it: under `definitions` in drafts before 2019-09."""
    named = {key: wanted[key] for key in ("$defs", "definitions") if isinstance(wanted.get(key), Mapping)}
    told = {key: value for key, value in wanted.items() if key not in named}
    called = {key: value for key, value in calling.items() if key != "$defs"}
    if "$defs" in calling:
        named["$defs"] = {**named.get("$defs", {}), **calling["$defs"]}
    return {"anyOf": [told, called], **named}


def _message(turn: Turn, at: int) -> Message:
    role = "system" if turn.role == "developer" else turn.role
    said = turn.content
    if not said and turn.refusal and role == "assistant":
        said = turn.refusal
    if said is None:
        raise ApiError(400, f"messages.{at}.content: Field required", param=f"messages.{at}.content")
    if isinstance(said, str):
        return Message(role, said)
    for part in said:
        if part.type not in ("text", "input_text"):
            raise ApiError(
                400,
                f"Content of type {part.type!r} is not supported: send text.",
                param=f"messages.{at}.content",
            )
    return Message(role, "\n".join(part.text for part in said))


def refusal(error: Exception) -> ApiError:
    """Return what a client is told about an error: GRAFT's own words, or nothing but that there was one."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, DataError):
        return ApiError(400, str(error))
    if isinstance(error, BudgetExceeded):
        return ApiError(429, str(error), kind="insufficient_quota", code="insufficient_quota")
    if isinstance(error, EndpointError):
        return ApiError(502, str(error), kind="api_error", code="upstream_failed")
    said = str(error) if isinstance(error, GraftError) else "The server failed to answer; its log says why."
    return ApiError(500, said, kind="server_error", code="internal_error")
