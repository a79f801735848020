"""Reading and checking held-out questions."""

from __future__ import annotations

import dataclasses
import gzip
import json

import pytest

from graft.errors import DataError
from graft.evaluation.question_sets.questions import (
    Finding,
    check_questions,
    finding_lines,
    fingerprint,
    read_questions,
)
from graft.types import Evidence, Message, Question


def write(path, *lines):
    path.write_text(
        "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines),
        encoding="utf-8",
    )
    return path


def test_a_line_becomes_a_question(tmp_path):
    path = write(
        tmp_path / "q.jsonl",
        {"id": "q1", "question": "How long?", "answers": ["27 days", 27], "evidence": [{"document": "a.md", "start": 3, "end": 9}],
         "relevant": ["a.md", "b.md"], "format": {"regex": ".+"}, "stratum": "seen", "tags": ["hr"]},
        "",
        {"id": 2, "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"},
                               {"role": "user", "content": "Where?"}], "answerable": False, "source": "ignored"},
    )  # fmt: skip
    first, second = read_questions(path)
    assert first == Question(
        "q1", (Message("user", "How long?"),), ("27 days", "27"), True, (Evidence("a.md", 3, 9), Evidence("b.md")),
        {"regex": ".+"}, "seen", "a.md", ("hr",), "q.jsonl:1",
    )  # fmt: skip
    assert (second.id, second.text, second.answerable, second.cluster, second.where) == (
        "2",
        "Where?",
        False,
        "question 2",
        "q.jsonl:3",
    )


def test_gzip_is_read(tmp_path):
    path = tmp_path / "q.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"id": "q1", "question": "How long?", "answers": ["1"]}\n'))
    assert [question.id for question in read_questions(path)] == ["q1"]


GOOD = {"id": "q", "question": "How?", "answers": ["so"]}
BAD = [
    ("{oops", "not valid JSON"),
    ("[1]", "not a JSON object"),
    ({**GOOD, "id": None}, '"id" is missing'),
    ({**GOOD, "question": " "}, "not empty"),
    ({"id": "q", "answers": ["x"]}, 'exactly one of "question" and "messages"'),
    ({**GOOD, "messages": []}, 'exactly one of "question" and "messages"'),
    ({"id": "q", "messages": [{"role": "assistant", "content": "x"}]}, 'must have the role "user"'),
    ({"id": "q", "messages": [{"role": "robot", "content": "x"}]}, "system, user or assistant"),
    ({"id": "q", "messages": [{"role": ["user"], "content": "x"}]}, "system, user or assistant"),
    ({**GOOD, "answers": "so"}, '"answers" must be a list'),
    ({**GOOD, "answers": [""]}, '"answers" must be a list'),
    ({**GOOD, "answers": 42}, '"answers" must be a list'),
    ({**GOOD, "answers": 0}, '"answers" must be a list'),
    ({**GOOD, "tags": True}, '"tags" must be a list'),
    ({**GOOD, "answerable": "no"}, "use true or false"),
    ({**GOOD, "evidence": ["a.md"]}, 'must name its "document"'),
    ({**GOOD, "evidence": [{"document": "a", "start": 5}]}, 'needs both "start" and "end"'),
    ({**GOOD, "evidence": [{"document": "a", "start": 5, "end": 5}]}, "empty or reversed"),
    ({**GOOD, "evidence": [{"document": "a", "start": "5", "end": 6}]}, "whole numbers"),
    ({**GOOD, "evidence": [{"document": "a", "page": 0}]}, "counted from 1"),
    ({**GOOD, "format": {"regex": "("}}, "does not compile"),
    ({**GOOD, "format": {"schema": {"type": "nonsense"}}}, "JSON Schema is not valid"),
    ({**GOOD, "format": {"pattern": "x"}}, '"format" must be'),
    ({"id": "q", "question": "How?", "answer": ["x"]}, 'did you mean "answers"'),
    ({**GOOD, "stratum": 3}, '"stratum" must be a string'),
]


@pytest.mark.parametrize(("line", "reason"), BAD)
def test_a_bad_line_is_refused_with_its_place(tmp_path, line, reason):
    with pytest.raises(DataError) as caught:
        read_questions(write(tmp_path / "q.jsonl", {**GOOD, "id": "fine"}, line))
    assert "q.jsonl:2: " in str(caught.value)
    assert reason in str(caught.value)


def test_an_id_may_be_used_once(tmp_path):
    with pytest.raises(DataError, match="was used at q"):
        read_questions(write(tmp_path / "q.jsonl", GOOD, GOOD))


def test_at_most_twenty_problems_are_listed(tmp_path):
    with pytest.raises(DataError, match="20 lines cannot be used \\(and perhaps more\\)") as caught:
        read_questions(write(tmp_path / "q.jsonl", *["{"] * 30))
    assert str(caught.value).count("  q.jsonl:") == 20


def test_files_that_hold_nothing(tmp_path):
    for path, reason in [
        (tmp_path / "none.jsonl", "No questions at"),
        (write(tmp_path / "empty.jsonl"), "holds no questions"),
        (tmp_path, "cannot be read"),
    ]:
        with pytest.raises(DataError, match=reason):
            read_questions(path)
    (tmp_path / "latin.jsonl").write_bytes(b'{"id": "q"}\n\xff\xfe\n')
    with pytest.raises(DataError, match="is not UTF-8"):
        read_questions(tmp_path / "latin.jsonl")
    (tmp_path / "torn.jsonl.gz").write_bytes(gzip.compress(b"{}")[:-4])
    with pytest.raises(DataError, match="cannot be read"):
        read_questions(tmp_path / "torn.jsonl.gz")


def make(name, **changes):
    return dataclasses.replace(Question(name, (Message("user", f"Question {name}?"),), ("x",)), **changes)


def kinds(questions, documents=None):
    return [
        (finding.kind, finding.severity, finding.where) for finding in check_questions(questions, documents)
    ]


def test_what_would_mislead_is_told():
    questions = [
        make(str(number), answerable=number % 4 > 0, answers=("x",) if number % 4 else ())
        for number in range(100)
    ]
    assert kinds(questions) == []
    broken = [
        make("a", answers=()),
        make("b", answerable=False),
        make("c", evidence=(Evidence("handbok.md"),)),
        make("d", evidence=(Evidence("handbook.md", 5, 11),), where="q.jsonl:9"),
        make("e", messages=questions[7].messages),
    ]
    assert kinds([*questions, *broken], {"handbook.md": 10}) == [
        ("no-answers", "error", "a"),
        ("answers", "warning", "b"),
        ("unknown-document", "error", "c"),
        ("beyond-document", "error", "q.jsonl:9"),
        ("duplicate", "warning", "e"),
    ]
    unknown = check_questions(broken[2:3], {"handbook.md": 10})[0]
    assert unknown.message == "the evidence 'handbok.md' is not indexed; did you mean 'handbook.md'?"


def test_too_few_questions_are_told():
    assert kinds([make("a")]) == [("few", "warning", ""), ("few-unanswerable", "warning", "")]
    assert "too few to say" in check_questions([make("a")])[0].message
    assert "12 points" in check_questions([make(str(number)) for number in range(99)])[0].message


def test_the_fingerprint_is_of_what_is_asked_and_expected():
    first, second = make("a"), make("b")
    assert fingerprint([first, second]) == fingerprint([dataclasses.replace(first, where="x:1"), second])
    assert fingerprint([first, second]) != fingerprint([second, first])
    assert fingerprint([first]) != fingerprint([dataclasses.replace(first, answers=("y",))])


def test_findings_of_one_kind_are_told_three_times_and_counted() -> None:
    many = [Finding("unknown-document", "error", f"q.jsonl:{n}", "is not indexed") for n in range(1, 6)]
    one = Finding("few", "warning", "", "only 5 questions")
    assert finding_lines([*many, one]) == (
        "q.jsonl:1: is not indexed",
        "q.jsonl:2: is not indexed",
        "q.jsonl:3: is not indexed",
        "… and 2 more like that (unknown-document)",
        "only 5 questions",
    )
