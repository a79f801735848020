"""General wordings, composed: thousands of ways to state any attribute and to ask for it.

A reader that had met only fourteen general questions answered 73 % of first tokens right in those and 34 % in wordings
it had not met (LOG.md). A lead, a core and a tail are drawn apart, so that no two questions look alike. The training
split only: the held-out wordings in `relations.py` are none of these.
"""

from __future__ import annotations

import random

SAID_LEADS = (
    "",
    "",
    "",
    "As of today, ",
    "According to the records, ",
    "Officially, ",
    "Since last year, ",
    "In the latest report, ",
    "At the moment, ",
    "For the record: ",
    "Note: ",
    "We confirmed that ",
    "It is known that ",
    "The team wrote that ",
    "As agreed, ",
    "Unless stated otherwise, ",
    "By the way, ",
)
SAID_CORES = (
    "the {n} of {e} is {v}",
    "{e} has {v} as its {n}",
    "{e}'s {n} is {v}",
    "the {n} for {e} stands at {v}",
    "{v} was chosen as the {n} of {e}",
    "{e} keeps {v} as {n}",
    "{e} comes with the {n} {v}",
    "the {n} given for {e} is {v}",
    "{e} works with {v} as {n}",
    "{v} is listed as {n} for {e}",
    "the {n} that belongs to {e} is {v}",
    "{e} now uses the {n} {v}",
    "with {e}, the {n} is {v}",
    "{e} reports {v} as {n}",
    "{n} and {e} go together as {v}",
    "whoever asks about {e} and its {n} is told {v}",
)
SAID_TAILS = (
    "",
    "",
    "",
    "",
    ", as before",
    ", and this will not change",
    " this year",
    " at present",
    " for now",
    " (see annex)",
)
ASK_LEADS = (
    "",
    "",
    "",
    "",
    "please, ",
    "hi, ",
    "hello. ",
    "quick one: ",
    "for my report: ",
    "just to be sure: ",
    "a customer asks: ",
    "my colleague wants to know: ",
    "can you help? ",
    "one thing: ",
    "sorry, ",
    "I have read the files, but ",
    "next: ",
    "tell me, ",
)
ASK_CORES = (
    "what is the {n} of {e}",
    "which {n} does {e} have",
    "what {n} is given for {e}",
    "what does it say about the {n} of {e}",
    "the {n} of {e}",
    "{e}, {n}",
    "{n} for {e}",
    "{e} {n}",
    "{n} {e}",
    "find the {n} of {e}",
    "name the {n} of {e}",
    "show the {n} for {e}",
    "check {e}: what is its {n}",
    "with regard to {e}, what is the {n}",
    "regarding {e}: {n}",
    "is there a {n} for {e}",
    "I forgot the {n} of {e}",
    "remind me of {e}'s {n}",
    "someone asked for the {n} of {e}",
    "we need {e}'s {n}",
    "what was the {n} of {e} again",
    "for {e}, what is the {n}",
    "take {e} and give me its {n}",
    "when you see {e}, which {n} is listed",
    "{e} has which {n}",
    "who or what is the {n} that belongs to {e}",
    "what would be the {n} of {e}",
    "let me know the {n} of {e}",
    "read out the {n} of {e}",
    "which {n} goes with {e}",
    "what can you say about {e}'s {n}",
    "report {e}'s {n}",
    "under {e}, which {n} do you find",
    "help me with the {n} of {e}",
    "may I have the {n} of {e}",
    "in the case of {e}, how does the {n} read",
    "if somebody wants the {n} and has {e} in mind, what do we answer",
    "{e} is what I care about, its {n} to be exact",
)
ASK_TAILS = (
    "?",
    "?",
    "?",
    "?",
    "",
    ".",
    ", please.",
    ", thanks",
    "? It is urgent.",
    "? I could not find it.",
    "...",
    "? Short answer.",
)


def composed(rng: random.Random, noun: str, said: int, asked: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return `said` statements and `asked` questions for an attribute, with {e} and {v} left open."""
    statements = [
        rng.choice(SAID_LEADS) + rng.choice(SAID_CORES) + rng.choice(SAID_TAILS) + "." for _ in range(said)
    ]
    questions = [rng.choice(ASK_LEADS) + rng.choice(ASK_CORES) + rng.choice(ASK_TAILS) for _ in range(asked)]
    return tuple(s.replace("{n}", noun) for s in statements), tuple(q.replace("{n}", noun) for q in questions)
