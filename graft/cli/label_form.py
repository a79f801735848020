"""The form for labelling in a terminal: one answer at a time, a key and Enter for each verdict.

Reads and writes through two functions, so that it can be driven. Whatever a text contains, it is printed without control
characters: an answer must not be able to paint the terminal.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping

from graft.verbs.label import Desk, Sheet

_VERDICTS: Mapping[str, str] = {"1": "right", "2": "wrong", "3": "declined", "4": "unsure"}
_SUPPORTED: Mapping[str, str] = {"y": "yes", "n": "no", "u": "unsure"}
_ASK = "right 1, wrong 2, declines 3, cannot tell 4, back b, quit q > "
_ASK_SUPPORT = "do the passages support all of it? yes y, no n, cannot tell u > "
_WIDTH = 96


def label_in_terminal(desk: Desk, ask: Callable[[str], str], tell: Callable[[str], None]) -> bool:
    """Label until everything is done or the annotator leaves; return whether everything is done. Each label is saved at
    once. `ask` may raise EOFError: that is leaving."""
    before: list[str] = []
    sheet = desk.next()
    while sheet is not None:
        tell(_shown(sheet, desk.done, desk.total))
        try:
            verdict = _choice(ask, _ASK, {**_VERDICTS, "b": "back", "q": "quit"}, sheet)
            if verdict == "quit":
                return False
            if verdict == "back":
                sheet = desk.sheet(before.pop()) if before else sheet
                continue
            supported = ""
            if sheet.passages and verdict in ("right", "wrong"):
                tell(_passages(sheet))
                supported = _choice(ask, _ASK_SUPPORT, _SUPPORTED, sheet)
        except EOFError:
            return False
        desk.save(sheet.item, verdict, supported)
        before.append(sheet.item)
        sheet = desk.next()
    return True


def _choice(ask: Callable[[str], str], prompt: str, known: Mapping[str, str], sheet: Sheet) -> str:
    while True:
        said = known.get(ask(prompt).strip().casefold(), "")
        if said == "right" and not sheet.answerable:
            prompt = "the question has no answer, so none is right: declines 3, wrong 2 > "
        elif said:
            return said


def _shown(sheet: Sheet, done: int, total: int) -> str:
    accepted = list(sheet.references) or ["(none given)"]
    if not sheet.answerable:
        accepted = ["none: the documents hold no answer; right is to decline"]
    said = f"  (you said {sheet.label.verdict} before)" if sheet.label else ""
    parts = [
        f"\n── {done} of {total} labelled{said} " + "─" * 40,
        *(_printable(turn) for turn in sheet.before),
        _titled("Question", sheet.question),
        _titled("Accepted", "\n".join(f"- {one}" for one in accepted)),
        _titled("Answer", sheet.answer or "(empty)"),
    ]
    return "\n".join(parts)


def _passages(sheet: Sheet) -> str:
    return "\n".join(
        _titled(f"[{number}] {title}", text) for number, (title, text) in enumerate(sheet.passages, start=1)
    )


def _titled(title: str, text: str) -> str:
    lines = [
        line
        for paragraph in _printable(text).splitlines()
        for line in textwrap.wrap(paragraph, _WIDTH, initial_indent="  ", subsequent_indent="  ") or [""]
    ]
    return "\n".join([_printable(title), *lines])


def _printable(text: str) -> str:
    """Return the text without control and format characters, which terminals obey; line ends stay."""
    return "".join(
        character if character.isprintable() or character == "\n" else " " if character == "\t" else "\ufffd"
        for character in text.replace("\r\n", "\n")
    )
