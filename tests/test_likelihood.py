"""Log-likelihoods of given texts: against arithmetic by hand, over windows, in bytes."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.backends.generators import chat, likelihood
from graft.backends.generators.generate_transformers import TransformersGenerator
from graft.protocols import Scorer
from graft.testing.models import ScorerConformance, tiny_model
from graft.testing.models import chat as ask


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_model(tmp_path_factory.mktemp("tiny"), context=128)


@pytest.fixture(scope="module")
def tiny(folder):
    return TransformersGenerator(TransformersGenerator.Options(model=str(folder), batch_size=3))


class TestTransformers(ScorerConformance):
    @pytest.fixture
    def generator(self, tiny):
        return tiny


def by_hand(generator, ids, first):
    """The sum over ids[first:], one forward pass a token."""
    model, total = generator.loaded.model, 0.0
    with torch.inference_mode():
        for place in range(first, len(ids)):
            logits = model(torch.tensor([ids[:place]])).logits[0, -1].double()
            total += float(torch.log_softmax(logits, -1)[ids[place]])
    return total


def test_a_local_model_is_a_scorer(tiny):
    assert isinstance(tiny, Scorer)


def test_a_reply_is_the_sum_of_its_tokens_without_the_end_of_turn(tiny):
    prompt, text = ask("Where is the key?"), "In the blue box [1]."
    ids, opening = chat.encode_row(tiny.tokenizer, prompt, text)
    [found] = tiny.log_likelihood([(prompt, text)])
    assert found.nats == pytest.approx(by_hand(tiny, ids[:-1], opening), abs=1e-3)
    assert (found.tokens, found.bytes) == (len(ids) - 1 - opening, 20)


def test_a_text_by_itself_stands_behind_the_token_that_ends_texts(tiny):
    text = "The key is in the blue box."
    ids = [tiny.tokenizer.eos_token_id, *tiny.tokenizer.encode(text, add_special_tokens=False)]
    [found] = tiny.log_likelihood([((), text)])
    assert found.nats == pytest.approx(by_hand(tiny, ids, 1), abs=1e-3)


def test_what_the_model_would_write_is_likelier_than_what_it_would_not(tiny):
    prompt = ask("Where is the key?")
    [made] = tiny.generate([prompt], max_tokens=12)
    own, other = tiny.log_likelihood([(prompt, made.text), (prompt, made.text[::-1])])
    if own.nats is not None and other.nats is not None:
        assert own.nats / own.tokens > other.nats / other.tokens
    assert own.nats is not None


def test_a_long_text_is_read_in_windows_with_half_of_the_model_before_each_token(tiny):
    text = "Where is the key? It is in the blue box. " * 30
    found = likelihood.encode_text(tiny.tokenizer, text, 128)
    assert len(found.windows) > 3
    assert sum(window.scored for window in found.windows) == len(tiny.tokenizer.encode(text))
    assert all(len(window.ids) <= 128 for window in found.windows)
    assert all(len(window.ids) - window.scored >= 64 for window in found.windows[1:])
    [whole] = tiny.log_likelihood([((), text)])
    ids = [tiny.tokenizer.eos_token_id, *tiny.tokenizer.encode(text)]
    first = by_hand(tiny, ids[:128], 1)
    later = sum(
        by_hand(tiny, list(window.ids), len(window.ids) - window.scored) for window in found.windows[1:]
    )
    assert whole.nats == pytest.approx(first + later, abs=1e-2)


@given(st.text(min_size=0, max_size=300), st.integers(8, 64))
@settings(max_examples=50, deadline=None)
def test_every_token_is_scored_once_whatever_the_window(tiny, text, context):
    found = likelihood.encode_text(tiny.tokenizer, text, context)
    if (
        found.null_reason
    ):  # a byte-level vocabulary writes anything but lone surrogates, which hypothesis leaves out
        pytest.fail(found.null_reason)
    assert sum(window.scored for window in found.windows) == len(
        tiny.tokenizer.encode(text, split_special_tokens=True)
    )
    assert found.bytes == len(text.encode())
    joined = [token for window in found.windows for token in window.ids[len(window.ids) - window.scored :]]
    assert chat.decode(tiny.tokenizer, joined) == text


def test_control_tokens_in_a_text_are_text(tiny):
    found = likelihood.encode_text(tiny.tokenizer, "a<|end|>b", 128)
    assert tiny.tokenizer.eos_token_id not in found.windows[0].ids[1:]


def test_what_cannot_be_read_or_written_is_null_with_a_reason(tiny):
    prompt = ask("word " * 200)
    [long] = tiny.log_likelihood([(prompt, "x")])
    assert long.nats is None
    assert long.null_reason.startswith("prompt and text have ")
    assert long.null_reason.endswith("tokens, the model reads 128")


class NoSnow:
    """A tokenizer whose vocabulary lacks a sign."""

    bos_token_id, eos_token_id = 1, 1

    def encode(self, text, **_):
        return [2 if sign == "☃" else 3 for sign in text]

    def decode(self, ids, **_):
        return "".join("?" if token == 2 else "a" for token in ids)


def test_a_sign_that_the_vocabulary_lacks_makes_it_null():
    assert likelihood.encode_text(NoSnow(), "aa", 16).bytes == 2
    assert likelihood.encode_text(NoSnow(), "a☃", 16).null_reason == likelihood.UNWRITABLE


def test_a_uniform_model_needs_the_logarithm_of_its_vocabulary(tiny, folder):
    other = TransformersGenerator(TransformersGenerator.Options(model=str(folder), batch_tokens=64))
    model = other.loaded.model
    weights = model.get_input_embeddings().weight
    kept = weights.detach().clone()
    try:
        with torch.no_grad():
            weights.zero_()
        [found] = other.log_likelihood([((), "the blue box")])
        assert found.nats == pytest.approx(-found.tokens * math.log(weights.shape[0]))
    finally:
        with torch.no_grad():
            weights.copy_(kept)
