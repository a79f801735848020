"""Training data as other tools write it."""

from __future__ import annotations

from typing import Any

import pytest

from graft import Project
from graft import config as reading
from graft.errors import DataError
from graft.tuning.examples import read_examples


@pytest.mark.parametrize(
    ("row", "asked", "output"),
    [
        ({"input": "Hi", "output": "Hello"}, ["user: Hi"], "Hello"),
        ({"instruction": "Greet.", "input": "", "output": "Hello"}, ["user: Greet."], "Hello"),
        ({"instruction": "Greet.", "input": "Ann", "output": "Hello"}, ["user: Greet.\n\nAnn"], "Hello"),
        ({"instruction": "Greet.", "response": "Hello"}, ["user: Greet."], "Hello"),
        ({"prompt": "Hi", "completion": "Hello"}, ["user: Hi"], "Hello"),
        ({"question": "Hi?", "answer": "Hello"}, ["user: Hi?"], "Hello"),
        (
            {"prompt": [{"role": "user", "content": "Hi"}], "completion": [{"role": "assistant", "content": "Hello"}]},
            ["user: Hi"],
            "Hello",
        ),
        (
            {"conversations": [{"from": "system", "value": "Be kind."}, {"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]},
            ["system: Be kind.", "user: Hi"],
            "Hello",
        ),
        ({"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}, ["user: Hi"], "Hello"),
    ],
)  # fmt: skip
def test_each_format_is_the_same_example(
    tmp_path: Any, write_jsonl: Any, row: Any, asked: Any, output: str
) -> None:
    (example,) = read_examples(write_jsonl(tmp_path / "examples.jsonl", [row]))
    assert [f"{turn.role}: {turn.content}" for turn in example.messages] == asked
    assert example.output == output


@pytest.mark.parametrize(
    "row", [{"prompt": "Hi"}, {"conversations": [3]}, {"conversations": []}, {"completion": "x"}]
)
def test_half_an_example_is_refused_with_its_place(tmp_path: Any, write_jsonl: Any, row: Any) -> None:
    with pytest.raises(DataError, match=r"examples.jsonl:1"):
        read_examples(write_jsonl(tmp_path / "examples.jsonl", [row]))


def test_init_makes_a_project_of_examples_alone_and_trains_on_no_test_file(
    tmp_path: Any, write_jsonl: Any
) -> None:
    write_jsonl(tmp_path / "test.jsonl", [{"input": "Hi", "output": "Hello"}])
    write_jsonl(tmp_path / "train.jsonl", [{"instruction": "Greet.", "input": "", "output": "Hello"}])
    made = Project.init(tmp_path)
    assert (made.found.documents, made.found.examples, made.found.sheets) == (
        "",
        "train.jsonl",
        ("test.jsonl",),
    )
    read = reading.read(tmp_path / "graft.toml")
    assert (read.documents.paths, read.evaluation.variants) == ((), ("base", "tuned"))
    assert "test.jsonl holds questions with answers, so it is neither indexed nor trained on" in made.summary


def test_init_leaves_a_sheet_of_questions_out_of_the_documents(tmp_path: Any) -> None:
    (tmp_path / "a b").mkdir()
    (tmp_path / "a b/guide.md").write_text("# Guide\n\nText.")
    (tmp_path / "a b/tests.csv").write_bytes("Frage;Antwort\nWo?;Zürich\n".encode("cp1252"))
    (tmp_path / "a b/prices.csv").write_text("item,price\npen,3\n")
    made = Project.init(tmp_path)
    assert (made.found.documents, made.found.sheets) == ("a b", ("a b/tests.csv",))
    assert dict(made.found.suffixes) == {".md": 1, ".csv": 1}
    assert reading.read(tmp_path / "graft.toml").documents.exclude == ("tests.csv",)
    assert made.to_json()["sheets"] == ("a b/tests.csv",)
