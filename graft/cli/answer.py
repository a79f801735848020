"""The commands that answer: one question, or a server."""

from __future__ import annotations

from typing import Annotated

import typer

from graft.cli.app import HERE, AsJson, Folder, InProject, app, open_project, reported, show_result


@app.command()
@reported
def ask(
    question: Annotated[str, typer.Argument(help="The question.")],
    folder: InProject = HERE,
    variant: Annotated[
        str | None,
        typer.Option(help="base, rag, tuned, hybrid; default: the released, else the recommended one."),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            help="Only passages whose metadata has key=value; key>=value, <, … for numbers and dates."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Answer one question, with its sources."""
    from graft.filters import parsed

    project = open_project(folder)
    answer = project.ask(question, variant=variant, where=parsed(where or []))
    from graft.cli.console import answer_summary

    show_result(answer, as_json, answer_summary(answer))


@app.command()
@reported
def serve(
    folder: Folder = HERE,
    variant: Annotated[
        str | None,
        typer.Option(help="What 'graft' answers with; default: the released, else the recommended one."),
    ] = None,
    host: Annotated[
        str | None, typer.Option(help="Address to bind; default: graft.toml's, loopback.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port to bind; default: graft.toml's.")] = None,
) -> None:
    """Serve the variants behind an OpenAI-compatible API, with a page to try them."""
    open_project(folder).serve(variant=variant, host=host, port=port, announce=print)
