"""The cross-encoder reranker, on a tiny model made here."""

from importlib.util import find_spec

import pytest

from graft.backends.rerank_cross_encoder import CrossEncoderReranker
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


class TestCrossEncoderReranker(RerankerConformance):
    @pytest.fixture
    def reranker(self, folder):
        return CrossEncoderReranker(CrossEncoderReranker.Options(model=str(folder), batch=2))


def test_a_wrong_folder_is_one_clear_error(tmp_path):
    reranker = CrossEncoderReranker(CrossEncoderReranker.Options(model=str(tmp_path)))
    with pytest.raises(BackendError, match="Cannot load the reranker"):
        reranker.score("q", ["text"])
