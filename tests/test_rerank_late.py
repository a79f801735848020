"""The late-interaction reranker: its scores against MaxSim written out, what it keeps, and what it is made of."""

from importlib.util import find_spec

import numpy as np
import pytest

from graft.backends.encoders.embed_minilm import PACKAGE
from graft.backends.encoders.rerank_late import LateInteractionReranker
from graft.errors import ConfigError
from graft.testing.retrieval import RerankerConformance

pytestmark = pytest.mark.skipif(
    find_spec("torch") is None or find_spec(PACKAGE) is None, reason="needs the extra 'models'"
)
WIDTH, RANK = 384, 2
LAYER = "encoder.layer.5.attention.self.query"


@pytest.fixture(scope="module")
def change(tmp_path_factory):
    """A change of one layer, and a gate, drawn at random."""
    import torch
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("change")
    drawn = torch.Generator().manual_seed(0)
    save_file(
        {
            "gate.weight": torch.randn(1, WIDTH, generator=drawn).half(),
            f"{LAYER}.down": (torch.randn(RANK, WIDTH, generator=drawn) / 20).half(),
            f"{LAYER}.up": (torch.randn(WIDTH, RANK, generator=drawn) / 20).half(),
        },
        folder / "change.safetensors",
    )
    return folder


def opened(folder="", **options):
    return LateInteractionReranker(LateInteractionReranker.Options(change=str(folder), **options))


class TestLateInteractionReranker(RerankerConformance):
    @pytest.fixture
    def reranker(self):
        return opened()


@pytest.mark.parametrize("changed", [False, True])
def test_a_score_is_the_mean_of_the_best_cosine_of_each_token(change, changed):
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModel, AutoTokenizer

    from graft.backends.encoders.embed_minilm import installed

    tokenizer, model = AutoTokenizer.from_pretrained(installed("")), AutoModel.from_pretrained(installed(""))
    made = {name: one.float() for name, one in load_file(change / "change.safetensors").items()}
    with torch.no_grad():
        if changed:
            model.get_submodule(LAYER).weight += made[f"{LAYER}.up"] @ made[f"{LAYER}.down"]

        def states(text):
            found = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
            return found if changed else found[1:-1]

        query, passage = states("How many days of leave?"), states("Annual leave is 25 days a year.")
        gated = (query @ made["gate.weight"][0]).softmax(0).numpy()
    weights = gated if changed else np.full(len(query), 1 / len(query))
    unit = [one.numpy() / np.linalg.norm(one.numpy(), axis=1, keepdims=True) for one in (query, passage)]
    expected = float(((unit[0] @ unit[1].T).max(1) * weights).sum())
    [score] = opened(change if changed else "").score(
        "How many days of leave?", ["Annual leave is 25 days a year."]
    )
    assert score == pytest.approx(expected, abs=0.02)  # bfloat16


def test_what_is_kept_scores_as_what_is_read_anew():
    texts = ["Annual leave is 25 days a year.", "The printer is broken.", "Annual leave is 25 days a year."]
    reader = opened(kept=1)
    first = reader.score("leave", texts)
    assert first[0] == first[2]
    assert list(reader._held) == ["The printer is broken."]
    assert reader.score("leave", texts) == pytest.approx(first, abs=0.01)
    alone = opened(kept=0)
    assert alone.score("leave", texts) == pytest.approx(first, abs=0.01)
    assert not alone._held


def test_the_fingerprint_is_that_of_the_weights(change, tmp_path):
    copy = tmp_path / "change.safetensors"
    copy.write_bytes((change / "change.safetensors").read_bytes())
    assert opened(tmp_path, kept=3, weight=1.0).fingerprint == opened(change).fingerprint
    copy.write_bytes(copy.read_bytes()[:-1] + b"\x01")
    assert (
        len(
            {
                opened(change).fingerprint,
                opened(change, max_tokens=9).fingerprint,
                opened(tmp_path).fingerprint,
            }
        )
        == 3
    )


def test_a_wrong_folder_is_one_clear_error(tmp_path):
    with pytest.raises(ConfigError, match=r"change\.safetensors does not exist"):
        opened(tmp_path).score("q", ["text"])


@pytest.mark.parametrize("tokens", [600, 2])
def test_more_tokens_than_the_model_reads_are_refused(tokens):
    with pytest.raises(ConfigError, match=f"max_tokens = {tokens}, but the model reads from 3 to 512 tokens"):
        opened(max_tokens=tokens).score("a", ["b " * 700])
