"""How many questions to collect: the published table, and what a first comparison showed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import edit
from typer.testing import CliRunner

from graft import Project
from graft.cli.main import app
from graft.decision.inference.sizing import FEWEST, needs, table, typical
from graft.errors import ConfigError
from graft.verbs.compare import held_out
from graft.verbs.comparing.competitors import run_key
from graft.verbs.comparing.stored import read_rows


@pytest.mark.parametrize(
    ("difference", "row"),
    [
        (0.02, [1960, 3923, 5885, 7847]),
        (0.05, [312, 626, 940, 1254]),
        (0.10, [77, 155, 234, 312]),
        (0.20, [None, 37, 57, 77]),
    ],
)
def test_the_table_is_the_one_of_the_reference(difference: float, row: list[int | None]) -> None:
    assert list(table(difference).values()) == row


def test_more_pairs_need_more_questions() -> None:
    assert table(0.05, pairs=3)[0.2] == 835
    assert table(0.10, pairs=3)[0.2] == 207
    assert typical(0.05, pairs=3) == 835
    assert typical(0.9) == FEWEST


def columns(n: int, flips: int) -> dict[str, Any]:
    a = np.zeros(n)
    b = np.array([1.0] * flips + [0.0] * (n - flips))
    return {"a": a, "b": b}


def test_discordance_is_measured() -> None:
    (need,) = needs(columns(100, 20), [""] * 100, 0.05)
    assert (need.a, need.b, need.n, need.discordance, need.questions) == ("a", "b", 100, 0.2, 626)


def test_clusters_and_scores_that_are_not_binary_go_by_their_spread() -> None:
    clusters = [f"d{n // 10}" for n in range(100)]
    (alone,) = needs(columns(100, 20), [""] * 100, 0.05)
    (together,) = needs(columns(100, 20), clusters, 0.05)
    assert together.questions is not None
    assert alone.questions is not None
    assert together.questions > 5 * alone.questions, "two whole documents flipped: far less is known"
    (graded,) = needs({"a": np.zeros(50), "b": np.linspace(-1, 1, 50)}, [""] * 50, 0.1)
    assert graded.questions == pytest.approx((2.80 * graded.sd / 0.1) ** 2, rel=0.01)


def test_pairs_that_never_differ_and_nulls() -> None:
    same = {"a": np.ones(9), "b": np.ones(9), "c": np.full(9, np.nan)}
    (need,) = needs(same, [""] * 9, 0.05)
    assert (need.a, need.b, need.questions, need.discordance) == ("a", "b", None, 0.0)
    assert needs({}, [], 0.05) == ()


def test_before_any_comparison_the_table_tells(small: Path) -> None:
    found = Project(small).plan_questions(0.1)
    assert (found.have, found.pairs, found.collect) == (4, (), typical(0.1, pairs=6) - 4)
    assert "if two variants differ on 20% of the questions" in found.text
    (small / "questions.jsonl").unlink()
    assert Project(small).plan_questions(0.1).have == 0


def test_after_one_it_rests_on_what_was_measured(small: Path) -> None:
    Project(small).build()
    Project(small).compare()
    done = CliRunner().invoke(app, ["compare", str(small), "--plan", "--difference", "0.2", "--json"])
    found = json.loads(done.stdout)
    (pair,) = found["pairs"]
    assert (pair["a"], pair["b"], pair["n"]) == ("base", "rag", 4)
    assert found["collect"] == max(FEWEST, pair["questions"]) - 4
    text = CliRunner().invoke(app, ["compare", str(small), "--plan"]).stdout
    assert text.splitlines()[0].startswith("To show a difference of 0.05 in truthfulness")
    assert text.splitlines()[-1].startswith("Collect ")


def test_no_difference_cannot_be_planned_for(small: Path) -> None:
    with pytest.raises(ConfigError, match="A difference of 0 cannot be planned for"):
        Project(small).plan_questions(0.0)


# --- what is still to ask ------------------------------------------------------------------------------------------------


def planned(root: Path, name: str = "rag") -> dict[str, Any]:
    found: dict[str, Any] = Project(root).plan_compare()["variants"][name]
    return found


def run_of(root: Path, name: str = "rag") -> Path:
    parts = Project(root).parts
    return parts.workspace.run(run_key(parts.variant(name), held_out(parts)[0]))


ASKED = 4 + 1 + 4 + 2 * 4  # answered, warmed up, timed, asked twice more under other seeds


def test_a_prompt_is_counted_whole(small: Path, write_jsonl: Callable[..., Path]) -> None:
    """Instructions, earlier turns and all but 160 tokens of a passage were left out of what was called an upper bound."""
    Project(small).build()
    plain = planned(small)["prompt_tokens"]
    edit(small, "[generation]\n", f'[generation]\ninstructions = "{"be brief " * 100}"\n')
    edit(small, "[retrieval]\n", "[retrieval]\npassage_tokens = 3000\n")
    rows = [json.loads(line) for line in (small / "questions.jsonl").read_text(encoding="utf-8").splitlines()]
    for row in rows:
        asked = {"role": "user", "content": row.pop("question")}
        before = [{"role": "user", "content": "word " * 50}, {"role": "assistant", "content": "word " * 50}]
        row["messages"] = [*before, asked]
    write_jsonl(small / "questions.jsonl", rows)
    assert planned(small)["prompt_tokens"] - plain == ASKED * (200 + (3000 - 1200) + 100)


def test_what_is_asked_takes_no_more_than_was_planned(small: Path, write_jsonl: Callable[..., Path]) -> None:
    examples = [{"input": f"What is {n}?", "output": "It is a number. " * n} for n in range(1, 9)]
    write_jsonl(small / "examples.jsonl", examples)
    edit(small, "[evaluation]\n", '[evaluation]\ndiagnostics = ["few-shot"]\nshots = 3\n')
    Project(small).build()
    most = {name: planned(small, name)["prompt_tokens"] for name in ("base", "rag", "few-shot")}
    rows = read_rows(Project(small).compare().rows.parent)
    used = {
        name: [row["answer"]["usage"]["prompt"] for row in rows if row["variant"] == name] for name in most
    }
    # Each is answered and timed, and by those that can win twice more; the first once more before it is timed.
    takes = {name: (2 if name == "few-shot" else 4) * sum(found) + found[0] for name, found in used.items()}
    assert takes["base"] == most["base"]
    assert takes["rag"] <= most["rag"]
    assert takes["few-shot"] <= most["few-shot"]
    longest = sum(2 + 3 + 4 * n for n in (6, 7, 8))
    assert most["few-shot"] >= 9 * longest, "those of the longest, as nobody has looked for the nearest"


def test_what_a_run_holds_already_is_not_counted(small: Path) -> None:
    Project(small).build()
    Project(small).compare()
    nothing = {"questions": 0, "timed": 0, "prompt_tokens": 0, "completion_tokens": 0}
    assert nothing.items() <= planned(small).items()
    most = Project(small).config.generation.max_tokens
    told = {path.parent: json.loads(path.read_text()) for path in (small / ".graft/runs").rglob("run.json")}
    shutil.rmtree(next(run for run, identity in told.items() if identity["variant"] == "rag again"))
    assert planned(small)["completion_tokens"] == 4 * most, "one of the two repetitions"
    Project(small).compare()
    folder = run_of(small)
    first, *rest = (folder / "rows.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    failed = {**json.loads(first), "status": "error", "answer": None}
    (folder / "rows.jsonl").write_text(json.dumps(failed) + "\n" + "".join(rest), encoding="utf-8")
    assert (planned(small)["questions"], planned(small)["timed"]) == (1, 0), "what failed is asked once more"
    (folder / "manifest.json").unlink()
    (folder / "rows.jsonl").write_text(first, encoding="utf-8")
    killed = planned(small)
    assert (killed["questions"], killed["timed"]) == (3, 4)
    assert killed["completion_tokens"] == (3 + 1 + 4) * most


def test_a_complete_run_that_is_to_be_timed_again_is_counted(small: Path) -> None:
    Project(small).build()
    edit(small, "latency_questions = 4", "latency_questions = 2")
    Project(small).compare()
    edit(small, "latency_questions = 2", "latency_questions = 4")
    found = planned(small)
    assert (found["questions"], found["timed"]) == (0, 4)
    assert found["completion_tokens"] == (1 + 4) * Project(small).config.generation.max_tokens


def test_what_a_search_asks_of_the_model_is_named_as_not_counted(small: Path) -> None:
    Project(small).build()
    assert "not_counted" not in planned(small)
    edit(small, "[retrieval]\n", '[retrieval]\nrounds = 2\nreword = "hyde"\n')
    told = ["what [retrieval] reword asks of the model", "what [retrieval] rounds asks of the model"]
    assert planned(small)["not_counted"] == told
    assert "not_counted" not in planned(small, "base")
