"""The commands that measure: answers against references, today against a release, live questions against measured ones."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

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
        show_result(project.plan_questions(difference), as_json)
        return
    if dry_run:
        show_data(project.plan_compare(), as_json)
        return
    from graft.cli.console import progress

    with progress() as report:
        decided = project.compare(progress=report)
    show_result(decided, as_json)


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
    from graft.cli.console import progress

    with progress() as report:
        found = open_project(folder).check(baseline, variant=variant, strict=strict, progress=report)
    show_result(found, as_json, found.markdown if markdown else found.text)
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
    from graft.cli.console import progress

    project = open_project(folder)
    with progress() as report:
        found = project.drift(live, against=against, since=since, earlier=earlier, progress=report)
    show_result(found, as_json)
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
    labels = project.labels()
    show_result(labels, as_json, labels_text(labels))


@app.command()
@reported
def metrics(
    name: Annotated[str | None, typer.Argument(help="A metric; without it, all are listed.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what a metric measures, its formula, and when its number misleads."""
    from graft.cli.console import metric_list, metric_page
    from graft.evaluation.metrics.catalogue import metric_card, metric_names

    if name is None:
        cards = [metric_card(known) for known in metric_names()]
        show_result(cards, as_json, metric_list(cards))
    else:
        card = metric_card(name)
        show_result(card, as_json, metric_page(card))
