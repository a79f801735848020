"""Search, let a generator say what is still missing, search for that: bounded by rounds and by tokens.

For questions that no single search answers ("where was the director of X born?"). Off by default: each round costs a
generation. Knows the search and the generator as callables; every round goes through the same filtered search.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from graft.errors import GraftError
from graft.retrieval.expansion import Write
from graft.retrieval.fusion import reciprocal_rank_fusion
from graft.retrieval.lists import Numbered, hits
from graft.types import Hit, Usage

_ENOUGH = "ENOUGH"
_PROMPT = """Here are a question and the passages found so far. If they hold all that is needed to answer, reply with \
the one word ENOUGH. Otherwise reply with one short search query for what is missing, and nothing else.

Question: {question}

{passages}"""
# What the generator reads of a round: the best five, a paragraph each.
_SHOWN, _LETTERS = 5, 700
_LONGEST_QUERY = 300


@dataclass(frozen=True, slots=True)
class Rounds:
    """What the rounds found. `queries` are those searched, the question first; `stopped` says why no more followed:
    "enough", "rounds", "tokens", "repeated", "nothing new" or "failed"."""

    hits: tuple[Hit, ...]
    queries: tuple[str, ...]
    stopped: str
    usage: Usage = field(default_factory=Usage)


def search_in_rounds(
    question: str,
    first: Sequence[Hit],
    search: Callable[[str], Sequence[Hit]],
    write: Write,
    *,
    rounds: int,
    max_tokens: int,
) -> Rounds:
    """Go on from the `first` hits of a question for at most `rounds` searches in all, the first included.

    Stops early when the generator says ENOUGH, repeats a query, finds nothing new, fails, or has used `max_tokens`
    (prompt and completion together; checked before each call, so that one call may go over). The rounds' lists are
    fused by reciprocal rank: what a later round was for stands beside what the first found.
    """
    lists, queries, usage = [list(first)], [question], Usage()
    stopped = "rounds"
    while len(queries) < rounds:
        if usage.prompt + usage.completion >= max_tokens:
            stopped = "tokens"
            break
        try:
            [reply] = write([_prompt(question, fused(lists))])
        except GraftError:  # what was found stands
            stopped = "failed"
            break
        usage += reply.usage
        query = _query(reply.text)
        if query is None or query.casefold() in {old.casefold() for old in queries}:
            stopped = "enough" if query is None else "repeated"
            break
        queries.append(query)
        found = list(search(query))
        known = {hit.chunk.id for hits in lists for hit in hits}
        lists.append(found)
        if all(hit.chunk.id in known for hit in found):
            stopped = "nothing new"
            break
    return Rounds(tuple(fused(lists)), tuple(queries), stopped, usage)


def fused(lists: Sequence[Sequence[Hit]]) -> list[Hit]:
    """Fuse the rounds' hits. Each keeps the ranks and scores of the round that saw it first; a single round is left
    as it is."""
    if len(lists) == 1:
        return list(lists[0])
    seen: dict[str, Hit] = {}
    for found in lists:
        for hit in found:
            seen.setdefault(hit.chunk.id, hit)
    source = Numbered()
    listed = {
        f"round-{number}": source.listed([(hit.chunk, hit.score) for hit in found])
        for number, found in enumerate(lists, 1)
    }
    ranked = hits(reciprocal_rank_fusion(listed, source.ids), listed, source)
    return [
        Hit(
            hit.chunk,
            hit.score,
            {**seen[hit.chunk.id].ranks, **hit.ranks},
            {**seen[hit.chunk.id].scores, **hit.scores},
        )
        for hit in ranked
    ]


def _prompt(question: str, hits: Sequence[Hit]) -> str:
    shown = "\n\n".join(
        f"[{number}] {hit.chunk.searchable[:_LETTERS]}" for number, hit in enumerate(hits[:_SHOWN], 1)
    )
    return _PROMPT.format(question=question, passages=shown or "(none found)")


def _query(reply: str) -> str | None:
    """Return the query of a reply; None for enough, for silence and for an essay."""
    line = next((line.strip() for line in reply.splitlines() if line.strip()), "")
    line = re.sub(r"^(?:search )?query\s*:\s*", "", line, flags=re.IGNORECASE).strip().strip('"“”')
    if not line or len(line) > _LONGEST_QUERY or re.match(rf"\W*{_ENOUGH}\b", line, re.IGNORECASE):
        return None
    return line
