"""Functions to call become text: in examples, in questions, in whatever is imported."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.calls import HEADING, offered, read, spelled_out, written
from graft.errors import DataError
from graft.evaluation.question_sets.importing import import_records
from graft.evaluation.question_sets.questions import read_questions
from graft.tuning.examples import read_examples
from graft.types import Message

CLOCK = {
    "name": "clock",
    "description": "The time.",
    "parameters": {"type": "object", "properties": {"zone": {"type": "string"}}},
}
TOLD = f"{HEADING}\n{json.dumps(CLOCK)}"
ASKED = {"role": "user", "content": "What time is it in Rome?"}
CALL = {"id": "1", "type": "function", "function": {"name": "clock", "arguments": '{"zone": "Rome"}'}}
CALLED = {"role": "assistant", "content": None, "tool_calls": [CALL]}
SAID = '[{"name": "clock", "arguments": {"zone": "Rome"}}]'
TOOLS = [{"type": "function", "function": CLOCK}]


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [ASKED, CALLED], "tools": TOOLS},
        {"messages": [ASKED, {"role": "assistant", "function_call": CALL["function"]}], "functions": [CLOCK]},
        {"messages": [ASKED], "tools": TOOLS, "output": json.loads(SAID)[0]},
        {"input": ASKED["content"], "tools": [CLOCK], "output": SAID},
    ],
)
def test_examples_of_calls_are_trained_on_as_text(tmp_path, write_jsonl, row):
    (example,) = read_examples(write_jsonl(tmp_path / "calls.jsonl", [row]))
    assert example.messages == (Message("system", TOLD), Message("user", ASKED["content"]))
    said = json.loads(example.output)
    assert (said if isinstance(said, list) else [said]) == json.loads(SAID)


def test_questions_show_the_functions_as_examples_do(tmp_path, write_jsonl):
    path = write_jsonl(
        tmp_path / "q.jsonl", [{"id": "1", "question": ASKED["content"], "tools": TOOLS, "answers": [SAID]}]
    )
    (question,) = read_questions(path)
    assert question.messages == (Message("system", TOLD), Message("user", ASKED["content"]))
    rows = [{"messages": [ASKED, CALLED], "tools": TOOLS}]
    (record,) = import_records(write_jsonl(tmp_path / "rows.jsonl", rows)).records
    assert record["messages"] == [{"role": "system", "content": TOLD}, ASKED]
    assert record["answers"] == [SAID]


def test_what_functions_return_is_the_next_turn():
    back = [
        {"role": "tool", "tool_call_id": str(at), "content": text}
        for at, text in enumerate(("12:00", "13:00"))
    ]
    turns = [
        {"role": "system", "content": "Be brief."},
        ASKED,
        CALLED,
        *back,
        {"role": "assistant", "content": "Noon."},
    ]
    assert spelled_out({"messages": turns, "tools": [CLOCK]}) == {
        "messages": [
            {"role": "system", "content": f"Be brief.\n\n{TOLD}"},
            ASKED,
            {"role": "assistant", "content": SAID},
            {"role": "user", "content": "12:00\n13:00"},
            {"role": "assistant", "content": "Noon."},
        ]
    }


@pytest.mark.parametrize("times", [1, 2])
def test_what_functions_return_may_come_in_parts(times):
    parts = [{"type": "text", "text": "12:00"}, {"type": "text", "text": "in Rome"}]
    turns = [ASKED, CALLED, *[{"role": "tool", "tool_call_id": "1", "content": parts}] * times]
    made = spelled_out({"messages": turns})["messages"]
    assert made[2:] == [{"role": "user", "content": "\n".join(["12:00\nin Rome"] * times)}]


def test_other_rows_are_left_as_they_are():
    for row in (
        {"input": "a", "output": "b"},
        {"messages": [ASKED]},
        {"messages": "no list"},
        {"messages": [3]},
    ):
        assert spelled_out(row) == row
    assert spelled_out({"input": "a", "output": "b", "tools": None}) == {"input": "a", "output": "b"}


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"input": "a", "output": "b", "tools": {"name": "clock"}}, '"tools" must be a list of functions'),
        ({"input": "a", "output": "b", "tools": [{"type": "web_search"}]}, 'each of "tools" needs a "name"'),
        (
            {"messages": [ASKED, {"role": "assistant", "tool_calls": [{"id": "1"}]}]},
            'each of "tool_calls" needs',
        ),
        (
            {
                "messages": [
                    ASKED,
                    {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{"}}]},
                ]
            },
            "the arguments of f are no JSON",
        ),
        (
            {"messages": [ASKED, {"role": "assistant", "tool_calls": 5}]},
            '"tool_calls" must be a list of calls',
        ),
        (
            {"messages": [ASKED, CALLED, {"role": "tool", "content": [{"type": "image_url"}]}]},
            "what a function returned must be text",
        ),
        ({"messages": [ASKED, CALLED, {"role": "tool"}]}, "what a function returned must be text"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(tmp_path, write_jsonl, row, problem):
    with pytest.raises(DataError, match=rf"calls\.jsonl:1: {problem}"):
        read_examples(write_jsonl(tmp_path / "calls.jsonl", [row]))


NAMES = st.sampled_from(["clock", "play"])
VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=2)
CALLS = st.lists(
    st.fixed_dictionaries(
        {"name": NAMES, "arguments": st.dictionaries(st.text(max_size=3), VALUES, max_size=3)}
    ),
    min_size=1,
    max_size=3,
)


@given(CALLS)
@settings(deadline=None, max_examples=50)
def test_what_is_written_is_read_again(calls):
    assert read(written([{"function": call} for call in calls]), {"clock", "play"}) == calls
    assert read(f"```json\n{written(calls)}\n```", {"clock", "play"}) == calls


@pytest.mark.parametrize(
    "text",
    ["", "It is noon.", "[]", "{}", "[1]", '[{"name": "other", "arguments": {}}]', "[" * 9999, '{"name"'],
)
def test_words_and_calls_of_other_functions_are_no_calls(text):
    assert read(text, {"clock"}) is None
    assert read(f"{SAID} It is noon.", {"clock"}) is None


def test_the_names_of_what_may_be_called():
    assert offered({"tools": TOOLS, "functions": [{"name": "play"}]}) == {"clock", "play"}
    assert offered({"tools": None}) == offered({}) == frozenset()
