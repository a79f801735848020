"""SARI against the figures of its authors' program; rewritings have no right and wrong."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.errors import ConfigError
from graft.evaluation.checks.rewriting import restate, sari
from graft.evaluation.metrics.catalogue import score
from graft.types import Answer, Message, Question, Row

SOURCE = "About 95 species are currently accepted ."
GOLDS = [
    "About 95 species are currently known .",
    "About 95 species are now accepted .",
    "95 species are now accepted .",
]
TEXTS = st.lists(st.sampled_from(["a", "b", "c", "."]), max_size=7).map(" ".join)


@pytest.mark.parametrize(
    ("said", "expected"),
    [  # printed by SARI.py of github.com/cocoxu/simplification
        ("About 95 you now get in .", 0.2682782411698074),
        ("About 95 species are now agreed .", 0.5889995423074248),
        ("About 95 species are currently agreed .", 0.5071608864657479),
    ],
)
def test_it_gives_the_authors_figures(said, expected):
    assert sari(SOURCE, said, GOLDS) == pytest.approx(expected, abs=1e-12)


@given(TEXTS, TEXTS, st.lists(TEXTS, min_size=1, max_size=3))
@settings(deadline=None, max_examples=100)
def test_it_stays_between_0_and_1_and_the_order_of_references_makes_no_difference(source, said, golds):
    value = sari(source, said, golds)
    assert 0 <= value <= 1
    assert sari(source, said, golds[::-1]) == pytest.approx(value)
    assert sari(source.upper(), said, golds) == value


def test_a_rewriting_is_measured_by_sari_alone():
    question = Question("q", (Message("user", SOURCE),), tuple(GOLDS), match="rewrite")
    rows = [Row("q", "tuned", "ok", Answer(said, "tuned")) for said in (SOURCE, GOLDS[1], "I don't know.")]
    names = ("sari", "truthfulness", "correct", "wrong", "em")
    found = [[score([question], [row], names)[name][0].value for name in names] for row in rows]
    assert found[0][0] < found[1][0]
    assert found[2][0] == 0
    assert [values[1:] for values in found] == [[None] * 4] * 3
    plain = score([Question("q", question.messages, question.answers)], rows[:1], ("sari", "correct"))
    assert (plain["sari"][0].value, plain["correct"][0].value) == (
        None,
        1.0,
    )  # what the untouched text would get


def test_sets_of_rewritings_are_recognised():
    pairs = [(f"{SOURCE[:-2]} in region {at} .", f"{GOLDS[0][:-2]} in region {at} .") for at in range(10)]
    assert restate(pairs)
    assert not restate(pairs[:9])
    assert not restate([(question, "Species.") for question, _ in pairs])
    assert not restate([(f"What is known of species {at} in this long question here?", answer) for at, (_, answer) in enumerate(pairs)])  # fmt: skip


def test_a_comparison_by_truthfulness_is_refused(tmp_path, write_jsonl):
    import graft

    write_jsonl(
        tmp_path / "train.jsonl", [{"input": f"{SOURCE} {at}", "output": GOLDS[0]} for at in range(30)]
    )
    write_jsonl(
        tmp_path / "questions.jsonl",
        [
            {"id": str(at), "question": f"{SOURCE} And {at}?", "answers": GOLDS, "match": "rewrite"}
            for at in range(3)
        ],
    )
    (tmp_path / "graft.toml").write_text(
        '[tuning]\nexamples = "train.jsonl"\n[evaluation]\nvariants = ["base", "tuned"]\n', encoding="utf-8"
    )
    with pytest.raises(
        ConfigError, match=r"All 3 questions of questions\.jsonl ask for a rewriting"
    ) as refused:
        graft.Project(tmp_path).compare()
    assert refused.value.hint == 'Set [evaluation] primary = "sari".'
