"""What people say of answers: the draw of what is to be labelled, and the labels, in one append-only file.

    {"draw": {"id", "seed", "cells": {cell: items in it}, "items": [{"id", "question", "variant", "cell", "probability"}…]}}
    {"label": {"item", "annotator", "verdict", "supported", "at"}}

The newest draw counts, and of each annotator the newest label of an item; nothing is ever rewritten. An item is one
answer, by the hash of question, variant and text: an answer that has changed since is another item. The file belongs to
the project, not to what GRAFT can build again. Knows nothing of scores or estimates.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from graft.errors import DataError
from graft.records import from_dict, to_dict
from graft.types import Row, content_hash
from graft.workspace import append_lines, read_lines

Verdict = Literal["right", "wrong", "declined", "unsure"]
Supported = Literal["", "yes", "no", "unsure"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
SUPPORTED: tuple[Supported, ...] = get_args(Supported)


@dataclass(frozen=True, slots=True)
class Item:
    """One answer that was drawn for labelling, and with which probability it was."""

    id: str
    question: str
    variant: str
    cell: str
    probability: float


@dataclass(frozen=True, slots=True)
class Draw:
    """A sample of answers in the order in which they are labelled. `cells` tells how many answers each cell held, drawn
    or not."""

    id: str
    seed: int
    items: tuple[Item, ...]
    cells: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Label:
    """What one annotator says of one item. `verdict`: is it right; `supported`: do the passages shown support all that it
    says ("" where that was not asked); `at`: when, ISO 8601."""

    item: str
    annotator: str
    verdict: Verdict
    supported: Supported = ""
    at: str = ""


@dataclass(frozen=True, slots=True)
class Labels:
    """A file of labels as it stands: the newest draw, and annotator → item → label."""

    draw: Draw | None = None
    by: Mapping[str, Mapping[str, Label]] = field(default_factory=dict)

    def of(self, item: str) -> tuple[Label, ...]:
        """Return what all annotators say of an item."""
        return tuple(found[item] for found in self.by.values() if item in found)


def item_id(row: Row) -> str:
    """Return the id of a row's answer; it does not tell which variant gave it."""
    return content_hash("item", row.question, row.variant, row.answer.text if row.answer else "")


def read_labels(path: Path) -> Labels:
    """Read a file of labels; one that does not exist holds none. A torn last line, left by a kill, is dropped. Raises DataError
    with file:line for a line that cannot be used."""
    draw: Draw | None = None
    by: dict[str, dict[str, Label]] = {}
    for number, record in enumerate(_records(path), start=1):
        try:
            if "draw" in record:
                draw = from_dict(Draw, record["draw"])
            else:
                label = checked(from_dict(Label, record["label"]))
                by.setdefault(label.annotator, {})[label.item] = label
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise _bad(path, number, str(error)) from error
    return Labels(draw, by)


def checked(label: Label) -> Label:
    """Return the label, or raise ValueError for a verdict that is none."""
    if label.verdict not in VERDICTS or label.supported not in SUPPORTED:
        raise ValueError(f"{label.verdict!r}, {label.supported!r} is no label")
    if not label.item or not label.annotator or not label.annotator.isprintable():
        raise ValueError("a label needs an item and an annotator, by a name that can be printed")
    return label


def add_draw(path: Path, draw: Draw) -> None:
    """Append a draw; the labels of items that it shares with earlier ones go on counting."""
    append_lines(path, [json.dumps({"draw": to_dict(draw)}, ensure_ascii=False)])


def add_labels(path: Path, labels: Sequence[Label]) -> None:
    """Append labels and flush them to disk."""
    append_lines(
        path, [json.dumps({"label": to_dict(checked(label))}, ensure_ascii=False) for label in labels]
    )


def _records(path: Path) -> list[Any]:
    try:
        return read_lines(path)
    except ValueError as error:
        lines = path.read_bytes().split(b"\n")
        for number, line in enumerate(lines, start=1):
            try:
                json.loads(line or b"{}")
            except ValueError as wrong:
                raise _bad(path, number, str(wrong)) from error
        raise


def _bad(path: Path, number: int, why: str) -> DataError:
    return DataError(
        f"{path}:{number} is no label: {why}.", "Take the line out; graft label writes this file itself."
    )
