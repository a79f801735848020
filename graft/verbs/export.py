"""export: the model of a variant, written so that it runs elsewhere and is asked the same way.

Writes beside the folder that was asked for and renames it when it is whole and was compared with what GRAFT says: a kill
leaves no half of a model under that name. Nothing is overwritten.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from graft.errors import ConfigError, DataError, NotBuilt, UnknownName, WorkspaceError
from graft.evaluation.question_sets.questions import read_questions
from graft.generation import prompts
from graft.protocols import Exported, Exporter
from graft.records import to_dict
from graft.settings import BASELINES, VARIANTS
from graft.tuning.adapters import AdapterManifest, verify
from graft.tuning.examples import read_examples
from graft.types import Context, Message
from graft.verbs.ask import default_variant
from graft.verbs.exporting.card import CHECK, Card, card
from graft.verbs.release import current, released
from graft.wiring.parts import ADAPTED, Parts
from graft.workspace import append_lines, guard, write_json, write_text

QUESTIONS = 8
"""So many questions are put to both models: enough to see a broken template or a lost layer, which change every answer."""
RECORD = "graft.json"

Dtype = Literal["auto", "float32", "bfloat16", "float16"]


@dataclass(frozen=True, slots=True)
class Export:
    """What was written. `dtype` is "" for an adapter alone; `same` of `asked` answers had the same likeliest token at every
    place, and no logit differed by more than `difference`: both None where no model was written."""

    variant: str
    folder: str
    base: str
    adapter: str
    dtype: str
    bytes: int
    asked: int
    same: int | None
    difference: float | None

    @property
    def text(self) -> str:
        """What was written, and how it compares."""
        size = f"{self.bytes / 2**20:,.0f} MB" if self.bytes < 2**30 else f"{self.bytes / 2**30:.1f} GB"
        if self.same is None:
            what = f"the adapter of {self.variant}, for the base {self.base}"
            compared = f"Its files are those that GRAFT answers with. {CHECK}: {self.asked} questions with what they say."
        else:
            what = f"{self.variant} as one model in {self.dtype}"
            compared = (f"Read back and compared: the same token first at every place of {self.same} of {self.asked} answers, "
                        f"no logit differs by more than {self.difference:.1g}.")  # fmt: skip
        return (f"Wrote {what}, to {self.folder} ({size}).\n  {compared}\n"
                "  README.md there says how it is asked, and served by vLLM, llama.cpp and transformers.")  # fmt: skip


def export(
    parts: Parts,
    variant: str | None = None,
    *,
    to: Path | None = None,
    adapter_only: bool = False,
    dtype: Dtype = "auto",
) -> Export:
    """Write a variant's model to the folder `to`; default: `models/VARIANT-ADAPTER` beside graft.toml.

    `variant` defaults to the released one, else the recommended one. Raises NotBuilt for a variant without an adapter,
    WorkspaceError for a folder that is not empty and a disk without room, Mismatch for an adapter that does not fit, a base
    that cannot be merged into, and a written model that says something else.
    """
    with parts.workspace.lock("export"):
        name, key = _chosen(parts, variant)
        adapter = parts.models.adapter(name, key)
        manifest = verify(adapter, prompt=prompts.fingerprint(parts.config.generation.instructions),
                          base=parts.models.generator().fingerprint)  # fmt: skip
        label = f"{name}-{adapter.name[:8]}{'-adapter' if adapter_only else ''}"
        folder = (to or parts.root / "models" / label).expanduser().resolve()
        _check_free(parts, folder)
        generator = parts.models.generator(adapter)
        if not isinstance(generator, Exporter):
            raise NotBuilt(f"The generator {parts.config.generation.model.name!r} cannot be exported.",
                           "Its adapter lies in " + str(adapter) + ".")  # fmt: skip
        asked = _prompts(parts, name, key)
        staging = folder.parent / f".{folder.name}.part"
        with guard(staging):
            shutil.rmtree(staging, ignore_errors=True)
            staging.mkdir(parents=True)
        try:
            made = generator.export(staging, asked, max_tokens=parts.config.generation.max_tokens,
                                    adapter_only=adapter_only, dtype=dtype)  # fmt: skip
            written = _described(parts, name, adapter.name, manifest, made, asked, staging, folder)
            with guard(folder):
                for path in staging.rglob("*"):
                    if path.is_file():  # temporary files are private, and a server may run as somebody else
                        path.chmod(0o644)
                staging.rename(folder)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise
    return written


def _chosen(parts: Parts, variant: str | None) -> tuple[str, str | None]:
    """Return the variant and the key of its adapter, None for the newest."""
    if variant is not None and variant not in (*VARIANTS, *BASELINES):
        raise UnknownName("variant", variant, ADAPTED, "to export")
    promoted = None if variant else current(parts.workspace)
    name = variant or (promoted.variant if promoted else default_variant(parts))
    if name not in ADAPTED:
        why = "" if variant else f" It is {'released' if promoted else 'what answers now'}."
        raise NotBuilt(
            f"{name} has no adapter, so there is nothing to export: its model is the configured one, as it is.{why}",
            "Name one that has: graft export tuned, or graft export hybrid.",
        )
    if promoted is not None:
        released(parts, promoted)  # raises Mismatch when the release no longer fits
        return name, promoted.adapter
    return name, None


def _check_free(parts: Parts, folder: Path) -> None:
    """Raise unless the folder is free to be written, and no part of the documents: its README would be found by asking."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise WorkspaceError(
            f"{folder} is not empty.",
            "Nothing is overwritten: name another folder with --to, or remove this one.",
        )
    for path in parts.config.documents.paths:
        if folder.is_relative_to((parts.root / path).resolve()):
            raise ConfigError(f"{folder} lies among the documents ([documents] paths = {path!r}) and would be indexed.",
                              "Name a folder elsewhere with --to.")  # fmt: skip


def _prompts(parts: Parts, name: str, key: str | None) -> list[list[Message]]:
    """Return what the variant would ask its model for some of the project's questions, passages included."""
    config = parts.config
    questions, examples = parts.root / config.evaluation.questions, parts.root / config.tuning.examples
    found: list[Sequence[Message]] = []
    if questions.exists():
        found = [question.messages for question in read_questions(questions)]
    elif examples.exists():
        found = [example.messages for example in read_examples(examples)]
    some = found[:: max(1, len(found) // QUESTIONS)][:QUESTIONS]
    contexts: list[Context | None] = [None] * len(some)
    if name == "hybrid":
        contexts = [
            Context(answer.passages) for answer in parts.variant(name, adapter=key).answer_batch(some)
        ]
    asked = [
        prompts.build(messages, context, config.generation.instructions)
        for messages, context in zip(some, contexts, strict=True)
        if context is None or context.passages
    ]
    if not asked:
        raise DataError("There is no question to compare the export on.",
                        f"Put some into {config.evaluation.questions}; {QUESTIONS} are enough.")  # fmt: skip
    return asked


def _described(
    parts: Parts,
    name: str,
    key: str,
    manifest: AdapterManifest,
    made: Exported,
    asked: Sequence[Sequence[Message]],
    staging: Path,
    folder: Path,
) -> Export:
    """Write the questions with their answers, the README, and last the record; return what was written."""
    generation = parts.config.generation
    append_lines(staging / CHECK, [
        json.dumps({"messages": to_dict(messages), "max_tokens": generation.max_tokens, "answer": answer}, ensure_ascii=False)
        for messages, answer in zip(asked, made.answers, strict=True)
    ])  # fmt: skip
    prompt = prompts.fingerprint(generation.instructions)
    method = str(manifest.settings.get("method", ""))
    what = (
        f"the base with the adapter merged in, {made.dtype}"
        if made.dtype
        else f"a peft adapter of rank {made.rank}"
    )
    contract = parts.models.contract
    held = [("answers", "held to a format while they are written, by GRAFT and not by these weights. Ask other servers for the same "
             f"(`response_format` of vLLM and llama.cpp): `{json.dumps(contract, ensure_ascii=False)}`")] if contract else []  # fmt: skip
    facts = [
        ("what", what),
        ("base", f"`{made.base}`, fingerprint {parts.models.generator().fingerprint}"),
        ("adapter", f"{key}: {method}, {manifest.summary}"),
        ("prompt", f"fingerprint {prompt}"),
        *held,
        ("written", datetime.now(UTC).isoformat(timespec="seconds")),
    ]  # fmt: skip
    if made.same is not None:
        facts.append(("compared", f"read back: the same likeliest token at every place of {made.same} of {len(asked)} answers, "
                                  f"no logit differs by more than {made.difference:.1g}"))  # fmt: skip
    called = f"{parts.config.project.name or parts.root.name}-{name}"
    write_text(staging / "README.md", card(Card(
        name=called, variant=name, facts=facts, asked=asked[0], max_tokens=generation.max_tokens, exported=made,
        temperature=generation.temperature,        wide=method == "full",
    )))  # fmt: skip
    with guard(staging):
        size = sum(path.stat().st_size for path in staging.rglob("*") if path.is_file())
    done = Export(
        variant=name, folder=str(folder), base=made.base, adapter=key, dtype=made.dtype, bytes=size, asked=len(asked),
        same=made.same, difference=made.difference,
    )  # fmt: skip
    record = {
        **to_dict(done), "adapter_fingerprint": manifest.fingerprint, "base_fingerprint": parts.models.generator().fingerprint,
        "prompt": prompt, "identity": dict(manifest.identity), "system": asked[0][0].content, "max_tokens": generation.max_tokens,
        "temperature": generation.temperature, "format": dict(contract), "stop": list(made.stop), "chat_template_kwargs": dict(made.switches),
        "versions": dict(manifest.versions),
    }  # fmt: skip
    del record["folder"]  # it may be moved
    write_json(staging / RECORD, record)
    return done
