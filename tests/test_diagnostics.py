"""The diagnostic arms oracle (the gold evidence as context) and held (the questions' format): shown beside the variants, and
what they tell of."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from graft import Project
from graft.config import from_tables
from graft.decision.recommending.explain import headroom_line, knowledge_line, seed_line
from graft.errors import ConfigError
from graft.generation.followup import search_query
from graft.testing.models import tiny_model
from graft.types import Comparison, Estimate, Message
from graft.verbs.comparing.competitors import _untried, competitors
from graft.verbs.comparing.diagnostics import diagnostic_arms


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


def test_the_oracle_finds_the_gold_of_a_follow_up_that_the_model_would_rewrite(small: Path) -> None:
    project = with_oracle(small)
    path = small / "graft.toml"
    text = path.read_text(encoding="utf-8")
    text = text.replace("[retrieval]", "[retrieval]\ncondense = true").replace(
        'model = "echo"', 'model = { name = "echo", reply = "laptops" }'
    )
    path.write_text(text, encoding="utf-8")
    parts = Project(small).parts
    talk = (
        Message("user", "Is there Wi-Fi?"),
        Message("assistant", "Yes."),
        Message("user", "And how much for meals?"),
    )
    gold, none = (
        replace(question, messages=talk, evidence=question.evidence[:kept])
        for question, kept in ((parts_questions(project.parts)[0], 1), (parts_questions(project.parts)[3], 0))
    )
    for question, wanted in ((gold, search_query(talk)), (none, "laptops")):
        arms, _ = diagnostic_arms(parts, [question], ["oracle"])
        assert arms["oracle"].query(talk).text == wanted
    assert (
        diagnostic_arms(parts, [gold], ["oracle"])[0]["oracle"].answer(talk).passages[0].document
        == "travel.md"
    )


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


# --- held ------------------------------------------------------------------------------------------------------------

LEVELS = {"regex": "(low|high)"}


@pytest.fixture
def levels(tmp_path: Path) -> Path:
    """Two questions of one format to a tiny random model, no documents, and the arm that is held to it."""
    model = tiny_model(tmp_path / "tiny")
    rows = [
        {"id": f"q{i}", "question": f"How urgent is ticket {i}?", "answers": ["low"], "format": LEVELS}
        for i in range(2)
    ]
    rows.append({"id": "q2", "question": "How urgent is ticket 2?", "answers": [], "answerable": False})
    (tmp_path / "questions.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8"
    )
    (tmp_path / "graft.toml").write_text(
        f'[generation]\nmodel = {{ name = "transformers", model = "{model}" }}\nmax_tokens = 60\n'
        '[evaluation]\ndiagnostics = ["held"]\ndraws = 200\nlatency_questions = 1\n',
        encoding="utf-8",
    )
    return tmp_path


def test_the_untrained_model_held_to_the_questions_format_stands_beside(levels: Path) -> None:
    decided = Project(levels).compare()
    assert decided.comparison.baselines == ("held",)
    means = {name: found["format"].mean for name, found in decided.comparison.variants.items()}
    assert means == {"base": 0.0, "held": 1.0}


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("max_tokens = 60", 'max_tokens = 60\nregex = "low"', "Every variant is held to a format already."),
        ('{"regex": "(low|high)"}', "null", "held keeps the one format of the questions, and they name none or several."),
        ('"id": "q1", "question": "How urgent is ticket 1?", "answers": ["low"], "format": {"regex": "(low|high)"}',
         '"id": "q1", "question": "How urgent is ticket 1?", "answers": ["low"], "format": {"regex": "low"}',
         "held keeps the one format of the questions, and they name none or several."),
    ],
)  # fmt: skip
def test_why_nothing_can_be_held_is_told(levels: Path, old: str, new: str, why: str) -> None:
    for name in ("graft.toml", "questions.jsonl"):
        path = levels / name
        path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    parts = Project(levels).parts
    arms, missing = diagnostic_arms(parts, parts_questions(parts), ["held"])
    assert arms == {}
    assert missing["held"].startswith(why)


def test_a_model_that_cannot_be_held_is_told(small: Path) -> None:
    path = small / "questions.jsonl"
    rows = [json.loads(line) | {"format": LEVELS} for line in path.read_text(encoding="utf-8").splitlines()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    project = Project(small)
    project.build()
    _, missing = diagnostic_arms(project.parts, parts_questions(project.parts), ["held"])
    assert missing["held"].startswith("rag cannot be held to a format: its model cannot.")


def test_where_tuning_might_be_credited_with_a_form_that_needs_none_it_is_told(levels: Path) -> None:
    parts = Project(levels).parts
    questions = parts_questions(parts)
    trained = {"base": object(), "tuned": object()}
    assert _untried(parts, questions, trained) == []
    path = levels / "graft.toml"
    path.write_text(
        path.read_text(encoding="utf-8").replace('diagnostics = ["held"]\n', ""), encoding="utf-8"
    )
    parts = Project(levels).parts
    assert _untried(parts, questions, {"base": object()}) == []
    [told] = _untried(parts, questions, trained)
    assert told.startswith("The questions name one format. What tuning bring")
