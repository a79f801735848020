"""label --web: the page for labelling, on this machine only, until it is interrupted."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable

from graft.errors import GraftError, MissingExtra
from graft.reporting.trusted import labels_text
from graft.verbs.label import Desk, said
from graft.wiring.parts import Parts


def label_page(parts: Parts, desk: Desk, *, port: int = 0, announce: Callable[[str], None]) -> None:
    """Serve until interrupted. The key in the address never leaves the browser; a new one is made each time."""
    try:
        import uvicorn

        from graft.server.label_app import create_label_app
        from graft.server.run import listen
    except ModuleNotFoundError as error:
        raise MissingExtra("The page for labelling", error.name or "", "serve") from error

    def summary() -> str:
        try:
            return labels_text(said(parts))
        except GraftError as error:
            return str(error)

    key = secrets.token_urlsafe(24)
    app = create_label_app(desk, key=key, summary=summary)
    with listen("127.0.0.1", port) as listening:
        announce(f"Label in a browser: http://127.0.0.1:{listening.getsockname()[1]}/#key={key}")
        announce("Every label is saved at once. Stop with Ctrl-C.")
        config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False)
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listening])
