"""What newcomers do that the product was not written for: mixed folders, sheets of questions, no documents at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from test_project import call

from graft import Project
from graft.cli import console
from graft.errors import LeakError
from graft.types import Answer, Message, Question, Row
from graft.verbs.comparing.answered import remarks

ASKED = [
    ("How much is the meal allowance per day?", "$45"),
    ("How many days of annual leave do we get?", "27 days"),
    ("How often are laptops replaced here?", "every four years"),
    ("Where are hotels to be booked?", "through Concur"),
    ("Whom do I ask for a charger?", "the service desk"),
    ("What is the dress code in Lisbon?", ""),
]


def sheet(folder: Path) -> Path:
    """Write the questions with their answers as a support team keeps them."""
    lines = [f"{number};{asked};{answer}\n" for number, (asked, answer) in enumerate(ASKED, start=1)]
    path = folder / "documents" / "faq sheet.csv"
    path.write_text("Nr;Question;Answer\n" + "".join(lines), encoding="utf-8")
    return path


def with_questions(folder: Path, write_jsonl: Any, **more: Any) -> None:
    rows = [
        {"id": str(at), "question": asked, "answers": [answer] if answer else [], "answerable": bool(answer)}
        for at, (asked, answer) in enumerate(ASKED)
    ]
    write_jsonl(folder / "questions.jsonl", [{**row, **more} for row in rows])


def test_a_comparison_is_refused_while_the_question_sheet_is_indexed(small: Path, write_jsonl: Any) -> None:
    with_questions(small, write_jsonl)
    sheet(small)
    Project(small).build()
    with pytest.raises(
        LeakError, match="6 of 6 held-out questions stand word for word in 'faq sheet"
    ) as told:
        Project(small).compare()
    assert 'exclude = ["faq sheet.csv"]' in told.value.hint
    config = (small / "graft.toml").read_text(encoding="utf-8")
    (small / "graft.toml").write_text(config + '[documents]\nexclude = ["faq sheet.csv"]\n', encoding="utf-8")
    Project(small).build()
    assert Project(small).compare().comparison.questions == 6


def test_a_page_of_questions_that_is_their_evidence_may_be_indexed(small: Path, write_jsonl: Any) -> None:
    with_questions(small, write_jsonl, evidence=[{"document": "faq sheet.csv"}])
    sheet(small)
    Project(small).build()
    assert Project(small).compare().comparison.questions == 6


def test_evidence_by_its_bare_file_name_is_found(small: Path, write_jsonl: Any) -> None:
    asked = {"id": "1", "question": "How often are laptops replaced?", "answers": ["every four years"]}
    write_jsonl(small / "questions.jsonl", [{**asked, "evidence": [{"document": "laptops.txt"}]}])
    Project(small).build()
    comparison = Project(small).compare().comparison
    assert comparison.variants["bm25"]["recall@5"].mean == 1.0
    told = "the evidence names documents by another path (1): 'laptops.txt' is taken for 'it/laptops.txt'"
    assert told in comparison.warnings


def test_a_name_that_two_documents_share_is_not_guessed(small: Path, write_jsonl: Any) -> None:
    (small / "documents/old").mkdir()
    (small / "documents/old/laptops.txt").write_text("Laptops were replaced every five years.\n")
    asked = {"id": "1", "question": "How often are laptops replaced?", "answers": ["every four years"]}
    write_jsonl(small / "questions.jsonl", [{**asked, "evidence": [{"document": "laptops.txt"}]}])
    Project(small).build()
    warnings = Project(small).compare().comparison.warnings
    assert any("the evidence 'laptops.txt' is not indexed" in warning for warning in warnings)


def test_the_projects_own_files_are_never_documents(small: Path, write_jsonl: Any) -> None:
    config = (small / "graft.toml").read_text(encoding="utf-8")
    (small / "graft.toml").write_text(config + '[documents]\npaths = ["."]\n', encoding="utf-8")
    write_jsonl(small / "examples.jsonl", [{"input": "Hi", "output": "Hello", "text": "Hello there"}])
    write_jsonl(small / "labels.jsonl", [{"text": "a label is no knowledge"}])
    write_jsonl(small / "faq.jsonl", [{"id": "faq", "text": "Dogs are welcome on Fridays."}])
    built = Project(small).build()
    assert (built.index.documents, built.problems) == (4, ())


def test_the_same_question_in_other_punctuation_counts_as_twice(small: Path, write_jsonl: Any) -> None:
    rows = [
        {"id": "1", "question": "Who is it?", "answers": ["Ann"]},
        {"id": "2", "question": "who is it ", "answers": ["Ann"]},
    ]
    (small / "other.json").write_text(json.dumps(rows), encoding="utf-8")
    code, out, err = call("questions", "import", str(small / "other.json"), "--to", str(small / "new.jsonl"))
    assert (code, err) == (0, "")
    assert "new.jsonl:2: asks the same as new.jsonl:1: it counts twice" in out


def asked(*finishes: str) -> tuple[list[Question], list[Row]]:
    """Questions with a row each that ends so; "" is a failed one."""
    questions = [Question(str(at), (Message("user", f"{at}?"),), ("yes",)) for at in range(len(finishes))]
    rows = [
        Row(str(at), "rag", "ok", Answer("yes", "rag", finish=how))
        if how
        else Row(str(at), "rag", "error", error="EndpointError: 429")
        for at, how in enumerate(finishes)
    ]
    return questions, rows


def test_failed_and_cut_answers_are_told() -> None:
    questions, rows = asked("stop", "length", "", "")
    assert remarks(questions, {"rag": rows, "bm25": asked(*["length"] * 4)[1]}, max_tokens=96) == (
        "rag failed on 2 of 4 questions, which count as wrong; run the same command again to ask them once more. "
        "EndpointError: 429",
        "1 of 4 answers of rag were cut off at 96 tokens: raise [generation] max_tokens, or ask for shorter answers in its "
        "instructions.",
    )
    assert remarks(questions[:1], {"rag": rows[:1]}, max_tokens=96) == ()


def test_words_in_place_of_json_are_told_with_the_cheap_remedy() -> None:
    said = ('{"a": 1}', "a is 1", "I don't know.", '{"a": ')
    questions = [Question(str(at), (Message("user", f"{at}?"),), ('{"a": 1}',)) for at in range(len(said))]
    rows = [
        Row(
            str(at),
            "rag",
            "ok",
            Answer(text, "rag", abstained=at == 2, finish="length" if at == 3 else "stop"),
        )
        for at, text in enumerate(said)
    ]
    cut, formless = remarks(questions, {"rag": rows}, max_tokens=96)
    assert "were cut off" in cut
    assert formless == (
        "1 of 2 answers of rag are no JSON, as the expected ones are: [generation] schema holds them to it without any "
        "training (docs/formats.md)."
    )
    assert remarks(questions[:1], {"rag": rows[:1]}, max_tokens=96) == ()


def test_long_work_tells_where_it_is_also_where_nobody_has_a_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with console.progress() as tell:
        tell("rag", 16, 60)
    assert capsys.readouterr().err == ""  # short work says nothing
    tell = console._lines(every=0.0)
    tell("rag", 16, 60)
    tell("parse", 3, 0)
    assert capsys.readouterr() == ("", "rag: 16/60\nparse: 3\n")
