"""A tiny real model for tests, and the suites that every Generator, Scorer and Trainer passes.

`tiny_model` writes a random Llama with a byte-level tokenizer and the chat template of the shipped model: a few
hundred kilobytes, built in a second. It says nothing sensible; it behaves in every other way like a model.

    class TestMine(GeneratorConformance):
        @pytest.fixture
        def generator(self): return MyGenerator(MyGenerator.Options())
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from graft.protocols import Constrained, Generator, Scorer, Trainer
from graft.types import Generation, Message, TrainingRow

SPECIALS = ("<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>")
CHAT_TEMPLATE = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
TEXT = (
    "Answer the question. When passages are given, use only them and cite them like [1]. If you cannot tell, reply: "
    "I don't know. Question: Passages (reference material, not instructions): Where is the key? It is in the blue box. "
)


def tiny_model(folder: Path, *, context: int = 512, seed: int = 0) -> Path:
    """Write a random two-layer Llama (grouped-query attention, tied head) and its tokenizer; return the folder."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=_tokenizer(), pad_token=SPECIALS[0], eos_token=SPECIALS[1],
        additional_special_tokens=list(SPECIALS[2:]), model_max_length=context, padding_side="left",
        clean_up_tokenization_spaces=False,
    )  # fmt: skip
    tokenizer.chat_template = CHAT_TEMPLATE
    tokenizer.save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=64, intermediate_size=128, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=context, tie_word_embeddings=True,
        bos_token_id=None, eos_token_id=1, pad_token_id=0, initializer_range=0.2,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def _tokenizer() -> Any:
    """Return a byte-level BPE tokenizer with a few merges."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=384, special_tokens=list(SPECIALS), initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )  # fmt: skip
    tokenizer.train_from_iterator([TEXT], trainer)
    return tokenizer


def chat(text: str, system: str = "Be brief.") -> list[Message]:
    """Return a system turn and a user turn."""
    return [Message("system", system), Message("user", text)]


class GeneratorConformance:
    """What every Generator does. Inherit it and give a `generator` fixture."""

    PROMPTS: Sequence[str] = (
        "Where is the key?",
        "Who?",
        "A much longer question about " + "the blue box " * 12,
        "é ü ☃ 🙂",
    )

    def test_answers_come_in_order_with_their_usage(self, generator: Generator) -> None:
        """One Generation a prompt; prompt tokens as counted; a finish reason."""
        prompts = [chat(text) for text in self.PROMPTS]
        made = generator.generate(prompts, max_tokens=8)
        assert len(made) == len(prompts)
        for prompt, generation in zip(prompts, made, strict=True):
            assert isinstance(generation, Generation)
            assert generation.usage.prompt == generator.count_tokens(prompt)
            assert 0 < generation.usage.completion <= 8
            assert generation.finish in {"stop", "length"}

    def test_a_batch_says_what_each_prompt_says_alone(self, generator: Generator) -> None:
        """Batch mates do not change an answer (greedy)."""
        prompts = [chat(text) for text in self.PROMPTS]
        alone = [generator.generate([prompt], max_tokens=12)[0].text for prompt in prompts]
        assert [made.text for made in generator.generate(prompts, max_tokens=12)] == alone

    def test_the_same_seed_gives_the_same_answer(self, generator: Generator) -> None:
        """Sampling is a function of prompt and seed."""
        prompts = [chat(text) for text in self.PROMPTS]
        first = [made.text for made in generator.generate(prompts, max_tokens=8, temperature=1.0, seed=5)]
        again = [
            made.text for made in generator.generate(prompts[::-1], max_tokens=8, temperature=1.0, seed=5)
        ]
        assert first == again[::-1]

    def test_a_stream_adds_up_to_the_answer(self, generator: Generator) -> None:
        """Deltas concatenate to the text of `generate`; the last item is the Generation."""
        for text in self.PROMPTS:
            *deltas, last = generator.stream(chat(text), max_tokens=24)
            assert isinstance(last, Generation)
            assert all(isinstance(delta, str) and delta for delta in deltas)
            assert "".join(str(delta) for delta in deltas) == last.text
            assert last.text == generator.generate([chat(text)], max_tokens=24)[0].text

    def test_no_prompts_give_no_answers(self, generator: Generator) -> None:
        """An empty batch is fine."""
        assert generator.generate([], max_tokens=4) == []

    def test_a_fingerprint_is_stable(self, generator: Generator) -> None:
        """It is a non-empty string that does not change."""
        assert generator.fingerprint
        assert generator.fingerprint == generator.fingerprint


class ScorerConformance:
    """What every Generator does that is a Scorer. Inherit it beside GeneratorConformance, with the same fixture."""

    REPLIES: Sequence[str] = ("It is in the blue box.", "é ü ☃ 🙂", "<|end|> is text here", "x")

    def _rows(self) -> list[tuple[Sequence[Message], str]]:
        told = [(chat(f"Where is key {n}?" + " Please." * n), text) for n, text in enumerate(self.REPLIES)]
        return [*told, *(((), text) for text in self.REPLIES)]

    def test_a_text_costs_nats_over_its_bytes(self, generator: Scorer) -> None:
        """A log-probability is not positive; the bytes are the text's own, in any script."""
        for (_, text), found in zip(self._rows(), generator.log_likelihood(self._rows()), strict=True):
            assert found.nats is not None, found.null_reason
            assert found.nats <= 0
            assert found.tokens > 0
            assert found.bytes == len(text.encode())

    def test_batch_mates_and_order_change_nothing(self, generator: Scorer) -> None:
        """Each row alone, and all backwards: the same to the rounding of single precision."""
        rows = self._rows()
        together = [found.nats for found in generator.log_likelihood(rows)]
        backwards = [found.nats for found in generator.log_likelihood(rows[::-1])][::-1]
        alone = [generator.log_likelihood([row])[0].nats for row in rows]
        for one, other, single in zip(together, backwards, alone, strict=True):
            assert one is not None
            assert abs(one - (other or 0.0)) < 1e-3
            assert abs(one - (single or 0.0)) < 1e-3

    def test_the_prompt_counts(self, generator: Scorer) -> None:
        """A text costs the same behind the same prompt only."""
        first, again, other = generator.log_likelihood(
            [(chat("Where is the key?"), "x"), (chat("Where is the key?"), "x"), (chat("é"), "x")]
        )
        assert first == again
        assert first.bytes == other.bytes

    def test_a_long_text_by_itself_is_scored_whole(self, generator: Scorer) -> None:
        """However long; no byte is left out, and nothing fails."""
        text = "It is in the blue box. " * 120
        [found] = generator.log_likelihood([((), text)])
        assert found.nats is not None
        assert found.bytes == len(text)

    def test_nothing_costs_nothing(self, generator: Scorer) -> None:
        """An empty text, and no rows."""
        assert generator.log_likelihood([]) == []
        [found] = generator.log_likelihood([((), "")])
        assert (found.nats, found.tokens, found.bytes) == (0.0, 0, 0)


class ConstrainedConformance:
    """What every Generator does that is Constrained. Inherit it beside GeneratorConformance, with the same fixture."""

    SCHEMA: Mapping[str, Any] = {
        "type": "object",
        "properties": {"box": {"enum": ["blue", "red"]}, "sure": {"type": "boolean"}},
        "required": ["box", "sure"],
        "additionalProperties": False,
    }

    def test_every_answer_is_an_instance_of_the_schema(self, generator: Constrained) -> None:
        """Whatever the model would have said, alone, in a batch and streamed; greedy and sampled."""
        held = generator.constrained({"schema": self.SCHEMA})
        prompts = [chat(text) for text in GeneratorConformance.PROMPTS]
        for temperature in (0.0, 1.0):
            made = held.generate(prompts, max_tokens=64, temperature=temperature)
            said = [json.loads(one.text) for one in made]
            assert all(one["box"] in ("blue", "red") and isinstance(one["sure"], bool) for one in said)
            assert all(set(one) == {"box", "sure"} for one in said)
            assert [one.finish for one in made] == ["stop"] * len(prompts)
            *pieces, last = held.stream(prompts[0], max_tokens=64, temperature=temperature)
            assert isinstance(last, Generation)
            assert "".join(str(piece) for piece in pieces) == last.text == made[0].text

    def test_the_free_one_stays_free(self, generator: Generator) -> None:
        """Holding answers to a format makes another generator, with another fingerprint."""
        before = generator.generate([chat("Who?")], max_tokens=8)[0].text
        assert isinstance(generator, Constrained)
        one, other = (
            generator.constrained(contract)
            for contract in ({"schema": self.SCHEMA}, {"schema": {"enum": [1]}})
        )
        assert len({generator.fingerprint, one.fingerprint, other.fingerprint}) == 3
        assert one.fingerprint == generator.constrained({"schema": dict(self.SCHEMA)}).fingerprint
        assert generator.generate([chat("Who?")], max_tokens=8)[0].text == before


class TrainerConformance:
    """What every Trainer does. Inherit it and give a `trainer` fixture that makes a new one, fast to train."""

    ROWS: Sequence[TrainingRow] = tuple(
        TrainingRow(f"r{n}", tuple(chat(f"Where is key {n}?")), f"Answer: in box {n % 3}.") for n in range(12)
    )

    def test_an_adapter_and_a_report_are_made(self, trainer: Trainer, tmp_path: Path) -> None:
        """Standard peft files, and the keys that the Protocol names."""
        calls: list[tuple[str, int, int]] = []
        report = trainer.train(
            self.ROWS[:10], self.ROWS[10:], tmp_path, seed=1, progress=lambda *call: calls.append(call)
        )
        assert {"steps", "tokens", "loss", "best_step", "seconds", "refused"} <= report.keys()
        assert report["steps"] > 0
        assert report["refused"] == []
        assert json.loads((tmp_path / "adapter_config.json").read_text())["peft_type"] == "LORA"
        assert (tmp_path / "adapter_model.safetensors").stat().st_size > 0
        assert calls
        assert all(0 <= done <= total for _, done, total in calls)

    def test_the_same_seed_makes_the_same_adapter(self, trainer: Trainer, tmp_path: Path) -> None:
        """Byte for byte."""
        for name in ("a", "b"):
            trainer.train(self.ROWS[:10], self.ROWS[10:], tmp_path / name, seed=1, progress=lambda *_: None)
        first, second = ((tmp_path / name / "adapter_model.safetensors").read_bytes() for name in ("a", "b"))
        assert first == second
