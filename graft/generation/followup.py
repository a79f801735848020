"""A conversation → what to search for: by a rule, or rewritten by a generator so that the question stands alone.

Knows generators as a callable. A generator that fails, or says something unusable, leaves the rule's query.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from graft.errors import GraftError
from graft.types import Generation, Message, Usage

# A last turn with fewer words than this, or with one of these words, is taken to lean on the turn before it.
_SHORT = 4
_REFERRING = frozenset({
    "it", "its", "they", "them", "their", "theirs", "he", "him", "his", "she", "her", "hers", "this", "that", "these",
    "those", "one", "ones", "there", "then", "former", "latter", "same", "such", "else", "other", "others",
})  # fmt: skip
_PROMPT = """Rewrite the last question so that it can be understood without the conversation. Reply with the question \
only.

{turns}"""
# The last turns are enough to resolve a reference, and a long answer among them needs no more than its beginning.
_TURNS, _LETTERS = 6, 600
_LONGEST = 500


@dataclass(frozen=True, slots=True)
class SearchFor:
    """What to search for, the tokens it took to find out, and whether a generator failed to say."""

    text: str
    usage: Usage = field(default_factory=Usage)
    failed: bool = False


def search_query(conversation: Sequence[Message]) -> str:
    """Return what to search for: the last user turn, led by the user turn before it when the last one leans on it.

    It leans when it has fewer than four words ("And in Spain?") or holds a word that refers back ("When was it
    built?"). A rule, not a rewrite by a model: it costs nothing and the same conversation always gives the same query.
    """
    turns = _asked(conversation)
    last = turns[-1]
    words = re.findall(r"[\w']+", last.lower())
    leans = len(words) < _SHORT or not _REFERRING.isdisjoint(words)
    return f"{turns[-2]}\n{last}" if leans and len(turns) > 1 else last


def condensed(
    conversation: Sequence[Message], write: Callable[[Sequence[str]], Sequence[Generation]]
) -> SearchFor:
    """Return the last question as a generator rewrites it.

    A first question is searched as it is and asks nobody. The rule's query stands when the generator fails.
    """
    plain = search_query(conversation)
    if len(_asked(conversation)) < 2:
        return SearchFor(plain)
    said = [turn for turn in conversation if turn.role != "system"][-_TURNS:]
    turns = "\n".join(f"{turn.role}: {turn.content[:_LETTERS]}" for turn in said)
    try:
        [reply] = write([_PROMPT.format(turns=turns)])
    except GraftError:  # searching by the rule beats not answering
        return SearchFor(plain, failed=True)
    text = " ".join(reply.text.split()).strip('"“”')
    usable = bool(text) and len(text) <= _LONGEST
    return SearchFor(text if usable else plain, reply.usage, failed=not usable)


def _asked(conversation: Sequence[Message]) -> list[str]:
    return [turn.content for turn in conversation if turn.role == "user"]
