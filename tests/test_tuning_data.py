"""Reading, checking, splitting and grounding examples."""

from __future__ import annotations

import gzip
import json
import string
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft import Project
from graft.errors import DataError, LeakError
from graft.generation import prompts
from graft.tuning.dataset import Grounding, grounded_rows, plain_rows, split
from graft.tuning.examples import Checked, Finding, check_examples, read_examples
from graft.tuning.leaks import Leak, find_leaks, near_duplicates, normalise, similar_pairs
from graft.tuning.style import label_of, strip_label
from graft.tuning.support import best_line, best_passage, supports
from graft.types import Context, Example, Message, Passage, TrainingRow
from graft.verbs.build import Tuning


def example(text, output="ok", **extra):
    return Example(extra.pop("id", text), (Message("user", text),), output, **extra)


# --- reading -------------------------------------------------------------------------------------------------------


def test_every_form_of_a_line_is_read(tmp_path):
    path = tmp_path / "examples.jsonl"
    lines = [
        {
            "id": 7,
            "input": "Hi",
            "output": "Hello",
            "documents": ["a.md"],
            "split": "validation",
            "author": "me",
        },
        {
            "messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "U"}],
            "output": {"ä": [1, 2]},
        },
        {"messages": [{"role": "user", "content": "U"}, {"role": "assistant", "content": "A"}]},
    ]
    path.write_text("\ufeff" + "\n\n".join(json.dumps(line) for line in lines) + "\n", encoding="utf-8")
    first, second, third = read_examples(path)
    assert first == Example("7", (Message("user", "Hi"),), "Hello", ("a.md",), "dev", "examples.jsonl:1")
    assert second.messages == (Message("system", "S"), Message("user", "U"))
    assert second.output == '{"ä":[1,2]}'
    assert (third.messages, third.output, third.where) == ((Message("user", "U"),), "A", "examples.jsonl:5")


def test_gzip_reads_the_same(tmp_path):
    line = json.dumps({"input": "Hi", "output": "Hello"})
    (tmp_path / "a.jsonl").write_text(line)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(line.encode()))
    (plain,), (packed,) = read_examples(tmp_path / "a.jsonl"), read_examples(tmp_path / "a.jsonl.gz")
    assert (plain.id, plain.messages, plain.output) == (packed.id, packed.messages, packed.output)


def test_all_problems_are_reported_at_once_with_their_lines(tmp_path):
    path = tmp_path / "bad.jsonl"
    path.write_text(
        '{"input": "a", "output": "b"}\n'
        "{not json\n"
        "[1]\n"
        '{"inptu": "a", "output": "b"}\n'
        '{"input": "a", "messages": [], "output": "b"}\n'
        '{"input": "a"}\n'
        '{"input": "a", "output": 3}\n'
        '{"messages": [{"role": "bot", "content": "x"}], "output": "b"}\n'
        '{"messages": [{"role": "system", "content": "x"}], "output": "b"}\n'
        '{"input": "a", "output": "b", "documents": "a.md"}\n'
        '{"input": "a", "output": "b", "split": "later"}\n'
        '{"id": "x", "input": "a", "output": "b"}\n'
        '{"id": "x", "input": "c", "output": "d"}\n'
    )
    with pytest.raises(DataError) as caught:
        read_examples(path)
    lines = [line.strip() for line in caught.value.message.splitlines()[1:]]
    assert lines == [
        "bad.jsonl:2: not valid JSON (Expecting property name enclosed in double quotes at column 2)",
        "bad.jsonl:3: not a JSON object",
        'bad.jsonl:4: unknown key "inptu"; did you mean "input"?',
        'bad.jsonl:5: needs exactly one of "input" and "messages"',
        'bad.jsonl:6: "output" is missing',
        'bad.jsonl:7: "output" must be a string or a JSON object',
        'bad.jsonl:8: each message needs a "role" (system, user or assistant) and a "content" string',
        'bad.jsonl:9: the last message must have the role "user"; the ideal answer belongs in "output"',
        'bad.jsonl:10: "documents" must be a list of document names',
        "bad.jsonl:11: \"split\" is 'later'; use one of train, dev, test",
        'bad.jsonl:13: the id "x" was used at bad.jsonl:12 already; ids must be unique',
    ]
    assert '{"input": "…", "output": "…"' in caught.value.hint


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.jsonl", None, "No examples at"),
        ("empty.jsonl", b"\n", "holds no examples"),
        ("latin.jsonl", b'{"input": "a", "output": "b"}\n{"input": "\xe4"}', "latin.jsonl:2 is not UTF-8"),
        ("torn.jsonl.gz", gzip.compress(b"x" * 100, mtime=0)[:20], "cannot be read"),
        ("plain.jsonl.gz", b"not gzip", "cannot be read"),
    ],
)
def test_unreadable_files_are_one_clear_error(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_examples(tmp_path / name)


def test_a_thousand_bad_lines_list_twenty(tmp_path):
    path = tmp_path / "bad.jsonl"
    path.write_text("x\n" * 1000)
    with pytest.raises(DataError, match="20 lines cannot be used") as caught:
        read_examples(path)
    assert len(caught.value.message.splitlines()) == 21


# --- checking ------------------------------------------------------------------------------------------------------


def test_a_check_keeps_fixes_refuses_and_warns():
    rows = [
        example("How many days off do I get?", "25 days\r\n", where="e:1"),
        example("  ", "x", where="e:2"),
        example("Who pays?", " ", where="e:3"),
        example("how many days off do I get", "25 days", where="e:4", id="again"),
        example("How many days off do I get??", "30 days", where="e:5"),
        example("Long?", "word " * 50, where="e:6", documents=("hanbook.md",)),
        example("Short?", "word", where="e:7", documents=("hanbook.md",)),
    ]
    checked = check_examples(
        rows, questions=[("q1", "Who is the boss?")], count_tokens=lambda text: len(text.split()), max_tokens=20,
        known_documents={"handbook.md"},
    )  # fmt: skip
    assert [row.where for row in checked.kept] == ["e:1", "e:5", "e:7"]
    assert checked.kept[0].output == "25 days"
    assert [(item.kind, item.severity, item.where) for item in checked.findings] == [
        ("whitespace", "fixed", "e:1"),
        ("empty", "refused", "e:2"),
        ("empty", "refused", "e:3"),
        ("whitespace", "fixed", "e:6"),
        ("duplicate", "refused", "e:4"),
        ("too-long", "refused", "e:6"),
        ("conflict", "warning", "e:1"),
        ("unknown-document", "warning", "e:7"),
        ("few-examples", "warning", ""),
    ]
    assert "did you mean 'handbook.md'?" in checked.findings[-2].message
    assert checked.summary().splitlines()[0] == "Examples: 3 kept, 4 refused, 2 fixed, 3 warning."


def test_labels_that_always_or_hardly_occur_are_warned_about():
    rows = [example(f"message {n} {'x' * n}", "Label: spam" if n < 95 else "Label: ham") for n in range(99)]
    rows.append(example("odd one", "Label: eggs"))
    kinds = {
        item.kind: item.message
        for item in check_examples(rows, questions=[]).findings
        if item.severity == "warning"
    }
    assert kinds["imbalance"] == (
        "the output is 'Label: spam' in 95 of 100 outputs: answering it always would look good"
    )
    assert kinds["rare-label"] == "1 of 3 values of the output have fewer than 3 examples: 'Label: eggs'"
    rows = [
        example(f"m{n} {'x' * n}", json.dumps({"urgent": n % 2 == 0, "text": str(n)})) for n in range(100)
    ]
    assert not [item for item in check_examples(rows, questions=[]).findings if item.kind == "imbalance"]


def test_summary_shows_three_of_a_kind_and_counts_the_rest():
    checked = Checked(
        (), tuple(Finding("empty", "refused", f"e:{n}", "the input is empty") for n in range(5))
    )
    assert checked.summary().splitlines() == [
        "Examples: 0 kept, 5 refused, 0 fixed, 0 warning.",
        "  refused (empty) e:0: the input is empty",
        "  refused (empty) e:1: the input is empty",
        "  refused (empty) e:2: the input is empty",
        "  refused (empty) … and 2 more",
    ]


# --- leaks ---------------------------------------------------------------------------------------------------------

LONG = "when a customer asks for a refund after thirty days which team has to approve it first"


def test_leaks_of_each_kind_are_named():
    rows = [
        example("How many days of leave do I get?", id="e1"),
        example("Please tell: at what price do we sell the Basic plan", id="e2"),
        example(f"Context: {LONG} and why?", id="e3"),
        example("alpha beta gamma delta epsilon zeta eta theta iota kappa", id="e4"),
    ]
    questions = [
        ("q1", "HOW many days of leave - do I get"),
        ("q2", "What price do we sell Basic plan at?"),
        ("q3", f"I wonder: {LONG}"),
        ("q4", "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda"),
        ("q5", "At what price do we sell the Premium plan?"),
    ]
    assert find_leaks(rows, questions) == [
        Leak("e1", "q1", "same text", 1.0),
        Leak("e2", "q2", "same words", 1.0),
        Leak("e3", "q3", "13 words in common", 1.0),
        Leak("e4", "q4", "Jaccard 0.89", 8 / 9),
    ]


def test_a_leak_stops_the_check_and_lists_both_sides():
    with pytest.raises(LeakError, match="1 held-out question also") as caught:
        check_examples([example("Who pays?", id="e9")], questions=[("q3", "who pays")])
    assert "question q3 = example e9 (same text)" in caught.value.message


def test_a_shared_instruction_is_not_a_leak():
    instruction = (
        "Classify the intent of the customer message below and answer with exactly one label from the list "
    )
    rows = [example(f"{instruction} {word} {word}ing now", id=word) for word in string.ascii_lowercase]
    assert find_leaks(rows, [("q", f"{instruction} my card never arrived")]) == []
    assert [leak.example for leak in find_leaks(rows, [("q", f"{instruction} q qing now")])] == ["q"]


def test_a_short_follow_up_is_not_a_leak():
    turns = [
        Message("user", "When does the Portland office open?"),
        Message("assistant", "At 7."),
        Message("user", "And in Utrecht?"),
    ]
    assert find_leaks([Example("e", tuple(turns), "At 8.")], [("q", "And in Utrecht?")]) == []
    assert len(find_leaks([Example("e", tuple(turns[2:]), "At 8.")], [("q", "And in Utrecht?")])) == 1


words = st.lists(
    st.sampled_from(["red", "green", "blue", "cat", "dog", "house", "tree", "seven", "eight"]),
    min_size=3,
    max_size=30,
)


@settings(deadline=None, max_examples=50)
@given(words, st.randoms(use_true_random=False))
def test_case_marks_and_spacing_never_hide_a_leak(text, random):
    dressed = "".join(
        random.choice([word.upper(), word, word.title()]) + random.choice([" ", "  ", ", ", "-"])
        for word in text
    )
    assert normalise(dressed) == " ".join(text)
    assert [leak.kind for leak in find_leaks([example(" ".join(text))], [("q", dressed)])] == ["same text"]


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.frozensets(st.sampled_from("abcdefghij"), max_size=8), max_size=12),
    st.sampled_from([0.5, 0.8, 1.0]),
)
def test_the_join_equals_brute_force(sets, threshold):
    brute = [
        (i, j, len(left & right) / len(left | right))
        for i, left in enumerate(sets)
        for j, right in enumerate(sets)
        if i < j and left | right and len(left & right) / len(left | right) >= threshold
    ]
    assert sorted(similar_pairs(sets, threshold=threshold)) == brute
    both = similar_pairs(sets, sets, threshold)
    assert sorted(pair for pair in both if pair[0] < pair[1]) == brute


def test_near_duplicates_of_ten_thousand_texts_take_seconds():
    texts = [
        f"question {n} about topic {n % 97} in department {n % 31} of the office number {n}"
        for n in range(10_000)
    ]
    texts.append(texts[5] + " today")
    start = time.process_time()  # not the clock's: other work on the machine is no fault of ours
    found = near_duplicates(texts)
    assert [(left, right) for left, right, _ in found] == [(5, 10_000)]
    assert time.process_time() - start < 10


# --- split ---------------------------------------------------------------------------------------------------------


def test_a_document_is_never_on_both_sides():
    rows = [example(f"q{n}", documents=(f"d{n % 20}",)) for n in range(200)]
    train, dev = split(rows, dev_fraction=0.1, seed=1)
    assert len(dev) == 20
    assert not {row.documents for row in train} & {row.documents for row in dev}
    assert sorted((*train, *dev), key=rows.index) == rows
    assert (train, dev) == split(rows, dev_fraction=0.1, seed=1)
    assert dev != split(rows, dev_fraction=0.1, seed=2)[1]


def test_own_splits_win_and_test_rows_go_nowhere():
    rows = [example("a", split="train"), example("b", split="dev"), example("c"), example("d", split="test")]
    assert split(rows, seed=0) == ((rows[0], rows[2]), (rows[1],))


def test_one_big_document_is_split_by_example():
    train, dev = split([example(f"q{n}", documents=("d",)) for n in range(50)], seed=0)
    assert (len(train), len(dev)) == (45, 5)


def test_a_fraction_of_nothing_keeps_every_example_for_training():
    rows = tuple(example(f"q{n}") for n in range(3))
    assert split(rows, dev_fraction=0, seed=0) == (rows, ())
    assert len(split(rows, dev_fraction=0.01, seed=0)[1]) == 1, "a small fraction of few takes one"
    marked = (*rows, example("own", split="dev"))
    assert split(marked, dev_fraction=0, seed=0) == (rows, (marked[3],))


def test_one_example_stays_in_training():
    rows = (example("a"),)
    assert split(rows, seed=0) == (rows, ())


# --- grounding -----------------------------------------------------------------------------------------------------


def passage(document, text, score=1.0, start=0):
    return Passage(document, start, start + len(text), text, title=document, score=score)


LEAVE = passage("leave.md", "Employees have 25 days of annual leave. Leave is booked in Kalenda.", 0.9)
OLD = passage("leave-2019.md", "Employees have 22 days of annual leave. Leave is booked on paper.", 0.8)
COPY = passage("intranet.md", "Note: 25 days of annual leave for all.", 0.7)
TRAVEL = passage("travel.md", "Trips are booked by the travel desk.", 0.6)
PARKING = passage("parking.md", "Bicycles stand in the yard.", 0.5)
OUTPUT = "Answer: You have 25 days of annual leave.\nNext step: Ask the people desk."


@pytest.mark.parametrize(
    ("line", "label"),
    [
        ("Answer: You have 25 days.", "Answer: "),
        ("**Next step:** Book it.", "**Next step:** "),
        ("- Owner: people", "- Owner: "),
        ("You have 25 days.", ""),
        ("At 17:30 we close.", ""),
        ("Answer:", ""),
        ("", ""),
    ],
)
def test_the_label_of_a_line(line, label):
    assert label_of(line) == label
    assert strip_label(line) == line[len(label) :]


@pytest.mark.parametrize(
    ("output", "supported"),
    [
        ("You have 25 days of annual leave.", True),
        ("You have 22 days of annual leave.", False),  # the number is missing
        ("Answer: Leave is booked in Kalenda.", True),
        ("Answer: Leave is booked in Workday.", False),  # the name is missing
        ("Employees book annual leave.", True),
        ("Employees like the annual summer party.", False),  # too few words
        ("Yes.", False),  # says nothing that could be supported
        ("25", True),
    ],
)
def test_support_needs_every_number_and_name_and_most_words(output, supported):
    assert supports(LEAVE, output) is supported


def test_the_best_line_is_the_one_with_the_evidence():
    output = "Desk: people\nAnswer: You have 25 days of annual leave.\nAsk: Leave"
    assert best_line(output, LEAVE) == 1
    assert best_passage(output, [PARKING, OLD, LEAVE, COPY]) == LEAVE
    assert best_passage(output, [PARKING, OLD]) is None


def build(messages, context):
    return prompts.build(messages, context, "Be brief.")


def abstains(text):
    return "I don't know" in text


def ground(rows, retrieved, **options):
    return grounded_rows(rows, retrieved, build, is_abstention=abstains, **{"seed": 3, **options})


def test_plain_rows_have_no_passages():
    assert plain_rows([example("How?", "So.", id="e")], build) == [
        TrainingRow("e", tuple(prompts.build("How?", None, "Be brief.")), "So.")
    ]


def test_the_golden_passage_is_shown_among_distractors_and_cited():
    row = example("How much leave?", OUTPUT, id="e", documents=("leave.md",))
    found = Grounding((OLD, LEAVE, TRAVEL, PARKING), (LEAVE,))
    rows = ground([row], {"e": found}, golden_fraction=1.0, passages=3)
    orders = [
        (ground([row], {"e": found}, golden_fraction=1.0, passages=3, seed=seed)[0].answer)
        for seed in range(12)
    ]
    assert {answer.split(" [")[1][0] for answer in orders} == {"1", "2", "3"}
    (made,) = rows
    number = int(made.answer.split("[")[1][0])
    assert (
        made.answer
        == f"Answer: You have 25 days of annual leave. [{number}]\nNext step: Ask the people desk."
    )
    shown = [block for block in made.prompt[-1].content.split("\n\n") if block.startswith("[")]
    assert len(shown) == 3
    assert shown[number - 1] == f"[{number}] leave.md\n{LEAVE.text}"
    assert {block.split("\n")[0][4:] for block in shown} == {"leave.md", "leave-2019.md", "travel.md"}
    assert rows.counts == {"golden": 1}


def test_without_the_golden_the_answer_abstains_in_the_style_of_the_house():
    row = example("How much leave?", OUTPUT, id="e", documents=("leave.md",))
    rows = ground([row], {"e": Grounding((LEAVE, OLD, COPY, TRAVEL), (LEAVE,))}, golden_fraction=0.0)
    expected = prompts.build("How much leave?", Context((OLD, TRAVEL)), "Be brief.")
    assert rows == [
        TrainingRow("e", tuple(expected), "Answer: I don't know.\nNext step: Ask the people desk.")
    ]
    assert rows.counts == {"abstain": 1}


def test_abstentions_that_the_examples_show_are_the_form_that_is_taught():
    form = "Answer: I don't know.\nNext step: Write to help@example.org."
    rows = [
        example("How much leave?", OUTPUT, id="e", documents=("leave.md",)),
        example("Who wins?", form, id="f"),
    ]
    found = {"e": Grounding((LEAVE, TRAVEL), (LEAVE,)), "f": Grounding((PARKING, OLD))}
    made = ground(rows, found, golden_fraction=0.0)
    assert [row.answer for row in made] == [form, form]
    assert made[1].prompt == tuple(prompts.build("Who wins?", Context((PARKING, OLD)), "Be brief."))
    assert made.counts == {"abstain": 1, "abstaining": 1}


def test_plain_sentences_abstain_plainly_and_json_keeps_its_golden():
    said = example("How much leave?", "You have 25 days of annual leave.", id="e", documents=("leave.md",))
    as_json = example("Leave?", '{"days":25,"kind":"annual leave"}', id="j", documents=("leave.md",))
    found = Grounding((LEAVE, TRAVEL), (LEAVE,))
    made = ground([said, as_json], {"e": found, "j": found}, golden_fraction=0.0)
    assert [row.answer for row in made] == ["I don't know.", as_json.output]
    assert made.counts == {"abstain": 1, "golden": 1, "uncited": 1}


def test_the_share_of_golden_rows_is_exact():
    rows = [example(f"How much leave {n}?", OUTPUT, id=f"e{n}", documents=("leave.md",)) for n in range(50)]
    found = {row.id: Grounding((LEAVE, TRAVEL), (LEAVE,)) for row in rows}
    assert ground(rows, found, golden_fraction=0.8).counts == {"golden": 40, "abstain": 10}
    unknown = [example(f"Who wins {n}?", "Answer: I don't know.", id=f"u{n}") for n in range(50)]
    made = ground([*rows, *unknown[:5]], found, golden_fraction=0.8)
    assert made.counts == {"golden": 44, "abstain": 6, "abstaining": 5}  # 11 of 55
    made = ground([*rows, *unknown], found, golden_fraction=0.8)
    assert made.counts == {"golden": 40, "abstain": 10, "abstaining": 50}  # still half of the 20 of 100


def test_unsupported_outputs_are_neither_cited_nor_dropped():
    row = example("Greet me", "Good morning to you, dear Colleague Smith!", id="e")
    made = ground([row], {"e": Grounding((LEAVE, OLD))}, golden_fraction=0.0)
    assert made[0].answer == row.output
    assert made.counts == {"ungrounded": 1}
    assert ground([row], {}).counts == {"ungrounded": 1}


def test_distractors_are_trimmed_worst_first_and_the_golden_never():
    row = example("How much leave?", OUTPUT, id="e", documents=("leave.md",))
    found = {"e": Grounding((OLD, TRAVEL, PARKING), (LEAVE,))}

    def two_passages(prompt, answer):
        return prompt[-1].content.count("\n\n[") <= 2

    made = ground([row], found, golden_fraction=1.0, fits=two_passages)
    assert {line[4:] for line in made[0].prompt[-1].content.splitlines() if line.startswith("[")} == {
        "leave.md", "leave-2019.md",
    }  # fmt: skip
    assert made.counts == {"golden": 1, "distractors trimmed": 2}
    assert "parking" not in made[0].prompt[-1].content
    made = ground([row], found, golden_fraction=1.0, fits=lambda prompt, answer: False)
    assert "[1] leave.md" in made[0].prompt[-1].content
    assert made[0].answer.startswith("Answer: You have 25 days of annual leave. [1]")


def test_grounded_rows_are_retrieved_for_what_the_variant_will_search_for(small, monkeypatch):
    turns = [
        {"role": "user", "content": "How many days of annual leave do employees get in Utrecht?"},
        {"role": "assistant", "content": "27 days."},
        {"role": "user", "content": "And in Spain?"},
        {"role": "assistant", "content": "30 days."},
    ]
    (small / "examples.jsonl").write_text(json.dumps({"messages": turns}) + "\n", encoding="utf-8")
    project = Project(small)
    project.build()
    asked = []
    search = project.parts.retrieval.search
    monkeypatch.setattr(
        project.parts.retrieval,
        "search",
        lambda **how: lambda queries: asked.extend(queries) or search(**how)(queries),
    )
    Tuning(project.parts, frozenset())._rows("hybrid")
    assert asked == ["How many days of annual leave do employees get in Utrecht?\nAnd in Spain?"]
