"""The commands for question sets: imported, held out of the examples, or made from the documents."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from graft.cli.app import HERE, AsJson, Folder, app, open_project, reported, show_result
from graft.errors import UnknownName

if TYPE_CHECKING:
    from graft.verbs.generate_questions import How

group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Work on question sets.")
app.add_typer(group, name="questions")


@group.command("import")
@reported
def import_questions(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="CSV, TSV, SQuAD JSON, or JSON Lines.")],
    to: Annotated[Path, typer.Option(help="The questions file to write.")] = Path("questions.jsonl"),
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=THEIRS", help="What question, answers, document or id is called in the file."
        ),
    ] = None,
    force: Annotated[bool, typer.Option(help="Overwrite it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Turn a question set into a questions file, and say what would mislead about it."""
    from graft.project import Project

    columns = dict(text.partition("=")[::2] for text in column or ())
    imported = Project.import_questions(source, to, columns=columns, force=force)
    show_result(imported, as_json)


@group.command("hold-out")
@reported
def hold_out(
    folder: Folder = HERE,
    share: Annotated[float, typer.Option(help="Share of the examples to hold out.")] = 0.3,
    as_json: AsJson = False,
) -> None:
    """Turn a share of the examples into held-out questions, for a project that has nothing to measure on."""
    show_result(open_project(folder).hold_out(share), as_json)


@group.command("generate")
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
    from graft.cli.console import progress

    if how not in (known := ("auto", "written", "cloze")):
        raise UnknownName("way to make questions", how, known)
    with progress() as report:
        made = open_project(folder).generate_questions(
            to=to, count=count, unanswerable=unanswerable, multi_document=multi_document, how=cast("How", how),
            force=force, progress=report,
        )  # fmt: skip
    show_result(made, as_json)
