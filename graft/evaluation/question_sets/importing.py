"""Question sets in the formats of the field → records of a questions file.

CSV or TSV with a header, SQuAD's JSON, and JSONL or a JSON list as on the Hugging Face hub; the file's ending and its
content tell which. Columns may have the names that other tools give them; what was taken for what is told, and so is
each row that lacks a question, with its place. Knows nothing of documents: a passage that stands beside a question in
the file is not taken.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graft.calls import spelled_out
from graft.errors import DataError
from graft.evaluation.question_sets.columns import Columns, declines, decoded, delimiter_of
from graft.evaluation.question_sets.matching import GRADING, fitting, nature
from graft.evaluation.question_sets.record import parse
from graft.jsonl import MOST_PROBLEMS, unusable
from graft.types import content_hash

SEPARATOR = "|"
"""Between several answers in one cell of a table."""
_TRUE, _FALSE = {"true", "yes", "1"}, {"false", "no", "0"}

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """Records that `read_questions` reads, in the file's order, and what was understood of the file."""

    records: tuple[Record, ...]
    notes: tuple[str, ...] = ()


def import_records(path: Path, columns: Mapping[str, str] | None = None) -> QuestionSet:
    """Return the file's questions. `columns` (e.g. {"question": "Customer Question"}) says what a column is called here.

    A question without an id gets one from its text, so that importing again gives the same. One is answerable when it has
    answers, unless the file says otherwise (`answerable`, `is_impossible`) or the answer itself declines ("n/a"). Labels of
    one fixed set, SQL and rewritings are marked as such (`match`). Raises DataError with the place of each row that cannot be used (at most 20).
    """
    records: list[Record] = []
    problems: list[str] = []
    seen: dict[str, str] = {}
    named = Columns(columns or {})
    notes: list[str] = []
    for where, given in _rows(path, named, notes):
        try:
            raw = named.renamed(given) if isinstance(given, Mapping) else given
            record = _record(raw)
            parse(json.dumps(record), where)
            if record["id"] in seen:
                raise ValueError(f'the id "{record["id"]}" was used at {seen[record["id"]]} already')  # noqa: TRY301
        except ValueError as error:
            problems.append(f"{where}: {error}")
            if len(problems) == MOST_PROBLEMS:
                break
            continue
        seen[record["id"]] = where
        records.append(record)
    if problems:
        raise unusable(path, problems, "Mend or remove them; nothing was written.", "row")
    if not records:
        raise DataError(
            f"{path} holds no questions.", 'Import CSV, SQuAD JSON, or JSON Lines with a "question" each.'
        )
    notes += _understood(records)
    return QuestionSet(tuple(records), (*named.notes, *notes))


def _understood(records: list[Record]) -> Iterator[str]:
    """Mark labels, SQL and rewritings, and answers that say that there is none, in the records; yield what was understood."""
    pairs = [
        (
            record["question"] if "question" in record else record["messages"][-1]["content"],
            record["answers"][0],
        )
        for record in records
        if record["answers"]
    ]
    match = fitting(pairs)
    if match != "words":
        for record in records:
            record.setdefault("match", match)
        yield f"{nature(match, [gold for _, gold in pairs])}: {GRADING[match]}"
        return
    none = [record for record in records if len(record["answers"]) == 1 and declines(record["answers"][0])]
    if none:
        told = ", ".join(f'"{text}"' for text in dict.fromkeys(record["answers"][0] for record in none))
        yield f"{len(none)} answers say that there is none ({told}): taken as unanswerable"
    for record in none:
        record.update(answers=[], answerable=False)


# --- formats -------------------------------------------------------------------------------------------------------


def _rows(path: Path, named: Columns, notes: list[str]) -> Iterator[tuple[str, Any]]:
    """Yield (place, raw row)."""
    try:
        text, encoding = decoded(path.read_bytes())
    except FileNotFoundError as error:
        raise DataError(f"There is no {path}.", "Check the path.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}.", "Save it as UTF-8.") from error
    if encoding != "UTF-8":
        notes.append(f"read as {encoding}: check accents and quotes in what was written")
    if path.suffix.lower() in {".csv", ".tsv"}:
        yield from _table(text, path, named)
    elif path.suffix.lower() == ".json":
        yield from _json(text, path)
    else:
        for number, line in enumerate(text.split("\n"), start=1):
            if line.strip():
                yield f"{path.name}:{number}", _loaded(line, path, number)


def _table(text: str, path: Path, named: Columns) -> Iterator[tuple[str, Mapping[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter_of(text, path.suffix))
    columns = [(name or "").strip() for name in reader.fieldnames or ()]
    if "question" not in named.renamed(dict.fromkeys(columns)):
        listed = ", ".join(f'"{name}"' for name in columns if name) or "none"
        raise DataError(f'{path} has no column "question"; it has {listed}.',
                        'Say which it is: --column question="…" --column answers="…", or name the columns in the first line.')  # fmt: skip
    reader.fieldnames = columns
    for row in reader:
        cells = {
            key: value.strip()
            for key, value in row.items()
            if key and isinstance(value, str) and value.strip()
        }
        split = {
            key: [part.strip() for part in value.split(SEPARATOR) if part.strip()]
            if named.meaning(key, columns) == "answers"
            else value
            for key, value in cells.items()
        }
        yield f"{path.name}:{reader.line_num}", split


def _json(text: str, path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """A list of rows, or SQuAD: articles of paragraphs of questions."""
    loaded = _loaded(text, path, 1, whole=True)
    articles = loaded.get("data") if isinstance(loaded, dict) else loaded
    if not isinstance(articles, list):
        raise DataError(
            f'{path} is neither a list of questions nor SQuAD\'s {{"data": […]}}.', "Check the format."
        )
    for at, article in enumerate(articles):
        if not isinstance(article, dict) or "paragraphs" not in article:
            yield f"{path.name}, item {at + 1}", article
            continue
        try:
            asked = [one for paragraph in article["paragraphs"] for one in paragraph["qas"]]
            rows = [(one["id"], {"title": article.get("title"), **one}) for one in asked]
        except (KeyError, TypeError) as error:
            raise DataError(f"{path}, article {at + 1}, is not as in SQuAD: {error!r}.",
                            'It must hold {"paragraphs": [{"qas": [{"id", "question", "answers"}]}]}.') from error  # fmt: skip
        yield from ((f"{path.name}, id {name}", row) for name, row in rows)


def _loaded(text: str, path: Path, line: int, *, whole: bool = False) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        at = error.lineno if whole else line
        raise DataError(f"{path.name}:{at} is not valid JSON: {error.msg}.", "Mend that line.") from error


# --- one row -------------------------------------------------------------------------------------------------------


def _record(raw: Any) -> Record:
    """Return a raw row as a record; ValueError says what it lacks."""
    if not isinstance(raw, Mapping):
        raise ValueError("not an object")  # noqa: TRY004  (a DataError for the user in the end)
    raw = spelled_out(raw)
    asked, said = _conversation(raw)
    answers = _answers(raw.get("answers", said))
    record: Record = {
        "id": str(raw.get("id") or content_hash(*(turn["content"].strip() for turn in asked))),
        **({"question": asked[0]["content"].strip()} if len(asked) == 1 else {"messages": asked}),
        "answers": answers,
        "answerable": _answerable(raw, answers),
    }
    document = raw.get("document")
    if isinstance(document, str) and document:
        record["evidence"] = [{"document": document}]
    elif isinstance(raw.get("evidence"), list):
        record["evidence"] = raw["evidence"]
    cluster = raw.get("cluster") or raw.get("title")
    kept = {
        "stratum": raw.get("stratum"),
        "cluster": cluster,
        "format": raw.get("format"),
        "tags": raw.get("tags"),
        "match": raw.get("match"),
    }
    return {**record, **{key: value for key, value in kept.items() if value}}


def _conversation(raw: Mapping[str, Any]) -> tuple[list[dict[str, str]], str | None]:
    """Return the turns up to the question, and the answer where it stands behind them as the assistant's last turn."""
    question = raw.get("question")
    if isinstance(question, str) and question.strip():
        return [{"role": "user", "content": question}], None
    turns = raw.get("messages")
    if not isinstance(turns, list) or not turns:
        raise ValueError('it has no "question"')
    if not all(isinstance(turn, dict) and isinstance(turn.get("content"), str) for turn in turns):
        raise ValueError('each message needs a "role" and a "content" string')
    asked = [{"role": str(turn.get("role")), "content": turn["content"]} for turn in turns]
    return (
        (asked[:-1], asked[-1]["content"])
        if asked[-1]["role"] == "assistant" and asked[1:]
        else (asked, None)
    )


def _answers(said: Any) -> list[str]:
    """Answers as a string, a list of strings or of {"text"}, or SQuAD's {"text": […]}: each once, in order."""
    if isinstance(said, Mapping):
        said = said["text"] if "text" in said else [json.dumps(said, ensure_ascii=False)] if said else []
    items = said if isinstance(said, list) else [] if said is None else [said]
    texts = [item.get("text") if isinstance(item, Mapping) else item for item in items]
    if not all(isinstance(text, str | int | float) for text in texts):
        raise ValueError('"answers" must be a text, a list of texts, or {"text": [...]}')
    return list(dict.fromkeys(str(text).strip() for text in texts if str(text).strip()))


def _answerable(raw: Mapping[str, Any], answers: list[str]) -> bool:
    for key, meant in (("answerable", True), ("is_impossible", False)):
        said = str(raw.get(key, "")).strip().lower()
        if said in _TRUE | _FALSE:
            return (said in _TRUE) is meant
        if said and said != "none":
            raise ValueError(f'"{key}" is {raw[key]!r}; use true or false')
    return bool(answers)
