"""Write the pages of docs/ that say what the code already says: the commands, the project file, the metrics.

python scripts/docs.py           write them
python scripts/docs.py --check   exit 1 if one is out of date (a test does the same)
"""

from __future__ import annotations

import dataclasses
import sys
import typing
from collections.abc import Iterator
from pathlib import Path

from typer.main import get_command
from typer.testing import CliRunner

from graft import settings, settings_deciding
from graft.cli.main import app
from graft.evaluation.metrics.catalogue import METRICS
from graft.settings_serving import KeySection
from graft.verbs.init import field_comments, written

DOCS = Path(__file__).parent.parent / "docs"
NOTE = "<!-- Written by scripts/docs.py from the code; a test keeps it true. -->\n\n"


def commands() -> str:
    """Return docs/cli.md: the help of every verb, as printed."""
    runner = CliRunner(env={"COLUMNS": "100", "TERM": "dumb"})
    pages = [
        "# Commands\n",
        "Results go to standard output; progress, warnings and errors to standard error. With `--json` standard output is one "
        "JSON value.\n\n"
        "| exit code | meaning |\n|---|---|\n"
        "| 0 | done |\n"
        "| 1 | the verb says no: `graft check` found a regression, `graft drift --exit-code` a shift, `graft doctor` something wrong |\n"
        "| 2 | wrong use, wrong input, or something that is missing; standard error says what to do |\n"
        "| 130 | interrupted; the same command goes on from there |\n",
    ]
    for words in _verbs(get_command(app)):
        shown = runner.invoke(app, [*words, "--help"], prog_name="graft").output.rstrip()
        clean = "\n".join(text.rstrip() for text in shown.splitlines())
        pages.append(f"## {' '.join(['graft', *words])}\n\n```\n{clean.strip()}\n```\n")
    return NOTE + "\n".join(pages)


def _verbs(command: typing.Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the words of a command, then of those below it."""
    yield words
    for name, below in getattr(command, "commands", {}).items():
        yield from _verbs(below, (*words, name))


def project_file() -> str:
    """Return docs/project-file.md: every key with its default and what it means."""
    pages = [
        "# graft.toml\n",
        "Every key is optional. An unknown key is refused with the nearest name. `effort` sets what you leave out;",
        'a key that you set always wins. Backends are written as a name (`embedder = "minilm"`) or as a table with',
        'their own options (`embedder = { name = "minilm", precision = "fp32" }`).\n',
    ]
    tables = {
        **settings.sections(),
        "evaluation.judge": settings_deciding.JudgeSection,
        "variants.NAME": settings_deciding.CompetitorSection,
        "serve.keys.NAME": KeySection,
    }
    for section, kind in tables.items():
        pages.append(f"## [{section}]\n\n| key | default | meaning |\n|---|---|---|")
        comments = field_comments(kind)
        for entry in dataclasses.fields(kind):
            default = "none" if entry.default is None else f"`{written(entry.default)}`"
            meaning = " ".join(comments[entry.name].split()).replace("|", "\\|")
            pages.append(f"| `{entry.name}` | {default} | {meaning} |")
        pages.append("")
    pages.append("## effort\n\n| effort | sets |\n|---|---|")
    for name, preset in settings.EFFORT.items():
        keys = [
            f"`{section}.{key} = {value}`"
            for section, table in preset.items()
            for key, value in table.items()
        ]
        pages.append(f"| `{name}` | {', '.join(keys) or 'the defaults above'} |")
    return NOTE + "\n".join(pages) + "\n"


def metrics() -> str:
    """Return docs/metrics.md: the card of every metric."""
    pages = [
        "# Metrics\n",
        "Grades: **A** exact; **B** ranks systems reliably, its level needs a sample of labels; **C** a screen only.",
        "A null never becomes 0 or 1: every mean prints how many rows it was taken over.\n",
    ]
    for card in METRICS.values():
        pages.append(f"## {card.name} — grade {card.grade}, {card.direction} is better, {card.unit}\n")
        pages.append(f"{card.description}\n\nFormula: {card.formula}\n")
        pages += [f"- Fails: {example}" for example in card.failure_examples]
        pages.append("")
    return NOTE + "\n".join(pages)


PAGES = {"cli.md": commands, "project-file.md": project_file, "metrics.md": metrics}


def main() -> None:
    """Write or check the pages."""
    stale = []
    for name, render in PAGES.items():
        path, text = DOCS / name, render()
        if "--check" in sys.argv:
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                stale.append(name)
        else:
            path.write_text(text, encoding="utf-8")
    if stale:
        sys.exit(f"Out of date: {', '.join(stale)}. Run: python scripts/docs.py")


if __name__ == "__main__":
    main()
