"""What owning the compared variants costs: in the trace, in the report, and in the order of the variants."""

from __future__ import annotations

from pathlib import Path

import pytest

from graft import Project
from graft.errors import ConfigError
from graft.workspace import read_json


def with_costs(root: Path, text: str) -> Project:
    path = root / "graft.toml"
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")
    return Project(root)


def test_the_trace_and_the_report_tell_the_cost_over_the_horizon(small: Path) -> None:
    project = with_costs(small, "[costs]\nmonths = 6\nhosting = { rag = 50 }\nreindexes_per_month = 4\n")
    project.build()
    decided = project.compare()
    trace = decided.trace
    assert "Cost over 6 months at 10,000 answers a month, USD:" in trace
    [row] = [
        line for line in trace.splitlines() if line.strip().startswith("rag ") and "hosting 50.00" in line
    ]
    assert "indexing again" in row
    page = decided.report.read_text(encoding="utf-8")
    assert "What it costs over 6 months at 10,000 answers a month, USD" in page
    assert "hosting 50.00" in page


def test_what_is_not_known_is_said(small: Path) -> None:
    project = Project(small)
    project.build()
    [line] = [line for line in project.compare().trace.splitlines() if "Not counted:" in line]
    assert "no price is known" in line


def test_a_price_without_its_numbers_is_refused(small: Path) -> None:
    with pytest.raises(ConfigError, match="'prices' in \\[costs\\] has no valid 'output' for 'mine'"):
        with_costs(small, "[costs]\nprices = { mine = { input = 1 } }\n")


def test_costs_out_of_range_are_refused(small: Path) -> None:
    with pytest.raises(ConfigError, match="'months' in \\[costs\\] is 0"):
        with_costs(small, "[costs]\nmonths = 0\n")


def test_a_build_of_one_new_document_does_not_price_the_whole_index(small: Path) -> None:
    """Its seconds are those of any build: a chunk in 1.5 s made 20,000 chunks 30,000 s."""
    project = Project(small)
    project.build()
    timed = read_json(project.parts.workspace.indexing)
    assert timed["embedded"] == len(project.parts.retrieval.store) > 2
    (small / "documents/gym.md").write_text("# Gym\n\nThe gym is open from six.\n", encoding="utf-8")
    again = Project(small)
    assert again.build().index.embedded == 1
    assert read_json(again.parts.workspace.indexing) == timed
