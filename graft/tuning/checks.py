"""Which examples may train a model: the check whose report is printed before a run.

Refuses, fixes or warns, and says where and why; a held-out question among the examples stops everything. Knows nothing
of prompts and models: lengths come from a callable.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from graft.errors import nearest
from graft.tuning.leaks import near_duplicates, normalise, refuse_leaks
from graft.types import Example

ENOUGH = 100
# Shares and counts beyond which a label is so common that answering it always looks good, or too rare to learn.
MAJORITY = 0.8
RARE_LABEL = 3

Severity = Literal["refused", "fixed", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing the check noticed. `where` is file:line (or the example's id), "" for the set as a whole."""

    kind: str
    severity: Severity
    where: str
    message: str


@dataclass(frozen=True, slots=True)
class Checked:
    """The examples that may be trained on, in file order, and all findings."""

    kept: tuple[Example, ...]
    findings: tuple[Finding, ...] = ()

    def summary(self) -> str:
        """Return the printed report: one line of counts, then up to three findings of each kind."""
        counts = Counter(finding.severity for finding in self.findings)
        parts = [f"{counts[severity]} {severity}" for severity in ("refused", "fixed", "warning")]
        lines = [f"Examples: {len(self.kept)} kept, {', '.join(parts)}."]
        kinds: dict[tuple[str, str], list[Finding]] = defaultdict(list)
        for finding in self.findings:
            kinds[finding.severity, finding.kind].append(finding)
        for (severity, kind), found in kinds.items():
            lines += [
                f"  {severity} ({kind}) {item.where + ': ' if item.where else ''}{item.message}"
                for item in found[:3]
            ]
            if len(found) > 3:
                lines.append(f"  {severity} ({kind}) … and {len(found) - 3} more")
        return "\n".join(lines)


def check_examples(
    examples: Sequence[Example],
    *,
    questions: Sequence[tuple[str, str]] = (),
    count_tokens: Callable[[str], int] | None = None,
    max_tokens: int = 0,
    known_documents: Collection[str] | None = None,
) -> Checked:
    """Return the examples that may be trained on and what was found.

    `questions` are the held-out (id, text) pairs: a leak raises LeakError that lists both sides. `count_tokens` gives
    the tokens of a text: an example longer than `max_tokens` is refused, never cut (the trainer refuses by the exact
    length of its row as well).
    `known_documents` are the indexed document ids; None skips that check.
    """
    findings: list[Finding] = []
    kept = _without_empty(examples, findings)
    kept = _without_duplicates(kept, findings)
    refuse_leaks(kept, questions)  # before anything that may load a tokenizer
    if count_tokens is not None and max_tokens:
        kept = _without_too_long(kept, count_tokens, max_tokens, findings)
    _warn_conflicts(kept, findings)
    _warn_near_duplicates(kept, findings)
    if known_documents is not None:
        _warn_unknown_documents(kept, known_documents, findings)
    _warn_few(kept, findings)
    _warn_imbalance(kept, findings)
    return Checked(tuple(kept), tuple(findings))


def _place(example: Example) -> str:
    return example.where or example.id


def _without_empty(examples: Sequence[Example], findings: list[Finding]) -> list[Example]:
    """Refuse examples without words; strip blank edges and Windows line ends, which a model would learn to write."""
    kept = []
    for example in examples:
        output = example.output.replace("\r\n", "\n").strip()
        if not output or not example.input.strip():
            side = "output" if not output else "input"
            findings.append(Finding("empty", "refused", _place(example), f"the {side} is empty"))
            continue
        if output != example.output:
            message = "blank edges or Windows line ends of the output were removed"
            findings.append(Finding("whitespace", "fixed", _place(example), message))
        kept.append(replace(example, output=output))
    return kept


def _asked(example: Example) -> str:
    return "\n".join(f"{message.role}: {normalise(message.content)}" for message in example.messages)


def _without_duplicates(examples: Sequence[Example], findings: list[Finding]) -> list[Example]:
    first: dict[tuple[str, str], str] = {}
    kept = []
    for example in examples:
        key = (_asked(example), example.output)
        if key in first:
            findings.append(Finding("duplicate", "refused", _place(example), f"repeats {first[key]}"))
            continue
        first[key] = _place(example)
        kept.append(example)
    return kept


def _without_too_long(
    examples: Sequence[Example], count_tokens: Callable[[str], int], most: int, findings: list[Finding]
) -> list[Example]:
    kept = []
    for example in examples:
        length = sum(map(count_tokens, [*(turn.content for turn in example.messages), example.output]))
        if length <= most:
            kept.append(example)
            continue
        message = f"{length} tokens, but the model reads {most}; shorten it (GRAFT never cuts an answer)"
        findings.append(Finding("too-long", "refused", _place(example), message))
    return kept


def _warn_conflicts(examples: Sequence[Example], findings: list[Finding]) -> None:
    groups: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        groups[_asked(example)].append(example)
    for group in groups.values():
        if len({example.output for example in group}) > 1:
            others = ", ".join(_place(example) for example in group[1:6])
            message = f"the same input has another output at {others}: the model learns neither"
            findings.append(Finding("conflict", "warning", _place(group[0]), message))


def _warn_near_duplicates(examples: Sequence[Example], findings: list[Finding]) -> None:
    for left, right, similarity in near_duplicates([f"{item.input}\n{item.output}" for item in examples]):
        message = (
            f"nearly repeats {_place(examples[left])} (Jaccard {similarity:.2f}): it counts twice in training"
        )
        findings.append(Finding("near-duplicate", "warning", _place(examples[right]), message))


def _warn_unknown_documents(
    examples: Sequence[Example], known: Collection[str], findings: list[Finding]
) -> None:
    names = set(known)
    for example in examples:
        for name in example.documents:
            if name not in names:
                guess = nearest(name, names)
                hint = f"; did you mean {guess!r}?" if guess else ""
                message = f"names the document {name!r}, which is not indexed{hint}"
                findings.append(Finding("unknown-document", "warning", _place(example), message))


def _warn_few(examples: Sequence[Example], findings: list[Finding]) -> None:
    if len(examples) >= ENOUGH:
        return
    message = (
        f"only {len(examples)} examples. OpenAI's fine-tuning guide sees clear gains from 50 to 100; and a tenth held "
        f"back for early stopping leaves {max(1, len(examples) // 10)}, too few to tell learning from noise. "
        f"Collect {ENOUGH - len(examples)} more, or expect retrieval to win"
    )
    findings.append(Finding("few-examples", "warning", "", message))


def _warn_imbalance(examples: Sequence[Example], findings: list[Finding]) -> None:
    for name, counts in _label_fields([example.output for example in examples]).items():
        label, most = counts.most_common(1)[0]
        total = sum(counts.values())
        rare = sorted(value for value, count in counts.items() if count < RARE_LABEL)
        if most > MAJORITY * total:
            message = f"{name} is {label!r} in {most} of {total} outputs: answering it always would look good"
            findings.append(Finding("imbalance", "warning", "", message))
        if rare:
            shown = ", ".join(map(repr, rare[:5])) + (" …" if len(rare) > 5 else "")
            message = f"{len(rare)} of {len(counts)} values of {name} have fewer than {RARE_LABEL} examples: {shown}"
            findings.append(Finding("rare-label", "warning", "", message))


def _label_fields(outputs: Sequence[str]) -> dict[str, Counter[str]]:
    """Return field name → counts of its values, for the fields that look like a label: a key of a JSON output or a
    line, present in nine of ten outputs, with 2 to 100 distinct values that repeat five times on average."""
    fields: dict[str, Counter[str]] = defaultdict(Counter)
    for output in outputs:
        for name, value in _fields(output):
            fields[name][value] += 1
    return {
        name: counts
        for name, counts in fields.items()
        if counts.total() >= 0.9 * len(outputs) and 2 <= len(counts) <= min(100, counts.total() // 5)
    }


def _fields(output: str) -> list[tuple[str, str]]:
    try:
        record = json.loads(output)
    except ValueError:
        record = None
    if isinstance(record, dict):
        return [
            (f'the key "{key}"', str(value))
            for key, value in record.items()
            if not isinstance(value, dict | list)
        ]
    lines = output.split("\n")
    if len(lines) == 1:
        return [("the output", output)]
    return [(f"line {number} of the output", line) for number, line in enumerate(lines, start=1)]
