"""What once went wrong on the way to a comparison, each through the path that it went wrong on."""

from __future__ import annotations

from pathlib import Path

from graft import Project
from graft.verbs.compare import held_out
from graft.verbs.comparing.competitors import rows_of


def quiet(*_: object) -> None:
    """No progress."""


def test_a_variant_whose_rows_were_made_for_another_verb_is_timed_all_the_same(small: Path) -> None:
    """graft gaps --apply and graft calibrate --variant answer the held-out questions and time nothing."""
    settings = small / "graft.toml"
    settings.write_text(settings.read_text() + "[decision]\nmax_p95_seconds = 60\n")
    project = Project(small)
    project.build()
    parts = project.parts
    made = rows_of(parts, parts.variant("rag"), held_out(parts)[0], quiet)
    decided = project.compare()
    assert decided.comparison.variants["rag"]["latency_p50"].mean is not None
    assert "not measured" not in decided.trace
    assert rows_of(parts, parts.variant("rag"), held_out(parts)[0], quiet) == made
