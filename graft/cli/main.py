"""The entry point: every command, in the order of the work."""

from __future__ import annotations

from typing import Annotated

import typer

from graft.cli import answer, decide, improve, index, make, measure, questions
from graft.cli.app import app

__all__ = ["answer", "app", "decide", "improve", "index", "main", "make", "measure", "questions"]


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    """RAG or fine-tuning? Build base, rag, tuned and hybrid on your documents, measure them, serve the best."""
    if show:
        from importlib.metadata import version as installed

        print(f"graft {installed('graft-llm')}")
        raise typer.Exit


def main() -> None:
    """Run the command line."""
    app()
