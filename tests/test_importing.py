"""Importing question sets: each format, and what is refused with its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from graft.cli.main import app
from graft.errors import ConfigError, DataError
from graft.evaluation.question_sets.importing import import_records
from graft.evaluation.question_sets.questions import read_questions
from graft.types import content_hash
from graft.verbs.import_questions import import_questions


def written(folder: Path, name: str, content: Any) -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_csv(tmp_path: Path) -> None:
    text = (
        "\ufeffID,Question,Answers,Document,answerable\n"
        'a,"How much, a day?",$45 | 45 dollars,travel.md,\n'
        ",Who?,,,no\n"
    )
    assert list(import_records(written(tmp_path, "q.csv", text)).records) == [
        {
            "id": "a", "question": "How much, a day?", "answers": ["$45", "45 dollars"], "answerable": True,
            "evidence": [{"document": "travel.md"}],
        },
        {"id": content_hash("Who?"), "question": "Who?", "answers": [], "answerable": False},
    ]  # fmt: skip
    multiline = written(tmp_path, "lines.csv", 'question,answer\n"Who\nthen?",Me\n')
    assert [row["question"] for row in import_records(multiline).records] == ["Who\nthen?"]
    assert (
        len(list(import_records(written(tmp_path, "q.tsv", "question\tanswer\nWho, then?\tMe\n")).records))
        == 1
    )


def test_squad(tmp_path: Path) -> None:
    asked = [
        {"id": "1", "question": "Who?", "answers": [{"text": "Ann", "answer_start": 3}, {"text": "Ann", "answer_start": 9}]},
        {"id": "2", "question": "When?", "answers": [], "is_impossible": True},
    ]  # fmt: skip
    data = {"version": "v2.0", "data": [{"title": "Ann", "paragraphs": [{"context": "…", "qas": asked}]}]}
    assert list(import_records(written(tmp_path, "squad.json", data)).records) == [
        {"id": "1", "question": "Who?", "answers": ["Ann"], "answerable": True, "cluster": "Ann"},
        {"id": "2", "question": "When?", "answers": [], "answerable": False, "cluster": "Ann"},
    ]


def test_json_lines_as_on_the_hub(tmp_path: Path, write_jsonl: Any) -> None:
    rows = [
        {"id": 7, "question": "Who?", "answers": {"text": ["Ann"], "answer_start": [3]}, "context": "…", "title": "T"},
        {"id": 8, "question": "How many?", "answer": 3},
        {"id": 9, "question": "Why?", "answers": {"text": [], "answer_start": []}},
    ]  # fmt: skip
    found = list(import_records(write_jsonl(tmp_path / "hub.jsonl", rows)).records)
    assert [(row["id"], row["answers"], row["answerable"]) for row in found] == [
        ("7", ["Ann"], True), ("8", ["3"], True), ("9", [], False),
    ]  # fmt: skip
    assert found == list(import_records(written(tmp_path, "hub.json", rows)).records), (
        "a JSON list is the same"
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("q.csv", "text,answer\na,b\n", 'has no column "question"; it has "text", "answer"'),
        ("q.csv", "question,answer\n,b\n", 'q.csv:2: it has no "question"'),
        ("q.csv", "question,answerable\nWho?,perhaps\n", "q.csv:2: \"answerable\" is 'perhaps'"),
        ("q.jsonl", '{"question": "Who?"}\n{"question"', "q.jsonl:2 is not valid JSON"),
        (
            "q.jsonl",
            '{"id": "a", "question": "Who?"}\n{"id": "a", "question": "Why?"}\n',
            'q.jsonl:2: the id "a" was used',
        ),
        ("q.jsonl", '{"question": "Who?", "answers": [[1]]}', 'q.jsonl:1: "answers" must be'),
        ("q.jsonl", "[1]", "q.jsonl:1: not an object"),
        ("q.json", '{"rows": 1}', "is neither a list of questions nor SQuAD"),
        (
            "q.json",
            '{"data": [{"paragraphs": [{"context": "x"}]}]}',
            "article 1, is not as in SQuAD: KeyError('qas')",
        ),
        ("q.json", '{"data": [{"paragraphs": 3}]}', "article 1, is not as in SQuAD"),
        ("q.json", "[]", "holds no questions"),
    ],
)
def test_what_cannot_be_used_is_told_with_its_place(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    with pytest.raises(DataError) as caught:
        import_records(written(tmp_path, name, content))
    assert message in str(caught.value)


def test_the_command_writes_a_file_that_reads_back(tmp_path: Path) -> None:
    source = written(tmp_path, "q.csv", "question,answers\nWho?,Ann\nWhen?,\n")
    target = tmp_path / "questions.jsonl"
    done = CliRunner().invoke(app, ["questions", "import", str(source), "--to", str(target)])
    assert done.exit_code == 0
    assert done.stdout.splitlines()[0] == f"Wrote 2 questions, 1 of them unanswerable, to {target}."
    assert [question.text for question in read_questions(target)] == ["Who?", "When?"]
    with pytest.raises(ConfigError, match="--force"):
        import_questions(source, target)
    assert import_questions(source, target, force=True).questions == 2


def test_a_bad_file_leaves_the_target_alone(tmp_path: Path) -> None:
    target = written(tmp_path, "questions.jsonl", "kept")
    with pytest.raises(DataError):
        import_questions(written(tmp_path, "q.csv", "question\n,\n"), target, force=True)
    assert target.read_text(encoding="utf-8") == "kept"


SHEET = (
    "Nr.;Customer Question;Expected Answer;Source File;Owner\r\n"
    "1;Wo ist das Büro?;Zürich | Zurich;büro.md;Jürg\r\n"
    "2;Who cleans?;n/a;;Jürg\r\n"
    "3;Who sings?;keine Angabe;;Jürg\r\n"
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_sheet_as_people_keep_it(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "Fragen an den Support.csv"
    path.write_bytes(SHEET.encode(encoding))
    found = import_records(path)
    assert list(found.records) == [
        {
            "id": "1", "question": "Wo ist das Büro?", "answers": ["Zürich", "Zurich"], "answerable": True,
            "evidence": [{"document": "büro.md"}],
        },
        {"id": "2", "question": "Who cleans?", "answers": [], "answerable": False},
        {"id": "3", "question": "Who sings?", "answers": [], "answerable": False},
    ]  # fmt: skip
    shown = {"utf-16": "UTF-16", "cp1252": "Windows-1252"}.get(encoding)
    assert found.notes == (
        '"Nr." is taken for id',
        '"Customer Question" is taken for question',
        '"Expected Answer" is taken for answers',
        '"Source File" is taken for document',
        *([f"read as {shown}: check accents and quotes in what was written"] if shown else []),
        '2 answers say that there is none ("n/a", "keine Angabe"): taken as unanswerable',
    )


@pytest.mark.parametrize(
    "row",
    [
        {"user_input": "Who?", "reference": "Ann", "retrieved_contexts": ["…"]},
        {"query": "Who?", "ground_truth": "Ann"},
        {"input": "Who?", "expected_output": "Ann"},
        {"prompt": "Who?", "completion": "Ann"},
        {"instruction": "Who?", "input": "", "output": "Ann"},
    ],
)
def test_rows_of_other_tools(tmp_path: Path, write_jsonl: Any, row: dict[str, Any]) -> None:
    (found,) = import_records(write_jsonl(tmp_path / "rows.jsonl", [row])).records
    assert (found["question"], found["answers"]) == ("Who?", ["Ann"])


def test_an_instruction_comes_before_its_input(tmp_path: Path, write_jsonl: Any) -> None:
    row = {"instruction": "Classify.", "input": "I lost my card.", "output": {"intent": "lost_card"}}
    (found,) = import_records(write_jsonl(tmp_path / "rows.jsonl", [row])).records
    assert (found["question"], found["answers"]) == (
        "Classify.\n\nI lost my card.",
        ['{"intent": "lost_card"}'],
    )


def test_columns_that_the_user_names(tmp_path: Path) -> None:
    path = written(tmp_path, "q.csv", "was,text,answer\nWho?,Ann,Bob\n")
    (found,) = import_records(path, {"question": "was", "answers": "Text"}).records
    assert (found["question"], found["answers"]) == ("Who?", ["Ann"])
    with pytest.raises(DataError, match="question"):
        import_records(path)
    with pytest.raises(ConfigError, match="no 'queston' to take a column for"):
        import_records(path, {"queston": "was"})


def test_labels_are_to_match_exactly_and_none_of_them_declines(tmp_path: Path, write_jsonl: Any) -> None:
    rows = [
        {"input": f"message {at}", "output": ("card arrival", "card linking", "unknown")[at % 3]}
        for at in range(60)
    ]
    found = import_records(write_jsonl(tmp_path / "rows.jsonl", rows))
    assert {(row["match"], row["answerable"]) for row in found.records} == {("exact", True)}
    assert found.notes[-1] == "the answers are 3 labels: only the label itself is right (match = exact)"


def test_sql_and_rewritings_are_marked_as_such(tmp_path: Path, write_jsonl: Any) -> None:
    rows = [
        {"input": f"How many in {at}?", "output": f"SELECT COUNT(*) FROM t WHERE a = {at};"}
        for at in range(5)
    ]
    found = import_records(write_jsonl(tmp_path / "sql.jsonl", rows))
    assert {row["match"] for row in found.records} == {"sql"}
    assert found.notes[-1] == (
        "the answers are SQL: only the same statement is right, however it is written (match = sql)"
    )
    hard = "The committee has reached the conclusion that case {} ought to be discontinued."
    rows = [
        {"input": hard.format(at), "output": f"The committee has decided that case {at} ought to stop."}
        for at in range(10)
    ]
    found = import_records(write_jsonl(tmp_path / "plain.jsonl", rows))
    assert {row["match"] for row in found.records} == {"rewrite"}
    assert found.notes[-1] == (
        "the answers say their questions again in other words: no answer is right or wrong (match = rewrite): "
        'set [evaluation] primary = "sari"'
    )


def test_a_conversation_that_ends_with_its_answer_is_a_question(tmp_path: Path, write_jsonl: Any) -> None:
    system, user, said = (
        {"role": role, "content": text}
        for role, text in (("system", "Be brief."), ("user", "When?"), ("assistant", "At 7."))
    )
    path = write_jsonl(
        tmp_path / "rows.jsonl", [{"messages": [system, user, said]}, {"messages": [user, said]}]
    )
    first, second = import_records(path).records
    assert (first["messages"], first["answers"]) == ([system, user], ["At 7."])
    assert (second["question"], second["answers"]) == ("When?", ["At 7."])


def test_the_command_takes_columns(tmp_path: Path) -> None:
    path, to = written(tmp_path, "q.csv", "was,text\nWho?,Ann\n"), tmp_path / "new.jsonl"
    wanted = ["--column", "question=was", "--column", "answers=text"]
    done = CliRunner().invoke(app, ["questions", "import", str(path), "--to", str(to), *wanted])
    assert (done.exit_code, done.stderr) == (0, "")
    assert [question.answers for question in read_questions(to)] == [("Ann",)]
