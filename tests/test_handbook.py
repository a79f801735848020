"""The demo data: what ships is whole, consistent, free of leaks, and what its recipe writes."""

import re

import pytest

from graft.retrieval.documents import load_documents
from graft.types import Document
from recipes.handbook import build, content, verify
from recipes.handbook.spans import locate

ROOT = build.ROOT


@pytest.fixture(scope="module")
def found():
    return verify.summary()


def test_nothing_is_wrong(found):
    assert found["problems"] == []


def test_the_counts_are_those_of_the_readme(found):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| ([^|]+?) \| ([\d,]+) \|", readme, flags=re.MULTILINE))
    shown = {name: int(count.replace(",", "")) for name, count in rows.items()}
    questions = found["questions"]
    assert shown == {
        "files": sum(found["files"].values()),
        "documents (a JSONL file holds several)": found["documents"],
        "documents that examples use": found["documents_used_by_examples"],
        "words": found["words"],
        "examples": found["examples"]["all"],
        "examples without an answer": found["examples"]["unanswerable"],
        "held-out questions": questions["all"],
        "seen documents, new questions": questions["seen"],
        "of these, freshness": questions["freshness"],
        "of these, two documents": questions["multi"],
        "unseen documents": questions["unseen"],
        "unanswerable": questions["unanswerable_seen"] + questions["unanswerable_unseen"],
        "development questions": found["questions_dev"]["all"],
    }


def test_the_set_is_as_large_as_promised(found):
    questions = found["questions"]
    assert len(found["files"]) >= 6
    assert sum(found["files"].values()) >= 56
    assert found["examples"]["all"] >= 320
    assert questions["all"] >= 180
    assert questions["freshness"] >= 15
    assert questions["unanswerable_seen"] + questions["unanswerable_unseen"] >= 40
    assert questions["unseen"] >= 65
    assert set(found["examples"]["desks"]) == set(content.DESKS)


def read(folder):
    loaded = load_documents([folder])
    assert loaded.problems == ()
    return {document.id: (document.text, document.pages, document.title) for document in loaded.documents}


def test_the_shipped_documents_are_what_build_writes(tmp_path):
    pytest.importorskip("reportlab")
    for name in ("first", "second"):
        build.write_documents(tmp_path / name)
    files = [path.relative_to(tmp_path / "first") for path in sorted((tmp_path / "first").rglob("*.*"))]
    assert len(files) >= 56
    for file in files:
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes(), file
    # Other versions of the writers may set other bytes; what is read from them must not differ.
    assert read(tmp_path / "first") == read(ROOT / "documents")


@pytest.mark.parametrize(
    "output",
    [
        "Answer: 26 days.\nDesk: people",
        "Answer: 26 days. [1]\nDesk: it",
        "Answer: I don't know.\nDesk: safety",
    ],
)
def test_the_contract_accepts_the_house_style(output):
    assert re.fullmatch(build.CONTRACT, output)


@pytest.mark.parametrize(
    "output",
    [
        "26 days",
        "Answer: 26 days.",
        "Answer: 26 days.\nDesk: sales",
        "Answer: 1\n2\nDesk: it",
        "Answer: \nDesk: it",
    ],
)
def test_the_contract_refuses_other_styles(output):
    assert not re.fullmatch(build.CONTRACT, output)


def test_locate_bridges_line_breaks_and_table_borders():
    document = Document("a.md", "Before.\n\n| Gold | 12 |\n\nThe limit\nis $5.")
    row = locate(document, "Gold | 12")
    assert document.text[row.start : row.end] == "Gold | 12"
    sentence = locate(document, "The limit is $5.")
    assert document.text[sentence.start : sentence.end] == "The limit\nis $5."


@pytest.mark.parametrize("text", ["It is five. It is five.", "It is six."])
def test_locate_refuses_what_is_not_there_once(text):
    with pytest.raises(ValueError, match="found"):
        locate(Document("a.md", text), "It is five.")


def test_verify_notices_a_span_that_moved():
    row = {"id": "q", "answerable": True, "answers": ["five days"], "tags": []}
    row["evidence"] = [{"document": "a.md", "start": 0, "end": 9}]
    moved = {"a.md": Document("a.md", "Ask first. You get five days.")}
    assert list(verify._span_problems([row], moved)) == ["q: no accepted answer stands in ['ask first']"]
