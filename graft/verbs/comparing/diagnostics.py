"""The diagnostic arms: oracle, which is shown the gold evidence; few-shot, which is shown the nearest examples; held, which
keeps the questions' format because nothing else is given any probability.

They stand in the table, cannot win, and say where the losses are: oracle - rag is what better retrieval could bring,
hybrid - few-shot and hybrid - held what tuning brings over what needs none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from graft.errors import GraftError, NotBuilt
from graft.generation.few_shot import FewShot, Shown
from graft.generation.followup import SearchFor, search_query
from graft.generation.variant import Retrieved, Variant
from graft.tuning.examples import read_examples
from graft.types import Example, Hit, Message, Question, content_hash
from graft.wiring.neighbours import Neighbours
from graft.wiring.parts import Parts


def diagnostic_arms(
    parts: Parts, questions: Sequence[Question], names: Sequence[str]
) -> tuple[dict[str, Variant], dict[str, str]]:
    """Return the arms of these names that can answer, and why the others cannot."""
    made: dict[str, Variant] = {}
    missing: dict[str, str] = {}
    for name in names:
        try:
            made[name] = _ARMS[name](parts, questions)
        except GraftError as error:
            missing[name] = str(error)
    return made, missing


def named_format(questions: Sequence[Question]) -> Mapping[str, Any] | None:
    """Return the format that the questions name, where they name one and the same; a question may name none."""
    named = {json.dumps(dict(q.format), sort_keys=True) for q in questions if q.format is not None}
    return json.loads(named.pop()) if len(named) == 1 else None


def _oracle(parts: Parts, questions: Sequence[Question]) -> Variant:
    """Return rag with the gold evidence as its context. A question without any is answered from what the search finds, so that
    oracle - rag is what better retrieval could bring and nothing else."""
    rag = parts.variant("rag")
    gold = {
        search_query(question.messages): [Hit(chunk, 1.0) for chunk in parts.gold.chunks(question.evidence)]
        for question in questions
    }

    def query(conversation: Sequence[Message]) -> SearchFor:
        """What is looked up among the gold by the rule; a follow-up without gold is rewritten as rag does."""
        wanted = search_query(conversation)
        return SearchFor(wanted) if gold.get(wanted) else rag.query(conversation)

    def shown(hits: Sequence[Hit], found: Retrieved) -> Retrieved:
        context = parts.retrieval.context(hits)
        return Retrieved(context, found.timings, ranking=tuple(hit.reference() for hit in hits))

    def find(queries: Sequence[str]) -> list[Retrieved]:
        assert rag.search is not None
        return [
            shown(gold[query], found) if gold.get(query) else found
            for query, found in zip(queries, rag.search(queries), strict=True)
        ]

    made_of = [*rag.fingerprint_parts, "oracle"]
    return replace(rag, name="oracle", search=find, query=query, fingerprint_parts=made_of)


def _few_shot(parts: Parts, _: Sequence[Question]) -> Variant:
    """Return rag (base where nothing is indexed) with the nearest examples before the question."""
    path = parts.root / parts.config.tuning.examples
    if not path.exists():
        raise NotBuilt(
            f"few-shot shows examples, and there is no {path.name}.", "Write some, or leave the arm out."
        )
    examples = [example for example in read_examples(path) if example.split != "test"]
    near = Neighbours(examples, parts.retrieval.embedder)
    shots = parts.config.evaluation.shots
    inner = _simplest(parts)

    def nearest(asked: Sequence[str]) -> list[Shown]:
        return [
            [(example.input, example.output) for example in found] for found in near.nearest(asked, shots)
        ]

    made_of = [str(shots), parts.retrieval.embedder.fingerprint, *(_mark(example) for example in examples)]
    generator = FewShot(inner.generator, nearest, fingerprint_parts=made_of)
    return replace(inner, name="few-shot", generator=generator)


def _held(parts: Parts, questions: Sequence[Question]) -> Variant:
    """Return rag (base where nothing is indexed) held to the one format that the questions name."""
    if parts.models.contract:
        raise NotBuilt("Every variant is held to a format already.", "Leave the arm out.")
    contract = named_format(questions)
    if contract is None:
        raise NotBuilt(
            "held keeps the one format of the questions, and they name none or several.",
            'Give every question the same "format", or leave the arm out.',
        )
    return replace(_simplest(parts).constrained(contract), name="held")


_ARMS: Mapping[str, Callable[[Parts, Sequence[Question]], Variant]] = {
    "oracle": _oracle,
    "few-shot": _few_shot,
    "held": _held,
}


def _simplest(parts: Parts) -> Variant:
    """Return rag, or base where nothing is indexed: what needs no training."""
    return parts.variant("rag" if len(parts.retrieval.store) else "base")


def _mark(example: Example) -> str:
    return content_hash(example.input, example.output)
