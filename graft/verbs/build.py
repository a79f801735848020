"""build: documents → index, examples → adapters.

Only what changed is embedded. An adapter is trained again when the examples, the base model, the prompt or the tuning
settings changed, not when documents did: a new document is answerable without training anything. Interrupted, the same
call goes on where it stopped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from graft.evaluation.checks.abstention import is_abstention
from graft.generation import prompts
from graft.generation.followup import search_query
from graft.protocols import Progress
from graft.records import to_dict
from graft.retrieval.context import widened
from graft.retrieval.documents import Loaded
from graft.retrieval.files import Problem
from graft.retrieval.index import IndexReport
from graft.stages import StageReport, Stages
from graft.tuning.adapters import AdapterManifest
from graft.tuning.dataset import Grounding, grounded_rows, plain_rows, split
from graft.tuning.examples import Checked, check_examples, read_examples
from graft.tuning.train import train_adapter
from graft.types import Context, Example, Hit, Message, Passage, TrainingRow, content_hash
from graft.verbs.building.forgetting import Forgetting, measure
from graft.verbs.comparing.development import measured_questions
from graft.verbs.indexing.filling import (
    in_step,
    index_documents,
    library,
    skipped_note,
    trim_when_large,
    unread_lines,
)
from graft.wiring.parts import ADAPTED, Parts
from graft.workspace import write_json

# A passage of the default chunker, and what stands around a question (contract, template), for estimates.
_PASSAGE_TOKENS = 160
_FRAME_TOKENS = 60


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What `build` did. `problems` are files that could not be read; `notes` what the user should know."""

    index: IndexReport
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    adapters: Mapping[str, AdapterManifest] = field(default_factory=dict)
    stages: Mapping[str, StageReport] = field(default_factory=dict)
    forgotten: Mapping[str, Forgetting] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The same in a few lines."""
        index = self.index
        changes = ", ".join(
            f"{getattr(index, what)} {what}" for what in ("added", "changed", "deleted", "unchanged")
        )
        lines = [
            f"Indexed {index.documents} documents, {index.chunks} chunks: {changes}; {index.embedded} chunks embedded."
        ]
        lines += unread_lines(self.problems)
        lines += self.notes
        for name, manifest in self.adapters.items():
            lines.append(f"Trained {name}: {manifest.summary}")
            lines += [f"  {told}" for told in (manifest.curve, *manifest.notes) if told]
            if name in self.forgotten:
                lines.append(f"  kept: {self.forgotten[name].summary}")
        lines += [
            f"  {name:<14} {stage.seconds:7.1f} s   peak {stage.peak_mb:6.0f} MB"
            for name, stage in self.stages.items()
        ]
        return "\n".join(lines)


def build(parts: Parts, *, progress: Progress, retrain: bool = False) -> BuildReport:
    """Index the documents and train the adapters that the variants need. `retrain` trains in any case."""
    stages = Stages()
    with parts.workspace.lock("build"):
        with stages.stage("read"):
            documents = library(parts).look(progress)
        with stages.stage("index"):
            indexed = index_documents(parts, documents, progress)
            trim_when_large(parts)
        report = indexed.report
        # A few new chunks take mostly what any build takes: their seconds say nothing of indexing everything.
        if 2 * report.embedded > report.chunks:
            seconds = stages.reports["index"].seconds
            write_json(parts.workspace.indexing, {"embedded": report.embedded, "seconds": seconds})
        tuning = Tuning(parts, frozenset(documents.fingerprints))
        manifests = {}
        for name in tuning.adapters:
            with stages.stage(f"tune {name}"):
                manifests[name] = tuning.train(name, progress, retrain=retrain)
        forgotten = {}
        for name in tuning.adapters if parts.config.tuning.retention else ():
            with stages.stage(f"retention {name}"):
                forgotten[name] = measure(parts, name, progress)
    notes = [note for note in (indexed.note, skipped_note(documents)) if note] + [*tuning.notes]
    if tuning.grounded:
        made = ", ".join(f"{count} {what}" for what, count in tuning.grounded.items() if count)
        notes.append(f"Rows with passages: {made}.")
    if tuning.adapters and not forgotten:
        notes.append("What the adapters forgot was not measured: [tuning] retention is off.")
    notes += [told for name, found in forgotten.items() if (told := found.warning(name))]
    return BuildReport(report, documents.problems, tuple(notes), manifests, stages.reports, forgotten)


def read_documents(parts: Parts) -> Loaded:
    """Read the project's documents with their text. Raises DataError when there are none at all."""
    documents = library(parts).look()
    return Loaded(tuple(documents.read(list(documents.fingerprints))), documents.problems, documents.skipped)


class Tuning:
    """The examples of a project, and which adapters are made of them.

    Nothing is read or trained before it is asked for. `documents` are the known document ids.
    """

    def __init__(self, parts: Parts, documents: frozenset[str]) -> None:
        self._parts = parts
        self._documents = documents
        self.grounded: Counter[str] = Counter()
        """How the grounded rows came about: how many kept their golden passage, abstain, lost distractors …"""

    @cached_property
    def adapters(self) -> tuple[str, ...]:
        """The variants that need an adapter and can get one."""
        wanted = tuple(name for name in ADAPTED if name in self._parts.config.evaluation.variants)
        return wanted if not self._obstacle else ()

    @cached_property
    def _obstacle(self) -> str:
        parts = self._parts
        path = parts.root / parts.config.tuning.examples
        if not path.exists():
            return f"There is no {parts.config.tuning.examples}: tuned and hybrid are left out."
        if not parts.models.tunable:
            name = parts.config.generation.model.name
            return f"The generator {name!r} carries no adapters that GRAFT trains: tuned and hybrid are left out."
        return "" if self.checked.kept else "No example could be kept: tuned and hybrid are left out."

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What the user should know: why variants are missing, what was found in the examples."""
        if self._obstacle:
            return (self._obstacle,)
        return tuple(self.checked.summary().splitlines())

    @cached_property
    def checked(self) -> Checked:
        """The examples, read and checked. Raises DataError for malformed lines, LeakError for held-out questions."""
        parts = self._parts
        asked = parts.root / parts.config.evaluation.questions
        questions = measured_questions(parts)[0] if asked.exists() else ()
        return check_examples(
            read_examples(parts.root / parts.config.tuning.examples),
            questions=[(question.id, question.text) for question in questions],
            count_tokens=parts.models.count_tokens,
            max_tokens=parts.models.context_length,
            known_documents=self._documents,
        )

    def key(self, name: str) -> str:
        """Return the name of a variant's adapter: the hash of all that it is made of."""
        parts = sorted(self._identity(name).items())
        return content_hash(name, *(f"{part}={value}" for part, value in parts))

    def train(
        self, name: str, progress: Progress, *, retrain: bool = False, in_use: bool = True
    ) -> AdapterManifest:
        """Train an adapter, or return the finished one when nothing that it is made of has changed. `in_use` makes it the
        one that the variant answers with."""
        parts = self._parts
        key = self.key(name)
        manifest = train_adapter(
            lambda: self._rows(name), parts.models.trainer(), parts.workspace.adapter(key),
            identity=self._identity(name), seed=parts.config.project.seed, progress=progress, retrain=retrain,
        )  # fmt: skip
        if in_use:
            write_json(parts.workspace.adapter_pointer(name), {"key": key})
        return manifest

    def estimate(self, name: str) -> dict[str, float]:
        """Return steps, tokens and seconds of training a variant's adapter, at most; times one step. Nothing has been
        retrieved yet, so each grounded prompt is taken at its passages' budget."""
        parts = self._parts
        retrieval = parts.config.retrieval
        passages = (
            min(retrieval.passage_tokens, retrieval.passages * _PASSAGE_TOKENS) if name == "hybrid" else 0
        )
        lengths = [parts.models.count_tokens(row.prompt[-1].content + row.answer) + passages + _FRAME_TOKENS
                   for row in plain_rows(self.checked.kept, self._prompt)]  # fmt: skip
        estimate = getattr(parts.models.trainer(), "estimate", None)
        return {"tokens": sum(lengths)} if estimate is None else dict(estimate(lengths))

    def _identity(self, name: str) -> dict[str, str]:
        """What an adapter is made of. The documents are not part of it: retrieval keeps them fresh."""
        parts = self._parts
        config = parts.config
        grounding = [
            config.tuning.golden_fraction,
            config.retrieval.passages,
            config.retrieval.passage_tokens,
        ]
        return {
            "variant": name,
            "examples": content_hash(*(repr(to_dict(example)) for example in self.checked.kept)),
            "base": parts.models.generator().fingerprint,
            "prompt": prompts.fingerprint(config.generation.instructions),
            "trainer": parts.models.trainer().fingerprint,
            "split": f"dev_fraction={config.tuning.dev_fraction} seed={config.project.seed}",
            "grounding": repr(grounding) if name == "hybrid" else "",
        }

    def _rows(self, name: str) -> tuple[list[TrainingRow], list[TrainingRow]]:
        """Return the training and the dev rows of a variant."""
        config = self._parts.config
        train, dev = split(
            self.checked.kept, dev_fraction=config.tuning.dev_fraction, seed=config.project.seed
        )
        if name == "tuned":
            return plain_rows(train, self._prompt), plain_rows(dev, self._prompt)
        retrieved = self._groundings([*train, *dev])
        return self._grounded(train, retrieved), self._grounded(dev, retrieved)

    def _grounded(self, examples: Sequence[Example], retrieved: Mapping[str, Grounding]) -> list[TrainingRow]:
        parts = self._parts
        config = parts.config

        def fits(prompt: Sequence[Message], answer: str) -> bool:
            """Whether the model reads prompt and answer whole; the end-of-turn token takes one place."""
            length = parts.models.generator().count_tokens(prompt) + parts.models.count_tokens(answer) + 1
            return not parts.models.context_length or length <= parts.models.context_length

        rows = grounded_rows(
            examples, retrieved, self._prompt, passages=config.retrieval.passages, fits=fits,
            golden_fraction=config.tuning.golden_fraction, seed=config.project.seed, is_abstention=is_abstention,
        )  # fmt: skip
        self.grounded.update(rows.counts)
        return rows

    def _prompt(self, messages: Sequence[Message], context: Context | None = None) -> list[Message]:
        return prompts.build(messages, context, self._parts.config.generation.instructions)

    def _groundings(self, examples: Sequence[Example]) -> dict[str, Grounding]:
        """Retrieve for every example as the variant will, and collect the passages of the documents it names."""
        parts = self._parts
        # Twice the passages: distractors are left over when those that give the answer away are taken out.
        search = parts.retrieval.search(k=2 * parts.config.retrieval.passages)
        found = search([search_query(example.messages) for example in examples])
        golden: dict[str, list[Passage]] = {}
        named = sorted({document for example in examples for document in example.documents})
        held = {document: list(parts.retrieval.store.chunks([document])) for document in named}
        for document, chunks in held.items():
            # As the reader would get them: a chunk cut small to be found stands for the wider span that is shown.
            shown = [widened(Hit(chunk, 0.0), held.__getitem__) for chunk in chunks]
            golden[document] = list({(passage.start, passage.end): passage for passage in shown}.values())
        return {
            example.id: Grounding(
                passages=result.context.passages,
                golden=tuple(
                    passage for document in example.documents for passage in golden.get(document, ())
                ),
            )
            for example, result in zip(examples, found, strict=True)
        }


def plan(parts: Parts) -> dict[str, Any]:
    """Say what `build` would do: documents to read, chunks to embed, rows to train on, and the seconds of each."""
    documents = library(parts).look()
    changes = parts.retrieval_of(None if not in_step(parts) else parts.versions.current()).index.plan(
        documents
    )
    tuning = Tuning(parts, frozenset(documents.fingerprints))
    adapters = {}
    for name in tuning.adapters:
        adapters[name] = {"examples": len(tuning.checked.kept), **tuning.estimate(name)}
    return {"index": changes, "adapters": adapters, "notes": list(tuning.notes), "cost_usd": 0.0}
