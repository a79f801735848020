"""One turn of the gap loop on examples/handbook, from the failures to the verdict on held-out questions.

python benchmarks/gap_turn.py documents                two teams' documents are missing; the turn finds and adds them (2 minutes)
python benchmarks/gap_turn.py form                     retrieval alone, no examples; the turn tunes on its gaps (20 minutes)

Works on a copy. The reviewer is played from what the authors of the handbook know: the documents that were taken away, and
the desk of each development question, which the drafts cannot know. Held-out questions are not looked at.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from graft import Project
from graft.verbs.gap_loop.proposals import Proposal, read_proposals, write_proposals

HANDBOOK = Path(__file__).parents[1] / "examples" / "handbook"
FORGOTTEN = ("it", "support")
TEXT = {".md", ".txt", ".csv", ".html"}


def main() -> None:
    """Run one turn and print what a user would see."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind", choices=("documents", "form"))
    parser.add_argument("--folder", type=Path, help="where to work; default: a temporary folder")
    chosen = parser.parse_args()
    root = (chosen.folder or Path(tempfile.mkdtemp())) / "handbook"
    shutil.copytree(HANDBOOK, root, ignore=shutil.ignore_patterns(".graft", "examples.jsonl"))
    away = take_away(root) if chosen.kind == "documents" else {}
    project = Project(root)
    project.build()
    print(project.gaps(variant="rag").text, flush=True)
    file = root / "gaps.jsonl"
    reviewed = [
        with_document(one, away) if chosen.kind == "documents" else with_form(one)
        for one in read_proposals(file)
    ]
    write_proposals(file, reviewed)
    print(f"\n{sum(one.reviewed for one in reviewed)} proposals reviewed\n", flush=True)
    print(project.apply_gaps(file, metric="truthfulness" if chosen.kind == "documents" else "format").text)


def take_away(root: Path) -> dict[str, str]:
    """Remove the text documents of two teams, as if nobody had thought of them, and let answers be quoted: a reader this
    small would hide what a document brings. Returns them by id."""
    away = {}
    for team in FORGOTTEN:
        for path in sorted((root / "documents" / team).iterdir()):
            if path.suffix in TEXT:
                away[f"{team}/{path.name}"] = path.read_text(encoding="utf-8")
                path.unlink()
    settings = root / "graft.toml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(f'{text}\n[generation]\nmodel = "extractive"\n', encoding="utf-8")
    return away


def with_document(proposal: Proposal, away: dict[str, str]) -> Proposal:
    """Review a proposal of a missing document: write what the team has on file."""
    text = away.get(proposal.path, "") if proposal.kind == "document" else ""
    return replace(proposal, output=text, reviewed=True) if text else proposal


def with_form(proposal: Proposal) -> Proposal:
    """Review a drafted answer: put it into the house form, with the desk that the team knows."""
    if proposal.kind != "example":
        return proposal
    said = proposal.output.split("\n", maxsplit=1)[0]
    return replace(proposal, output=f"Answer: {said}\nDesk: {desks()[proposal.question]}", reviewed=True)


def desks() -> dict[str, str]:
    """Return the desk of each development question."""
    lines = (HANDBOOK / "questions-dev.jsonl").read_text(encoding="utf-8").splitlines()
    return {
        row["id"]: next(tag.removeprefix("desk:") for tag in row["tags"] if tag.startswith("desk:"))
        for row in map(json.loads, lines)
    }


if __name__ == "__main__":
    main()
