"""How long metrics and statistics take: 4 variants × 1,000 questions, on one core, without any model.

    python benchmarks/measuring_speed.py [--questions 1000] [--profile]

The questions and answers are made up: an answer of two sentences with citations, five passages of about 100 words, 20 hits, gold
spans, two thirds answerable, eight questions a document. Target: under 10 seconds for all of it. Loading of numpy and scipy is
not counted.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import random
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

from graft.decision.compare import compare
from graft.decision.recommending.recommend import recommend
from graft.evaluation.metrics.catalogue import score
from graft.types import Answer, Citation, Evidence, Message, Passage, Question, RankedHit, Row, Usage

VARIANTS = ("base", "rag", "tuned", "hybrid")
# How often each is right: all better than saying nothing, so that every step of the recommendation is taken.
GOOD = {"base": 0.6, "rag": 0.7, "tuned": 0.68, "hybrid": 0.71}
_VOCABULARY = [
    f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in ("n", "rd", "st", "lo", "mi", "pe", "")
]


def _words(chance: random.Random, count: int) -> str:
    return " ".join(chance.choice(_VOCABULARY) for _ in range(count))


def _passage(chance: random.Random, document: str) -> Passage:
    text = ". ".join(_words(chance, 17).capitalize() for _ in range(6)) + "."
    return Passage(document, 0, len(text), text)


def made_up(n: int) -> tuple[list[Question], dict[str, list[Row]], dict[Evidence, str]]:
    """Return questions, rows of each variant, and the text of the gold evidence."""
    chance = random.Random(0)
    questions, rows, texts = [], {name: [] for name in VARIANTS}, {}
    for at in range(n):
        document = f"d{at // 8}"
        shown = [_passage(chance, document if rank == 0 else f"d{chance.randrange(n)}") for rank in range(5)]
        places = [(passage.document, passage.start, passage.end) for passage in shown]
        places += [(f"d{chance.randrange(n)}", 0, 700) for _ in range(15)]
        hits = tuple(
            RankedHit(f"c{at}-{rank}", *place, score=1 / rank) for rank, place in enumerate(places, 1)
        )
        fact = shown[0].text.split(". ")[1]
        start = shown[0].text.index(fact)
        gold = Evidence(document, start, start + len(fact))
        texts[gold] = fact
        answerable = at % 3 > 0
        asked = (Message("user", f"What about {_words(chance, 6)}?"),)
        questions.append(
            Question(f"q{at}", asked, (fact,) if answerable else (), answerable, (gold,) if answerable else (),
                     stratum="seen" if at % 2 else "unseen", cluster=document)
        )  # fmt: skip
        for name in VARIANTS:
            right = f"{fact} [1]. {_words(chance, 12).capitalize()} [2]." if answerable else "I don't know."
            said = right if chance.random() < GOOD[name] else f"{_words(chance, 14)}."
            passages = tuple(shown) if name in ("rag", "hybrid") else ()
            citation = Citation(1, document, 0, len(shown[0].text), shown[0].text)
            answer = Answer(said, name, (citation,) if passages else (), passages, usage=Usage(900, 40),
                            timings={"search": 0.01, "total": 0.4} if passages else {"total": 0.3}, cost=0.0004,
                            ranking=hits if passages else None)  # fmt: skip
            rows[name].append(Row(f"q{at}", name, "ok", answer))
    return questions, rows, texts


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--questions", type=int, default=1000)
    parser.add_argument("--profile", action="store_true")
    arguments = parser.parse_args()
    questions, rows, texts = made_up(arguments.questions)
    small = made_up(8)
    score(small[0], small[1]["rag"], evidence_text=small[2].get)  # imports
    profile = cProfile.Profile()
    if arguments.profile:
        profile.enable()
    started = time.process_time()
    scores = {name: score(questions, rows[name], evidence_text=texts.get) for name in VARIANTS}
    scored = time.process_time()
    shared = {
        "questions": [question.id for question in questions], "clusters": [question.cluster for question in questions],
        "answerable": [question.answerable for question in questions], "strata": [question.stratum for question in questions],
        "seed": 0,
        "latencies": {name: [row.answer.timings["total"] for row in rows[name][:75] if row.answer] for name in VARIANTS},
    }  # fmt: skip
    comparison = compare(scores, **shared)
    compared = time.process_time()
    recommend(comparison, scores, **shared, costs={name: 0.0001 * at for at, name in enumerate(VARIANTS)})
    done = time.process_time()
    if arguments.profile:
        profile.disable()
        pstats.Stats(profile).sort_stats("cumulative").print_stats(25)
    metrics = len(scores["base"])
    print(
        f"{len(VARIANTS)} variants × {len(questions):,} questions, {metrics} metrics, {len(comparison.contrasts)} contrasts, one core"
    )
    for what, seconds in (
        ("metrics", scored - started),
        ("comparison", compared - scored),
        ("recommendation", done - compared),
    ):
        print(f"  {what:<15}{seconds:6.2f} s")
    print(f"  {'all':<15}{done - started:6.2f} s of processor time")


if __name__ == "__main__":
    main()
