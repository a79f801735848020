"""Local models: names, files, tokens, generation."""

from __future__ import annotations

import json
import shutil

import pytest
import torch

from graft import plugins
from graft.backends import models
from graft.backends.generators import chat, decoding, llama_fast
from graft.backends.generators.generate_transformers import TransformersGenerator
from graft.backends.trainers.lora import peft_calm
from graft.errors import BackendError, ConfigError
from graft.testing.models import ConstrainedConformance, GeneratorConformance, tiny_model
from graft.testing.models import chat as ask
from graft.types import Generation, Message


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def generator(folder):
    return TransformersGenerator(TransformersGenerator.Options(model=str(folder), batch_size=3))


def exact(folder):
    """A generator that computes in fp32 alone: a model of random weights has ties that bf16 decides otherwise."""
    return TransformersGenerator(TransformersGenerator.Options(model=str(folder), dtype="float32"))


class TestTransformers(GeneratorConformance, ConstrainedConformance):
    @pytest.fixture
    def generator(self, folder):
        return plugins.build("generator", "transformers", {"model": str(folder)})


# --- names and files -----------------------------------------------------------------------------------------------


def test_a_folder_and_a_hub_id_resolve(folder):
    assert models.resolve(str(folder)) == folder
    assert models.resolve("org/model-1b") == "org/model-1b"


def test_a_wrong_name_lists_what_was_tried():
    with pytest.raises(
        ConfigError, match=r"No model 'nono': it is neither a packaged model \(.*\) nor a folder"
    ):
        models.resolve("nono")


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_an_incomplete_folder_names_the_missing_file(folder, tmp_path, name):
    shutil.copytree(folder, tmp_path / "m")
    (tmp_path / "m" / name).unlink()
    with pytest.raises(ConfigError, match=f"lacks {name}"):
        models.resolve(str(tmp_path / "m"))


def test_missing_shards_and_pickles_are_named(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "m")
    (tmp_path / "m" / "model.safetensors").rename(tmp_path / "m" / "pytorch_model.bin")
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (tmp_path / "m" / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ConfigError, match=r"lacks model-1\.safetensors, model-2\.safetensors.*pickle"):
        models.resolve(str(tmp_path / "m"))


def test_a_damaged_weight_file_is_a_backend_error(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "m")
    (tmp_path / "m" / "model.safetensors").write_bytes(b"\0" * 100)
    with pytest.raises(BackendError, match="cannot be loaded"):
        models.load(str(tmp_path / "m"))


def test_the_fingerprint_follows_weights_and_template(folder, tmp_path):
    first = models.base_fingerprint(str(folder))
    assert first == models.base_fingerprint(str(folder))
    other = tiny_model(tmp_path / "other", seed=1)
    assert models.base_fingerprint(str(other)) != first
    shutil.copytree(folder, tmp_path / "m")
    assert models.base_fingerprint(str(tmp_path / "m")) == first
    template = tmp_path / "m" / "chat_template.jinja"
    template.write_text(template.read_text() + " ")
    assert models.base_fingerprint(str(tmp_path / "m")) != first


def test_a_model_is_loaded_once(folder):
    assert models.load(str(folder)).model is models.load(str(folder)).model


# --- tokens --------------------------------------------------------------------------------------------------------


def test_control_tokens_in_a_message_are_plain_text(folder):
    tokenizer = models.load_tokenizer(folder)
    ids = chat.encode_prompt(tokenizer, [Message("user", "a<|end|><|assistant|>b")])
    assert [ids.count(tokenizer.convert_tokens_to_ids(mark)) for mark in ("<|user|>", "<|end|>", "<|assistant|>")] == [
        1, 1, 1,
    ]  # fmt: skip
    assert tokenizer.decode(ids) == "<|user|>a<|end|><|assistant|>b<|end|><|assistant|>"


def test_a_row_is_prompt_then_answer_then_end(folder):
    tokenizer = models.load_tokenizer(folder)
    ids, opening = chat.encode_row(tokenizer, ask("Who?"), "The <|end|> box")
    assert tokenizer.decode(ids[:opening]) == "<|system|>Be brief.<|end|><|user|>Who?<|end|><|assistant|>"
    assert tokenizer.decode(ids[opening:]) == "The <|end|> box<|end|>"
    assert ids.count(chat.end_of_turn(tokenizer)) == 3


def test_a_template_that_rewrites_the_prompt_is_refused(folder):
    tokenizer = models.load_tokenizer(folder)
    tokenizer.chat_template = (
        "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|><think>{% endif %}"
    )
    with pytest.raises(BackendError, match="does not continue the prompt"):
        chat.encode_row(tokenizer, ask("Who?"), "He")


def test_a_thinking_mode_is_switched_off_in_prompt_and_row_alike(folder):
    """As Qwen's template does it: without thinking, an empty thought stands in the opening and before the answer."""
    tokenizer = models.load_tokenizer(folder)
    tokenizer.chat_template = (
        "{% for m in messages %}<|{{ m.role }}|>{% if m.role == 'assistant' %}(){% endif %}{{ m.content }}<|end|>"
        "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% if enable_thinking is false %}(){% endif %}{% endif %}"
    )
    ids, opening = chat.encode_row(tokenizer, [Message("user", "Who?")], "He")
    assert tokenizer.decode(ids[:opening]) == "<|user|>Who?<|end|><|assistant|>()"
    assert tokenizer.decode(ids[opening:]) == "He<|end|>"


def test_templates_without_an_end_or_at_all_are_refused(folder):
    tokenizer = models.load_tokenizer(folder)
    tokenizer.chat_template = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:"
    with pytest.raises(ConfigError, match="does not close the assistant's turn"):
        chat.end_of_turn(tokenizer)
    tokenizer.chat_template = None
    with pytest.raises(ConfigError, match="no chat template"):
        chat.encode_prompt(tokenizer, ask("Who?"))


def test_a_text_stream_never_gives_half_a_character(folder):
    tokenizer = models.load_tokenizer(folder)
    text = "naïve ☃ 🙂 日本 Zürich"
    ids = tokenizer.encode(text)
    stream = chat.TextStream(tokenizer)
    parts = [stream.push(token) for token in ids]
    assert "".join(parts) == text
    assert not any("\ufffd" in part for part in parts)
    cut = chat.TextStream(tokenizer)
    parts = [cut.push(token) for token in tokenizer.encode("a🙂")[:-1]]
    assert "".join(parts) == "a"
    assert cut.flush() == "\ufffd"


# --- the fast decoder ----------------------------------------------------------------------------------------------


def decoded(decoder, prompts, steps=12):
    """The logits of every step, tokens chosen greedily, rows dropped halfway."""
    rows = []
    with torch.inference_mode():
        logits = decoder.prefill(prompts, steps)
        for number in range(steps):
            rows.append(logits)
            if number == steps // 2 and len(logits) > 1:
                keep = torch.tensor([0, len(logits) - 1])
                decoder.keep(keep)
                logits = logits[keep]
            logits = decoder.step(logits.argmax(-1))
    return rows


@pytest.mark.parametrize("lengths", [[7], [9, 9], [30, 3, 12]])
def test_the_fast_decoder_gives_hugging_faces_logits(folder, lengths):
    model = models.load(str(folder)).model
    assert llama_fast.supports(model)
    prompts = [list(range(5 + length, 5 + 2 * length)) for length in lengths]
    fast = decoded(llama_fast.FastLlamaDecoder(llama_fast.FastLlama(model)), prompts)
    theirs = decoded(decoding.HFDecoder(model, 0), prompts)
    assert all(torch.allclose(ours, hf, atol=1e-4) for ours, hf in zip(fast, theirs, strict=True))


def test_the_fast_decoder_knows_what_it_does_not_cover(folder):
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig.from_pretrained(folder)
    assert llama_fast.supports(LlamaForCausalLM(config))
    for change in (
        {"attention_bias": True},
        {"hidden_act": "gelu"},
        {"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4}},
    ):
        assert not llama_fast.supports(LlamaForCausalLM(LlamaConfig(**{**config.to_dict(), **change})))


@pytest.mark.parametrize("lengths", [[9], [6, 6], [3, 8, 2, 5]])
def test_mixed_precision_stays_near_fp32(folder, lengths):
    model = models.load(str(folder)).model
    prompts = [list(range(1, length + 1)) for length in lengths]

    def logits(*, mixed):
        decoder = llama_fast.FastLlamaDecoder(llama_fast.FastLlama(model, mixed=mixed))
        with torch.inference_mode():
            read = decoder.prefill(prompts, 6)
            return torch.stack([read] + [decoder.step(torch.full((len(prompts),), n)) for n in range(5)])

    exactly, near = logits(mixed=False), logits(mixed=True)
    assert not torch.equal(exactly, near)
    assert torch.allclose(exactly, near, atol=0.02 * exactly.abs().max().item())


@pytest.mark.parametrize("lengths", [[9], [6, 6], [3, 8, 2, 5]])
@pytest.mark.parametrize("fast", [True, False])
def test_tokens_that_are_taken_back_leave_no_trace(folder, lengths, fast):
    model = models.load(str(folder)).model
    prompts = [list(range(1, length + 1)) for length in lengths]

    def logits(*, back):
        shared = llama_fast.FastLlama(model)
        decoder = llama_fast.FastLlamaDecoder(shared) if fast else decoding.HFDecoder(model, 0)
        with torch.inference_mode():
            decoder.prefill(prompts, 8)
            for token in range(back):
                decoder.step(torch.full((len(prompts),), 20 + token))
            decoder.back(back)
            return torch.stack([decoder.step(torch.full((len(prompts),), 5 + n)) for n in range(3)])

    assert torch.allclose(logits(back=0), logits(back=3), atol=1e-4)


def test_only_dtype_auto_computes_in_mixed_precision(folder, monkeypatch):
    monkeypatch.setattr("graft.backends.devices.cpu_has_bf16", lambda: True)
    auto = TransformersGenerator(TransformersGenerator.Options(model=str(folder)))
    assert auto.fast.cache_type is torch.bfloat16
    assert exact(folder).fast.cache_type is torch.float32


def test_both_decoders_say_the_same_behind_the_generator(folder):
    fast, slow = (exact(folder) for _ in range(2))
    slow.__dict__["fast"] = None
    prompts = [ask(text) for text in GeneratorConformance.PROMPTS]
    said = [[made.text for made in one.generate(prompts, max_tokens=30)] for one in (fast, slow)]
    assert said[0] == said[1]


# --- generation ----------------------------------------------------------------------------------------------------


def test_greedy_equals_hugging_face_generate(folder):
    generator, loaded = exact(folder), models.load(str(folder))
    for text in ("Where is the key?", "Who is it and why, in the blue box?"):
        ids = torch.tensor([chat.encode_prompt(loaded.tokenizer, ask(text))])
        theirs = loaded.model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=20, do_sample=False,
            eos_token_id=sorted(loaded.stop), pad_token_id=0,
        )  # fmt: skip
        new = theirs[0, ids.shape[1] :]
        (ours,) = generator.generate([ask(text)], max_tokens=20)
        assert ours.text == loaded.tokenizer.decode(new, skip_special_tokens=True)
        with torch.no_grad():
            logits = loaded.model(theirs).logits[0, ids.shape[1] - 1 : -1].log_softmax(-1)
        assert ours.logprob == pytest.approx(logits.gather(-1, new[:, None]).mean().item(), abs=1e-4)


def test_a_stop_token_ends_one_row_and_not_its_mates(folder):
    loaded = models.load(str(folder))
    free = TransformersGenerator(TransformersGenerator.Options(model=str(folder)))
    (long,) = free.generate([ask("Who?")], max_tokens=20)
    token = loaded.tokenizer.encode(long.text)[3]
    stopping = TransformersGenerator(TransformersGenerator.Options(model=str(folder)))
    stopping.__dict__["loaded"] = models.LoadedModel(
        loaded.model, loaded.tokenizer, loaded.fingerprint, frozenset({token}), loaded.context
    )
    prompts = [ask("Who?"), ask("Where is it, in which blue box, and why there?"), ask("A")]
    made = stopping.generate(prompts, max_tokens=20)
    assert [one.text for one in made] == [
        stopping.generate([prompt], max_tokens=20)[0].text for prompt in prompts
    ]
    assert made[0].finish == "stop"
    assert long.text.startswith(made[0].text)
    assert made[0].usage.completion < 20


def test_timings_and_usage_of_one_answer(generator):
    (made,) = generator.generate([ask("Who?")], max_tokens=5)
    assert set(made.timings) == {"prefill", "decode"}
    assert all(seconds > 0 for seconds in made.timings.values())
    assert made.usage.prompt == generator.count_tokens(ask("Who?"))
    assert made.usage.completion == 5


def test_temperature_changes_answers_and_seeds_decide_them(generator):
    def said(seed):
        return generator.generate([ask("Who?")], max_tokens=10, temperature=1.5, seed=seed)[0].text

    assert len({said(seed) for seed in range(5)}) > 1
    assert said(3) == said(3)


def test_a_prompt_too_long_names_the_counts(generator):
    with pytest.raises(BackendError, match=r"The prompt has \d{3,} tokens, but .* reads 512"):
        generator.generate([ask("word " * 600)], max_tokens=5)


def test_an_answer_stops_at_the_end_of_the_context(generator):
    prompt = ask("x" * 10)
    short = 512 - generator.count_tokens(prompt)
    (made,) = generator.generate([ask("x" * (short // 2))], max_tokens=2000)
    assert made.finish in {"stop", "length"}
    assert made.usage.prompt + made.usage.completion <= 512


def test_the_fingerprint_follows_the_options(folder):
    options = TransformersGenerator.Options(model=str(folder))
    first = TransformersGenerator(options).fingerprint
    assert first == TransformersGenerator(options).fingerprint
    assert (
        first
        != TransformersGenerator(
            TransformersGenerator.Options(model=str(folder), dtype="bfloat16")
        ).fingerprint
    )


def test_unknown_options_are_refused_with_the_nearest_name(folder):
    with pytest.raises(ConfigError, match="Did you mean 'adapter'"):
        plugins.build("generator", "transformers", {"model": str(folder), "adaptor": "x"})


def test_an_adapter_that_goes_through_peft_answers_too(folder, tmp_path):
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    free = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
    with peft_calm():
        get_peft_model(free, LoraConfig(r=4, target_modules=["q_proj"])).save_pretrained(tmp_path)
    asked = [ask("Who?"), ask("Where?")]
    said = [
        TransformersGenerator(
            TransformersGenerator.Options(model=str(folder), adapter=adapter, dtype="bfloat16")
        ).generate(asked, max_tokens=4)
        for adapter in (str(tmp_path), "")  # a new adapter changes nothing
    ]
    assert [one.text for one in said[0]] == [one.text for one in said[1]]


def test_half_precision_answers_too(folder):
    made = TransformersGenerator(TransformersGenerator.Options(model=str(folder), dtype="bfloat16")).generate(
        [ask("Who?"), ask("Where?")], max_tokens=4
    )
    assert all(isinstance(one, Generation) for one in made)
