"""Numbers in running text, and whether two of them are the same figure.

Separators, currency, percent, scale words and small English number words. Knows nothing of dates or of units.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_SCALES = {"k": 1e3, "thousand": 1e3, "m": 1e6, "mn": 1e6, "mm": 1e6, "million": 1e6, "b": 1e9, "bn": 1e9,
           "billion": 1e9, "t": 1e12, "tn": 1e12, "trillion": 1e12}  # fmt: skip
_WORDS = {word: float(value) for value, word in enumerate(
    ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
     "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"))}  # fmt: skip
_WORDS |= {
    "thirty": 30.0,
    "forty": 40.0,
    "fifty": 50.0,
    "sixty": 60.0,
    "seventy": 70.0,
    "eighty": 80.0,
    "ninety": 90.0,
}
_NUMBER = re.compile(
    r"(?<![\w.,])(?P<sign>[-\u2212])?(?P<money>[$\u20ac\u00a3\u00a5\u20b9]|(?:USD|EUR|GBP|CHF)\s)?\s?(?P<sign2>[-\u2212])?"
    r"(?:(?P<european>\d{1,3}(?:\.\d{3})+,\d+)|(?P<plain>(?:\d{1,3}(?:[,'\u2019\u00a0\u202f]\d{3})+|\d+)(?:\.\d+)?|\.\d+))"
    r"(?:(?:st|nd|rd|th)\b|\s?(?P<percent>%|\u2030|percent\b|per\scent\b|percentage\spoints?\b)"
    r"|[\s-]?(?P<scale>thousand|million|billion|trillion|mn|mm|bn|tn|(?<=\d)[kmbt])\b|(?![\w]))"
    r"(?P<after>\s?(?:USD|EUR|GBP|CHF|dollars?|euros?|\u20ac)(?!\w))?"
    rf"|\b(?P<word>{'|'.join(_WORDS)})\b(?!\s(?:of|another)\b)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Number:
    """A number in a text. `value` includes the scale word ("1.2 million" is 1200000); a percentage keeps its own figure
    ("12 %" is 12). `exact` marks a plain whole number (a count, a year, a code), `scaled` one written with a scale."""

    value: float
    percent: bool = False
    scaled: bool = False
    exact: bool = False


@lru_cache(1 << 14)
def numbers(text: str) -> tuple[Number, ...]:
    """Return the numbers of a text in order: digits with separators, currency, percent and scale, and the English words
    zero to twenty and the tens. Digits inside a word ("Q3", "X2") are not numbers."""
    return tuple(_number(match) for match in _NUMBER.finditer(text))


def _number(match: re.Match[str]) -> Number:
    if match["word"]:
        return Number(_WORDS[match["word"].casefold()], exact=True)
    if match["european"]:
        digits = match["european"].replace(".", "").replace(",", ".")
    else:
        digits = re.sub(r"[,'\u2019\u00a0\u202f]", "", match["plain"])
    scale = _SCALES[match["scale"].casefold()] if match["scale"] else 1.0
    value = float(digits) * scale * (-1 if match["sign"] or match["sign2"] else 1)
    measured = match["money"] or match["after"] or match["percent"] or match["scale"] or "." in digits
    return Number(value, bool(match["percent"]), bool(match["scale"]), not measured)


def same_number(gold: Number, said: Number) -> bool:
    """Whether two numbers are the same figure.

    Measured figures (money, percentages, decimals, scaled) agree within 1 %, also at a factor of 10^3, 10^6 or 10^9
    when one of them names its scale or is a million and more ("1577" in a table of millions, "$1.58 billion"), and at
    a factor of 100 when one of them is a percentage. Two plain whole numbers must be equal: 1 % would make 2023 of 2024.
    """
    if gold.exact and said.exact and max(abs(gold.value), abs(said.value)) < 1e6:
        return gold.value == said.value
    factors = [1.0]
    if gold.scaled or said.scaled or max(abs(gold.value), abs(said.value)) >= 1e6:
        factors += [1e3, 1e6, 1e9, 1e-3, 1e-6, 1e-9]
    if gold.percent or said.percent:
        factors += [100.0, 0.01]
    return any(abs(said.value * factor - gold.value) <= 0.01 * abs(gold.value) + 1e-12 for factor in factors)
