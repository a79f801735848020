"""What the documentation says is what the program does."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from graft.cli.main import app

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


def test_the_pages_written_from_the_code_are_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("docs", ROOT / "scripts/docs.py")
    assert spec is not None
    assert spec.loader is not None
    docs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(docs)
    stale = [
        name
        for name, render in docs.PAGES.items()
        if (ROOT / "docs" / name).read_text(encoding="utf-8") != render()
    ]
    assert stale == [], "run: python scripts/docs.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []


def test_the_index_of_the_documentation_names_every_page() -> None:
    linked = set(re.findall(r"\]\((\w[\w-]*\.md)\)", (ROOT / "docs/README.md").read_text(encoding="utf-8")))
    assert linked == {page.name for page in ROOT.glob("docs/*.md")} - {"README.md"}


def said_to_type(page: Path) -> list[str]:
    """What a page tells to type: the lines of its code blocks, and the commands that stand within its sentences."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"```[a-z]*\n(.*?)```", text, re.DOTALL)
    lines = [
        line.strip().removeprefix("$ ")
        for block in blocks
        for line in block.replace("\\\n", " ").splitlines()
    ]
    return lines + [
        " ".join(inline.split()) for inline in re.findall(r"`((?:graft|python|pytest) [^`]+)`", text)
    ]


def options_of(arguments: list[str]) -> set[str]:
    return {one.partition("=")[0] for one in arguments if re.match(r"--?[a-z]", one)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_exists_with_its_options(page: Path) -> None:
    lines = [re.match(r"(?:\.venv/bin/)?graft ([a-z].*)", line) for line in said_to_type(page)]
    for arguments in [shlex.split(match[1], comments=True) for match in lines if match]:
        known: Any = get_command(app)
        path = list(arguments)
        while path and path[0] in getattr(known, "commands", {}):
            known = known.commands[path.pop(0)]
        assert not (path and getattr(known, "commands", {})), f"graft {' '.join(arguments)}: no such command"
        options = {name for one in known.params for name in (*one.opts, *one.secondary_opts)}
        assert options_of(path) <= options | {"--help"}, f"graft {' '.join(arguments)}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_script_exists_and_knows_its_options(page: Path) -> None:
    for line in said_to_type(page):
        found = re.search(
            r"\b(?:python|pytest) (?:-m )?((?:benchmarks|recipes|scripts|tests)[\w./]*)(.*)", line
        )
        if found is None:
            continue
        path = ROOT / (found[1] if found[1].endswith(".py") else found[1].replace(".", "/"))
        files = [path] if path.suffix else [path.with_suffix(".py"), *path.glob("*.py")]
        source = "".join(one.read_text(encoding="utf-8") for one in files if one.is_file())
        assert source, f"{line}: there is no {found[1]}"
        if "pytest" not in line:
            unknown = [
                one for one in options_of(shlex.split(found[2], comments=True)) if f'"{one}"' not in source
            ]
            assert unknown == [], line


def test_the_readme_opens_with_real_output() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "@@" not in text
    assert "graft compare" in "\n".join(text.splitlines()[:60])


def test_make_has_the_targets_that_the_pages_name() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {
        name
        for page in PAGES
        for name in re.findall(r"\bmake ([a-z-]+)\b  ", page.read_text(encoding="utf-8"))
    }
    assert {"demo", "test", "test-slow", "check"} <= targets
    assert named <= targets


@pytest.mark.slow
def test_the_readmes_python_runs_as_it_stands(tmp_path: Path) -> None:
    [code] = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    shutil.copytree(
        ROOT / "examples/handbook", tmp_path / "examples/handbook", ignore=shutil.ignore_patterns(".graft")
    )
    settings = tmp_path / "examples/handbook/graft.toml"
    quick = "\n[tuning.trainer]\nepochs = 1\n"
    settings.write_text(settings.read_text(encoding="utf-8") + quick, encoding="utf-8")
    questions = tmp_path / "examples/handbook/questions.jsonl"
    questions.write_text(
        "\n".join(questions.read_text(encoding="utf-8").splitlines()[:12]) + "\n", encoding="utf-8"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stderr
    answered, decided = done.stdout.splitlines()[-2:]
    cited = re.findall(r"'([^']+)'", answered.rpartition("[")[2])
    assert all((tmp_path / "examples/handbook/documents" / name).exists() for name in cited)
    assert decided.split()[0] in {"RECOMMEND", "KEEP_THE_CHEAPER", "UNDECIDED"}
