"""What the server did wrong once: rights and releases of a running server, clients that leave, errors nobody foresaw."""

from __future__ import annotations

import http.client
import json
import threading
import time
from pathlib import Path

import httpx
import pytest
from conftest import edit
from fastapi.testclient import TestClient
from serving import listening
from test_server import KEY, Scripted, client, serving

from graft import Project
from graft.errors import BackendError, ConfigError
from graft.protocols import Filter
from graft.server.app import create_app
from graft.server.schema import ApiError, parse_chat
from graft.types import Answer, Message
from graft.verbs.serve import callers_of, live, narrowing, offered, standing

ASK = [{"role": "user", "content": "How many days of annual leave?"}]


# --- what a running server answers with ------------------------------------------------------------------------------


def test_a_release_made_while_it_runs_is_for_the_next_server(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(
        small, "[generation]", '[serve.keys.people]\nenv = "KEY_PEOPLE"\nwhere = { team = "x" }\n[generation]'
    )
    monkeypatch.setenv("KEY_PEOPLE", "theirs")
    Project(small).build()
    Project(small).compare()
    project = Project(small)
    project.release("rag")
    chosen = standing(project.parts)
    default, variants, _ = offered(project.parts, chosen)
    app = create_app(
        {name: live(project.parts, one) for name, one in variants.items()},
        default=default,
        key="ours",
        narrow=narrowing(project.parts, chosen),
        callers=callers_of(project.parts, chosen),
    )
    Project(small).release("base")
    with TestClient(app) as client:
        answered = [
            client.post(
                "/v1/chat/completions",
                json={"model": "graft", "messages": ASK, **where},
                headers={"Authorization": f"Bearer {key}"},
            ).json()["graft"]["variant"]
            for key in ("ours", "theirs")
            for where in ({}, {"where": {"team": "x"}})
        ]
    assert answered == ["rag"] * 4


@pytest.mark.parametrize("model", ["graft", "hybrid"])
def test_no_filter_makes_a_tuned_variant_for_a_key_with_a_rule(small: Path, model: str) -> None:
    narrow = narrowing(Project(small).parts, "hybrid", {"team": "people"})
    with pytest.raises(ConfigError, match="hybrid is not offered to a key with a rule"):
        narrow(model, Filter({}))


# --- clients that leave ----------------------------------------------------------------------------------------------


class Slow:
    """Answers when it is let go."""

    name = fingerprint = "slow"

    def __init__(self):
        self.go = threading.Event()

    def stream(self, question):
        self.go.wait(10)
        yield Answer("Done.", "slow")


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_the_line_is_let_go_and_counted(stream):
    slow = Slow()
    app = create_app({"slow": slow}, default="slow", key=KEY, running=1, waiting=1)
    body = json.dumps({"model": "graft", "messages": ASK, "stream": stream})
    with listening(app) as url, httpx.Client(headers={"Authorization": f"Bearer {KEY}"}) as client:

        def ask():
            connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=5)
            connection.request("POST", "/v1/chat/completions", body, {"Authorization": f"Bearer {KEY}"})
            return connection

        def counted(line):
            until = time.monotonic() + 5
            while line not in (told := client.get(f"{url}/metrics").text) and time.monotonic() < until:
                time.sleep(0.01)
            return line in told

        first = ask()
        assert counted("graft_active_answers 1.0")
        second = ask()
        assert counted("graft_active_answers 2.0")
        second.close()
        assert counted('graft_requests_total{outcome="abandoned",variant="slow"} 1.0')
        assert counted("graft_active_answers 1.0")
        slow.go.set()
        assert first.getresponse().status == 200
        first.close()


# --- what clients send back ------------------------------------------------------------------------------------------


class Held(Scripted):
    """Says the same, whatever it is held to."""

    def constrained(self, contract):
        return self


def test_a_declined_answer_in_a_format_can_stand_in_the_history():
    said = "I don't know."
    held = Held("rag", said, Answer(said, "rag", abstained=True))
    form = {"type": "json_object"}
    with serving(held) as url, client(url) as talk:
        declined = talk.chat.completions.create(model="rag", messages=ASK, response_format=form)
        history = [*ASK, declined.choices[0].message, *ASK]
        talk.chat.completions.create(model="rag", messages=history, response_format=form)
    assert declined.choices[0].message.content is None
    assert held.asked[-1][1] == Message("assistant", said)


@pytest.mark.parametrize(
    "turn",
    [
        {"role": "assistant"},
        {"role": "assistant", "content": None, "refusal": None},
        {"role": "user", "content": None, "refusal": "No."},
    ],
)
def test_a_turn_that_says_nothing_is_refused(turn):
    with pytest.raises(ApiError, match="Field required") as caught:
        parse_chat(json.dumps({"model": "rag", "messages": [turn, *ASK]}).encode())
    assert (caught.value.status, caught.value.body["error"]["param"]) == (400, "messages.0.content")


# --- errors before an answer has begun -------------------------------------------------------------------------------


class Unfit(Scripted):
    """Cannot even say what it is."""

    def __init__(self, error):
        self.name, self.error = "rag", error

    @property
    def fingerprint(self):
        raise self.error


def posted(app, **fields):
    with TestClient(app, raise_server_exceptions=False) as talk:
        body = {"model": "graft", "messages": ASK, **fields}
        return talk.post("/v1/chat/completions", json=body, headers={"Authorization": f"Bearer {KEY}"})


def error_of(response):
    return response.status_code, response.json()["error"]


def told(message):
    return 500, {"message": message, "type": "server_error", "param": None, "code": "internal_error"}


def test_our_own_errors_are_told_in_the_same_shape_and_logged(caplog):
    error = BackendError("The store is gone.", "Run graft build.")

    def narrow(model, where):
        raise error

    app = create_app({"rag": Unfit(error)}, default="rag", key=KEY, narrow=narrow)
    for fields in ({}, {"where": {"team": "x"}}, {"stream": True}):
        caplog.clear()
        assert error_of(posted(app, **fields)) == told("The store is gone. Run graft build.")
        [record] = caplog.records
        assert (record.name, record.exc_info[1]) == ("graft.server", error)


def test_an_error_that_nobody_foresaw_is_told_without_its_words_and_reaches_the_log():
    app = create_app({"rag": Unfit(KeyError("secret"))}, default="rag", key=KEY)
    assert error_of(posted(app)) == told("The server failed to answer; its log says why.")
    with TestClient(app) as talk, pytest.raises(KeyError):  # what a server logs is what reaches it
        talk.post(
            "/v1/chat/completions",
            json={"model": "graft", "messages": ASK},
            headers={"Authorization": f"Bearer {KEY}"},
        )
