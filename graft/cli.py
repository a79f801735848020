"""The command line: each verb is one call, its result printed for people or, with --json, for scripts.

Results go to standard output, progress and warnings to standard error. Exit codes: 0 done, 1 the verb says no (a check
failed), 2 wrong use or input, 130 interrupted. No model library is imported before work starts.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec, TypeVar

import typer

from graft.errors import GraftError

if TYPE_CHECKING:
    from graft.project import Project

# Before any model library is imported. Spinning OpenMP threads beside another process made two threads 400 times
# slower than one (1142 → 2.4 tokens/s); sleeping ones cost nothing measurable.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

app = typer.Typer(
    name="graft",
    help="RAG or fine-tuning? Build base, rag, tuned and hybrid on your documents, measure them, serve the best.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

questions = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Work on question sets.")
app.add_typer(questions, name="questions")

P = ParamSpec("P")
R = TypeVar("R")
Folder = Annotated[Path, typer.Argument(help="The project's folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what would run, how long and at what cost; do nothing.")
]
InProject = Annotated[Path, typer.Option("--project", "-p", help="The project's folder.")]
HERE = Path()


def reported(verb: Callable[P, R]) -> Callable[P, R]:
    """Print a GraftError as what, where and what to do next, and leave with exit code 2."""

    @wraps(verb)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return verb(*args, **kwargs)
        except GraftError as error:
            print(f"error: {error.message}", file=sys.stderr)
            if error.hint:
                print(f"  → {error.hint}", file=sys.stderr)
            raise typer.Exit(2) from None
        except KeyboardInterrupt:
            print(
                "Interrupted. What was finished is kept; the same command goes on from there.",
                file=sys.stderr,
            )
            raise typer.Exit(130) from None

    return run


@app.command()
@reported
def init(
    folder: Folder = HERE,
    force: Annotated[bool, typer.Option(help="Overwrite an existing graft.toml.")] = False,
) -> None:
    """Look at a folder of files and write a commented graft.toml that works on it."""
    from graft.project import Project

    written = Project.init(folder, force=force)
    print(written.summary)


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
    project = _open(folder)
    if dry_run:
        _show(project.plan_build(), as_json)
        return
    from graft.console import build_summary, progress

    with progress() as report:
        built = project.build(progress=report, retrain=retrain)
    _print(built, build_summary, as_json)


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
        list[str] | None, typer.Option(help="Only passages whose metadata has key=value.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Answer one question, with its sources."""
    from graft.parts import parse_where

    project = _open(folder)
    answer = project.ask(question, variant=variant, where=parse_where(where or []))
    from graft.console import answer_summary

    _print(answer, answer_summary, as_json)


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
    project = _open(folder)
    if plan:
        _print(project.plan_questions(difference), lambda found: found.text, as_json)
        return
    if dry_run:
        _show(project.plan_compare(), as_json)
        return
    from graft.console import progress

    with progress() as report:
        decided = project.compare(progress=report)
    _print(decided, lambda found: found.text, as_json)


@app.command()
@reported
def recommend(folder: Folder = HERE, as_json: AsJson = False) -> None:
    """Decide again from the last comparison under today's [decision] settings, and print every step."""
    decided = _open(folder).recommend()
    _print(decided, lambda found: found.trace, as_json)


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
        found = _open(folder).check(baseline, variant=variant, strict=strict, progress=report)
    _print(found, lambda checked: checked.markdown if markdown else checked.text, as_json)
    if not found.passed:
        raise typer.Exit(1)


@app.command()
@reported
def release(
    variant: Annotated[str | None, typer.Argument(help="Default: the recommended one.")] = None,
    folder: InProject = HERE,
    as_json: AsJson = False,
) -> None:
    """Promote a measured variant: ask and serve answer with it from now on, with this adapter and this prompt."""
    _print(_open(folder).release(variant), lambda promoted: promoted.summary, as_json)


@app.command()
@reported
def rollback(folder: Folder = HERE, as_json: AsJson = False) -> None:
    """Bring back what was released before the current release."""
    _print(_open(folder).rollback(), lambda promoted: promoted.summary, as_json)


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
    _open(folder).serve(variant=variant, host=host, port=port, announce=print)


@app.command()
@reported
def status(folder: Folder = HERE, as_json: AsJson = False) -> None:
    """Show what is built, what is stale, what was measured and what is released."""
    _show(_open(folder).status(), as_json)


@app.command()
@reported
def doctor(folder: Folder = HERE, as_json: AsJson = False) -> None:
    """Check the machine, the installation and the project, and say how to mend what is wrong."""
    from graft.verbs.doctor import doctor as examine

    findings = examine(folder)
    _print(findings, lambda found: "\n".join(finding.line for finding in found), as_json)
    if any(finding.level == "wrong" for finding in findings):
        raise typer.Exit(1)


@questions.command("import")
@reported
def import_questions(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="CSV, TSV, SQuAD JSON, or JSON Lines.")],
    to: Annotated[Path, typer.Option(help="The questions file to write.")] = Path("questions.jsonl"),
    force: Annotated[bool, typer.Option(help="Overwrite it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Turn a question set into a questions file, and say what would mislead about it."""
    from graft.project import Project

    _print(Project.import_questions(source, to, force=force), lambda imported: imported.text, as_json)


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
        _print([metric_card(known) for known in metric_names()], metric_list, as_json)
    else:
        _print(metric_card(name), metric_page, as_json)


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    """RAG or fine-tuning? Build base, rag, tuned and hybrid on your documents, measure them, serve the best."""
    if show:
        from importlib.metadata import version as installed

        print(f"graft {installed('graft-llm')}")
        raise typer.Exit


def _open(folder: Path) -> Project:
    from graft.project import Project

    return Project(folder)


def _print(value: Any, text: Callable[[Any], str], as_json: bool) -> None:
    """Print a result as text, or as JSON: what its `to_json` returns where it has one."""
    if as_json:
        plain = [_plain_form(item) for item in value] if isinstance(value, list) else _plain_form(value)
        _show(plain, as_json=True)
    else:
        print(text(value))


def _plain_form(value: Any) -> Any:
    return value.to_json() if hasattr(value, "to_json") else value


def _show(value: Any, as_json: bool) -> None:
    """Print plain data: as JSON, or as indented `key: value` lines."""
    from graft.records import to_dict

    plain = to_dict(value)
    print(json.dumps(plain, ensure_ascii=False, indent=1) if as_json else "\n".join(_lines(plain)))


def _lines(value: Any, indent: int = 0) -> Sequence[str]:
    if isinstance(value, dict):
        lines: list[str] = []
        for key, item in value.items():
            nested = isinstance(item, dict | list) and item
            lines.append(f"{'  ' * indent}{key}:" + ("" if nested else f" {_plain(item)}"))
            lines.extend(_lines(item, indent + 1) if nested else [])
        return lines
    if isinstance(value, list):
        return [line for item in value for line in _lines(item, indent)]
    return [f"{'  ' * indent}{_plain(value)}"]


def _plain(value: Any) -> str:
    if value in (None, [], {}, ""):
        return "none"
    return f"{value:,.4g}" if isinstance(value, float) else str(value)


def main() -> None:
    """Run the command line."""
    app()
