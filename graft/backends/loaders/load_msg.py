"""Outlook's .msg: its properties as an e-mail message, which is then read like any other (load_mail.py).

The format is [MS-OXMSG]: a compound file whose streams are named by property and type. A text is UTF-16 or in the code page
that the message names; numbers and dates stand in one table. A body that is RTF alone is not read.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import email.policy
import email.utils
import struct
from collections.abc import Iterator, Sequence
from email.message import EmailMessage
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

from graft.backends.loaders.load_html import decode_html
from graft.backends.loaders.load_mail import documents_of, report
from graft.errors import DataError
from graft.types import Document

# Property numbers of [MS-OXPROPS].
_SUBJECT, _BODY, _HTML, _HEADERS = 0x0037, 0x1000, 0x1013, 0x007D
_SENDER, _SENDER_ADDRESS, _SENDER_SMTP = 0x0C1A, 0x0C1F, 0x5D01
_NAME, _ADDRESS, _SMTP, _KIND = 0x3001, 0x3003, 0x39FE, 0x0C15
_SENT, _DELIVERED, _CODE_PAGE = 0x0039, 0x0E06, 0x3FFD
_DATA, _LONG_NAME, _SHORT_NAME = 0x3701, 0x3707, 0x3704
_UNICODE, _TEXT, _BINARY, _STORAGE = "001F", "001E", "0102", "000D"
_TO, _CC = 1, 2
_MOST_PARTS, _DEEPEST = 200, 3
_EPOCH = dt.datetime(1601, 1, 1, tzinfo=dt.UTC)
# What damaged bytes make olefile raise beside its own errors, which are OSErrors.
_DAMAGE = (OSError, ValueError, IndexError, KeyError, TypeError, AttributeError, struct.error, RecursionError)


class MsgLoader:
    """One Document for the message, one for each attachment that can be read."""

    suffixes = (".msg",)

    def __init__(self, options: None = None) -> None:
        del options

    def load(self, path: Path, document_id: str) -> Iterator[Document]:
        """Yield the message, then its attachments; then raise DataError naming those that could not be read."""
        import olefile

        try:
            with olefile.OleFileIO(path) as opened:
                message = _Item(opened, (), 32, path).message()
        except _DAMAGE as error:
            raise DataError(
                f"{path}: not a readable Outlook message ({error}).",
                "It may be cut short, damaged, or have a wrong extension: save or copy it again.",
            ) from error
        failed: list[str] = []
        yield from documents_of(message, document_id, path, failed, kind=".msg")
        report(path, failed)


class _Item:
    """A message, recipient or attachment: the storage `at`, whose table of numbers has a head of so many bytes."""

    def __init__(self, opened: Any, at: tuple[str, ...], head: int, path: Path, page: str = "cp1252") -> None:
        self._opened, self.at, self._path = opened, at, path
        self._fixed = dict(_fixed(self._stream("__properties_version1.0")[head:]))
        number = int.from_bytes(self._fixed.get(_CODE_PAGE, b"")[:4], "little")
        self._page = {0: page, 65001: "utf-8"}.get(number, f"cp{number}")

    def message(self, depth: int = 0) -> EmailMessage:
        """Return the message. Raises DataError when it has neither subject, sender nor text."""
        made = EmailMessage(policy=email.policy.default)
        html = self.binary(_HTML)
        text = self.text(_BODY)
        for name, value in self._headers().items():
            with contextlib.suppress(ValueError, IndexError, AttributeError, TypeError):  # a malformed header
                made[name] = " ".join(value.split())
        if not made.keys() and not text and not html:
            raise DataError(
                f"{self._path}: not an e-mail: it has no subject, sender or text.", "Check its kind."
            )
        if text or not html:
            made.set_content(text.replace("\x00", ""))
        if html:
            page = decode_html(html, self._path).replace("\x00", "")
            (made.add_alternative if text else made.set_content)(page, subtype="html")
        for name, data in self._attachments(depth):
            if isinstance(data, EmailMessage):
                made.add_attachment(data)
            else:
                made.add_attachment(data, "application", "octet-stream", filename=name)
        return made

    def text(self, number: int) -> str:
        """Return a text property, or nothing."""
        wide = self._stream(f"__substg1.0_{number:04X}{_UNICODE}")
        if wide:
            return wide.decode("utf-16-le", "replace")
        try:
            return self._stream(f"__substg1.0_{number:04X}{_TEXT}").decode(self._page, "replace")
        except LookupError:  # a code page that Python does not know
            return self._stream(f"__substg1.0_{number:04X}{_TEXT}").decode("cp1252", "replace")

    def number(self, number: int) -> int:
        """Return an integer property, or 0."""
        return int.from_bytes(self._fixed.get(number, b"")[:4], "little")

    def _headers(self) -> dict[str, str]:
        """Return subject, people and date: as they were sent where that is kept, else as Outlook notes them."""
        sent = HeaderParser(policy=email.policy.compat32).parsestr(self.text(_HEADERS).lstrip())
        people = {_TO: [], _CC: []}  # type: dict[int, list[str]]
        for item in self._items("__recip_version1.0_#"):
            address = _addressed(item.text(_NAME), item.text(_SMTP) or item.text(_ADDRESS))
            people.setdefault(item.number(_KIND), []).append(address)
        noted = {
            "From": _addressed(self.text(_SENDER), self.text(_SENDER_SMTP) or self.text(_SENDER_ADDRESS)),
            "To": ", ".join(filter(None, people[_TO])),
            "Cc": ", ".join(filter(None, people[_CC])),
            "Date": self._date(_SENT) or self._date(_DELIVERED),
        }
        found = {name: str(sent[name] or value) for name, value in noted.items()}
        return {
            name: value for name, value in {"Subject": self.text(_SUBJECT), **found}.items() if value.strip()
        }

    def _date(self, number: int) -> str:
        """Return a date, which counts tenths of a microsecond, as an e-mail writes it."""
        ticks = int.from_bytes(self._fixed.get(number, b""), "little")
        with contextlib.suppress(OverflowError):
            return (
                email.utils.format_datetime(_EPOCH + dt.timedelta(microseconds=ticks // 10)) if ticks else ""
            )
        return ""

    def _attachments(self, depth: int) -> Iterator[tuple[str, bytes | EmailMessage]]:
        for item in self._items("__attach_version1.0_#"):
            inner = (*item.at, f"__substg1.0_{_DATA:04X}{_STORAGE}")
            if self._opened.exists("/".join((*inner, "__properties_version1.0"))):
                if depth < _DEEPEST:
                    yield "", _Item(self._opened, inner, 24, self._path, self._page).message(depth + 1)
                continue
            name = item.text(_LONG_NAME) or item.text(_SHORT_NAME) or "attachment"
            yield " ".join(name.replace("\x00", "").split()), item.binary(_DATA)

    def _items(self, prefix: str) -> Iterator[_Item]:
        """Yield the recipients or attachments of a message, in their order."""
        depth = len(self.at)
        named = {
            tuple(one[: depth + 1])
            for one in self._opened.listdir(streams=True, storages=False)
            if len(one) > depth + 1 and tuple(one[:depth]) == self.at and one[depth].startswith(prefix)
        }
        for at in sorted(named)[:_MOST_PARTS]:
            yield _Item(self._opened, at, 8, self._path, self._page)

    def binary(self, number: int) -> bytes:
        """Return a binary property, or nothing."""
        return self._stream(f"__substg1.0_{number:04X}{_BINARY}")

    def _stream(self, name: str) -> bytes:
        at: Sequence[str] = (*self.at, name)
        return bytes(self._opened.openstream(at).read()) if self._opened.exists("/".join(at)) else b""


def _fixed(table: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the number and the eight bytes of each entry of a table of properties."""
    for at in range(0, len(table) - 15, 16):
        _, number, _, value = struct.unpack_from("<HHI8s", table, at)
        yield number, value


def _addressed(name: str, address: str) -> str:
    """Return a person as a header names one. Exchange's own addresses (/O=…) are nobody's to read."""
    name, address = name.replace("\x00", "").replace('"', "").strip(), address.replace("\x00", "").strip()
    if "@" not in address or address == name:
        return address if "@" in address else name
    return f'"{name}" <{address}>' if name else address
