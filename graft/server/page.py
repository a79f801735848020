"""The pages that GRAFT serves: each is one file, sent with a policy under which nothing else can run in it."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path


def load(name: str) -> str:
    """Return a page by its file name."""
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def headers(html: str) -> Mapping[str, str]:
    """Return the headers of a page: no inline handler, no other script, no style but the page's own, no request but to
    this server."""
    return {
        "Content-Security-Policy": (
            f"default-src 'none'; script-src {_hashes(html, 'script')}; style-src {_hashes(html, 'style')}; connect-src 'self'; "
            "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
        ),
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }


def _hashes(html: str, tag: str) -> str:
    """Return the CSP sources that allow exactly the page's own inline elements."""
    found = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
    digests = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in found)
    return " ".join(f"'sha256-{digest}'" for digest in digests)


HTML = load("chat.html")
HEADERS = headers(HTML)
