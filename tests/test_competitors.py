"""Other systems in the comparison: an endpoint, recorded answers, and what is refused of them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving import listening

from graft import Project
from graft.config import from_tables as settings_from
from graft.errors import ConfigError, DataError
from graft.evaluation.checks.abstention import is_abstention
from graft.evaluation.recorded import RecordedAnswers
from graft.evaluation.run import OUTAGE, reported_latencies, run
from graft.generation.competitor import Competitor
from graft.server.app import create_app
from graft.settings_deciding import CompetitorSection
from graft.testing.fakes import EchoGenerator
from graft.types import Answer, Citation, Message, Passage, Question, RankedHit, Row, Usage


@contextlib.contextmanager
def served(project: Project) -> Iterator[str]:
    """Serve the project's rag variant on a free port of loopback; yields the base URL of its API."""
    app = create_app({"rag": project.parts.variant("rag")}, default="rag", key="secret")
    with listening(app) as url:
        yield f"{url}/v1"


def declare(root: Path, tables: str) -> Project:
    path = root / "graft.toml"
    path.write_text(path.read_text(encoding="utf-8") + tables, encoding="utf-8")
    return Project(root)


RECORDED: list[dict[str, Any]] = [
    {"id": "q1", "answer": "$45 a day.", "latency": 0.5, "cost": 0.002, "tokens": {"prompt": 90, "completion": 4}},
    {"id": "q2", "answer": "27 days.", "latency": 0.7, "cost": 0.002, "citations": [{"document": "leave.md"}]},
    {"id": "q4", "answer": "I don't know.", "latency": 0.6, "cost": 0.002},
    {"id": "q9", "answer": "An answer to nothing."},
]  # fmt: skip


def test_an_endpoint_and_recorded_answers_stand_in_one_table_with_the_variants(
    small: Path, write_jsonl: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THEIR_KEY", "secret")
    Project(small).build()
    write_jsonl(small / "them.jsonl", RECORDED)
    with served(Project(small)) as url:
        project = declare(
            small,
            f'\n[variants.api]\nendpoint = "{url}"\nmodel = "graft"\nkey_env = "THEIR_KEY"\nraw = true\ninput_price = 1\noutput_price = 2\n'
            '[variants.them]\nanswers = "them.jsonl"\n',
        )
        decided = project.compare()
    found = decided.comparison.variants
    assert list(found) == ["base", "rag", "api", "them", "extractive", "bm25"]
    assert decided.comparison.baselines == ("extractive", "bm25")
    assert found["api"]["truthfulness"].mean == found["rag"]["truthfulness"].mean
    assert found["them"]["correct"].mean == pytest.approx(2 / 3)
    assert found["them"]["truthfulness"].mean == pytest.approx((1 + 1 - 1 + 1) / 4)
    assert found["them"]["cost"].mean == pytest.approx(0.002)
    assert found["them"]["latency_p50"].mean == pytest.approx(0.6)
    assert found["api"]["latency_p50"].mean is not None
    assert found["api"]["cost"].mean is not None
    assert found["api"]["ttft_p50"].mean <= found["api"]["latency_p50"].mean
    assert "ttft_p50" not in found["them"]
    assert "them: them.jsonl lacks 1 of 4 questions (q3): they count as wrong." in decided.comparison.warnings
    assert (
        "them: them.jsonl holds 1 answers to ids that are no questions (q9): ignored."
        in decided.comparison.warnings
    )
    rows = [json.loads(line) for line in decided.rows.read_text(encoding="utf-8").splitlines()]
    (lost,) = [row for row in rows if row["status"] != "ok"]
    assert (lost["question"], lost["variant"], lost["status"]) == ("q3", "them", "error")
    assert {"api", "them"} <= set(decided.recommendation.utility)


def test_a_competitor_is_measured_and_not_served(small: Path, write_jsonl: Any) -> None:
    write_jsonl(small / "them.jsonl", RECORDED)
    project = declare(small, '\n[variants.them]\nanswers = "them.jsonl"\n')
    project.build()
    with pytest.raises(ConfigError, match="'them' is a competitor: GRAFT measures it"):
        project.ask("Anything?", variant="them")
    plan = project.plan_compare()["variants"]["them"]
    assert (plan["questions"], plan["cost_usd"], plan["seconds"]) == (4, 0.0, 0.0)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"rag": {"answers": "a"}}, "'rag' in [variants.rag] cannot be used as a name."),
        ({"a b": {"answers": "a"}}, "'a b' in [variants.a b] cannot be used as a name."),
        ({"x": {}}, "[variants.x] needs either 'endpoint' or 'answers'."),
        ({"x": {"answers": "a", "endpoint": "b"}}, "[variants.x] needs either 'endpoint' or 'answers'."),
        ({"x": {"endpoint": "http://localhost/v1"}}, "[variants.x] has an 'endpoint' and no model."),
        ({"x": {"answer": "a"}}, "Unknown key 'answer' in [variants.x]. Did you mean 'answers'?"),
        ({"x": 3}, "'variants' must hold tables."),
    ],
)
def test_a_wrong_table_is_refused(table: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings_from({"variants": table})
    assert message in str(caught.value)


def test_a_table_is_read() -> None:
    read = settings_from(
        {"variants": {"gpt-5.1": {"endpoint": "https://x/v1", "model": "m", "input_price": 1}}}
    )
    assert read.variants == {
        "gpt-5.1": CompetitorSection(endpoint="https://x/v1", model="m", input_price=1.0)
    }


# --- recorded answers --------------------------------------------------------------------------------------------------


def question(name: str) -> Question:
    return Question(name, (Message("user", f"{name}?"),), ("x",))


def recorded(path: Path, names: list[str]) -> RecordedAnswers:
    return RecordedAnswers("them", path, [question(name) for name in names], is_abstention=is_abstention)


def test_a_line_is_read_whole(tmp_path: Path, write_jsonl: Any) -> None:
    line = {
        "id": 1, "answer": "I don't know.", "latency": 2, "cost": 0.5, "tokens": {"prompt": 7, "completion": 3}, "model": "x",
        "citations": [{"document": "a.md", "start": 3, "end": 9, "quote": "q"}, {"document": "b.pdf", "page": 2}],
        "retrieved": [{"document": "a.md", "start": 3, "end": 9, "score": -0.5}, {"document": "b.pdf", "page": 2}],
        "passages": [{"document": "a.md", "start": 0, "end": 12, "text": "x", "title": "A"}],
    }  # fmt: skip
    found = recorded(write_jsonl(tmp_path / "a.jsonl", [line]), ["1"])
    assert found.answer_batch([question("1").messages]) == [
        Answer(
            "I don't know.", "them", abstained=True, usage=Usage(7, 3), timings={"total": 2.0}, cost=0.5,
            citations=(Citation(2, "a.md", 3, 9, "q"), Citation(3, "b.pdf", 0, 0, "", page=2)),
            passages=(Passage("a.md", 0, 12, "x", "A"),),
            ranking=(RankedHit("a.md:3-9", "a.md", 3, 9, score=-0.5), RankedHit("b.pdf:0-0", "b.pdf", page=2)),
        )
    ]  # fmt: skip
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "a.jsonl:2: not valid JSON"),
        ("[]", "a.jsonl:2: not a JSON object"),
        ('{"answer": "x"}', 'a.jsonl:2: "id" is missing'),
        ('{"id": "b"}', 'a.jsonl:2: "answer" must be a string'),
        ('{"id": "a", "answer": "x"}', 'a.jsonl:2: a second answer to "a"'),
        ('{"id": "b", "answer": "x", "cost": -1}', 'a.jsonl:2: "cost" must be a number that is not negative'),
        ('{"id": "b", "answer": "x", "latency": "fast"}', 'a.jsonl:2: "latency" must be a number'),
        ('{"id": "b", "answer": "x", "tokens": 3}', 'a.jsonl:2: "tokens" must be {"prompt"'),
        (
            '{"id": "b", "answer": "x", "citations": ["c"]}',
            'a.jsonl:2: each of "citations" must name its "document"',
        ),
        ('{"id": "b", "answer": "x", "retrieved": {}}', 'a.jsonl:2: "retrieved" must be a list'),
        (
            '{"id": "b", "answer": "x", "retrieved": [{"document": "d", "start": 1.5}]}',
            'a.jsonl:2: "start", "end" and "page" in "retrieved" must be whole numbers',
        ),
        (
            '{"id": "b", "answer": "x", "retrieved": [{"document": "d", "score": "high"}]}',
            'a.jsonl:2: "score" must be a number, not',
        ),
        (
            '{"id": "b", "answer": "x", "passages": [{"document": "d"}]}',
            'a.jsonl:2: each passage must hold its "text"',
        ),
    ],
)
def test_a_bad_line_is_told_with_its_place(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": "a", "answer": "x"}\n' + line + "\n", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        recorded(path, ["a", "b"])
    assert message in str(caught.value)


def test_answers_to_other_questions_are_refused(tmp_path: Path, write_jsonl: Any) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", [{"id": "z", "answer": "x"}])
    with pytest.raises(DataError, match="answers none of the 2 questions"):
        recorded(path, ["a", "b"])
    with pytest.raises(DataError, match="No recorded answers at"):
        recorded(tmp_path / "none.jsonl", ["a"])


def test_many_missing_answers_are_rows_and_no_outage(tmp_path: Path, write_jsonl: Any) -> None:
    names = [f"q{number}" for number in range(3 * OUTAGE)]
    found = recorded(write_jsonl(tmp_path / "a.jsonl", [{"id": "q0", "answer": "x", "latency": 1}]), names)
    rows = run(found, [question(name) for name in names], tmp_path / "run", batch_size=4, latency_questions=0)
    assert [row.status for row in rows] == ["ok"] + ["error"] * (3 * OUTAGE - 1)
    assert "holds no answer to this question" in rows[1].error


def test_reported_times_are_those_of_the_questions_that_would_be_timed() -> None:
    rows = [
        Row(str(n), "x", "ok", Answer("a", timings={"total": float(n)} if n != 4 else {})) for n in range(8)
    ]
    assert reported_latencies(rows, 4).seconds == (0.0, 2.0, 6.0)


# --- an endpoint -------------------------------------------------------------------------------------------------------


def test_the_plain_question_in_the_contract_or_bare() -> None:
    asked: list[list[Message]] = []

    class Listening(EchoGenerator):
        def generate(self, prompts: Any, **decoding: Any) -> Any:
            asked.extend(prompts)
            return super().generate(prompts, **decoding)

    framed, bare = Competitor("a", Listening()), Competitor("a", Listening(), raw=True)
    answers = [one.answer_batch([question("q").messages])[0] for one in (framed, bare)]
    assert [turn.role for turn in asked[0]] == ["system", "user"]
    assert asked[1] == [Message("user", "q?")]
    assert [answer.abstained for answer in answers] == [True, True]
    assert set(answers[0].timings) >= {"total"}
    assert framed.fingerprint != bare.fingerprint
