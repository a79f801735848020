"""Runs the app on a port until it is interrupted. Knows uvicorn; nothing of what is served."""

from __future__ import annotations

import os
import socket

import uvicorn
from fastapi import FastAPI

from graft.errors import ConfigError


def run_server(app: FastAPI, *, host: str, port: int) -> None:
    """Serve `app` until SIGINT or SIGTERM; answers in progress get five seconds to finish. Port 0 takes a free one.

    Raises ConfigError when the address cannot be used.
    """
    with listen(host, port) as listening:
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=5
        )
        uvicorn.Server(config).run(sockets=[listening])


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket."""
    if not 0 <= port <= 65_535:
        raise ConfigError(f"There is no port {port}.", "Choose one from 1 to 65535 with --port.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise ConfigError(f"Cannot listen on {host}:{port}: {reason}.",
                          "Stop what uses the port, or choose another with --port.") from error  # fmt: skip
