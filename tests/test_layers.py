"""The architecture's rules. ARCHITECTURE.md draws them; here they are checked against every module's imports."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "graft"
MODULES = sorted(PACKAGE.rglob("*.py"))

# Lower number = lower layer. A module may import its own layer or below.
LAYERS = {
    "corpus": 0, "calls": 0, "types": 0, "records": 0, "errors": 0, "jsonl": 0, "filters": 0, "sentences": 0, "tables": 0, "ranked": 0, "protocols": 1, "plugins": 1, "workspace": 1, "stages": 1,
    "retrieval": 2, "tuning": 2, "generation": 3, "evaluation": 3, "decision": 4, "reporting": 5,
    "settings": 5, "settings_deciding": 5, "settings_serving": 5, "config": 5, "wiring": 6, "verbs": 7, "project": 8, "cli": 9,
    "backends": 1, "server": 5, "testing": 5,
}  # fmt: skip
# Within or across layers, these never meet (from, to).
STRANGERS = {
    ("retrieval", "tuning"), ("tuning", "retrieval"), ("tuning", "generation"), ("retrieval", "generation"),
    ("evaluation", "generation"), ("evaluation", "retrieval"), ("evaluation", "tuning"),
    ("generation", "evaluation"), ("generation", "retrieval"), ("generation", "tuning"),
    ("decision", "retrieval"), ("decision", "tuning"), ("decision", "generation"), ("decision", "reporting"),
    ("reporting", "retrieval"), ("reporting", "tuning"), ("reporting", "generation"),
}  # fmt: skip
# What a backend may see, besides its siblings.
GROUND = {
    "types",
    "records",
    "errors",
    "sentences",
    "ranked",
    "protocols",
    "plugins",
    "workspace",
    "backends",
}
HEAVY = {
    "torch", "transformers", "peft", "accelerate", "bitsandbytes", "lancedb", "pyarrow", "fastapi", "uvicorn",
    "starlette", "openai", "prometheus_client", "sentence_transformers", "pypdfium2", "docx", "lxml", "selectolax",
}  # fmt: skip
HEAVY_ALLOWED = {"backends", "server", "testing"}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports(path: Path) -> list[str]:
    """Every module that a file imports, anywhere in it, as dotted names."""
    found = []
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def layer(dotted: str) -> str:
    return dotted.split(".")[1] if "." in dotted else ""


def area(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down_or_along(path: Path) -> None:
    here = area(path)
    if here in ("__init__", "__main__"):
        return
    for name in imports(path):
        top = name.split(".")[0]
        if top in HEAVY:
            assert here in HEAVY_ALLOWED, f"{path.name} imports {name}: only backends/ and server/ may"
        if top != "graft":
            continue
        there = layer(name)
        assert there in LAYERS, f"{path.name} imports {name}: from the package root"
        assert LAYERS[there] <= LAYERS[here], f"{path.name} imports {name}: upwards"
        assert (here, there) not in STRANGERS, f"{path.name} imports {name}: strangers"
        if here == "backends":
            assert there in GROUND, f"{path.name} imports {name}: a backend sees the ground only"


@pytest.mark.parametrize("path", [path for path in MODULES if path.name == "__init__.py" and path.parent != PACKAGE],
                         ids=lambda path: path.parent.name)  # fmt: skip
def test_a_sub_package_holds_a_docstring_only(path: Path) -> None:
    body = tree(path).body
    assert len(body) == 1
    assert isinstance(body[0], ast.Expr)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_modules_can_be_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 350
    assert ast.get_docstring(tree(path)), "a module opens by saying what it is"


def test_functions_fit_on_a_screen() -> None:
    """Sixty lines from the second statement on: signature and docstring are not counted."""
    long = [
        f"{path.relative_to(PACKAGE)}: {node.name}"
        for path in MODULES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - (node.body[1:] or node.body)[0].lineno >= 60
    ]
    assert long == []


def test_every_word_is_imported_from_one_place() -> None:
    found = {area(path) for path in MODULES for name in imports(path) if name.startswith("graft.corpus")}
    assert found == {"types"}


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.strip()


BANNED = sorted(HEAVY | {"scipy", "httpx", "yaml"})


@pytest.mark.parametrize("code", ["import graft; graft.Project", "import graft.cli.main; graft.cli.main.app"])
def test_importing_loads_no_model_library_and_opens_no_socket(code: str) -> None:
    guard = "import sys, socket\nclass Banned(Exception): pass\ndef refuse(*a, **k): raise Banned\nsocket.socket.connect = refuse\n"
    report = f"\nprint([name for name in {BANNED!r} if name in sys.modules])"
    assert run(guard + code + report) == "[]"


def test_help_is_quick() -> None:
    """Ten times the target: a guard against importing torch, not a benchmark (benchmarks/startup.py is)."""
    import time

    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "graft", "--help"], check=True, capture_output=True, timeout=60)
    assert time.perf_counter() - started < 3


def test_public_names_are_one_explicit_list() -> None:
    import graft

    assert sorted(graft.__all__) == [
        "Answer", "Chunk", "Comparison", "Document", "Example", "GraftError", "Message", "Project", "Question",
        "Recommendation",
    ]  # fmt: skip
    assert all(hasattr(graft, name) for name in graft.__all__)


def test_the_architecture_page_names_every_module_and_folder_of_the_package() -> None:
    page = (PACKAGE.parent / "ARCHITECTURE.md").read_text(encoding="utf-8")
    drawn = set(re.findall(r"[a-z_*]+(?:\.py|/)", page.replace("settings*.py", "settings.py ")))
    own = {
        path.name if path.suffix else f"{path.name}/"
        for path in PACKAGE.iterdir()
        if not path.name.startswith("_")
    }
    assert {name for name in own if not name.startswith("settings_")} - {"py.typed"} <= drawn
