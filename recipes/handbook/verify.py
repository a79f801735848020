"""Check examples/handbook: spans, contract, leaks, strata, consistent facts, byte-stable files.

    python -m recipes.handbook.verify

Prints a summary; exits with 1 and the list when something is wrong.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from graft.evaluation.checks.correctness import RIGHT, correctness
from graft.evaluation.checks.text import content as answer_text
from graft.retrieval.documents import load_documents
from graft.tuning.leaks import FUNCTION_WORDS, find_leaks, normalise
from graft.types import Document, Example, Message
from recipes.handbook import content
from recipes.handbook.build import ABSTENTION, CONTRACT, ROOT, make_examples, make_questions, seen_documents

Row = Mapping[str, Any]
ALIKE = 0.8
# Some sentence always shares the topic of a near-miss question; one that shares more of its words may answer it.
ANSWERED = 0.8


def main() -> None:
    """Print the summary and the problems."""
    found = summary()
    print(json.dumps(found, indent=2))
    sys.exit(1 if found["problems"] else 0)


def summary(root: Path = ROOT) -> dict[str, Any]:
    """Return counts, and every problem found."""
    documents = {document.id: document for document in load_documents([root / "documents"]).documents}
    examples = read_lines(root / "examples.jsonl")
    held_out, development = read_lines(root / "questions.jsonl"), read_lines(root / "questions-dev.jsonl")
    questions = [*held_out, *development]
    problems = [
        *_format_problems(examples, questions),
        *_duplicate_problems(examples, questions),
        *_span_problems(questions, documents),
        *_score_problems(examples, questions, documents),
        *_stratum_problems(examples, questions, documents),
        *_leak_problems(examples, questions),
        *_fact_problems(documents),
        *_answered_problems(examples, questions, documents),
        *_stale_files(examples, questions, documents),
    ]
    used = {document for row in examples for document in row["documents"]}
    words = [len(document.text[document.body :].split()) for document in documents.values()]
    files = list((root / "documents").rglob("*.*"))
    return {
        "files": dict(sorted(Counter(path.suffix for path in files).items())),
        "documents": len(documents),
        "documents_used_by_examples": len(used),
        "words": sum(words),
        "documents_over_1500_words": sum(count >= 1500 for count in words),
        "examples": _example_counts(examples),
        "questions": _question_counts(held_out),
        "questions_dev": _question_counts(development),
        "problems": problems,
    }


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a JSONL file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _example_counts(examples: Sequence[Row]) -> dict[str, Any]:
    return {
        "all": len(examples),
        "unanswerable": sum(ABSTENTION in row["output"] for row in examples),
        "desks": dict(sorted(Counter(row["output"].split("Desk: ")[1] for row in examples).items())),
    }


def _question_counts(questions: Sequence[Row]) -> dict[str, int]:
    def count(**wanted: Any) -> int:
        return sum(all(row[key] == value for key, value in wanted.items()) for row in questions)

    return {
        "all": len(questions),
        "seen": count(stratum="seen", answerable=True),
        "unseen": count(stratum="unseen", answerable=True),
        "unanswerable_seen": count(stratum="seen", answerable=False),
        "unanswerable_unseen": count(stratum="unseen", answerable=False),
        "freshness": sum("freshness" in row["tags"] for row in questions),
        "multi": sum("multi" in row["tags"] for row in questions),
        "with_page": sum(any("page" in one for one in row["evidence"]) for row in questions),
        "documents": len({row["cluster"] for row in questions}),
    }


def _format_problems(examples: Sequence[Row], questions: Sequence[Row]) -> Iterator[str]:
    """The contract, and answers where there must be some."""
    for row in examples:
        if not re.fullmatch(CONTRACT, row["output"]):
            yield f"{row['id']}: breaks the contract: {row['output']!r}"
    for row in questions:
        if row["format"] != {"regex": CONTRACT}:
            yield f"{row['id']}: has another contract"
        if row["answerable"] != bool(row["answers"]) or row["answerable"] != bool(row["evidence"]):
            yield f"{row['id']}: answers and evidence do not fit answerable"


def _duplicate_problems(examples: Sequence[Row], questions: Sequence[Row]) -> Iterator[str]:
    """No input, question or id stands there twice."""
    for kind, rows in (("input", examples), ("question", questions)):
        for value, count in Counter(normalise(row[kind]) for row in rows).items():
            if count > 1:
                yield f"{count} times the same {kind}: {value}"
    for identity, count in Counter(row["id"] for row in [*examples, *questions]).items():
        if count > 1:
            yield f"{count} rows have the id {identity}"


def _span_problems(questions: Sequence[Row], documents: Mapping[str, Document]) -> Iterator[str]:
    """Every span lies in a current document, on its page; some span of the question holds an accepted answer."""
    for row in questions:
        texts = []
        for one in row["evidence"]:
            document = documents.get(one["document"])
            if document is None or document.id.startswith("archive/"):
                yield f"{row['id']}: {one['document']} is no current document"
                continue
            texts.append(normalise(document.text[one["start"] : one["end"]]))
            if one.get("page") != document.page_at(one["start"]):
                yield f"{row['id']}: the page is not {one.get('page')}"
        accepted = [f" {normalise(answer)} " for answer in row["answers"]]
        if row["answerable"] and not any(answer in f" {text} " for answer in accepted for text in texts):
            yield f"{row['id']}: no accepted answer stands in {texts}"


def _score_problems(
    examples: Sequence[Row], questions: Sequence[Row], documents: Mapping[str, Document]
) -> Iterator[str]:
    """GRAFT's own measure calls the evidence right, and the answer that an example taught before a change wrong."""
    taught = {row["id"]: row["output"] for row in examples}
    for row in questions:
        spans = [(documents[one["document"]].text, one) for one in row["evidence"]]
        quotes = [text[one["start"] : one["end"]].replace("\n", " ") for text, one in spans]
        if row["answerable"] and max(_score(quote, row) for quote in quotes) < RIGHT:
            yield f"{row['id']}: its own evidence counts as wrong"
        if "freshness" in row["tags"] and _score(taught[f"e-{row['id'][2:]}_old-1"], row) >= RIGHT:
            yield f"{row['id']}: the old value counts as right"


def _score(said: str, row: Row) -> float:
    return correctness(answer_text(said), row["answers"])


def _stratum_problems(
    examples: Sequence[Row], questions: Sequence[Row], documents: Mapping[str, Document]
) -> Iterator[str]:
    """Unseen means that no example names the document; a fact is in examples or in questions."""
    used = {document for row in examples for document in row["documents"]}
    for document in used - documents.keys():
        yield f"examples name {document}, which does not exist"
    for row in questions:
        touched = [one["document"] for one in row["evidence"] if one["document"] in used]
        if row["stratum"] == "unseen" and touched:
            yield f"{row['id']}: {touched[0]} is not unseen"
    items = list(content.items())
    seen = seen_documents(items)
    taught = {key for item in items if item.kind == "example" for key in item.keys}
    for item in items:
        if item.kind == "example" and content.document_of(item.keys[0]) != item.document:
            yield f"{item.keys[0]}: stands under {item.document}"
        if item.kind in {"question", "multi", "freshness"} and (both := taught & set(item.keys)):
            yield f"{min(both)}: in examples and in questions"
        if item.kind != "example" and any(key.endswith("_old") for key in item.keys):
            yield f"{item.keys}: a question asks for a superseded value"
        if item.kind == "freshness" and f"{item.keys[0]}_old" not in taught:
            yield f"{item.keys[0]}: no example teaches the old value"
        if item.kind == "multi" and not {content.record_of(key) for key in item.keys} <= seen:
            yield f"{item.keys}: a multi-document question mixes the strata"


def _leak_problems(examples: Sequence[Row], questions: Sequence[Row]) -> Iterator[str]:
    """No question is an example in other words: GRAFT's own gate, and Jaccard on single content words.

    Freshness questions are exempt from the second: they ask for the same thing on purpose, and the answer differs.
    """
    known = [Example(row["id"], (Message("user", row["input"]),), row["output"]) for row in examples]
    for leak in find_leaks(known, [(row["id"], row["question"]) for row in questions]):
        yield f"{leak.question} is {leak.example}: {leak.kind}"
    bags = [(row["id"], _content_words(row["input"])) for row in examples]
    for row in questions:
        mine = _content_words(row["question"])
        for identity, other in bags:
            alike = len(mine & other) / max(1, len(mine | other))
            if alike >= ALIKE and "freshness" not in row["tags"]:
                yield f"{row['id']} is like {identity}: {alike:.2f}"


def _content_words(text: str) -> frozenset[str]:
    """Return the words that carry meaning, plural or not."""
    words = [word for word in normalise(text).split() if word not in FUNCTION_WORDS]
    return frozenset(word.removesuffix("s") if len(word) > 3 else word for word in words)


def _fact_problems(documents: Mapping[str, Document]) -> Iterator[str]:
    """Every fact is stated; a changed one has its old value in the superseded edition and nowhere else."""
    stated = {key for source in content.sources().values() for key in source.keys}
    for key in content.facts().keys() ^ stated:
        yield f"{key}: a fact without a document, or the other way round"
    for identity, document in documents.items():
        if "{{" in document.text:
            yield f"{identity}: a fact was not filled in"
    for key in (key for key in content.facts() if key.endswith("_old")):
        current, old = key.removesuffix("_old"), content.facts()[key]
        if content.facts()[current] == old:
            yield f"{key}: nothing changed"
        if not content.sources()[content.document_of(key)].superseded:
            yield f"{key}: stands in a current document"
        if f" {normalise(old)} " in f" {normalise(content.quote_of(current))} ":
            yield f"{key}: the current edition still says {old}"


def _answered_problems(
    examples: Sequence[Row], questions: Sequence[Row], documents: Mapping[str, Document]
) -> Iterator[str]:
    """An unanswerable input whose words nearly all stand in one sentence may be answerable after all."""
    sentences = [
        (identity, _content_words(sentence))
        for identity, document in documents.items()
        for sentence in re.split(r"(?<=[.!?])\s+|\n", document.text[document.body :])
    ]
    inputs = [(row["id"], row["input"]) for row in examples if ABSTENTION in row["output"]]
    inputs += [(row["id"], row["question"]) for row in questions if not row["answerable"]]
    for identity, text in inputs:
        words = _content_words(text) - {"what", "which", "how", "many", "much", "who", "when", "where"}
        share, place = max((len(words & other) / len(words), place) for place, other in sentences)
        if share >= ANSWERED:
            yield f"{identity}: {place} may answer it ({share:.2f}): {text}"


def _stale_files(
    examples: Sequence[Row], questions: Sequence[Row], documents: Mapping[str, Document]
) -> Iterator[str]:
    """The shipped files are what `build` would write now (the rendered formats are compared by a test)."""
    items = list(content.items())
    made = {row["id"]: row for row in [*make_examples(items), *make_questions(items, dict(documents))]}
    shipped = {row["id"]: row for row in [*examples, *questions]}
    if made != shipped:
        changed = [key for key in made.keys() | shipped.keys() if made.get(key) != shipped.get(key)]
        yield f"{len(changed)} rows differ from what build writes, such as {min(changed)}: run it again"


if __name__ == "__main__":
    main()
