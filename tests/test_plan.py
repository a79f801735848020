"""How many questions to collect: the published table, and what a first comparison showed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from graft import Project
from graft.cli.main import app
from graft.decision.inference.sizing import FEWEST, needs, table, typical
from graft.errors import ConfigError


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
