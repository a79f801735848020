"""Figures in running text, and whether two of them are the same.

Numbers with separators, currency, percent and scale; small English number words; times of day and dates, each as one
figure. Knows nothing of units, and of no other language's words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_SCALES = {"k": 1e3, "thousand": 1e3, "m": 1e6, "mn": 1e6, "mm": 1e6, "million": 1e6, "b": 1e9, "bn": 1e9,
           "billion": 1e9, "t": 1e12, "tn": 1e12, "trillion": 1e12, "hundred": 1e2}  # fmt: skip
_UNITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
          "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_WORDS = {word: value for value, word in enumerate(_UNITS)} | {
    word: 10 * ten for ten, word in enumerate(_TENS, start=2)
}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

# May and March need their capital: "5 may attend" is no date.
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|(?-i:March|MARCH)|mar|apr(?:il)?|(?-i:May|MAY)|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\b\.?"
)
_DATE = (
    rf"\b(?P<day1>\d{{1,2}})(?:st|nd|rd|th)?\s(?:of\s)?(?P<month1>{_MONTH})(?:\s?,?\s(?P<year1>\d{{4}})\b)?"
    rf"|\b(?P<month2>{_MONTH})\s(?P<day2>\d{{1,2}})(?:st|nd|rd|th)?\b(?:\s?,?\s(?P<year2>\d{{4}})\b)?"
    rf"|\b(?P<month3>{_MONTH})\s?,?\s(?P<year3>\d{{4}})\b"
    r"|(?<![\w.])(?P<year4>\d{4})-(?P<month4>\d{2})-(?P<day4>\d{2})\b"
)
_TIME = (
    r"(?<![\w.:])(?P<hour1>\d{1,2}):(?P<minute1>\d{2})(?!\d)(?:\s?(?P<half1>[ap])\.?m\b\.?)?"
    r"|(?<![\w.:])(?P<hour2>\d{1,2})\s?(?P<half2>[ap])\.?m\b\.?"
)
_MONEY = r"[$\u20ac\u00a3\u00a5\u20b9]|(?:USD|EUR|GBP|CHF)\s"
_PLAIN = (
    rf"(?<![\w.,])(?P<sign>[-\u2212])?(?:(?:{_MONEY})\s?)?(?P<sign2>[-\u2212])?"
    r"(?:(?P<european>\d{1,3}(?:\.\d{3})+,\d+)|(?P<plain>(?:\d{1,3}(?:[,'\u2019\u00a0\u202f]\d{3})+|\d+)(?:\.\d+)?|\.\d+))"
    r"(?:(?:st|nd|rd|th)\b|\s?(?P<percent>%|\u2030|percent\b|per\scent\b|percentage\spoints?\b)"
    r"|[\s-]?(?P<scale>thousand|million|billion|trillion|mn|mm|bn|tn|(?<=\d)[kmbt])\b|(?![\w]))"
)
_WORD = (
    rf"\b(?:(?P<tens>{'|'.join(_TENS)})[-\s](?P<ones>{'|'.join(_UNITS[1:10])})|(?P<word>{'|'.join(_WORDS)}))\b"
    r"(?:\s(?P<wordscale>hundred|thousand|million|billion))?(?!\s(?:of|another)\b)"
)
_FIGURE = re.compile(
    rf"(?:{_DATE}|{_TIME}|{_PLAIN}|{_WORD})(?:\s?(?:USD|EUR|GBP|CHF|dollars?|euros?|\u20ac)(?!\w))?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Number:
    """A figure in a text.

    `value` includes the scale word ("1.2 million" is 1200000) and is hours for a time of day; a percentage keeps its own
    figure ("12 %" is 12). `exact` marks a whole number written in full (a count, a price, a year, a code), `scaled` one
    with a scale word; `date` is (year, month, day), None where the text leaves one out.
    """

    value: float
    percent: bool = False
    scaled: bool = False
    exact: bool = False
    date: tuple[int | None, int, int | None] | None = None


@lru_cache(1 << 14)
def numbers(text: str) -> tuple[Number, ...]:
    """Return the figures of a text in order. Digits inside a word ("Q3", "X2") are none."""
    return tuple(number for _, number in figures(text))


@lru_cache(1 << 14)
def figures(text: str) -> tuple[tuple[str, Number], ...]:
    """Return the figures of a text in order, each with the words that state it."""
    return tuple((match.group().strip(), _number(match)) for match in _FIGURE.finditer(text))


def without_numbers(text: str) -> str:
    """Return the text with each figure (and the currency around it) replaced by a space."""
    return _FIGURE.sub(" ", text)


def _number(match: re.Match[str]) -> Number:
    for form in "1234":
        if match[f"month{form}"]:
            return _date(match.groupdict(), form)
    hour = match["hour1"] or match["hour2"]
    if hour:
        half = (match["half1"] or match["half2"] or "").casefold()
        hours = int(hour) % 12 + 12 * (half == "p") if half else int(hour)
        return Number(hours + int(match["minute1"] or 0) / 60, exact=True)
    if match["word"] or match["tens"]:
        small = _WORDS[(match["word"] or match["tens"]).casefold()]
        small += _WORDS[(match["ones"] or "zero").casefold()]
        return Number(small * _SCALES.get((match["wordscale"] or "").casefold(), 1.0), exact=True)
    if match["european"]:
        digits = match["european"].replace(".", "").replace(",", ".")
    else:
        digits = re.sub(r"[,'\u2019\u00a0\u202f]", "", match["plain"])
    scale = _SCALES[match["scale"].casefold()] if match["scale"] else 1.0
    value = float(digits) * scale * (-1 if match["sign"] or match["sign2"] else 1)
    exact = not (match["percent"] or match["scale"] or "." in digits)
    return Number(value, bool(match["percent"]), bool(match["scale"]), exact)


def _date(found: dict[str, str | None], form: str) -> Number:
    name = found[f"month{form}"] or ""
    month = int(name) if name.isdigit() else _MONTHS.index(name[:3].casefold()) + 1
    day, year = found.get(f"day{form}"), found.get(f"year{form}")
    return Number(
        float(month), exact=True, date=(int(year) if year else None, month, int(day) if day else None)
    )


def same_number(gold: Number, said: Number) -> bool:
    """Whether two figures are the same.

    Two whole numbers written in full must be equal, below a million: 1 % would make 2023 of 2024, and last year's price
    of this year's. Others agree within 1 %, also at a factor of 10^3, 10^6 or 10^9 when one of them names its scale or
    is a million and more ("1577" in a table of millions, "$1.58 billion"), and at a factor of 100 when one of them is a
    percentage. A date holds every part that the gold gives.
    """
    if gold.date is not None:
        return said.date is not None and all(
            part in {None, other} for part, other in zip(gold.date, said.date, strict=True)
        )
    if said.date is not None:
        return gold.exact and gold.value == said.date[0]
    largest = max(abs(gold.value), abs(said.value))
    if gold.exact and said.exact and largest < 1e6:
        return gold.value == said.value
    factors = [1.0]
    if gold.scaled or said.scaled or largest >= 1e6:
        factors += [1e3, 1e6, 1e9, 1e-3, 1e-6, 1e-9]
    if gold.percent or said.percent:
        factors += [100.0, 0.01]
    return any(abs(said.value * factor - gold.value) <= 0.01 * abs(gold.value) + 1e-12 for factor in factors)
