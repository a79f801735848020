"""Drift: the tests under the null and with something there, the file of live questions, the server's log, the verb."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from serving import listening
from typer.testing import CliRunner

from graft import Project
from graft.cli.main import app
from graft.decision import drift
from graft.errors import ConfigError, DataError
from graft.evaluation.live import Live, distinct, read_live, since, window
from graft.server.app import create_app
from graft.server.live import LiveLog
from graft.types import Answer, Message

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


# --- statistics ------------------------------------------------------------------------------------------------------


def sides(rng, n=60, m=60, shift=0.0, width=1.0, d=8):
    return rng.normal(size=(n, d)), rng.normal(size=(m, d)) * width + shift


def family(rng, permutations=99, **there):
    """The four tests of the verb, on what is (or is not) there."""
    before, now = sides(rng, **there)
    seed = int(rng.integers(2**31))
    found, _ = drift.vectors("asked", before, now, seed=seed, permutations=permutations)
    declined = [list(rng.random(60) < 0.1) for _ in range(2)]
    scores, lengths = (rng.normal(size=(2, 60)) for _ in range(2))
    rest = (
        drift.numbers("score", *scores),
        drift.numbers("length", *np.round(lengths)),
        drift.shares("declined", *declined),
    )
    return drift.judged((found, *rest))


def test_where_nothing_changed_at_most_one_in_twenty_is_an_alarm():
    """150 windows from the same distribution: 5 % are 7.5 alarms, and 14 or more come by chance in less than 2 % of tries."""
    alarms = sum(
        any(one.p_adjusted < drift.ALPHA for one in family(np.random.default_rng([7, run])))
        for run in range(150)
    )
    assert alarms < 14


@pytest.mark.parametrize("there", [{"shift": 0.5}, {"width": 1.8}], ids=["place", "spread"])
def test_a_shift_of_place_or_of_spread_is_seen(there):
    found = [family(np.random.default_rng([8, run]), **there)[0] for run in range(20)]
    assert sum(one.status == "drift" for one in found) >= 17
    assert all(one.effect > one.critical for one in found if one.status == "drift")


def test_the_share_of_a_new_topic_moves_the_auc_by_half_of_it():
    """LEAST says so: half of the second sample is of a kind of its own, far away."""
    rng = np.random.default_rng(3)
    before, now = sides(rng, 200, 200)
    now[:100] += 10.0
    told = drift.told_apart(before, now, seed=1, permutations=99)
    assert told.auc == pytest.approx(0.75, abs=0.06)
    assert told.p == 0.01
    assert set(np.argsort(-told.scores)[:90]) <= set(range(100)), "the new ones are the most unlike"


def test_the_same_seed_gives_the_same_figures():
    before, now = sides(np.random.default_rng(1))
    first, again = (drift.told_apart(before, now, seed=5, permutations=50) for _ in range(2))
    assert (first.auc, first.p, first.critical) == (again.auc, again.p, again.critical)


def test_vectors_that_are_all_alike_tell_nothing():
    same = np.ones((40, 4))
    told = drift.told_apart(same, same, seed=0, permutations=50)
    assert (told.auc, told.p) == (0.5, 1.0)


def test_what_is_no_pair_of_samples_is_refused():
    with pytest.raises(ValueError, match="one length on both sides"):
        drift.told_apart(np.ones((40, 4)), np.ones((40, 3)), seed=0)
    with pytest.raises(ValueError, match="fewer than 5 folds"):
        drift.told_apart(np.ones((40, 4)), np.ones((4, 4)), seed=0)


@given(
    st.lists(st.floats(-100, 100), min_size=30, max_size=60),
    st.lists(st.floats(-100, 100), min_size=30, max_size=60),
)
@settings(max_examples=40, deadline=None)
def test_numbers_have_a_distance_between_0_and_1_and_no_negative_index(before, now):
    found = drift.numbers("x", before, now)
    assert 0 <= found.effect <= 1
    assert 0 < found.p <= 1
    assert found.psi >= 0
    assert drift.stability_index(before, before) == pytest.approx(0.0, abs=1e-12)


def test_the_index_is_its_formula():
    """Two bins, 10 and 10 against 15 and 5, half an observation more in each."""
    before, now = [0.0] * 10 + [1.0] * 10, [0.0] * 15 + [1.0] * 5
    p, q = 0.5, 15.5 / 21
    wanted = (q - p) * np.log(q / p) + ((1 - q) - (1 - p)) * np.log((1 - q) / (1 - p))
    assert drift.stability_index(before, now, bins=2) == pytest.approx(wanted)


def test_shares_by_fisher():
    found = drift.shares("declined", [True] * 10 + [False] * 90, [True] * 30 + [False] * 70)
    assert (found.before, found.now, found.effect) == (0.1, 0.3, pytest.approx(0.2))
    chances = stats.hypergeom(200, 40, 100).pmf(np.arange(41))
    assert found.p == pytest.approx(chances[chances <= chances[10] * (1 + 1e-7)].sum())
    assert found.critical < found.effect


def test_below_thirty_nothing_is_tested():
    for found in (
        drift.vectors("a", np.ones((29, 2)), np.ones((90, 2)), seed=0)[0],
        drift.numbers("a", [1.0] * 29, [1.0] * 90),
        drift.shares("a", [True] * 90, [True] * 29),
    ):
        assert (found.status, found.p) == ("too few", None)
        assert found.reason == "29 on one side, at least 30 are needed"


def test_holm_runs_over_what_was_tested_and_small_shifts_are_no_drift():
    rng = np.random.default_rng(0)
    small = drift.numbers("small", rng.normal(size=20_000), rng.normal(0.1, size=20_000))
    large = drift.numbers("large", rng.normal(size=200), rng.normal(2, size=200))
    few = drift.numbers("few", [1.0], [1.0])
    none = drift.numbers("none", rng.normal(size=100), rng.normal(size=100))
    found = drift.judged((small, large, few, none))
    assert [one.status for one in found] == ["small", "drift", "too few", "none"]
    assert found[3].p_adjusted == found[3].p, "the largest of three"
    assert found[2].p_adjusted is None


# --- the file --------------------------------------------------------------------------------------------------------


def test_lines_of_many_makes_are_read(tmp_path: Path, write_jsonl):
    path = write_jsonl(tmp_path / "live.jsonl", [
        {"question": " How much? ", "time": "2026-11-20T10:00:00Z", "abstained": True, "variant": "rag"},
        {"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "And in Spain?"}], "time": 0},
        {"query": "who"}, {"text": "what", "time": "2026-11-20T10:00:00"},
    ])  # fmt: skip
    assert read_live(path) == (
        Live("How much?", datetime(2026, 11, 20, 10, tzinfo=UTC), True, "rag"),
        Live("And in Spain?", datetime(1970, 1, 1, tzinfo=UTC)),
        Live("who"),
        Live("what", datetime(2026, 11, 20, 10, tzinfo=UTC)),
    )


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("[1]", "not an object"),
        ("{}", 'no "question", and no "messages" that end with a text'),
        ('{"question": "x", "abstained": "no"}', '"abstained" is \'no\', not true or false'),
        ('{"question": "x", "time": "yesterday"}', '"time" is \'yesterday\', neither ISO 8601 nor seconds since 1970'),
        ('{"question": "x", "time": true}', '"time" is True'),
        ("{", "not JSON"),
    ],
)  # fmt: skip
def test_a_line_that_cannot_be_used_is_told_with_its_place(tmp_path, line, told):
    path = tmp_path / "live.jsonl"
    path.write_text('{"question": "a"}\n' + line + '\n{"question": "b"}\n')
    with pytest.raises(DataError) as error:
        read_live(path)
    assert f"live.jsonl:2: {told}" in str(error.value)


def test_a_line_that_was_being_written_when_the_server_stopped_is_left_out(tmp_path):
    path = tmp_path / "live.jsonl"
    path.write_text('{"question": "a"}\n{"quest')
    assert read_live(path) == (Live("a"),)
    path.write_text('{"question": "a"}\n{"question": "b"}')
    assert len(read_live(path)) == 2


def test_times(tmp_path):
    assert since("7d", NOW) == NOW - timedelta(days=7)
    assert since("36h", NOW) == NOW - timedelta(hours=36)
    assert since("2026-11-01", NOW) == datetime(2026, 11, 1, tzinfo=UTC)
    for wrong in ("soon", "7", "-3d", ""):
        with pytest.raises(ConfigError, match="is no time"):
            since(wrong, NOW)


def test_a_window_parts_what_was_asked_and_wants_times():
    old, new = Live("a", NOW - timedelta(days=2)), Live("b", NOW)
    assert window([new, old], NOW - timedelta(days=1)) == ((old,), (new,))
    with pytest.raises(DataError, match="Question 2 has no time"):
        window([old, Live("c")], NOW)


def test_a_question_counts_once():
    asked = (Live("Who?", variant="1"), Live("what"), Live(" who?", variant="2"), Live("Who ?"))
    assert distinct(asked) == (asked[0], asked[1], asked[3])


# --- the server ------------------------------------------------------------------------------------------------------


class Says:
    name = fingerprint = "rag"

    def stream(self, question):
        yield Answer("I don't know.", "rag", abstained=question[-1].content.startswith("Why"))


def ask(url, text):
    body = {"model": "graft", "messages": [{"role": "user", "content": text}]}
    return httpx.post(f"{url}/v1/chat/completions", json=body, headers={"Authorization": "Bearer k"})


def test_the_server_keeps_what_is_asked_only_when_told_to(tmp_path):
    path = tmp_path / "logs/live.jsonl"
    with listening(create_app({"rag": Says()}, default="rag", key="k", keep=LiveLog(path))) as url:
        for text in ("How?", "Why “not”?", "How?"):
            assert ask(url, text).status_code == 200
    first, second, _ = read_live(path)
    assert (first.text, first.abstained, first.variant) == ("How?", False, "rag")
    assert (second.text, second.abstained) == ("Why “not”?", True)
    assert datetime.now(UTC) - first.at < timedelta(minutes=1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_log_that_cannot_be_written_costs_no_answer_and_one_line_of_warning(tmp_path, caplog):
    log = LiveLog(tmp_path)  # a folder
    for _ in range(3):
        log([Message("user", "How?")], Answer("x"), "rag")
    assert [record.message.split(":")[0] for record in caplog.records] == [
        f"The log of questions {tmp_path} cannot be written"
    ]


# --- the verb --------------------------------------------------------------------------------------------------------


@pytest.fixture
def asked(small: Path, write_jsonl):
    """A built project with 40 evaluation questions on travel, and files of live ones."""
    write_jsonl(small / "questions.jsonl", [
        {"id": f"q{n}", "question": f"How much is the meal allowance on travel day {n}?", "answers": ["$45"]} for n in range(10, 90, 2)
    ])  # fmt: skip
    alike = [{"question": f"How much is the meal allowance on travel day {n}?"} for n in range(11, 91, 2)]
    other = [
        {"question": f"My laptop {n} is broken, who brings me a charger and when will it be here?"}
        for n in range(40)
    ]
    write_jsonl(small / "alike.jsonl", alike)
    write_jsonl(small / "other.jsonl", other)
    old, new = ((NOW - timedelta(days=days)).isoformat() for days in (30, 1))
    write_jsonl(small / "log.jsonl", [*({**one, "time": old, "abstained": False} for one in alike),
                                      *({**one, "time": new, "abstained": True} for one in other)])  # fmt: skip
    project = Project(small)
    project.build()
    return small


def test_what_was_measured_is_no_drift(asked):
    found = Project(asked).drift(asked / "alike.jsonl")
    assert found.drifted == ()
    assert found.verdict.startswith("No drift seen (40 live questions, 40 of questions.jsonl)")
    assert {one.feature: one.status for one in found.findings}["declined"] == "not measured"


def test_other_questions_are_drift_with_examples_and_advice(asked):
    found = Project(asked).drift(asked / "other.jsonl")
    assert "what is asked" in found.drifted
    assert "length" in found.drifted
    assert "Most unlike what was measured:\n  - My laptop" in found.text
    assert "Add questions like those below to questions.jsonl" in found.text
    assert "Questions are longer." in found.text


def test_a_window_against_what_was_asked_before(asked):
    found = Project(asked).drift(asked / "log.jsonl", since="2026-11-10", earlier=True)
    assert found.reference == "those before 2026-11-10"
    assert (found.asked, found.measured) == (40, 40)
    assert "declined" in found.drifted
    assert "More is declined." in found.text
    with pytest.raises(ConfigError, match="compares a window"):
        Project(asked).drift(asked / "log.jsonl", earlier=True)
    with pytest.raises(DataError, match=r"no questions in log\.jsonl in that time"):
        Project(asked).drift(asked / "log.jsonl", since="2030-01-01")


def test_what_the_variant_declined_when_measured_is_what_live_is_compared_with(asked, write_jsonl):
    Project(asked).compare()
    live = write_jsonl(asked / "live.jsonl", [
        {"question": f"How much is the allowance on day {n}?", "abstained": True, "variant": "rag"} for n in range(40)
    ])  # fmt: skip
    found = {one.feature: one for one in Project(asked).drift(live).findings}["declined"]
    assert (found.before, found.now, found.status) == (0.0, 1.0, "drift")


def test_too_few_is_said_and_is_no_alarm(asked, write_jsonl):
    few = write_jsonl(asked / "few.jsonl", [{"question": f"q {n}"} for n in range(12)])
    found = Project(asked).drift(few)
    assert found.verdict == "Too few questions to tell: 12 live, 40 measured, 30 of each are needed."
    assert found.drifted == ()


def run(*arguments):
    return CliRunner().invoke(app, ["drift", *map(str, arguments)])


def test_the_command_tells_cron(asked):
    assert run(asked / "other.jsonl", "-p", asked).exit_code == 0
    assert run(asked / "other.jsonl", "-p", asked, "--exit-code").exit_code == 1
    assert run(asked / "alike.jsonl", "-p", asked, "--exit-code").exit_code == 0
    told = json.loads(run(asked / "other.jsonl", "-p", asked, "--json").stdout)
    assert told["drift"] is True
    assert told["findings"][0]["kind"] == "auc"


def test_without_a_log_and_a_file_it_says_what_to_do(asked):
    failed = run("-p", asked)
    assert failed.exit_code == 2
    assert 'set log = "live.jsonl" in [serve]' in failed.stderr


def test_the_log_of_the_server_is_the_default(asked):
    path = asked / "graft.toml"
    path.write_text(path.read_text() + '[serve]\nlog = "other.jsonl"\n')
    assert "what is asked" in Project(asked).drift().drifted
