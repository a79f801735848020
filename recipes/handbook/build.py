"""Write examples/handbook from `content/`: documents, examples and questions with their gold spans.

    python -m recipes.handbook.build

A part of the questions is set apart as `questions-dev.jsonl`, for choosing thresholds and prompts without looking at the
held-out ones. Writes the same bytes every time. Needs python-docx and reportlab (the extra `dev`) and GRAFT's own loaders.
"""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from graft.retrieval.documents import load_documents
from graft.types import Document
from recipes.handbook import content, render
from recipes.handbook.content import Item
from recipes.handbook.spans import locate

ROOT = Path(__file__).parents[2] / "examples" / "handbook"
CONTRACT = rf"^Answer: [^\n]+\nDesk: ({'|'.join(content.DESKS)})$"
ABSTENTION = "I don't know."

# The share of each kind of question that is held out: the comparison needs some 200, and answers each five times.
HELD_OUT = {"seen": 0.4, "unseen": 0.55, "unanswerable": 0.62}

_WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_NUMBERS = dict(enumerate(_WORDS, start=1))


def main() -> None:
    """Write all files below examples/handbook."""
    write_documents(ROOT / "documents")
    found = load_documents([ROOT / "documents"])
    if found.problems:
        raise SystemExit("\n".join(f"{problem.path}: {problem.reason}" for problem in found.problems))
    items = list(content.items())
    examples = list(make_examples(items))
    questions = list(make_questions(items, {document.id: document for document in found.documents}))
    write_lines(ROOT / "examples.jsonl", examples)
    held_out, development = split(questions)
    write_lines(ROOT / "questions.jsonl", held_out)
    write_lines(ROOT / "questions-dev.jsonl", development)
    counts = f"{len(held_out)} questions, {len(development)} development questions"
    print(f"{len(found.documents)} documents, {len(examples)} examples, {counts}")


def write_documents(folder: Path) -> None:
    """Write every document, and remove what is no longer written."""
    shutil.rmtree(folder, ignore_errors=True)
    for source in content.sources().values():
        path = folder / source.path
        path.parent.mkdir(parents=True, exist_ok=True)
        text = content.fill(source.template)
        renderer = render.RENDERERS.get(source.suffix)
        path.write_bytes(renderer(render.parse(text)) if renderer else text.encode())


def write_lines(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows as JSON lines."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def house_style(answer: str, desk: str) -> str:
    """Return the two lines that every answer has."""
    return f"Answer: {answer}\nDesk: {desk}"


def make_examples(items: Sequence[Item]) -> Iterator[dict[str, Any]]:
    """Yield the examples in the order of their items."""
    unanswerable = 0
    for item in items:
        if item.kind == "example":
            documents = [content.record_of(item.keys[0])]
            for number, wording in enumerate(item.wordings, start=1):
                yield {
                    "id": f"e-{item.keys[0]}-{number}",
                    "input": wording,
                    "output": house_style(item.answer, item.desk),
                    "documents": documents,
                }
        elif item.kind == "unanswerable example":
            unanswerable += 1
            output = house_style(ABSTENTION, item.desk)
            yield {
                "id": f"e-unknown-{unanswerable}",
                "input": item.wordings[0],
                "output": output,
                "documents": [],
            }


def make_questions(items: Sequence[Item], documents: dict[str, Document]) -> Iterator[dict[str, Any]]:
    """Yield the questions in the order of their items, with their spans in `documents`."""
    seen = seen_documents(items)
    unanswerable = 0
    for item in items:
        if item.kind in {"example", "unanswerable example"}:
            continue
        answerable = bool(item.keys)
        unanswerable += not answerable
        evidence = [locate(documents[content.record_of(key)], content.quote_of(key)) for key in item.keys]
        home = content.record_of(item.keys[0]) if answerable else item.document
        tags = [item.kind] if item.kind in {"freshness", "multi"} else []
        yield {
            "id": f"q-{'-'.join(item.keys)}" if answerable else f"q-unknown-{unanswerable}",
            "question": item.wordings[0],
            "answers": accepted_answers(item),
            "answerable": answerable,
            "evidence": [_evidence(one) for one in evidence],
            "format": {"regex": CONTRACT},
            "stratum": "seen" if home in seen else "unseen",
            "cluster": home,
            "tags": [*tags, f"desk:{item.desk}"],
        }


def split(questions: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return (held-out, development) questions: an even spread over the documents by HELD_OUT, all special ones held
    out."""
    taken = Counter[str]()
    parts: tuple[list[dict[str, Any]], list[dict[str, Any]]] = ([], [])
    for question in questions:
        group = question["stratum"] if question["answerable"] else "unanswerable"
        share = 1.0 if len(question["tags"]) > 1 else HELD_OUT[group]
        before, taken[group] = taken[group], taken[group] + (share < 1)
        held_out = share == 1 or int(share * taken[group]) > int(share * before)
        parts[0 if held_out else 1].append(question)
    return parts


def seen_documents(items: Sequence[Item]) -> set[str]:
    """Return the documents that an example is about, each JSONL record for itself."""
    named = {content.record_of(item.keys[0]) for item in items if item.kind == "example"}
    return named | {item.document for item in items if item.kind == "unanswerable example"}


def accepted_answers(item: Item) -> list[str]:
    """Return the fact and its aliases; small numbers both as words and as digits."""
    facts = [] if item.kind == "multi" else [content.facts()[key] for key in item.keys]
    accepted = [*facts, *item.aliases]
    for answer in list(accepted):
        for digit, word in _NUMBERS.items():
            accepted.append(re.sub(rf"^{word}(?= [a-z]{{3}})", str(digit), answer))
            accepted.append(re.sub(rf"^{digit}(?= [a-z]{{3}}[a-z ]*$)", word, answer))
    return list(dict.fromkeys(accepted))


def _evidence(found: Any) -> dict[str, Any]:
    return {key: value for key, value in dataclasses.asdict(found).items() if value is not None}


if __name__ == "__main__":
    main()
