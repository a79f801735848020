"""How well GRAFT ranks, on public sets: BM25, dense, hybrid as it comes, hybrid with a reranker; with intervals.

    python benchmarks/ranking.py --data ../shared/data
    python benchmarks/ranking.py --data ../shared/data --split dev --arms rrf weighted feedback
    python benchmarks/ranking.py --data ../shared/data --sets nfcorpus --chunker document --arms bm25
    python benchmarks/ranking.py --data ../shared/data --sets clapnq squad2 --threshold
    python benchmarks/ranking.py --data ../shared/data --reranker '{"name": "late-interaction"}' --rerank 20 --arms hybrid rerank

Prints nDCG@10 and recall@5 of documents (a document stands where its best chunk stands) in percent, and what hybrid gains
over the better of its parts. Means have 95 % BCa bootstrap intervals over questions. Settings were chosen on the dev
splits, or the even questions of a set without one; "test" is the test or dev split of a set that has both, or its odd
questions; "all" the published set. The data is not part of this repository; docs/benchmarks.md says where each set is
from. Indexes and embeddings are kept below --cache, so that a second run takes a minute.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from graft import plugins
from graft.decision.calibration import apply, calibrate
from graft.decision.statistics import Interval, mean_interval, paired_difference
from graft.evaluation.checks.ranking import ndcg, recall
from graft.protocols import Embedder, Reranker, Store
from graft.retrieval.index import Index
from graft.retrieval.search import Searcher
from graft.settings import RetrievalSection
from graft.types import Document
from graft.wiring import ranking
from graft.workspace import Workspace

SEED = 0
DEEP = 100  # chunks asked for, so that ten documents are among them


@dataclass(frozen=True)
class Corpus:
    """Files of a set. `halves`: there is one file of questions, whose even ones are for choosing settings."""

    folder: str
    corpus: str = "corpus"
    dev: str = "queries"
    test: str = "queries"

    @property
    def halves(self) -> bool:
        """Whether one file serves as dev and test."""
        return self.dev == self.test


SETS = {
    "nfcorpus": Corpus("nfcorpus", dev="queries-dev", test="queries-test"),
    "cisi": Corpus("cisi"),
    "clapnq": Corpus("clapnq", dev="queries-train", test="queries-dev"),
    "hotpotqa": Corpus("hotpotqa", dev="queries-train", test="queries-dev"),
    "covid-faq": Corpus("covid-faq"),
    "nq-oracle": Corpus("nq-oracle", dev="queries-train", test="queries-dev"),
    "covid-qa": Corpus("covid-qa", dev="queries-train", test="queries-dev"),
    "squad2": Corpus("squad2", dev="queries-train", test="queries-dev"),
    "xquad-en": Corpus("squad-xquad"),
    "xquad-de": Corpus("squad-xquad", "corpus-de", "queries-de", "queries-de"),
    "xquad-es": Corpus("squad-xquad", "corpus-es", "queries-es", "queries-es"),
    "xquad-zh": Corpus("squad-xquad", "corpus-zh", "queries-zh", "queries-zh"),
}
ISSUE = ("nfcorpus", "cisi", "clapnq", "hotpotqa", "covid-faq")
"""The sets of the must-show."""


@dataclass(frozen=True)
class Asked:
    """A question with the documents that answer it, by relevance."""

    text: str
    gold: Mapping[str, float]
    excluded: frozenset[str]


def read(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a gzipped JSONL file."""
    with gzip.open(path, "rt", encoding="utf-8") as handle:
        return [json.loads(line) for line in handle]


def questions(data: Path, files: Corpus, split: str) -> list[Asked]:
    """Return the questions of a split that have an answer in the corpus."""
    rows = read(data / files.folder / f"{files.dev if split == 'dev' else files.test}.jsonl.gz")
    rows = [row for row in rows if row["relevant"]]
    if files.halves and split != "all":
        rows = rows[0 if split == "dev" else 1 :: 2]
    return [
        Asked(
            row["question"],
            {name: float((row.get("grades") or {}).get(name, 1)) for name in row["relevant"]},
            frozenset(row.get("exclude", ())),
        )
        for row in rows
    ]


def misspelt(question: str, rng: random.Random) -> str:
    """Return the question with one letter of one word of five letters or more dropped, doubled, changed or swapped."""
    words = question.split(" ")
    long = [at for at, word in enumerate(words) if len(word) >= 5 and word.isalpha()]
    if not long:
        return question
    at = rng.choice(long)
    word, place = words[at], rng.randrange(1, len(words[at]) - 1)
    letter = rng.choice("abcdefghijklmnopqrstuvwxyz")
    words[at] = rng.choice([
        word[:place] + word[place + 1 :],
        word[:place] + word[place] + word[place:],
        word[:place] + letter + word[place + 1 :],
        word[:place] + word[place + 1] + word[place] + word[place + 2 :],
    ])  # fmt: skip
    return " ".join(words)


def indexed(data: Path, files: Corpus, name: str, options: argparse.Namespace, embedder: Embedder) -> Store:
    """Return the store of a set, built or brought up to date."""
    rows = read(data / files.folder / f"{files.corpus}.jsonl.gz")
    documents = [Document(row["id"], row["text"], row.get("title") or "") for row in rows]
    workspace = Workspace(options.cache / f"{name}-{options.chunker}")
    store: Store = plugins.build(
        "store", "lancedb", json.loads(options.store), folder=workspace.index / "lancedb"
    )
    chunker = plugins.build("chunker", options.chunker)
    Index.open(workspace, store=store, embedder=embedder, chunker=chunker).update(documents, lambda *_: None)
    return store


def arms(
    store: Store, embedder: Embedder, reranker: Reranker | None, rerank: int
) -> dict[str, Callable[[], Searcher]]:
    """Return the ways to search, by name: settings as in graft.toml, composed as a project composes them."""
    section = RetrievalSection(rerank=rerank)

    def search(**changes: Any) -> Callable[[], Searcher]:
        made = replace(section, **changes)
        return lambda: ranking.searcher(made, store, embedder, None, _no_generator)

    found = {
        "bm25": partial(ranking.plain_bm25, section, store, embedder),
        "dense": search(mode="dense", spelling=False),
        "hybrid": search(),
        "rrf": search(fusion="rrf"),
        "no-spelling": search(spelling=False),
        "feedback": search(feedback=True),
        "mmr.1": search(diversity=0.1),
        "mmr.3": search(diversity=0.3),
    }
    if reranker is not None:
        found["rerank"] = lambda: ranking.searcher(section, store, embedder, reranker, _no_generator)
    return found


def _no_generator(prompts: Sequence[str]) -> Any:
    raise AssertionError(f"no arm of this benchmark asks a generator, but one did: {prompts}")


def ranked(searcher: Searcher, asked: Sequence[Asked]) -> list[list[str]]:
    """Return the documents found for each question, best first."""
    results = searcher.search_batch([one.text for one in asked], DEEP)
    return [list(dict.fromkeys(hit.chunk.document for hit in result.hits)) for result in results]


def measured(found: Sequence[Sequence[str]], asked: Sequence[Asked]) -> tuple[list[float], list[float]]:
    """Return nDCG@10 and recall@5 of each question."""
    gains, recalls = [], []
    for question, names in zip(asked, found, strict=True):
        kept = [name for name in names if name not in question.excluded]
        gains.append(100 * ndcg(kept, question.gold, 10))
        recalls.append(100 * recall(kept, question.gold, 5))
    return gains, recalls


def followed(found: Sequence[Sequence[str]], by: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return what a reranker has read, then the rest of what it was chosen from: 20 chunks may be of six documents."""
    return [list(dict.fromkeys([*first, *rest])) for first, rest in zip(found, by, strict=True)]


def thresholds(data: Path, files: Corpus, searcher: Searcher) -> str:
    """Return a row: the threshold on the best cosine that keeps 95 % of the dev split's answerable questions, and what it
    keeps and declines of the test split's."""
    scores, kinds = {}, {}
    for split in (files.dev, files.test):
        rows = read(data / files.folder / f"{split}.jsonl.gz")
        results = searcher.search_batch([row["question"] for row in rows], DEEP)
        scores[split] = [result.best_dense or 0.0 for result in results]
        kinds[split] = [bool(row["answerable"]) for row in rows]
    chosen = calibrate(scores[files.dev], kinds[files.dev])
    found = apply(chosen, scores[files.test], kinds[files.test])
    limits = f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f})"
    return f"{limits} | {share(found.kept)} | {share(found.declined)} | {found.separation:.2f}"


def share(found: Interval) -> str:
    """Return a share with its limits, in percent."""
    return cell(Interval(*(None if limit is None else 100 * limit for limit in found)))


def cell(found: Interval) -> str:
    """Return a mean with its limits."""
    if found.value is None or found.low is None or found.high is None:
        return "–"
    return f"{found.value:.1f} ({found.low:.1f} to {found.high:.1f})"


def main() -> None:
    """Measure the sets and print one Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds the sets")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=ISSUE)
    parser.add_argument("--split", choices=["dev", "test", "all"], default="all")
    parser.add_argument("--arms", nargs="+", default=["bm25", "dense", "hybrid", "rerank"])
    parser.add_argument("--chunker", default="structure")
    parser.add_argument("--store", default="{}", help="the store's options, as JSON")
    parser.add_argument("--reranker", default="", help="a reranker: its options with its name, as JSON")
    parser.add_argument("--rerank", type=int, default=RetrievalSection().rerank, help="hits that it reads")
    parser.add_argument(
        "--questions", type=int, default=10_000, help="draw at most so many of a set, by a seed"
    )
    parser.add_argument("--misspell", action="store_true", help="put one typing error into each question")
    parser.add_argument(
        "--threshold", action="store_true", help="calibrate declining instead of measuring ranking"
    )
    parser.add_argument("--cache", type=Path, default=Path("runs/ranking"))
    options = parser.parse_args()
    embedder = plugins.build("embedder", "minilm")
    given = json.loads(options.reranker) if options.reranker else {}
    reranker = plugins.build("reranker", given.pop("name"), given) if given else None
    if options.threshold:
        print("| set | threshold | keeps of the answerable | declines of the others | separation |")
        print("|---|---:|---:|---:|---:|")
        for name in options.sets:
            store = indexed(options.data, SETS[name], name, options, embedder)
            made = arms(store, embedder, None, options.rerank)["dense"]()
            print(f"| {name} | {thresholds(options.data, SETS[name], made)} |", flush=True)
        return
    rows = []
    for name in options.sets:
        store = indexed(options.data, SETS[name], name, options, embedder)
        asked = questions(options.data, SETS[name], options.split)
        asked = random.Random(SEED).sample(asked, min(options.questions, len(asked)))
        if options.misspell:
            rng = random.Random(SEED)
            asked = [replace(one, text=misspelt(one.text, rng)) for one in asked]
        ways = arms(store, embedder, reranker, options.rerank)
        found = {arm: ranked(make(), asked) for arm, make in ways.items() if arm in options.arms}
        if "rerank" in found and "hybrid" in found:
            found["rerank"] = followed(found["rerank"], found["hybrid"])
        rows.append((name, {arm: measured(names, asked) for arm, names in found.items()}))
        print(f"{name}: done", file=sys.stderr, flush=True)
    for place, title in enumerate(("nDCG@10", "recall@5")):
        column = {name: {arm: both[place] for arm, both in scores.items()} for name, scores in rows}
        print(table(title, column))


def table(title: str, found: Mapping[str, Mapping[str, list[float]]]) -> str:
    """Return a Markdown table: sets down, ways to search across; means in percent with their intervals, and the gains of
    hybrid over the better of dense and BM25, and of reranking over hybrid, paired by question."""
    ways = list(next(iter(found.values())))
    gains: dict[str, tuple[str, Callable[[Mapping[str, list[float]]], list[float]]]] = {}
    if {"bm25", "dense", "hybrid"} <= set(ways):
        gains["hybrid over the better part"] = (
            "hybrid",
            lambda scores: max(scores["bm25"], scores["dense"], key=sum),
        )
    if {"hybrid", "rerank"} <= set(ways):
        gains["rerank over hybrid"] = ("rerank", lambda scores: scores["hybrid"])
    head = ["set", "questions", *ways, *gains]
    lines = [f"**{title}**", "", f"| {' | '.join(head)} |", f"|---|{'---:|' * (len(head) - 1)}"]
    for name, scores in found.items():
        cells = [
            name,
            str(len(scores[ways[0]])),
            *(cell(mean_interval(scores[way], seed=SEED)) for way in ways),
            *(
                cell(paired_difference(scores[way], other(scores), seed=SEED))
                for way, other in gains.values()
            ),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
