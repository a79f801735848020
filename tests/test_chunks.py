"""Chunkers: exact spans, nothing lost, sizes kept, sections not mixed."""

import dataclasses
import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.errors import ConfigError
from graft.retrieval.blocks import blocks
from graft.retrieval.chunks import (
    DocumentChunker,
    FixedChunker,
    ParentChildChunker,
    SentenceWindowChunker,
    StructureChunker,
)
from graft.retrieval.units import token_ends
from graft.testing.retrieval import ChunkerConformance
from graft.types import Document

PIECES = st.sampled_from([
    "# Top", "## Section one", "### Deep", "Setext\n======", "Plain text. It has two sentences.", "wrapped line\ngoes on here",
    "- item one\n- item two\n  goes on\n- item three", "1. first\n2. second", "| a | b |\n| --- | --- |\n| 1 | 2 |\n| 3 | 4 |",
    "```\ncode # not a heading\n\nmore\n```", "```\nnever closed", "The following apply:", "Ünïcödé ßtraße. 日本語の文章。次の文。",
    "e\u0301 combining 👩‍👩‍👧 emoji", "x" * 300, "word " * 200, "Sentence number one is here. " * 30, "---", "|", "   ", "\t", "",
    "| wide | table |\n| --- | --- |\n" + "\n".join(f"| row {n} | value {n} |" for n in range(60)),
])  # fmt: skip
TEXTS = st.lists(PIECES | st.text(max_size=60), max_size=12).map("\n\n".join)
LIMIT = 40


def document(text: str, **changes) -> Document:
    return Document("d.md", text, **{"title": "Guide", "metadata": {"team": "people"}, **changes})


def check_exact(made: Document, chunks) -> None:
    for chunk in chunks:
        assert chunk.text == made.text[chunk.start : chunk.end] == chunk.text.strip() != ""
        assert (chunk.document, chunk.title, chunk.metadata) == (made.id, made.title, made.metadata)
        assert chunk.page == made.page_at(chunk.start)
    assert [c.start for c in chunks] == sorted(c.start for c in chunks)
    assert len({c.id for c in chunks}) == len(chunks)


def uncovered(made: Document, chunks) -> str:
    left = list(made.text[made.body :])
    for chunk in chunks:
        left[chunk.start - made.body : chunk.end - made.body] = " " * (chunk.end - chunk.start)
    return "".join(left).strip()


@given(TEXTS, st.integers(0, 2))
@settings(deadline=None, max_examples=150)
def test_structure_keeps_spans_sizes_and_all_text(text, overlap):
    made = document("---\n" + text, body=4)
    chunks = StructureChunker(StructureChunker.Options(tokens=LIMIT, overlap=overlap)).split(made)
    check_exact(made, chunks)
    assert uncovered(made, chunks) == ""
    assert all(len(token_ends(chunk.text)) <= LIMIT for chunk in chunks)
    if not overlap:
        assert all(a.end <= b.start for a, b in itertools.pairwise(chunks))


@given(TEXTS, st.integers(5, 50), st.data())
@settings(deadline=None, max_examples=60)
def test_fixed_windows_cover_all_and_keep_their_size(text, tokens, data):
    overlap = data.draw(st.integers(0, tokens - 1))
    made = document(text)
    chunks = FixedChunker(FixedChunker.Options(tokens=tokens, overlap=overlap)).split(made)
    check_exact(made, chunks)
    assert uncovered(made, chunks) == ""
    assert all(len(token_ends(chunk.text)) <= tokens for chunk in chunks)


@given(TEXTS, st.integers(1, 3), st.integers(0, 3))
@settings(deadline=None, max_examples=60)
def test_sentence_windows_are_disjoint_and_lie_inside_what_they_show(text, sentences, window):
    made = document("---\n" + text, body=4)
    options = SentenceWindowChunker.Options(sentences=sentences, window=window, tokens=LIMIT)
    chunks = SentenceWindowChunker(options).split(made)
    check_exact(made, chunks)
    assert uncovered(made, chunks) == ""
    check_shown(made, chunks)
    if window == 0:
        assert all(chunk.shown is None for chunk in chunks)


@given(TEXTS, st.integers(16, 60), st.integers(0, 100))
@settings(deadline=None, max_examples=60)
def test_children_fill_the_structures_chunks_and_never_cross_one(text, tokens, more):
    made = document(text, pages=(0, len(text) // 2) if len(text) > 1 else ())
    options = ParentChildChunker.Options(parent=tokens + more, tokens=tokens)
    chunks = ParentChildChunker(options).split(made)
    check_exact(made, chunks)
    check_shown(made, chunks)
    assert uncovered(made, chunks) == ""
    assert all(len(token_ends(chunk.text)) <= tokens for chunk in chunks)
    parents = StructureChunker(StructureChunker.Options(tokens=tokens + more)).split(made)
    shown = [chunk.shown or (chunk.start, chunk.end) for chunk in chunks]
    assert list(dict.fromkeys(shown)) == [(parent.start, parent.end) for parent in parents]


def check_shown(made: Document, chunks) -> None:
    """The chunks are disjoint, and what is shown of each holds it, and is the hull of whole chunks."""
    assert all(a.end <= b.start for a, b in itertools.pairwise(chunks))
    starts, ends = {chunk.start for chunk in chunks}, {chunk.end for chunk in chunks}
    for chunk in chunks:
        start, end = chunk.shown or (chunk.start, chunk.end)
        assert start <= chunk.start < chunk.end <= end
        assert (start, end) != (chunk.start, chunk.end) or chunk.shown is None
        assert (start in starts, end in ends) == (True, True)


def test_a_sentence_is_shown_with_its_neighbours_within_the_section():
    made = document(
        "## A\n\nOne is here. Two is here. Three is here. Four is here.\n\n## B\n\nFive is here.\n"
    )
    chunks = SentenceWindowChunker(SentenceWindowChunker.Options(window=1)).split(made)
    assert [chunk.text for chunk in chunks] == [
        "## A\n\nOne is here.", "Two is here.", "Three is here.", "Four is here.", "## B\n\nFive is here."
    ]  # fmt: skip
    shown = [made.text[slice(*chunk.shown)] if chunk.shown else None for chunk in chunks]
    assert shown == [
        "## A\n\nOne is here. Two is here.", "## A\n\nOne is here. Two is here. Three is here.",
        "Two is here. Three is here. Four is here.", "Three is here. Four is here.", None,
    ]  # fmt: skip
    assert [chunk.headings for chunk in chunks] == [("A",)] * 4 + [("B",)]


def test_a_chunk_that_shows_more_has_an_id_of_its_own():
    """Else an index that changes its window would keep the old one: ids are what a store merges by."""
    text = "One is here. Two is here. Three is here."
    ids = {
        window: {chunk.id for chunk in SentenceWindowChunker(SentenceWindowChunker.Options(window=window)).split(document(text))}
        for window in (0, 1)
    }  # fmt: skip
    assert not ids[0] & ids[1]


@given(TEXTS)
@settings(deadline=None, max_examples=60)
def test_sections_of_different_top_headings_never_share_a_chunk(text):
    made = document(text, title="")
    tops = {block.start: block.path[:1] for block in blocks(made)}
    for chunk in StructureChunker().split(made):
        assert len({top for start, top in tops.items() if chunk.start <= start < chunk.end}) <= 1


@given(TEXTS)
@settings(deadline=None, max_examples=60)
def test_blocks_are_ordered_and_cover_the_text(text):
    made, end = document(text), 0
    for block in blocks(made):
        assert made.text[end : block.start].strip() == ""
        assert block.start >= end
        end = block.end
    assert made.text[end:].strip() == ""


def test_headings_paths_and_spans():
    text = (
        "# Guide\n\nIntro line.\n\n## Leave\n\nYou get 25 days.\n\n### Carry over\n\n" + "Ten days can move. " * 12
        + "\n\n## Travel\n\nBook early.\n"
    )  # fmt: skip
    chunks = StructureChunker(StructureChunker.Options(tokens=60)).split(document(text))
    assert [(c.headings, c.text.split("\n")[0]) for c in chunks] == [
        ((), "# Guide"),
        (("Leave",), "## Leave"),
        (("Leave", "Carry over"), "Ten days can move. " * 5 + "Ten days can move."),
        (("Travel",), "## Travel"),
    ]


def test_a_table_that_fits_is_whole_and_one_that_does_not_names_its_columns():
    rows = "\n".join(f"| L{n} | EUR {n}00 |" for n in range(1, 13))
    table = f"| Grade | Limit |\n| --- | --- |\n{rows}"
    made = document(f"## Limits\n\n{table}\n")
    whole = StructureChunker(StructureChunker.Options(tokens=160)).split(made)
    assert [(c.headings, c.text) for c in whole] == [(("Limits",), f"## Limits\n\n{table}")]
    parts = StructureChunker(StructureChunker.Options(tokens=40)).split(made)
    assert parts[0].text.startswith("## Limits\n\n| Grade | Limit |")
    assert parts[0].headings == ("Limits",)
    assert {c.headings for c in parts[1:]} == {("Limits", "Grade | Limit")}
    assert all(line.startswith("| L") for c in parts[1:] for line in c.text.split("\n"))


def test_pages_are_not_mixed_and_reported():
    first = "Page one says this.\n\n"
    made = document(first + "Page two says that.\n", pages=(0, len(first)))
    assert [(c.page, c.text) for c in StructureChunker().split(made)] == [
        (1, "Page one says this."),
        (2, "Page two says that."),
    ]


def test_an_announcing_line_stays_with_its_list():
    text = "Filler sentence number one. " * 7 + "\n\nBring these:\n\n- passport\n- ticket\n"
    chunks = StructureChunker(StructureChunker.Options(tokens=40)).split(document(text))
    assert chunks[-1].text == "Bring these:\n\n- passport\n- ticket"


def test_overlap_repeats_the_last_sentence():
    text = " ".join(f"Sentence number {n} is here." for n in range(12))
    chunks = StructureChunker(StructureChunker.Options(tokens=24, overlap=1)).split(document(text))
    assert len(chunks) > 2
    for before, after in itertools.pairwise(chunks):
        assert after.text.startswith(re.findall(r"Sentence[^.]+\.", before.text)[-1])


def test_document_chunker_takes_the_body_whole():
    made = document("---\nteam: x\n---\n\n# A\n\ntext \n", body=16)
    assert [(c.start, c.text) for c in DocumentChunker().split(made)] == [(17, "# A\n\ntext")]
    assert DocumentChunker().split(document(" \n")) == []


def test_same_content_same_ids_and_a_changed_title_changes_them():
    made = document("Some text here.")
    again, renamed = dataclasses.replace(made), dataclasses.replace(made, title="Other")
    chunker = StructureChunker()
    assert chunker.split(made) == chunker.split(again)
    assert chunker.split(made)[0].id != chunker.split(renamed)[0].id


def test_fingerprints_tell_settings_apart():
    made = [
        StructureChunker(),
        StructureChunker(StructureChunker.Options(100)),
        FixedChunker(),
        DocumentChunker(),
        SentenceWindowChunker(),
        SentenceWindowChunker(SentenceWindowChunker.Options(window=2)),
        ParentChildChunker(),
    ]
    assert len({chunker.fingerprint for chunker in made}) == 7
    assert StructureChunker().fingerprint == StructureChunker().fingerprint


def test_impossible_options_are_refused():
    with pytest.raises(ConfigError):
        StructureChunker(StructureChunker.Options(tokens=3))
    with pytest.raises(ConfigError):
        FixedChunker(FixedChunker.Options(tokens=10, overlap=10))
    with pytest.raises(ConfigError):
        SentenceWindowChunker(SentenceWindowChunker.Options(sentences=0))
    with pytest.raises(ConfigError):
        ParentChildChunker(ParentChildChunker.Options(parent=50, tokens=60))


class TestStructureChunker(ChunkerConformance):
    @pytest.fixture
    def chunker(self):
        return StructureChunker()


class TestFixedChunker(ChunkerConformance):
    @pytest.fixture
    def chunker(self):
        return FixedChunker()


class TestDocumentChunker(ChunkerConformance):
    @pytest.fixture
    def chunker(self):
        return DocumentChunker()


class TestSentenceWindowChunker(ChunkerConformance):
    @pytest.fixture
    def chunker(self):
        return SentenceWindowChunker()


class TestParentChildChunker(ChunkerConformance):
    @pytest.fixture
    def chunker(self):
        return ParentChildChunker()
