"""An optional package that is not installed is one line that says what to install, whoever imports it and when."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest
import typer

from graft.cli.app import reported
from graft.config import read
from graft.errors import MissingExtra
from graft.plugins import EXTRAS, build
from graft.verbs import serve

PYPROJECT = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))


def test_every_extra_that_is_named_can_be_installed() -> None:
    assert set(EXTRAS.values()) <= set(PYPROJECT["project"]["optional-dependencies"])


@pytest.mark.parametrize("package", ["fastapi"])
def test_serving_without_its_packages(small: Path, monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    for name in [name for name in sys.modules if name.startswith("graft.server")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra, match=rf"The server needs the package '{package}'.*graft-llm\[serve\]"):
        serve.serve(None, announce=print)


def test_a_backend_that_imports_when_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(*_: object) -> None:
        raise ModuleNotFoundError("No module named 'torch'", name="torch.nn")

    monkeypatch.setattr("graft.testing.fakes.EchoGenerator.__init__", late)
    with pytest.raises(MissingExtra, match=r"'echo' needs the package 'torch'.*graft-llm\[models\]"):
        build("generator", "echo")


def test_a_backend_that_imports_with_its_first_answer(capsys: pytest.CaptureFixture[str]) -> None:
    @reported
    def ask(module: str) -> None:
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)

    with pytest.raises(typer.Exit) as left:
        ask("transformers.models")
    assert left.value.exit_code == 2
    assert capsys.readouterr().err == (
        "error: graft ask needs the package 'transformers', which is not installed.\n"
        "  → Install it with: pip install 'graft-llm[models]'\n"
    )
    with pytest.raises(ModuleNotFoundError):  # a mistake of ours is not an extra
        ask("graft.gone")


def test_a_mark_of_windows_editors_before_the_project_file_is_no_mistake(small: Path) -> None:
    text = (small / "graft.toml").read_text(encoding="utf-8")
    (small / "graft.toml").write_text(text.replace("\n", "\r\n"), encoding="utf-8-sig")
    assert read(small / "graft.toml").project.name == "small"
