"""The commands that make things: a project file, an index, adapters."""

from __future__ import annotations

from typing import Annotated

import typer

from graft.cli.app import HERE, AsJson, DryRun, Folder, app, open_project, reported, show_data, show_result


@app.command()
@reported
def init(
    folder: Folder = HERE,
    force: Annotated[bool, typer.Option(help="Overwrite an existing graft.toml.")] = False,
    as_json: AsJson = False,
) -> None:
    """Look at a folder of files and write a commented graft.toml that works on it."""
    from graft.project import Project

    show_result(Project.init(folder, force=force), as_json)


@app.command()
@reported
def build(
    folder: Folder = HERE,
    retrain: Annotated[
        bool, typer.Option(help="Train the adapters even if nothing they are made of changed.")
    ] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Index the documents and fine-tune the model on the examples. Only what changed is done again."""
    project = open_project(folder)
    if dry_run:
        show_data(project.plan_build(), as_json)
        return
    from graft.cli.console import progress

    with progress() as report:
        built = project.build(progress=report, retrain=retrain)
    show_result(built, as_json)


@app.command()
@reported
def status(folder: Folder = HERE, as_json: AsJson = False) -> None:
    """Show what is built, what is stale, what was measured and what is released."""
    show_data(open_project(folder).status(), as_json)


@app.command()
@reported
def doctor(folder: Folder = HERE, as_json: AsJson = False) -> None:
    """Check the machine, the installation and the project, and say how to mend what is wrong."""
    from graft.verbs.doctor import doctor as examine

    findings = examine(folder)
    show_result(findings, as_json, "\n".join(finding.line for finding in findings))
    if any(finding.level == "wrong" for finding in findings):
        raise typer.Exit(1)
