"""The tokenizer: cased byte-level BPE, 4,096 tokens, every digit a token of its own, and the chat template.

Digits stand alone because numbers and codes are copied digit by digit whatever their neighbours. The split pattern is
Qwen2's, letter for letter, because llama.cpp knows it (`tokenizer.ggml.pre = "qwen2"`): a pattern of our own could not
be converted to GGUF with equal token ids.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

PAD, END, SYSTEM, USER, ASSISTANT = SPECIALS = (
    "<|pad|>",
    "<|end|>",
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
)
PATTERN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
# What merges may join is narrower than what the pattern keeps together: a space or a mark is never joined to a word that
# begins with a capital, nor to a sign that opens an amount. So a name, a number and a code are the same tokens after a
# space, a quotation mark, a bracket and a line end, and copying into JSON or a table is the identity. Since no merge
# joins them, the pattern above, which llama.cpp knows, gives the same tokens as this one.
LEARNT_WITHIN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)| ?\p{Ll}\p{L}*|\p{L}+|\p{N}"
    r"|[$€£#@\"“”'*_`~]| ?[^\s\p{L}\p{N}$€£#@\"“”'*_`~]+|\n+|\s"
)
# The space before an answer makes its first word the same token as in the passage (" Oslo", not "Oslo"): without it the
# network found the right place for 70 to 80 % of answers and still got 40 % of their first tokens right (LOG.md). The
# decoder strips it again.
CHAT_TEMPLATE = (
    "{% for m in messages %}<|{{ m.role }}|>"
    "{% if m.role == 'assistant' %}{% generation %} {{ m.content }}<|end|>{% endgeneration %}"
    "{% else %}{{ m.content }}<|end|>{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


DECODER = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 1, 0)])


def train_tokenizer(texts: Iterable[str], vocab: int = 4096) -> Tokenizer:
    """Learn the merges; special tokens take the ids 0 to 4 in the order of `SPECIALS`."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = _split(LEARNT_WITHIN)
    tokenizer.decoder = DECODER
    trainer = trainers.BpeTrainer(
        vocab_size=vocab,
        special_tokens=list(SPECIALS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.pre_tokenizer = _split(PATTERN)
    return tokenizer


def _split(pattern: str) -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def wrap(tokenizer: Tokenizer, context: int) -> PreTrainedTokenizerFast:
    """Give the Hugging Face form: names of the special tokens, context length, chat template."""
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[SYSTEM, USER, ASSISTANT],
        model_max_length=context,
        clean_up_tokenization_spaces=False,
        padding_side="left",
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast


def load(path: Path) -> Tokenizer:
    """Read a `tokenizer.json`."""
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.decoder = DECODER
    return tokenizer
