"""The shape of the house style, learnt from the outputs: which labels open the lines, and how the house abstains.

A style such as

    Answer: You have 25 days of annual leave.
    Next step: Book them in the calendar.

must also hold when the answer is "I don't know.", or the format contract breaks exactly where nobody looks. Knows
only strings.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

ABSTENTION = "I don't know."
SHARED = 0.8

# "Answer: ", "**Answer:** ", "- Next step: ": a few words, a colon, perhaps marks, a space.
_LABEL = re.compile(r"^[^\w\n]*\w[\w '’/()-]{0,40}:[^\w\s]*\s+")


@dataclass(frozen=True, slots=True)
class HouseStyle:
    """`labels` open a line in at least 80 % of the outputs. `abstention` is the form that most abstaining outputs
    share, "" when there is none."""

    labels: frozenset[str] = frozenset()
    abstention: str = ""

    def can_abstain(self, output: str) -> bool:
        """Whether an abstention can be written in the style of this output: a JSON object needs a known form."""
        return bool(self.abstention) or not is_record(output)

    def abstain(self, output: str, line: int) -> str:
        """Return the abstention that stands for `output`: the form the examples show; else the output with the content
        of the answering line (by its index) replaced, when a shared label opens it; else the plain sentence."""
        if self.abstention:
            return self.abstention
        lines = output.split("\n")
        label = label_of(lines[line])
        if label in self.labels:
            lines[line] = label + ABSTENTION
            return "\n".join(lines)
        return ABSTENTION


def learn_style(outputs: Sequence[str], is_abstention: Callable[[str], bool]) -> HouseStyle:
    """Return the style of the outputs."""
    labels = Counter(
        label for output in outputs for label in {label_of(line) for line in output.split("\n")} if label
    )
    shared = frozenset(label for label, count in labels.items() if count >= SHARED * len(outputs))
    abstaining = Counter(output for output in outputs if is_abstention(output))
    form, count = abstaining.most_common(1)[0] if abstaining else ("", 0)
    return HouseStyle(shared, form if count * 2 >= abstaining.total() else "")


def label_of(line: str) -> str:
    """Return the label that opens the line, its space included, or ""."""
    match = _LABEL.match(line)
    return match.group() if match else ""


def strip_label(line: str) -> str:
    """Return the line without its label."""
    return line[len(label_of(line)) :]


def is_record(text: str) -> bool:
    """Whether a text is a JSON object or list, which has a form of its own."""
    try:
        return isinstance(json.loads(text), dict | list)
    except ValueError:
        return False
