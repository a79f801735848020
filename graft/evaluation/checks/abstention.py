"""Whether an answer declines to answer.

One regular expression on the first two sentences of what the answer says. Two, because a good answer often ends with a
caveat: anywhere in the answer lowered the precision of the reference's narrower pattern from .925 to .831 (737
human-labelled refusals, FinanceBench).
Knows nothing of questions or scores; generation and training may use it too.
"""

from __future__ import annotations

import re
from functools import lru_cache

from graft.evaluation.checks.text import content, sentences

# What can be said to hold no answer. Bare verbs would flag "The company does not provide parking".
_SOURCE = (
    r"(?:passages?|context|documents?|documentation|texts?|sources?|articles?|excerpts?|material|information|evidence"
    r"|handbook|question)"
)
_SILENT = (
    r"(?:mention|say|state|specify|provide|contain|include|give|indicate|address|cover|answer|tell|disclose)"
)
# What is asked about, too: a policy that does not cover teeth, or a contract that does not include repairs, is an answer.
_WRITING = (
    r"(?:filings?|reports?|statements?|manuals?|guides?|polic(?:y|ies)|pages?|papers?|books?|contracts?|agreements?|e-?mails?"
    r"|files?|records?|snippets?|references?|transcripts?|results|chapters?|sections?|content|knowledge base)"
)
_REFUSALS = (
    r"\b(?:i|we) (?:really |simply |honestly )?(?:do not|don't|dont|did not|didn't) know\b(?! that\b)",
    r"\bi have no idea\b",
    # A hyphen is part of a word here: “I don't have real-time access”, as assistants without a search say.
    (
        r"\b(?:(?:i|we) (?:do not|don't|did not|didn't) (?:have|find|see)|i have no) (?:[\w-]+ ){0,3}"
        r"(?:information|context|details?|data|answer|mention|access)\b"
    ),
    r"\b(?:i|we)(?:'m| am|'re| are) (?:not sure|unsure|unable|not able|sorry)\b",
    (
        r"\b(?:i|we) (?:cannot|can't|can not|could not|couldn't|am unable to|was unable to) (?:\w+ )?"
        r"(?:answer|tell|say|determine|find|provide|confirm|verify|help|see|locate)\b"
    ),
    r"\b(?:cannot|can't|can not|could not|couldn't) be (?:answered|determined|inferred|verified)\b",
    r"\b(?:answer|information|details?|figure) (?:\w+ ){0,4}(?:cannot|can't|could not|couldn't) be found\b",
    r"\b(?:unable|not possible|impossible) to (?:answer|determine|tell|find|say|provide|infer)\b",
    rf"\b{_SOURCE}(?: \w+){{0,4}} (?:do|does|did)(?: not|n't)(?: \w+)? {_SILENT}\b",
    (
        rf"\b{_WRITING}(?: \w+){{0,4}} (?:do|does|did)(?: not|n't)(?: \w+)? (?:(?:mention|say|state|specify|indicate|tell|disclose)\b"
        r"|(?:provide|contain|include|give|offer|have) (?:\w+ ){0,4}(?:information|details?|data|figures?|mention|answer)\b)"
    ),
    (
        r"\b(?:no|not enough|insufficient|not sufficient) (?:\w+ )?(?:information|evidence|data|context|details?|mention)\b"
        r"(?=[^.!?]*\b(?:to|about|on|for|in|available|provided|given|found|regarding|of)\b|\W*$)"
    ),
    (
        r"\b(?:is|are|was|were)(?: not|n't) (?:\w+ )?(?:mentioned|stated|specified|provided|disclosed|given|available|found"
        rf"|contained|included|covered|addressed|described)(?: \w+)? (?:in|by|within)(?: \w+){{0,2}} {_SOURCE}\b"
    ),
    rf"\bnone of the {_SOURCE}\b",
    rf"\b{_SOURCE} (?:is|are|was|were) (?:insufficient|silent|not sufficient|not enough)\b",
    r"\b(?:not|cannot be) answerable\b|\bunanswerable\b",
    r"^\W*(?:unknown|n/?a|not (?:known|available|specified|stated|mentioned|found|sure|enough information))\W*$",
    # The same in some other languages, for models that answer in the language of the question.
    r"\bich wei(?:ß|ss)(?: \w+)? nicht\b|\bje ne sais pas\b|\bno lo s[eé]\b|\bnon lo so\b|\bn[aã]o sei\b",
    "不知道|无法回答|無法回答|无法确定|没有提及|わかりません|分かりません|答えられません|모르겠습니다|ไม่ทราบ|ไม่รู้",
)
_REFUSAL = re.compile("|".join(f"(?:{pattern})" for pattern in _REFUSALS), re.IGNORECASE)


@lru_cache(1 << 14)
def is_abstention(text: str) -> bool:
    """Whether the answer declines: a refusal in its first two sentences, behind a label or not, or no words at all.

    An answer that says nothing is an abstention too (CRAG scores both as "missing"): it tells nobody anything wrong.
    """
    said = sentences(content(text).replace("\u2019", "'"))
    if not any(character.isalnum() for character in "".join(said)):
        return True
    return _REFUSAL.search(" ".join(said[:2])) is not None
