"""How often the flags on figures, names and negation are raised rightly and wrongly, on changed and unchanged answers.

    python benchmarks/support_flags.py --data ../shared/data [--split dev]

CLAPnq's answers, which people wrote from one passage each, sentence by sentence: as written (a flag is a false alarm, or
shows what the passage does not say), and with one figure 7 higher, one name taken from another answer, or one "not" put
in or taken out (a flag is right). The data is not part of this repository; the changes are made here, not by people.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.encoder_support import read
from graft.decision.statistics import wilson
from graft.evaluation.checks.flags import (
    denies,
    names,
    reversed_claims,
    unsupported_names,
    unsupported_numbers,
)
from graft.evaluation.checks.groundedness import claims

Case = tuple[str, str, str]
"""A claim, its passage with the title, and the question."""
_VERB = re.compile(r"\b(is|was|are|were|has|had|can|will|may|must|should)\b")


def other_number(claim: str) -> str | None:
    """Return the claim with its first number 7 higher."""
    found = re.search(r"\b\d[\d,]*\b", claim)
    if found is None:
        return None
    return claim[: found.start()] + str(int(found[0].replace(",", "")) + 7) + claim[found.end() :]


def other_negation(claim: str) -> str | None:
    """Return the claim without its "not", or with one behind its first auxiliary."""
    if denies(claim):
        changed = re.sub(r"\b(?:not|never) |n['’]t\b", "", claim, count=1)
        return None if changed == claim else changed
    verb = _VERB.search(claim)
    return f"{claim[: verb.end()]} not{claim[verb.end() :]}" if verb else None


def other_name(names_of: Sequence[str], chance: random.Random) -> Callable[[str], str | None]:
    """Return what puts a name of the others in the place of a claim's last one."""

    def change(claim: str) -> str | None:
        found = names(claim)
        if not found:
            return None
        name = chance.choice([other for other in names_of if other not in claim])
        return name.join(claim.rsplit(found[-1], 1))

    return change


def show(what: str, flag: Callable[[Case], bool], cases: Sequence[Case]) -> None:
    """Print in how many cases the flag is raised."""
    raised = sum(flag(case) for case in cases)
    value, low, high = wilson(raised, len(cases))
    shown = (
        "–" if value is None or low is None or high is None else f"{value:6.1%}  {low:6.1%} to {high:6.1%}"
    )
    print(f"{what:<44}{shown}{len(cases):>8}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="dev")
    parser.add_argument("--print", type=int, default=0, help="print so many false alarms of each flag")
    arguments = parser.parse_args()
    texts = {
        row["id"]: f"{row['title']}\n{row['text']}" for row in read(arguments.data / "clapnq/corpus.jsonl.gz")
    }
    asked = [row for row in read(arguments.data / f"clapnq/queries-{arguments.split}.jsonl.gz")
             if row.get("answers") and row["relevant"]]  # fmt: skip
    cases = [
        (claim, texts[row["relevant"][0]], row["question"])
        for row in asked
        for claim in claims(row["answers"][0], row["question"])
    ]
    every = sorted({name for claim, _, _ in cases for name in names(claim)})
    chance = random.Random(0)
    flags: dict[str, tuple[Callable[[Case], tuple[str, ...]], Callable[[str], str | None]]] = {
        "a figure": (lambda case: unsupported_numbers(case[0], [case[1]], case[2]), other_number),
        "a name": (lambda case: unsupported_names(case[0], [case[1]], case[2]), other_name(every, chance)),
        "a not": (lambda case: reversed_claims([case[0]], [case[1]]), other_negation),
    }
    print(f"{'flag raised':<44}{'share':>6}  {'95 % interval':<16}{'claims':>8}")
    for name, (flag, change) in flags.items():
        pairs = [(case, (changed, *case[1:])) for case in cases if (changed := change(case[0])) is not None]
        show(f"{name}, as written", lambda case, flag=flag: bool(flag(case)), [case for case, _ in pairs])
        show(f"{name}, changed", lambda case, flag=flag: bool(flag(case)), [case for _, case in pairs])
        for case in [case for case, _ in pairs if flag(case)][: arguments.print]:
            print(f"    {flag(case)}: {case[0]}\n        {case[1][:600]!r}")


if __name__ == "__main__":
    main()
