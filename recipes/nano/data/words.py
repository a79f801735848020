"""Random values for programmatic documents: names, codes, dates, amounts, phrases.

Most names are invented from syllables, so that a reader cannot know them and has to copy. Every maker takes the
`random.Random` of its sample and nothing else: the same seed gives the same document on any machine.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from recipes.nano.data import lexicon

Maker = Callable[[random.Random], str]


def invented(rng: random.Random, least: int = 2, most: int = 3) -> str:
    """An invented lower-case word such as "strelba"."""
    parts = [rng.choice(lexicon.ONSETS) + rng.choice(lexicon.VOWELS) for _ in range(rng.randint(least, most))]
    return "".join(parts) + rng.choice(lexicon.CODAS)


def name_word(rng: random.Random) -> str:
    """A capitalised invented word, a common noun or an adjective: the stuff of proper names."""
    roll = rng.random()
    word = (
        invented(rng)
        if roll < 0.6
        else rng.choice(lexicon.NOUNS)
        if roll < 0.85
        else rng.choice(lexicon.ADJECTIVES)
    )
    return word.capitalize()


def person(rng: random.Random) -> str:
    """A person's name; first and last names common or invented, some with a title or initial."""
    first = rng.choice(lexicon.FIRST) if rng.random() < 0.6 else invented(rng, 1, 2).capitalize()
    last = rng.choice(lexicon.LAST) if rng.random() < 0.5 else invented(rng, 2, 3).capitalize()
    roll = rng.random()
    if roll < 0.06:
        return f"Dr. {last}" if rng.random() < 0.5 else f"{rng.choice(('Mr.', 'Ms.', 'Prof.'))} {last}"
    if roll < 0.12:
        return f"{first} {rng.choice('ABCDEFGHJKLMNPRSTW')}. {last}"
    return f"{first} {last}"


def city(rng: random.Random) -> str:
    """A real or invented town."""
    if rng.random() < 0.5:
        return rng.choice(lexicon.CITIES)
    tail = rng.choice(
        ("", "", "", "ton", "ville", "burg", "ford", "mouth", " Bay", " Springs", " Falls", " Heights")
    )
    return invented(rng, 1, 2).capitalize() + tail


def year(rng: random.Random) -> str:
    """A year between 1700 and 2029."""
    return str(rng.randint(1900, 2029) if rng.random() < 0.75 else rng.randint(1700, 1899))


def date(rng: random.Random) -> str:
    """A date in one of five notations."""
    d, m, y = rng.randint(1, 28), rng.randint(1, 12), rng.randint(1950, 2029)
    month = lexicon.MONTHS[m - 1]
    return rng.choice(
        (
            f"{d} {month} {y}",
            f"{month} {d}, {y}",
            f"{y}-{m:02d}-{d:02d}",
            f"{d:02d}/{m:02d}/{y}",
            f"{month} {d}",
            f"{d} {month}",
        )
    )


def clock(rng: random.Random) -> str:
    """A time of day."""
    h, m = rng.randint(0, 23), rng.choice((0, 0, 15, 30, 45, rng.randint(0, 59)))
    twelve = f"{(h - 1) % 12 + 1}" + (f":{m:02d}" if m or rng.random() < 0.5 else "")
    return rng.choice(
        (
            f"{h:02d}:{m:02d}",
            f"{twelve} {'am' if h < 12 else 'pm'}",
            f"{twelve} {'a.m.' if h < 12 else 'p.m.'}",
        )
    )


def number(rng: random.Random) -> str:
    """A plain count, with or without thousands separators."""
    n = rng.randint(2, 10 ** rng.randint(1, 6))
    return f"{n:,}" if rng.random() < 0.6 else str(n)


def money(rng: random.Random) -> str:
    """An amount of money in several currencies and notations."""
    n = rng.randint(1, 10 ** rng.randint(1, 5))
    amount = f"{n:,}" + (f".{rng.randint(0, 99):02d}" if rng.random() < 0.35 else "")
    roll = rng.random()
    if roll < 0.75:
        return rng.choice("$$$€€£") + amount
    if roll < 0.85:
        return f"{rng.choice('$€£')}{rng.randint(1, 99)}{rng.choice(('.5', ''))} {rng.choice(('million', 'billion'))}"
    return f"{amount} {rng.choice(('euros', 'dollars', 'EUR', 'USD', 'CHF', 'yen', 'kroner', 'pounds'))}"


def code(rng: random.Random) -> str:
    """An identifier: part number, ticket key, room, licence plate, error code."""

    def up(k: int) -> str:
        return "".join(rng.choice("ABCDEFGHJKLMNPQRSTUVWXYZ") for _ in range(k))

    def dig(k: int) -> str:
        return "".join(rng.choice("0123456789") for _ in range(k))

    return rng.choice(
        (
            lambda: f"{up(2)}-{dig(4)}",
            lambda: f"{up(3)}-{dig(3)}",
            lambda: f"{up(1)}{dig(3)}",
            lambda: f"{up(2)}{dig(5)}",
            lambda: dig(6),
            lambda: f"{dig(3)}-{dig(3)}-{dig(4)}",
            lambda: f"{up(3)}-{dig(2)}-{up(1)}",
            lambda: f"#{dig(4)}",
            lambda: f"{up(4)}_{dig(2)}",
            lambda: f"{invented(rng, 1, 2)}{dig(2)}",
            lambda: "".join(rng.choice("0123456789abcdef") for _ in range(8)),
        )
    )()


def version(rng: random.Random) -> str:
    """A software version."""
    v = f"{rng.randint(0, 12)}.{rng.randint(0, 20)}" + (
        f".{rng.randint(0, 30)}" if rng.random() < 0.6 else ""
    )
    return ("v" if rng.random() < 0.3 else "") + v


def email(rng: random.Random) -> str:
    """An e-mail address or a web address on a reserved example domain."""
    host = f"{invented(rng, 1, 2)}.{rng.choice(('com', 'org', 'net', 'example', 'io', 'eu'))}"
    user = rng.choice(
        (
            invented(rng, 1, 2),
            rng.choice(lexicon.FIRST).lower(),
            rng.choice(("info", "help", "sales", "office")),
        )
    )
    return f"{user}@{host}"


def duration(rng: random.Random) -> str:
    """A length of time."""
    unit = rng.choice(
        ("days", "weeks", "months", "hours", "minutes", "years", "business days", "working days", "seconds")
    )
    return f"{rng.randint(2, 90)} {unit}"


def measure(rng: random.Random) -> str:
    """A quantity with a unit."""
    unit = rng.choice(
        (
            "kg",
            "g",
            "km",
            "m",
            "cm",
            "mm",
            "litres",
            "tonnes",
            "metres",
            "kilometres",
            "square metres",
            "kW",
            "watts",
            "volts",
            "GB",
            "MB",
            "miles",
            "feet",
            "pounds",
            "°C",
            "hectares",
            "rpm",
            "bar",
            "km/h",
            "ml",
        )
    )
    n = rng.randint(1, 10 ** rng.randint(1, 4))
    amount = f"{n:,}" if rng.random() < 0.7 else f"{n}.{rng.randint(1, 9)}"
    return f"{amount} {unit}"


def percent(rng: random.Random) -> str:
    """A percentage."""
    n = f"{rng.randint(1, 99)}" + (f".{rng.randint(1, 9)}" if rng.random() < 0.3 else "")
    return n + rng.choice(("%", "%", "%", " percent", " per cent"))


def venue(rng: random.Random) -> str:
    """A room, building or street address."""
    return rng.choice(
        (
            f"room {rng.randint(1, 499)}",
            f"Room {rng.choice('ABCDEF')}{rng.randint(1, 40)}",
            f"the {name_word(rng)} building",
            f"{name_word(rng)} Hall",
            f"hall {rng.randint(1, 12)}",
            f"{rng.randint(1, 250)} {name_word(rng)} {rng.choice(('Street', 'Road', 'Avenue', 'Lane'))}",
            f"the {rng.choice(('second', 'third', 'fourth', 'ground', 'top'))} floor",
            f"the {name_word(rng)} {rng.choice(('Centre', 'Library', 'Theatre', 'Museum', 'Arena', 'Hotel'))}",
        )
    )


def organisation(rng: random.Random) -> str:
    """A company, institute or team name."""
    w = name_word(rng)
    return rng.choice(
        (
            f"{w} {rng.choice(('Ltd', 'Inc', 'GmbH', 'Group', 'Labs', 'Systems', 'Foods', 'Energy', 'Bank', 'Logistics', 'Works'))}",
            f"{w} {name_word(rng)} {rng.choice(('Ltd', 'Inc', 'Group', 'Partners', 'Trust', 'Society'))}",
            f"University of {city(rng)}",
            f"{w} & {rng.choice(lexicon.LAST)}",
            f"{rng.choice(lexicon.LAST)} {rng.choice(('Brothers', 'Foundation', 'Industries', 'Institute', 'Consulting'))}",
            w,
        )
    )


def product(rng: random.Random) -> str:
    """A product or project name."""
    w = name_word(rng)
    return rng.choice(
        (
            w,
            f"{w} {rng.randint(2, 9)}00",
            f"{w} {rng.choice(('Pro', 'Mini', 'Plus', 'X', 'One', 'Lite', 'Air'))}",
            f"{w} {name_word(rng)}",
            f"{w}-{rng.randint(1, 99)}",
            f"{rng.choice('ABCDEKMSTX')}{rng.randint(10, 999)} {w}",
        )
    )


def title(rng: random.Random) -> str:
    """A title of a book, plan or course."""
    a, n = rng.choice(lexicon.ADJECTIVES).capitalize(), rng.choice(lexicon.NOUNS).capitalize()
    return rng.choice(
        (
            f"The {a} {n}",
            f"{n} and {rng.choice(lexicon.NOUNS).capitalize()}",
            f"The {n} of {name_word(rng)}",
            f"{a} {n}",
            f"Introduction to {rng.choice(lexicon.FIELDS)}",
            f"A History of {name_word(rng)}",
        )
    )


def topic(rng: random.Random) -> str:
    """What a company has rules on; sometimes with a group or an invented word before it."""
    name = rng.choice(lexicon.TOPICS)
    roll = rng.random()
    if roll < 0.2:
        return f"{invented(rng)} {name}"
    return f"{name} for {rng.choice(lexicon.ROLES)}s" if roll < 0.35 else name


def phrase(rng: random.Random) -> str:
    """A free phrase of two to five words, some invented: values that follow no pattern."""
    head = rng.choice(lexicon.ADJECTIVES) if rng.random() < 0.6 else invented(rng)
    body = f"{head} {rng.choice(lexicon.NOUNS)}"
    roll = rng.random()
    if roll < 0.3:
        return f"{body} {rng.choice(('of', 'with', 'and', 'for', 'near'))} {rng.choice(lexicon.NOUNS) if rng.random() < 0.6 else invented(rng)}"
    return body if roll < 0.8 else f"{body} {rng.choice(lexicon.NOUNS)}"


def pick(options: list[str]) -> Maker:
    """Return a maker that draws from a list."""
    return lambda rng: rng.choice(options)


MAKERS: dict[str, Maker] = {
    "person": person, "city": city, "year": year, "date": date, "clock": clock, "number": number, "money": money, "code": code,
    "version": version, "email": email, "duration": duration, "measure": measure, "percent": percent, "venue": venue,
    "organisation": organisation, "product": product, "title": title, "topic": topic, "phrase": phrase, "invented": invented,
    "country": pick(lexicon.COUNTRIES), "day": pick(lexicon.DAYS), "month": pick(lexicon.MONTHS), "colour": pick(lexicon.COLOURS), "material": pick(lexicon.MATERIALS),
    "food": pick(lexicon.FOODS), "role": pick(lexicon.ROLES), "field": pick(lexicon.FIELDS), "goods": pick(lexicon.GOODS), "reason": pick(lexicon.REASONS),
    "state": pick(lexicon.STATES), "duty": pick(lexicon.DUTIES), "hobby": pick(lexicon.HOBBIES),
}  # fmt: skip
