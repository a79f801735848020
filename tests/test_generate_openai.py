import email.utils
import json
import threading
import time

import httpx
import pytest

from graft import plugins
from graft.backends.endpoint import is_loopback
from graft.backends.generators.generate_openai import OpenAIGenerator
from graft.errors import BudgetExceeded, ConfigError, EndpointError
from graft.protocols import Generator
from graft.testing.models import GeneratorConformance
from graft.types import Generation, Message, Usage

URL = "https://models.example/v1"
KEY = "sk-very-secret"
ASK = [Message("system", "Be brief."), Message("user", "How many days?")]


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


class Served:
    """An endpoint in memory: answers with what it is given, one reply a request, the last one for ever."""

    def __init__(self, *replies):
        self.replies = list(replies)
        self.requests = []
        self.waits = []

    def __call__(self, request):
        self.requests.append(request)
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(reply, Exception):
            raise reply
        return reply(request) if callable(reply) else reply

    def generator(self, **options):
        made = OpenAIGenerator.Options(**{"model": "small", "base_url": URL, **options})
        return OpenAIGenerator(made, transport=httpx.MockTransport(self), sleep=self.waits.append)


def completion(text="25 days [1].", usage=(30, 6), finish="stop", **extra):
    body = {
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}],
        **extra,
    }
    if usage:
        body["usage"] = {
            "prompt_tokens": usage[0],
            "completion_tokens": usage[1],
            "prompt_tokens_details": {"cached_tokens": 8},
        }
    return httpx.Response(200, json=body)


def refusal(status, message="no", headers=None, **error):
    return httpx.Response(status, json={"error": {"message": message, **error}}, headers=headers)


def events(*data):
    lines = [f"data: {one if isinstance(one, str) else json.dumps(one)}\n\n" for one in data]
    return httpx.Response(
        200, content="".join([": hello\n\n", *lines]), headers={"Content-Type": "text/event-stream"}
    )


def delta(text=None, finish=None):
    return {"choices": [{"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish}]}


def test_one_prompt_is_one_request_with_the_decoding_and_the_key():
    served = Served(completion())
    generator = served.generator(extra={"top_p": 0.5}, omit=("seed",))
    assert isinstance(generator, Generator)
    assert (generator.context_length, served.generator(context_length=4096).context_length) == (0, 4096)
    [made] = generator.generate([ASK], max_tokens=12, temperature=0.25, seed=7)
    assert (made.text, made.usage, made.finish, made.timings.keys()) == (
        "25 days [1].",
        Usage(30, 6, 8),
        "stop",
        {"generate"},
    )
    [request] = served.requests
    assert (request.method, str(request.url)) == ("POST", f"{URL}/chat/completions")
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert json.loads(request.content) == {
        "model": "small", "max_tokens": 12, "temperature": 0.25, "top_p": 0.5,
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How many days?"}],
    }  # fmt: skip


def test_usage_that_is_not_reported_is_estimated_and_says_so():
    [made] = Served(completion(text="12345", usage=None)).generator().generate([ASK], max_tokens=12)
    assert made.usage == Usage(4 + 3 + 4 + 4, 2, estimated=True)


def test_what_may_pass_is_tried_again_with_growing_waits():
    served = Served(
        refusal(429), refusal(503), httpx.ReadTimeout("slow"), httpx.ConnectError("gone"), completion()
    )
    assert served.generator().generate([ASK], max_tokens=12)[0].text == "25 days [1]."
    assert len(served.requests) == 5
    assert all(0.25 * 2**n <= wait <= 0.5 * 2**n for n, wait in enumerate(served.waits))


def test_retry_after_is_honoured_within_reason():
    soon = email.utils.formatdate(time.time() + 20, usegmt=True)
    waits = ["3", "0.5", "9999", "-4", soon, "soon"]
    served = Served(*[refusal(429, headers={"Retry-After": wait}) for wait in waits], completion())
    served.generator(max_retries=6).generate([ASK], max_tokens=12)
    assert served.waits[:4] == [3.0, 0.5, 60.0, 0.0]
    assert 15 < served.waits[4] <= 20
    assert 8 <= served.waits[5] <= 16  # not readable: the sixth step of the backoff


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        (400, "model's name"),
        (401, "OPENAI_API_KEY"),
        (403, "OPENAI_API_KEY"),
        (404, "base_url"),
        (422, "fields"),
    ],
)
def test_what_will_not_pass_is_not_tried_again(status, hint):
    served = Served(refusal(status, f"Nothing here for {KEY}"))
    with pytest.raises(EndpointError) as caught:
        served.generator().generate([ASK], max_tokens=12)
    assert caught.value.message == f"{URL}/chat/completions answered {status}: Nothing here for ***."
    assert hint in caught.value.hint
    assert (len(served.requests), served.waits) == (1, [])


def test_an_empty_account_is_not_waited_for():
    served = Served(refusal(429, "You exceeded your current quota", code="insufficient_quota"))
    with pytest.raises(EndpointError, match="no credit left"):
        served.generator().generate([ASK], max_tokens=12)
    assert len(served.requests) == 1


def test_an_endpoint_that_stays_down_is_named():
    served = Served(httpx.ConnectError("Connection refused"))
    with pytest.raises(EndpointError) as caught:
        served.generator(max_retries=2).generate([ASK], max_tokens=12)
    assert str(caught.value) == (
        f"{URL}/chat/completions cannot be reached: ConnectError: Connection refused (after 3 tries). "
        "Check that the endpoint runs and that base_url is right."
    )
    served = Served(httpx.LocalProtocolError("Illegal header value b'Bearer sk-secret'"))
    with pytest.raises(EndpointError, match=r"cannot be reached: LocalProtocolError\. "):
        served.generator(max_retries=0).generate([ASK], max_tokens=12)
    served = Served(refusal(500, "boom"))
    with pytest.raises(
        EndpointError, match=r"answered 500: boom \(after 2 tries\)\. Check the endpoint's own log\."
    ):
        served.generator(max_retries=1).generate([ASK], max_tokens=12)


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (
            httpx.Response(200, text="<html>  Welcome </html>"),
            "something else than a JSON object: <html> Welcome </html>",
        ),
        (httpx.Response(200, json=[1]), "something else than a JSON object"),
        (httpx.Response(200, json={"choices": []}), r"without choices\[0\]\.message"),
        (httpx.Response(200, json={"choices": [{"message": "hello"}]}), r"without choices\[0\]\.message"),
        (httpx.Response(302, headers={"Location": "https://elsewhere.example"}), "answered 302"),
    ],
)
def test_an_answer_that_is_none_is_an_endpoint_error(reply, message):
    with pytest.raises(EndpointError, match=message):
        Served(reply).generator().generate([ASK], max_tokens=12)


def test_a_batch_keeps_its_order_and_its_bound():
    lock, inside, most = threading.Lock(), 0, 0

    def slow(request):
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        time.sleep(0.01)
        with lock:
            inside -= 1
        return completion(text=json.loads(request.content)["messages"][-1]["content"])

    generator = Served(slow).generator(concurrency=3)
    asked = [[Message("user", str(number))] for number in range(12)]
    assert [made.text for made in generator.generate(asked, max_tokens=5)] == [
        str(number) for number in range(12)
    ]
    assert most == 3
    assert generator.generate([], max_tokens=5) == []


def test_what_a_failed_batch_has_paid_for_is_not_paid_for_again():
    def picky(request):
        asked = json.loads(request.content)["messages"][-1]["content"]
        return refusal(400, "content filter") if asked == "bad" else completion(text=asked)

    served = Served(picky)
    generator = served.generator(concurrency=1)
    asked = {text: [Message("user", text)] for text in ["one", "bad", "two"]}
    with pytest.raises(EndpointError, match="content filter"):
        generator.generate(list(asked.values()), max_tokens=5)
    assert len(served.requests) == 2  # "two" was not started
    assert [made.text for made in generator.generate([asked["one"], asked["two"]], max_tokens=5)] == [
        "one",
        "two",
    ]
    assert len(served.requests) == 3
    generator.generate([asked["one"]], max_tokens=5)
    assert len(served.requests) == 4  # what was handed out once is asked again


def test_the_budget_holds_before_a_request_is_sent():
    served = Served(completion(usage=(1000, 500)))
    prices = {"input_price": 2.0, "output_price": 8.0}
    generator = served.generator(budget=0.0125, **prices)
    generator.generate([ASK], max_tokens=500)
    assert generator.spent == pytest.approx((1000 * 2 + 500 * 8) / 1e6)
    generator.generate([ASK], max_tokens=500)
    with pytest.raises(BudgetExceeded, match=r"\$0\.0125 is used up: \$0\.0120 are spent"):
        generator.generate([ASK], max_tokens=500)
    assert len(served.requests) == 2
    with pytest.raises(ConfigError, match="needs input_price and output_price"):
        served.generator(budget=1.0)


def test_requests_in_flight_count_against_the_budget():
    served = Served(completion(usage=(10, 100)))
    generator = served.generator(budget=0.00025, input_price=0.0, output_price=1.0, concurrency=8)
    with pytest.raises(BudgetExceeded):
        generator.generate([[Message("user", str(n))] for n in range(20)], max_tokens=100)
    assert len(served.requests) == 2
    assert generator.spent <= 0.00025


def test_a_stream_yields_its_deltas_then_the_generation():
    served = Served(events(
        {"choices": [{"delta": {"role": "assistant"}}]}, delta("25 "), delta("days"), delta(finish="length"),
        {"choices": [], "usage": {"prompt_tokens": 30, "completion_tokens": 2}}, "[DONE]", delta("never"),
    ))  # fmt: skip
    *deltas, last = served.generator().stream(ASK, max_tokens=2)
    assert deltas == ["25 ", "days"]
    assert last == Generation("25 days", Usage(30, 2), "length", last.timings)
    assert last.timings.keys() == {"prefill", "decode"}
    body = json.loads(served.requests[0].content)
    assert (body["stream"], body["stream_options"]) == (True, {"include_usage": True})


def test_how_likely_the_tokens_were_is_asked_for_and_averaged():
    def told(*values):
        return {"logprobs": {"content": [{"token": "x", "logprob": value} for value in values]}}

    whole = completion()
    body = json.loads(whole.content)
    body["choices"][0] |= told(-0.1, -0.3)
    served = Served(httpx.Response(200, json=body))
    [made] = served.generator(logprobs=True).generate([ASK], max_tokens=9)
    assert made.logprob == pytest.approx(-0.2)
    assert json.loads(served.requests[0].content)["logprobs"] is True
    first, second = delta("25 "), delta("days")
    first["choices"][0] |= told(-0.5)
    second["choices"][0] |= told(-0.1)
    streamed = Served(events(first, second, delta(finish="stop"), "[DONE]")).generator(logprobs=True)
    assert list(streamed.stream(ASK, max_tokens=9))[-1].logprob == pytest.approx(-0.3)


@pytest.mark.parametrize("told", [None, {}, {"content": None}, {"content": [None, {"token": "x"}]}])
def test_an_endpoint_that_does_not_tell_leaves_it_unknown(told):
    body = json.loads(completion().content)
    body["choices"][0]["logprobs"] = told
    served = Served(httpx.Response(200, json=body))
    [made] = served.generator().generate([ASK], max_tokens=9)
    assert made.logprob is None
    assert "logprobs" not in json.loads(served.requests[0].content)


def test_a_stream_without_usage_is_estimated():
    served = Served(events(delta("25 days"), delta(finish="stop"), "[DONE]"))
    generator = served.generator(omit=("stream_options",))
    assert list(generator.stream(ASK, max_tokens=9))[-1].usage == Usage(15, 2, estimated=True)
    assert "stream_options" not in json.loads(served.requests[0].content)


def test_a_stream_is_tried_again_before_its_first_byte():
    served = Served(refusal(503), events(delta("x", "stop"), "[DONE]"))
    assert next(served.generator().stream(ASK, max_tokens=9)) == "x"
    assert len(served.waits) == 1


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (events(delta("25 "), {"error": {"message": "overloaded"}}), "broke off: overloaded"),
        (events(delta("25 ")), "ended in the middle of an answer"),
        (events(delta("25 "), "{torn"), "something else than a JSON object"),
        (refusal(401), "answered 401"),
    ],
)
def test_a_stream_that_breaks_is_an_endpoint_error(reply, message):
    with pytest.raises(EndpointError, match=message):
        list(Served(reply).generator().stream(ASK, max_tokens=9))


def test_closing_a_stream_closes_the_connection_and_pays_for_what_came():
    closed = []

    class Endless(httpx.SyncByteStream):
        def __iter__(self):
            while True:
                yield f"data: {json.dumps(delta('more'))}\n\n".encode()

        def close(self):
            closed.append(True)

    generator = Served(httpx.Response(200, stream=Endless())).generator(input_price=1.0, output_price=1.0)
    stream = generator.stream(ASK, max_tokens=50)
    assert next(stream) == "more"
    stream.close()
    assert closed == [True]
    assert generator.spent == pytest.approx(16 / 1e6)


def test_a_missing_key_names_its_variable(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(ConfigError, match="the environment variable OPENAI_API_KEY is not set"):
        Served(completion()).generator()
    for options in [
        {"base_url": "http://127.0.0.1:8000/v1"},
        {"base_url": "http://localhost:1/v1"},
        {"key_env": ""},
    ]:
        served = Served(completion())
        served.generator(**options).generate([ASK], max_tokens=5)
        assert "Authorization" not in served.requests[0].headers
    monkeypatch.setenv("OPENAI_API_KEY", "sk-\u2026")
    with pytest.raises(ConfigError, match="characters that no key has"):
        Served(completion()).generator()


@pytest.mark.parametrize("url", ["models.example/v1", "ftp://models.example", "http://", "http://[::1"])
def test_a_bad_url_is_a_config_error(url):
    with pytest.raises(ConfigError, match="base_url"):
        Served(completion()).generator(base_url=url)


def test_loopback_is_this_machine_only():
    assert [is_loopback(host) for host in ["127.0.0.1", "127.9.9.9", "::1", "localhost", "a.localhost"]] == [
        True
    ] * 5
    assert [
        is_loopback(host) for host in ["10.0.0.1", "localhost.evil.example", "0.0.0.0", "example.org"]
    ] == [False] * 4


def test_the_fingerprint_covers_endpoint_model_and_request_but_no_key(monkeypatch):
    served = Served(completion())
    one = served.generator()
    others = [
        served.generator(model="large"), served.generator(base_url=URL + "2"), served.generator(extra={"top_p": 1}),
        served.generator(omit=("seed",)),
    ]  # fmt: skip
    assert len({generator.fingerprint for generator in [one, *others]}) == 5
    monkeypatch.setenv("OPENAI_API_KEY", "sk-other")
    assert served.generator(concurrency=2, timeout=5, base_url=URL + "/").fingerprint == one.fingerprint


def test_it_is_built_by_name_from_a_table():
    made = plugins.build(
        "generator",
        "openai",
        {"model": "small", "omit": ["seed"], "budget": 2, "input_price": 1, "output_price": 1},
    )
    assert isinstance(made, OpenAIGenerator)
    with pytest.raises(ConfigError, match="Did you mean 'base_url'"):
        plugins.build("generator", "openai", {"model": "small", "base_ulr": URL})
    with pytest.raises(ConfigError, match="missing 1 required positional argument: 'model'"):
        plugins.build("generator", "openai", {})


class TestConformance(GeneratorConformance):
    """An endpoint that says back how long the question was, and reports no usage."""

    @pytest.fixture
    def generator(self):
        def reply(request):
            asked = json.loads(request.content)
            text = f"{len(asked['messages'][-1]['content'])} signs"
            pieces = [delta(text[:2]), delta(text[2:]), delta(finish="stop"), "[DONE]"]
            return events(*pieces) if asked.get("stream") else completion(text=text, usage=None)

        return Served(reply).generator()
