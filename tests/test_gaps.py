"""The gap loop: found on development questions, proposed for review, tried, kept only if held-out answers get better."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import edit
from typer.testing import CliRunner

from graft import Project
from graft.cli.main import app
from graft.decision.turns import changes, level
from graft.errors import ConfigError, DataError, LeakError, NotBuilt, WorkspaceError
from graft.evaluation.question_sets.questions import read_questions
from graft.stages import quiet
from graft.tuning.drafts import draft, learn_form, wording
from graft.types import Message
from graft.verbs.gap_loop import turn as gap_turn
from graft.verbs.gap_loop.measure import columns
from graft.verbs.gap_loop.proposals import Proposal, read_proposals, to_markdown, write_proposals

STYLE = [
    "Answer: Tea is free.\nDesk: people",
    "Answer: Call ext. 4.\nDesk: it",
    "Answer: I don't know.\nDesk: it",
    "Answer: The form is F2.\nDesk: people",
    "Answer: Two weeks.\nDesk: people",
    "Answer: Ask Ann.\nDesk: it",
]


def jsonl(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture
def project(small: Path) -> Path:
    """The small project with development questions: one that the index cannot answer, one that it can."""
    jsonl(
        small / "questions-dev.jsonl",
        [
            {"id": "d1", "question": "What is the code of the north gate?", "answers": ["4711"],
             "evidence": [{"document": "gates.md"}]},
            {"id": "d2", "question": "Which desk hands out chargers?", "answers": ["the service desk"],
             "evidence": [{"document": "it/laptops.txt", "start": 50, "end": 74}]},
            {"id": "d3", "question": "Who won the cup?", "answers": [], "answerable": False},
        ],
    )  # fmt: skip
    Project(small).build()
    return small


# --- drafts --------------------------------------------------------------------------------------------------------------


def test_the_form_of_the_house_is_learnt_and_filled() -> None:
    form = learn_form(STYLE)
    assert [(line.label, line.choices) for line in form.lines] == [
        ("Answer: ", frozenset()),
        ("Desk: ", frozenset({"people", "it"})),
    ]
    made = draft(form, "The gate is open.", [STYLE[1], STYLE[2], STYLE[0]])
    assert made.output == "Answer: The gate is open.\nDesk: it"
    assert made.notes == ("Desk: it as in 2 of the 3 nearest examples: check it.",)
    assert draft(form, "x", []).notes == ("Desk: is a guess without a near example: check it.",)


def test_plain_text_and_json_answers() -> None:
    assert draft(learn_form(["Yes.", "No."]), "Maybe.", []).output == "Maybe."
    assert draft(learn_form(['{"a": 1}'] * 3), "Maybe.", []).output == "", (
        "an object is for a person to write"
    )


def test_the_wording_is_the_sentence_that_says_it() -> None:
    def right(text: str) -> bool:
        return "F2" in text

    assert wording(["F2"], ["- The **form** is F2. It is blue."], right) == "The form is F2."
    assert wording(["F2"], ["| cold | F2 |"], right) == "F2"
    assert wording([], [], right) == "I don't know."


# --- judging ---------------------------------------------------------------------------------------------------------------


def test_a_change_is_better_only_when_its_interval_says_so() -> None:
    rng = np.random.default_rng(0)
    before = rng.integers(0, 2, 200).astype(float)
    clusters = [f"c{n}" for n in range(200)]
    much, none = np.minimum(before + (rng.random(200) < 0.3), 1), before.copy()
    [gained] = changes({"m": before}, {"m": much}, clusters, turn=1, seed=0, draws=500)
    [lost] = changes({"m": much}, {"m": before}, clusters, turn=1, seed=0, draws=500)
    [same] = changes({"m": before}, {"m": none}, clusters, turn=1, seed=0, draws=500)
    assert (gained.verdict, lost.verdict, same.verdict) == ("better", "worse", "not shown")
    [less] = changes({"m": much}, {"m": before}, clusters, turn=1, lower=frozenset({"m"}), seed=0, draws=500)
    assert less.verdict == "better"


def test_trying_often_widens_the_interval_and_spends_five_percent_in_all() -> None:
    assert [round(1 - level(turn), 6) for turn in (1, 2, 3)] == [0.025, 0.008333, 0.004167]
    assert sum(1 - level(turn) for turn in range(1, 10_000)) < 0.05


def test_nulls_on_one_side_are_left_out() -> None:
    [found] = changes({"m": np.array([1.0, np.nan])}, {"m": np.array([1.0, 1.0])}, ["a", "b"], turn=1, seed=0)
    assert found.n == 1
    [none] = changes({"m": np.array([np.nan])}, {"m": np.array([1.0])}, ["a"], turn=1, seed=0)
    assert (none.difference, none.verdict) == (None, "not shown")


# --- the file --------------------------------------------------------------------------------------------------------------


def proposal(**other: Any) -> Proposal:
    given: dict[str, Any] = {"kind": "example", "question": "d1", "cause": "format", "variant": "rag",
                             "messages": (Message("user", "Where?"),), "output": "There.", "gold": ("There",)}  # fmt: skip
    return Proposal(**{**given, **other})


def test_proposals_are_read_back_and_nothing_is_reviewed_by_itself(tmp_path: Path) -> None:
    made = (proposal(), proposal(kind="document", path="a.md", output=""))
    readable = write_proposals(tmp_path / "gaps.jsonl", made)
    assert read_proposals(tmp_path / "gaps.jsonl") == made
    assert not any(one.reviewed for one in made)
    text = readable.read_text(encoding="utf-8")
    assert "## format: 2" in text
    assert "> There." in text
    assert to_markdown(made, "gaps.jsonl") == text


def test_text_from_pages_that_breaks_lines_its_own_way_is_read_back(tmp_path: Path) -> None:
    made = (proposal(output="One.\u2028Two.\u2029Three.\x85Four.", said="a\x0cb"), proposal(question="d2"))
    write_proposals(tmp_path / "gaps.jsonl", made)
    assert read_proposals(tmp_path / "gaps.jsonl") == made


@pytest.mark.parametrize("line", ["{", '{"kind": "other"}', '{"kind": "example", "question": "q"}', "[]"])
def test_a_line_that_is_no_proposal_is_refused_with_its_place(tmp_path: Path, line: str) -> None:
    (tmp_path / "gaps.jsonl").write_text(f"\n{line}\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"gaps.jsonl:2 is not a proposal"):
        read_proposals(tmp_path / "gaps.jsonl")


# --- finding ---------------------------------------------------------------------------------------------------------------


def test_failures_become_proposals_by_the_stage_that_broke(project: Path) -> None:
    done = CliRunner().invoke(app, ["gaps", str(project), "--variant", "rag"])
    assert done.exit_code == 0, done.output
    assert "rag fails on" in done.stdout
    assert "Nothing has been changed yet." in done.stdout
    found = {one.question: one for one in read_proposals(project / "gaps.jsonl")}
    assert (found["d1"].kind, found["d1"].cause, found["d1"].path) == ("document", "no document", "gates.md")
    assert found["d3"].cause == "should abstain"
    assert found["d3"].output == "I don't know."


def test_whose_gaps_unless_named(project: Path) -> None:
    with pytest.raises(NotBuilt, match="No variant stands out yet"):
        Project(project).gaps()
    Project(project).compare()
    likeliest = Project(project).recommend().recommendation.probability_best
    assert Project(project).gaps().variant == max(likeliest, key=lambda name: likeliest[name])
    Project(project).release("base")
    assert Project(project).gaps().variant == "base", "what is released is what people complain about"


def test_a_missing_document_is_asked_for_once(project: Path) -> None:
    rows = [{"id": f"d{n}", "question": f"What is the code of gate {n}?", "answers": [str(n)],
             "evidence": [{"document": "gates.md"}]} for n in (6, 7)]  # fmt: skip
    jsonl(project / "questions-dev.jsonl", rows)
    [made] = Project(project).gaps(variant="rag").proposals
    assert (made.path, made.question) == ("gates.md", "d6")
    assert made.notes[-1] == (
        "Development questions that call for it (2): What is the code of gate 6? / What is the code of gate 7?"
    )


def test_a_draft_that_breaks_the_contract_of_its_question_says_so(project: Path) -> None:
    row = {"id": "d4", "question": "Who won the cup in 1999?", "answers": [], "answerable": False,
           "format": {"regex": "Answer: .*"}}  # fmt: skip
    jsonl(project / "questions-dev.jsonl", [row])
    [made] = Project(project).gaps(variant="rag").proposals
    assert made.notes == ("It does not keep the question's format contract: put it into that form.",)


def test_what_a_held_out_question_asks_is_never_proposed(project: Path) -> None:
    asked = json.loads((project / "questions.jsonl").read_text(encoding="utf-8").splitlines()[0])
    same = {"id": "d9", "question": "how much is THE meal allowance", "answers": ["nothing"]}
    near = {
        "id": "d8",
        "question": "What do I get for dinner?",
        "answers": ["nothing"],
        "evidence": asked["evidence"],
    }
    jsonl(project / "questions-dev.jsonl", [same, near])
    found = Project(project).gaps(variant="rag")
    assert found.proposals == ()
    assert found.left_out == {
        "that ask the same as a held-out question": 1,
        "whose passage a held-out question asks about": 1,
    }


def test_reviewed_proposals_are_not_overwritten(project: Path) -> None:
    write_proposals(project / "gaps.jsonl", [proposal(reviewed=True)])
    with pytest.raises(ConfigError, match="holds reviewed proposals"):
        Project(project).gaps(variant="rag")
    Project(project).gaps(variant="rag", force=True)


def test_without_development_questions_a_share_can_be_burnt(small: Path) -> None:
    Project(small).build()
    with pytest.raises(NotBuilt, match="no development questions"):
        Project(small).gaps(variant="rag")
    found = Project(small).gaps(variant="rag", burn=0.4)
    assert found.burnt == 2
    compared = Project(small).compare()
    assert compared.comparison.questions == 2, "what was burnt is not measured"
    assert any("they are not measured" in warning for warning in compared.comparison.warnings)
    lines = (small / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 4, "the questions file stays as it is"
    burnt = (small / "questions-dev.jsonl").read_text(encoding="utf-8").splitlines()
    assert set(burnt) < set(lines)
    for share in (0.0, 1.0):
        with pytest.raises(ConfigError, match="cannot be burnt"):
            Project(small).gaps(variant="rag", burn=share)


def test_all_questions_in_the_development_file_leave_nothing_to_measure(small: Path) -> None:
    (small / "questions-dev.jsonl").write_bytes((small / "questions.jsonl").read_bytes())
    Project(small).build()
    with pytest.raises(DataError, match="so none is left to measure on"):
        Project(small).compare()


# --- applying --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def gates(small: Path) -> Path:
    """Twelve held-out questions about gates, in a project without a word about gates."""
    rows = [
        {"id": f"g{n}", "question": f"What is the code of gate number {n}?", "answers": [str(4700 + n)]}
        for n in range(12)
    ]
    jsonl(small / "questions.jsonl", rows)
    jsonl(
        small / "questions-dev.jsonl",
        [{"id": "d1", "question": "Which gates are there?", "answers": ["twelve"]}],
    )
    Project(small).build()
    return small


def documents(text: str) -> list[Proposal]:
    return [
        proposal(kind="document", question=f"d{n}", path=f"gates/{n}.md", reviewed=True,
                 output=text.format(n=n, code=4700 + n))
        for n in range(12)
    ]  # fmt: skip


def test_documents_that_help_are_kept(gates: Path) -> None:
    write_proposals(gates / "gaps.jsonl", documents("The code of gate number {n} is {code}.\n"))
    turn = Project(gates).apply_gaps(gates / "gaps.jsonl")
    assert turn.kept, turn.text
    assert turn.verdict.startswith("KEPT: utility ")
    assert (gates / "documents/gates/3.md").is_file()
    assert not (gates / ".graft/gaps/pending.json").exists()
    assert Project(gates).ask("What is the code of gate number 3?", variant="rag").text.startswith("The code")


def test_a_judge_that_decides_comparisons_is_not_asked_in_a_turn(gates: Path) -> None:
    edit(gates, "[evaluation]", '[evaluation]\nprimary = "judged_truthfulness"')
    write_proposals(gates / "gaps.jsonl", documents("The code of gate number {n} is {code}.\n"))
    turn = Project(gates).apply_gaps(gates / "gaps.jsonl")
    assert turn.kept, turn.text
    assert [change.metric for change in turn.changes][:2] == ["utility", "truthfulness"]


def rewritings(root: Path) -> None:
    edit(root, "[evaluation]", '[evaluation]\nprimary = "sari"')
    rows = [
        {"id": f"r{n}", "question": f"The code of gate number {n} is {n}.", "answers": [f"Gate {n} opens with {n}."],
         "match": "rewrite"}
        for n in range(12)
    ]  # fmt: skip
    jsonl(root / "questions.jsonl", rows)


def test_what_rewritings_are_worth_is_how_good_they_are(gates: Path) -> None:
    rewritings(gates)
    parts = Project(gates).parts
    found = columns(parts, "rag", None, read_questions(gates / "questions.jsonl"), quiet)
    assert found["utility"].tolist() == found["sari"].tolist()
    assert not np.isnan(found["sari"]).any()


def test_nothing_is_trained_for_a_metric_without_a_value(
    gates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rewritings(gates)
    write_proposals(gates / "gaps.jsonl", [proposal(reviewed=True)])
    monkeypatch.setattr(gap_turn, "_train", lambda *_: pytest.fail("it was trained"))
    with pytest.raises(DataError, match="None of the 12 held-out questions has a value of truthfulness"):
        gap_turn.apply(Project(gates).parts, gates / "gaps.jsonl", metric="truthfulness", progress=quiet)
    for metric in ("judged_correct", "perplexity"):
        with pytest.raises(ConfigError, match=f"does not measure {metric}"):
            gap_turn.apply(Project(gates).parts, gates / "gaps.jsonl", metric=metric, progress=quiet)


def test_documents_that_do_not_help_are_taken_back(gates: Path) -> None:
    before = sorted(path.name for path in (gates / "documents").rglob("*"))
    index = Project(gates).parts.retrieval.store.documents()
    write_proposals(gates / "gaps.jsonl", documents("Gates are nice to have. {n} {code}\n")[:1])
    turn = Project(gates).apply_gaps(gates / "gaps.jsonl")
    assert not turn.kept
    assert turn.verdict.startswith("NOT KEPT, everything is as it was: utility ")
    assert (
        sorted(
            path.name for path in (gates / "documents").rglob("*") if path.is_file() or path.name != "gates"
        )
        == before
    )
    assert Project(gates).parts.retrieval.store.documents() == index
    assert Project(gates).apply_gaps(gates / "gaps.jsonl").number == 2, (
        "turns on the same questions are counted"
    )


@pytest.fixture
def killed(gates: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project as a turn leaves it that was killed between its documents and its verdict."""

    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    write_proposals(gates / "gaps.jsonl", documents("The code of gate number {n} is {code}.\n"))
    with monkeypatch.context() as patched:
        patched.setattr(gap_turn, "turn_changes", die)
        patched.setattr(gap_turn, "restore", lambda _: None)
        with pytest.raises(Killed):
            Project(gates).apply_gaps(gates / "gaps.jsonl")
    assert (gates / "documents/gates/3.md").is_file()
    return gates


def test_a_killed_turn_is_taken_back_by_the_next_search_for_gaps(killed: Path) -> None:
    Project(killed).gaps(variant="rag", out=killed / "other.jsonl")
    assert not (killed / "documents/gates/3.md").exists()


def test_a_turn_that_is_running_is_not_taken_back(killed: Path) -> None:
    project = Project(killed)
    with project.parts.workspace.lock("gaps"), pytest.raises(WorkspaceError, match="stage 'gaps'"):
        Project(killed).gaps(variant="rag", out=killed / "other.jsonl")
    assert (killed / "documents/gates/3.md").is_file()


@pytest.mark.parametrize(
    ("change", "message"),
    [({"path": "../../outside.md"}, "is not inside"), ({"path": "leave.md"}, "exists already"),
     ({"output": " "}, "has no text")],
)  # fmt: skip
def test_a_document_that_cannot_be_written_is_refused(
    gates: Path, change: dict[str, str], message: str
) -> None:
    given = {"kind": "document", "path": "new.md", "output": "Text.", "reviewed": True, **change}
    write_proposals(gates / "gaps.jsonl", [proposal(**given)])
    with pytest.raises(DataError, match=message):
        Project(gates).apply_gaps(gates / "gaps.jsonl")


def trained(monkeypatch: pytest.MonkeyPatch, gain: float) -> None:
    """Stand in for training and answering: the candidate's figures are `gain` better. What is under test is the rest."""
    real = gap_turn.columns

    def columns(parts: Any, name: str, key: str | None, *rest: Any) -> Any:
        found = real(parts, "rag", None, *rest)
        return found if key is None else {metric: values + gain for metric, values in found.items()}

    monkeypatch.setattr(gap_turn, "columns", columns)
    monkeypatch.setattr(gap_turn, "_train", lambda *_: "key")


@pytest.mark.parametrize(("gain", "kept"), [(0.5, True), (0.0, False), (-0.5, False)])
def test_examples_stay_only_when_answers_get_better(
    gates: Path, monkeypatch: pytest.MonkeyPatch, gain: float, kept: bool
) -> None:
    before = '{"input": "Is tea free?", "output": "Yes."}'
    (gates / "examples.jsonl").write_text(before, encoding="utf-8")
    write_proposals(
        gates / "gaps.jsonl", [proposal(reviewed=True, documents=("leave.md",)), proposal(question="d2")]
    )
    trained(monkeypatch, gain)
    turn = Project(gates).apply_gaps(gates / "gaps.jsonl")
    assert (turn.kept, turn.before, turn.after, turn.examples) == (kept, "rag", "hybrid", 1)
    lines = (gates / "examples.jsonl").read_text(encoding="utf-8").splitlines()
    assert lines[0] == before
    assert len(lines) == (2 if kept else 1)
    assert (gates / ".graft/adapters/hybrid.json").exists() is kept
    assert "none of the 12 held-out questions is among the 2 examples" in turn.text
    if kept:
        assert "But worse: wrong" in turn.verdict, "every figure rose, and of wrong answers fewer are better"
        assert json.loads(lines[1]) == {
            "id": "gap-1-d1", "input": "Where?", "output": "There.", "documents": ["leave.md"]}  # fmt: skip


def test_a_held_out_question_among_the_proposals_stops_everything(gates: Path) -> None:
    leak = proposal(messages=(Message("user", "what is the code of gate number 3"),), reviewed=True)
    write_proposals(gates / "gaps.jsonl", [leak])
    with pytest.raises(LeakError, match="question g3 = example gap-1-d1"):
        Project(gates).apply_gaps(gates / "gaps.jsonl")
    assert not (gates / "examples.jsonl").exists()


def test_what_cannot_be_applied_is_refused(gates: Path) -> None:
    path = gates / "gaps.jsonl"
    write_proposals(path, [proposal()])
    with pytest.raises(ConfigError, match=r"No proposal in .* is reviewed"):
        gap_turn.apply(Project(gates).parts, path, progress=quiet)
    write_proposals(path, [proposal(reviewed=True, output="")])
    with pytest.raises(DataError, match="The proposal for d1 has no answer"):
        gap_turn.apply(Project(gates).parts, path, progress=quiet)
    write_proposals(path, [proposal(reviewed=True), proposal(reviewed=True, variant="base")])
    with pytest.raises(DataError, match="one variant at a time"):
        gap_turn.apply(Project(gates).parts, path, progress=quiet)
    with pytest.raises(ConfigError, match="Unknown metric 'nice'"):
        gap_turn.apply(Project(gates).parts, path, metric="nice", progress=quiet)
