"""Markdown (headings, paragraphs, lists, pipe tables) to HTML, Word and PDF, the same bytes every time.

Needs python-docx and reportlab; no date but the document's own is written. Knows nothing of facts or questions.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import html
import io
import os
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

_BULLET = re.compile(r"^- +")
_NUMBER = re.compile(r"^\d+\. +")


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a page. `rows` is for tables, `level` for headings."""

    kind: Literal["heading", "paragraph", "bullet", "number", "table"]
    text: str = ""
    level: int = 0
    rows: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """A parsed source: front matter and blocks."""

    meta: Mapping[str, str]
    blocks: tuple[Block, ...]

    @property
    def date(self) -> dt.datetime:
        """The document's date at noon, without a zone: what Word and PDF write as theirs."""
        return dt.datetime.fromisoformat(self.meta["date"]).replace(hour=12)


def parse(text: str) -> Page:
    """Parse a source: front matter, then the blocks."""
    _, front, body = text.split("---\n", 2)
    meta = dict(line.split(": ", 1) for line in front.strip().splitlines())
    return Page(meta, tuple(_blocks(body)))


def _blocks(body: str) -> Iterator[Block]:
    for part in re.split(r"\n\s*\n", body.strip()):
        lines = part.splitlines()
        if lines[0].startswith("#"):
            marks, text = lines[0].split(" ", 1)
            yield Block("heading", text, len(marks))
        elif lines[0].startswith("|"):
            cells = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]
            yield Block("table", rows=(cells[0], *cells[2:]))
        elif _BULLET.match(lines[0]):
            yield from (Block("bullet", _BULLET.sub("", line)) for line in lines)
        elif _NUMBER.match(lines[0]):
            yield from (Block("number", _NUMBER.sub("", line)) for line in lines)
        else:
            yield Block("paragraph", " ".join(lines))


# --- HTML ------------------------------------------------------------------------------------------------------------

_HTML = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title} | Larkmere handbook</title>
{meta}
<style>body {{ font-family: sans-serif; max-width: 46rem; margin: auto }} nav a {{ margin-right: 1em }}</style>
</head>
<body>
<header><a href="/">Larkmere handbook</a> <form action="/search"><input name="q" value="Search"></form></header>
<nav><a href="/people">People</a><a href="/it">IT</a><a href="/finance">Finance</a><a href="/safety">Safety</a><a
href="/support">Support</a><a href="/facilities">Facilities</a><a href="/product">Product</a></nav>
<main>
{main}
</main>
<aside><h2>Was this page helpful?</h2><button>Yes</button><button>No</button></aside>
<footer>Larkmere Instruments. Page owner: {team}. Print this page only if you must.</footer>
<script>document.body.dataset.visited = "1";</script>
</body>
</html>
"""


def to_html(page: Page) -> bytes:
    """Return the page as HTML, with the clutter of an intranet around it."""
    meta = "\n".join(
        f'<meta name="{name}" content="{html.escape(value)}">'
        for name, value in page.meta.items()
        if name != "title"
    )
    parts: list[str] = []
    open_list = ""
    for block in page.blocks:
        wanted = {"bullet": "ul", "number": "ol"}.get(block.kind, "")
        if open_list != wanted:
            parts += [f"</{open_list}>"] * bool(open_list) + [f"<{wanted}>"] * bool(wanted)
            open_list = wanted
        parts.append(_html_block(block))
    parts += [f"</{open_list}>"] * bool(open_list)
    filled = _HTML.format(title=page.meta["title"], team=page.meta["team"], meta=meta, main="\n".join(parts))
    return filled.encode()


def _html_block(block: Block) -> str:
    text = html.escape(block.text, quote=False)
    if block.kind == "heading":
        return f"<h{block.level}>{text}</h{block.level}>"
    if block.kind == "table":
        rows = [
            "".join(f"<{tag}>{html.escape(cell, quote=False)}</{tag}>" for cell in row)
            for tag, row in zip(["th"] + ["td"] * len(block.rows), block.rows, strict=False)
        ]
        return "<table>\n" + "\n".join(f"<tr>{row}</tr>" for row in rows) + "\n</table>"
    return f"<p>{text}</p>" if block.kind == "paragraph" else f"<li>{text}</li>"


# --- Word ------------------------------------------------------------------------------------------------------------

_DOCX_STYLES = {"bullet": "List Bullet", "number": "List Number"}


def to_docx(page: Page) -> bytes:
    """Return the page as a Word file whose zip entries and properties carry the document's own date."""
    import docx

    written = docx.Document()
    properties = written.core_properties
    properties.title, properties.author = page.meta["title"], f"Larkmere {page.meta['team']}"
    properties.category, properties.keywords = page.meta["status"], page.meta["visibility"]
    properties.created = properties.modified = page.date
    properties.last_modified_by, properties.revision, properties.comments = "", 1, ""
    for block in page.blocks:
        if block.kind == "heading":
            written.add_heading(block.text, block.level)
        elif block.kind == "table":
            table = written.add_table(len(block.rows), len(block.rows[0]), style="Table Grid")
            for row, cells in zip(table.rows, block.rows, strict=True):
                for cell, text in zip(row.cells, cells, strict=True):
                    cell.text = text
        else:
            written.add_paragraph(block.text, style=_DOCX_STYLES.get(block.kind))
    packed = io.BytesIO()
    written.save(packed)
    return _fixed_zip(packed.getvalue(), page.date)


def _fixed_zip(data: bytes, date: dt.datetime) -> bytes:
    """Write a zip again with one date for all entries."""
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as old,
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in sorted(old.namelist(), key=lambda name: (name != "[Content_Types].xml", name)):
            entry = zipfile.ZipInfo(name, date.timetuple()[:6])
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            new.writestr(entry, old.read(name))
    return packed.getvalue()


# --- PDF -------------------------------------------------------------------------------------------------------------


def to_pdf(page: Page) -> bytes:
    """Return the page as a PDF with page numbers, in reportlab's invariant mode."""
    from reportlab import rl_config
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.styles import getSampleStyleSheet
    from reportlab.lib.units import mm
    from reportlab.platypus import SimpleDocTemplate

    # Plain text streams: no zlib version can change the bytes, and a diff can be read.
    rl_config.useA85, rl_config.pageCompression = 0, 0

    def footer(canvas: Any, document: Any) -> None:
        canvas.setFont("Helvetica", 8)
        canvas.drawString(20 * mm, 12 * mm, f"Larkmere Instruments, {page.meta['title']}")
        canvas.drawRightString(190 * mm, 12 * mm, f"Page {document.page}")

    packed = io.BytesIO()
    document = SimpleDocTemplate(
        packed,
        pagesize=A4,
        title=page.meta["title"],
        author=f"Larkmere {page.meta['team']}",
        subject=page.meta["status"],
        keywords=[page.meta["visibility"]],
        invariant=1,
    )
    styles = getSampleStyleSheet()
    styles["Normal"].fontSize, styles["Normal"].leading, styles["Normal"].spaceAfter = 11, 15, 7
    story = [part for block in page.blocks for part in _pdf_parts(block, styles)]
    with _source_date(page.date):
        document.build(story, onFirstPage=footer, onLaterPages=footer)
    return packed.getvalue()


@contextlib.contextmanager
def _source_date(date: dt.datetime) -> Iterator[None]:
    """Set the only thing from which reportlab's invariant mode takes a date."""
    name, before = "SOURCE_DATE_EPOCH", os.environ.get("SOURCE_DATE_EPOCH")
    os.environ[name] = str(int(date.replace(tzinfo=dt.UTC).timestamp()))
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before


def _pdf_parts(block: Block, styles: Any) -> list[Any]:
    from reportlab.lib import colors
    from reportlab.platypus import Paragraph, Spacer, Table

    text = html.escape(block.text, quote=False)
    if block.kind == "heading":
        return [Paragraph(text, styles[f"Heading{block.level}"])]
    if block.kind == "table":
        grid = [("GRID", (0, 0), (-1, -1), 0.5, colors.grey), ("FONTSIZE", (0, 0), (-1, -1), 11)]
        return [Table(block.rows, style=grid, repeatRows=1, hAlign="LEFT"), Spacer(1, 9)]
    mark = {"bullet": "•", "number": "-"}.get(block.kind)
    return [Paragraph(text, styles["Normal"], bulletText=mark)]


RENDERERS: Mapping[str, Callable[[Page], bytes]] = {".html": to_html, ".docx": to_docx, ".pdf": to_pdf}
