"""Sentence-transformers models, on a tiny one made here."""

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from graft.backends.encoders.embed_sentence_transformers import SentenceTransformersEmbedder
from graft.errors import BackendError, ConfigError
from graft.testing.retrieval import EmbedderConformance

pytestmark = pytest.mark.skipif(
    find_spec("sentence_transformers") is None, reason="needs the extra 'sentence-transformers'"
)
WORDS = [
    "annual",
    "leave",
    "days",
    "of",
    "employees",
    "get",
    "25",
    "the",
    "printer",
    "is",
    "on",
    "second",
    "floor",
    "query",
    ":",
]


def opened(folder, **options):
    return SentenceTransformersEmbedder(SentenceTransformersEmbedder.Options(model=str(folder), **options))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A model of one layer, with a prompt of its own for queries."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    path = tmp_path_factory.mktemp("encoder")
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS]
    tokenizer = Tokenizer(
        models.WordLevel({word: at for at, word in enumerate(vocabulary)}, unk_token="[UNK]")
    )
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        model_max_length=64,
    ).save_pretrained(path)  # fmt: skip
    torch.manual_seed(0)
    BertModel(
        BertConfig(
            vocab_size=len(vocabulary), hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
            intermediate_size=32, max_position_embeddings=64,
        )
    ).save_pretrained(path)  # fmt: skip
    kinds = [("", "Transformer"), ("1_Pooling", "Pooling")]
    modules = [
        {"idx": at, "name": str(at), "path": where, "type": f"sentence_transformers.models.{kind}"}
        for at, (where, kind) in enumerate(kinds)
    ]
    (path / "modules.json").write_text(json.dumps(modules))
    (path / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True}
    (path / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    (path / "sentence_bert_config.json").write_text(
        json.dumps({"max_seq_length": 64, "do_lower_case": False})
    )
    (path / "config_sentence_transformers.json").write_text(json.dumps({"prompts": {"query": "query: "}}))
    return path


class TestSentenceTransformersEmbedder(EmbedderConformance):
    @pytest.fixture
    def embedder(self, folder):
        return opened(folder)


def test_prompts_are_the_models_own_unless_given(folder):
    own, passage = opened(folder), opened(folder).encode(["query: annual leave"])
    assert np.allclose(own.encode(["annual leave"], query=True), passage, atol=1e-6)
    assert not np.allclose(own.encode(["annual leave"]), passage, atol=1e-3)
    given = opened(folder, query_prompt="the ", passage_prompt="of ")
    assert np.allclose(given.encode(["leave"], query=True), own.encode(["the leave"]), atol=1e-6)
    assert np.allclose(given.encode(["leave"]), own.encode(["of leave"]), atol=1e-6)


def test_vectors_are_cut_and_of_unit_length_again(folder):
    whole, cut = opened(folder).encode(["annual leave"]), opened(folder, truncate_dim=8)
    assert cut.dimension == 8
    assert np.allclose(cut.encode(["annual leave"]), whole[:, :8] / np.linalg.norm(whole[:, :8]), atol=1e-6)


def test_the_fingerprint_follows_all_that_changes_the_vectors(folder, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    assert opened(copy).fingerprint == opened(folder).fingerprint  # the content counts, not the place
    (copy / "config_sentence_transformers.json").write_text("{}")
    changed = [opened(copy), opened(folder, truncate_dim=8), opened(folder, query_prompt="x"), opened(folder, max_tokens=9),
               opened("some/name"), opened("some/name", revision="v2")]  # fmt: skip
    assert len({opened(folder).fingerprint, *(one.fingerprint for one in changed)}) == 7
    assert opened(folder, batch=1).fingerprint == opened(folder).fingerprint


def test_longer_texts_are_cut_where_asked(folder):
    short = opened(folder, max_tokens=4)
    assert np.allclose(short.encode(["annual leave days of"]), short.encode(["annual leave"]), atol=1e-6)


def test_wrong_models_are_one_clear_error(tmp_path):
    with pytest.raises(ConfigError, match="no model"):
        SentenceTransformersEmbedder()
    with pytest.raises(BackendError, match="Cannot load the embedder"):
        opened(tmp_path).encode(["x"])
