"""init: look at a folder of files and write a graft.toml that works on it.

Finds the documents by their suffixes, and the examples and questions by what their lines hold. The comments of the
new file are the documentation of the settings' own fields, so the two cannot drift apart.
"""

from __future__ import annotations

import ast
import csv
import dataclasses
import inspect
import io
import json
import re
import shlex
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from graft import plugins, settings
from graft.errors import ConfigError
from graft.evaluation.question_sets.columns import Columns, decoded, delimiter_of
from graft.tuning.formats import is_example
from graft.workspace import FOLDER, guard, write_text

_HEAD = 1 << 16  # bytes of a table in which its first line ends
# Names of files that nobody should train on.
_TEST = re.compile(r"(?:^|[^a-z])(?:tests?|eval(?:uation)?|held.?out|gold)(?:[^a-z]|$)")


@dataclass(frozen=True, slots=True)
class Found:
    """What a folder holds. `documents` is the folder with all of them, "" for none; `suffixes` counts the document files;
    `sheets` are tables of questions with answers, which may be knowledge or a measurement."""

    documents: str
    suffixes: Counter[str]
    examples: str | None
    questions: str | None
    sheets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """The new project file and what it was based on."""

    path: Path
    found: Found

    @property
    def text(self) -> str:
        """What was found and what to do next."""
        kinds = ", ".join(f"{count} {suffix}" for suffix, count in self.found.suffixes.most_common())
        missing = [name for name in ("examples", "questions") if getattr(self.found, name) is None]
        documents = f"{self.found.documents} ({kinds})" if self.found.documents else "none"
        lines = [f"Wrote {self.path}.", f"  documents  {documents}"]
        lines += [
            f"  {name:<10} {getattr(self.found, name) or 'none yet'}" for name in ("examples", "questions")
        ]
        lines += [
            f"  {sheet} holds questions with answers, so it is neither indexed nor trained on. To measure on it:\n"
            f"    graft questions import {shlex.quote(str(self.path.parent / sheet))} --to "
            f"{shlex.quote(str(self.path.parent / 'questions.jsonl'))}\n"
            "    If it is knowledge to answer from, put it into [documents] instead."
            for sheet in self.found.sheets
        ]
        if not self.found.documents:
            lines.append("  Without documents only base and tuned can be built.")
        if "examples" in missing:
            lines.append(
                '  Without examples ({"input": …, "output": …} a line) only base and rag can be built.'
            )
        if "questions" in missing and not self.found.sheets:
            lines.append(
                '  Without questions ({"id": …, "question": …, "answers": […]} a line) nothing can be compared.'
            )
            if self.found.examples:
                where = shlex.quote(str(self.path.parent))
                lines.append(f"    graft questions hold-out {where} makes them of a share of the examples.")
        lines.append(f"Next: graft build {shlex.quote(str(self.path.parent))}")
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """The documented form for scripts."""
        return {"path": str(self.path), **dataclasses.asdict(self.found)}


def init(folder: Path, *, force: bool = False) -> Outcome:
    """Write `folder`/graft.toml. Raises ConfigError when there is one already, or nothing to index."""
    path = folder / settings.FILE
    if not folder.is_dir():
        raise ConfigError(f"{folder} is not a folder.", "Give the folder that holds your documents.")
    if path.exists() and not force:
        raise ConfigError(f"{path} exists already.", "Edit it, or overwrite it with --force.")
    found = look(folder)
    if not found.suffixes and found.examples is None:
        known = ", ".join(sorted(_suffixes()))
        raise ConfigError(
            f"There is nothing to index and nothing to tune on in {folder}.",
            f'Put documents there ({known}), or examples, one JSON object a line: {{"input": "…", "output": "…"}}.',
        )
    write_text(path, render(found, name=folder.resolve().name))
    return Outcome(path, found)


def look(folder: Path) -> Found:
    """Find documents, examples and questions below a folder. Hidden files and GRAFT's own folder are not looked at."""
    with guard(folder):
        files = sorted(
            path for path in folder.rglob("*") if path.is_file() and not _hidden(path.relative_to(folder))
        )
    examples = questions = None
    documents: list[Path] = []
    sheets: list[str] = []
    for path in files:
        kind = _kind(path)
        if kind == "examples" and _TEST.search(path.name.lower()):
            sheets.append(path.relative_to(folder).as_posix())
        elif kind == "examples":
            examples = examples or path.relative_to(folder).as_posix()
        elif kind == "questions":
            questions = questions or path.relative_to(folder).as_posix()
        elif kind == "sheet":
            sheets.append(path.relative_to(folder).as_posix())
        elif kind == "document":
            documents.append(path.relative_to(folder))
    tops = {path.parts[0] if len(path.parts) > 1 else "." for path in documents}
    top = "" if not tops else tops.pop() if len(tops) == 1 else "."
    return Found(top, Counter(path.suffix.lower() for path in documents), examples, questions, tuple(sheets))


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts) or FOLDER in path.parts


def _kind(path: Path) -> str:
    """Return "examples", "questions", "sheet", "document" or "" for a file, by its name and its first line."""
    name = path.name.lower()
    if name in {settings.FILE, "makefile"}:
        return ""
    if name.endswith((".jsonl", ".jsonl.gz")):
        row = _first_row(path)
        if row.keys() & {"answers", "answerable"} and row.keys() & {"question", "messages"}:
            return "questions"
        if is_example(row):
            return "examples"
        return "document" if "text" in row else ""
    if path.suffix.lower() in {".csv", ".tsv"} and _is_sheet(path):
        return "sheet"
    return "document" if path.suffix.lower() in _suffixes() else ""


def _is_sheet(path: Path) -> bool:
    """Whether a table has a column of questions and one of answers."""
    try:
        with path.open("rb") as handle:
            text, _ = decoded(handle.read(_HEAD).rpartition(b"\n")[0])
    except (OSError, UnicodeDecodeError):
        return False
    columns = next(csv.reader(io.StringIO(text), delimiter=delimiter_of(text, path.suffix)), [])
    return {"question", "answers"} <= Columns({}).renamed(dict.fromkeys(columns)).keys()


def _first_row(path: Path) -> dict[str, Any]:
    import gzip

    opener: Any = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8") as handle:
            first = json.loads(handle.readline())
    except (OSError, ValueError):
        return {}
    return first if isinstance(first, dict) else {}


def _suffixes() -> set[str]:
    return {suffix for name in plugins.names("loader") for suffix in plugins.load("loader", name).suffixes}


def render(found: Found, *, name: str) -> str:
    """Return the text of a project file: what was found set, everything else commented out at its default."""
    chosen: dict[tuple[str, str], Any] = {
        ("project", "name"): name,
        ("project", "effort"): "balanced",
        ("documents", "paths"): (found.documents,) if found.documents else (),
        ("tuning", "examples"): found.examples or "examples.jsonl",
        ("evaluation", "questions"): found.questions or "questions.jsonl",
    }
    if not found.documents:
        chosen["evaluation", "variants"] = ("base", "tuned")
    sheets = [
        sheet.removeprefix(f"{found.documents}/")
        for sheet in found.sheets
        if found.documents == "." or sheet.startswith(f"{found.documents}/")
    ]
    if sheets:
        chosen["documents", "exclude"] = tuple(sheets)
    lines = ["# GRAFT's project file. Keys that are commented out stand at their defaults.", ""]
    for section, kind in settings.sections().items():
        lines.append(f"[{section}]")
        comments = field_comments(kind)
        for entry in dataclasses.fields(kind):
            lines += [f"# {line}" for line in comments[entry.name].splitlines()]
            value = chosen.get((section, entry.name), entry.default)
            line = f"{entry.name} = {written(value)}" if value is not None else f"{entry.name} ="
            lines.append(line if (section, entry.name) in chosen else f"# {line}")
        lines.append("")
    return "\n".join(lines)


def field_comments(kind: type) -> dict[str, str]:
    """Return field name → the docstring that stands under it in the source of a settings dataclass."""
    body = next(
        node for node in ast.parse(inspect.getsource(kind)).body if isinstance(node, ast.ClassDef)
    ).body
    comments = {}
    for node, below in pairwise(body):
        if (
            isinstance(node, ast.AnnAssign)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
        ):
            comments[ast.unparse(node.target)] = inspect.cleandoc(str(below.value.value))
    return comments


def written(value: Any) -> str:
    """Write a default as TOML."""
    if isinstance(value, settings.Backend):
        options = "".join(f", {key} = {written(option)}" for key, option in value.options.items())
        return f'{{ name = "{value.name}"{options} }}'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, tuple):
        return "[" + ", ".join(written(item) for item in value) + "]"
    if value is dataclasses.MISSING or (isinstance(value, dict) and not value):
        return "{}"
    return str(value)
