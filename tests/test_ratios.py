"""Figures that are ratios of two sums, and the strata that the examples tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft import Project
from graft.decision.inference.ratios import ratios
from graft.evaluation.question_sets.questions import read_questions
from graft.reporting import shown
from graft.types import Value
from graft.verbs.comparing.seen import strata


def column(*values: float | None) -> list[Value]:
    return [Value(value, "" if value is not None else "not known") for value in values]


def figures(**metrics: list[Value]) -> dict[str, float | None]:
    n = len(next(iter(metrics.values())))
    found = ratios({"rag": metrics}, [""] * n, draws=500, seed=0)["rag"]
    return {name: estimate.mean for name, estimate in found.items()}


def test_what_a_right_answer_costs() -> None:
    found = ratios(
        {"rag": {"cost": column(0.1, 0.3, 0.2, None), "correct": column(1.0, 0.0, None, 1.0)}}, ["a", "b", "c", "d"], draws=500, seed=0,
    )["rag"]["cost_per_correct"]  # fmt: skip
    assert (found.mean, found.n_scored, found.n_total) == (pytest.approx(0.4), 2, 4)
    assert figures(cost=column(0.1, 0.1), correct=column(0.0, 0.0)) == {}
    assert figures(cost=column(None, None), correct=column(1.0, 1.0)) == {}
    assert figures(correct=column(1.0)) == {}


def test_a_long_answer_weighs_as_much_as_it_says_where_rows_are_pooled() -> None:
    """One of one citation right, and one of four: 62 % of an answer's on average, two of five of all."""
    cited = [Value(1.0, of=1), Value(0.25, of=4), Value(None, "the answer cites nothing")]
    found = ratios({"rag": {"citation_precision": cited}}, ["a", "b", "c"], draws=500, seed=0)["rag"]
    pooled = found["citation_precision_micro"]
    assert (pooled.mean, pooled.n_scored, pooled.n_total) == (pytest.approx(2 / 5), 2, 3)
    assert shown.long("citation_precision_micro") == "Citation precision, all rows pooled"
    assert shown.number("citation_precision_micro", 0.4) == "40%"


def test_a_ratio_is_written_as_what_it_is() -> None:
    assert shown.number("cost_per_correct", 0.0004) == "$0.40"
    assert shown.number("abstain_f1", 0.667) == "67%"
    assert shown.scale("abstain_f1").better == "higher"


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30))
@settings(deadline=None, max_examples=50)
def test_the_f1_of_declining_is_the_textbooks(rows: list[tuple[bool, bool]]) -> None:
    """Rows are (answerable, declined)."""
    caught = column(*(None if answerable else float(declined) for answerable, declined in rows))
    refused = column(*(float(declined) if answerable else None for answerable, declined in rows))
    found = figures(abstain_recall=caught, over_refusal=refused)
    kinds = {answerable for answerable, _ in rows}
    if kinds != {True, False}:
        assert found == {}
        return
    right = sum(declined and not answerable for answerable, declined in rows)
    precision = right / max(1, sum(declined for _, declined in rows))
    recall = right / sum(not answerable for answerable, _ in rows)
    expected = 2 * precision * recall / (precision + recall) if right else 0.0
    assert found["abstain_f1"] == pytest.approx(expected)


# --- strata ----------------------------------------------------------------------------------------------------------


def test_documents_that_training_saw_are_a_stratum_of_their_own(small: Path, write_jsonl: Any) -> None:
    project = Project(small)
    questions = read_questions(small / "questions.jsonl")
    assert set(strata(project.parts, questions)) == {""}
    documents = [question.evidence[0].document for question in questions if question.evidence]
    write_jsonl(
        small / "examples.jsonl",
        [{"id": "e1", "input": "Something else entirely?", "output": "Yes.", "documents": [documents[0]]}],
    )
    found = strata(project.parts, questions)
    expected = [
        "" if not question.evidence
        else "seen documents" if question.evidence[0].document == documents[0]
        else "unseen documents"
        for question in questions
    ]  # fmt: skip
    assert found == expected
    assert {"seen documents", "unseen documents"} <= set(found)
