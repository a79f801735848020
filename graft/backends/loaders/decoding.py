"""Bytes of a text file → text, whatever it was saved as.

The byte-order mark decides, then zero bytes (UTF-16), then UTF-8, line by line where only some lines are. What is left is
an old 8-bit or East Asian encoding: Windows-1252 where few letters lie outside ASCII, as in any Western text; else
charset-normalizer names it by the language that comes out. A file with other zero bytes or many control characters is
refused as binary.
"""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from graft.errors import DataError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16: its mark begins with that of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_HIGH = re.compile(rb"[\x80-\xff]")
_LETTER = re.compile(rb"[A-Za-z\x80-\xff]")
# Of the letters of Western texts up to a sixth lie outside ASCII (Czech, Vietnamese); of Cyrillic, Greek, Hebrew and East
# Asian texts nearly all, fewer beside English. Fewer than a dozen say nothing of the language.
_FOREIGN_SHARE, _FOREIGN_BYTES = 0.25, 12
_SAMPLE = 65536


def decode(data: bytes, path: Path) -> str:
    """Return the text of a file with line ends as newlines. Raises DataError for a binary file."""
    text = _decode(data, path)
    strange = sum(1 for _ in _CONTROL.finditer(text[:_SAMPLE]))
    if strange > 0.01 * min(len(text), _SAMPLE):
        raise DataError(f"{path}: looks like a binary file.", "Give it its right extension, or exclude it.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _decode(data: bytes, path: Path) -> str:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            try:
                return data[len(mark) :].decode(encoding)
            except UnicodeDecodeError as error:
                hint = "The file is cut short or damaged: save it again as UTF-8."
                raise DataError(
                    f"{path}: marked as {encoding}, but does not decode ({error.reason}).", hint
                ) from error
    even, odd = data[0:4096:2].count(0), data[1:4096:2].count(0)
    half = max(1, min(len(data), 4096) // 2)
    for zeros, others, encoding in ((odd, even, "utf-16-le"), (even, odd, "utf-16-be")):
        if zeros > 0.3 * half and others < 0.05 * half:  # zeros on both sides are no text
            return data.decode(encoding, errors="replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return _old(data)


def _old(data: bytes) -> str:
    """Return a text that is not UTF-8, or not all of it."""
    sample = data[:_SAMPLE]
    sample = sample[: sample.rfind(b"\n") + 1] or sample
    high, letters = len(_HIGH.findall(sample)), len(_LETTER.findall(sample))
    if high >= _FOREIGN_BYTES and high > _FOREIGN_SHARE * letters:
        from charset_normalizer import from_bytes

        found = from_bytes(sample).best()
        if found is not None and found.encoding != "utf_8":
            return data.decode(found.encoding, errors="replace")
    # By line, as logs and joined files are: a line of another encoding with a letter outside ASCII is hardly ever UTF-8.
    return "\n".join(map(_line, data.split(b"\n")))


def _line(data: bytes) -> str:
    # cp1252 leaves five bytes undefined; latin-1 maps all, and both agree on Western letters.
    for encoding in ("utf-8", "cp1252"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")
