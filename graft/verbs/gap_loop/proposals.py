"""The file of proposals: one JSON object a line for the program, the same as Markdown for the reader.

A proposal is applied only when somebody has set its "reviewed" to true. Knows no model and no project.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from graft import jsonl
from graft.decision.recommending.failures import CAUSES
from graft.errors import DataError
from graft.records import from_dict, to_dict
from graft.types import Message
from graft.workspace import write_text

KINDS = ("example", "document", "search")


@dataclass(frozen=True, slots=True)
class Proposal:
    """What could be done about one failing development question.

    "example": train on `messages` → `output`, grounded in `documents`. "document": write `output` to the new file `path`.
    "search": the document is there and was not found; nothing to apply, something to look at. `said` is what `variant`
    answered, `gold` what it should have said, `notes` what a reader should check.
    """

    kind: str
    question: str
    cause: str
    variant: str
    messages: tuple[Message, ...]
    output: str = ""
    documents: tuple[str, ...] = ()
    path: str = ""
    said: str = ""
    gold: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    reviewed: bool = False


def write_proposals(path: Path, proposals: Sequence[Proposal]) -> Path:
    """Write the JSONL, "reviewed" first, and beside it the Markdown, whose path is returned."""
    lines = []
    for proposal in proposals:
        record = to_dict(proposal)
        lines.append(json.dumps({"reviewed": record.pop("reviewed"), **record}, ensure_ascii=False))
    write_text(path, "".join(f"{line}\n" for line in lines))
    readable = path.with_suffix(".md")
    write_text(readable, to_markdown(proposals, path.name))
    return readable


def read_proposals(path: Path) -> tuple[Proposal, ...]:
    """Read the JSONL. Raises DataError with file:line for a line that is not a proposal."""
    found = []
    for number, line in jsonl.lines(path, "proposals", "Make them with: graft gaps"):
        try:
            proposal = from_dict(Proposal, json.loads(line))
        except (ValueError, TypeError, AttributeError) as error:
            raise DataError(
                f"{path}:{number} is not a proposal: {error}.", "Make the file again: graft gaps"
            ) from error
        if proposal.kind not in KINDS or not isinstance(proposal.reviewed, bool) or not proposal.messages:
            raise DataError(
                f"{path}:{number} is not a proposal.",
                f"kind is one of {', '.join(KINDS)}; reviewed true or false.",
            )
        found.append(proposal)
    return tuple(found)


def to_markdown(proposals: Sequence[Proposal], name: str) -> str:
    """Return the proposals for reading, by cause."""
    lines = [
        "# Gaps",
        "",
        f"For review: set `reviewed` to `true` in `{name}` where you agree, change what is not right, then run "
        f"`graft gaps --apply {name}`. Nothing has been changed yet.",
    ]
    for cause in dict.fromkeys(proposal.cause for proposal in proposals):
        same = [proposal for proposal in proposals if proposal.cause == cause]
        lines += ["", f"## {cause}: {len(same)}", "", CAUSES.get(cause, "")]
        for proposal in same:
            lines += ["", f"### {proposal.question}: {_inline(proposal.messages[-1].content)}", ""]
            lines += [f"- {proposal.variant} said: {_inline(proposal.said) or '(nothing)'}"]
            lines += [f"- should be: {_inline(' / '.join(proposal.gold)) or '(not answerable)'}"]
            lines += _proposed(proposal)
            lines += [f"- check: {_inline(note)}" for note in proposal.notes]
    return "\n".join(lines) + "\n"


def _proposed(proposal: Proposal) -> list[str]:
    if proposal.kind == "search":
        return []
    what = f"new file `{proposal.path}`" if proposal.kind == "document" else "proposed answer to train on"
    quoted = proposal.output.split("\n") if proposal.output else ["(to be written)"]
    return [f"- {what}:", "", *(f"  > {line}" for line in quoted), ""]


def _inline(text: str) -> str:
    return " ".join(text.split()).replace("<", "\\<")
