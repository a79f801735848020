"""The winner's curse: versions that the same questions have measured are counted, and what the best of them gains by luck is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from graft import Project
from graft.decision.inference.winners import optimism
from graft.errors import ConfigError
from graft.verbs.compare import held_out
from graft.verbs.comparing.versions import versions


@pytest.mark.parametrize("k", [2, 3, 5, 10, 40])
def test_the_luck_of_the_best_is_that_of_the_largest_error(k: int) -> None:
    drawn = np.random.default_rng(0).normal(0, 0.03, (200_000, k)).max(axis=1).mean()
    assert optimism(k, 0.03) == pytest.approx(drawn, rel=0.06)
    assert optimism(1, 0.03) == 0


def replaced(root: Path, old: str, new: str) -> Project:
    path = root / "graft.toml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return Project(root)


def test_versions_on_the_same_questions_are_counted_and_told(small: Path) -> None:
    project = Project(small)
    project.build()
    told = "These questions have measured several versions"
    first = project.compare()
    assert not any(told in warning for warning in first.comparison.warnings)
    for old, new in (
        ('model = "echo"', 'model = "echo"\nmax_tokens = 31'),
        ("max_tokens = 31", "max_tokens = 32"),
    ):
        project = replaced(small, old, new)
        last = project.compare()
    assert versions(project.parts, held_out(project.parts)[0])["rag"] == 3
    (warning,) = [one for one in last.comparison.warnings if told in one]
    assert "3 of base, 3 of rag" in warning
    assert "the best of 3 would still look up to" in warning
    again = project.compare()  # nothing new was measured
    assert versions(again and project.parts, held_out(project.parts)[0])["rag"] == 3


def test_an_excluded_variant_stays_in_the_table_and_cannot_win(small: Path) -> None:
    project = replaced(
        small,
        "[evaluation]",
        '[decision]\nexclude = { rag = "the documents must not be shown" }\n[evaluation]',
    )
    project.build()
    decided = project.compare()
    assert "rag" in decided.comparison.variants
    assert decided.recommendation.rejected["rag"] == "the documents must not be shown"
    assert "1 limits: rag is dropped: the documents must not be shown" in decided.trace


@pytest.mark.parametrize(
    ("said", "message"), [('{ them = "x" }', "which does not compete"), ('{ rag = "" }', "gives no reason")]
)
def test_who_is_excluded_competes_and_has_a_reason(small: Path, said: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replaced(small, "[evaluation]", f"[decision]\nexclude = {said}\n[evaluation]").compare()
