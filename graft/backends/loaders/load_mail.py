"""E-mail: one Document a message (.eml; .mbox holds many), and one for each attachment that another loader reads.

Plain text is preferred over HTML. Who, when and about what becomes metadata and the first line; what is quoted from
earlier messages stands below a heading of its own, so that a search does not take it for the sender's words. Knows no
signatures or encryption.
"""

from __future__ import annotations

import dataclasses
import email
import email.policy
import email.utils
import re
import tempfile
from collections.abc import Iterator, Mapping
from email.message import EmailMessage
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from graft import plugins
from graft.backends.loaders.decoding import decode
from graft.backends.loaders.html_text import render
from graft.backends.loaders.load_text import title_from_name, unmarked
from graft.errors import DataError, GraftError
from graft.protocols import Loader
from graft.types import Document, content_hash

MAX_ATTACHMENTS = 20
MAX_ATTACHMENT_BYTES = 25 * 2**20
_SHOWN = 5
_DEEPEST = 20  # messages within messages that are read
_HEADERS = ("from", "to", "cc", "subject", "date", "message-id", "received", "reply-to", "sender")
_QUOTE = re.compile(r"(?:>[ \t]?)+")
# What mail programs write above a quoted message. Behind the first kind all is quoted; behind the second, `>` lines are.
_ORIGINAL = re.compile(
    r"-{2,}\s*(?:original message|forwarded message|ursprüngliche nachricht|mensaje original|message d'origine)\s*-{2,}",
    re.IGNORECASE,
)
_WROTE = re.compile(
    r"(?:on|am|le|el) .{6,200}(?:wrote|schrieb|a écrit|escribió).{0,80}:$", re.IGNORECASE | re.DOTALL
)


class EmlLoader:
    """One Document for the message, one for each attachment that can be read."""

    suffixes = (".eml",)

    def __init__(self, options: None = None) -> None:
        del options

    def load(self, path: Path, document_id: str) -> Iterator[Document]:
        """Yield the message, then its attachments; then raise DataError naming those that could not be read."""
        message = _parsed(path.read_bytes())
        if not any(name in message for name in _HEADERS):
            raise DataError(
                f"{path}: not an e-mail: it has none of the usual headers.", "Check its extension."
            )
        failed: list[str] = []
        yield from documents_of(message, document_id, path, failed)
        report(path, failed)


class MboxLoader:
    """A mailbox file; a message's id is its Message-ID, so that ids survive when other messages are deleted."""

    suffixes = (".mbox",)

    def __init__(self, options: None = None) -> None:
        del options

    def load(self, path: Path, document_id: str) -> Iterator[Document]:
        """Yield the messages and their attachments; then raise DataError naming what could not be read."""
        data = path.read_bytes()
        if not data.startswith(b"From "):
            raise DataError(
                f"{path}: not a mailbox: it does not begin with a 'From ' line.", "Check its extension."
            )
        failed: list[str] = []
        seen: set[str] = set()
        for number, raw in enumerate(_split(data), start=1):
            try:
                message = _parsed(raw)
                name = _header(message, "message-id").strip("<>") or content_hash(raw)
                if name in seen:  # a copy of the same message, such as one in two folders
                    continue
                seen.add(name)
                yield from documents_of(message, f"{document_id}#{name}", path, failed)
            except DataError as error:
                failed.append(f"message {number}: {error.message}")
        report(path, failed)


def report(path: Path, failed: list[str]) -> None:
    """Raise DataError naming the parts of a file that could not be read, if there are any."""
    if failed:
        more = f" … and {len(failed) - _SHOWN} more" if len(failed) > _SHOWN else ""
        message = f"{path}: {len(failed)} parts were left out: {'; '.join(failed[:_SHOWN])}{more}."
        raise DataError(message, "Save what you need of them as files.")


def _split(data: bytes) -> Iterator[bytes]:
    """Yield the messages of a mailbox (RFC 4155): each begins with a `From ` line at the start or below an empty line."""
    starts = [match.end() - 5 for match in re.finditer(rb"(?:\A|\r?\n\r?\n)From ", data)]
    for start, end in zip(starts, [*starts[1:], len(data)], strict=True):
        _, _, raw = data[start:end].partition(b"\n")
        yield re.sub(rb"^>(>*From )", rb"\1", raw, flags=re.MULTILINE)


def _parsed(data: bytes) -> EmailMessage:
    try:
        made = email.message_from_bytes(data, policy=email.policy.default)
        list(made.walk())
    except RecursionError as error:
        raise DataError(
            "its messages are nested too deep.", "Save those within that you need as files."
        ) from error
    assert isinstance(made, EmailMessage)
    return made


def _header(message: EmailMessage, name: str) -> str:
    try:
        value = str(message[name] or "")
    except Exception:  # noqa: BLE001 - the standard library trips over malformed headers in many ways
        value = dict(message.raw_items()).get(name.title(), "")
    return " ".join(str(value).encode("utf-8", "replace").decode().split())


def documents_of(
    message: EmailMessage, document_id: str, path: Path, failed: list[str], kind: str = ".eml"
) -> Iterator[Document]:
    """Yield the Document of a message from the file `path` and those of its attachments; note in `failed` what could not
    be read. `kind` is the suffix of such files."""
    subject = _header(message, "subject")
    people = {name: value for name in ("from", "to", "cc") if (value := _header(message, name))}
    when = _date(_header(message, "date"))
    parts = list(_attachments(message))
    metadata: dict[str, Any] = {"type": kind, **people}
    if when:
        metadata["date"] = when
    if parts:
        metadata["attachments"] = [name for name, _ in parts]
    line = "\n".join(
        [
            *(f"{name.title()}: {value}" for name, value in people.items()),
            *([f"Date: {when}"] if when else []),
        ]
    )
    body = _body(message, path)
    listed = f"Attachments: {', '.join(metadata['attachments'])}" if parts else ""
    modified = path.stat().st_mtime
    yield Document(
        id=document_id,
        text="\n\n".join(part for part in (line, apart(body), listed) if part) + "\n",
        title=subject or title_from_name(path),
        source=str(path),
        metadata=metadata,
        modified=modified,
    )
    for number, (name, part) in enumerate(parts):
        if number >= MAX_ATTACHMENTS:
            failed.append(f"{len(parts) - number} attachments beyond the first {MAX_ATTACHMENTS}")
            return
        try:
            yield from _attached(part, name, f"{document_id}#{name}", path, subject)
        except GraftError as error:
            failed.append(f"{name}: {error.message}")


def _date(value: str) -> str:
    """Return a Date header as ISO 8601, or nothing."""
    try:
        return email.utils.parsedate_to_datetime(value).isoformat(" ", "seconds")
    except (ValueError, TypeError, IndexError, OverflowError):
        return ""


def _body(message: EmailMessage, path: Path, depth: int = 0) -> str:
    """Return the message's text: the plain part, or the HTML one rendered when there is no plain one; below it those of the
    messages that it holds, each under its subject."""
    texts: dict[str, str] = {}
    held: list[str] = []
    for part in _parts(message):
        kind = part.get_content_type()
        if kind == "message/rfc822":
            inner = part.get_payload()
            held_one = isinstance(inner, list) and inner and depth < _DEEPEST
            if held_one and (text := _body(inner[0], path, depth + 1)):
                held.append(f"## {_header(inner[0], 'subject') or 'A message'}\n\n{text.strip()}")
        elif kind in {"text/plain", "text/html"} and part.get_content_disposition() != "attachment":
            text = unmarked(_text(part, path)) if kind == "text/plain" else _text(part, path)
            if kind == "text/html":
                try:
                    text = render(text)[0]
                except RecursionError:
                    text = ""
            if text.strip():
                texts[kind] = f"{texts[kind]}\n\n{text}" if kind in texts else text
    own = texts.get("text/plain") or texts.get("text/html") or ""
    return "\n\n".join(filter(None, [own, *held]))


def _parts(message: Any) -> Iterator[Any]:
    """Yield the parts of a message, down to the messages in it."""
    yield message
    if message.is_multipart() and message.get_content_type() != "message/rfc822":
        for part in message.get_payload():
            yield from _parts(part)


def _text(part: Any, path: Path) -> str:
    """Return a text part, by its charset when that works, else as any text file. Binary rubbish is no text."""
    try:
        data = part.get_payload(decode=True) or b""
        return (
            str(data.decode(part.get_content_charset() or "utf-8")).replace("\r\n", "\n").replace("\r", "\n")
        )
    except (LookupError, UnicodeDecodeError, ValueError, AssertionError):
        pass
    try:
        return decode(data, path)
    except DataError:
        return ""


def apart(body: str) -> str:
    """Return a message's text with what it quotes below headings of its own, without the `>` marks."""
    sections: list[tuple[bool, list[str]]] = []
    rest_is_quoted = False
    for line in body.strip().split("\n"):
        if _ORIGINAL.search(line):
            rest_is_quoted = True
        quote = _QUOTE.match(line)
        quoted = rest_is_quoted or quote is not None
        if not line.strip() and sections:
            quoted = sections[-1][0]
        shown = line[quote.end() :] if quote else line
        if sections and sections[-1][0] == quoted:
            sections[-1][1].append(shown)
        else:
            sections.append((quoted, [shown]))
    blocks: list[str] = []
    for quoted, lines in sections:
        text = "\n".join(lines).strip()
        if not text or _ORIGINAL.fullmatch(text):
            continue
        if quoted:
            intro, blocks = _introduction(blocks)
            blocks += ["## Earlier message", *intro, text]
        else:
            blocks += ["## Reply", text] if any(block == "## Earlier message" for block in blocks) else [text]
    return "\n\n".join(blocks)


def _introduction(blocks: list[str]) -> tuple[list[str], list[str]]:
    """Split off "On Monday Ann wrote:", which belongs to the quotation below it."""
    if not blocks:
        return [], blocks
    own, _, last = blocks[-1].rpartition("\n\n")
    if not _WROTE.fullmatch(last.strip()):
        return [], blocks
    return [last.strip()], [*blocks[:-1], own] if own else blocks[:-1]


def _attachments(message: EmailMessage) -> Iterator[tuple[str, Any]]:
    """Yield (name, part) of what is attached. The name is a plain file name, whatever the message says."""
    taken: set[str] = set()
    for number, part in enumerate(message.walk()):
        try:
            given = part.get_filename()
        except Exception:  # noqa: BLE001 - as for other headers
            given = f"part {number}"
        if part.is_multipart() or not (given or part.get_content_disposition() == "attachment"):
            continue
        name = PurePosixPath(str(given or f"part {number}").replace("\\", "/")).name
        name = (
            " ".join(name.encode("utf-8", "replace").decode().split()).replace("\x00", "") or f"part {number}"
        )
        name = f"{number} {name}" if name in taken else name
        taken.add(name)
        yield name, part


def _attached(part: Any, name: str, document_id: str, path: Path, subject: str) -> Iterator[Document]:
    """Yield what the loader for the attachment's suffix makes of it; nothing where no loader claims it."""
    suffix = PurePosixPath(name).suffix.lower()
    loader = _loaders().get(suffix)
    if loader is None or suffix in {".eml", ".mbox", ".msg"}:
        return
    data = part.get_payload(decode=True) or b""
    if len(data) > MAX_ATTACHMENT_BYTES:
        raise DataError(f"it has {len(data) // 2**20} MB, more than {MAX_ATTACHMENT_BYTES // 2**20}.")
    with tempfile.TemporaryDirectory(prefix="graft-") as folder:
        file = Path(folder, f"attachment{suffix}")
        file.write_bytes(data)
        stem = title_from_name(Path(name))
        try:
            for document in loader.load(file, document_id):
                if not document.text[
                    document.body :
                ].strip():  # mail programs attach empty texts of their own
                    continue
                titled = stem if document.title == "attachment" else document.title
                metadata = {**document.metadata, "attached_to": subject} if subject else document.metadata
                yield dataclasses.replace(
                    document, source=str(path), title=titled, metadata=metadata, modified=path.stat().st_mtime
                )
        except DataError as error:
            raise DataError(error.message.replace(f"{file}: ", ""), error.hint) from error


@cache
def _loaders() -> Mapping[str, Loader]:
    made: list[Loader] = [plugins.build("loader", name) for name in plugins.names("loader")]
    return {suffix: loader for loader in made for suffix in loader.suffixes}
