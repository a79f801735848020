"""The diagnostic arms: oracle, which is shown the gold evidence, and few-shot, which is shown the nearest examples.

They stand in the table, cannot win, and say where the losses are: oracle - rag is what better retrieval could bring,
hybrid - few-shot what tuning brings over showing examples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from graft.errors import GraftError, NotBuilt
from graft.generation.few_shot import FewShot, Shown
from graft.generation.followup import search_query
from graft.generation.variant import Retrieved, Variant
from graft.tuning.examples import read_examples
from graft.types import Example, Hit, Question, content_hash
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
            made[name] = _oracle(parts, questions) if name == "oracle" else _few_shot(parts)
        except GraftError as error:
            missing[name] = str(error)
    return made, missing


def _oracle(parts: Parts, questions: Sequence[Question]) -> Variant:
    """Return rag with the gold evidence as its context. A question without any is answered from what the search finds, so that
    oracle - rag is what better retrieval could bring and nothing else."""
    rag = parts.variant("rag")
    gold = {
        search_query(question.messages): [Hit(chunk, 1.0) for chunk in parts.gold.chunks(question.evidence)]
        for question in questions
    }

    def shown(hits: Sequence[Hit], found: Retrieved) -> Retrieved:
        context = parts.retrieval.context(hits)
        return Retrieved(context, found.timings, ranking=tuple(hit.reference() for hit in hits))

    def find(queries: Sequence[str]) -> list[Retrieved]:
        assert rag.search is not None
        return [
            shown(gold[query], found) if gold.get(query) else found
            for query, found in zip(queries, rag.search(queries), strict=True)
        ]

    return replace(rag, name="oracle", search=find, fingerprint_parts=[*rag.fingerprint_parts, "oracle"])


def _few_shot(parts: Parts) -> Variant:
    """Return rag (base where nothing is indexed) with the nearest examples before the question."""
    path = parts.root / parts.config.tuning.examples
    if not path.exists():
        raise NotBuilt(
            f"few-shot shows examples, and there is no {path.name}.", "Write some, or leave the arm out."
        )
    examples = [example for example in read_examples(path) if example.split != "test"]
    near = Neighbours(examples, parts.retrieval.embedder)
    shots = parts.config.evaluation.shots
    inner = parts.variant("rag" if len(parts.retrieval.store) else "base")

    def nearest(asked: Sequence[str]) -> list[Shown]:
        return [
            [(example.input, example.output) for example in found] for found in near.nearest(asked, shots)
        ]

    made_of = [str(shots), parts.retrieval.embedder.fingerprint, *(_mark(example) for example in examples)]
    generator = FewShot(inner.generator, nearest, fingerprint_parts=made_of)
    return replace(inner, name="few-shot", generator=generator)


def _mark(example: Example) -> str:
    return content_hash(example.input, example.output)
