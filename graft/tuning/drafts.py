"""Drafts of training examples in the house's form, from what an answer should have said.

The form is learnt from the outputs there are: which labelled lines an answer has, which of them is free text and which
comes from a small set. A draft fills the free line and takes the others from the nearest examples; a person reads it
before anything is trained. Knows only strings; what is near comes from the caller.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from graft.sentences import sentence_spans
from graft.tuning.style import ABSTENTION, SHARED, label_of, strip_label

# A labelled line with at most this many different contents, each seen three times on average, is a choice among them.
_MOST_CHOICES = 30
_SEEN = 3
_LIST_MARK = re.compile(r"^\s*(?:[-*+•]|\d+[.)])\s+")
_MARKUP = re.compile(r"[*_`#]+|\[([^\]]*)\]\([^)]*\)")


@dataclass(frozen=True, slots=True)
class Line:
    """One labelled line of the house form; `choices` when its content is one of a small set, empty when it is free."""

    label: str
    choices: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class HouseForm:
    """The lines of the house form in their order; empty when answers are plain text. `json` when they are objects."""

    lines: tuple[Line, ...] = ()
    json: bool = False


@dataclass(frozen=True, slots=True)
class Draft:
    """A drafted output, and what a reader should look at: which contents were guessed, and from how many examples.
    An empty output means that a person has to write it."""

    output: str
    notes: tuple[str, ...] = ()


def learn_form(outputs: Sequence[str]) -> HouseForm:
    """Return the form that at least 80 % of the outputs share."""
    if outputs and sum(output.lstrip().startswith("{") for output in outputs) >= SHARED * len(outputs):
        return HouseForm(json=True)
    contents: dict[str, list[str]] = {}
    for output in outputs:
        for line in output.split("\n"):
            if label := label_of(line):
                contents.setdefault(label, []).append(strip_label(line).strip())
    shared = [label for label, found in contents.items() if len(found) >= SHARED * len(outputs)]
    return HouseForm(tuple(Line(label, _choices(contents[label])) for label in shared))


def _choices(contents: Sequence[str]) -> frozenset[str]:
    distinct = frozenset(contents)
    few = len(distinct) <= min(_MOST_CHOICES, len(contents) / _SEEN)
    return distinct if few else frozenset()


def draft(form: HouseForm, said: str, neighbours: Sequence[str]) -> Draft:
    """Return the output that says `said` in the house form. `neighbours` are the outputs of the nearest examples, the
    nearest first: they vote on the lines whose content is one of a small set."""
    if form.json:
        return Draft("", ("The examples are JSON objects: write this one.",))
    if not form.lines:
        return Draft(said)
    free = [line for line in form.lines if not line.choices]
    written, notes = [], []
    for line in form.lines:
        if line.choices:
            content, note = _voted(line, neighbours)
            notes.append(note)
        else:
            content = said if line == free[0] else ""
            if line != free[0]:
                notes.append(f"{line.label.strip()} is free text: write it.")
        written.append(f"{line.label}{content}")
    return Draft("\n".join(written), tuple(notes))


def _voted(line: Line, neighbours: Sequence[str]) -> tuple[str, str]:
    votes = Counter(
        strip_label(found).strip()
        for output in neighbours
        for found in output.split("\n")
        if label_of(found) == line.label
    )
    if not votes:
        return min(line.choices), f"{line.label.strip()} is a guess without a near example: check it."
    content, count = votes.most_common(1)[0]
    total = sum(votes.values())
    sure = "" if count == total else ": check it"
    return content, f"{line.label.strip()} {content} as in {count} of the {total} nearest examples{sure}."


def wording(answers: Sequence[str], evidence: Sequence[str], is_right: Callable[[str], bool]) -> str:
    """Return what the answer should say: the sentence of the gold evidence that gives it, without its markup, or the first
    reference answer where no sentence does (a table row, a fragment)."""
    for text in evidence:
        for start, end in sentence_spans(text):
            sentence = _MARKUP.sub(r"\1", _LIST_MARK.sub("", text[start:end])).strip()
            if "|" not in sentence and sentence.endswith((".", "!")) and is_right(sentence):
                return sentence
    return answers[0] if answers else ABSTENTION
