"""One HTTP endpoint that speaks JSON: its key, its retries, its errors.

Retries what may pass, never what will not. The key comes from the environment and stands in no message. Knows nothing of
what is asked: generators and embedders say that.
"""

from __future__ import annotations

import email.utils
import ipaddress
import json
import os
import random
import time
from collections.abc import Callable, Generator, Mapping
from typing import Any, Never

import httpx

from graft.errors import ConfigError, EndpointError

# Worth another try: timeouts, conflicts, rate limits, and what gateways and overloaded servers answer (529: Anthropic).
_PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 60.0  # seconds; doubled from try to try, or what Retry-After says
_HINTS = {
    400: "Check the model's name and options: the endpoint does not accept the request.",
    401: "Check the key in {key}.",
    402: "The account has no credit left.",
    403: "The key in {key} may not do this; ask the account's owner.",
    404: "Check base_url (with its version, such as /v1) and the model's name.",
    413: "The request is too large: show fewer passages.",
    422: "The endpoint does not accept one of the fields.",
    429: "Wait, ask for fewer things at once, or raise the account's limit.",
}


class Endpoint:
    """Requests to one base URL. Safe to use from several threads.

    `key_env` names the environment variable with the bearer key: empty for an endpoint without one, and it may be unset
    on loopback. `timeout` is seconds without a byte; `retries` come after the first try. Raises ConfigError for a bad
    URL or a missing key, EndpointError for everything that goes wrong on the wire.
    """

    def __init__(
        self,
        base_url: str,
        *,
        key_env: str,
        timeout: float,
        retries: int,
        connections: int,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._key_env = key_env
        self._key = _key(self.base_url, key_env)
        self._retries = retries
        self._sleep = sleep
        self._client = httpx.Client(
            timeout=timeout,
            transport=transport,
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            headers={"Authorization": f"Bearer {self._key}"} if self._key else {},
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST a JSON object and return the JSON object that comes back."""
        response = self._send(path, body, stream=False)
        return self._object(path, response.text)

    def events(self, path: str, body: Mapping[str, Any]) -> Generator[dict[str, Any]]:
        """POST a JSON object and yield the objects of the server-sent events that come back, to `[DONE]` or the end.

        Nothing is retried once the first byte has come.
        """
        response = self._send(path, body, stream=True)
        try:
            for line in response.iter_lines():
                data = line.removeprefix("data:").strip() if line.startswith("data:") else ""
                if data == "[DONE]":
                    return
                if data:
                    event = self._object(path, data)
                    if event.get("error"):
                        self._fail(f"{self.base_url}{path} broke off: {self._said(data)}")
                    yield event
        except httpx.TransportError as error:
            self._fail(f"{self.base_url}{path} broke off: {named(error)}", cause=error)
        finally:
            response.close()

    def _send(self, path: str, body: Mapping[str, Any], *, stream: bool) -> httpx.Response:
        url = self.base_url + path
        for attempt in range(self._retries + 1):
            final = attempt == self._retries
            after = None
            try:
                response = self._client.send(
                    self._client.build_request("POST", url, json=body), stream=stream
                )
            except httpx.TransportError as error:
                if final:
                    self._fail(f"{url} cannot be reached: {named(error)}{_tries(attempt)}",
                               "Check that the endpoint runs and that base_url is right.", error)  # fmt: skip
            else:
                if response.is_success:
                    return response
                after = response.headers.get("Retry-After")
                self._refuse(url, response, attempt, final=final)
            self._sleep(_wait(attempt, after))
        raise AssertionError("the last try returns or raises")

    def _refuse(self, url: str, response: httpx.Response, attempt: int, *, final: bool) -> None:
        """Raise what the endpoint answered, unless another try may pass."""
        response.read()
        response.close()
        said, status = self._said(response.text), response.status_code
        out_of_credit = "insufficient_quota" in response.text  # a 429 that no waiting mends
        if status in _PASSING and not final and not out_of_credit:
            return
        hint = _HINTS[402] if out_of_credit else _HINTS.get(status, "Check the endpoint's own log.")
        key = f"the environment variable {self._key_env}" if self._key_env else "key_env, which is empty"
        self._fail(f"{url} answered {status}: {said}{_tries(attempt)}", hint.format(key=key))

    def _object(self, path: str, text: str) -> dict[str, Any]:
        try:
            value = json.loads(text)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            self._fail(f"{self.base_url}{path} answered something else than a JSON object: {self._said(text)}",
                       "Check base_url: is it the API, and not a web page?")  # fmt: skip
        return value

    def _said(self, text: str) -> str:
        """Return the endpoint's own words in one short line, without the key."""
        try:
            value = json.loads(text)
            error = value.get("error", value.get("detail", text)) if isinstance(value, dict) else text
            said = str(error.get("message", error)) if isinstance(error, dict) else str(error)
        except ValueError:
            said = text
        if self._key:
            said = said.replace(self._key, "***")
        return " ".join(said.split())[:300] or "(nothing)"

    def _fail(self, message: str, hint: str = "Ask again.", cause: Exception | None = None) -> Never:
        raise EndpointError(message.rstrip(".") + ".", hint) from cause


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _key(base_url: str, key_env: str) -> str:
    """Return the key, "" for none."""
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL as error:
        raise ConfigError(
            f"base_url {base_url!r} is not a URL: {error}.", "For example: http://127.0.0.1:8000/v1"
        ) from error
    if url.scheme not in ("http", "https") or not url.host:
        raise ConfigError(
            f"base_url {base_url!r} is not an http(s) URL.", "For example: http://127.0.0.1:8000/v1"
        )
    key = key_in(key_env)
    if key_env and not key and not is_loopback(url.host):
        raise ConfigError(f"{url.host} needs a key, and the environment variable {key_env} is not set.",
                          f'Set it (export {key_env}=…), or key_env = "" for an endpoint without a key.')  # fmt: skip
    return key


def key_in(key_env: str) -> str:
    """Return the key in an environment variable, "" for none. Raises ConfigError, without the key, for characters that no
    header may have: a client's own complaint about them would show it."""
    key = os.environ.get(key_env, "").strip() if key_env else ""  # a .env file may end its lines in \r\n
    if not (key.isascii() and key.isprintable()):
        raise ConfigError(
            f"The environment variable {key_env} holds characters that no key has.", "Copy the key again."
        )
    return key


def _wait(attempt: int, retry_after: str | None) -> float:
    """Return the seconds before the next try: what the endpoint asks for, or exponential backoff with full jitter above
    its half (so that many clients do not come back together)."""
    asked = _seconds(retry_after) if retry_after else None
    if asked is not None:
        return min(max(asked, 0.0), _LONGEST_WAIT)
    longest: float = min(_FIRST_WAIT * 2**attempt, _LONGEST_WAIT)
    return longest * random.uniform(0.5, 1.0)


def _seconds(retry_after: str) -> float | None:
    """Read a Retry-After header: seconds, or a date (RFC 9110 §10.2.3). None when it is neither."""
    try:
        return float(retry_after)
    except ValueError:
        pass
    try:
        return email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time()
    except ValueError:
        return None


def _tries(attempt: int) -> str:
    return f" (after {attempt + 1} tries)" if attempt else ""


def named(error: Exception) -> str:
    """Return what went wrong on the wire. What the client refuses to send is not told: it quotes headers, and so the key."""
    if isinstance(error, httpx.LocalProtocolError):
        return "LocalProtocolError"
    return f"{type(error).__name__}: {error}".rstrip(": ")
