"""The server over a real socket, with the real `openai` client."""

import contextlib
import http.client
import json
import re
import ssl
import threading
import time
from pathlib import Path

import httpx
import openai
import pytest
from serving import listening

from graft.backends.generators.generate_openai import OpenAIGenerator
from graft.errors import BackendError, BudgetExceeded, ConfigError, DataError, EndpointError
from graft.generation.variant import Retrieved, Variant
from graft.records import to_dict
from graft.server.app import create_app
from graft.server.run import listen, run_server
from graft.testing.fakes import EchoGenerator
from graft.types import Answer, Citation, Context, Message, Passage, Usage

KEY = "test-key"
PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # shared: loading certificates for each request costs 20 ms
LEAVE = Passage("leave.md", 100, 131, "You get 25 days. Ask your lead.", "Leave", ("Days",), 2, 0.9)
ASK = [{"role": "user", "content": "How many days?"}]
ANSWER = Answer(
    "You get 25 days. [1]", "rag", (Citation(1, "leave.md", 100, 116, "You get 25 days.", "Leave", 2),), (LEAVE,),
    usage=Usage(30, 6, 4), timings={"search": 0.25, "total": 0.5}, cost=0.001, fingerprint="f-rag",
)  # fmt: skip


class Scripted:
    """Answers with given pieces; errors among them are raised; a callable is called."""

    def __init__(self, name, *pieces):
        self.name, self.fingerprint, self.pieces = name, f"f-{name}", pieces
        self.asked = []
        self.closed = threading.Event()

    def stream(self, question):
        self.asked.append(question)
        try:
            for piece in self.pieces:
                if isinstance(piece, Exception):
                    raise piece
                if callable(piece):
                    piece()
                else:
                    yield piece
        finally:
            self.closed.set()


def rag():
    return Scripted("rag", "You get ", "25 days. [1]", ANSWER)


@contextlib.contextmanager
def serving(*variants, key=KEY, **options):
    """Serve the variants, the first as default, on a free port of loopback; yields the base URL."""
    app = create_app(
        {variant.name: variant for variant in variants}, default=variants[0].name, key=key, **options
    )
    with listening(app) as url:
        yield url


@contextlib.contextmanager
def client(url, key=KEY):
    with openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=10) as made:
        yield made


def get(url, path, key=KEY, **headers):
    return httpx.get(url + path, headers={"Authorization": f"Bearer {key}", **headers}, verify=PLAIN)


def post(url, body, key=KEY, **headers):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.post(
        f"{url}/v1/chat/completions",
        content=content,
        headers={"Authorization": f"Bearer {key}", **headers},
        verify=PLAIN,
    )


CLOCK = [{"type": "function", "function": {"name": "clock", "parameters": {"type": "object"}}}]
DETAILS = {
    **{name: value for name, value in to_dict(ANSWER).items() if name not in ("text", "usage", "ranking")}, "cached": False, "ignored": [],
}  # fmt: skip


def test_the_openai_client_gets_the_answer_with_its_citations():
    variant = rag()
    with serving(variant, Scripted("base")) as url, client(url) as talk:
        assert [model.id for model in talk.models.list().data] == ["graft", "rag", "base"]
        assert talk.models.retrieve("rag").id == "rag"
        with pytest.raises(openai.NotFoundError):
            talk.models.retrieve("gpt")
        reply = talk.chat.completions.create(model="graft", messages=ASK)
    [choice] = reply.choices
    assert (reply.object, reply.model, choice.message.content, choice.finish_reason) == (
        "chat.completion", "graft", "You get 25 days. [1]", "stop",
    )  # fmt: skip
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens, reply.usage.total_tokens) == (30, 6, 36)
    assert reply.usage.prompt_tokens_details.cached_tokens == 4
    assert choice.message.citations == to_dict(ANSWER.citations)
    assert reply.graft == DETAILS
    [[message]] = variant.asked
    assert (message.role, message.content) == ("user", "How many days?")


def test_the_openai_client_streams_the_same():
    with serving(rag()) as url, client(url) as talk:
        chunks = list(talk.chat.completions.create(model="rag", messages=ASK, stream=True))
        counted = list(
            talk.chat.completions.create(
                model="rag", messages=ASK, stream=True, stream_options={"include_usage": True}
            )
        )
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].delta.content for chunk in chunks[1:-1]] == ["You get ", "25 days. [1]"]
    last = chunks[-1]
    assert (last.choices[0].finish_reason, last.choices[0].delta.citations, last.graft) == (
        "stop",
        to_dict(ANSWER.citations),
        DETAILS,
    )
    assert len({chunk.id for chunk in chunks}) == 1
    assert (counted[-1].choices, counted[-1].usage.total_tokens) == ([], 36)
    assert all(chunk.usage is None for chunk in chunks)


def test_the_openai_client_gets_calls_of_its_functions():
    said = '[{"name": "clock", "arguments": {"zone": "Rome"}}, {"name": "clock", "arguments": {}}]'
    scripted = Scripted("tuned", said[:20], said[20:], Answer(said, "tuned"), said, Answer(said, "tuned"))
    other = Scripted("base", "It is ", "noon.", Answer("It is noon.", "base"))
    with serving(scripted, other) as url, client(url) as talk:
        whole = talk.chat.completions.create(model="tuned", messages=ASK, tools=CLOCK).choices[0]
        chunks = list(talk.chat.completions.create(model="tuned", messages=ASK, tools=CLOCK, stream=True))
        words = list(talk.chat.completions.create(model="base", messages=ASK, tools=CLOCK, stream=True))
        plain = talk.chat.completions.create(
            model="tuned", messages=ASK, tools=CLOCK, tool_choice="none"
        ).choices[0]
        # What the function returned is the next question.
        back = [
            *ASK,
            whole.message,
            {"role": "tool", "tool_call_id": whole.message.tool_calls[0].id, "content": "12:00"},
        ]
        talk.chat.completions.create(model="base", messages=back, tools=CLOCK)
    wanted = [("clock", '{"zone": "Rome"}'), ("clock", "{}")]
    assert (whole.finish_reason, whole.message.content) == ("tool_calls", None)
    assert [(call.function.name, call.function.arguments) for call in whole.message.tool_calls] == wanted
    assert len({call.id for call in whole.message.tool_calls}) == 2
    last = chunks[-1].choices[0]
    assert (last.finish_reason, len(chunks)) == ("tool_calls", 2)
    assert [(call.index, call.function.name, call.function.arguments) for call in last.delta.tool_calls] == [
        (index, *call) for index, call in enumerate(wanted)
    ]
    assert ([chunk.choices[0].delta.content for chunk in words], words[-1].choices[0].finish_reason) == (
        ["", "It is noon.", None], "stop",
    )  # fmt: skip
    assert (plain.finish_reason, plain.message.content, plain.message.tool_calls) == ("stop", said, None)
    told = [[message.role for message in asked] for asked in (*scripted.asked, *other.asked)]
    assert told == [
        ["system", "user"], ["system", "user"], ["user"], ["system", "user"], ["system", "user", "assistant", "user"],
    ]  # fmt: skip
    assert other.asked[-1][2:] == (Message("assistant", said), Message("user", "12:00"))


def test_a_real_variant_is_served():
    def search(queries):
        return [Retrieved(Context((LEAVE,)), {}, None) for _ in queries]

    with serving(Variant("rag", EchoGenerator(), search=search)) as url, client(url) as talk:
        reply = talk.chat.completions.create(model="graft", messages=ASK)
        streamed = talk.chat.completions.create(model="graft", messages=ASK, stream=True)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in streamed)
    assert reply.choices[0].message.content == text == "You get 25 days. [1]"
    assert reply.choices[0].message.citations[0]["quote"] == "You get 25 days."


def test_our_own_client_speaks_to_our_own_server(monkeypatch):
    monkeypatch.setenv("SERVED_KEY", KEY)
    prompt = [Message("user", "How many days?")]
    with serving(rag()) as url:
        generator = OpenAIGenerator(
            OpenAIGenerator.Options("rag", base_url=f"{url}/v1", key_env="SERVED_KEY")
        )
        [made] = generator.generate([prompt], max_tokens=9)
        *pieces, last = generator.stream(prompt, max_tokens=9)
        generator.close()
    assert (made.text, made.usage, made.finish) == (ANSWER.text, ANSWER.usage, "stop")
    assert (pieces, last.text, last.usage.prompt, last.usage.completion) == (
        ["You get ", "25 days. [1]"],
        ANSWER.text,
        30,
        6,
    )


@pytest.mark.parametrize("key", ["wrong", "test-key2", "t\u00e9st"])
def test_a_wrong_key_gets_401(key):
    with serving(rag()) as url:
        for path in ["/v1/models", "/metrics"]:
            assert httpx.get(url + path, verify=PLAIN).status_code == 401
        response = httpx.post(
            f"{url}/v1/chat/completions",
            headers=[(b"Authorization", f"Bearer {key}".encode())],
            json={},
            verify=PLAIN,
        )
        assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert response.json() == {
            "error": {
                "message": "Wrong or missing API key: send it as Authorization: Bearer KEY.",
                "type": "invalid_request_error", "param": None, "code": "invalid_api_key",
            }
        }  # fmt: skip
        assert httpx.get(f"{url}/healthz", verify=PLAIN).text == "ok\n"


def test_the_openai_client_knows_our_errors():
    with serving(rag()) as url:
        with (
            client(url, "wrong") as talk,
            pytest.raises(openai.AuthenticationError, match="Wrong or missing API key"),
        ):
            talk.models.list()
        with client(url) as talk, pytest.raises(openai.NotFoundError) as caught:
            talk.chat.completions.create(model="gpt", messages=ASK)
    assert caught.value.code == "model_not_found"
    assert caught.value.body["message"] == "There is no model 'gpt' here; there are graft, rag."


def test_a_second_client_is_served_while_one_streams():
    go = threading.Event()
    slow = Scripted("slow", "first ", lambda: go.wait(10), "second", ANSWER)
    with serving(slow, rag()) as url, client(url) as one, client(url) as other:
        stream = one.chat.completions.create(model="slow", messages=ASK, stream=True)
        first = [next(stream), next(stream)][1].choices[0].delta.content
        assert (
            other.chat.completions.create(model="rag", messages=ASK).choices[0].message.content
            == "You get 25 days. [1]"
        )
        go.set()
        rest = [chunk.choices[0].delta.content for chunk in stream]
    assert (first, rest) == ("first ", ["second", None])


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_stops_the_answer(stream):
    endless = Scripted(
        "endless", *[piece for _ in range(3000) for piece in (lambda: time.sleep(0.005), "more ")]
    )
    with serving(endless) as url:
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=5)
        body = json.dumps({"model": "graft", "messages": ASK, "stream": stream})
        connection.request("POST", "/v1/chat/completions", body, {"Authorization": f"Bearer {KEY}"})
        if stream:
            connection.getresponse().read(10)
        while not endless.asked:
            time.sleep(0.01)
        connection.close()
        assert endless.closed.wait(10)
        while "graft_active_answers 0.0" not in get(url, "/metrics").text:
            time.sleep(0.01)
        assert 'graft_requests_total{outcome="abandoned",variant="endless"} 1.0' in get(url, "/metrics").text


def test_more_than_it_can_do_is_refused():
    go = threading.Event()
    slow = Scripted("slow", lambda: go.wait(10), ANSWER)
    with serving(slow, running=1, waiting=1) as url:
        threads = [
            threading.Thread(target=post, args=(url, {"model": "graft", "messages": ASK})) for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        while "graft_active_answers 2.0" not in get(url, "/metrics").text:
            time.sleep(0.01)
        response = post(url, {"model": "graft", "messages": ASK})
        assert (response.status_code, response.headers["Retry-After"], response.json()["error"]["code"]) == (
            503,
            "1",
            "overloaded",
        )
        go.set()
        for thread in threads:
            thread.join()
        assert post(url, {"model": "graft", "messages": ASK}).status_code == 200


@pytest.mark.parametrize(
    ("body", "param", "message"),
    [
        (b"{", None, "Invalid JSON"),
        (b"[]", None, "object"),
        (b"[" * 1000, None, "recursion limit"),
        (
            b'{"tool_choice": "required", "tools": [{"name": "f", "parameters": {"a": %s}}]}'
            % (b"[" * 600 + b"]" * 600),
            None,
            "recursion limit",
        ),
        (b'{"model": "graft", "messages": [{"role": "user", "content": "\\ud800"}]}', None, "hex escape"),
        ({"messages": ASK}, "model", "Field required"),
        ({"model": "graft", "messages": []}, "messages", "at least 1"),
        ({"model": "graft", "messages": "hello"}, "messages", "valid list"),
        ({"model": "graft", "messages": [{"role": "critic", "content": "x"}]}, "messages.0.role", "'user'"),
        ({"model": "graft", "messages": [{"role": "assistant", "content": "x"}]}, "messages", "last message"),
        ({"model": "graft", "messages": [{"role": "user", "content": " "}]}, "messages", "last message"),
        (
            {"model": "graft", "messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "messages.0.content",
            "send text",
        ),
        ({"model": "graft", "messages": ASK, "n": 2}, "n", "must be 1"),
        ({"model": "graft", "messages": ASK, "tools": [{}]}, "tools", 'each of "tools" needs a "name"'),
        (
            {"model": "graft", "messages": ASK, "tools": CLOCK, "tool_choice": "must"},
            "tool_choice",
            '"required"',
        ),
        (
            {"model": "graft", "messages": ASK, "tool_choice": "required"},
            "tool_choice",
            'there are no "tools"',
        ),
        (
            {
                "model": "graft",
                "messages": ASK,
                "tools": CLOCK,
                "tool_choice": {"function": {"name": "bell"}},
            },
            "tool_choice",
            "'bell', which is none",
        ),
        (
            {"model": "graft", "messages": ASK, "tools": CLOCK, "tool_choice": "required"},
            "tool_choice",
            "rag cannot be held to a format",
        ),
        (
            {"model": "graft", "messages": ASK, "response_format": {"type": "json_object"}},
            "response_format",
            "rag cannot be held to a format",
        ),
        (
            {"model": "graft", "messages": ASK, "response_format": {"type": "json_schema"}},
            "response_format",
            '"json_object"',
        ),
        (
            {"model": "graft", "messages": ASK, "response_format": "json_schema"},
            "response_format",
            '"json_object"',
        ),
        (
            {"model": "graft", "messages": ASK, "tools": CLOCK, "tool_choice": {"function": {"name": ["f"]}}},
            "tool_choice",
            "['f'], which is none",
        ),
    ],
)
def test_a_bad_request_names_the_field(app_url, body, param, message):
    response = post(app_url, body)
    error = response.json()["error"]
    assert (response.status_code, error["type"], error["param"]) == (400, "invalid_request_error", param)
    assert message in error["message"]


@pytest.fixture(scope="module")
def app_url():
    with serving(rag(), max_body=2000) as url:
        yield url


def test_a_large_request_is_refused_before_it_is_read_whole(app_url):
    body = {"model": "graft", "messages": [{"role": "user", "content": "x" * 3000}]}
    assert post(app_url, body).status_code == 413
    with httpx.Client(verify=PLAIN) as chunked:
        parts = (b"x" * 1000 for _ in range(5))
        response = chunked.post(
            f"{app_url}/v1/chat/completions", content=parts, headers={"Authorization": f"Bearer {KEY}"}
        )
    assert (response.status_code, response.json()["error"]["code"]) == (413, "request_too_large")


def test_other_forms_of_content_and_settings_are_understood(app_url):
    messages = [
        {"role": "developer", "content": "Be kind."},
        {
            "role": "user",
            "content": [{"type": "text", "text": "How many"}, {"type": "text", "text": "days?"}],
        },
    ]
    body = {
        "model": "graft",
        "messages": messages,
        "temperature": 1.5,
        "max_tokens": 5,
        "response_format": {"type": "text"},
    }
    details = post(app_url, body).json()["graft"]
    assert details["ignored"] == ["max_tokens", "temperature"]


def test_unknown_paths_and_methods_answer_in_the_same_shape(app_url):
    for response, status in [
        (get(app_url, "/v1/nothing"), 404),
        (get(app_url, "/v1/chat/completions"), 405),
        (get(app_url, "/docs"), 404),
    ]:
        assert response.status_code == status
        assert response.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("error", "status", "kind", "message"),
    [
        (DataError("Too long.", "Ask less."), 400, "invalid_request_error", "Too long. Ask less."),
        (BudgetExceeded("Spent."), 429, "insufficient_quota", "Spent."),
        (EndpointError("Down."), 502, "api_error", "Down."),
        (BackendError("Broken."), 500, "server_error", "Broken."),
        (KeyError("secret"), 500, "server_error", "The server failed to answer; its log says why."),
    ],
)
def test_a_failing_variant_gives_an_error_without_a_trace(error, status, kind, message):
    body = {"model": "graft", "messages": ASK}
    with serving(Scripted("rag", error), Scripted("late", "25 ", error)) as url:
        expected = {"message": message, "type": kind}
        for asked in [body, {**body, "stream": True}, {**body, "model": "late"}]:
            response = post(url, asked)
            assert response.status_code == status
            assert {key: response.json()["error"][key] for key in expected} == expected
        # Text was sent before it failed: the error comes as an event, which the client raises.
        with client(url) as talk, pytest.raises(openai.APIError, match=message.split(" ")[0]):
            list(talk.chat.completions.create(model="late", messages=ASK, stream=True))


def test_without_a_key_only_this_machine_is_answered():
    with pytest.raises(ConfigError, match="answers anybody"):
        create_app({"rag": rag()}, default="rag", key=None)
    with pytest.raises(ConfigError, match="'base' is not served"):
        create_app({"rag": rag()}, default="base", key=KEY)
    with serving(rag(), key=None, allow_anonymous=True) as url:
        assert httpx.get(f"{url}/v1/models", verify=PLAIN).status_code == 200
        for headers in [
            {"Origin": url},
            {"Host": "localhost:99"},
            {"Host": "[::1]:99", "Origin": "http://localhost:5"},
        ]:
            assert httpx.get(f"{url}/v1/models", headers=headers, verify=PLAIN).status_code == 200
        for headers in [{"Origin": "https://evil.example"}, {"Host": "evil.example"}, {"Origin": "null"}]:
            assert httpx.get(f"{url}/v1/models", headers=headers, verify=PLAIN).status_code == 403


def test_the_cache_answers_again_without_asking():
    variant = rag()
    with serving(variant, cache=1) as url:
        body = {"model": "graft", "messages": ASK}
        first, again, streamed = (
            post(url, body).json(),
            post(url, body).json(),
            post(url, {**body, "stream": True}).text,
        )
        other = {"model": "graft", "messages": [{"role": "user", "content": "Else?"}]}
        assert post(url, other).json()["graft"]["cached"] is False  # and it pushes the first one out
        assert len(variant.asked) == 2
        post(url, body)
        assert len(variant.asked) == 3
        hits = [
            line
            for line in get(url, "/metrics").text.splitlines()
            if line.startswith("graft_cache_hits_total")
        ]
    assert again["choices"] == first["choices"]
    assert (again["graft"]["cached"], again["graft"]["cost"], again["graft"]["timings"].keys()) == (
        True,
        0.0,
        {"total"},
    )
    assert "25 days. [1]" in streamed
    assert hits == ['graft_cache_hits_total{variant="rag"} 2.0']


def test_an_answer_from_before_the_index_changed_is_not_kept_for_after_it():
    variant = rag()
    variant.pieces = (
        "You get ",
        lambda: setattr(variant, "fingerprint", "a document less"),
        "25 days. [1]",
        ANSWER,
    )
    with serving(variant, cache=1) as url:
        body = {"model": "graft", "messages": ASK}
        kept = [post(url, body).json()["graft"]["cached"] for _ in range(3)]
    assert kept == [False, False, True]


def test_metrics_count_answers_by_stage():
    unsure = Scripted(
        "base", "I don't know.", Answer("I don't know.", "base", abstained=True, timings={"total": 0.1})
    )
    with serving(rag(), unsure, Scripted("broken", EndpointError("Down."))) as url:
        for model in ["graft", "rag", "base", "broken"]:
            post(url, {"model": model, "messages": ASK})
        lines = get(url, "/metrics").text.splitlines()
    for line in [
        'graft_requests_total{outcome="ok",variant="rag"} 2.0', 'graft_requests_total{outcome="error",variant="broken"} 1.0',
        'graft_stage_seconds_sum{stage="search",variant="rag"} 0.5', 'graft_stage_seconds_count{stage="first_text",variant="rag"} 2.0',
        'graft_tokens_total{kind="prompt",variant="rag"} 60.0', 'graft_abstentions_total{variant="base"} 1.0',
        'graft_cost_usd_total{variant="rag"} 0.002', "graft_active_answers 0.0",
    ]:  # fmt: skip
        assert line in lines


def test_the_page_allows_nothing_but_itself():
    with serving(rag()) as url:
        response = httpx.get(url, verify=PLAIN)
    policy = dict(
        rule.strip().split(" ", 1) for rule in response.headers["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["connect-src"] == "'self'"
    for rule in ["script-src", "style-src"]:
        assert policy[rule].startswith("'sha256-")
        assert " " not in policy[rule]
    for forbidden in [
        "innerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "http://",
        "https://",
        " style=",
        " onclick=",
    ]:
        assert forbidden not in response.text


def test_a_port_in_use_says_what_to_do():
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            ConfigError,
            match=rf"Cannot listen on 127\.0\.0\.1:{port}: Address already in use\. Stop what uses",
        ):
            run_server(create_app({"rag": rag()}, default="rag", key=KEY), host="127.0.0.1", port=port)
    with pytest.raises(ConfigError, match="There is no port 99999"):
        listen("127.0.0.1", 99999)
    with pytest.raises(
        ConfigError, match=r"Cannot listen on 192\.0\.2\.1:0: Cannot assign requested address"
    ):
        listen("192.0.2.1", 0)


def test_the_documentation_names_what_is_sent(app_url):
    page = (Path(__file__).parent.parent / "docs" / "serving.md").read_text(encoding="utf-8")
    reply = post(app_url, {"model": "graft", "messages": ASK}).json()
    told = page.split("- `graft`: ")[1].split(".\n")[0]
    assert re.findall(r"`(\w+)`", told) == list(reply["graft"])
    families = set(re.findall(r"# TYPE (\w+)", get(app_url, "/metrics").text))
    assert set(re.findall(r"`(graft_\w+)`", page)) == {
        name for name in families if not name.endswith("_created")
    }
