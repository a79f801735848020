"""Any OpenAI-compatible `/embeddings` endpoint, through httpx: batches, retries with backoff, a key from the environment.

Vectors come back normalised, whatever the endpoint does. The key is read when it is needed and never stored or shown.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import httpx
import numpy as np

from graft.backends.endpoint import key_in, named
from graft.errors import ConfigError, EndpointError
from graft.protocols import Matrix
from graft.types import content_hash

_TRY_AGAIN = frozenset({408, 409, 429, 500, 502, 503, 504})


class OpenAIEmbedder:
    """Embeds through an HTTP endpoint. Threads may share it."""

    @dataclass(frozen=True, slots=True)
    class Options:
        """`base_url` ends before `/embeddings`. `key_env` names the variable with the key; empty sends none, for local
        servers. `dimension`: ask for shorter vectors (0 leaves it to the model). `query_prefix`, `passage_prefix`: put
        before the texts, for models that want them. `retries` after the first try; `timeout` in seconds a try.
        """

        model: str = "text-embedding-3-small"
        base_url: str = "https://api.openai.com/v1"
        key_env: str = "OPENAI_API_KEY"
        dimension: int = 0
        batch: int = 128
        query_prefix: str = ""
        passage_prefix: str = ""
        retries: int = 5
        timeout: float = 60.0

    def __init__(self, options: Options | None = None, transport: httpx.BaseTransport | None = None) -> None:
        self._options = options or self.Options()
        self._client = httpx.Client(timeout=self._options.timeout, transport=transport)
        parts = (self._options.base_url, self._options.model, str(self._options.dimension))
        prefixes = (self._options.query_prefix, self._options.passage_prefix)
        self.fingerprint = content_hash("openai-embeddings", *parts, *prefixes)

    @cached_property
    def dimension(self) -> int:
        """Length of the vectors; asks the endpoint when the options do not say."""
        return self._options.dimension or len(self._request(["dimension"])[0])

    def encode(self, texts: Sequence[str], *, query: bool = False) -> Matrix:
        """Return float32 [len(texts), dimension], unit rows. Raises EndpointError after the last retry."""
        prefix = self._options.query_prefix if query else self._options.passage_prefix
        # Endpoints refuse empty strings; a space has a vector everywhere.
        wanted = [prefix + text if text.strip() else " " for text in texts]
        rows: list[Sequence[float]] = []
        for at in range(0, len(wanted), self._options.batch):
            rows += self._request(wanted[at : at + self._options.batch])
        made: Matrix = np.asarray(rows, dtype=np.float32).reshape(len(texts), -1 if texts else self.dimension)
        made /= np.maximum(np.linalg.norm(made, axis=1, keepdims=True), 1e-12)
        return made

    def _request(self, texts: Sequence[str]) -> list[Sequence[float]]:
        body: dict[str, Any] = {
            "model": self._options.model,
            "input": list(texts),
            "encoding_format": "float",
        }
        if self._options.dimension:
            body["dimensions"] = self._options.dimension
        data = self._post(body)
        try:
            rows = sorted(data["data"], key=lambda item: item["index"])
            vectors: list[Sequence[float]] = [item["embedding"] for item in rows]
        except (KeyError, TypeError) as error:
            hint = "Check that base_url is an OpenAI-compatible API."
            raise EndpointError(f"{self._url} did not return embeddings.", hint) from error
        if len(vectors) != len(texts):
            message = f"{self._url} returned {len(vectors)} embeddings for {len(texts)} texts."
            raise EndpointError(message, "Use a smaller 'batch'.")
        return vectors

    @property
    def _url(self) -> str:
        return f"{self._options.base_url.rstrip('/')}/embeddings"

    def _post(self, body: dict[str, Any]) -> Any:
        """Post with retries: 0.5 s, doubled each time, or what the endpoint asks for, at most 30 s."""
        reason = ""
        key = self._key()
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        for attempt in range(self._options.retries + 1):
            wait = min(0.5 * 2**attempt, 30.0)
            try:
                reply = self._client.post(self._url, json=body, headers=headers)
                if reply.is_success:
                    return reply.json()
                said = (
                    reply.text.replace(key, "***") if key else reply.text
                )  # some repeat a key that they refuse
                reason = f"HTTP {reply.status_code}: {said[:200]}"
                if reply.status_code not in _TRY_AGAIN:
                    break
                asked = reply.headers.get("retry-after", "")
                wait = min(float(asked), 30.0) if asked.replace(".", "", 1).isdigit() else wait
            except (httpx.TransportError, ValueError) as error:
                reason = named(error)
            if attempt < self._options.retries:
                time.sleep(wait)
        raise EndpointError(f"{self._url} failed ({reason}).", "Check base_url, model, key and network.")

    def _key(self) -> str:
        """Return the key, "" for none."""
        name = self._options.key_env
        key = key_in(name)
        if name and not key:
            raise ConfigError(
                f"The environment variable {name} is not set.",
                f"Set it, or another 'key_env': export {name}=…",
            )
        return key
