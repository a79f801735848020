"""The server: variants behind an OpenAI-compatible API, and a page to talk to them.

Gets objects, no settings: anything with a name, a fingerprint and `stream` can be served. Knows nothing of how they
answer. Nothing it sends holds a stack trace, and nothing it logs holds what was asked; `keep` does what it was given for.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from graft.errors import ConfigError, GraftError
from graft.server import page, replies, schema
from graft.server.cache import AnswerCache
from graft.server.callers import Answers, Caller, Holdable, Narrow
from graft.server.guard import key_guard, loopback_guard
from graft.server.metrics import Metrics
from graft.server.schema import ApiError, Asked
from graft.server.work import Full, Job, Workers
from graft.types import Answer, Message

RELEASED = "graft"
"""The model name under which the default variant is served."""
Keep = Callable[[Sequence[Message], Answer, str], None]
_log = logging.getLogger("graft.server")


def create_app(
    variants: Mapping[str, Answers],
    *,
    default: str,
    key: str | None,
    narrow: Narrow | None = None,
    callers: Sequence[Caller] = (),
    allow_anonymous: bool = False,
    max_body: int = 1 << 20,
    running: int = 4,
    waiting: int = 32,
    cache: int = 0,
    keep: Keep | None = None,
) -> FastAPI:
    """Build the app.

    `default` names the variant behind the model `graft`; `narrow` makes one for a request with a filter of its own.
    `callers` hold other keys, each with the variants of its own rights. Without a `key` nothing is served unless
    `allow_anonymous` says so, and then only to this machine: requests from other hosts' pages are refused. `max_body`
    is bytes of a request; `running` answers are made at a time, `waiting` more stand in line, and further requests get
    a 503. `cache` is how many answers are kept in memory; `keep` is told each question with its answer and the
    variant's name.
    """
    if default not in variants:
        raise ConfigError(
            f"The default variant {default!r} is not served.", f"Served: {', '.join(variants)}."
        )
    if not key and not allow_anonymous:
        raise ConfigError(
            "A server without a key answers anybody.", "Give a key, or allow anonymous use explicitly."
        )
    first = Caller("", key or "", _named(variants, default), narrow)
    known = [first, *(replace(one, variants=_named(one.variants, default)) for one in callers)]
    if len({one.key for one in known}) < len(known):
        raise ConfigError("Two callers have the same key.", "Give each a key of its own.")
    desk = _Desk(Metrics(), running=running, waiting=waiting, cache=cache, max_body=max_body, keep=keep)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        desk.workers.close()

    app = FastAPI(title="GRAFT", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    app.include_router(_public())
    app.include_router(_guarded(desk, key_guard(known) if key else loopback_guard(first)))
    for kind in (ApiError, HTTPException, GraftError, Exception):
        app.add_exception_handler(kind, _refuse)
    return app


def _named(variants: Mapping[str, Answers], default: str) -> dict[str, Answers]:
    """Return the variants by name, the default one also as RELEASED."""
    return {**({RELEASED: variants[default]} if default in variants else {}), **variants}


def _public() -> APIRouter:
    routes = APIRouter()

    @routes.get("/")
    async def home() -> HTMLResponse:
        return HTMLResponse(page.HTML, headers=page.HEADERS)

    @routes.get("/healthz")
    async def healthz() -> PlainTextResponse:
        return PlainTextResponse("ok\n")

    return routes


def _guarded(desk: _Desk, guard: Callable[[Request], Awaitable[None]]) -> APIRouter:
    routes = APIRouter(dependencies=[Depends(guard)])

    @routes.get("/v1/models")
    async def models(request: Request) -> JSONResponse:
        return JSONResponse(replies.models(list(request.state.caller.variants)))

    @routes.get("/v1/models/{name}")
    async def model(request: Request, name: str) -> JSONResponse:
        (found,) = replies.models([_known(request.state.caller, name)])["data"]
        return JSONResponse(found)

    @routes.get("/metrics")
    async def metrics() -> Response:
        return Response(desk.metrics.render(), media_type="text/plain; version=0.0.4")

    @routes.post("/v1/chat/completions")
    async def chat(request: Request) -> Response:
        return await desk.chat(request)

    return routes


async def _refuse(request: Request, error: Exception) -> Response:
    """Answer an error in OpenAI's shape. What nobody foresaw is raised again by Starlette once it is answered, and so gets
    into the server's log by itself."""
    if isinstance(error, HTTPException):
        error = ApiError(error.status_code, f"{error.detail}: see /v1/models and /v1/chat/completions.")
    told = schema.refusal(error)
    if told.status == 500 and isinstance(error, GraftError):
        _log.error("%s failed", request.url.path, exc_info=error)
    return JSONResponse(told.body, told.status, told.headers)


@dataclass(slots=True)
class _Asking:
    """A request on its way to its reply."""

    asked: Asked
    variant: Answers
    key: str
    """The variant's fingerprint when it was asked: an index that changes meanwhile must not keep an answer from before."""
    reply: replies.Reply
    started: float
    job: Job | None = None
    cached: Answer | None = None
    first_text: float | None = None


class _Desk:
    """Takes chat requests and hands out replies."""

    def __init__(
        self, metrics: Metrics, *, running: int, waiting: int, cache: int, max_body: int, keep: Keep | None
    ) -> None:
        self.metrics = metrics
        self._keep = keep
        self.workers = Workers(running, waiting, metrics.active)
        self._cache = AnswerCache(cache)
        self._max_body = max_body

    async def chat(self, request: Request) -> Response:
        """Answer POST /v1/chat/completions."""
        started = time.perf_counter()
        asked = schema.parse_chat(await self._body(request))
        variant = await _variant(request.state.caller, asked)
        asking = _Asking(asked, variant, variant.fingerprint, replies.Reply.new(asked.model), started)
        asking.cached = self._cache.get(asking.key, asked.messages)
        if asking.cached is None:
            asking.job = self._start(variant, asked)
        pieces = self._pieces(asking)
        try:
            async with _watched(request, asking.job):
                # The first piece decides the status; a stream's headers are sent after it.
                first = await anext(pieces)
                while not asked.stream and not isinstance(first, Answer):
                    first = await anext(pieces)
        except BaseException:
            if asking.job is not None:
                asking.job.cancel()
            raise
        if asked.stream:
            return _EventStream(self._events(asking, first, pieces), asking.job)
        assert isinstance(first, Answer)
        details = self._details(asking, first)
        return JSONResponse(asking.reply.completion(first, details, asked))

    def _start(self, variant: Answers, asked: Asked) -> Job:
        try:
            return self.workers.start(lambda: variant.stream(asked.messages))
        except Full:
            self.metrics.failed(variant.name, "refused")
            raise ApiError(503, "The server is busy: try again in a moment.", kind="server_error", code="overloaded",
                           headers={"Retry-After": "1"}) from None  # fmt: skip

    async def _body(self, request: Request) -> bytes:
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > self._max_body:
                raise ApiError(
                    413, f"The request is larger than {self._max_body} bytes.", code="request_too_large"
                )
        return body

    async def _pieces(self, asking: _Asking) -> AsyncIterator[str | Answer]:
        """Yield the answer's text, then the Answer, from the cache or the job. Raises ApiError."""
        if asking.cached is not None:
            spent = time.perf_counter() - asking.started
            yield asking.cached.text
            yield self._done(asking, replace(asking.cached, timings={"total": spent}, cost=0.0))
            return
        assert asking.job is not None
        name = asking.variant.name
        try:
            while isinstance(piece := await asking.job.next(), str):
                asking.first_text = asking.first_text or time.perf_counter() - asking.started
                yield piece
        except (asyncio.CancelledError, GeneratorExit):
            self.metrics.failed(name, "abandoned")
            raise
        except Exception as error:  # noqa: BLE001 - whatever a variant raises, the client gets JSON and the log the trace
            self.metrics.failed(name, "error")
            told = schema.refusal(error)
            if told.status == 500:
                _log.exception("%s failed to answer (%s)", name, asking.reply.id)
            raise told from None
        if piece is None:
            self.metrics.failed(name, "abandoned")
            raise ApiError(499, "The client went away.")
        self._cache.put(asking.key, asking.asked.messages, piece)
        yield self._done(asking, piece)

    def _done(self, asking: _Asking, answer: Answer) -> Answer:
        self.metrics.answered(
            answer, asking.variant.name, first_text=asking.first_text, cached=asking.cached is not None
        )
        if self._keep is not None:
            self._keep(asking.asked.messages, answer, asking.variant.name)
        return answer

    def _details(self, asking: _Asking, answer: Answer) -> dict[str, object]:
        return replies.details(answer, ignored=asking.asked.ignored, cached=asking.cached is not None)

    async def _events(
        self, asking: _Asking, piece: str | Answer, pieces: AsyncIterator[str | Answer]
    ) -> AsyncIterator[str]:
        """Yield the reply as server-sent events."""
        reply, asked, waiting = asking.reply, asking.asked, ""
        held = bool(asked.functions)  # where calls are possible, only the end shows whether it was one
        sure = asked.contract is None  # that it is no refusal
        yield replies.event(reply.opening())
        try:
            while not isinstance(piece, Answer):
                waiting += piece
                sure = sure or not replies.may_refuse(waiting)
                if sure and not held:
                    yield replies.event(reply.piece(waiting))
                    waiting = ""
                piece = await anext(pieces)
        except ApiError as error:  # too late for a status: clients raise on an event with an error
            yield replies.event(error.body)
            return
        called = replies.tool_calls(piece, asked.functions)
        refused = asked.contract is not None and bool(piece.text) and replies.may_refuse(piece.text)
        if refused or (held and not called):
            yield replies.event(reply.piece(piece.text, refusal=refused))
        yield replies.event(reply.closing(piece, self._details(asking, piece), called))
        if asking.asked.include_usage:
            yield replies.event(reply.counted(piece))
        yield replies.event("[DONE]")


async def _variant(caller: Caller, asked: Asked) -> Answers:
    """Return what answers a caller's request. Raises ApiError (404, 400), and GraftError where none can be made."""
    _known(caller, asked.model)
    found = caller.variants[asked.model]
    if asked.where is not None:
        if caller.narrow is None:
            raise ApiError(400, "This server takes no filter.", param="where", code="unsupported_parameter")
        found = await asyncio.to_thread(caller.narrow, asked.model, asked.where)
    if asked.contract is None:
        return found
    param = asked.contract_from
    if not isinstance(found, Holdable):
        raise ApiError(
            400, f"{found.name} cannot be held to a format.", param=param, code="unsupported_parameter"
        )
    try:
        return await asyncio.to_thread(found.constrained, asked.contract)
    except GraftError as error:
        raise ApiError(400, str(error), param=param) from None


def _known(caller: Caller, name: str) -> str:
    """Return a model's name. Raises ApiError (404) for one that the caller is not served."""
    if name not in caller.variants:
        raise ApiError(404, f"There is no model {name!r} here; there are {', '.join(caller.variants)}.",
                       code="model_not_found", param="model")  # fmt: skip
    return name


class _EventStream(StreamingResponse):
    """Server-sent events of a job that ends with its reader."""

    def __init__(self, events: AsyncIterator[str], job: Job | None) -> None:
        super().__init__(
            events,
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )
        self._job = job

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            if self._job is not None:
                self._job.cancel()


@asynccontextmanager
async def _watched(request: Request, job: Job | None) -> AsyncIterator[None]:
    """Cancel the job when the client leaves before its reply has begun; from then on the stream itself notices."""

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        if job is not None:
            job.cancel()

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()
