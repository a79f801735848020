"""The commands that measure: compare, check, and what they are fed with."""

from __future__ import annotations

import sys
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from graft.cli.app import (
    HERE,
    AsJson,
    DryRun,
    Folder,
    InProject,
    app,
    open_project,
    reported,
    show_data,
    show_result,
)

questions = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Work on question sets.")
app.add_typer(questions, name="questions")


@app.command()
@reported
def compare(
    folder: Folder = HERE,
    dry_run: DryRun = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="Say how many questions to collect; ask nothing.")
    ] = False,
    difference: Annotated[
        float, typer.Option(help="With --plan: the difference that matters to you.")
    ] = 0.05,
    as_json: AsJson = False,
) -> None:
    """Put the same held-out questions to every variant; print the table, the verdict and the report's path."""
    project = open_project(folder)
    if plan:
        show_result(project.plan_questions(difference), lambda found: found.text, as_json)
        return
    if dry_run:
        show_data(project.plan_compare(), as_json)
        return
    from graft.console import progress

    with progress() as report:
        decided = project.compare(progress=report)
    show_result(decided, lambda found: found.text, as_json)


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
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Search better [retrieval] settings on development questions; keep them if held-out questions agree."""
    project = open_project(folder)
    kinds = [one.kind for one in train or ()]
    if dry_run:
        show_data(project.plan_optimize(minutes=minutes, train=kinds), as_json)
        return
    from graft.console import progress

    with progress() as report:
        found = project.optimize(minutes=minutes, train=kinds, write=write, progress=report)
    show_result(found, lambda optimized: optimized.text, as_json)


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
        show_result(project.calibrate(target), lambda found: found.text, as_json)
        return
    from graft.console import progress

    with progress() as report:
        selected = project.calibrate_confidence(variant, progress=report)
    show_result(selected, lambda found: found.text, as_json)


@app.command()
@reported
def check(
    folder: Folder = HERE,
    baseline: Annotated[
        str | None,
        typer.Option(help="A release's number, or a stored comparison's folder; default: current release."),
    ] = None,
    variant: Annotated[
        str | None, typer.Option(help="The variant to guard; default: the baseline's.")
    ] = None,
    strict: Annotated[bool, typer.Option(help="Fail also when so few questions prove nothing.")] = False,
    markdown: Annotated[bool, typer.Option(help="Print a summary for a pull request.")] = False,
    as_json: AsJson = False,
) -> None:
    """Gate for CI: compare today against a release; exit 1 when a declared metric got worse by its margin."""
    from graft.console import progress

    with progress() as report:
        found = open_project(folder).check(baseline, variant=variant, strict=strict, progress=report)
    show_result(found, lambda checked: checked.markdown if markdown else checked.text, as_json)
    if not found.passed:
        raise typer.Exit(1)


@app.command()
@reported
def drift(
    live: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="A JSON Lines file of questions; default: the server's log."),
    ] = None,
    folder: InProject = HERE,
    against: Annotated[
        Path | None,
        typer.Option(help="Compare with this file's questions; default: the evaluation questions."),
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Only what was asked since then: 7d, 24h, or a date.")
    ] = None,
    earlier: Annotated[
        bool, typer.Option("--earlier", help="With --since: compare with what was asked before.")
    ] = False,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit 1 on drift, for cron.")] = False,
    as_json: AsJson = False,
) -> None:
    """Do people still ask what was measured? Test live questions against the evaluation questions, or an earlier window."""
    from graft.console import progress

    project = open_project(folder)
    with progress() as report:
        found = project.drift(live, against=against, since=since, earlier=earlier, progress=report)
    show_result(found, lambda drifted: drifted.text, as_json)
    if exit_code and found.drifted:
        raise typer.Exit(1)


@app.command()
@reported
def label(
    folder: Folder = HERE,
    items: Annotated[int, typer.Option("-n", "--items", help="How many answers to draw.")] = 60,
    annotator: Annotated[str, typer.Option(help="Your name: two annotators label the same draw.")] = "me",
    web: Annotated[bool, typer.Option("--web", help="Label on a page of this machine.")] = False,
    port: Annotated[int, typer.Option(help="Port of the page; 0 takes a free one.")] = 0,
    fresh: Annotated[bool, typer.Option("--fresh", help="Draw anew; labels stay in the file.")] = False,
    report: Annotated[
        bool, typer.Option("--report", help="Only say what the labels so far make of the figures.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say of a sample of answers whether they are right, blind to the variant; debias the automatic rates with it."""
    from graft.reporting.trusted import labels_text

    project = open_project(folder)
    if not report:
        desk = project.label(items, annotator=annotator, fresh=fresh)
        if web:
            project.label_page(desk, port=port, announce=partial(print, flush=True))
        else:
            from graft.cli.label_form import label_in_terminal

            label_in_terminal(desk, input, print)
        print(f"{desk.done} of {desk.total} labelled, kept in {desk.path}.", file=sys.stderr)
    show_result(project.labels(), labels_text, as_json)


@questions.command("import")
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
    show_result(imported, lambda done: done.text, as_json)


@questions.command("hold-out")
@reported
def hold_out(
    folder: Folder = HERE,
    share: Annotated[float, typer.Option(help="Share of the examples to hold out.")] = 0.3,
    as_json: AsJson = False,
) -> None:
    """Turn a share of the examples into held-out questions, for a project that has nothing to measure on."""
    show_result(open_project(folder).hold_out(share), lambda held: held.text, as_json)


@app.command()
@reported
def metrics(
    name: Annotated[str | None, typer.Argument(help="A metric; without it, all are listed.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what a metric measures, its formula, and when its number misleads."""
    from graft.console import metric_list, metric_page
    from graft.evaluation.metrics import metric_card, metric_names

    if name is None:
        show_result([metric_card(known) for known in metric_names()], metric_list, as_json)
    else:
        show_result(metric_card(name), metric_page, as_json)
