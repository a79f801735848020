"""The ranking settings of a project: each switches its step on, is part of the fingerprint, and fails softly."""

from __future__ import annotations

from pathlib import Path

import pytest

from graft import Project
from graft.generation.followup import SearchFor
from graft.generation.variant import Variant
from graft.types import Message, Usage


def opened(root: Path, retrieval: str = "", model: str = 'model = "echo"') -> Project:
    """The small project with more lines in [retrieval] and another generator."""
    (root / "graft.toml").write_text(
        f'[retrieval]\nembedder = "hashing"\nstore = "memory"\n{retrieval}\n[generation]\n{model}\n',
        encoding="utf-8",
    )
    made = Project(root)
    made.build()
    return made


def rag(project: Project) -> Variant:
    return project.parts.variant("rag")


SETTINGS = [
    'order = "document"',
    "candidates = 3",
    'fusion = "rrf"',
    "weights = { bm25 = 0.2 }",
    "spelling = false",
    "feedback = true",
    'reword = "multi-query"',
    'reword = "hyde"',
    "condense = true",
    "rounds = 2",
    'boost = { "team=people" = 3.0 }',
    'recency = "date"',
    "diversity = 0.4",
    "least = { dense = 0.05 }",
]


@pytest.mark.parametrize("line", SETTINGS)
def test_every_setting_answers_and_has_a_fingerprint_of_its_own(small, line):
    plain = rag(opened(small))
    changed = rag(opened(small, line))
    assert changed.fingerprint != plain.fingerprint
    assert "27 days" in changed.answer("How many days of annual leave do employees get?").text


@pytest.mark.parametrize(
    ("line", "stage"),
    [
        ('reword = "hyde"', "reword"),
        ("feedback = true", "feedback"),
        ("rounds = 2", "rounds"),
        ('boost = { "team=people" = 3.0 }', "boost"),
        ('recency = "date"', "freshen"),
        ("diversity = 0.4", "diversify"),
        ("least = { dense = 0.05 }", "threshold"),
    ],
)
def test_a_step_shows_in_the_timings_and_the_bm25_baseline_stays_plain(small, line, stage):
    project = opened(small, line)
    assert stage in rag(project).answer("annual leave").timings
    assert stage not in project.parts.variant("bm25").answer("annual leave").timings


def test_tokens_of_a_helping_generator_are_counted(small):
    plain = rag(opened(small)).answer("annual leave").usage
    helped = rag(opened(small, 'reword = "multi-query"')).answer("annual leave").usage
    assert helped.prompt > plain.prompt


@pytest.mark.parametrize("line", ['reword = "hyde"', "rounds = 3", 'reword = "multi-query"'])
def test_a_generator_that_fails_to_help_is_counted_and_changes_nothing(small, line):
    wanted = [passage.document for passage in rag(opened(small)).answer("annual leave").passages]
    project = opened(small, line, 'model = { name = "echo", fail_every = 1 }')
    [found] = project.parts.retrieval.search()(["annual leave"])
    assert [passage.document for passage in found.context.passages] == wanted
    assert (found.usage, found.fallbacks) == (Usage(), 1)


def test_a_follow_up_is_condensed_by_the_generator_or_joined_by_the_rule(small):
    talk = [
        Message("user", "What is the meal allowance?"),
        Message("assistant", "$45."),
        Message("user", "And how many days of annual leave?"),
    ]
    said = 'model = { name = "echo", reply = "annual leave days" }'
    condensed = rag(opened(small, "condense = true", said))
    assert (condensed.query(talk).text, condensed.query(talk).usage.completion) == ("annual leave days", 3)
    assert condensed.query(talk[:1]) == SearchFor("What is the meal allowance?")
    assert rag(opened(small, "", said)).query(talk) == SearchFor(talk[2].content)
