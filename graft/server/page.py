"""The chat page: one file, served with a policy under which nothing else can run in it."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

HTML = Path(__file__).with_name("chat.html").read_text(encoding="utf-8")


def _hashes(tag: str) -> str:
    """Return the CSP sources that allow exactly the page's own inline elements."""
    found = re.findall(rf"<{tag}>(.*?)</{tag}>", HTML, re.DOTALL)
    digests = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in found)
    return " ".join(f"'sha256-{digest}'" for digest in digests)


# No inline handler, no other script, no style but the page's own, no request but to this server.
HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; script-src {_hashes('script')}; style-src {_hashes('style')}; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
