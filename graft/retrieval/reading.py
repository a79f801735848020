"""One file → its documents: the loader its content asks for, and a check of what the loader made.

The content is asked because names lie: a `.docx` may be a PDF that somebody renamed. Runs in this process or in a
worker (workers.py). Knows no folders and reports nothing: what is wrong is raised.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from graft.errors import DataError
from graft.protocols import Loader
from graft.types import Document

# Parts that tell the zip formats apart.
_PARTS = {"word/document.xml": ".docx", "ppt/presentation.xml": ".pptx", "xl/workbook.xml": ".xlsx"}
_MIME = {
    b"application/epub+zip": ".epub",
    b"application/vnd.oasis.opendocument.text": ".odt",
    b"application/vnd.oasis.opendocument.spreadsheet": ".ods",
    b"application/vnd.oasis.opendocument.presentation": ".odp",
}
_NO_DOCUMENTS = {
    b"\x89PNG\r\n": "a PNG picture", b"\xff\xd8\xff": "a JPEG picture", b"GIF8": "a GIF picture", b"\x7fELF": "a program",
    b"MZ\x90\x00": "a program", b"Rar!": "a RAR archive", b"7z\xbc\xaf": "a 7-Zip archive", b"SQLite format 3": "a database",
}  # fmt: skip
# A page saved under the name of an Office file is common: reports "exported to Word" or "to Excel".
_NOT_TEXT = frozenset({".docx", ".pptx", ".xlsx", ".epub", ".odt", ".ods", ".odp", ".pdf", ".rtf"})
_HEAD = 4096
_SHOWN = 5  # bad documents of a file that are named


def read_file(loaders: Mapping[str, Loader], path: Path, document_id: str) -> Iterator[Document]:
    """Yield the documents of a file; `loaders` is suffix → loader.

    Each has text and is valid Unicode, which the rest of GRAFT relies on. Raises DataError with the reason when that is
    not so, after the documents that were good; what the loader raises comes then, too.
    """
    loader = loaders[content_suffix(loaders, path)]
    good = 0
    bad: list[tuple[str, str, str]] = []
    try:
        for document in loader.load(path, document_id):
            fault = _fault(document)
            if fault:
                bad.append((document.id.encode("utf-8", "replace").decode(), *fault))
                continue
            good += 1
            yield document
    except DataError as error:
        if not bad:
            raise
        raise DataError(f"{error.message} {_told(bad)}", error.hint) from error
    if len(bad) == 1 and not good:  # the usual file is one document
        _, reason, hint = bad[0]
        raise DataError(f"{path}: {reason}.", hint)
    if bad:
        raise DataError(f"{path}: {_told(bad)}", bad[0][2])
    if not good:
        raise DataError(f"{path}: contains no text.", "Add text, or exclude the file.")


def _fault(document: Document) -> tuple[str, str] | None:
    """Return why a document cannot be used, and what to do about it; None for a good one."""
    if not document.text[document.body :].strip():
        return "contains no text", "Add text, or exclude the file."
    try:
        f"{document.id}{document.title}{document.text}".encode()
        json.dumps(dict(document.metadata), ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        return "contains characters that are not Unicode", "Save it as UTF-8."
    return None


def _told(bad: Sequence[tuple[str, str, str]]) -> str:
    named = "; ".join(f"{name} {reason}" for name, reason, _ in bad[:_SHOWN])
    more = f" … and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
    return f"{len(bad)} of its documents were left out: {named}{more}."


def is_plain(path: Path) -> bool:
    """Whether a file begins like text, so that no parser for anything else can be asked to read it."""
    try:
        with path.open("rb") as handle:
            head = handle.read(_HEAD)
    except OSError:
        return False
    return b"\x00" not in head and not head.lstrip().startswith((b"PK", b"%PDF", b"{\\rtf"))


def longest_suffix(path: Path, known: Collection[str]) -> str:
    """Return the longest known suffix of the file name (`.jsonl.gz` before `.gz`), or nothing."""
    name = path.name.lower()
    at = name.find(".", 1)  # a name that is nothing but a suffix has none
    while at > 0:
        if name[at:] in known:
            return name[at:]
        at = name.find(".", at + 1)
    return ""


def content_suffix(loaders: Mapping[str, Loader], path: Path) -> str:
    """Return the suffix whose loader reads the file: that of its name unless its content is plainly something else.

    Raises DataError when the content is something that no loader reads, such as a picture.
    """
    named = longest_suffix(path, loaders)
    with path.open("rb") as handle:
        head = handle.read(_HEAD)
    for signature, what in _NO_DOCUMENTS.items():
        if head.startswith(signature):
            raise DataError(f"{path}: is {what}, whatever its name says.", "Rename or exclude the file.")
    seen = _signature(head, path)
    if seen == ".html" and named not in _NOT_TEXT:
        return named
    return seen if seen in loaders else named


def _signature(head: bytes, path: Path) -> str:
    """Return the suffix that the first bytes ask for, or nothing."""
    if head.startswith(b"PK\x03\x04"):
        return _zip_kind(head, path)
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:200].lower()
    if start.startswith(b"{\\rtf"):
        return ".rtf"
    if start.startswith((b"<!doctype html", b"<html")):
        return ".html"
    # A PDF may have up to 1,024 bytes of rubbish in front (ISO 32000-1, annex H.3.4.1); text may mention the mark.
    return ".pdf" if head.startswith(b"%PDF-") or (b"%PDF-" in head[:1024] and b"\x00" in head) else ""


def _zip_kind(head: bytes, path: Path) -> str:
    for mime, suffix in _MIME.items():
        if head[30:].startswith(b"mimetype" + mime):
            return suffix
    try:
        with zipfile.ZipFile(path) as packed:
            names = set(packed.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return ""  # the loader that its name asks for says what is wrong
    return next((suffix for part, suffix in _PARTS.items() if part in names), "")
