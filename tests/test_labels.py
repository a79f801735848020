"""Labelling: the draw, the file, the forms, and what labels make of a comparison."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter

import httpx
import pytest
from conftest import jsonl
from hypothesis import given, settings
from hypothesis import strategies as st
from serving import listening
from typer.testing import CliRunner

from graft import Project
from graft.cli.label_form import label_in_terminal
from graft.cli.main import app
from graft.decision.trust import Debiased, Labelled
from graft.errors import ConfigError, DataError, NotBuilt
from graft.evaluation.labelling.draw import Candidate, draw
from graft.evaluation.labelling.labels import Draw, Item, Label, add_draw, add_labels, read_labels
from graft.evaluation.labelling.scores import outcome, probabilities, worth
from graft.server.label_app import create_label_app
from graft.types import Estimate, Message, Question
from graft.verbs.labelling.rates import overruled

quick = settings(deadline=None, max_examples=50)


# --- the draw ----------------------------------------------------------------------------------------------------------


def candidates(sizes):
    """Return candidates; `sizes` maps (variant, stratum, outcome) to how many."""
    return [
        Candidate(f"{variant}{stratum}{said}{at}", f"q{at}", variant, stratum, said)
        for (variant, stratum, said), many in sizes.items()
        for at in range(many)
    ]


def test_every_variant_gets_the_same_and_every_cell_its_share():
    made = draw(
        candidates({("rag", "seen", "right"): 70, ("rag", "seen", "wrong"): 20, ("rag", "new", "declined"): 10,
                    ("base", "seen", "wrong"): 97, ("base", "new", "right"): 3}), 60, seed=1,
    )  # fmt: skip
    assert Counter(item.variant for item in made.items) == {"rag": 30, "base": 30}
    assert Counter(item.cell for item in made.items) == {
        "rag / seen / right": 21, "rag / seen / wrong": 6, "rag / new / declined": 3,
        "base / seen / wrong": 28, "base / new / right": 2,
    }  # fmt: skip
    assert made.cells["base / seen / wrong"] == 97
    chances = {item.cell: item.probability for item in made.items}
    assert chances["base / seen / wrong"] == pytest.approx(28 / 97)
    assert chances["base / new / right"] == pytest.approx(2 / 3)


def test_cells_are_merged_where_the_labels_are_too_few():
    sizes = {("rag", f"s{at}", said): 5 for at in range(4) for said in ("right", "wrong", "declined")}
    assert {item.cell for item in draw(candidates(sizes), 9, seed=0).items} == {
        "rag / right", "rag / wrong", "rag / declined",
    }  # fmt: skip
    assert {item.cell for item in draw(candidates(sizes), 3, seed=0).items} == {"rag"}
    assert len({item.cell for item in draw(candidates(sizes), 24, seed=0).items}) == 12


def test_a_draw_is_repeatable_random_and_nested():
    sizes = {("rag", "", "right"): 60, ("rag", "", "wrong"): 40}
    small, same, large, other = (
        draw(candidates(sizes), n, seed) for n, seed in [(20, 3), (20, 3), (50, 3), (20, 4)]
    )
    assert small == same
    assert {item.id for item in small.items} < {item.id for item in large.items}
    assert {item.id for item in small.items} != {item.id for item in other.items}
    cells = [item.cell for item in large.items]
    assert cells != sorted(cells)
    assert draw(candidates(sizes), 500, 0).items.__len__() == 100
    assert draw([], 5, 0).items == ()


@quick
@given(
    st.dictionaries(
        st.tuples(
            st.sampled_from(["a", "b", "c"]), st.sampled_from(["", "s"]), st.sampled_from(["right", "wrong"])
        ),
        st.integers(1, 30),
    ),
    st.integers(1, 80),
)
def test_the_probabilities_add_up_to_the_answers(sizes, n):
    """The weights 1 / p of what is drawn of a variant count all its answers: the Horvitz-Thompson estimate of their number."""
    made = draw(candidates(sizes), n, seed=0)
    total = sum(sizes.values())
    assert len(made.items) == min(n, total)
    assert len({item.id for item in made.items}) == len(made.items)
    for variant in {item.variant for item in made.items}:
        weights = sum(1 / item.probability for item in made.items if item.variant == variant)
        assert weights == pytest.approx(sum(many for (name, *_), many in sizes.items() if name == variant))


def test_each_answer_is_drawn_with_its_probability():
    """Over many seeds an answer of a cell of ten, four of them drawn, is drawn in 40 %."""
    pool = candidates({("rag", "", "right"): 10, ("rag", "", "wrong"): 15})
    hits = Counter(item.id for seed in range(400) for item in draw(pool, 10, seed).items)
    assert all(abs(hits[one.id] / 400 - 0.4) < 0.1 for one in pool)


# --- the file ----------------------------------------------------------------------------------------------------------

ITEM = Item("i1", "q1", "rag", "rag", 0.5)


def test_the_newest_draw_and_label_count(tmp_path):
    path = tmp_path / "labels.jsonl"
    assert read_labels(path).draw is None
    add_draw(path, Draw("d", 0, (ITEM,), {"rag": 2}))
    add_labels(
        path,
        [
            Label("i1", "anna", "wrong", "no"),
            Label("i1", "bob", "right"),
            Label("i1", "anna", "right", "yes"),
        ],
    )
    found = read_labels(path)
    assert found.draw == Draw("d", 0, (ITEM,), {"rag": 2})
    assert found.of("i1") == (Label("i1", "anna", "right", "yes"), Label("i1", "bob", "right"))
    assert len(path.read_text(encoding="utf-8").splitlines()) == 4
    with path.open("a", encoding="utf-8") as handle:
        handle.write('{"label": {"item": "i1", "annot')
    assert read_labels(path) == found


@pytest.mark.parametrize(
    "line",
    ['{"label": {"item": "i", "annotator": "a", "verdict": "great"}}', '{"label": {"item": "i"}}', "{}", "3",
     '{"label": {"item": "", "annotator": "a", "verdict": "right"}}', "not json", '{"draw": 4}',
     '{"label": {"item": "i", "annotator": "\\u001b[2J", "verdict": "right"}}'],
)  # fmt: skip
def test_a_bad_line_is_told_with_its_place(tmp_path, line):
    path = tmp_path / "labels.jsonl"
    add_draw(path, Draw("d", 0, (ITEM,), {"rag": 2}))
    with path.open("a", encoding="utf-8") as handle:
        handle.write(line + "\n")
    with pytest.raises(DataError, match=r"labels\.jsonl:2 is no label"):
        read_labels(path)


def test_what_a_label_is_worth():
    asked = Question("q", (Message("user", "?"),), ("x",))
    trap = Question("q", (Message("user", "?"),), answerable=False)
    table = {
        (target, verdict): worth(target, question, Label("i", "a", verdict, "yes"))
        for target, question in (("truthfulness", asked), ("correct", asked), ("supported", asked))
        for verdict in ("right", "wrong", "declined", "unsure")
    }
    assert table == {
        ("truthfulness", "right"): 1.0, ("truthfulness", "wrong"): -1.0, ("truthfulness", "declined"): 0.0,
        ("truthfulness", "unsure"): None, ("correct", "right"): 1.0, ("correct", "wrong"): 0.0,
        ("correct", "declined"): 0.0, ("correct", "unsure"): None, ("supported", "right"): 1.0,
        ("supported", "wrong"): 1.0, ("supported", "declined"): 1.0, ("supported", "unsure"): None,
    }  # fmt: skip
    assert [worth("truthfulness", trap, Label("i", "a", said)) for said in ("declined", "wrong")] == [
        1.0,
        -1.0,
    ]
    assert [outcome(asked, value) for value in (1.0, 0.0, -1.0, None)] == ["right", "declined", "wrong", None]
    assert [outcome(trap, value) for value in (1.0, -1.0)] == ["declined", "wrong"]


def test_an_interrupted_session_has_its_own_probabilities(tmp_path):
    path = tmp_path / "labels.jsonl"
    items = tuple(Item(f"i{at}", "q", "rag", "cell", 4 / 20) for at in range(4))
    add_draw(path, Draw("d", 0, items, {"cell": 20}))
    add_labels(path, [Label("i0", "a", "right"), Label("i1", "a", "unsure")])
    assert probabilities(read_labels(path)) == {"i0": 1 / 20}
    add_labels(path, [Label(f"i{at}", "b", "wrong") for at in range(4)])
    assert probabilities(read_labels(path)) == {f"i{at}": 4 / 20 for at in range(4)}


# --- a project ---------------------------------------------------------------------------------------------------------

WORDS = ["alpha", "bravo", "carol", "delta", "echos"]


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A compared project of 60 questions and two systems with recorded answers. `good` is always right, a third of the
    time in words that the offline metric does not know; `bad` is right half of the time."""
    root = tmp_path_factory.mktemp("labels") / "project"
    (root / "documents").mkdir(parents=True)
    (root / "documents" / "a.md").write_text("# A\n\nNothing of use.\n", encoding="utf-8")
    facts = [f"{WORDS[at % 5]}{at}" for at in range(60)]
    jsonl(
        root / "questions.jsonl",
        [{"id": f"q{at}", "question": f"What is number {at}?", "answers": [fact], "cluster": f"c{at // 2}",
          "stratum": "old" if at < 30 else "new"} for at, fact in enumerate(facts)],
    )  # fmt: skip
    jsonl(root / "good.jsonl", [
        {"id": f"q{at}", "answer": f"It is the {at}th name." if at % 3 == 0 else f"It is {fact}."} for at, fact in enumerate(facts)
    ])  # fmt: skip
    jsonl(root / "bad.jsonl", [
        {"id": f"q{at}", "answer": f"It is {fact if at % 2 else 'zulu'}."} for at, fact in enumerate(facts)
    ])  # fmt: skip
    (root / "graft.toml").write_text(
        '[retrieval]\nembedder = "hashing"\nstore = "memory"\n[generation]\nmodel = "echo"\n'
        '[evaluation]\nvariants = ["base"]\ndraws = 500\nlatency_questions = 2\n'
        '[variants.good]\nanswers = "good.jsonl"\n[variants.bad]\nanswers = "bad.jsonl"\n',
        encoding="utf-8",
    )
    project = Project(root)
    project.build()
    project.compare()
    return root


@pytest.fixture
def compared(original, tmp_path):
    return Project(shutil.copytree(original, tmp_path / "project"))


def truth(sheet):
    """What a careful person would say."""
    if "don't know" in sheet.answer:
        return "declined"
    return "right" if "name" in sheet.answer or sheet.references[0] in sheet.answer else "wrong"


def label_all(project, n=60, annotator="anna", most=None, judge=truth):
    desk = project.label(n, annotator=annotator)
    count = 0
    while (sheet := desk.next()) is not None and count != most:
        desk.save(sheet.item, judge(sheet))
        count += 1
    return desk


def test_labels_correct_what_the_offline_metric_gets_wrong(compared):
    desk = label_all(compared)
    assert (desk.done, desk.total) == (60, 60)
    found = compared.labels()
    assert (found.drawn, found.done, found.annotators) == (60, 60, ("anna",))
    rates = {(one.variant, one.target, one.metric): one for one in found.debiased}
    good = rates["good", "correct", "correct"]
    assert good.automatic.mean == pytest.approx(2 / 3)
    assert good.labelled.mean == pytest.approx(1.0)
    assert good.debiased.mean == pytest.approx(1.0)
    assert good.labelled.n_scored == 20
    bad = rates["bad", "correct", "correct"]
    assert bad.debiased.mean == pytest.approx(0.5, abs=0.02)
    assert bad.debiased.high - bad.debiased.low < bad.labelled.high - bad.labelled.low
    assert rates["base", "truthfulness", "truthfulness"].debiased.mean == 0.0
    (kappa,) = [one for one in found.agreements if one.a == "truthfulness"]
    assert 0.5 < kappa.kappa < 0.95
    assert kappa.n == 60


def test_the_report_says_what_the_verdict_rests_on_and_what_labels_say(compared):
    label_all(compared, most=45)
    decided = compared.recommend()
    assert "The verdict rests on truthfulness (grade B), measured offline" in decided.text
    assert "Labelled by anna: 45 of 60 answers drawn" in decided.text
    assert "15 of 60 drawn answers have no label yet." in decided.comparison.warnings
    assert "45 of 60 answers drawn" in decided.report.read_text(encoding="utf-8")
    assert "How far the figures can be trusted" in decided.report.with_suffix(".md").read_text(
        encoding="utf-8"
    )
    kept = json.loads((decided.report.parent / "comparison.json").read_text(encoding="utf-8"))
    assert kept["trust"]["labels"]["done"] == 45
    again = compared.recommend()
    assert again.trust == decided.trust


def test_a_name_is_text_in_the_report(compared):
    evil = "<img src=x onerror=alert(1)>"
    label_all(compared, 6, evil)
    page = compared.recommend().report.read_text(encoding="utf-8")
    assert evil not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page


def test_two_annotators_get_the_same_items_and_their_kappa(compared):
    label_all(compared, 30)
    desk = label_all(
        compared, 30, "bob", judge=lambda sheet: "wrong" if "name" in sheet.answer else truth(sheet)
    )
    assert desk.total == 30
    found = compared.labels()
    assert found.annotators == ("anna", "bob")
    (between,) = [one for one in found.agreements if (one.a, one.b) == ("anna", "bob")]
    assert between.n == 30
    assert 0.4 < between.kappa < 1.0
    assert len([line for line in desk.path.read_text(encoding="utf-8").splitlines() if '"draw"' in line]) == 1


def test_a_larger_sample_keeps_what_was_labelled(compared):
    label_all(compared, 30)
    desk = compared.label(90, annotator="anna")
    assert desk.total == 90
    assert desk.done >= 28  # the shares of the cells may move by one or two
    assert compared.label(60, annotator="anna").total == 90


def test_answers_that_changed_take_their_variant_out(compared, write_jsonl):
    label_all(compared)
    write_jsonl(compared.root / "good.jsonl", [{"id": f"q{at}", "answer": "zulu"} for at in range(60)])
    decided = Project(compared.root).compare()
    assert {one.variant for one in decided.trust.labels.debiased} == {"base", "bad"}
    assert any("20 labelled answers of good have changed" in text for text in decided.comparison.warnings)
    desk = Project(compared.root).label(60, annotator="anna")
    assert 0 < desk.done < 60


def test_a_label_that_the_item_does_not_allow_is_refused(compared):
    desk = compared.label(6)
    sheet = desk.next()
    for verdict, supported in [("great", ""), ("right", "maybe")]:
        with pytest.raises(ConfigError, match="is no label"):
            desk.save(sheet.item, verdict, supported)
    with pytest.raises(ConfigError, match="no item"):
        desk.save("nothing", "right")
    assert desk.save(sheet.item, "right", "yes").supported == ""  # it was shown no passage
    for n in (0, 5000):
        with pytest.raises(ConfigError, match="cannot be labelled"):
            compared.label(n)
    with pytest.raises(ConfigError, match="no name for an annotator"):
        compared.label(6, annotator=" ")


def test_without_a_comparison_there_is_nothing_to_label(small):
    with pytest.raises(NotBuilt, match="Nothing has been compared yet"):
        Project(small).label()


def test_questions_that_changed_are_told(compared, write_jsonl):
    write_jsonl(compared.root / "questions.jsonl", [{"id": "n", "question": "New?", "answers": ["x"]}])
    with pytest.raises(NotBuilt, match="questions have changed since"):
        compared.label()
    with pytest.raises(NotBuilt, match="questions have changed since"):
        compared.labels()


def rate(variant, mean, half):
    found = Estimate(mean, mean - half, mean + half, 30, 60)
    return Debiased(variant, "truthfulness", "truthfulness", found, found, found, 0.5)


def test_labels_that_overrule_the_verdict_are_told():
    labels = Labelled(
        60, 60, ("a",), (rate("rag", 0.2, 0.1), rate("base", 0.5, 0.1), rate("tuned", 0.35, 0.1))
    )
    told = overruled(labels, "rag")
    assert told == ("By the labels base is ahead of rag in truthfulness: +0.50 against +0.20, debiased.",)
    assert overruled(labels, "base") == ()
    assert overruled(labels, None) == ()


# --- the terminal form -------------------------------------------------------------------------------------------------


def typed(*keys):
    said = iter(keys)

    def ask(_):
        try:
            return next(said)
        except StopIteration:
            raise EOFError from None

    return ask


def test_the_terminal_form_labels_goes_back_and_leaves(compared):
    desk, told = compared.label(6), []
    assert not label_in_terminal(desk, typed("x", "1", "2", "b", "3"), told.append)
    kept = read_labels(desk.path).by["me"]
    assert [label.verdict for label in kept.values()] == ["right", "declined"]
    assert desk.done == 2
    again = compared.label(6)
    assert label_in_terminal(again, typed(*["4"] * 4), told.append)
    assert compared.label(6).next() is None
    assert all(variant not in "".join(told) for variant in ("good", "bad", "base"))


def test_the_terminal_shows_no_control_characters(small):
    project = Project(small)
    project.build()
    project.compare()
    desk, told = project.label(8), []
    sheets = [desk.sheet(name) for name in desk._order]
    sheet = next(sheet for sheet in sheets if sheet.passages and sheet.answerable)
    desk._sheets = {sheet.item: sheet}
    desk._order = [sheet.item]
    object.__setattr__(sheet, "answer", "\x1b[2J\x07 45 \u202e dollars")
    label_in_terminal(desk, typed("1", "n"), told.append)
    assert "\x1b" not in "".join(told)
    assert "\u202e" not in "".join(told)
    assert sheet.passages[0][1].split()[0] in "".join(told)
    assert read_labels(desk.path).by["me"][sheet.item].supported == "no"


def test_on_an_unanswerable_question_right_is_not_offered(small):
    project = Project(small)
    project.build()
    project.compare()
    desk = project.label(8)
    trap = next(name for name in desk._order if not desk.sheet(name).answerable)
    desk._order = [trap]
    asked = []

    def ask(prompt):
        asked.append(prompt)
        return "1" if len(asked) == 1 else "3"

    assert label_in_terminal(desk, ask, lambda _: None)
    assert "none is right" in asked[1]
    with pytest.raises(ConfigError, match="none is right"):
        desk.save(trap, "right")


def test_the_command_line(compared):
    runner = CliRunner()
    root = str(compared.root)
    done = runner.invoke(app, ["label", root, "-n", "6"], input="1\n2\n3\nq\n")
    assert done.exit_code == 0, done.output
    assert "Labelled by me: 3 of 6 answers drawn" in done.output
    found = runner.invoke(app, ["label", root, "--report", "--json"])
    assert json.loads(found.stdout)["done"] == 3
    wrong = runner.invoke(app, ["label", root, "-n", "0"])
    assert wrong.exit_code == 2


# --- the page's server -------------------------------------------------------------------------------------------------


@pytest.fixture
def served(compared):
    """The desk of a labelling page, its address and its key."""
    desk = compared.label(6)
    made = create_label_app(desk, key="secret", summary=lambda: "so far")
    with listening(made) as url:
        yield desk, url


KEY = {"Authorization": "Bearer secret"}


def test_the_page_is_told_no_variant_and_saves_at_once(served):
    desk, url = served
    assert httpx.get(f"{url}/").headers["content-security-policy"].startswith("default-src 'none'")
    sheets = httpx.get(f"{url}/sheets", headers=KEY).json()["sheets"]
    assert [sheet["item"] for sheet in sheets] == desk._order
    assert not {"variant", "cell", "probability", "scores"} & set(sheets[0])
    body = {"item": sheets[0]["item"], "verdict": "wrong", "supported": ""}
    assert httpx.post(f"{url}/labels", headers=KEY, json=body).json() == {"saved": sheets[0]["item"]}
    assert read_labels(desk.path).by["me"][sheets[0]["item"]].verdict == "wrong"
    assert httpx.get(f"{url}/sheets", headers=KEY).json()["sheets"][0]["verdict"] == "wrong"
    assert httpx.get(f"{url}/summary", headers=KEY).json() == {"text": "so far"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 401), ({"Authorization": "Bearer wrong"}, 401), ({**KEY, "Origin": "https://evil.example"}, 403),
     ({**KEY, "Host": "evil.example"}, 403)],
)  # fmt: skip
def test_strangers_are_refused(served, headers, status):
    desk, url = served
    body = {"item": desk._order[0], "verdict": "wrong", "supported": ""}
    assert httpx.post(f"{url}/labels", headers=headers, json=body).status_code == status
    assert httpx.get(f"{url}/sheets", headers=headers).status_code == status
    assert desk.done == 0


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{", 400), (b"[]", 400), (b'{"item": "x", "verdict": "wrong", "supported": ""}', 400),
     (b'{"item": 3, "verdict": "wrong", "supported": ""}', 400), (b"x" * 5000, 413)],
)  # fmt: skip
def test_bad_labels_are_refused(served, body, status):
    desk, url = served
    answer = httpx.post(f"{url}/labels", headers=KEY, content=body)
    assert answer.status_code == status
    assert "error" in answer.json()
    assert desk.done == 0


def test_the_command_serves_the_page_until_it_is_interrupted(original, tmp_path):
    """A real process: its address is printed, a label that was sent is on disk after Ctrl-C, and the report follows."""
    root = shutil.copytree(original, tmp_path / "project")
    command = [sys.executable, "-m", "graft", "label", str(root), "-n", "6", "--web"]
    buffered = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=buffered
    ) as process:
        address = process.stdout.readline().split()[-1]
        url, _, key = address.partition("/#key=")
        headers = {"Authorization": f"Bearer {key}"}
        for _ in range(200):
            with contextlib.suppress(httpx.TransportError):
                sheets = httpx.get(f"{url}/sheets", headers=headers).json()["sheets"]
                break
            time.sleep(0.05)
        body = {"item": sheets[0]["item"], "verdict": "unsure", "supported": ""}
        assert httpx.post(f"{url}/labels", headers=headers, json=body).status_code == 200
        assert "Labelled by me: 1 of 6" in httpx.get(f"{url}/summary", headers=headers).json()["text"]
        process.send_signal(signal.SIGINT)
        told, errors = process.communicate(timeout=30)
    assert "Labelled by me: 1 of 6 answers drawn" in told, errors
    assert "1 of 6 labelled, kept in" in errors
    assert "Traceback" not in errors
