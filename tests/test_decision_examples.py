"""The stored cases under examples/decisions: the whole printed trace is what lies beside each case."""

import importlib.util
import json
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "examples" / "decisions"
CASES = sorted(path.stem for path in FOLDER.glob("*.json"))


@pytest.fixture(scope="module")
def decide():
    spec = importlib.util.spec_from_file_location("decide", FOLDER / "decide.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load(name):
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", CASES)
def test_the_whole_trace_is_as_stored(decide, name):
    assert decide.text(load(name)) == (FOLDER / f"{name}.trace.txt").read_text(encoding="utf-8")


def test_the_cases_are_all_told_in_the_readme():
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert [name for name in CASES if f"| {name} |" not in readme] == []
    assert len(CASES) == 4


def test_accuracy_rises_significantly_but_utility_does_not(decide):
    verdict = decide.decide(load("accuracy-is-not-value"))
    assert verdict.kind == "UNDECIDED"
    assert verdict.candidates == ("base", "rag")
    assert any(
        "+10.0 points (p = 0.0052)" in reason and "no gain in utility" in reason for reason in verdict.reasons
    )
    assert abs(verdict.utility["rag"].mean - verdict.utility["base"].mean) < 0.001
    # A wrong answer that costs twice a right one settles it: the plain model.
    settled = {
        row["at"]: (row["kind"], row["variant"])
        for row in verdict.sensitivity
        if row["what"].startswith("loss")
    }
    assert settled[2.0] == ("KEEP_THE_CHEAPER", "base")
    assert settled[4.0] == ("RECOMMEND", "base")


def test_keep_the_cheaper(decide):
    verdict = decide.decide(load("keep-the-cheaper"))
    assert (verdict.kind, verdict.variant, verdict.questions_needed) == ("KEEP_THE_CHEAPER", "rag", None)
    assert len(verdict.drivers) == 6


def test_undecided_says_how_many_questions_to_collect(decide):
    verdict = decide.decide(load("undecided"))
    assert (verdict.kind, verdict.variant, verdict.candidates) == ("UNDECIDED", None, ("rag", "hybrid"))
    assert f"collect about {verdict.questions_needed:,} more" in verdict.reasons[0]


def test_format_decides(decide):
    case = load("format-decides")
    assert (decide.decide(case).kind, decide.decide(case).variant) == ("RECOMMEND", "hybrid")
    # When format is worth nothing, retrieval alone is as good.
    indifferent = decide.decide({**case, "values": {"format": 0.0}})
    assert (indifferent.kind, indifferent.variant) == ("KEEP_THE_CHEAPER", "rag")
