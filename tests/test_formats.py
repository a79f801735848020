"""Format contracts: kept as an answer stands, or once what surrounds it is taken off."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.evaluation.checks.formats import keeps_format, keeps_format_repaired

RECORD = {"schema": {"type": "object", "required": ["answer"]}}
LINES = {"regex": r"Answer: [^\n]+\nDesk: (it|people)"}


@pytest.mark.parametrize(
    ("contract", "said", "stands", "repaired"),
    [
        (RECORD, '{"answer": 1}', True, True),
        (RECORD, '```json\n{"answer": 1}\n```', False, True),
        (RECORD, 'Here it is: {"answer": 1}. Good luck!', False, True),
        (RECORD, '{"answer": [1, 2,],}', False, True),
        (RECORD, "```\n{'answer': 1}\n```", False, False),
        (RECORD, '{"desk": 1}', False, False),
        (RECORD, "no record", False, False),
        (LINES, "Answer: yes\nDesk: it", True, True),
        (LINES, "Answer: yes [1]\nDesk: it", True, True),
        (LINES, "**Answer:** yes\n\nDesk: it", False, True),
        (LINES, '"Answer: yes\nDesk: it"', False, True),
        (LINES, "```text\nAnswer: yes\nDesk: it\n```", False, True),
        (LINES, "Answer: yes\nDesk: legal", False, False),
        (LINES, "", False, False),
    ],
)
def test_as_it_stands_and_after_repair(contract, said, stands, repaired):
    assert (keeps_format(contract, said), keeps_format_repaired(contract, said)) == (stands, repaired)


@given(st.text(max_size=60), st.sampled_from([RECORD, LINES, {"regex": ".*"}]))
@settings(deadline=None, max_examples=80)
def test_repair_only_ever_helps(said, contract):
    assert keeps_format_repaired(contract, said) >= keeps_format(contract, said)


@given(st.dictionaries(st.text(max_size=5), st.integers(), max_size=3))
@settings(deadline=None, max_examples=50)
def test_a_record_in_a_fence_is_the_record(record):
    text = json.dumps({**record, "answer": 1})
    assert keeps_format_repaired(RECORD, f"```json\n{text}\n```")
