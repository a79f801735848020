"""The cross-encoder reranker, on a tiny model made here."""

import shutil
from importlib.util import find_spec

import pytest

from graft.backends.encoders.rerank_cross_encoder import CrossEncoderReranker
from graft.errors import BackendError
from graft.testing.retrieval import RerankerConformance

pytestmark = pytest.mark.skipif(find_spec("torch") is None, reason="needs the extra 'models'")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    path = tmp_path_factory.mktemp("cross-encoder")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "annual", "leave", "is", "days", "printer", "broken", "the"]
    tokenizer = Tokenizer(models.WordLevel({word: at for at, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )
    fast.save_pretrained(path)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        num_labels=1,
    )
    BertForSequenceClassification(config).save_pretrained(path)
    return path


def opened(folder, **options):
    return CrossEncoderReranker(
        CrossEncoderReranker.Options(model=str(folder), **{"precision": "fp32", **options})
    )


class TestCrossEncoderReranker(RerankerConformance):
    @pytest.fixture
    def reranker(self, folder):
        return opened(folder, batch=2)


def test_a_wrong_folder_is_one_clear_error(tmp_path):
    reranker = CrossEncoderReranker(CrossEncoderReranker.Options(model=str(tmp_path)))
    with pytest.raises(BackendError, match="Cannot load the reranker"):
        reranker.score("q", ["text"])


def test_bf16_scores_like_fp32(folder):
    texts = ["annual leave is 25 days", "the printer is broken", "leave"]
    exact, half = (opened(folder, precision=kind).score("annual leave", texts) for kind in ("fp32", "bf16"))
    assert half == pytest.approx(exact, abs=0.02)


def test_the_fingerprint_is_that_of_the_files(folder, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    assert opened(copy).fingerprint == opened(folder, batch=1, precision="bf16").fingerprint
    (copy / "config.json").write_text("{}")
    others = [opened(copy), opened(folder, max_tokens=9), opened("some/name")]
    assert len({opened(folder).fingerprint, *(one.fingerprint for one in others)}) == 4
