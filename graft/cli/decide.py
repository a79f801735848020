"""The commands that decide what answers from now on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from graft.cli.app import HERE, AsJson, Folder, InProject, app, open_project, reported, show_result
from graft.errors import UnknownName

if TYPE_CHECKING:
    from graft.verbs.export import Dtype


@app.command()
@reported
def advise(
    folder: Folder = HERE,
    answers: Annotated[
        Path | None, typer.Option(help="A TOML file with the answers, as in [advice] of graft.toml.")
    ] = None,
    ask: Annotated[
        bool | None,
        typer.Option("--ask/--no-ask", help="Ask the questions; default: in a terminal without --answers."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Before any data: what to expect, with its published evidence, what to do first, what to collect, what it costs."""
    from graft.project import Project

    wanted = ask if ask is not None else sys.stdin.isatty() and answers is None and not as_json
    found = Project.advise(folder, answers=answers, ask=input if wanted else None)
    show_result(found, as_json)


@app.command()
@reported
def recommend(
    folder: Folder = HERE,
    ask: Annotated[
        bool,
        typer.Option("--ask", help="Before any data: ask questions and advise (the same as graft advise)."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Decide again from the last comparison under today's [decision] settings, and print every step."""
    if ask:
        advise(folder, None, True, as_json)
        return
    decided = open_project(folder).recommend()
    show_result(decided, as_json, decided.trace)


@app.command()
@reported
def release(
    variant: Annotated[str | None, typer.Argument(help="Default: the recommended one.")] = None,
    folder: InProject = HERE,
    as_json: AsJson = False,
) -> None:
    """Promote a measured variant: ask and serve answer with it from now on, with this adapter and this prompt."""
    show_result(open_project(folder).release(variant), as_json)


@app.command()
@reported
def rollback(folder: Folder = HERE, as_json: AsJson = False) -> None:
    """Bring back what was released before the current release."""
    show_result(open_project(folder).rollback(), as_json)


@app.command()
@reported
def export(
    variant: Annotated[
        str | None, typer.Argument(help="tuned or hybrid; default: the released, else the recommended one.")
    ] = None,
    folder: InProject = HERE,
    to: Annotated[
        Path | None, typer.Option(help="The folder to write; default: models/VARIANT-ADAPTER in the project.")
    ] = None,
    adapter_only: Annotated[
        bool, typer.Option("--adapter-only", help="The plain peft adapter, not merged into the base.")
    ] = False,
    dtype: Annotated[
        str, typer.Option(help="float32, bfloat16, float16; auto: the type in which GRAFT runs the model.")
    ] = "auto",
    as_json: AsJson = False,
) -> None:
    """Write a variant's model so that it runs elsewhere (vLLM, llama.cpp, transformers), compared with what it says here."""
    if dtype not in (known := ("auto", "float32", "bfloat16", "float16")):
        raise UnknownName("type of weights", dtype, known)
    made = open_project(folder).export(variant, to=to, adapter_only=adapter_only, dtype=cast("Dtype", dtype))
    show_result(made, as_json)
