"""EPUB 2 and 3: the book's pages in reading order (the spine), each chapter under its heading.

A chapter whose page has no heading of its own gets the one the table of contents gives it. Books with copy protection
are refused. Pictures and footnote pop-ups are not followed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag

from graft.backends.loaders.archives import Archive, local, resolved
from graft.backends.loaders.html_text import render
from graft.backends.loaders.load_html import decode_html
from graft.backends.loaders.load_text import title_from_name
from graft.errors import DataError
from graft.types import Document

_CONTAINER = "META-INF/container.xml"
_PAGES = frozenset({"application/xhtml+xml", "text/html", "application/x-dtbook+xml"})
_DUBLIN_CORE = {
    "creator": "author",
    "language": "lang",
    "publisher": "publisher",
    "date": "date",
    "subject": "subject",
}
# Fonts may be obfuscated without hiding the text (EPUB 3.3, 4.2.6.3.1).
_FONT_METHODS = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")


class EpubLoader:
    """One Document a book."""

    suffixes = (".epub",)

    def __init__(self, options: None = None) -> None:
        del options

    def load(self, path: Path, document_id: str) -> Iterator[Document]:
        """Yield the book's Document. Raises DataError for a file that is protected, damaged or a zip bomb."""
        with Archive(path, "EPUB book") as archive:
            if _CONTAINER not in archive.names:
                raise archive.broken(f"it holds no {_CONTAINER}")
            _refuse_protection(archive, path)
            root = next(archive.xml(_CONTAINER).iter("{*}rootfile"), None)
            name = resolved(root.get("full-path", ""), "") if root is not None else ""
            package = archive.xml(name)
            labels = _labels(archive, package, name)
            chapters = [_chapter(archive, page, labels.get(page, ""), path) for page in _spine(package, name)]
        text = "\n\n".join(chapter for chapter in chapters if chapter)
        if not text:
            raise DataError(
                f"{path}: {len(chapters)} pages without text.", "A book of pictures cannot be read."
            )
        named = _metadata(package)
        yield Document(
            id=document_id,
            text=text + "\n",
            title=named.pop("title", "") or title_from_name(path),
            source=str(path),
            metadata={"type": ".epub", **named},
            modified=path.stat().st_mtime,
        )


def _refuse_protection(archive: Archive, path: Path) -> None:
    name = "META-INF/encryption.xml"
    if name not in archive.names:
        return
    methods = [method.get("Algorithm", "") for method in archive.xml(name).iter("{*}EncryptionMethod")]
    if any(not method.startswith(_FONT_METHODS) for method in methods):
        raise DataError(
            f"{path}: the book is copy-protected.", "Use a copy without protection, or exclude it."
        )


def _items(package: Any, name: str) -> dict[str, tuple[str, str, str]]:
    """Return id → (part, media type, properties) of the manifest."""
    folder = name.rpartition("/")[0]
    return {
        item.get("id", ""): (
            resolved(unquote(item.get("href", "")), folder), item.get("media-type", ""), item.get("properties", ""),
        )
        for item in package.iterfind("./{*}manifest/{*}item")
    }  # fmt: skip


def _spine(package: Any, name: str) -> list[str]:
    """Return the parts in reading order; the table of contents, which repeats the headings, is none of them."""
    items = _items(package, name)
    pages = [
        items.get(entry.get("idref", ""), ("", "", "")) for entry in package.iterfind("./{*}spine/{*}itemref")
    ]
    return [part for part, kind, what in pages if kind in _PAGES and "nav" not in what.split()]


def _labels(archive: Archive, package: Any, name: str) -> dict[str, str]:
    """Return part → what the table of contents (EPUB 3 nav, else EPUB 2 NCX) calls it."""
    found: dict[str, str] = {}
    for part, kind, what in _items(package, name).values():
        if part not in archive.names or not ("nav" in what.split() or kind == "application/x-dtbncx+xml"):
            continue
        folder = part.rpartition("/")[0]
        for link in archive.xml(part).iter("{*}a", "{*}navPoint"):
            if local(link) == "a":
                target, label = link.get("href", ""), "".join(link.itertext())
            else:
                content = link.find("./{*}content")
                target = content.get("src", "") if content is not None else ""
                label = (
                    "".join(link.find("./{*}navLabel").itertext())
                    if link.find("./{*}navLabel") is not None
                    else ""
                )
            found.setdefault(resolved(unquote(urldefrag(target)[0]), folder), " ".join(label.split()))
    return found


def _chapter(archive: Archive, part: str, label: str, path: Path) -> str:
    if part not in archive.names:
        return ""
    try:
        text, _ = render(decode_html(archive.read(part), path), xhtml=True)
    except RecursionError as error:
        raise DataError(f"{path}: {part} is nested too deeply to read.", "Exclude the file.") from error
    headed = any(line.startswith("#") for line in text.splitlines()[:10])
    return f"# {label}\n\n{text}" if text and label and not headed else text


def _metadata(package: Any) -> dict[str, Any]:
    """Return the Dublin Core elements of the package: title, author, lang and such."""
    found: dict[str, Any] = {}
    for element in package.iterfind("./{*}metadata/*"):
        name, text = local(element), " ".join((element.text or "").split())
        key = "title" if name == "title" else _DUBLIN_CORE.get(name, "")
        if key and text:
            found[key] = f"{found[key]}, {text}" if key in found and key != "title" else found.get(key, text)
    return found
