"""How the answers of a set are to be held against its references, told from the references themselves.

Most sets want shared words. Labels, statements of SQL and rewritings do not: each shares most of its words with wrong ones.
Knows texts only.
"""

from __future__ import annotations

from collections.abc import Sequence

from graft.evaluation.checks.exact import are_labels
from graft.evaluation.checks.queries import are_queries
from graft.evaluation.checks.rewriting import restate
from graft.types import Match


def fitting(pairs: Sequence[tuple[str, str]]) -> Match:
    """Return what `match` should be for questions and their first references."""
    golds = [gold for _, gold in pairs]
    if are_labels(golds):
        return "exact"
    if are_queries(golds):
        return "sql"
    return "rewrite" if restate(pairs) else "words"


def nature(match: Match, golds: Sequence[str]) -> str:
    """Return what the references are, as the beginning of a sentence."""
    return {
        "words": "the answers are prose",
        "exact": f"the answers are {len(set(golds))} labels",
        "sql": "the answers are SQL",
        "rewrite": "the answers say their questions again in other words",
    }[match]


GRADING = {
    "words": "the words that they share with the reference count (match = words)",
    "exact": "only the label itself is right (match = exact)",
    "sql": "only the same statement is right, however it is written (match = sql)",
    "rewrite": 'no answer is right or wrong (match = rewrite): set [evaluation] primary = "sari"',
}
"""What a `match` means, by its name."""
