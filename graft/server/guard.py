"""Who may ask: whoever has the key; without a key, programs and pages of this machine only."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from fastapi import Request

from graft.server.schema import ApiError

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def key_guard(key: str) -> Callable[[Request], Awaitable[None]]:
    """Return a check for `Authorization: Bearer KEY`, in constant time. It raises ApiError (401)."""

    async def check(request: Request) -> None:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), key.encode()):
            raise ApiError(401, "Wrong or missing API key: send it as Authorization: Bearer KEY.",
                           code="invalid_api_key", headers={"WWW-Authenticate": "Bearer"})  # fmt: skip

    return check


async def loopback_guard(request: Request) -> None:
    """Refuse what another site's page sends through the user's browser: directly (Origin), or by giving its own name
    this machine's address (Host). Raises ApiError (403)."""
    origin = request.headers.get("Origin")
    hosts = {request.url.hostname, *([urlsplit(origin).hostname] if origin else [])}
    if not hosts <= _LOOPBACK:
        raise ApiError(403, "This server has no key and answers this machine only.", kind="permission_error")
