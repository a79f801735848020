"""Would a small sentence encoder judge support better than shared words do? The experiment that left it out.

    python benchmarks/encoder_support.py --data ../shared/data

Claims with what supports them and with what does not: CLAPnq's answers (near-extractive) and ASSET's rewrites (freely worded),
each against its own text and against the nearest other text, and each as written against itself with one number or one
"not" changed. Prints the area under the ROC curve of lexical support and of the best cosine of MiniLM over windows of two
sentences. The data is not part of this repository; the changed claims are made here, not by people.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.anchors.figures import Floats, auc
from graft import plugins
from graft.evaluation.checks.groundedness import Weights, claims, inverse_frequency, support
from graft.evaluation.checks.text import sentences
from graft.protocols import Embedder

Pair = tuple[str, str, bool]
"""A claim, a text, and whether the text supports it."""


def read(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as handle:
        return [json.loads(line) for line in handle]


def changed(claim: str) -> str | None:
    """Return the claim with its first number 7 higher, else with a "not" behind its first auxiliary, else None."""
    number = re.search(r"\b\d[\d,]*\b", claim)
    if number:
        return claim[: number.start()] + str(int(number[0].replace(",", "")) + 7) + claim[number.end() :]
    verb = re.search(r"\b(is|was|are|were|has|can|will)\b", claim)
    return f"{claim[: verb.end()]} not{claim[verb.end() :]}" if verb else None


def nearest(texts: Sequence[str], embedder: Embedder) -> list[int]:
    """Return for each text the place of the most similar other one."""
    vectors = embedder.encode(texts)
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -2)
    return [int(row.argmax()) for row in similarity]


def cosines(pairs: Sequence[Pair], embedder: Embedder) -> Floats:
    """Return the best cosine of each claim with a window of two sentences of its text."""
    windows = {}
    for _, text, _ in pairs:
        said = sentences(text) or (text,)
        windows[text] = [" ".join(said[at : at + 2]) for at in range(max(len(said) - 1, 1))]
    distinct = list(dict.fromkeys(window for found in windows.values() for window in found))
    place = {window: at for at, window in enumerate(distinct)}
    vectors, asked = embedder.encode(distinct), embedder.encode([claim for claim, _, _ in pairs])
    return np.array([
        float((vectors[[place[window] for window in windows[text]]] @ vector).max())
        for (_, text, _), vector in zip(pairs, asked, strict=True)
    ])  # fmt: skip


def show(name: str, pairs: Sequence[Pair], weights: Weights, embedder: Embedder) -> None:
    truth = np.array([right for _, _, right in pairs])
    words = np.array([support(claim, [text], weights) for claim, text, _ in pairs])
    print(f"{name:<46}{auc(words, truth):>9.3f}{auc(cosines(pairs, embedder), truth):>9.3f}{len(pairs):>7}")


def measure(name: str, own: Iterable[tuple[str, int]], texts: Sequence[str], embedder: Embedder) -> None:
    """Show both tests of a set of claims, each with the place of the text that it rests on."""
    weights, other, known = inverse_frequency(texts), nearest(texts, embedder), list(own)
    pairs = [
        pair for claim, at in known for pair in ((claim, texts[at], True), (claim, texts[other[at]], False))
    ]
    show(f"{name}, own text or the nearest other", pairs, weights, embedder)
    edited = [(claim, wrong, at) for claim, at in known if (wrong := changed(claim)) is not None]
    pairs = [
        pair for claim, wrong, at in edited for pair in ((claim, texts[at], True), (wrong, texts[at], False))
    ]
    show(f'{name}, as written or a number or "not" changed', pairs, weights, embedder)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    data = parser.parse_args().data
    embedder: Embedder = plugins.build("embedder", "minilm")
    print(f"{'area under the ROC curve':<46}{'words':>9}{'MiniLM':>9}{'n':>7}")
    corpus = read(data / "clapnq/corpus.jsonl.gz")
    place = {row["id"]: at for at, row in enumerate(corpus)}
    asked = [
        row for row in read(data / "clapnq/queries-dev.jsonl.gz") if row.get("answers") and row["relevant"]
    ]
    own = [
        (claim, place[row["relevant"][0]])
        for row in asked
        for claim in claims(row["answers"][0], row["question"])
    ]
    measure("CLAPnq", own, [row["text"] for row in corpus], embedder)
    rewrites, chance = read(data / "asset-style/examples-dev.jsonl.gz"), random.Random(0)
    measure("ASSET", [(chance.choice(row["references"]), at) for at, row in enumerate(rewrites)],
            [row["input"] for row in rewrites], embedder)  # fmt: skip


if __name__ == "__main__":
    main()
