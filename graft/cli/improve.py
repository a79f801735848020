"""The commands that make data from a project: proposals that close gaps, and synthetic questions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from graft.cli.app import HERE, AsJson, Folder, app, open_project, reported, show_result
from graft.cli.measure import questions
from graft.errors import UnknownName

if TYPE_CHECKING:
    from graft.verbs.generate_questions import How


@app.command()
@reported
def gaps(
    folder: Folder = HERE,
    variant: Annotated[
        str | None, typer.Option(help="Whose gaps; default: the released, else the recommended variant.")
    ] = None,
    burn: Annotated[
        float | None,
        typer.Option(
            help="Without development questions: take this share of the questions out of the measurement."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The file to write; default: gaps.jsonl in the project.")
    ] = None,
    force: Annotated[bool, typer.Option(help="Overwrite proposals that are reviewed.")] = False,
    apply: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Train on the file's reviewed proposals; keep it only if it is better."
        ),
    ] = None,
    metric: Annotated[
        str,
        typer.Option(help="With --apply: what must get better; utility is what answers are worth to you."),
    ] = "utility",
    as_json: AsJson = False,
) -> None:
    """Find why a variant fails, propose examples and documents for review, and apply what was reviewed if it helps."""
    from graft.console import progress

    project = open_project(folder)
    with progress() as report:
        if apply is not None:
            turn = project.apply_gaps(apply, metric=metric, progress=report)
            show_result(turn, lambda done: done.text, as_json)
        else:
            found = project.gaps(variant=variant, burn=burn, out=out, force=force, progress=report)
            show_result(found, lambda done: done.text, as_json)


@questions.command("generate")
@reported
def generate_questions(
    folder: Folder = HERE,
    to: Annotated[
        Path | None,
        typer.Option(help="The file to write; default: questions-synthetic.jsonl in the project."),
    ] = None,
    count: Annotated[int, typer.Option(help="About how many.")] = 100,
    unanswerable: Annotated[float, typer.Option(help="Share that the documents do not answer.")] = 0.2,
    multi_document: Annotated[
        float, typer.Option("--multi-document", help="Share that needs two documents (written ones only).")
    ] = 0.1,
    how: Annotated[
        str,
        typer.Option(
            help="written (by the configured generator), cloze (by rule), auto: cloze where written fail."
        ),
    ] = "auto",
    force: Annotated[bool, typer.Option(help="Overwrite the file.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make synthetic questions from the indexed documents, filtered and flagged, for a project without enough of its own."""
    from graft.console import progress

    if how not in (known := ("auto", "written", "cloze")):
        raise UnknownName("way to make questions", how, known)
    with progress() as report:
        made = open_project(folder).generate_questions(
            to=to, count=count, unanswerable=unanswerable, multi_document=multi_document, how=cast("How", how),
            force=force, progress=report,
        )  # fmt: skip
    show_result(made, lambda found: found.text, as_json)
