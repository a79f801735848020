"""Parsers side by side: how close to the reference text, which phrases and rows survive, and CPU seconds per file.

    python benchmarks/parsing.py ../shared/data/documents --peers .venv-parsers/bin/python

Each parser reads every file in one process of its own, once to warm up and once for the clock, which counts the CPU time
of all its threads: wall time would measure what else the machine does. `--peers` is the Python
of an environment with benchmarks/parsing-peers.txt; without it only GRAFT is measured. The folder holds
documents.jsonl.gz (path, type, reference, checks), files/ and reference/; the set is not part of this repository.

Similarity is 2·LCS/(|a|+|b|) over words, where LCS is the longest common subsequence: 1 means the same words in the same
order. `words` is the share of the reference's words found at all (a multiset recall). Both leave out Markdown's marks.
A check is a phrase that must appear, phrases that must appear in this order, or cells that must stay on one line.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import subprocess
import sys
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

PARSERS = ("graft", "markitdown", "kreuzberg")
_WORD = re.compile(r"[^\W_]+")
_MARKUP = re.compile(
    r"^\|?[\s:|-]+\|?$"  # the line below a table's header
    r"|\]\([^()\s]*(?:\([^()\s]*\)[^()\s]*)*(?:\s+\"[^\"]*\")?\)"  # where a link leads
    r"|<!--.*?-->|!\[[^\]]*(?=\])|</?[a-z][^<>]*>",  # comments, alternative texts, inline HTML
    re.MULTILINE | re.DOTALL,
)

# Run by each parser's own Python: reads paths from stdin, prints one JSON object a line.
DRIVER = """
import json, sys, time
def graft():
    from pathlib import Path
    from graft.retrieval.documents import registered_loaders
    from graft.retrieval.reading import read_file
    loaders = {suffix: loader for loader in registered_loaders().values() for suffix in loader.suffixes}
    def parse(path):
        return "\\n".join(made.text[made.body:] for made in read_file(loaders, Path(path), "id"))
    return parse
def markitdown():
    from markitdown import MarkItDown
    made = MarkItDown()
    return lambda path: made.convert(path).text_content
def kreuzberg():
    import kreuzberg
    config = kreuzberg.ExtractionConfig(output_format="markdown")
    return lambda path: kreuzberg.extract_file_sync(path, config=config).content
parse = globals()[sys.argv[1]]()
for path in sys.stdin.read().splitlines():
    row = {"path": path}
    try:
        parse(path)
        started = time.process_time()
        row["text"] = parse(path) or ""
        row["seconds"] = time.process_time() - started
    except Exception as error:
        row["error"] = f"{type(error).__name__}: {error}"[:200]
    sys.__stdout__.write("\\x1e" + json.dumps(row) + "\\n")
    sys.__stdout__.flush()
"""


def run(parser: str, python: str, files: Sequence[Path]) -> dict[str, dict[str, Any]]:
    """Return each file's row (text and seconds, or error) by path; empty when the parser is not installed."""
    done = subprocess.run(
        [python, "-c", DRIVER, parser],
        input="\n".join(map(str, files)),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and not done.stdout:
        print(f"{parser}: not measured ({done.stderr.strip().splitlines()[-1]})", file=sys.stderr)
    lines = (line.partition("\x1e")[2] for line in done.stdout.split("\n") if "\x1e" in line)
    return {row["path"]: row for row in map(json.loads, lines)}


def words(text: str) -> list[str]:
    """Return the words of a text: NFKC, lower case, no marks; Chinese, Japanese and Korean stay as written."""
    return _WORD.findall(_MARKUP.sub(" ", unicodedata.normalize("NFKC", text)).lower())


def common(a: Sequence[str], b: Sequence[str]) -> int:
    """Return the length of the longest common subsequence, bit-parallel (Crochemore et al. 2001)."""
    places: dict[str, int] = defaultdict(int)
    for at, word in enumerate(a):
        places[word] |= 1 << at
    full = (1 << len(a)) - 1
    row = full
    for word in b:
        hit = row & places.get(word, 0)
        row = ((row + hit) | (row - hit)) & full
    return len(a) - row.bit_count()


def score(text: str, reference: str) -> tuple[float, float]:
    """Return (similarity, words found) of a text to its reference."""
    a, b = words(reference), words(text)
    found = sum((Counter(a) & Counter(b)).values())
    return 2 * common(a, b) / max(len(a) + len(b), 1), found / max(len(a), 1)


def checks(text: str, wanted: Mapping[str, Any]) -> tuple[int, int]:
    """Return (passed, all) checks of one file."""
    folded = _fold(text)
    lines = [_fold(line) for line in text.splitlines()]
    results = [_fold(phrase) in folded for phrase in wanted.get("must_contain", [])]
    results += [_ordered(folded, map(_fold, phrases)) for phrases in wanted.get("in_order", [])]
    results += [
        any(all(_fold(cell) in line for cell in cells) for line in lines)
        for cells in wanted.get("same_row", [])
    ]
    return sum(results), len(results)


def _fold(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text.replace("\\", "").replace("*", "")).split())


def _ordered(text: str, phrases: Iterable[str]) -> bool:
    at = 0
    for phrase in phrases:
        at = text.find(phrase, at)
        if at < 0:
            return False
        at += len(phrase)
    return True


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--peers", default="", help="the Python of an environment that holds the peers")
    parser.add_argument("--only", nargs="*", default=PARSERS)
    parser.add_argument("--texts", type=Path, help="write every parser's texts below this folder, to read")
    args = parser.parse_args()
    with gzip.open(args.folder / "documents.jsonl.gz", "rt", encoding="utf-8") as handle:
        rows = [json.loads(line) for line in handle]
    files = [args.folder / row["path"] for row in rows]
    found = {
        name: run(name, sys.executable if name == "graft" else args.peers, files)
        for name in args.only
        if name == "graft" or args.peers
    }
    for name, texts in found.items():
        if args.texts:
            for path, row in texts.items():
                out = args.texts / name / f"{Path(path).name}.md"
                out.parent.mkdir(parents=True, exist_ok=True)
                out.write_text(row.get("text", row.get("error", "")), encoding="utf-8")
    report(args.folder, rows, {name: texts for name, texts in found.items() if texts})


def report(folder: Path, rows: Sequence[Mapping[str, Any]], found: Mapping[str, Mapping[str, Any]]) -> None:
    """Print one line a file, then one a format."""
    totals: dict[tuple[str, str], list[tuple[float, float, float, int, int]]] = defaultdict(list)
    print(f"{'similarity/words':34}" + "".join(f"{name:>26}" for name in found))
    for row in rows:
        cells = []
        for name, texts in found.items():
            got = texts.get(str(folder / row["path"]), {"error": "died"})
            passed, asked = checks(got.get("text", ""), row.get("checks") or {})
            close = recall = float("nan")
            if row.get("reference"):
                close, recall = score(
                    got.get("text", ""), (folder / row["reference"]).read_text(encoding="utf-8")
                )
            totals[row["type"], name].append((close, recall, got.get("seconds", float("nan")), passed, asked))
            shown = f"{close:.3f}/{recall:.3f} {passed}/{asked} {got.get('seconds', 0):.3f}s"
            cells.append(f"{shown if 'text' in got else 'refused':>26}")
        print(f"{Path(row['path']).name:34}" + "".join(cells))
    print()
    print(
        "| format | files | "
        + " | ".join(f"{name}: similarity, words, checks, s/file" for name in found)
        + " |"
    )
    print("| --- | --- |" + " --- |" * len(found))
    for kind in dict.fromkeys(row["type"] for row in rows):
        cells = [_summary(totals[kind, name]) for name in found]
        print(f"| {kind} | {sum(row['type'] == kind for row in rows)} | " + " | ".join(cells) + " |")
    everything = [
        _summary([entry for (_, who), many in totals.items() if who == name for entry in many])
        for name in found
    ]
    print(f"| all | {len(rows)} | " + " | ".join(everything) + " |")


def _summary(entries: Sequence[tuple[float, float, float, int, int]]) -> str:
    """Return the means over files with a reference; a refused file counts as similarity 0."""

    def mean(values: Iterable[float]) -> str:
        known = [value for value in values if value == value]  # not NaN
        return f"{sum(known) / len(known):.3f}" if known else "–"

    passed, asked = sum(entry[3] for entry in entries), sum(entry[4] for entry in entries)
    return f"{mean(e[0] for e in entries)}, {mean(e[1] for e in entries)}, {passed}/{asked}, {mean(e[2] for e in entries)}"


if __name__ == "__main__":
    main()
