"""Quotes to character spans in the text that GRAFT reads from a file.

The loaders turn line breaks, table borders and CSV columns into their own marks, so a quote is matched by its words
with whatever stands between two of them, as long as that is not a word; a CSV row is found by all of its cells.
"""

from __future__ import annotations

import csv
import re

from graft.types import Document, Evidence


def locate(document: Document, quote: str) -> Evidence:
    """Return where `quote` stands in the document. Raises ValueError unless it is found exactly once."""
    pattern = _row_pattern(quote) if document.id.endswith(".csv") else _prose_pattern(quote)
    found = list(re.finditer(pattern, document.text))
    if len(found) != 1:
        raise ValueError(f"{document.id}: found {len(found)} times: {quote!r}")
    start, end = found[0].span()
    return Evidence(document.id, start, end, document.page_at(start))


def _prose_pattern(quote: str) -> str:
    """Match the quote's words in order, with spaces and table borders (a `|`) between them in any number."""
    words = [re.escape(word) for word in quote.replace("|", " ").split()]
    return r"[\s|]+".join(words)


def _row_pattern(quote: str) -> str:
    """Match `Header: cell; Header: cell` for one CSV row; empty cells are not written."""
    (cells,) = csv.reader([quote])
    header = r"[^:;\n]+: "
    return header + f"; {header}".join(re.escape(cell) for cell in cells if cell)
