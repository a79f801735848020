"""From the settings to the parts: each is built once, when it is first needed.

Parts and the verbs (verbs/) are the only places that see the settings; what they hand out gets only the values it
needs. Nothing here runs a stage.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from graft import plugins
from graft.config import BASELINES, VARIANTS, Backend, Config, Mode
from graft.decision.pricing import MachinePricing, TokenPricing
from graft.errors import ConfigError, NotBuilt, UnknownName
from graft.evaluation.abstention import is_abstention
from graft.generation import prompts
from graft.generation.variant import Retrieved, Variant
from graft.protocols import Chunker, Embedder, Filter, Generator, Loader, Reranker, Store, Trainer
from graft.retrieval.context import assemble
from graft.retrieval.index import Index
from graft.retrieval.search import Searcher
from graft.tuning.adapters import verify
from graft.types import Chunk, Context, Evidence, Hit, Message, content_hash
from graft.workspace import Workspace, read_json

ADAPTED = ("tuned", "hybrid")


class Parts:
    """The parts of one project."""

    def __init__(self, config: Config, root: Path, workspace: Workspace) -> None:
        self.config = config
        self.root = root
        self.workspace = workspace
        self._generators: dict[str, Generator] = {}
        self._evidence: dict[str, list[Chunk]] = {}

    # --- retrieval ---------------------------------------------------------------------------------------------------

    @cached_property
    def loaders(self) -> dict[str, Loader]:
        """File suffix → loader, over all registered loaders."""
        found: dict[str, Loader] = {}
        for name in plugins.names("loader"):
            loader = plugins.build("loader", name)
            found.update(dict.fromkeys(loader.suffixes, loader))
        return found

    @cached_property
    def chunker(self) -> Chunker:
        """What cuts documents."""
        return self._backend("chunker", self.config.retrieval.chunker, "[retrieval.chunker]")  # type: ignore[no-any-return]

    @cached_property
    def embedder(self) -> Embedder:
        """What turns text into vectors."""
        return self._backend("embedder", self.config.retrieval.embedder, "[retrieval.embedder]")  # type: ignore[no-any-return]

    @cached_property
    def store(self) -> Store:
        """Where chunks and vectors lie."""
        choice = self.config.retrieval.store
        folder = self.workspace.index / choice.name
        return plugins.build("store", choice.name, choice.options, folder=folder, where="[retrieval.store]")  # type: ignore[no-any-return]

    @cached_property
    def reranker(self) -> Reranker | None:
        """The second look at the best hits, if one is configured."""
        choice = self.config.retrieval.reranker
        return None if choice is None else self._backend("reranker", choice, "[retrieval.reranker]")

    @cached_property
    def index(self) -> Index:
        """The index over the store."""
        return Index.open(self.workspace, store=self.store, embedder=self.embedder, chunker=self.chunker)

    def searcher(self, mode: Mode | None = None) -> Searcher:
        """A searcher; `mode` overrides the settings' (the BM25 baseline)."""
        retrieval = self.config.retrieval
        return Searcher(self.store, self.embedder, reranker=self.reranker, fusion_k=retrieval.fusion_k,
                        candidates=retrieval.candidates, mode=mode or retrieval.mode)  # fmt: skip

    def search(
        self, *, mode: Mode | None = None, where: Filter | None = None, k: int | None = None
    ) -> Callable[[Sequence[str]], list[Retrieved]]:
        """Return queries → contexts, as a variant wants it. `where` can only narrow the settings' own filter."""
        retrieval = self.config.retrieval
        searcher = self.searcher(mode)
        allowed = self._narrowed(where)
        passages = k or retrieval.passages

        def find(queries: Sequence[str]) -> list[Retrieved]:
            found = []
            # Twice as many hits as passages: near-duplicates and neighbours are merged on the way.
            for result in searcher.search_batch(queries, 2 * passages, allowed):
                context = assemble(result.hits, max_passages=passages, max_tokens=retrieval.passage_tokens,
                                   count=self.count_tokens)  # fmt: skip
                cosines = [hit.scores["dense"] for hit in result.hits if "dense" in hit.scores]
                found.append(Retrieved(context, dict(result.timings), max(cosines, default=None)))
            return found

        return find

    def _narrowed(self, where: Filter | None) -> Filter | None:
        own = dict(self.config.retrieval.where)
        if where is None:
            return Filter(own) if own else None
        for key, wanted in own.items():
            asked = where.equals.get(key, wanted)
            allowed = set(_options(wanted)) & set(_options(asked))
            own[key] = tuple(sorted(allowed))
        return Filter({**where.equals, **own}, where.documents)

    def search_fingerprint(self, mode: Mode | None = None) -> str:
        """Hash of all that decides what a search returns: the indexed content and the search settings."""
        retrieval = self.config.retrieval
        settings = replace(retrieval, mode=mode) if mode else retrieval
        return content_hash(self.index.fingerprint, repr(settings))

    # --- generation --------------------------------------------------------------------------------------------------

    @property
    def tunable(self) -> bool:
        """Whether the configured generator can carry an adapter that GRAFT trains."""
        return self.config.generation.model.name == "transformers"

    def is_local(self, variant: str) -> bool:
        """Whether a variant runs on this machine, so that asking it costs time and no money."""
        return (self.tunable and variant not in self.config.variants) or variant in BASELINES

    def pricing(self, variant: str) -> MachinePricing | TokenPricing:
        """What an answer of a variant costs."""
        decision = self.config.decision
        if self.is_local(variant):
            return MachinePricing(decision.machine_per_hour)
        model = str(self.config.generation.model.options.get("model", ""))
        return TokenPricing(model, decision.input_price, decision.output_price)

    def generator(self, adapter: Path | None = None) -> Generator:
        """The configured generator, with an adapter if one is given. One is kept per adapter."""
        key = str(adapter or "")
        if key not in self._generators:
            choice = self.config.generation.model
            options = {**choice.options, **({"adapter": key} if adapter else {})}
            self._generators[key] = plugins.build(
                "generator", choice.name, self._located(options), where="[generation.model]"
            )
        return self._generators[key]

    def trainer(self) -> Trainer:
        """What trains adapters for the configured model."""
        choice = self.config.tuning.trainer
        model = self.config.generation.model.options.get("model", "nano")
        options = self._located({"model": model, **choice.options})
        return plugins.build("trainer", choice.name, options, where="[tuning.trainer]")  # type: ignore[no-any-return]

    @property
    def context_length(self) -> int:
        """Tokens that the configured model reads, prompt and answer together; 0 when it is not known (an endpoint)."""
        return int(getattr(self.generator(), "context_length", 0))

    def adapter(self, name: str, key: str | None = None) -> Path:
        """The folder of the adapter that a variant uses now, or of the one with this key. Raises NotBuilt when there is
        none, Mismatch when it was made for another prompt or base model."""
        pointer = {"key": key} if key else read_json(self.workspace.adapter_pointer(name))
        if pointer is None:
            raise NotBuilt(
                f"The variant {name!r} has no adapter yet.",
                "Put examples in the project and run graft build.",
            )
        folder = self.workspace.adapter(pointer["key"])
        prompt = prompts.fingerprint(self.config.generation.instructions)
        verify(folder, prompt=prompt, base=self.generator().fingerprint)
        return folder

    def count_tokens(self, text: str) -> int:
        """Tokens of a text for the configured generator."""
        return self.generator().count_tokens([Message("user", text)])

    def _located(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Resolve a model path that is relative to the project folder."""
        model = options.get("model")
        if isinstance(model, str) and (self.root / model).is_dir():
            return {**options, "model": str(self.root / model)}
        return dict(options)

    def _backend(self, kind: str, choice: Backend, where: str) -> Any:
        return plugins.build(kind, choice.name, choice.options, where=where)

    # --- variants ----------------------------------------------------------------------------------------------------

    def variant(self, name: str, *, where: Filter | None = None, adapter: str | None = None) -> Variant:
        """Compose a variant: prompt + generator + maybe search + maybe adapter. The baselines quote the best sentences
        instead of generating. `adapter` is the key of a released adapter; default: the newest. Raises NotBuilt when a part of it has not been built."""
        if name in self.config.variants:
            raise ConfigError(f"{name!r} is a competitor: GRAFT measures it and does not answer with it.",
                              f"Ask it where it lives, or name one of {', '.join(VARIANTS)}.")  # fmt: skip
        if name not in (*VARIANTS, *BASELINES):
            raise UnknownName("variant", name, (*VARIANTS, *BASELINES))
        mode: Mode | None = "bm25" if name == "bm25" else None
        searches = name not in ("base", "tuned")
        if searches and len(self.store) == 0:
            raise NotBuilt(f"The variant {name!r} searches, and nothing is indexed yet.", "Run graft build.")
        generation = self.config.generation
        quotes = name in BASELINES
        folder = self.adapter(name, adapter) if name in ADAPTED else None
        generator = plugins.build("generator", "extractive") if quotes else self.generator(folder)
        retrieval = self.config.retrieval
        return Variant(
            name,
            generator,
            instructions=generation.instructions,
            search=self.search(mode=mode, where=where) if searches else None,
            max_tokens=generation.max_tokens,
            temperature=generation.temperature,
            seed=self.config.project.seed,
            min_score=retrieval.min_score or None,
            prompt_budget=self.context_length - generation.max_tokens
            if self.context_length and not quotes
            else None,
            price=self.pricing(name),
            is_abstention=is_abstention,
            fingerprint_parts=[
                prompts.fingerprint(generation.instructions),
                self.search_fingerprint(mode) if searches else "",
                repr(where),
            ],
        )

    # --- looking things up ---------------------------------------------------------------------------------------------

    def document_lengths(self) -> dict[str, int]:
        """Document id → the end of its last chunk, for checking that gold spans lie inside."""
        lengths: dict[str, int] = {}
        for chunk in self.store.chunks():
            lengths[chunk.document] = max(lengths.get(chunk.document, 0), chunk.end)
        return lengths

    def evidence_text(self, evidence: Evidence) -> str | None:
        """The text of a piece of gold evidence: its span, its page, or its whole document, from the stored chunks."""
        chunks = self._chunks_of(evidence.document)
        if evidence.start is None or evidence.end is None:
            kept = [chunk.text for chunk in chunks if evidence.page in (None, chunk.page)]
            return "\n".join(kept) or None
        pieces = [
            chunk.text[max(0, evidence.start - chunk.start) : evidence.end - chunk.start]
            for chunk in chunks
            if chunk.start < evidence.end and chunk.end > evidence.start
        ]
        return "\n".join(pieces) or None

    def gold_context(self, evidence: Sequence[Evidence]) -> Context:
        """The chunks that hold gold evidence, as a search would show them that had found them first."""
        chunks = [
            chunk
            for piece in evidence
            for chunk in self._chunks_of(piece.document)
            if (piece.page in (None, chunk.page) if piece.start is None or piece.end is None
                else chunk.start < piece.end and chunk.end > piece.start)
        ]  # fmt: skip
        retrieval = self.config.retrieval
        return assemble([Hit(chunk, 1.0) for chunk in chunks], max_passages=retrieval.passages,
                        max_tokens=retrieval.passage_tokens, count=self.count_tokens)  # fmt: skip

    def _chunks_of(self, document: str) -> list[Chunk]:
        if document not in self._evidence:
            self._evidence[document] = list(self.store.chunks([document]))
        return self._evidence[document]


def _options(wanted: Any) -> tuple[str, ...]:
    many = wanted if isinstance(wanted, tuple | list | set | frozenset) else (wanted,)
    return tuple(str(option) for option in many)


def parse_where(pairs: Sequence[str]) -> Filter | None:
    """Turn `key=value` pairs from a command line into a Filter; the same key twice means either."""
    equals: dict[str, tuple[str, ...]] = {}
    for pair in pairs:
        key, found, value = pair.partition("=")
        if not found or not key:
            raise ConfigError(f"--where {pair!r} is not key=value.", "For example: --where team=people")
        equals[key] = (*equals.get(key, ()), value)
    return Filter(equals) if equals else None
