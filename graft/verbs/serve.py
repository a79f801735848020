"""serve: the variants behind an OpenAI-compatible API, on loopback and with a key unless told otherwise; further keys
see what their rule allows."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from graft.errors import ConfigError, GraftError
from graft.generation.variant import Variant
from graft.plugins import missing_extra
from graft.protocols import Filter
from graft.types import Answer, Message, content_hash
from graft.verbs.ask import default_variant
from graft.verbs.release import Release, current, released
from graft.wiring.parts import ADAPTED, Parts
from graft.wiring.retrieval import narrowed

if TYPE_CHECKING:
    from graft.server.callers import Caller, Narrow

Chosen = str | Release
"""What the model `graft` is: a variant's name, or a release."""


def serve(
    parts: Parts,
    *,
    variant: str | None = None,
    host: str | None = None,
    port: int | None = None,
    announce: Callable[[str], None],
) -> None:
    """Serve until interrupted. The model `graft` is the named variant, else the current
    release, else the recommended one; every variant has its own name beside it."""
    try:
        from graft.server.app import create_app
        from graft.server.live import LiveLog
        from graft.server.run import run_server
    except ModuleNotFoundError as error:
        raise missing_extra("The server", error) from error

    section = parts.config.serve
    chosen = variant or standing(parts)
    default, variants, missing = offered(parts, chosen)
    key = os.environ.get(section.key_env) or secrets.token_urlsafe(24)
    callers = callers_of(parts, chosen)
    app = create_app(
        {name: live(parts, one) for name, one in variants.items()},
        default=default,
        key=key,
        narrow=narrowing(parts, chosen),
        callers=callers,
        cache=section.cache,
        keep=LiveLog(parts.root / section.log) if section.log else None,
    )
    address = f"http://{host or section.host}:{port or section.port}"
    announce(f"Serving {default} as the model 'graft', and {', '.join(variants)} by name, on {address}/v1")
    for name, why in missing.items():
        announce(f"  without {name}: {why}")
    if section.log:
        announce(f"  every question is kept in {section.log}")
    for caller in callers:
        announce(f"  the key of {caller.name} sees only {dict(section.keys[caller.name].where)}")
    if not os.environ.get(section.key_env):
        announce(f"API key for this run: {key}   (set {section.key_env} to choose your own)")
    announce(
        f"Try it in a browser: {address}/#key={key}"
        if not os.environ.get(section.key_env)
        else f"Try it: {address}/"
    )
    run_server(app, host=host or section.host, port=port or section.port)


@dataclass(frozen=True, slots=True)
class Live:
    """A variant in service. Its fingerprint follows the index, so that no kept answer outlives the documents it is from."""

    variant: Variant
    searched: Callable[[], str]

    @property
    def name(self) -> str:
        """The variant's name."""
        return self.variant.name

    @property
    def fingerprint(self) -> str:
        """Hash of the variant and of what its search goes over now."""
        return content_hash(self.variant.fingerprint, self.searched())

    def stream(self, question: Sequence[Message]) -> Iterator[str | Answer]:
        """Yield the answer's text, then the Answer."""
        return self.variant.stream(question)

    def constrained(self, contract: Mapping[str, Any]) -> Live:
        """Return it held to a format."""
        return Live(self.variant.constrained(contract), self.searched)


def live(parts: Parts, variant: Variant) -> Live:
    """Return a variant as it is served."""
    searches = variant.search is not None
    return Live(variant, lambda: parts.retrieval.fingerprint() if searches else "")


def standing(parts: Parts) -> Chosen:
    """Return what the model `graft` is when nobody names it: the current release, else the recommended variant. A server
    reads it once: what is released or compared while it runs is for the next one."""
    return current(parts.workspace) or default_variant(parts)


def callers_of(parts: Parts, chosen: Chosen | None = None) -> list[Caller]:
    """Return the callers of [serve.keys], each with the variants that search within its rule; what was tuned on
    everybody's examples may know more than a caller may see, and is not offered. Raises ConfigError when a key is not set."""
    from graft.server.callers import Caller

    chosen = chosen or standing(parts)
    made = []
    for name, section in parts.config.serve.keys.items():
        key = os.environ.get(section.env, "")
        if not key:
            raise ConfigError(
                f"The key of [serve.keys.{name}] is not set.", f"Set it: export {section.env}=…"
            )
        _, variants, _ = offered(parts, chosen, Filter.of(section.where))
        kept = {known: live(parts, one) for known, one in variants.items() if known not in ADAPTED}
        made.append(Caller(name, key, kept, narrowing(parts, chosen, section.where)))
    return made


def narrowing(parts: Parts, chosen: Chosen | None = None, rule: Mapping[str, Any] | None = None) -> Narrow:
    """Return what makes a variant for a request with a filter of its own, within a caller's rule. It raises ConfigError
    for what such a caller is not offered."""
    from graft.server.app import RELEASED

    chosen = chosen or standing(parts)
    promoted = chosen if isinstance(chosen, Release) else None
    default = chosen.variant if isinstance(chosen, Release) else chosen

    @lru_cache(maxsize=256)  # making one reads what the index holds
    def made(model: str, asked: Filter) -> Live:
        name = default if model == RELEASED else model
        if rule is not None and name in ADAPTED:
            raise ConfigError(
                f"{name} is not offered to a key with a rule: it was tuned on everybody's examples.",
                "Ask a variant that searches.",
            )
        where = narrowed(rule or {}, asked)
        if promoted is not None and name == promoted.variant:
            return live(parts, released(parts, promoted, where))
        return live(parts, parts.variant(name, where=where))

    return made


def offered(
    parts: Parts, chosen: Chosen | None = None, where: Filter | None = None
) -> tuple[str, dict[str, Variant], dict[str, str]]:
    """Return the name of the default variant, every variant that can answer now, and why the others cannot. `where` is
    put into each."""
    chosen = chosen or standing(parts)
    found, missing = {}, {}
    for name in parts.config.evaluation.variants:
        try:
            found[name] = parts.variant(name, where=where)
        except GraftError as error:
            missing[name] = str(error)
    if isinstance(chosen, Release):
        found[chosen.variant] = released(parts, chosen, where)
        missing.pop(chosen.variant, None)
        return chosen.variant, found, missing
    if chosen not in found:
        raise ConfigError(f"The variant {chosen!r} cannot be served.", f"Available: {', '.join(found)}.")
    return chosen, found, missing
