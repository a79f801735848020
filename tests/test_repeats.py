"""Asking again: how much a figure moves from run to run, told apart from the noise of sampling questions."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scripted_endpoint import scripted

from graft import Project
from graft.decision.inference.repeats import Repeated, repeated
from graft.reporting.trusted import again_line


def test_the_spread_is_that_within_questions():
    """Two of four questions flip between right and wrong: a variance of 1/3, 0, 1/3, 0 over three runs of 0 and 1."""
    runs = [[1, 1, 0, 0], [0, 1, 0, 0], [1, 1, 1, 0]]
    found = repeated("a", "correct", runs, 200)
    assert found == Repeated("a", "correct", 3, 4, 2, pytest.approx(np.sqrt((1 / 3 + 1 / 3) / 4 / 200)), 200)


def test_it_predicts_how_far_runs_differ():
    """2,000 simulated reruns of 200 questions: their means spread as 30 of the questions, asked three times, foretell."""
    chance = np.random.default_rng(0)
    rate = chance.beta(1, 1, 200)
    means = (chance.random((2000, 200)) < rate).mean(axis=1)
    told = [
        repeated("a", "correct", chance.random((3, 30)) < rate[chance.choice(200, 30)], 200).sd
        for _ in range(400)
    ]
    assert np.sqrt(np.mean(np.square(told))) == pytest.approx(means.std(), rel=0.05)


def test_nulls_and_single_runs_say_nothing():
    assert repeated("a", "f1", [[1.0, 0.0]], 2) is None
    assert repeated("a", "f1", [[np.nan, 1.0], [0.0, np.nan]], 2) is None
    assert repeated("a", "f1", [[np.nan, 1.0], [0.0, 1.0]], 2) == Repeated("a", "f1", 2, 1, 0, 0.0, 2)


@settings(deadline=None, max_examples=50)
@given(arrays(float, st.tuples(st.integers(2, 4), st.integers(1, 20)), elements=st.floats(-1, 1)))
def test_the_order_of_runs_and_questions_does_not_matter(scores):
    found = repeated("a", "f1", scores, 50)
    other = repeated("a", "f1", scores[::-1, ::-1], 50)
    assert (found.changed, found.questions) == (other.changed, other.questions)
    assert found.sd == pytest.approx(other.sd)
    assert 0 <= found.sd <= np.sqrt(2 / 50) + 1e-9
    assert (found.changed == 0) == (np.ptp(scores, axis=0).max() == 0)


def declare(root: Path, url: str, settings: str = "") -> Project:
    path = root / "graft.toml"
    text = path.read_text(encoding="utf-8").replace("[evaluation]\n", f"[evaluation]\n{settings}")
    table = f'\n[variants.api]\nendpoint = "{url}"\nmodel = "m"\nkey_env = ""\ninput_price = 1\noutput_price = 1\n'
    path.write_text(text + table, encoding="utf-8")
    return Project(root)


def test_an_endpoint_is_asked_again_under_other_seeds_and_what_changed_is_told(small):
    turns, seeds = itertools.count(), []

    def say(body):
        if body.get("stream"):
            return 400  # so that only the answers of runs count here
        seeds.append(body["seed"])
        return "$45 per day." if next(turns) % 2 else "$99 per day."

    with scripted(say) as script:
        project = declare(small, script.url)
        project.build()
        planned = project.plan_compare()["variants"]["api"]
        decided = project.compare()
    assert planned["questions"] == 4
    most = project.config.generation.max_tokens
    assert (
        planned["completion_tokens"] == (4 + 1 + 4 + 2 * 4) * most
    )  # answered, warmed up, timed, asked twice more
    (api,) = [one for one in decided.trust.repeated if one.variant == "api"]
    assert (api.runs, api.questions, api.total) == (3, 4, 4)
    assert {0, 1, 2} == set(seeds)
    assert again_line(api) in decided.text
    assert "From run to run its truthfulness over all 4 questions varies by" in decided.report.read_text(
        encoding="utf-8"
    )
    assert decided.to_json()["trust"]["repeated"]
    assert project.recommend().trust.repeated == decided.trust.repeated


def test_once_asks_nobody_again_and_a_dry_run_counts_what_asking_again_takes(small):
    with scripted(lambda body: "$45 per day.") as script:
        project = declare(small, script.url, "repeats = 1\n")
        project.build()
        once = project.plan_compare()["variants"]["api"]["completion_tokens"]
        assert project.compare().trust.repeated == ()
    most = project.config.generation.max_tokens
    assert once == (4 + 1 + 4) * most  # answered, warmed up, timed
