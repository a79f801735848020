"""Normalisation, numbers, sentences, what an answer says, and when it declines."""

import re
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.evaluation.checks.abstention import is_abstention
from graft.evaluation.checks.figures import numbers, same_number
from graft.evaluation.checks.text import cited, content, normalise, sentences, strip_citations, tokens

QUICK = settings(deadline=None, max_examples=100)


def squad_normalise(text):
    """normalize_answer of the official SQuAD v1.1 evaluation script."""
    text = "".join(ch for ch in text.lower() if ch not in set(string.punctuation))
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


@given(st.text(alphabet=string.ascii_letters + string.digits + string.punctuation + " \n\t", max_size=60))
@QUICK
def test_ascii_is_normalised_as_by_squad(text):
    assert normalise(text) == squad_normalise(text)


@given(st.text(max_size=60))
@QUICK
def test_normalising_twice_changes_nothing(text):
    assert normalise(normalise(text)) == normalise(text)


@given(st.text(max_size=60))
@QUICK
def test_any_text_can_be_read(text):
    assert all(word and not word.isspace() for word in tokens(text))
    assert "".join("".join(sentences(text)).split()) == "".join(text.split())
    assert isinstance(is_abstention(text), bool)
    assert all(number.value == number.value for number in numbers(text))


def test_the_same_word_in_different_code_points():
    assert normalise("Straße café") == normalise("STRASSE cafe\u0301")
    assert normalise("don\u2019t") == normalise("don't")
    assert normalise("ﬁve\u200b stars") == "five stars"


def test_scripts_without_spaces_become_bigrams():
    assert tokens("東京都 is big") == ("東京", "京都", "is", "big")
    assert tokens("我") == ("我",)
    assert set(tokens("ไม่ทราบ"))


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("$1,200", [1200]), ("1.234,56 €", [1234.56]), ("€5k", [5000]), ("$1.2 million", [1.2e6]), ("12.5 %", [12.5]),
        ("from -5 to 10-15 days", [-5, 10, 15]), ("Q3 of X2, the 3rd", [3]), ("twelve days", [12]), ("one of them", []), ("only 5 may attend", [5]), ("| 28 March", [3]), ("$ 5", [5]),
        ("CHF 1'250.50", [1250.5]), ("2024-05-01 and May 2024", [5, 5]), ("10:30", [10.5]), ("", []),
    ],
)  # fmt: skip
def test_numbers_in_text(text, values):
    assert [number.value for number in numbers(text)] == values


@pytest.mark.parametrize(
    ("gold", "said", "same"),
    [
        ("$1,200", "1200 dollars", True), ("$1,577", "$1.577 billion", True), ("$1577", "1,577,000,000", True),
        ("19%", "0.19", True), ("8.7%", "8.72 percent", True), ("8.7%", "9.7%", False), ("$50", "$5,000", False),
        ("2023", "2024", False), ("3 May 2024", "2024-05-03", True), ("May 2024", "June 2024", False), ("2024", "3 May 2024", True), ("3 May", "4 May", False), ("$6,890", "$6,850", False), ("two hundred", "200", True), ("401", "402", False), ("12", "1200", False), ("27 days", "twenty-seven", True),
        ("27", "27 days", True), ("twelve", "12", True), ("$50", "$50,000", False),
    ],
)  # fmt: skip
def test_the_same_figure(gold, said, same):
    assert any(same_number(numbers(gold)[0], number) for number in numbers(said)) is same


@given(st.integers(-(10**9), 10**9))
@QUICK
def test_a_whole_number_survives_its_separators(value):
    (number,) = numbers(f"{value:,}")
    assert number.value == value
    assert same_number(number, number)


def test_citations_stay_with_the_sentence_they_follow():
    said = "The budget is $1,200. [2] Ask IT, e.g. Ada. [1, 3]"
    assert sentences(said) == ("The budget is $1,200. [2]", "Ask IT, e.g. Ada. [1, 3]")
    assert [cited(sentence) for sentence in sentences(said)] == [(2,), (1, 3)]
    assert strip_citations(said) == "The budget is $1,200. Ask IT, e.g. Ada."
    assert cited("in [2024] and [a]") == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Answer: The budget is $1,200. [2]\nDesk: it", "The budget is $1,200."),
        ("**Answer:** 27 days", "27 days"),
        ("Desk: people\nAnswer: first\nand second\nSource: [1]", "first\nand second"),
        ("Summary: Ask Ada\nDesk: it", "Ask Ada\nit"),
        ("Note: keep it", "keep it"),
        ("The desk opens at 9.\nNote: not on Sunday", "The desk opens at 9.\nNote: not on Sunday"),
        ('{"answer": "27 days [1]", "desk": "people"}', "27 days"),
        ('```json\n{"value": 3, "ok": true, "none": null}\n```', "3 yes"),
        ('{"answer": null}', ""),
        ("plain [1]", "plain"),
        ("", ""),
    ],
)
def test_what_an_answer_says(text, said):
    assert content(text) == said


DECLINES = [
    "I don't know.", "I don\u2019t know.", "Answer: I don't know. [1]", "Answer: I do not know.\nDesk: none", "", "  ", "[1]",
    "The passages do not mention a limit.", "There is no information about that in the passages.", "N/A", "Unknown.",
    "Sorry. I cannot answer that from the passages.", "I'm not sure.", "The budget is not mentioned in the context.",
    "It is not possible to determine the date.", "None of the documents say so.", '{"answer": "I don\'t know"}',
    '{"answer": null}', "我不知道。", "Das kann ich nicht sagen: ich weiß es nicht.", "Unanswerable", "I have no idea.",
    "As an AI, I don't have real-time access to that. Check the report.", "I have no access to such data.",
    "The filing does not mention any debt securities of the company.", "The report doesn't provide specific information on it.",
    "The provided financial statements do not include the figures.", "The search results do not specify a date.",
]  # fmt: skip
ANSWERS = [
    "The company does not provide free parking.", "No.", "No. It is not allowed.", "We do not have a dress code.",
    "Data is not available on weekends.", "No information may leave the building.", "If you cannot answer a call, forward it.",
    "27 days", "Employees who do not know their manager ask People.", "You cannot be reached on Sundays.",
    "The limit is $50. Ask Ada. The passages do not mention exceptions.", "Reset it if the key is not found.",
    "The desk has no access to the archive.", "I have no objection, said the chair.",
    "The policy does not cover dental treatment.", "The contract does not include repairs.", "The report does not give names away.",
]  # fmt: skip


@pytest.mark.parametrize("text", DECLINES)
def test_declining_is_seen(text):
    assert is_abstention(text)


@pytest.mark.parametrize("text", ANSWERS)
def test_an_answer_is_no_abstention(text):
    assert not is_abstention(text)
