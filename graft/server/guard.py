"""Who may ask: whoever has the key; without a key, programs and pages of this machine only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import urlsplit

from fastapi import Request

from graft.server.callers import Caller, holder
from graft.server.schema import ApiError

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def key_guard(callers: Sequence[Caller]) -> Callable[[Request], Awaitable[None]]:
    """Return a check for `Authorization: Bearer KEY` that puts the key's caller into `request.state.caller`. It raises
    ApiError (401)."""

    async def check(request: Request) -> None:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        caller = holder(callers, given.strip()) if scheme.lower() == "bearer" else None
        if caller is None:
            raise ApiError(401, "Wrong or missing API key: send it as Authorization: Bearer KEY.",
                           code="invalid_api_key", headers={"WWW-Authenticate": "Bearer"})  # fmt: skip
        request.state.caller = caller

    return check


def loopback_guard(caller: Caller) -> Callable[[Request], Awaitable[None]]:
    """Return a check that refuses what another site's page sends through the user's browser: directly (Origin), or by
    giving its own name this machine's address (Host). Everybody else is the one caller. It raises ApiError (403)."""

    async def check(request: Request) -> None:
        origin = request.headers.get("Origin")
        hosts = {request.url.hostname, *([urlsplit(origin).hostname] if origin else [])}
        if not hosts <= _LOOPBACK:
            raise ApiError(
                403, "This server has no key and answers this machine only.", kind="permission_error"
            )
        request.state.caller = caller

    return check
