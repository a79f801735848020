"""RTF → paragraphs: what is written, where its headings, lists and tables are, and what the file says of itself.

Rich Text Format 1.9.1. One pass over the tokens with a stack of groups; nothing is executed, opened or drawn. Headers,
footers, pictures, comments, hidden and deleted text are left out. Damage costs what is damaged: there is no structure that
the rest depends on. Knows nothing of documents.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

_TOKEN = re.compile(
    r"(?P<brace>[{}])|\\(?:(?P<word>[a-zA-Z]{1,32})(?P<value>-?\d{1,10})?[ ]?|'(?P<hex>[0-9a-fA-F]{2})|(?P<sign>[^a-zA-Z]))"
    r"|(?P<text>[^\\{}\r\n]+)|[\r\n]+|\\",
    re.DOTALL,
)
_SKIPPED = frozenset({
    "colortbl", "pict", "object", "header", "headerl", "headerr", "headerf", "footer", "footerl",
    "footerr", "footerf", "fldinst", "filetbl", "listtable", "listoverridetable", "revtbl", "rsidtbl",
    "generator", "pnseclvl", "xmlnstbl", "themedata", "colorschememapping", "latentstyles", "datastore",
    "ftnsep", "ftnsepc", "aftnsep", "aftnsepc", "bkmkstart", "bkmkend", "nonshppict", "background",
    "private1", "tc", "xe",
})  # fmt: skip
_SIGNS = {
    "emdash": "—", "endash": "–", "lquote": "‘", "rquote": "’", "ldblquote": "“", "rdblquote": "”", "bullet": "•",
    "emspace": " ", "enspace": " ", "qmspace": " ", "tab": " ", "line": "\n", "softline": "\n", "zwj": "", "zwnj": "",
}  # fmt: skip
_BREAKS = frozenset({"par", "sect", "page", "column"})
_CODE_PAGES = {
    77: "mac_roman", 128: "cp932", 129: "cp949", 130: "johab", 134: "gbk", 136: "cp950", 161: "cp1253", 162: "cp1254",
    163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874", 238: "cp1250",
}  # fmt: skip
_INFO = {"title": "title", "author": "author", "subject": "subject", "keywords": "keywords", "creatim": "created",
         "revtim": "modified"}  # fmt: skip
_HEADING = re.compile(r"heading ([1-9])\b", re.IGNORECASE)
_MARK = re.compile(r"(?:\d+|[a-zA-Z]|[ivxlcIVXLC]+)[.)]$")


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph, or the cells of a table's row. `level`: of a heading, 0 for none; `item`: the depth and mark of a list
    item."""

    text: str
    level: int = 0
    item: tuple[int, str] | None = None
    cells: tuple[str, ...] | None = None


@dataclass(slots=True)
class _Group:
    """What holds until the group's end. `into` is where text goes: the document, a named table of the file, or nowhere."""

    into: str = "text"
    skipped: int = 1
    page: str = ""
    hidden: bool = False
    fresh: bool = True
    ignorable: bool = False


@dataclass(slots=True)
class _Style:
    """What a paragraph has been given since it was last reset."""

    level: int = 0
    item: int | None = None
    mark: str = ""
    in_table: bool = False


@dataclass(slots=True)
class Reader:
    """Reads one file; `paragraphs` then yields what it holds, and `info` has its properties."""

    info: dict[str, str] = field(default_factory=dict)
    _group: _Group = field(default_factory=_Group)
    _stack: list[_Group] = field(default_factory=list)
    _style: _Style = field(default_factory=_Style)
    _pieces: list[str] = field(default_factory=list)
    _aside: list[str] = field(default_factory=list)
    _bytes: bytearray = field(default_factory=bytearray)
    _cells: list[str] = field(default_factory=list)
    _fonts: dict[int, str] = field(default_factory=dict)
    _levels: dict[int, int] = field(default_factory=dict)
    _page: str = "cp1252"
    _number: int = 0
    _drop: int = 0
    _when: dict[str, int] = field(default_factory=dict)

    def paragraphs(self, data: bytes) -> Iterator[Paragraph]:
        """Yield the paragraphs and table rows of a file, in order."""
        source = data.decode("latin-1")
        at = 0
        while found := _TOKEN.match(source, at):
            at = found.end()
            if found["hex"]:
                self._byte(int(found["hex"], 16))
                continue
            if found["text"]:
                self._write(found["text"])
                continue
            self._flush()
            if found["brace"] == "{":
                self._stack.append(self._group)
                self._group = replace(self._group, fresh=True, ignorable=False)
            elif found["brace"]:
                self._close()
            elif found["sign"]:
                yield from self._sign(found["sign"])
            elif found["word"] == "bin":
                at += max(0, int(found["value"] or 0))
            elif found["word"]:
                value = None if found["value"] is None else int(found["value"])
                yield from self._word(found["word"], value)
        self._flush()
        yield from self._end_row()
        yield from self._end_paragraph()

    def _byte(self, value: int) -> None:
        if self._drop:
            self._drop -= 1
        elif self._group.into:
            self._bytes.append(value)

    def _flush(self) -> None:
        """Decode the bytes met in a row: in East Asian code pages two make a character."""
        if self._bytes:
            held, self._bytes = bytes(self._bytes), bytearray()
            self._put(held.decode(self._group.page or self._page, "replace"))

    def _write(self, text: str) -> None:
        dropped = min(self._drop, len(text))
        self._drop -= dropped
        if any(character > "\x7f" for character in text) and not self._drop:
            self._flush()
            # Not allowed, and common: plain bytes of the code page.
            self._put(text[dropped:].encode("latin-1").decode(self._group.page or self._page, "replace"))
        else:
            self._flush()
            self._put(text[dropped:])

    def _put(self, text: str) -> None:
        if self._group.hidden or not self._group.into:
            return
        (self._pieces if self._group.into == "text" else self._aside).append(text)
        self._group.fresh = False

    def _close(self) -> None:
        """End a group: what it was about is now known."""
        into = self._group.into
        outer = self._stack.pop() if self._stack else _Group()
        if into != outer.into:
            said = " ".join("".join(self._aside).split())
            if into == "list":
                self._style.mark = said
            elif into == "footnote" and said:
                self._pieces.append(f" ({said})")
            elif into in _INFO:
                self._note(into, said)
            self._aside = []
        if into == "styles" and (found := _HEADING.search("".join(self._aside))):
            self._levels[self._number] = int(found[1])
        if into in {"styles", "fonts"}:
            self._aside, self._number = [], 0
        self._group = outer

    def _note(self, into: str, said: str) -> None:
        if into in {"creatim", "revtim"}:
            year, month, day = (self._when.get(name, 1) for name in ("yr", "mo", "dy"))
            if 1900 < year < 3000 and 1 <= month <= 12 and 1 <= day <= 31:
                self.info[_INFO[into]] = f"{year:04}-{month:02}-{day:02}"
            self._when = {}
        elif said:
            self.info[_INFO[into]] = said

    def _sign(self, sign: str) -> Iterator[Paragraph]:
        if sign == "*":
            self._group.ignorable = True
        elif sign in "\r\n":
            yield from self._word("par", None)
        else:
            self._put({"~": " ", "_": "-", "-": "", ":": ":", "|": ""}.get(sign, sign))

    def _word(self, word: str, value: int | None) -> Iterator[Paragraph]:
        group = self._group
        if group.fresh and self._destination(word):
            return
        if group.ignorable:
            group.into = ""
        if word == "u":
            self._put(chr((value or 0) % 65536))
            self._drop = group.skipped
        elif word in _SIGNS:
            self._put(_SIGNS[word])
        elif group.into == "text" and not group.hidden:
            yield from self._layout(word)
            self._dress(word, value)
        self._setting(word, value)

    def _destination(self, word: str) -> bool:
        """Tell where the text of this group goes, when its first word says so."""
        group = self._group
        group.fresh = group.ignorable
        known = {"fonttbl": "fonts", "stylesheet": "styles", "listtext": "list", "pntext": "list",
                 "footnote": "footnote", "info": "info"}  # fmt: skip
        if word in _SKIPPED:
            group.into = ""
        elif word == "shptxt":
            group.into = "text"
        elif group.into == "info" and word in _INFO:
            group.into = word
        elif word in known and group.into:
            group.into = known[word]
            self._aside = []
        else:
            return False
        group.ignorable = False
        return True

    def _setting(self, word: str, value: int | None) -> None:
        """Take in what changes how text is read."""
        group = self._group
        if word == "uc":
            group.skipped = max(0, value or 0)
        elif word == "ansicpg":
            self._page = _codec(f"cp{value}", "cp1252")
        elif word == "f" and group.into == "fonts":
            self._number = value or 0
        elif word == "f":
            group.page = self._fonts.get(value or 0, "")
        elif word == "fcharset" and value in _CODE_PAGES:
            self._fonts[self._number] = _codec(_CODE_PAGES[value], "")
        elif word == "s" and group.into == "styles":
            self._number = value or 0
        elif word in {"v", "deleted"}:
            group.hidden = value != 0
        elif word in {"yr", "mo", "dy"} and value:
            self._when[word] = value
        elif word == "plain":
            group.hidden, group.page = False, ""

    def _dress(self, word: str, value: int | None) -> None:
        """Take in what a paragraph is."""
        style = self._style
        if word == "pard":
            self._style = _Style(mark=style.mark)
        elif word == "s":
            style.level = self._levels.get(value or 0, style.level)
        elif word == "outlinelevel" and value is not None:
            style.level = value + 1 if 0 <= value < 9 else 0
        elif word == "ls":
            style.item = style.item or 0
        elif word == "ilvl":
            style.item = max(0, min(value or 0, 8))
        elif word == "intbl":
            style.in_table = True

    def _layout(self, word: str) -> Iterator[Paragraph]:
        if word in _BREAKS:
            if self._style.in_table:
                self._put(" ")
            else:
                yield from self._end_paragraph()
        elif word == "cell":
            self._cells.append(" ".join(_joined(self._pieces).split()))
            self._pieces = []
            self._style.mark = ""
        elif word == "nestcell":
            self._put(" ")
        elif word == "row":
            yield from self._end_row()

    def _end_row(self) -> Iterator[Paragraph]:
        if self._cells:
            yield Paragraph("", cells=tuple(self._cells))
            self._cells = []

    def _end_paragraph(self) -> Iterator[Paragraph]:
        text = "\n".join(" ".join(line.split()) for line in _joined(self._pieces).split("\n")).strip()
        style, self._pieces = self._style, []
        mark, style.mark = style.mark, ""
        if text:
            listed = style.item is not None or mark
            sign = mark if _MARK.fullmatch(mark) else "-"
            yield Paragraph(
                text, style.level, ((style.item or 0, sign)) if listed and not style.level else None
            )


def _joined(pieces: list[str]) -> str:
    """Join text; pairs of surrogates become the characters they stand for, single ones the replacement character."""
    return "".join(pieces).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _codec(name: str, other: str) -> str:
    try:
        return codecs.lookup(name).name
    except LookupError:
        return other
