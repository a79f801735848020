"""SQL is right when it is the same statement, however it is written."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.evaluation.checks.queries import are_queries, same_query, statement
from graft.evaluation.metrics.catalogue import score
from graft.types import Answer, Message, Question, Row

GOLD = 'SELECT DISTINCT c.NAME FROM COURSE AS c WHERE c.DEPARTMENT = "EECS" AND c.NUMBER <> 312 ;'


@pytest.mark.parametrize(
    "said",
    [
        "select distinct c.name\nfrom course as c\nwhere c.department = 'EECS' and c.number != 312",
        "Here it is:\n```sql\nSELECT DISTINCT a.NAME FROM COURSE AS a WHERE a.DEPARTMENT='EECS' AND a.NUMBER<>312;\n```\nDone.",
        "SELECT DISTINCT c.NAME -- only names\nFROM COURSE AS c /* all */ WHERE c.DEPARTMENT = `EECS` AND c.NUMBER != 312;;",
    ],
)
def test_the_same_statement_is_right_however_it_is_written(said):
    assert same_query(said, ["SELECT 1", GOLD])


@pytest.mark.parametrize(
    "said",
    [
        GOLD.replace("NAME", "NUMBER", 1),
        GOLD.replace("<>", "="),
        GOLD.replace("EECS", "eecs"),  # a text in the data, whose case counts
        GOLD.replace("DISTINCT ", ""),
        "I don't know.",
        "",
    ],
)
def test_another_statement_is_wrong_whatever_words_it_shares(said):
    assert not same_query(said, [GOLD])


def test_the_metrics_follow():
    question = Question("q", (Message("user", "Which courses?"),), (GOLD,), match="sql")
    names = ("correct", "em", "truthfulness")

    def scored(said):
        found = score([question], [Row("q", "tuned", "ok", Answer(said, "tuned"))], names)
        return [found[name][0].value for name in names]

    assert scored(GOLD.lower().replace('"eecs"', "'EECS'")) == [1.0, 1.0, 1.0]
    assert scored(GOLD.replace("NAME", "NUMBER", 1)) == [0.0, 0.0, -1.0]


def test_sets_of_statements_are_recognised_and_prose_is_not():
    statements = [
        GOLD,
        "select 1 from t",
        "WITH a AS (SELECT 1) SELECT * FROM a",
        "INSERT INTO t VALUES (1)",
        "( SELECT a FROM b )",
    ]
    assert are_queries(statements)
    assert not are_queries(statements[:4])
    assert not are_queries([*statements, "Select the tray in the menu."])


@given(st.text("aS=<>'\"`;-*/ \n.1", max_size=30))
@settings(deadline=None, max_examples=100)
def test_any_text_is_itself_with_more_space_around(text):
    assert statement(f"  {text}\n") == statement(text)
    assert same_query(text, [text]) is bool(statement(text))
