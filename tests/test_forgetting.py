"""What an adapter forgot: the suite, the arithmetic, the measurement, and what a verdict makes of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft import Project
from graft.decision import forgetting
from graft.decision.recommending.screening import Apart, Limits, guardrails
from graft.evaluation.checks.text import normalise
from graft.evaluation.retention import suite as retention
from graft.generation import prompts
from graft.records import from_dict, to_dict
from graft.testing.fakes import EchoGenerator
from graft.testing.models import tiny_model
from graft.types import Generation, Value
from graft.verbs.building.forgetting import Forgetting, compared
from graft.verbs.compare import compare

quiet = lambda *_: None  # noqa: E731
TASKS = retention.suite()
BY_PROMPT = {tuple(prompts.build(task.question, task.context, task.instructions)): task for task in TASKS}


# --- the suite -------------------------------------------------------------------------------------------------------


def ideal(task):
    """What a good model would say."""
    if task.skill == "refusing":
        return "I don't know."
    said = f"{task.answers[0]} [{task.gold or 1}]"
    forms = {
        "JSON": json.dumps({"answer": task.answers[0]}),
        "most": task.answers[0],
        "Result": f"Result: {said}",
        "dash": f"- {said}",
    }
    return next((form for word, form in forms.items() if word in task.instructions), said)  # fmt: skip


def test_there_are_as_many_tasks_of_each_skill():
    assert [sum(task.skill == skill for task in TASKS) for skill in retention.SKILLS] == [24] * 4
    assert len({task.id for task in TASKS}) == 96


def test_the_suite_is_frozen():
    """Figures of different suites do not compare: a new text is a new suite, with a new fingerprint here."""
    assert retention.fingerprint() == "ba17ee404dac2c8b"


def test_the_ideal_answer_passes_every_task():
    assert [task.id for task in TASKS if not task.passes(ideal(task))] == []


def test_declining_passes_the_tasks_that_nothing_tells_and_no_other():
    assert {task.skill for task in TASKS if task.passes("I don't know.")} == {"refusing"}


def test_a_house_style_keeps_reading_and_loses_the_forms():
    styled = [task for task in TASKS if task.passes(f"Answer: {(task.answers or ('x',))[0]}\nDesk: people")]
    assert sum(task.skill == "reading" for task in styled) == 24
    assert {task.instructions for task in styled} == {"", "Answer in at most five words."}


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.id)
def test_the_passage_that_tells_is_shown_where_the_task_says(task):
    texts = [normalise(f"{passage.title} {passage.text}") for passage in task.context.passages]
    names = [passage.title for passage in task.context.passages]
    if task.skill == "refusing":
        assert task.source not in names
        assert len(names) == 3
        return
    assert names[(task.gold or 1) - 1] == task.source
    assert any(normalise(answer) in texts[(task.gold or 1) - 1] for answer in task.answers)


def test_citing_wants_the_one_passage_and_it_stands_in_every_place():
    citing = [task for task in TASKS if task.skill == "citing"]
    assert {task.gold for task in citing} == {1, 2, 3}
    task = citing[0]
    assert not task.passes(f"{task.answers[0]} [{task.gold}][{task.gold % 3 + 1}]")
    assert not task.passes(task.answers[0])


# --- the arithmetic --------------------------------------------------------------------------------------------------


def lost(before, after, margin=0.02):
    skills = ["reading"] * len(before)
    return forgetting.losses(
        skills, before, after, list(map(str, range(len(before)))), margin=margin, draws=500, seed=0
    )


def test_the_same_answers_are_no_loss():
    whole, reading = lost([1, 0, 1, 1], [1, 0, 1, 1])
    assert (whole.skill, reading.skill) == (forgetting.OVERALL, "reading")
    assert (whole.before, whole.after, whole.difference, whole.status) == (0.75, 0.75, 0.0, "unchanged")


def test_a_loss_beyond_the_margin_is_told_in_points_with_its_interval():
    whole, _ = lost([1] * 50, [1] * 30 + [0] * 20)
    assert whole.status == "regressed"
    assert re.fullmatch(r"−40\.0 points \(−5\d\.\d to −2\d\.\d\)", whole.points)


def test_a_gain_is_kept():
    whole, _ = lost([0] * 40 + [1] * 60, [1] * 100)
    assert (whole.status, whole.difference) == ("kept", 0.4)


def test_no_tasks_no_loss():
    assert forgetting.losses([], [], [], [], margin=0.02, draws=100, seed=0) == ()
    assert forgetting.shift([], [], draws=100, seed=0) is None


def test_text_that_became_stranger():
    moved = forgetting.shift([2.0, 3.0, 2.5], [2.5, 3.5, 3.0], draws=500, seed=0)
    assert (moved.n, moved.before, moved.after, moved.difference) == (3, 2.5, 3.0, 0.5)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
@settings(max_examples=40, deadline=None)
def test_a_loss_lies_between_its_limits_and_is_the_difference_of_the_shares(pairs):
    before, after = ([float(pair[side]) for pair in pairs] for side in (0, 1))
    whole, _ = lost(before, after)
    assert whole.difference == pytest.approx(whole.after - whole.before)
    assert whole.low is None or whole.low - 1e-9 <= whole.difference <= whole.high + 1e-9


def test_tasks_on_one_text_are_resampled_together():
    """24 texts of 4 tasks that fall together are 24 observations, not 96."""
    after = np.repeat(np.arange(24) % 4 > 0, 4).astype(float)
    sources = [str(at // 4) for at in range(96)]
    apart = forgetting.losses(
        ["a"] * 96, [1.0] * 96, after, list(map(str, range(96))), margin=0.02, draws=2000, seed=0
    )
    together = forgetting.losses(["a"] * 96, [1.0] * 96, after, sources, margin=0.02, draws=2000, seed=0)
    width = [found[0].high - found[0].low for found in (apart, together)]
    assert width[1] > 1.6 * width[0]


# --- the measurement -------------------------------------------------------------------------------------------------


class Ideal(EchoGenerator):
    """Does every task; counts how often it is asked."""

    asked = 0

    def __init__(self, style: str = "{}"):
        super().__init__()
        self.style = style
        self.fingerprint = f"ideal {style}"

    def generate(self, prompts, *, max_tokens, temperature=0.0, seed=0):
        type(self).asked += len(prompts)
        return [Generation(self.style.format(ideal(BY_PROMPT[tuple(prompt)]))) for prompt in prompts]


def measured(base, tuned, kept, window=0, own=("a text", "another")):
    return compared(base, tuned, own=own, window=window, kept=kept, identity={"suite": "s"}, margin=0.02, draws=500,
                    seed=0, progress=quiet)  # fmt: skip


def test_a_model_that_keeps_everything_has_lost_nothing(tmp_path):
    found = measured(Ideal(), Ideal("{}"), tmp_path)
    assert found.losses[0].status == "unchanged"
    assert found.losses[0].before == 1.0
    assert found.warning("tuned") == ""
    assert (found.general.difference, found.general.before) == (0.0, pytest.approx(8.0))
    assert found.own.n == 2


def test_a_model_that_only_knows_its_house_style_is_told_of(tmp_path):
    found = measured(Ideal(), Ideal("Answer: {}\nDesk: people"), tmp_path)
    by_skill = {one.skill: one.after for one in found.losses}
    assert by_skill["form"] < 0.3
    assert by_skill["refusing"] == 1.0
    told = found.warning("hybrid")
    assert told.startswith("hybrid forgot: −")
    assert "most in form" in told
    assert "docs/forgetting.md" in told
    assert from_dict(Forgetting, json.loads(json.dumps(to_dict(found)))) == found


def test_a_model_is_asked_once(tmp_path):
    Ideal.asked = 0
    measured(Ideal(), Ideal("a {}"), tmp_path)
    measured(Ideal(), Ideal("b {}"), tmp_path)
    assert Ideal.asked == 3 * len(TASKS)


def test_tasks_that_do_not_fit_are_left_out_and_counted(tmp_path):
    found = measured(Ideal(), Ideal(), tmp_path, window=130)
    assert 0 < found.too_long < len(TASKS)
    assert found.losses[0].n == len(TASKS) - found.too_long
    none = measured(Ideal(), Ideal(), tmp_path, window=10)
    assert none.summary == "not measured: no task of the retention suite fits into the model's window"
    assert none.warning("tuned") == ""


def test_a_model_that_tells_no_likelihood_has_no_bits(tmp_path):
    class Mute:
        fingerprint = "mute"
        generate = Ideal().generate
        count_tokens = Ideal().count_tokens

    found = measured(Mute(), Mute(), tmp_path)
    assert found.general is None
    assert found.own is None
    assert "bits a byte" not in found.summary


# --- in a project ----------------------------------------------------------------------------------------------------


def guarded(own, reference=(1.0,) * 40, **limits):
    apart = {"retention": {"tuned": Apart(own, reference, tuple(map(str, range(len(own)))))}}
    kept = Limits(guardrails={"retention": 0.02}, apart=apart, **limits)
    return guardrails(
        ["base", "rag", "tuned"],
        "base",
        kept,
        {name: {"m": [Value(1.0)]} for name in ("base", "rag", "tuned")},
        ["a"],
    )


def test_a_guardrail_on_retention_drops_what_forgot_and_asks_nothing_of_the_others():
    dropped, lines = guarded((1.0,) * 20 + (0.0,) * 20)
    assert list(dropped) == ["tuned"]
    assert dropped["tuned"].startswith(
        "guardrail retention: tuned - base = -0.500, margin -0.02, one-sided p"
    )
    assert len(lines) == 1


def test_a_small_loss_without_proof_stays_and_says_so():
    dropped, [line] = guarded((1.0,) * 40)
    assert dropped == {}
    assert line.endswith("not shown, tuned stays")
    assert list(guarded((1.0,) * 40, strict=True)[0]) == ["tuned"]


def test_a_guardrail_without_a_measurement_says_so():
    limits = Limits(guardrails={"retention": 0.02}, apart={"retention": {}})
    _, lines = guardrails(["base"], "base", limits, {"base": {}}, [])
    assert lines == ["2 guardrail retention: nothing was measured that a variant could have lost"]


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A project with a tiny model and its two adapters, built once."""
    root = tmp_path_factory.mktemp("project")
    (root / "documents").mkdir()
    for name in ("travel", "leave", "laptops"):
        (root / f"documents/{name}.md").write_text(f"# {name}\n\nThe {name} allowance is $45 per day.\n")
    write(
        root / "questions.jsonl",
        [{"id": "q1", "question": "How much is the travel allowance?", "answers": ["$45"]}],
    )
    write(root / "examples.jsonl", [
        {"id": f"e{n}", "input": f"What is in box number {n} of the store?", "output": f"Key {n}."} for n in range(8)
    ])  # fmt: skip
    model = tiny_model(root / "model", context=440)
    (root / "graft.toml").write_text(
        '[retrieval]\nembedder = "hashing"\nstore = "memory"\n[generation]\nmax_tokens = 8\n'
        f'model = {{ name = "transformers", model = "{model}" }}\n'
        '[tuning]\ntrainer = { name = "peft", epochs = 1 }\n[evaluation]\nvariants = ["tuned"]\ndraws = 200\nlatency_questions = 1\n'
    )
    return root, Project(root).build()


def test_a_build_measures_the_adapter_and_keeps_it_beside_its_manifest(trained):
    root, built = trained
    found = built.forgotten["tuned"]
    assert found.too_long < len(TASKS)
    assert found.general.n == 24
    assert found.own.n == 3
    [kept] = (root / ".graft/adapters").glob("*/retention.json")
    assert json.loads(kept.read_text())["margin"] == 0.02
    assert (kept.parent / "manifest.json").exists()


def test_it_is_measured_once_and_status_shows_it(trained, monkeypatch):
    root, built = trained
    monkeypatch.setattr("graft.verbs.building.forgetting.compared", None)
    again = Project(root).build()
    assert again.forgotten == built.forgotten
    adapters = Project(root).status()["adapters"]
    assert adapters["tuned kept"] == built.forgotten["tuned"].summary
    assert adapters["hybrid"] == "not trained"


def test_a_comparison_tells_of_it(trained):
    root, built = trained
    decided = compare(Project(root).parts, progress=quiet)
    assert f"forgetting: tuned kept {built.forgotten['tuned'].summary}" in decided.recommendation.trace
    file = next((root / ".graft/adapters").glob("*/retention.json"))
    record = json.loads(file.read_text())
    record["losses"][0] |= {"status": "regressed", "difference": -0.3}
    file.write_text(json.dumps(record))
    warned = Project(root).recommend().comparison.warnings
    assert [text.split(":")[0] for text in warned if "forgot" in text] == ["tuned forgot"]


def test_it_can_be_switched_off(trained, tmp_path: Path):
    root, _ = trained
    settings = (root / "graft.toml").read_text()
    (root / "graft.toml").write_text(settings.replace("[tuning]", "[tuning]\nretention = false"))
    try:
        built = Project(root).build()
    finally:
        (root / "graft.toml").write_text(settings)
    assert built.forgotten == {}
    assert built.notes[-1] == "What the adapters forgot was not measured: [tuning] retention is off."


def test_a_guardrail_drops_a_trained_variant_that_was_not_measured(trained):
    root, _ = trained
    [file] = (root / ".graft/adapters").glob("*/retention.json")
    settings, record = (root / "graft.toml").read_text(), file.read_text()
    (root / "graft.toml").write_text(f"{settings}[decision]\nguardrails = {{ retention = 0.02 }}\n")
    Project(root).compare()
    file.unlink()
    try:
        trace = Project(root).recommend().recommendation.trace
        file.write_text(json.dumps(json.loads(record) | {"outcomes": [], "losses": []}))
        narrow = Project(root).recommend().recommendation.trace
    finally:
        file.write_text(record)
        (root / "graft.toml").write_text(settings)
    assert trace[0] == (
        "1 limits: tuned is dropped: what its model forgot was not measured, and [decision] guardrails limits its "
        "retention: run graft build with [tuning] retention = true"
    )
    assert (
        "no task of the retention suite fits into the model's window, and [decision] guardrails" in narrow[0]
    )
    assert not any(line.startswith("1 limits: base") for line in trace)
