"""The words of a text, as spelling, feedback and diversity count them.

Letters and digits in a run are a word; scripts that write no spaces between words (Chinese, Japanese, Thai) count by
pairs of characters, which finds their words without a dictionary. Knows nothing of a store's own analyser.
"""

from __future__ import annotations

import re

# The scripts of `chunks.token_ends`.
_UNSPACED = "\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff"
_RUN = re.compile(f"[{_UNSPACED}]+|[^\\W_{_UNSPACED}]+(?:['’][^\\W_{_UNSPACED}]+)*")
_PAIR = re.compile(f"[{_UNSPACED}]")


def words(text: str) -> list[str]:
    """Return the words in order, case folded; a run of an unspaced script as its overlapping pairs."""
    found: list[str] = []
    for run in _RUN.findall(text.casefold()):
        if len(run) > 1 and _PAIR.match(run):
            found += [run[at : at + 2] for at in range(len(run) - 1)]
        else:
            found.append(run)
    return found


def is_spaced(word: str) -> bool:
    """Whether a word belongs to a script that writes spaces between words."""
    return not _PAIR.search(word)
