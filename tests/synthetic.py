"""A comparison made up for the report's tests: four variants and two baselines that answer by chance, with a seed.

The answers are invented; scores, statistics and the verdict are computed by the real code.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from graft.decision.compare import compare
from graft.decision.recommending.failures import Facts, attribute
from graft.decision.recommending.recommend import Values, recommend
from graft.evaluation.metrics.catalogue import score
from graft.types import (
    Answer,
    Citation,
    Comparison,
    Evidence,
    Message,
    Passage,
    Question,
    RankedHit,
    Recommendation,
    Row,
    Usage,
    Value,
)  # fmt: skip

# Chance of finding the evidence, of a right answer with and without it, of declining otherwise, of keeping the format.
ARMS = {
    "base": (0.0, 0.00, 0.06, 0.25, 0.05),
    "rag": (0.86, 0.80, 0.03, 0.55, 0.15),
    "tuned": (0.0, 0.00, 0.30, 0.20, 0.98),
    "hybrid": (0.86, 0.84, 0.10, 0.70, 0.97),
    "extractive": (0.86, 0.62, 0.00, 0.30, 0.00),
    "bm25": (0.72, 0.78, 0.03, 0.55, 0.15),
}
TOPICS = (
    "laptops",
    "leave",
    "travel",
    "badges",
    "parking",
    "invoices",
    "interns",
    "phones",
    "visitors",
    "releases",
)
FORMAT = {"regex": r"Answer: [^\n]+\nDesk: (it|people|finance)"}
FILLER = "Requests go through the service desk, which answers within two working days. Exceptions need the head of the team. "


@dataclass(frozen=True)
class Made:
    """What `write_report` takes."""

    comparison: Comparison
    recommendation: Recommendation
    rows: dict[str, list[Row]]
    questions: tuple[Question, ...]
    scores: dict[str, dict[str, list[Value]]]
    stages: dict[str, list[dict[str, float]]]


def make(n: int = 200, *, seed: int = 0, draws: int = 400, arms: Any = ARMS, passage_size: int = 5) -> Made:
    """Return a comparison of `arms` on `n` questions; every fifth has no answer."""
    chance = random.Random(seed)
    questions = tuple(_question(number) for number in range(n))
    documents = {question.cluster: _document(number) for number, question in enumerate(questions)}
    rows = {name: [_row(name, arms[name], at, question, documents, chance, passage_size) for at, question in enumerate(questions)]
            for name in arms}  # fmt: skip
    evidence = {
        item: documents[item.document][item.start : item.end]
        for question in questions
        for item in question.evidence
    }
    scores = {name: score(questions, answered, evidence_text=evidence.get) for name, answered in rows.items()}
    stages = {name: _stages(arms[name], chance) for name in arms}
    shared = {
        "questions": [question.id for question in questions], "clusters": [question.cluster for question in questions],
        "answerable": [question.answerable for question in questions], "seed": seed, "draws": draws,
        "latencies": {name: [sample["total"] for sample in samples] for name, samples in stages.items()},
    }  # fmt: skip
    comparison = compare(scores, **shared, strata=[question.stratum for question in questions],
                         fingerprints={"questions": "3f1c2a9b77d0e145", "index": "0d9e8c7b6a5f4e3d", "rag": "77aa12"})  # fmt: skip
    costs = {name: _mean(scores[name]["cost"]) for name in arms}
    recommendation = recommend(
        comparison, scores, **shared, costs=costs, values=Values(), failures=_failures(questions, scores)
    )
    return Made(comparison, recommendation, rows, questions, scores, stages)


def _question(number: int) -> Question:
    topic = TOPICS[number % len(TOPICS)]
    answerable = number % 5 != 4
    document = f"{topic}/guide-{number // 2:03d}.md"
    return Question(
        id=f"q{number:03d}",
        messages=(Message("user", f"What is the yearly limit for {topic} in office {number}?"),),
        answers=(f"${1000 + 7 * number:,}",) if answerable else (),
        answerable=answerable,
        evidence=(Evidence(document, 0, 60),) if answerable else (),
        format=FORMAT,
        stratum="seen" if number % 3 else "unseen",
        cluster=document,
        tags=(f"desk:{topic}",),
    )


def _document(number: int) -> str:
    return (
        f"The yearly limit for {TOPICS[number % len(TOPICS)]} in office {number} is ${1000 + 7 * number:,}. "
        + FILLER * 4
    )


def _row(name, arm, at, question, documents, chance, passage_size) -> Row:
    finds, with_evidence, without, declines, form = arm
    if chance.random() < 0.01:
        return Row(question.id, name, "error", None, "EndpointError: The endpoint answered 503 three times.")
    passages = (
        tuple(_passages(question, documents, chance, found=chance.random() < finds, size=passage_size))
        if finds
        else ()
    )
    held = bool(passages) and any(item.document == question.cluster for item in passages)
    right = question.answerable and chance.random() < (with_evidence if held else without)
    figure = f"${1000 + 7 * at:,}" if right else f"${900 + 11 * at:,}"
    said = f"The yearly limit is {figure}."
    declined = not right and chance.random() < declines
    if declined:
        said = "I don't know."
    cites = ()
    if passages and not declined:
        number = next((n for n, item in enumerate(passages, 1) if item.document == question.cluster), 1)
        cites = (
            Citation(number, passages[number - 1].document, 0, 60, passages[number - 1].text[:60], page=None),
        )
        said += f" [{number}]"
    if chance.random() < form:
        said = f"Answer: {said}\nDesk: {'none' if chance.random() < 0.02 else 'finance'}"
    seconds = (0.9 if passages else 0.35) * chance.lognormvariate(0, 0.25)
    usage = Usage(820 if passages else 140, 18)
    timings = {"embed": 0.02, "search": 0.03, "total": seconds} if passages else {"total": seconds}
    answer = Answer(
        said,
        name,
        citations=cites,
        passages=passages,
        abstained=declined,
        dropped_citations=int(not passages and chance.random() < 0.05),
        usage=usage,
        timings=timings,
        cost=0.0007 if passages else 0.0003,
        ranking=_ranking(passages, question) if finds else None,
    )
    return Row(question.id, name, "ok", answer)


def _passages(question, documents, chance, *, found, size):
    names = [
        name
        for name in chance.sample(sorted(documents), min(size, len(documents)))
        if name != question.cluster
    ]
    if found:
        names.insert(chance.choice([0, 0, 0, 1, 2]), question.cluster)
    for name in names[:size]:
        text = documents[name]
        yield Passage(name, 0, len(text), text, name.split("/")[0].title(), ("Limits",), score=0.5)


def _ranking(passages, question):
    """What was shown first, then what was found and cut: at times the evidence that was not shown."""
    places = [(item.document, item.start, item.end) for item in passages]
    if all(item.document != question.cluster for item in passages) and int(question.id[1:]) % 2:
        places.append((question.cluster, 0, 400))
    return tuple(
        RankedHit(f"chunk{rank}", document, start, end, score=1 / rank, ranks={"bm25": rank})
        for rank, (document, start, end) in enumerate(places, 1)
    )


def _stages(arm, chance):
    base = {"prefill": 0.1, "decode": 0.3} | ({"embed": 0.02, "search": 0.03} if arm[0] else {})
    found = []
    for _ in range(80):
        sample = {
            stage: seconds * chance.lognormvariate(0, 0.3) * (2.5 if arm[0] and stage == "prefill" else 1)
            for stage, seconds in base.items()
        }
        found.append({"total": sum(sample.values()), **sample})
    return found


def _mean(values: list[Value]) -> float | None:
    known = [value.value for value in values if value.value is not None]
    return sum(known) / len(known) if known else None


def _failures(questions, scores):
    def flag(value, least):
        return None if value.value is None else value.value >= least

    return {
        name: attribute(
            [question.id for question in questions],
            [
                Facts(
                    right=found["truthfulness"][at].value == 1,
                    abstained=found["truthfulness"][at].value == 0,
                    answerable=question.answerable,
                    found=flag(found["mrr@10"][at], 0.01),
                    shown=flag(found["context_recall"][at], 0.01),
                    supported=flag(found["ctx_grounded"][at], 0.5),
                    format_ok=flag(found["format"][at], 1.0),
                )
                for at, question in enumerate(questions)
            ],
        )
        for name, found in scores.items()
    }
