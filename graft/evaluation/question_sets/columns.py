"""What a foreign file means: its encoding, its separator, and which of its columns is the question.

The names are those that other tools write (ragas, promptfoo, LangSmith, DeepEval, Alpaca, TRL) and that people give in
a sheet. What was understood is told, never silent. Knows nothing of questions beyond these names.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterable, Mapping
from typing import Any

from graft.errors import ConfigError
from graft.evaluation.checks.abstention import is_abstention

NAMES: Mapping[str, tuple[str, ...]] = {
    "question": ("question", "query", "user_input", "prompt", "input", "inputs", "q", "frage"),
    "answers": (
        "answers", "answer", "reference", "references", "reference_answer", "expected", "expected_answer",
        "expected_output", "ground_truth", "ground_truths", "ideal", "gold", "target", "output", "outputs", "completion",
        "response", "label", "antwort",
    ),
    "document": ("document", "source", "source_file", "source_document", "file", "filename", "file_name", "doc", "quelle"),
    "id": ("id", "question_id", "nr", "no", "number", "key", "uuid"),
}  # fmt: skip
"""Our name → the names of others, the likelier first."""
_WORD = {"question": "question", "answers": "answer"}
_NONE = {
    "not in the docs",
    "not in the documents",
    "not in docs",
    "no answer",
    "keine angabe",
    "k.a.",
    "none given",
}


class Columns:
    """Renames the columns of a file. `given` is our name → theirs, as the user said."""

    def __init__(self, given: Mapping[str, str]) -> None:
        known = (*NAMES, "answerable", "stratum", "cluster")
        unknown = [name for name in given if name not in known]
        if unknown:
            raise ConfigError(
                f"There is no {unknown[0]!r} to take a column for.", f"Known: {', '.join(known)}."
            )
        self._given = {_plain(theirs): ours for ours, theirs in given.items()}
        self._seen: dict[tuple[str, ...], dict[str, str]] = {}

    def renamed(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return a row with our names; columns that mean nothing to us keep theirs. Raises ConfigError when a column that
        the user named is not there."""
        mapping = self._mapping(row)
        if (
            "instruction" in mapping and "question" in mapping.values()
        ):  # Alpaca: the input is what it is about
            parts = [row["instruction"], *(row[key] for key, ours in mapping.items() if ours == "question")]
            asked = "\n\n".join(part for part in parts if isinstance(part, str) and part.strip())
            return {**{mapping[key]: value for key, value in row.items()}, "question": asked}
        return {mapping[key]: value for key, value in row.items()}

    def meaning(self, column: str, columns: Iterable[str]) -> str:
        """Return our name of one of these columns."""
        return self._mapping(columns)[column]

    @property
    def notes(self) -> tuple[str, ...]:
        """What was taken for what, where the names differ."""
        taken = {
            (theirs, ours): None
            for mapping in self._seen.values()
            for theirs, ours in mapping.items()
            if ours in NAMES and ours not in (_plain(theirs), _plain(theirs) + "s")
        }
        return tuple(f'"{theirs}" is taken for {ours}' for theirs, ours in taken)

    def _mapping(self, columns: Iterable[str]) -> dict[str, str]:
        """Return their name → ours for the columns of a row: what the user said, then the known names, then for question and
        answers the one column that has the word."""
        theirs = tuple(columns)
        if theirs not in self._seen:
            made = {name: self._given.get(_plain(name), "") for name in theirs}
            for ours, names in NAMES.items():
                if ours in made.values() or ours in self._given.values():
                    continue
                fits = sorted(
                    (names.index(_plain(name)), at)
                    for at, name in enumerate(theirs)
                    if _plain(name) in names and not made[name]
                )
                word = _WORD.get(ours)
                having = [at for at, name in enumerate(theirs) if word and word in _plain(name).split("_")]
                at = fits[0][1] if fits else having[0] if len(having) == 1 else None
                if at is not None and not made[theirs[at]]:
                    made[theirs[at]] = ours
            self._seen[theirs] = {name: ours or _plain(name) for name, ours in made.items()}
        return self._seen[theirs]


def _plain(name: str) -> str:
    return re.sub(r"[\s_.#-]+", "_", name.strip().casefold()).strip("_")


def decoded(data: bytes) -> tuple[str, str]:
    """Return the text and the encoding it was in: UTF-8, UTF-16 with its mark, else Windows-1252, in which spreadsheets of
    western Windows save CSV. Raises UnicodeDecodeError for what is none of them."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16"), "UTF-16"
    try:
        return data.decode("utf-8-sig"), "UTF-8"
    except UnicodeDecodeError:
        return data.decode("cp1252"), "Windows-1252"


def delimiter_of(text: str, suffix: str) -> str:
    """Return what parts the columns of a table: the tab in a .tsv, else whatever parts the first line into the most."""
    if suffix.lower() == ".tsv":
        return "\t"
    first = text.lstrip().partition("\n")[0]
    return max(",;\t", key=lambda mark: len(next(csv.reader([first], delimiter=mark), [])))


def declines(answer: str) -> bool:
    """Whether an answer in a sheet says that there is none."""
    return answer.strip().casefold() in _NONE or is_abstention(answer)
