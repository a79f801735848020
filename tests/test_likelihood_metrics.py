"""Bits per byte and perplexity of the reference answers: the metrics, and their way into a comparison."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from graft import Project
from graft.errors import BackendError
from graft.evaluation.metrics.catalogue import metric_card, score
from graft.evaluation.metrics.likelihood import NOT_MEASURED
from graft.protocols import Likelihood, Scorer
from graft.testing.fakes import EchoGenerator
from graft.types import Answer, Message, Question, Row, Value
from graft.verbs.comparing.likelihoods import FILE

ASKED = Question("q1", (Message("user", "How much?"),), ("$45",))
ROW = Row("q1", "base", "ok", Answer("It is $45."))


def values(likelihood, question=ASKED):
    found = score(
        [question],
        [ROW],
        ["bits_per_byte", "perplexity"],
        likelihoods={"q1": likelihood} if likelihood else {},
    )
    return found["bits_per_byte"][0], found["perplexity"][0]


def test_bits_are_per_byte_and_perplexity_per_token():
    bits, choices = values(Likelihood(-6 * math.log(2), tokens=2, bytes=3))
    assert bits == Value(pytest.approx(2.0))
    assert choices == Value(pytest.approx(8.0))


def test_certainty_costs_nothing_and_impossibility_stays_finite():
    assert values(Likelihood(0.0, tokens=2, bytes=3)) == (Value(0.0), Value(1.0))
    assert math.isfinite(values(Likelihood(-1e6, tokens=1, bytes=1))[1].value)


@pytest.mark.parametrize(
    ("likelihood", "question", "reason"),
    [
        (None, ASKED, NOT_MEASURED),
        (Likelihood(None, null_reason="too long"), ASKED, "too long"),
        (Likelihood(0.0), ASKED, "the reference answer is empty"),
        (Likelihood(-1.0, 1, 1), Question("q1", (Message("user", "?"),), answerable=False), "the question is not answerable"),
        (Likelihood(-1.0, 1, 1), Question("q1", (Message("user", "?"),)), "the question has no reference answer"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_is_null_with_a_reason(likelihood, question, reason):
    assert values(likelihood, question) == (Value(None, reason), Value(None, reason))


def test_they_are_scored_only_where_they_were_measured():
    assert "bits_per_byte" not in score([ASKED], [ROW])
    assert "bits_per_byte" in score([ASKED], [ROW], likelihoods={})
    assert metric_card("bits_per_byte").direction == "lower"


def test_a_comparison_measures_local_models_and_says_why_not_the_others(small: Path, monkeypatch) -> None:
    settings = small / "graft.toml"
    settings.write_text(settings.read_text().replace("[evaluation]", "[evaluation]\nlikelihood = true"))
    project = Project(small)
    project.build()
    decided = project.compare()
    assert decided.comparison.variants["base"]["bits_per_byte"].mean == pytest.approx(8.0)
    assert decided.comparison.variants["rag"]["bits_per_byte"].n_scored == 3
    rows = [json.loads(line) for line in decided.rows.read_text().splitlines()]
    nulls = {row["nulls"]["bits_per_byte"] for row in rows if row["variant"] == "extractive"}
    assert nulls == {
        "extractive does not tell how likely a text is that it did not write", "the question is not answerable",
    }  # fmt: skip
    assert len(list((small / ".graft/runs").glob(f"*/{FILE}"))) == 2, "base and rag, the baselines have none"

    def refuse(*_):
        raise BackendError("asked again")

    monkeypatch.setattr(EchoGenerator, "log_likelihood", refuse)
    again = Project(small).compare()
    assert again.comparison.variants["base"]["bits_per_byte"].mean == pytest.approx(8.0)
    for file in (small / ".graft/runs").glob(f"*/{FILE}"):
        file.unlink()
    told = Project(small).recommend()
    assert told.comparison.variants["base"]["bits_per_byte"].mean is None


def test_the_fake_that_echoes_is_a_scorer():
    assert isinstance(EchoGenerator(), Scorer)
    [found] = EchoGenerator().log_likelihood([((), "né")])
    assert found == Likelihood(-3 * math.log(256), 1, 3)
