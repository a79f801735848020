"""label --web: the page for labelling, on this machine only, until it is interrupted."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from graft.errors import GraftError
from graft.plugins import missing_extra
from graft.reporting.trusted import labels_text
from graft.verbs.label import Desk, said
from graft.wiring.parts import Parts


def label_page(parts: Parts, desk: Desk, *, port: int = 0, announce: Callable[[str], None]) -> None:
    """Serve until interrupted. The key in the address never leaves the browser; a new one is made each time."""
    try:
        from graft.server.label_app import create_label_app, run_label_app
    except ModuleNotFoundError as error:
        raise missing_extra("The page for labelling", error) from error

    def summary() -> str:
        try:
            return labels_text(said(parts))
        except GraftError as error:
            return str(error)

    key = secrets.token_urlsafe(24)
    app = create_label_app(desk, key=key, summary=summary)

    def listening(address: str) -> None:
        announce(f"Label in a browser: {address}/#key={key}")
        announce("Every label is saved at once. Stop with Ctrl-C.")

    run_label_app(app, port=port, listening=listening)
