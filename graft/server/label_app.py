"""The page for labelling: served to this machine only, with a key; each label is on disk before it is acknowledged.

Knows a desk that hands out sheets and takes labels; nothing of variants (the page is never told), draws or files.
"""

from __future__ import annotations

import contextlib
import hmac
import json
from collections.abc import Callable
from typing import Any, Protocol
from urllib.parse import urlsplit

import uvicorn
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from graft.errors import GraftError
from graft.server import page
from graft.server.run import listen

HTML = page.load("label.html")
HEADERS = page.headers(HTML)
MAX_BODY = 4096
_HOSTS = {"localhost", "127.0.0.1", "::1"}


class Desk(Protocol):
    """What the page works on."""

    annotator: str

    def data(self) -> list[dict[str, Any]]:
        """Return all sheets as JSON values."""

    def save(self, item: str, verdict: str, supported: str = "") -> object:
        """Keep a label. Raises GraftError for one that is not allowed."""


def create_label_app(desk: Desk, *, key: str, summary: Callable[[], str]) -> FastAPI:
    """Build the app: `/` the page, `/sheets` what to label, `/labels` takes a label, `/summary` tells what they make of the
    figures. All but the page want `Authorization: Bearer KEY`; requests that name another host are refused, so that no
    other site's page can reach it through the browser."""
    app = FastAPI(title="GRAFT labels", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/")
    async def home() -> HTMLResponse:
        return HTMLResponse(HTML, headers=dict(HEADERS))

    app.include_router(_work(desk, key, summary))
    app.add_exception_handler(HTTPException, _told)
    return app


def run_label_app(app: FastAPI, *, port: int, listening: Callable[[str], None]) -> None:
    """Serve on loopback until interrupted; `listening` gets the address once it is known. Port 0 takes a free one."""
    with listen("127.0.0.1", port) as socket:
        listening(f"http://127.0.0.1:{socket.getsockname()[1]}")
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=2
        )
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[socket])


def _work(desk: Desk, key: str, summary: Callable[[], str]) -> APIRouter:
    async def guard(request: Request) -> None:
        _refuse_strangers(request, key)

    routes = APIRouter(dependencies=[Depends(guard)])

    @routes.get("/sheets")
    async def sheets() -> Response:
        return _json({"annotator": desk.annotator, "sheets": await run_in_threadpool(desk.data)})

    @routes.post("/labels")
    async def labels(request: Request) -> Response:
        given = await _label(request)
        try:
            await run_in_threadpool(desk.save, *given)
        except GraftError as error:
            raise HTTPException(400, str(error)) from None
        return _json({"saved": given[0]})

    @routes.get("/summary")
    async def told() -> Response:
        return _json({"text": await run_in_threadpool(summary)})

    return routes


async def _label(request: Request) -> tuple[str, str, str]:
    """Return item, verdict and supported from a request's body."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY:
            raise HTTPException(413, "A label is smaller than that.")
    try:
        record = json.loads(body)
        item, verdict, supported = (record[name] for name in ("item", "verdict", "supported"))
    except (ValueError, KeyError, TypeError):
        raise HTTPException(400, 'A label is {"item", "verdict", "supported"}.') from None
    if not all(isinstance(part, str) for part in (item, verdict, supported)):
        raise HTTPException(400, "Item, verdict and supported are strings.")
    return item, verdict, supported


def _refuse_strangers(request: Request, key: str) -> None:
    origin = request.headers.get("Origin")
    hosts = {request.url.hostname, *([urlsplit(origin).hostname] if origin else [])}
    if not hosts <= _HOSTS:
        raise HTTPException(403, "This page answers this machine only.")
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), key.encode()):
        raise HTTPException(401, "Open the address that graft label printed, with its key.")


async def _told(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _json({"error": str(error.detail)}, error.status_code)


def _json(value: Any, status: int = 200) -> JSONResponse:
    return JSONResponse(value, status, {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"})
