"""The commands for the index: following the documents, and versions side by side."""

from __future__ import annotations

import io
import sys
import time
from typing import Annotated

import typer

from graft.cli.app import HERE, AsJson, Folder, InProject, app, open_project, reported, show_result

group = typer.Typer(
    no_args_is_help=True,
    help="Versions of the index side by side: build, measure, promote, roll back.",
)
app.add_typer(group, name="index")
Name = Annotated[str, typer.Argument(help="The version's name.")]
AsIs = Annotated[
    bool, typer.Option("--as-is", help="Switch at once, without bringing the version up to date first.")
]


@app.command()
@reported
def sync(
    folder: Folder = HERE,
    watch: Annotated[bool, typer.Option("--watch", help="Go on following the folder until Ctrl-C.")] = False,
    poll: Annotated[
        bool, typer.Option("--poll", help="Look at the files every half second: for network folders.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Bring the index up to date with the documents; nothing is trained."""
    from graft.cli.console import progress

    project = open_project(folder)
    if not watch:
        with progress() as report:
            synced = project.sync(progress=report)
        show_result(synced, as_json)
        return
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # each line when it happens, into a pipe or a log, too
    with progress() as report:
        done = project.watch(progress=report, poll=poll)
        first = next(done)
    show_result(first, as_json)
    try:
        for synced in done:
            at = time.strftime("%H:%M:%S")
            show_result(synced, as_json, f"{at}  {synced.text}")
    except KeyboardInterrupt:
        print("Stopped. Everything up to here is indexed.")


@group.command("list")
@reported
def list_versions(folder: InProject = HERE, as_json: AsJson = False) -> None:
    """Show the versions, what made them, and how far they are behind the documents. * is in service."""
    found = open_project(folder).indexes.list()
    lines = "\n".join(version.line for version in found)
    show_result(found, as_json, lines or "No index yet: run graft build.")


@group.command()
@reported
def build(
    name: Name,
    folder: InProject = HERE,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change [retrieval], e.g. chunker=sentence-window or chunker.window=2."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Build a version beside the one in service, or bring it up to date."""
    from graft.cli.console import progress

    with progress() as report:
        indexed = open_project(folder).indexes.build(name, changes or (), progress=report)
    show_result(indexed, as_json)


@group.command()
@reported
def measure(
    names: Annotated[list[str] | None, typer.Argument(help="The versions; default: all.")] = None,
    folder: InProject = HERE,
    held_out: Annotated[
        bool, typer.Option("--held-out", help="On the held-out questions instead of the development ones.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what each version finds of the questions' gold evidence; no model is asked."""
    from graft.cli.console import progress

    with progress() as report:
        scores = open_project(folder).indexes.measure(names or (), held_out=held_out, progress=report)
    show_result(scores, as_json)


@group.command()
@reported
def promote(name: Name, folder: InProject = HERE, as_is: AsIs = False, as_json: AsJson = False) -> None:
    """Put a version into service: the next query of every process uses it."""
    from graft.cli.console import progress

    with progress() as report:
        switched = open_project(folder).indexes.promote(name, as_is=as_is, progress=report)
    show_result(switched, as_json)


@group.command()
@reported
def rollback(folder: InProject = HERE, as_is: AsIs = False, as_json: AsJson = False) -> None:
    """Bring back the version that was in service before."""
    from graft.cli.console import progress

    with progress() as report:
        switched = open_project(folder).indexes.rollback(as_is=as_is, progress=report)
    show_result(switched, as_json)


@group.command()
@reported
def drop(name: Name, folder: InProject = HERE, as_json: AsJson = False) -> None:
    """Remove a version that is not in service."""
    show_result(open_project(folder).indexes.drop(name), as_json)


@group.command()
@reported
def trim(folder: InProject = HERE, as_json: AsJson = False) -> None:
    """Drop from the caches what no version of the index and no file holds."""
    show_result(open_project(folder).indexes.trim(), as_json)
