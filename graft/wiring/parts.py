"""All parts of one project, and the variants composed of them.

This package and the verbs (verbs/) are the only places that see the settings; what they hand out gets only the values
it needs. Nothing here runs a stage.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

from graft import plugins
from graft.decision.costs.cost import PriceTable, load_prices
from graft.decision.costs.pricing import MachinePricing, TokenPricing
from graft.decision.recommending.utility import Values
from graft.errors import ConfigError, NotBuilt, UnknownName
from graft.evaluation.checks.abstention import is_abstention
from graft.generation import prompts
from graft.generation.followup import SearchFor, condensed, search_query
from graft.generation.variant import Retrieved, Variant
from graft.protocols import Filter
from graft.settings import BASELINES, VARIANTS, Config, Mode, RetrievalSection
from graft.types import Message
from graft.wiring.gold import GoldEvidence
from graft.wiring.models import ModelParts
from graft.wiring.retrieval import RetrievalParts
from graft.wiring.versions import UNBUILT, Versions
from graft.workspace import Workspace

ADAPTED = ("tuned", "hybrid")
Search = Callable[[Sequence[str]], list[Retrieved]]


class Parts:
    """The parts of one project."""

    def __init__(self, config: Config, root: Path, workspace: Workspace) -> None:
        self.config = config
        self.root = root
        self.workspace = workspace
        self.models = ModelParts(config.generation, config.tuning.trainer, root, workspace)
        self.versions = Versions(workspace)
        self._opened: dict[str, RetrievalParts] = {}
        self._current: tuple[tuple[int, int], RetrievalParts] | None = None
        self._gold: tuple[tuple[RetrievalParts, str], GoldEvidence] | None = None

    @property
    def retrieval(self) -> RetrievalParts:
        """What finds evidence, by the version of the index that is in service now."""
        stamp = self.versions.stamp()  # a promotion by any process is seen at the next look
        if self._current is None or self._current[0] != stamp:
            self._current = (stamp, self.retrieval_of(self.versions.current()))
        return self._current[1]

    def retrieval_of(self, version: str | None) -> RetrievalParts:
        """What finds evidence by a version of the index, opened once; None has the settings of graft.toml and no index
        yet. Raises UnknownName."""
        stored = None if version is None else self.versions.get(version)
        key = "" if stored is None else stored.name + stored.created
        if key not in self._opened:
            section = self.config.retrieval if stored is None else stored.applied(self.config.retrieval)
            self._opened[key] = self.retrieval_with(section, version or UNBUILT)
        return self._opened[key]

    def retrieval_with(self, section: RetrievalSection, version: str = UNBUILT) -> RetrievalParts:
        """What finds evidence by other settings than graft.toml's."""
        return RetrievalParts(section, self.workspace, self.models.count_tokens, self.models.write, version)

    def _search(self, mode: Mode | None, where: Filter | None) -> Search:
        """A search that goes on in another version of the index as soon as one is promoted."""
        held = self.retrieval
        search = held.search(mode=mode, where=where)

        def find(queries: Sequence[str]) -> list[Retrieved]:
            nonlocal held, search
            now = self.retrieval
            if now is not held:
                held, search = now, now.search(mode=mode, where=where)
            return search(queries)

        return find

    @property
    def gold(self) -> GoldEvidence:
        """Gold evidence, looked up in the index."""
        now = (self.retrieval, self.retrieval.index.fingerprint)  # an index may be updated in place
        if self._gold is None or self._gold[0] != now:
            self._gold = (now, GoldEvidence(now[0].store))
        return self._gold[1]

    @property
    def values(self) -> Values:
        """What answers are worth to the user."""
        decision = self.config.decision
        return Values(decision.right, decision.wrong, decision.abstain, decision.format)

    @cached_property
    def prices(self) -> PriceTable:
        """The dated price table, with the project's own prices laid over it."""
        return load_prices(self.config.costs.prices)

    def is_local(self, variant: str) -> bool:
        """Whether a variant runs on this machine, so that asking it costs time and no money."""
        return (self.models.tunable and variant not in self.config.variants) or variant in BASELINES

    def pricing(self, variant: str) -> MachinePricing | TokenPricing:
        """What an answer of a variant costs."""
        decision = self.config.decision
        if self.is_local(variant):
            return MachinePricing(decision.machine_per_hour, self.prices)
        options = self.config.generation.model.options
        prices = (decision.input_price, decision.output_price)
        if prices == (None, None):  # what the model's own budget is kept by
            prices = (options.get("input_price"), options.get("output_price"))
        return TokenPricing(str(options.get("model", "")), *prices, self.prices)

    def _query(self, conversation: Sequence[Message]) -> SearchFor:
        """What to search for, by the rule or rewritten by the generator."""
        if self.config.retrieval.condense:
            return condensed(conversation, self.models.write)
        return SearchFor(search_query(conversation))

    def variant(self, name: str, *, where: Filter | None = None, adapter: str | None = None) -> Variant:
        """Compose a variant: prompt + generator + maybe search + maybe adapter. The baselines quote the best sentences
        instead of generating. `adapter` is the key of a released adapter; default: the newest. Raises NotBuilt when a
        part of it has not been built."""
        if name in self.config.variants:
            raise ConfigError(f"{name!r} is a competitor: GRAFT measures it and does not answer with it.",
                              f"Ask it where it lives, or name one of {', '.join(VARIANTS)}.")  # fmt: skip
        if name not in (*VARIANTS, *BASELINES):
            raise UnknownName("variant", name, (*VARIANTS, *BASELINES))
        mode: Mode | None = "bm25" if name == "bm25" else None
        searches = name not in ("base", "tuned")
        if searches and len(self.retrieval.store) == 0:
            raise NotBuilt(f"The variant {name!r} searches, and nothing is indexed yet.", "Run graft build.")
        generation, quotes = self.config.generation, name in BASELINES
        folder = self.models.adapter(name, adapter) if name in ADAPTED else None
        window = 0 if quotes else self.models.context_length
        if window and generation.max_tokens >= window:
            raise ConfigError(f"'max_tokens' in [generation] is {generation.max_tokens}, and the model reads and writes {window} tokens in all.",
                              "Leave room for the prompt.")  # fmt: skip
        return Variant(
            name,
            plugins.build("generator", "extractive") if quotes else self.models.answering(folder),
            instructions=generation.instructions,
            search=self._search(mode, where) if searches else None,
            query=self._query,
            max_tokens=generation.max_tokens,
            temperature=generation.temperature,
            seed=self.config.project.seed,
            min_score=self.config.retrieval.min_score or None,
            min_confidence=generation.min_confidence.get(name, 0.0),
            held=bool(self.models.contract) and not quotes,
            prompt_budget=window - generation.max_tokens if window else None,
            price=self.pricing(name),
            is_abstention=is_abstention,
            fingerprint_parts=[
                prompts.fingerprint(generation.instructions),
                self.retrieval.fingerprint(mode) if searches else "",
                repr(where),
            ],
        )
