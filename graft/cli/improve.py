"""The commands that close gaps: find them, review them, and try what was reviewed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from graft.cli.app import HERE, AsJson, Folder, app, open_project, reported, show_result


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
