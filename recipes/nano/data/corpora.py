"""Public data sets → rows of this recipe. Every function takes the folder that holds them (`--data`).

Only `*-train*` files are read here, only of the sets whose licence allows a published model; `evaluate.py` reads the
dev files. The sets are optional: a missing folder gives no rows, and the programmatic data carry the recipe alone.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

Row = dict[str, Any]
WRITTEN = Path(__file__).with_name("written")
SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"“])")


def rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a gzipped JSON-lines file; nothing when it is absent."""
    if path.exists():
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            yield from map(json.loads, lines)


def _prose_rows(data: Path) -> Iterator[Row]:
    for path in sorted((data / "prose").glob("train-*.jsonl.gz")):
        yield from rows(path)


@cache
def prose(data: Path) -> list[str]:
    """All training prose, one string a document."""
    return [row["text"] for row in _prose_rows(data)]


@cache
def sentences(data: Path, limit: int = 60_000) -> list[str]:
    """Plain sentences of 40 to 160 characters from the prose, to stand between the facts of programmatic documents."""
    found: list[str] = []
    for text in prose(data)[:: max(1, len(prose(data)) // 3000)]:
        for paragraph in text.split("\n\n"):
            found += [
                s
                for s in SENTENCE_END.split(paragraph)
                if 40 <= len(s) <= 160 and "\n" not in s and s[-1] == "."
            ]
        if len(found) > limit:
            break
    return found


@dataclass(frozen=True)
class Reading:
    """Real questions over one real passage: (question, answer) pairs, None where the passage does not tell; the
    passage's title may be empty."""

    title: str
    text: str
    asked: tuple[tuple[str, str | None], ...]


def _corpus(data: Path, name: str) -> dict[str, Row]:
    return {row["id"]: row for row in rows(data / name / "corpus.jsonl.gz")}


def window(text: str, start: int, width: int, shift: float) -> str:
    """Cut about `width` characters round an answer at `start`, at word ends; `shift` in [0, 1] moves the answer's place."""
    begin = max(0, start - int(width * shift))
    begin = text.find(" ", begin) + 1 if begin else 0
    return text[begin : begin + width].rsplit(" ", 1)[0].strip()


P3_SHAPES = tuple(
    re.compile(p, re.DOTALL)
    for p in (
        r'^Question: "(?P<q>.+?)"\n\nContext: "(?P<c>.+)"\n\nAnswer:',
        r"^Extract the answer.*?\nQuestion: (?P<q>[^\n]+)\nContext: (?P<c>.+)$",
        r'answer to the question "(?P<q>.+?)" is in "(?P<c>.+)"\. Can you tell',
        r'^Given the following passage\n\n"(?P<c>.+)",\n\nanswer the following question.*Question: (?P<q>.+)$',
        r"^(?P<q>[^\n]+)\n\nAnswer the above question based on the context below:\n\n(?P<c>.+)$",
        r"answer this question: (?P<q>.+?), using the article: (?P<c>.+), what would be the answer \?",
        r"answer to the question: (?P<q>.+?) is inside the article: (?P<c>.+), can you guess it \?",
        r"contains an answer for the question: (?P<q>.+?) ?, can you please find it\? ?\n\n(?P<c>.+)$",
        r"extract the answer for the question: (?P<q>.+?)\n\n(?P<c>.+)$",
        r"use it to answer the question: (?P<q>.+?)\n\n(?P<c>.+)$",
        r"(?s)question: (?P<q>[^\n]+)\n(?:Movie |Movie plot )?(?:title|Title): (?P<t>[^\n]+)\n(?:Movie plot|Context): (?P<c>.+)$",
    )
)
NO_ANSWER = re.compile(
    r"^(no answer|insufficient|can't answer|not answerable|no i can't|unanswerable)", re.IGNORECASE
)


def _prompted_reading(data: Path) -> Iterator[Reading]:
    """Undo the prompts of the mixture's reading sets: back to passage, question, answer; only answers in the passage."""
    pairs: dict[str, list[tuple[str, str]]] = {}
    for row in rows(data / "p3-mini" / "examples-train.jsonl.gz"):
        if row["task"] not in ("adversarial_qa", "quoref", "duorc"):
            continue
        match = next((m for m in (shape.search(row["input"]) for shape in P3_SHAPES) if m), None)
        if match and len(match["q"]) < 200:
            context, answer = match["c"].strip(), row["output"].strip()
            place = context.find(answer.rstrip("."))
            if place >= 0 and not NO_ANSWER.match(answer) and len(answer) < 120:
                text = context if len(context) < 1100 else window(context, place, 900, (place % 7) / 7)
                pairs.setdefault(text, []).append((match["q"].strip(), answer))
    for text, asked in pairs.items():
        yield Reading("", text, tuple(dict.fromkeys(asked)))


@cache
def readings(data: Path) -> list[Reading]:
    """All real reading questions of the train files whose answer stands in their passage."""
    found = list(_prompted_reading(data))
    for name in ("squad2", "nq-oracle", "clapnq", "hotpotqa"):
        corpus = _corpus(data, name)
        grouped: dict[str, list[tuple[str, str | None]]] = {}
        for row in rows(data / name / "queries-train.jsonl.gz"):
            if not row.get("answerable", True):
                grouped.setdefault(row["context_ids"][0], []).append((row["question"], None))
            elif row["answers"]:
                home = next((d for d in row["relevant"] if row["answers"][0] in corpus[d]["text"]), None)
                home = (
                    row["relevant"][0]
                    if name == "clapnq" and home is None and len(row["answers"][0]) < 220
                    else home
                )
                if home:
                    grouped.setdefault(home, []).append((row["question"], row["answers"][0]))
        found += [Reading(corpus[d]["title"], corpus[d]["text"], tuple(qs)) for d, qs in grouped.items()]
    corpus = _corpus(data, "covid-qa")
    for i, row in enumerate(rows(data / "covid-qa" / "queries-train.jsonl.gz")):
        paper, answer = corpus[row["relevant"][0]], row["answers"][0]
        if len(answer) < 200:
            text = window(paper["text"], row["answer_start"], 900, (i % 7) / 8)
            if answer in text:
                found.append(Reading(paper["title"], text, ((row["question"], answer),)))
    return [r for r in _joined([*found, *_written(data)]) if not _measured(data, r.text)]


def _joined(found: list[Reading]) -> list[Reading]:
    """Passages once each, with all that is asked about them."""
    by_text: dict[str, Reading] = {}
    for r in found:
        known = by_text.get(r.text)
        by_text[r.text] = (
            Reading(known.title or r.title, r.text, tuple(dict(known.asked + r.asked).items()))
            if known
            else r
        )
    return list(by_text.values())


def _written(data: Path) -> Iterator[Reading]:
    """The questions that this project's writers asked (`asked-*.txt`): about passages of the train files, and their own.

    "= set:document#paragraph" (no paragraph: the whole text), or "= title" and a line "> passage"; then lines "question |
    answer", the answer "-" where the passage does not tell. A passage that is not there, and an answer that does not stand
    in it, are left out.
    """
    documents: dict[str, dict[str, Row]] = {"prose": {r["id"]: r for r in _prose_rows(data)}}
    for path in sorted(WRITTEN.glob("asked-*.txt")):
        for block in path.read_text(encoding="utf-8").split("\n= ")[1:]:
            key, *lines = block.strip().split("\n")
            if lines[0].startswith("> "):
                title, text = key, lines.pop(0)[2:]
            else:
                title, text = _passage(data, key, documents)
            pairs = [(q, a) for q, _, a in (line.rpartition(" | ") for line in lines)]
            asked = tuple((q, None if a == "-" else a) for q, a in pairs if a == "-" or a in text)
            if text and asked:
                yield Reading(title, text, asked)


def _passage(data: Path, key: str, documents: dict[str, dict[str, Row]]) -> tuple[str, str]:
    """Return title and text of "set:document#paragraph", both empty when the document is not there."""
    name, _, place = key.partition(":")
    document, _, paragraph = place.partition("#")
    if name not in documents:
        documents[name] = _corpus(data, name)
    row = documents[name].get(document, {"text": "\n\n" * int(paragraph or 0)})
    text = row["text"].split("\n\n")[int(paragraph)].strip() if paragraph else row["text"]
    return row.get("title", ""), text


def _bare(text: str) -> str:
    return re.sub(r"\W+", " ", text.lower())


@cache
def _measured_pieces(data: Path) -> frozenset[str]:
    texts = [_bare(row["text"]) for row in rows(data / "squad-xquad" / "corpus.jsonl.gz")]
    return frozenset(text[i : i + 60] for text in texts for i in range(len(text) - 59))


def _measured(data: Path, text: str) -> bool:
    """Whether a passage shares 60 characters with the paragraphs of the test set that has no train split of its own."""
    bare, pieces = _bare(text), _measured_pieces(data)
    return any(bare[i : i + 60] in pieces for i in range(0, len(bare) - 59, 7))


@cache
def paragraphs(data: Path) -> list[tuple[str, str]]:
    """(title, text) of real passages of 250 to 1,100 characters to make cloze questions from: the passages of the
    reading sets' train questions and the hotpot contexts, four times each; the train papers; and prose of every kind."""
    found = [(r.title, r.text) for r in readings(data) if len(r.text) > 250]
    hotpot = _corpus(data, "hotpotqa")
    ids = {d for row in rows(data / "hotpotqa" / "queries-train.jsonl.gz") for d in row["context_ids"]}
    found += [(hotpot[d]["title"], hotpot[d]["text"]) for d in sorted(ids)]
    found *= 4  # encyclopaedic text asks better questions than tales and papers
    covid = _corpus(data, "covid-qa")
    blocks = [
        (covid[d]["title"], covid[d]["text"])
        for d in sorted({r["relevant"][0] for r in rows(data / "covid-qa" / "queries-train.jsonl.gz")})
    ]
    blocks += [("", text) for text in prose(data)[::4]]
    found += [(t, p.strip()) for t, text in blocks for p in text.split("\n\n") if 250 <= len(p) <= 1100]
    return found


@cache
def instructions(data: Path) -> list[list[tuple[str, str]]]:
    """Lists of (request, answer) without passages, one list a task: what an ordinary small model is asked."""
    tasks: dict[str, list[tuple[str, str]]] = {}
    for row in rows(data / "p3-mini" / "examples-train.jsonl.gz"):
        if len(row["input"]) < 1500 and len(row["output"]) < 400:
            tasks.setdefault(row["task"], []).append((row["input"].strip(), row["output"].strip()))
    for row in rows(data / "instruct-seed" / "examples.jsonl.gz"):
        ask = f"{row['instruction']}\n{row['input']}".strip()
        if len(ask) + len(row["output"]) < 1500:
            tasks.setdefault("seed", []).append((ask, row["output"].strip()))
    tasks["gsm8k"] = [(r["input"], r["output"]) for r in rows(data / "gsm8k" / "examples-train.jsonl.gz")]
    tasks["snips"] = [
        (r["input"], json.dumps(r["output"], ensure_ascii=False))
        for r in rows(data / "snips-json" / "examples-train.jsonl.gz")
    ]
    return [t for t in tasks.values() if t]


@cache
def questions_alone(data: Path) -> list[str]:
    """Every real question without its passage, which nobody can answer who does not know the world."""
    return [question for r in readings(data) for question, _ in r.asked]
