"""What every system must do to be measured, and the embedder that stands in for the model where vectors are given."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Protocol

import numpy as np

MODEL = "all-MiniLM-L6-v2"


class System(Protocol):
    """One retrieval library, at its documented defaults for hybrid search. Opened over an empty folder of its own."""

    def versions(self) -> dict[str, str]:
        """Return package → version of what does the work."""

    def ingest(self, files: Path, model: Path) -> int:
        """Parse, chunk, embed and index text files with the library's own loader, splitter and embedder; return the
        number of chunks."""

    def embed(self, query: str) -> None:
        """Embed one query with the library's own embedder, loaded by `ingest`."""

    def add(self, ids: list[str], texts: list[str], vectors: np.ndarray) -> None:
        """Index passages whose vectors are given; called again for one more."""

    def search(self, query: str, k: int) -> list[str]:
        """Return the ids of the best k passages, hybrid; the query's vector is known to LOOKUP."""

    def save(self) -> None:
        """Write to the folder what a new process needs."""

    def open(self) -> None:
        """Be ready to search what `save` wrote."""


class Lookup:
    """An embedder that knows its texts: the time of embedding is measured apart."""

    def __init__(self) -> None:
        self.known: dict[str, np.ndarray] = {}

    def learn(self, texts: list[str], vectors: np.ndarray) -> None:
        """Remember the vectors of texts."""
        self.known.update(zip(texts, vectors, strict=True))

    def __call__(self, texts: list[str]) -> np.ndarray:
        """Return the vectors of known texts."""
        return np.stack([self.known[text] for text in texts])


LOOKUP = Lookup()


def installed(*names: str) -> dict[str, str]:
    """Return the versions of installed packages."""
    from importlib.metadata import version

    return {name: version(name) for name in names}


def ndcg(found: list[str], grades: dict[str, float], k: int = 10) -> float:
    """nDCG@k as trec_eval and BEIR have it: the grade as gain, discounted by log2 of the rank."""
    gain = [grades.get(name, 0) / math.log2(rank + 2) for rank, name in enumerate(found[:k])]
    best = sorted(grades.values(), reverse=True)[:k]
    ideal = sum(value / math.log2(rank + 2) for rank, value in enumerate(best))
    return sum(gain) / ideal if ideal else 0.0


def recall(found: list[str], grades: dict[str, float], k: int = 5) -> float:
    """Share of the relevant passages among the first k."""
    relevant = {name for name, grade in grades.items() if grade > 0}
    return len(relevant & set(found[:k])) / len(relevant)


def of_name(name: str, folder: Path) -> Any:
    """Return the adapter of a system."""
    from importlib import import_module

    return import_module(f"system_{name}").Adapter(folder)
