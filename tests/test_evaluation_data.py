"""The offline measures on real public questions, where the data is at hand (GRAFT_SHARED_DATA, or beside the checkout)."""

from __future__ import annotations

import gzip
import json
import os
import random
from pathlib import Path

import pytest

from graft.evaluation.checks.abstention import is_abstention
from graft.evaluation.checks.correctness import RIGHT, correctness
from graft.evaluation.checks.groundedness import SUPPORTED, claims, inverse_frequency, support

DATA = Path(os.environ.get("GRAFT_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))
pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason="the shared data sets are not here; set GRAFT_SHARED_DATA"
)


def load(path):
    with gzip.open(DATA / path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@pytest.mark.parametrize("name", ["hotpotqa", "squad2", "covid-qa", "nq-oracle"])
def test_a_reference_in_a_sentence_is_right_and_another_questions_is_wrong(name):
    """Of some 1,360 questions, none loses its own reference, and under 1 % accept one drawn from another question."""
    questions = [item for item in load(f"{name}/queries-dev.jsonl.gz") if item.get("answers")]
    chance = random.Random(0)
    others = [chance.choice(questions) for _ in questions]
    for item in questions:
        assert (
            correctness(f"Answer: it is {item['answers'][0]}, as the text says.", item["answers"]) >= RIGHT
        ), item["id"]
        assert not is_abstention(item["answers"][0]), item["id"]
    pairs = [
        (one, two) for one, two in zip(questions, others, strict=True) if one["answers"] != two["answers"]
    ]
    accepted = sum(correctness(two["answers"][0], one["answers"]) >= RIGHT for one, two in pairs)
    assert accepted <= 0.01 * len(pairs)


def test_near_extractive_answers_have_support_in_their_own_passage_only():
    """CLAPnq, 386 claims: 95 % are supported by the gold passage, none by a passage drawn at random."""
    corpus = {item["id"]: item["text"] for item in load("clapnq/corpus.jsonl.gz")}
    questions = [
        item for item in load("clapnq/queries-dev.jsonl.gz") if item.get("answers") and item["relevant"]
    ]
    weights, chance, names = inverse_frequency(corpus.values()), random.Random(0), sorted(corpus)
    own, other = [], []
    for item in questions:
        for claim in claims(item["answers"][0], item["question"]):
            own.append(support(claim, [corpus[item["relevant"][0]]], weights) >= SUPPORTED)
            other.append(support(claim, [corpus[chance.choice(names)]], weights) >= SUPPORTED)
    assert sum(own) >= 0.9 * len(own)
    assert sum(other) <= 0.01 * len(other)
