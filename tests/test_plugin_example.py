"""The out-of-tree example is installed for real, offline, and used by a project through its entry points."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parent.parent / "examples" / "graft-example-plugin"

USE = """
import json, sys
from graft import Project, plugins
from graft.evaluation.metrics.catalogue import metric_card
before = "graft_example_plugin" in sys.modules
names = {kind: plugins.names(kind) for kind in ("store", "metric")}
listed = "graft_example_plugin" in sys.modules
project = Project(sys.argv[1])
report = project.build()
answer = project.ask("How many days of leave do I get?", variant="rag")
print(json.dumps({
    "names": names, "imported by listing": before or listed, "store": type(project.parts.retrieval.store).__name__,
    "text": answer.text, "quote": answer.citations[0].quote, "metric": metric_card("quoted").formula,
}))
"""

PROJECT = """
[retrieval]
embedder = "hashing"
store = {{ name = "sqlite", {option} = false }}

[generation]
model = "extractive"

[evaluation]
variants = ["base", "rag"]
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Install a copy of the example (pip builds inside the source folder) beside GRAFT, and return where."""
    folder = tmp_path_factory.mktemp("plugin")
    source = shutil.copytree(EXAMPLE, folder / "source")
    target = folder / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index",
         "--disable-pip-version-check", "--target", target, source],
        check=True, timeout=100,
    )  # fmt: skip
    return target


def run(installed, *command):
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    return subprocess.run(
        [sys.executable, *command], env=environment, capture_output=True, text=True, check=False, timeout=100
    )


def project(folder, option="porter"):
    (folder / "documents").mkdir()
    (folder / "documents" / "leave.md").write_text(
        "# Leave\n\nYou get 25 days of leave a year. Ask your lead.\n"
    )
    (folder / "graft.toml").write_text(PROJECT.format(option=option))
    return folder


def test_a_project_uses_what_another_package_registers(installed, tmp_path):
    done = run(installed, "-c", USE, project(tmp_path))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert "sqlite" in told.pop("names")["store"]
    assert told == {
        "imported by listing": False,
        "store": "SqliteStore",
        "text": "You get 25 days of leave a year. [1]",
        "quote": "You get 25 days of leave a year.",
        "metric": "Share of the answer's words that stand in the quotes it cites.",
    }
    assert list((tmp_path / ".graft").rglob("chunks.sqlite"))


def test_its_options_are_checked_like_our_own(installed, tmp_path):
    done = run(installed, "-c", USE, project(tmp_path, "portr"))
    assert "Did you mean 'porter'?" in done.stderr


def test_it_passes_the_conformance_suite_it_inherits(installed):
    done = run(
        installed,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-c",
        os.devnull,
        "--rootdir",
        EXAMPLE,
        EXAMPLE / "tests",
    )
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
