"""The models of a project: the generator, with an adapter or without, and the trainer that makes adapters for it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from graft import plugins
from graft.errors import ConfigError, NotBuilt
from graft.generation import prompts
from graft.protocols import Constrained, Generator, Trainer
from graft.settings import Backend, GenerationSection
from graft.tuning.adapters import verify
from graft.types import Generation, Message
from graft.workspace import Workspace, read_json

# Three phrasings or three sentences; what is longer is no query.
_WRITTEN = 160


class ModelParts:
    """What generates and what trains. `root` is the project's folder, to which model paths are relative."""

    def __init__(
        self, generation: GenerationSection, trainer: Backend, root: Path, workspace: Workspace
    ) -> None:
        self._generation = generation
        self._trainer = trainer
        self._root = root
        self._workspace = workspace
        self._generators: dict[str, Generator] = {}

    @property
    def tunable(self) -> bool:
        """Whether the configured generator can carry an adapter that GRAFT trains."""
        return self._generation.model.name == "transformers"

    def generator(self, adapter: Path | None = None) -> Generator:
        """The configured generator, with an adapter if one is given. One is kept per adapter."""
        key = str(adapter or "")
        if key not in self._generators:
            choice = self._generation.model
            options = {**choice.options, **({"adapter": key} if adapter else {})}
            self._generators[key] = plugins.build(
                "generator", choice.name, located(options, self._root), where="[generation.model]"
            )
        return self._generators[key]

    def answering(self, adapter: Path | None = None) -> Generator:
        """The generator as it answers questions: held to the project's format, if there is one."""
        free = self.generator(adapter)
        contract = self.contract
        if not contract:
            return free
        key = f"{adapter or ''} held"
        if key not in self._generators:
            if not isinstance(free, Constrained):
                raise ConfigError(f"The generator {self._generation.model.name!r} cannot be held to a format.",
                                  "Remove schema and regex from [generation].")  # fmt: skip
            self._generators[key] = free.constrained(contract, prompts.ABSTENTION)
        return self._generators[key]

    @cached_property
    def contract(self) -> Mapping[str, Any]:
        """What [generation] schema or regex holds answers to; empty when neither is set."""
        if not self._generation.schema:
            return {"regex": self._generation.regex} if self._generation.regex else {}
        path = self._root / self._generation.schema
        try:
            schema = json.loads(path.read_text(encoding="utf-8-sig"))
        except OSError as error:
            raise ConfigError(f"'schema' in [generation] names {path}, which cannot be read: {error.strerror}.",
                              "Write a JSON Schema there, or remove the line.") from error  # fmt: skip
        except ValueError as error:
            raise ConfigError(f"{path} is not valid JSON: {error}.", "Mend the file.") from error
        if not isinstance(schema, dict):
            raise ConfigError(f"{path} holds no JSON Schema: it is no object.", "Mend the file.")
        return {"schema": schema}

    def write(self, prompts: Sequence[str]) -> list[Generation]:
        """What the base model replies to plain prompts: other wordings of a question, what is missing to answer it."""
        return self.generator().generate(
            [[Message("user", prompt)] for prompt in prompts], max_tokens=_WRITTEN
        )

    def trainer(self) -> Trainer:
        """What trains adapters for the configured model."""
        model = self._generation.model.options.get("model", "nano")
        options = located({"model": model, **self._trainer.options}, self._root)
        return plugins.build("trainer", self._trainer.name, options, where="[tuning.trainer]")  # type: ignore[no-any-return]

    @property
    def context_length(self) -> int:
        """Tokens that the configured model reads, prompt and answer together; 0 when it is not known (an endpoint)."""
        return int(getattr(self.generator(), "context_length", 0))

    def adapter(self, variant: str, key: str | None = None) -> Path:
        """The folder of the adapter that a variant uses now, or of the one with this key. Raises NotBuilt when there is
        none, Mismatch when it was made for another prompt or base model."""
        if not self.tunable:
            raise NotBuilt(
                f"The generator {self._generation.model.name!r} carries no adapters that GRAFT trains.",
                "A model tuned elsewhere competes by its endpoint: [variants.NAME] endpoint = …",
            )
        pointer = {"key": key} if key else read_json(self._workspace.adapter_pointer(variant))
        if pointer is None:
            raise NotBuilt(
                f"The variant {variant!r} has no adapter yet.",
                "Put examples in the project and run graft build.",
            )
        folder = self._workspace.adapter(pointer["key"])
        prompt = prompts.fingerprint(self._generation.instructions)
        verify(folder, prompt=prompt, base=self.generator().fingerprint)
        return folder

    def count_tokens(self, text: str) -> int:
        """Tokens of a text for the configured generator."""
        return self.generator().count_tokens([Message("user", text)])


def located(options: Mapping[str, Any], root: Path) -> dict[str, Any]:
    """Return a backend's options with the folder of its model, where that is given relative to the project's, made whole."""
    return {
        key: str(root / value)
        if key in {"path", "model"} and isinstance(value, str) and value and (root / value).is_dir()
        else value
        for key, value in options.items()
    }
