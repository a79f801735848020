"""The commands that look for something better: retrieval settings, thresholds, and examples that close gaps."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Literal

import typer

from graft.cli.app import HERE, AsJson, DryRun, Folder, app, open_project, reported, show_data, show_result


class Retriever(Enum):
    """What graft optimize can fine-tune."""

    EMBEDDER = "embedder"
    RERANKER = "reranker"

    @property
    def kind(self) -> Literal["embedder", "reranker"]:
        """The name, as Python takes it."""
        return "embedder" if self is Retriever.EMBEDDER else "reranker"


@app.command()
@reported
def optimize(
    folder: Folder = HERE,
    minutes: Annotated[
        float | None, typer.Option(help="How long to search; default: [optimize] minutes.")
    ] = None,
    train: Annotated[
        list[Retriever] | None,
        typer.Option(help="Fine-tune it on the examples first, and let it compete. May be repeated."),
    ] = None,
    write: Annotated[bool, typer.Option(help="Write the winner into graft.toml.")] = True,
    cheaper: Annotated[
        bool, typer.Option(help="Also take what is as good within 2 points for a fifth fewer tokens.")
    ] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Search better [retrieval] settings on development questions; keep them if held-out questions agree."""
    project = open_project(folder)
    kinds = [one.kind for one in train or ()]
    if dry_run:
        show_data(project.plan_optimize(minutes=minutes, train=kinds), as_json)
        return
    from graft.cli.console import progress

    with progress() as report:
        found = project.optimize(minutes=minutes, train=kinds, write=write, cheaper=cheaper, progress=report)
    show_result(found, as_json)


@app.command()
@reported
def calibrate(
    folder: Folder = HERE,
    variant: Annotated[
        str | None, typer.Option(help="Instead: from which confidence on this variant should answer.")
    ] = None,
    target: Annotated[float, typer.Option(help="The share of answerable questions to keep.")] = 0.95,
    as_json: AsJson = False,
) -> None:
    """Find when to decline (the least cosine, or confidence) on development questions; judge it on the held-out ones."""
    project = open_project(folder)
    if variant is None:
        show_result(project.calibrate(target), as_json)
        return
    from graft.cli.console import progress

    with progress() as report:
        selected = project.calibrate_confidence(variant, progress=report)
    show_result(selected, as_json)


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
    from graft.cli.console import progress

    project = open_project(folder)
    with progress() as report:
        if apply is not None:
            turn = project.apply_gaps(apply, metric=metric, progress=report)
            show_result(turn, as_json)
        else:
            found = project.gaps(variant=variant, burn=burn, out=out, force=force, progress=report)
            show_result(found, as_json)
