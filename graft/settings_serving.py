"""The tables [serve] and [serve.keys.NAME]: where the server listens, and who may ask it for what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class KeySection:
    """A table [serve.keys.NAME]: a caller with a key and rights of its own."""

    env: str = ""
    """The environment variable that holds the caller's key."""
    where: Mapping[str, Any] = field(default_factory=dict)
    """What every passage shown to this caller must have, e.g. { team = ["people", "all"] }; its requests can only narrow it."""


@dataclass(frozen=True, slots=True)
class ServeSection:
    """The table [serve]."""

    host: str = "127.0.0.1"
    """Address to bind; loopback unless you say otherwise."""
    port: int = 8000
    """Port to bind."""
    key_env: str = "GRAFT_API_KEY"
    """The environment variable that holds the API key; a fresh key is made and printed when it is not set."""
    cache: int = 0
    """How many answers to keep in memory; 0 is none."""
    log: str = ""
    """Append each question that is answered to this JSONL file, relative to graft.toml, for graft drift. Off when empty: it
    holds what people ask."""
    keys: Mapping[str, KeySection] = field(default_factory=dict)
    """More callers, each a table [serve.keys.NAME]."""
