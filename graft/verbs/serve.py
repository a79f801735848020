"""serve: the variants behind an OpenAI-compatible API, on loopback and with a key unless told otherwise."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable

from graft.errors import ConfigError, GraftError
from graft.generation.variant import Variant
from graft.verbs.ask import default_variant
from graft.verbs.release import current, released
from graft.wiring.parts import Parts


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
    from graft.server.app import create_app
    from graft.server.run import run_server

    section = parts.config.serve
    default, variants, missing = offered(parts, variant)
    key = os.environ.get(section.key_env) or secrets.token_urlsafe(24)
    app = create_app(variants, default=default, key=key, cache=section.cache)
    address = f"http://{host or section.host}:{port or section.port}"
    announce(f"Serving {default} as the model 'graft', and {', '.join(variants)} by name, on {address}/v1")
    for name, why in missing.items():
        announce(f"  without {name}: {why}")
    if not os.environ.get(section.key_env):
        announce(f"API key for this run: {key}   (set {section.key_env} to choose your own)")
    announce(
        f"Try it in a browser: {address}/#key={key}"
        if not os.environ.get(section.key_env)
        else f"Try it: {address}/"
    )
    run_server(app, host=host or section.host, port=port or section.port)


def offered(parts: Parts, variant: str | None = None) -> tuple[str, dict[str, Variant], dict[str, str]]:
    """Return the name of the default variant, every variant that can answer now, and why the others cannot."""
    found, missing = {}, {}
    for name in parts.config.evaluation.variants:
        try:
            found[name] = parts.variant(name)
        except GraftError as error:
            missing[name] = str(error)
    promoted = None if variant else current(parts.workspace)
    if promoted is not None:
        found[promoted.variant] = released(parts, promoted)
        missing.pop(promoted.variant, None)
        return promoted.variant, found, missing
    default = variant or default_variant(parts)
    if default not in found:
        raise ConfigError(f"The variant {default!r} cannot be served.", f"Available: {', '.join(found)}.")
    return default, found, missing
