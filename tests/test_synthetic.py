"""Synthetic questions: cloze by rule, written ones through their filters, flagged, deduplicated and versioned."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from graft import Project
from graft.cli.main import app
from graft.errors import ConfigError, NotBuilt
from graft.evaluation.checks.abstention import is_abstention
from graft.evaluation.question_sets.questions import read_questions
from graft.evaluation.question_sets.synthetic import (
    GAP,
    cloze_questions,
    clozes,
    in_turns,
    unanswerable_clozes,
)
from graft.evaluation.question_sets.written import write_answerable, write_from_two, write_unanswerable
from graft.types import Chunk, Context, Generation, Passage
from graft.wiring.models import ModelParts


def chunk(text: str, document: str = "a.md", start: int = 0) -> Chunk:
    return Chunk(f"{document}:{start}", document, start, start + len(text), text, "Title")


# --- cloze ---------------------------------------------------------------------------------------------------------------


def test_a_name_goes_before_a_number_and_the_place_is_the_sentence() -> None:
    text = "# Offices\n- The guard in the hall is **Joan Pruitt**, on duty until 22:00 every day.\n"
    [made] = clozes([chunk(text, start=100)])
    assert made.text == f"The guard in the hall is {GAP}, on duty until 22:00 every day."
    assert made.answer == "Joan Pruitt"
    assert text[made.start - 100 : made.end - 100].endswith("every day.")


def test_numbers_keep_their_currency_and_their_percent_sign() -> None:
    answers = [made.answer for made in clozes([
        chunk("A new lock for the cabinet costs the department $185 at once."),
        chunk("The members of the union pay a share of 2.5 % of it every month.", start=500),
        chunk("The gate of the site opens at 06:30 on every working day here.", start=900)])]  # fmt: skip
    assert answers == ["$185", "2.5 %", "06:30"]


@pytest.mark.parametrize("text", [
    "Too short: 12 days.", "| room | seats | 12 | for people who like to sit | and so on |",
    "The code 12 and again the code 12 stand in this long enough sentence.", "No name and no number stand in this sentence."])  # fmt: skip
def test_what_makes_no_good_cloze(text: str) -> None:
    assert clozes([chunk(text)]) == []


def test_sentences_that_two_editions_fill_differently_are_not_asked() -> None:
    sentence = "Employees of the company get {} days of leave in every year."
    old, new = chunk(sentence.format(25), "old.md"), chunk(sentence.format(27), "new.md")
    assert clozes([old, new]) == []
    assert len(clozes([old, chunk(sentence.format(25), "copy.md")])) == 1


def test_questions_are_flagged_clustered_and_the_same_every_time() -> None:
    chunks = [
        chunk(f"The number of the desk in room {n} of the house is {400 + n} now.", f"d{n % 3}.md", n)
        for n in range(9)
    ]
    made = cloze_questions(clozes(chunks), 4, seed=1)
    assert made == cloze_questions(clozes(chunks), 4, seed=1)
    assert len({question.cluster for question in made[:3]}) == 3, "one a document in turn"
    for question in made:
        assert question.stratum == "synthetic"
        assert question.tags == ("synthetic", "cloze")
        assert question.cluster == question.evidence[0].document


def test_an_unanswerable_cloze_asks_of_another_name_that_no_chunk_joins_with_it() -> None:
    chunks = [
        chunk("Every Monday the manager Ann Lee opens the north gate at 06:30 sharp."),
        chunk("Every Friday the manager Bob Ray closes the south gate at 21:45 sharp.", "b.md"),
    ]
    asked = unanswerable_clozes(chunks, 5, seed=0)
    assert sorted(question.text for question in asked) == [
        f"What belongs in the gap? “Every Friday the manager Ann Lee closes the south gate at {GAP} sharp.”",
        f"What belongs in the gap? “Every Monday the manager Bob Ray opens the north gate at {GAP} sharp.”",
    ]
    assert all(not question.answerable and not question.answers for question in asked)


def test_a_name_behind_the_gap_or_in_another_clause_asks_for_what_is_known() -> None:
    chunks = [
        chunk("The gate opens at 06:30 when the manager Ann Lee is in the house."),
        chunk("With the manager Bob Ray in the house, the gate opens at 05:45 sharp.", "b.md"),
    ]
    assert unanswerable_clozes(chunks, 5, seed=0) == ()


@settings(deadline=None, max_examples=50)
@given(st.lists(st.text(alphabet="ABC abc.12,%$|#\n", max_size=120), max_size=4))
def test_the_answer_is_in_the_sentence_and_not_in_the_question(texts: list[str]) -> None:
    chunks = [chunk(text, f"{n}.md") for n, text in enumerate(texts)]
    for made in clozes(chunks):
        text = texts[int(made.document.removesuffix(".md"))]
        assert made.answer in text[made.start : made.end].replace("*", "").replace("`", "")
        assert made.text.count(GAP) >= 1


@given(st.lists(st.tuples(st.sampled_from("abc"), st.text(max_size=3)), max_size=12), st.integers(0, 3))
def test_taking_turns_loses_nothing(items: list[tuple[str, str]], seed: int) -> None:
    drawn = in_turns(items, lambda item: item[0], lambda item: item[1], seed)
    assert sorted(drawn) == sorted(items)


# --- written -------------------------------------------------------------------------------------------------------------

TEA = chunk("Tea is served at 16:00 in the west hall.", "tea.md")


def reply(question: str, answer: str) -> str:
    return f"Sure! {json.dumps({'question': question, 'answer': answer})}"


def reads(asked: Any) -> list[str]:
    """A reader that answers from the passage only."""
    return ["It is served at 16:00." if context else "I don't know." for _, context in asked]


def test_a_good_question_passes_the_round_trip() -> None:
    sieve = write_answerable(
        [TEA], lambda _: [reply("When is tea served?", "16:00")], reads, is_abstention=is_abstention, by="m1"
    )
    [made] = sieve.kept
    assert (made.text, made.answers, made.cluster) == ("When is tea served?", ("16:00",), "tea.md")
    assert made.tags == ("synthetic", "written", "by:m1")
    assert sieve.tried == 1


@pytest.mark.parametrize(("said", "why"), [
    ("no idea", "no JSON of the asked form"),
    ('{"question": 3, "answer": []}', "no JSON of the asked form"),
    (reply("When, according to the passage, is tea served?", "16:00"), "does not stand on its own"),
    (reply("Tea when", "16:00"), "does not stand on its own"),
    (reply("When is tea served?", "17:30"), "its answer is not in its passage"),
    (reply("Is tea served in the west hall?", "west hall"), "gives its answer away"),
    (reply("Where is tea served every day?", "west hall"), "not answered again from its own passage"),
])  # fmt: skip
def test_what_the_filters_take_out(said: str, why: str) -> None:
    sieve = write_answerable([TEA], lambda _: [said], reads, is_abstention=is_abstention, by="m")
    assert sieve.kept == []
    assert dict(sieve.fallen) == {why: 1}


def test_what_the_model_knows_anyway_is_taken_out() -> None:
    sieve = write_answerable([TEA], lambda _: [reply("When is tea served?", "16:00")], lambda asked: ["16:00"] * len(asked),
                             is_abstention=is_abstention, by="m")  # fmt: skip
    assert dict(sieve.fallen) == {"answered without its passage": 1}


def test_unanswerable_questions_are_declined_or_fall() -> None:
    context = Context((Passage("tea.md", 0, 5, "Tea …"),))

    def write(declines: bool) -> Any:
        said = "I don't know." if declines else "At noon."
        return write_unanswerable([TEA], lambda _: ['{"question": "When is coffee served?"}'], lambda asked: [said] * len(asked),
                                  lambda queries: [context] * len(queries), is_abstention=is_abstention, by="m")  # fmt: skip

    assert [question.answerable for question in write(True).kept] == [False]
    assert dict(write(False).fallen) == {"answered after all from what the search finds": 1}


def test_two_documents_are_needed_or_it_falls() -> None:
    other = chunk("The west hall has 40 seats.", "halls.md")

    def write(needed: int) -> Any:
        def answer(asked: Any) -> list[str]:
            return [
                "40 seats" if context and len(context.passages) >= needed else "I don't know."
                for _, context in asked
            ]

        return write_from_two([(TEA, other)], lambda _: [reply("How many seats has the hall where tea is served?", "40")],
                              answer, is_abstention=is_abstention, by="m")  # fmt: skip

    [made] = write(2).kept
    assert [piece.document for piece in made.evidence] == ["tea.md", "halls.md"]
    assert "multi-document" in made.tags
    assert dict(write(1).fallen) == {"answered from one of its passages alone": 1}
    assert dict(write(3).fallen) == {"not answered again from its own passages": 1}


# --- as a user -------------------------------------------------------------------------------------------------------------

LONG = "The service desk hands out a charger to everybody who shows the badge number {n} at the counter.\n"


@pytest.fixture
def project(small: Path) -> Path:
    for n in range(41, 47):
        (small / f"documents/desk-{n}.md").write_text(
            LONG.format(n=n) + f"The opening hours of desk {n} end at {n}:30 on every single day.\n"
        )
    Project(small).build()
    return small


def test_a_generator_that_cannot_write_falls_back_to_cloze_and_says_so(project: Path) -> None:
    done = CliRunner().invoke(app, ["questions", "generate", str(project), "--count", "5"])
    assert done.exit_code == 0, done.output
    assert "does not write questions that pass the filters" in done.stdout
    assert "flatter retrieval" in done.stdout
    path = project / "questions-synthetic.jsonl"
    stored = read_questions(path)
    manifest = json.loads((project / "questions-synthetic.jsonl.manifest.json").read_text(encoding="utf-8"))
    assert (manifest["how"], manifest["questions"]) == ("cloze", len(stored))
    assert f"Version {manifest['version']}" in done.stdout
    assert all("synthetic" in question.tags for question in stored)
    again = CliRunner().invoke(app, ["questions", "generate", str(project)])
    assert again.exit_code == 2
    assert "exists" in again.stderr


def test_they_stand_in_a_stratum_of_their_own(project: Path) -> None:
    before = Project(project).compare().comparison
    Project(project).generate_questions(how="cloze", count=4, unanswerable=0.0)
    path = project / "questions.jsonl"
    path.write_text(
        path.read_text(encoding="utf-8")
        + (project / "questions-synthetic.jsonl").read_text(encoding="utf-8"),
        encoding="utf-8",
    )
    compared = Project(project).compare().comparison
    assert [*compared.strata] == ["synthetic", "written by people"]
    people = compared.strata["written by people"]["rag"]["truthfulness"]
    alone = compared.variants["rag"]["truthfulness"]
    assert (people.n_total, alone.n_total) == (4, 8)
    assert people == before.variants["rag"]["truthfulness"]
    assert any("are synthetic" in warning for warning in compared.warnings)


def test_what_is_asked_already_is_left_out(project: Path) -> None:
    first = Project(project).generate_questions(how="cloze", count=3, unanswerable=0.0)
    path = project / "questions.jsonl"
    path.write_text(first.path.read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(ConfigError, match="gave no question"):
        Project(project).generate_questions(how="cloze", count=3, unanswerable=0.0, force=True)


def test_shares_and_an_index_are_needed(small: Path) -> None:
    with pytest.raises(NotBuilt, match="Nothing is indexed"):
        Project(small).generate_questions()
    with pytest.raises(ConfigError, match="leave some questions"):
        Project(small).generate_questions(unanswerable=0.9, multi_document=0.1)
    done = CliRunner().invoke(app, ["questions", "generate", str(small), "--how", "clozes"])
    assert "Did you mean 'cloze'?" in done.stderr


class Scripted:
    """A generator that writes questions about badge numbers, and reads them back from passages."""

    fingerprint = "scripted-writer"

    def generate(
        self, prompts: Any, *, max_tokens: int, temperature: float = 0.0, seed: int = 0
    ) -> list[Generation]:
        del max_tokens, temperature, seed
        return [Generation(self._said(prompt[-1].content)) for prompt in prompts]

    def _said(self, text: str) -> str:
        numbers = re.findall(r"badge number (\d+)", text)
        if text.startswith("Write one question that a colleague"):
            return (
                reply(
                    f"Which badge number is asked for at counter {chr(24 + int(numbers[0]))}?",
                    f"badge number {numbers[0]}",
                )
                if numbers
                else "?"
            )
        if text.startswith("Write one question on the subject"):
            return '{"question": "What is the colour of the door behind the counter?"}'
        if text.startswith("Write one question that can only"):
            pair = " and ".join(numbers[:2])
            return (
                reply("Which two badge numbers do the two desks want to see?", pair)
                if len(numbers) > 1
                else "?"
            )
        if "colour" in text.rpartition("Question: ")[2] or not numbers:
            return "I don't know."
        return f"They want badge number {' and '.join(numbers)}."

    def count_tokens(self, prompt: Any) -> int:
        return sum(len(message.content.split()) for message in prompt)


def test_a_generator_that_can_write_is_used_and_named(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(47, 61):
        (project / f"documents/desk-{n}.md").write_text(LONG.format(n=n), encoding="utf-8")
    Project(project).build()
    monkeypatch.setattr(ModelParts, "generator", lambda self, adapter=None: Scripted())
    made = Project(project).generate_questions(count=10, unanswerable=0.2, multi_document=0.1)
    stored = read_questions(made.path)
    assert made.how == "written"
    assert made.note == ""
    assert (made.questions, made.unanswerable) == (
        len(stored),
        sum(not question.answerable for question in stored),
    )
    assert made.unanswerable >= 1
    written = [question for question in stored if question.answerable]
    assert written
    assert all("by:scripted" in question.tags for question in stored)
    manifest = json.loads((project / "questions-synthetic.jsonl.manifest.json").read_text(encoding="utf-8"))
    assert manifest["generator"] == "scripted-writer"
