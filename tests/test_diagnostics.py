"""The oracle arm: the gold evidence as context, shown beside the variants, and the headroom it tells of."""

from __future__ import annotations

from pathlib import Path

import pytest

from graft import Project
from graft.config import from_tables
from graft.decision.recommending.explain import headroom_line, knowledge_line, seed_line
from graft.errors import ConfigError
from graft.types import Comparison, Estimate
from graft.verbs.comparing.competitors import competitors


def with_oracle(root: Path) -> Project:
    path = root / "graft.toml"
    text = path.read_text(encoding="utf-8").replace("[evaluation]", '[evaluation]\ndiagnostics = ["oracle"]')
    path.write_text(text, encoding="utf-8")
    project = Project(root)
    project.build()
    return project


def test_the_oracle_reads_the_gold_evidence_and_else_what_the_search_finds(small: Path) -> None:
    parts = with_oracle(small).parts
    questions = [*parts_questions(parts)]
    with competitors(parts, questions) as entered:
        oracle, rag = entered.answerers["oracle"], entered.answerers["rag"]
        answers = oracle.answer_batch([question.messages for question in questions])
        found = rag.answer_batch([question.messages for question in questions])
    assert [[passage.document for passage in answer.passages] for answer in answers[:3]] == [
        ["travel.md"], ["leave.md"], ["it/laptops.txt"],
    ]  # fmt: skip
    for question, answer in zip(questions[:3], answers, strict=False):
        piece = question.evidence[0]
        assert any(p.start <= piece.start and piece.end <= p.end for p in answer.passages)
    assert answers[3].passages == found[3].passages, "no gold evidence: the search's"
    assert oracle.fingerprint != rag.fingerprint


def parts_questions(parts):
    from graft.verbs.compare import held_out

    return held_out(parts)[0]


def test_the_oracle_is_shown_and_cannot_win(small: Path) -> None:
    decided = with_oracle(small).compare()
    assert list(decided.comparison.variants) == ["base", "rag", "extractive", "bm25", "oracle"]
    assert decided.comparison.baselines == ("extractive", "bm25", "oracle")
    assert "oracle" not in decided.recommendation.utility
    assert any(reason.startswith("Headroom in correct:") for reason in decided.recommendation.reasons)


def test_without_it_nothing_is_said(small: Path) -> None:
    project = Project(small)
    project.build()
    decided = project.compare()
    assert "oracle" not in decided.comparison.variants
    assert not any("Headroom" in reason for reason in decided.recommendation.reasons)


def comparison(**means: float | None) -> Comparison:
    found = {name: {"correct": Estimate(mean, None, None, 9, 9)} for name, mean in means.items()}
    return Comparison(9, "truthfulness", found)


def test_headroom_is_what_retrieval_and_what_the_model_can_bring() -> None:
    assert headroom_line(comparison(rag=0.5, oracle=0.853)) == [
        "Headroom in correct: better retrieval can bring 0.353 (oracle 0.853 - rag 0.500), "
        "a better generator 0.147 (1 - oracle)."
    ]
    assert "can bring 0.000" in headroom_line(comparison(rag=0.6, oracle=0.5))[0]
    assert headroom_line(comparison(rag=0.5, oracle=None)) == []
    assert headroom_line(comparison(rag=0.5)) == []


def test_what_the_model_knew_and_how_often_it_was_trained_is_told() -> None:
    assert knowledge_line(comparison(base=0.093, rag=0.5)) == [
        "What the model knows without the documents: base is right on 9.3% of the questions. That much is no gain of search or tuning."
    ]
    assert knowledge_line(comparison(base=0.0)) == knowledge_line(comparison(rag=0.5)) == []
    assert seed_line(["base", "tuned", "hybrid"])[0].startswith(
        "tuned and hybrid: a single training seed each"
    )
    assert seed_line(["base", "rag"]) == []


def test_an_unknown_diagnostic_is_refused() -> None:
    with pytest.raises(ConfigError, match="names 'orcale', which is none"):
        from_tables({"evaluation": {"diagnostics": ["orcale"]}})
