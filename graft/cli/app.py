"""What every command shares: the application, its usual options, how results and errors are printed.

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
from typer.core import TyperGroup

from graft.errors import GraftError

if TYPE_CHECKING:
    from graft.project import Project

# Before any model library is imported. Spinning OpenMP threads beside another process made two threads 400 times
# slower than one (1142 → 2.4 tokens/s); sleeping ones cost nothing measurable.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

# The order of the work, as `graft --help` lists the commands.
ORDER = (
    "advise", "init", "build", "sync", "index", "ask", "questions", "optimize", "calibrate", "compare", "label", "recommend", "gaps", "release", "rollback", "export", "serve", "drift", "check", "status",
    "metrics", "doctor",
)  # fmt: skip


class InOrder(TyperGroup):
    """Lists the commands in ORDER; those it does not name follow."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the commands as --help shows them."""
        names = super().list_commands(ctx)
        return sorted(names, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))


app = typer.Typer(
    cls=InOrder,
    name="graft",
    help="RAG or fine-tuning? Build base, rag, tuned and hybrid on your documents, measure them, serve the best.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

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
            raise _refused(error) from None
        except (
            ModuleNotFoundError
        ) as error:  # a backend may import what it needs as late as with its first answer
            from graft.plugins import EXTRAS, missing_extra

            if (error.name or "").split(".")[0] not in EXTRAS:
                raise
            raise _refused(missing_extra(f"graft {verb.__name__.replace('_', '-')}", error)) from None
        except KeyboardInterrupt:
            print(
                "Interrupted. What was finished is kept; the same command goes on from there.",
                file=sys.stderr,
            )
            raise typer.Exit(130) from None

    return run


def _refused(error: GraftError) -> typer.Exit:
    print(f"error: {error.message}", file=sys.stderr)
    if error.hint:
        print(f"  → {error.hint}", file=sys.stderr)
    return typer.Exit(2)


def open_project(folder: Path) -> Project:
    """Open the project in a folder."""
    from graft.project import Project

    return Project(folder)


def show_result(value: Any, as_json: bool, text: str | None = None) -> None:
    """Print a result as text (its own `.text` unless another is given), or as JSON: what its `to_json` returns where it has
    one."""
    if as_json:
        plain = [_plain_form(item) for item in value] if isinstance(value, list) else _plain_form(value)
        show_data(plain, as_json=True)
    else:
        print(value.text if text is None else text)


def _plain_form(value: Any) -> Any:
    return value.to_json() if hasattr(value, "to_json") else value


def show_data(value: Any, as_json: bool) -> None:
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
