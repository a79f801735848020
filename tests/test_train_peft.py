"""Training with peft: what is trained on, that nothing is cut, that a killed run goes on, that adapters are standard."""

from __future__ import annotations

import itertools
import json
import math
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from graft import plugins
from graft.backends import devices, models
from graft.backends.generators.generate_transformers import TransformersGenerator
from graft.backends.trainers import exports, train_checks, train_data, train_loop, train_peft
from graft.backends.trainers.lora import is_plain_lora, peft_calm
from graft.errors import BackendError, ConfigError, DataError, Mismatch, MissingExtra, NotBuilt
from graft.testing.models import TrainerConformance, chat, tiny_model
from graft.tuning.adapters import AdapterManifest, read_manifest, verify
from graft.tuning.train import train_adapter
from graft.types import TrainingRow

ROWS = TrainerConformance.ROWS
quiet = lambda *_: None  # noqa: E731


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_model(tmp_path_factory.mktemp("tiny"))


def trainer(folder, **options):
    return plugins.build("trainer", "peft", {"model": str(folder), "epochs": 2, "batch_size": 4, **options})


class TestPeft(TrainerConformance):
    @pytest.fixture
    def trainer(self, folder):
        return trainer(folder)


class TestFull(TrainerConformance):
    @pytest.fixture
    def trainer(self, folder):
        return trainer(folder, method="full")


@pytest.fixture(scope="module")
def adapter(folder, tmp_path_factory):
    """An adapter that changes what the model says."""
    path = tmp_path_factory.mktemp("adapter")
    trainer(folder, epochs=10, learning_rate=1e-2, dropout=0.0).train(ROWS, (), path, seed=1, progress=quiet)
    return path


# --- what is trained on --------------------------------------------------------------------------------------------


def test_the_loss_is_on_the_answer_and_its_end_only(folder):
    tokenizer = models.load_tokenizer(folder)
    encoded, refused = train_data.encode_rows(tokenizer, ROWS, 512)
    batch = train_data.collate(encoded, tokenizer.pad_token_id)
    assert refused == []
    for row, one, tokens, labels in zip(ROWS, encoded, batch.tokens, batch.labels, strict=True):
        trained = labels[labels != train_data.IGNORED]
        assert tokenizer.decode(trained) == f"{row.answer}<|end|>"
        assert tuple(tokens[: len(one.tokens)].tolist()) == one.tokens
        window = tokens[-len(labels) :]
        assert torch.equal(window[labels != train_data.IGNORED], trained)
        assert tokenizer.decode(one.tokens).startswith("<|system|>Be brief.<|end|><|user|>Where is key")
    assert batch.read == sum(len(row.tokens) for row in encoded)


def test_the_loss_is_the_models_own(folder):
    """Padding, the slice of the head and the shift by one change nothing: equal to each row alone, by hand."""
    model = models.load_base(folder, "float32", "cpu").eval()
    encoded, _ = train_data.encode_rows(
        models.load_tokenizer(folder), [*ROWS[:3], TrainingRow("long", tuple(chat("x" * 90)), "y")], 512
    )
    by_hand, hits = 0.0, 0
    with torch.inference_mode():
        for row in encoded:
            logprobs = model(input_ids=torch.tensor([row.tokens])).logits[0].log_softmax(-1)
            for place in range(len(row.tokens) - row.answer, len(row.tokens)):
                by_hand -= logprobs[place - 1, row.tokens[place]].item()
                hits += int(logprobs[place - 1].argmax() == row.tokens[place])
        ours, right = train_loop.answer_loss(model, train_data.collate(encoded, 0))
    assert ours.item() == pytest.approx(by_hand, rel=1e-5)
    assert right == hits


def test_only_answers_are_learnt(folder, adapter):
    """The model says what it was taught, and stops there."""
    generator = TransformersGenerator(TransformersGenerator.Options(model=str(folder), adapter=str(adapter)))
    said = [made.text for made in generator.generate([row.prompt for row in ROWS], max_tokens=30)]
    assert sum(text == row.answer for text, row in zip(said, ROWS, strict=True)) >= 4
    assert all(text.startswith("Answer: in box ") for text in said)


def test_rows_too_long_are_refused_and_reported_never_cut(folder, tmp_path):
    rows = [*ROWS, TrainingRow("long", tuple(chat("Why?")), "because " * 300)]
    dev = [TrainingRow("long dev", tuple(chat("Why?")), "because " * 300), ROWS[0]]
    report = trainer(folder, epochs=1).train(rows, dev, tmp_path, seed=1, progress=quiet)
    assert report["refused"] == ["long", "long dev"]
    with pytest.raises(DataError, match="All 1 training rows are longer than the 512 tokens"):
        trainer(folder).train(rows[-1:], (), tmp_path / "b", seed=1, progress=quiet)


def test_a_template_that_rewrites_prompts_names_the_row(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "m")
    (tmp_path / "m" / "chat_template.jinja").write_text(
        "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>hm{% endif %}"
    )
    with pytest.raises(BackendError, match=r"Training row 'r0': .*does not continue the prompt"):
        trainer(tmp_path / "m").train(ROWS, (), tmp_path / "a", seed=1, progress=quiet)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=80),
    st.integers(1, 9),
    st.integers(20, 200),
    st.integers(1, 3),
)
def test_every_epoch_sees_every_row_once_within_the_budgets(lengths, batch_size, batch_tokens, epochs):
    steps = train_data.plan_steps(
        lengths, epochs=epochs, batch_size=batch_size, batch_tokens=batch_tokens, seed=1
    )
    assert sorted(itertools.chain(*itertools.chain(*steps))) == sorted(list(range(len(lengths))) * epochs)
    for step in steps:
        assert sum(map(len, step)) <= batch_size
        for batch in step:
            assert len(batch) == 1 or len(batch) * max(lengths[row] for row in batch) <= batch_tokens


def test_the_rate_warms_up_and_falls_to_a_tenth():
    rates = [train_loop.rate_at(step, 100, 1.0, 10) for step in range(101)]
    assert rates[:11] == sorted(rates[:11])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert (rates[10], rates[100]) == (1.0, pytest.approx(0.1))


# --- the run -------------------------------------------------------------------------------------------------------


def test_splitting_a_step_into_batches_changes_nothing(folder, tmp_path, monkeypatch):
    """Gradient accumulation weighs by answer tokens: the mean over the step is the same."""
    monkeypatch.setattr(devices, "cpu_has_bf16", lambda: False)
    for name, tokens in (("whole", 10_000), ("parts", 1)):
        trainer(folder, batch_tokens=tokens, learning_rate=1e-3, epochs=1).train(
            ROWS, (), tmp_path / name, seed=1, progress=quiet
        )
    whole, parts = (_tensors(tmp_path / name) for name in ("whole", "parts"))
    assert all(torch.allclose(whole[name], parts[name], atol=1e-5) for name in whole)


def test_the_latest_of_the_most_accurate_weights_are_kept(folder, tmp_path, monkeypatch):
    """Early stopping on a scripted dev set: neither the lowest loss (step 3) nor the highest accuracy (step 2), which is ahead
    of step 4 by less than its standard error, nor the last weights (step 6)."""
    script = iter(
        [(5.0, 0.1), (4.0, 0.5), (3.0, 0.6), (2.0, 0.5), (2.5, 0.57), (2.6, 0.5), (2.7, 0.5), (2.8, 0.5)]
    )
    seen = {}

    def measure(loop, model):
        step = len(seen)
        seen[step] = {
            name: weight.detach().clone() for name, weight in model.named_parameters() if weight.requires_grad
        }
        return *next(script), 100  # 0.6 of 100 tokens has a standard error of 0.049

    monkeypatch.setattr(train_loop, "measure_dev", measure)
    report = trainer(folder, epochs=30, batch_size=6, patience=3).train(
        ROWS, ROWS[:2], tmp_path, seed=1, progress=quiet
    )
    assert (report["best_step"], report["steps"]) == (4, 6)
    assert report["notes"] == ["the dev rows had not improved for 3 measurements at step 6"]
    assert [accuracy for _step, accuracy in report["accuracy"]] == [0.1, 0.5, 0.6, 0.5, 0.57, 0.5, 0.5]
    kept, right = _tensors(tmp_path), seen[4]
    assert all(
        torch.equal(
            tensor,
            right[
                name.removeprefix("base_model.model.")
                .replace(".lora_A.weight", ".down")
                .replace(".lora_B.weight", ".up")
            ],
        )
        for name, tensor in kept.items()
    )


def test_training_that_never_helps_says_so(folder, tmp_path):
    base = TransformersGenerator(TransformersGenerator.Options(model=str(folder)))
    prompt = tuple(chat("Tell me something else entirely"))
    dev = [
        TrainingRow("d", prompt, base.generate([prompt], max_tokens=20)[0].text)
    ]  # what the base would say anyway
    report = trainer(folder, epochs=2, learning_rate=0.3).train(ROWS, dev, tmp_path, seed=1, progress=quiet)
    assert report["best_step"] == 0
    assert "training never improved the dev rows: the adapter changes nothing" in report["notes"]
    assert all(not tensor.any() for name, tensor in _tensors(tmp_path).items() if "lora_B" in name)


def test_a_loss_that_is_no_number_stops_with_a_remedy(folder, tmp_path):
    with pytest.raises(BackendError, match=r"no longer a number.*learning_rate"):
        trainer(folder, learning_rate=1e30, epochs=50).train(ROWS, (), tmp_path, seed=1, progress=quiet)


def test_a_time_limit_ends_the_run_and_says_so(folder, tmp_path):
    report = trainer(folder, epochs=500, max_minutes=1e-6).train(ROWS, (), tmp_path, seed=1, progress=quiet)
    assert report["steps"] == 1
    assert "max_minutes reached after step 1 of 1500" in report["notes"][0]


def test_progress_is_told_step_by_step(folder, tmp_path):
    calls = []
    trainer(folder, epochs=1).train(ROWS, (), tmp_path, seed=1, progress=lambda *call: calls.append(call))
    assert calls == [("train", 1, 3), ("train", 2, 3), ("train", 3, 3)]


@pytest.mark.parametrize("options", [{}, {"dropout": 0.1}, {"method": "full"}, {"method": "qlora"}])
def test_measuring_does_not_change_training(folder, tmp_path, options):
    """bitsandbytes on AVX512_BF16 repacks weights in eval mode; random numbers may be drawn: neither may matter."""
    if options.get("method") == "qlora":
        pytest.importorskip("bitsandbytes")
    reports = [
        trainer(folder, patience=99, **options).train(ROWS, dev, tmp_path / name, seed=1, progress=quiet)
        for name, dev in (("with", ROWS[:3]), ("without", ()))
    ]
    losses = [[point[1] for point in report["loss"] if point[0]] for report in reports]
    assert len(losses[0]) >= 4
    assert losses[0] == losses[1]


class Killed(BaseException):
    """Stands for kill -9 in the middle of a step."""


@pytest.mark.parametrize(
    ("since", "cost", "due"),
    [(29.0, 0.0, False), (31.0, 0.0, True), (31.0, 0.5, True), (31.0, 1.0, False), (51.0, 1.0, True), (600.0, 60.0, False)],
)  # fmt: skip
def test_checkpoints_are_written_every_half_minute_and_cost_a_fiftieth_of_the_time_at_most(since, cost, due):
    assert train_loop.checkpoint_due(since, cost) is due


@pytest.mark.parametrize("at", [1, 4, 7])
def test_a_run_cut_short_goes_on_to_the_same_weights(folder, tmp_path, monkeypatch, at):
    monkeypatch.setattr(train_loop, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(train_loop, "CHECKPOINT_SHARE", math.inf)
    dev = ROWS[:2]
    whole = trainer(folder, epochs=3).train(ROWS, dev, tmp_path / "whole", seed=1, progress=quiet)

    def kill(_stage, done, _total):
        if done == at:
            raise Killed

    with pytest.raises(Killed):
        trainer(folder, epochs=3).train(ROWS, dev, tmp_path / "cut", seed=1, progress=kill)
    steps = []
    again = trainer(folder, epochs=3).train(
        ROWS, dev, tmp_path / "cut", seed=1, progress=lambda _stage, done, _total: steps.append(done)
    )
    assert steps == list(range(at, 10))  # the killed step is the only one done twice
    assert {**again, "seconds": 0} == {**whole, "seconds": 0}
    first, second = _tensors(tmp_path / "whole"), _tensors(tmp_path / "cut")
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert sorted(path.name for path in (tmp_path / "cut").iterdir()) == [
        "adapter_config.json", "adapter_model.safetensors",
    ]  # fmt: skip


SCRIPT = """
import sys
from pathlib import Path
from graft.backends.trainers import train_loop
from graft.backends.trainers.train_peft import PeftTrainer
from graft.testing.models import TrainerConformance
train_loop.CHECKPOINT_SECONDS, train_loop.CHECKPOINT_SHARE = 0.0, float("inf")
rows = TrainerConformance.ROWS
options = PeftTrainer.Options(model=sys.argv[1], epochs=40, batch_size=4, patience=99)
PeftTrainer(options).train(rows, rows[:2], Path(sys.argv[2]), seed=1, progress=lambda *call: print(*call, flush=True))
"""


@pytest.mark.slow
def test_kill_minus_nine_loses_nothing(folder, tmp_path):
    command = [sys.executable, "-c", SCRIPT, str(folder)]
    subprocess.run([*command, str(tmp_path / "whole")], check=True, capture_output=True)
    for after in (5, 60):
        process = subprocess.Popen([*command, str(tmp_path / "cut")], stdout=subprocess.PIPE, text=True)
        for _ in range(after):
            process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
        process.stdout.close()
        process.wait()
    subprocess.run([*command, str(tmp_path / "cut")], check=True, capture_output=True)
    first, second = _tensors(tmp_path / "whole"), _tensors(tmp_path / "cut")
    assert all(torch.equal(first[name], second[name]) for name in first)


# --- the adapter ---------------------------------------------------------------------------------------------------


def _tensors(folder):
    from safetensors.torch import load_file

    return load_file(folder / "adapter_model.safetensors")


@pytest.mark.parametrize("method", ["lora", "full"])
def test_plain_peft_loads_it_and_says_the_same(folder, tmp_path, method):
    from peft import PeftModel

    trainer(folder, method=method, learning_rate=3e-3).train(ROWS, (), tmp_path, seed=1, progress=quiet)
    ids = torch.arange(5, 60)[None]
    ours = models.load(str(folder), tmp_path, dtype="float32").model
    with peft_calm():
        theirs = PeftModel.from_pretrained(models.load_base(folder, "float32", "cpu"), str(tmp_path)).eval()
    base = models.load_base(folder, "float32", "cpu").eval()
    with torch.inference_mode():
        assert torch.allclose(ours(input_ids=ids).logits, theirs(input_ids=ids).logits, atol=1e-4)
        assert (ours(input_ids=ids).logits - base(input_ids=ids).logits).abs().max() > 0.01
    assert is_plain_lora(tmp_path)
    assert json.loads((tmp_path / "adapter_config.json").read_text())["base_model_name_or_path"] == str(
        folder
    )


@pytest.mark.parametrize("options", [{}, {"dropout": 0.1}])  # this project's own layers, and peft's
def test_only_the_named_layers_are_changed(folder, tmp_path, options):
    trainer(folder, target_modules=["down_proj"], **options).train(ROWS, (), tmp_path, seed=0, progress=quiet)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert config["target_modules"] == ["down_proj"]
    held = load_file(tmp_path / "adapter_model.safetensors")
    assert {key.split(".")[-3] for key in held} == {"down_proj"}


def test_a_layer_that_the_model_lacks_is_named_with_those_it_has(folder, tmp_path):
    with pytest.raises(ConfigError, match="no linear layers named c_attn") as error:
        trainer(folder, target_modules=["c_attn", "q_proj"]).train(ROWS, (), tmp_path, seed=0, progress=quiet)
    assert "k_proj" in error.value.hint
    with pytest.raises(ConfigError, match='for method = "lora"'):
        trainer(folder, target_modules=["q_proj"], method="full").train(
            ROWS, (), tmp_path, seed=0, progress=quiet
        )


def test_a_head_that_is_tied_to_the_embeddings_is_refused(folder, tmp_path):
    """Merged, its change would reach the embeddings too: GRAFT, peft and every server would read other tokens."""
    with pytest.raises(ConfigError, match="shares its weights with the embeddings"):
        trainer(folder, target_modules=["lm_head"]).train(ROWS, (), tmp_path, seed=0, progress=quiet)


def test_an_adapter_beyond_plain_lora_goes_through_peft(folder, adapter, tmp_path):
    shutil.copytree(adapter, tmp_path / "a")
    config = json.loads((tmp_path / "a" / "adapter_config.json").read_text())
    (tmp_path / "a" / "adapter_config.json").write_text(
        json.dumps({**config, "use_rslora": True, "bias": "all"})
    )
    assert not is_plain_lora(tmp_path / "a")
    (tmp_path / "a" / "adapter_config.json").write_text(
        json.dumps({**config, "alpha_pattern": {"q_proj": 64}})
    )
    from peft import PeftModel

    ours = models.load(str(folder), tmp_path / "a").model
    with peft_calm():
        theirs = PeftModel.from_pretrained(models.load_base(folder), str(tmp_path / "a")).eval()
    ids = torch.arange(5, 60)[None]
    with torch.inference_mode():
        assert torch.allclose(ours(input_ids=ids).logits, theirs(input_ids=ids).logits, atol=1e-3)


def test_an_adapter_of_another_model_is_refused(adapter, tmp_path):
    from transformers import LlamaConfig, LlamaForCausalLM

    other = tiny_model(tmp_path)
    config = LlamaConfig.from_pretrained(other)
    config.hidden_size = 32
    LlamaForCausalLM(config).save_pretrained(other)
    with pytest.raises(Mismatch, match="does not fit the model"):
        models.load(str(other), adapter)
    with pytest.raises(ConfigError, match=r"lacks adapter_config\.json"):
        models.load(str(other), tmp_path / "nothing")


def test_merging_writes_a_model_that_says_the_same(folder, adapter, tmp_path, monkeypatch):
    asked = [(row.prompt, row.answer) for row in ROWS]
    found = exports.merge(str(folder), adapter, tmp_path / "m", asked)
    assert found.difference < 1e-3
    assert (found.agreement, found.same) == (1.0, len(ROWS))
    with_adapter = TransformersGenerator(
        TransformersGenerator.Options(model=str(folder), adapter=str(adapter))
    )
    merged = TransformersGenerator(TransformersGenerator.Options(model=str(tmp_path / "m")))
    said, again = (
        made.generate([row.prompt for row in ROWS], max_tokens=20) for made in (with_adapter, merged)
    )
    assert [one.text for one in said] == [one.text for one in again]
    monkeypatch.setattr(exports, "EXACT", -1.0)
    with pytest.raises(Mismatch, match="differs from the adapter"):
        exports.merge(str(folder), adapter, tmp_path / "n", asked)


def test_a_merge_into_16_bits_that_loses_the_adapter_is_noticed(folder, adapter, tmp_path, monkeypatch):
    asked = [(row.prompt, row.answer) for row in ROWS]
    found = exports.merge(str(folder), adapter, tmp_path / "m", asked, dtype="bfloat16")
    assert found.agreement > 0.95
    assert next(iter(load_file(tmp_path / "m" / "model.safetensors").values())).dtype == torch.bfloat16

    def without_the_adapter(path, *options):
        return models.load_base(folder if path == tmp_path / "n" else path, *options)

    monkeypatch.setattr(
        exports, "models", SimpleNamespace(**{**vars(models), "load_base": without_the_adapter})
    )
    with pytest.raises(Mismatch, match="of the likeliest tokens are the same"):
        exports.merge(str(folder), adapter, tmp_path / "n", asked, dtype="bfloat16")


def test_four_bits_need_their_package_and_widths_of_64(folder, tmp_path, monkeypatch):
    if "bitsandbytes" not in sys.modules:
        monkeypatch.setitem(sys.modules, "bitsandbytes", None)
        with pytest.raises(MissingExtra, match=r"graft-llm\[qlora\]"):
            trainer(folder, method="qlora").train(ROWS, (), tmp_path, seed=1, progress=quiet)
    monkeypatch.setitem(sys.modules, "bitsandbytes", type(sys)("bitsandbytes"))
    from transformers import LlamaConfig

    odd = tmp_path / "odd"
    shutil.copytree(folder, odd)
    config = LlamaConfig.from_pretrained(odd)
    config.intermediate_size = 100
    config.save_pretrained(odd)
    with pytest.raises(ConfigError, match="input width 100"):
        train_checks.check_quantizable(odd)
    train_checks.check_quantizable(folder)


def test_an_estimate_counts_steps_and_tokens(folder):
    estimate = trainer(folder).estimate([100] * 50)
    assert (estimate["steps"], estimate["tokens"]) == (26, 10_000)
    assert math.isfinite(estimate["seconds"])
    assert estimate["seconds"] > 0


def test_the_fingerprint_follows_what_matters(folder):
    assert trainer(folder).fingerprint == trainer(folder, device="cpu").fingerprint
    assert trainer(folder).fingerprint != trainer(folder, rank=4).fingerprint


def test_the_default_rate_falls_with_the_models_width(folder):
    model = models.load_base(folder)
    rates = {}
    for width in (256, 4096):
        model.config.hidden_size = width
        rates[width] = [train_peft.default_rate(model, method) for method in ("lora", "qlora", "full")]
    assert rates[256] == pytest.approx([2.49e-3, 2.49e-3, 2.49e-4], rel=0.01)
    assert rates[4096] == pytest.approx([2.86e-4, 2.86e-4, 2.86e-5], rel=0.01)


# --- train_adapter -------------------------------------------------------------------------------------------------


def test_an_adapter_is_trained_once_for_its_identity(folder, tmp_path):
    made = []

    def rows():
        made.append(1)
        return ROWS[:10], ROWS[10:]

    def train(identity, **options):
        return train_adapter(
            rows,
            trainer(folder, epochs=1),
            tmp_path / "a",
            identity=identity,
            seed=1,
            progress=quiet,
            **options,
        )

    identity = {"prompt": "p", "base": "b", "examples": "x"}
    first = train(identity)
    assert train(identity) == first == read_manifest(tmp_path / "a")
    assert len(made) == 1
    assert (first.rows, first.dev_rows, first.seed, dict(first.identity)) == (
        10,
        2,
        1,
        {**identity, "seed": "1"},
    )
    assert first.loss[0][0] == 0
    assert "10 rows, 3 steps" in first.summary
    assert verify(tmp_path / "a", prompt="p", base="b") == first
    with pytest.raises(Mismatch, match="tuned on another prompt"):
        verify(tmp_path / "a", prompt="q", base="b")
    with pytest.raises(Mismatch, match="another base model"):
        verify(tmp_path / "a", prompt="p", base="c")
    train({**identity, "examples": "y"})
    train({**identity, "examples": "y"}, retrain=True)
    assert len(made) == 3
    weights = tmp_path / "a" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"abcd")
    with pytest.raises(Mismatch, match="changed after it was trained"):
        verify(tmp_path / "a", prompt="p", base="b")
    weights.unlink()
    assert read_manifest(tmp_path / "a") is None
    with pytest.raises(NotBuilt, match="no complete adapter"):
        verify(tmp_path / "a", prompt="p", base="b")


def test_work_for_another_identity_is_not_resumed(folder, tmp_path):
    class Stopping:
        fingerprint = "x"

        def train(self, _rows, _dev, folder, **_options):
            (Path(folder) / "checkpoint.pt").write_text("half")
            raise Killed

    for _ in range(2):
        with pytest.raises(Killed):
            train_adapter(
                lambda: (ROWS, ()), Stopping(), tmp_path / "a", identity={"n": "1"}, seed=1, progress=quiet
            )
        assert (tmp_path / "a" / "checkpoint.pt").exists()
    with pytest.raises(DataError, match="No example is left"):
        train_adapter(lambda: ((), ()), Stopping(), tmp_path / "b", identity={}, seed=1, progress=quiet)
    manifest = train_adapter(
        lambda: (ROWS, ()),
        trainer(folder, epochs=1),
        tmp_path / "a",
        identity={"n": "2"},
        seed=1,
        progress=quiet,
    )
    assert manifest.steps == 3


def test_a_curve_is_told_in_a_line_with_the_kept_step_starred():
    def manifest(points, best):
        return AdapterManifest({}, "f", 1, 1, 0, best_step=best, loss=tuple((at, None, loss) for at, loss, _ in points),
                               accuracy=tuple((at, right) for at, _, right in points))  # fmt: skip

    short = manifest([(0, 5.3, 0.2), (23, 2.81, 0.57), (46, 2.58, 0.6)], 23)
    assert short.curve == "dev loss and right tokens by step 0: 5.30 20%, 23*: 2.81 57%, 46: 2.58 60%"
    long = manifest([(at, 2.0, 0.5) for at in range(61)], 17).curve
    assert [part.partition(":")[0].strip() for part in long.removeprefix("dev loss and right tokens by step").split(",")] == [
        "0", "6", "12", "17*", "18", "24", "30", "36", "42", "48", "54", "60",
    ]  # fmt: skip
    assert AdapterManifest({}, "f", 1, 0, 0, loss=((3, 1.0, None),)).curve == ""
