"""What Word's styles and numbering say about a paragraph: heading level, list level, and the number that it shows.

Word stores no numbers in the text: "2.1" before a heading is counted while the page is set (ECMA-376 part 1, 17.9). They
are counted again here, because texts refer to "section 2.1". Knows nothing of text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graft.backends.loaders.archives import local

_HEADING = re.compile(r"heading (\d)$")
_LIST = re.compile(r"list(?: (bullet|number|paragraph))?(?: (\d))?$")
_PLACEHOLDER = re.compile(r"%(\d)")
_MAX_CHAIN = 20
_MAX_COUNT = 100_000


@dataclass(frozen=True, slots=True)
class Style:
    """A paragraph style: its English name in lower case, its outline level (0 is the highest), its numbering."""

    name: str = ""
    outline: int | None = None
    numbering: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Level:
    """How a list counts at one level: the format of its number, what is shown around it, and where it starts."""

    form: str
    text: str
    start: int


@dataclass(frozen=True, slots=True)
class Shape:
    """What a paragraph is. `heading` is 1 to 6, or 0; `item` its level as a list item, or None; `mark` its number or `-`."""

    heading: int = 0
    item: int | None = None
    mark: str = ""


def _child(element: Any, *path: str) -> Any:
    """Return a descendant by local names, or None."""
    for name in path:
        element = (
            next((child for child in element if local(child) == name), None) if element is not None else None
        )
    return element


def _value(element: Any, default: str = "") -> str:
    """Return the `val` attribute of an element, in whatever namespace."""
    if element is None:
        return default
    return next(
        (str(value) for name, value in element.attrib.items() if name.rpartition("}")[2] == "val"), default
    )


def _number(text: str, default: int = 0) -> int:
    return int(text) if text.isdecimal() and len(text) < 7 else default


class Styles:
    """The styles and lists of a document; `shape` is asked paragraph by paragraph, in order, because it counts.

    `styles` and `numbering` are the roots of those parts, or None.
    """

    def __init__(self, styles: Any, numbering: Any) -> None:
        self._styles = _styles(styles)
        self._levels = _levels(numbering)
        self._counts: dict[str, list[int]] = {}

    def shape(self, properties: Any) -> Shape:
        """Return what a paragraph with these properties (`w:pPr`, or None) is."""
        style = self._styles.get(_value(_child(properties, "pStyle")), Style())
        outline = style.outline
        own = _child(properties, "outlineLvl")
        if own is not None:
            outline = _number(_value(own), 9)
        named = _HEADING.match(style.name)
        heading = int(named[1]) if named else 1 if style.name == "title" else 0
        if not heading and outline is not None and outline < 6:
            heading = outline + 1
        mark, level = self._mark(properties, style)
        if heading:
            return Shape(heading=min(heading, 6), mark="" if mark == "-" else mark)
        listed = _LIST.match(style.name)
        if level is not None and mark:
            return Shape(item=level, mark=mark)
        if listed and listed[1] != "paragraph":
            level = _number(listed[2] or "1", 1) - 1
            return Shape(
                item=level, mark=self._count(f"style {style.name}", level) if listed[1] == "number" else "-"
            )
        return Shape()

    def interrupt(self) -> None:
        """Say that a paragraph outside of lists came: lists that have no numbering of their own begin again."""
        self._counts = {key: counts for key, counts in self._counts.items() if not key.startswith("style ")}

    def _mark(self, properties: Any, style: Style) -> tuple[str, int | None]:
        """Return the number (or `-`) that a paragraph shows, and its level; ("", None) when it is in no list."""
        own = _child(properties, "numPr")
        key, level = style.numbering or ("", 0)
        if own is not None:
            key = _value(_child(own, "numId"), key)
            level = _number(_value(_child(own, "ilvl"), str(level)))
        levels = self._levels.get(key)
        if key in {"", "0"} or not levels or level not in levels:
            return ("-", level) if own is not None and key not in {"", "0"} else ("", None)
        shown = levels[level]
        if shown.form in {"bullet", "none"}:
            return ("-" if shown.form == "bullet" else ""), level
        counts = self._counts.setdefault(key, [])
        while len(counts) <= level:
            at = len(counts)
            counts.append(levels[at].start - (at == level) if at in levels else 1)
        counts[level] += 1
        del counts[level + 1 :]

        def place(match: re.Match[str]) -> str:
            at = int(match[1]) - 1
            form = levels[at].form if at in levels else "decimal"
            return formatted(counts[at], form) if at < len(counts) else ""

        return _PLACEHOLDER.sub(place, shown.text).strip(), level

    def _count(self, key: str, level: int) -> str:
        counts = self._counts.setdefault(key, [0])
        counts[0] += 1
        del level
        return f"{counts[0]}."


def _styles(root: Any) -> Mapping[str, Style]:
    """Return style id → Style, with what each inherits from the style it is based on."""
    raw: dict[str, tuple[str, str, int | None, tuple[str, int] | None]] = {}
    for style in root.iter("{*}style") if root is not None else ():
        key = next(
            (value for name, value in style.attrib.items() if name.rpartition("}")[2] == "styleId"), ""
        )
        outline = _child(style, "pPr", "outlineLvl")
        numbered = _child(style, "pPr", "numPr")
        numbering = (
            (_value(_child(numbered, "numId")), _number(_value(_child(numbered, "ilvl"))))
            if numbered is not None
            else None
        )
        level = _number(_value(outline), 9) if outline is not None else None
        raw[key] = (_value(_child(style, "name")).lower(), _value(_child(style, "basedOn")), level, numbering)
    made = {}
    for key, (name, _, _, _) in raw.items():
        outline_level, numbering, at = None, None, key
        for _ in range(_MAX_CHAIN):  # a style may be based on itself in a damaged file
            if at not in raw:
                break
            _, base, found, numbers = raw[at]
            outline_level = found if outline_level is None else outline_level
            numbering = numbers if numbering is None else numbering
            at = base
        made[key] = Style(name, outline_level, numbering)
    return made


def _levels(root: Any) -> Mapping[str, Mapping[int, Level]]:
    """Return list id → level → how it counts."""
    if root is None:
        return {}
    abstract: dict[str, dict[int, Level]] = {}
    for entry in root.iter("{*}abstractNum"):
        abstract[_attribute(entry, "abstractNumId")] = _read_levels(entry)
    found: dict[str, Mapping[int, Level]] = {}
    for entry in root.iter("{*}num"):
        levels = dict(abstract.get(_value(_child(entry, "abstractNumId")), {}))
        for override in entry.iter("{*}lvlOverride"):
            at = _number(_attribute(override, "ilvl"))
            levels |= _read_levels(override)
            start = _child(override, "startOverride")
            if start is not None and at in levels:
                levels[at] = Level(levels[at].form, levels[at].text, _number(_value(start), 1))
        found[_attribute(entry, "numId")] = levels
    return found


def _read_levels(entry: Any) -> dict[int, Level]:
    return {
        _number(_attribute(level, "ilvl")): Level(
            _value(_child(level, "numFmt"), "decimal"), _value(_child(level, "lvlText")), _number(_value(_child(level, "start")), 1)
        )
        for level in entry
        if local(level) == "lvl"
    }  # fmt: skip


def _attribute(element: Any, name: str) -> str:
    return next((str(value) for key, value in element.attrib.items() if key.rpartition("}")[2] == name), "")


def formatted(number: int, form: str) -> str:
    """Return a number as a list shows it: decimal, letters or Roman; other forms as decimal."""
    if not 0 < number < _MAX_COUNT:
        return str(number)
    if form in {"lowerLetter", "upperLetter"}:  # a … z, aa, bb …
        letters = chr(ord("a") + (number - 1) % 26) * min((number - 1) // 26 + 1, 10)
        return letters if form == "lowerLetter" else letters.upper()
    if form in {"lowerRoman", "upperRoman"} and number < 4000:
        values = (1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1)
        signs = ("m", "cm", "d", "cd", "c", "xc", "l", "xl", "x", "ix", "v", "iv", "i")
        roman = ""
        for value, sign in zip(values, signs, strict=True):
            roman += sign * (number // value)
            number %= value
        return roman if form == "lowerRoman" else roman.upper()
    return f"{number:02d}" if form == "decimalZero" else str(number)
