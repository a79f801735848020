"""graft export: a folder that plain transformers and peft load, and that says what GRAFT says; refusals that leave nothing."""

from __future__ import annotations

import json
import re
import shutil
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from graft import Project
from graft.backends.trainers import exports
from graft.cli.main import app
from graft.errors import ConfigError, DataError, GraftError, Mismatch, NotBuilt, UnknownName, WorkspaceError
from graft.generation import prompts
from graft.protocols import Exported
from graft.testing.models import tiny_model
from graft.types import Message
from graft.verbs.exporting.card import Card, card

SETTINGS = """
[documents]
paths = ["documents"]
[retrieval]
embedder = "hashing"
passages = 1
[generation]
model = {{ name = "transformers", model = "{model}", dtype = "float32" }}
instructions = "Be brief."
max_tokens = 16
[tuning]
retention = false
[tuning.trainer]
epochs = 6
learning_rate = 0.01
[evaluation]
draws = 500
latency_questions = 1
"""
PLACES = ("blue", "red", "green", "grey", "black", "white")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project on a tiny random model, with both adapters."""
    root = tmp_path_factory.mktemp("export") / "keys"
    (root / "documents").mkdir(parents=True)
    model = tiny_model(root.parent / "tiny")
    lines = []
    for number, place in enumerate(PLACES * 4):
        (root / f"documents/{number}.md").write_text(
            f"Key {number} is in the {place} box.\n", encoding="utf-8"
        )
        lines.append(
            {
                "input": f"Where is key {number}?",
                "output": f"In the {place} box.",
                "documents": [f"{number}.md"],
            }
        )
    (root / "examples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    questions = [{"id": f"q{n}", "question": f"What colour has the box of key {n}, please?", "answers": [PLACES[n % 6]]}
                 for n in range(20)]  # fmt: skip
    (root / "questions.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in questions), encoding="utf-8"
    )
    (root / "graft.toml").write_text(SETTINGS.format(model=model), encoding="utf-8")
    Project(root).build()
    return root


def rows(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "check.jsonl").read_text(encoding="utf-8").splitlines()]


def said_by_the_readme(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> list[str]:
    """Run the README's own example of transformers in its folder; return whether each answer was the same."""
    code = re.search(r"```python\n(.*?)```", (folder / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert code
    monkeypatch.chdir(folder)
    capsys.readouterr()
    exec(code[1], {})
    return re.findall(r"^(True|False)\b", capsys.readouterr().out, re.MULTILINE)


@pytest.mark.filterwarnings(
    "ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"
)  # plain peft 0.21
@pytest.mark.parametrize("adapter_only", [False, True])
@pytest.mark.parametrize("variant", ["tuned", "hybrid"])
def test_plain_transformers_says_what_graft_says(built, tmp_path, monkeypatch, capsys, variant, adapter_only):
    done = Project(built).export(variant, to=tmp_path / "out", adapter_only=adapter_only)
    assert said_by_the_readme(tmp_path / "out", monkeypatch, capsys) == ["True"] * 8
    asked = rows(tmp_path / "out")
    assert len({row["answer"] for row in asked}) > 1, "the answers differ, so that the check can fail"
    questions = [row["messages"][-1]["content"].rpartition("Question: ")[2] for row in asked]
    raw = [Project(built).ask(question, variant=variant) for question in questions[:2]]
    for answer, row in zip(raw, asked, strict=False):
        assert (
            re.sub(r"\s*\[\d+\]", "", row["answer"]).strip() == re.sub(r"\s*\[\d+\]", "", answer.text).strip()
        )
    assert asked[0]["messages"][0]["content"] == f"{prompts.CONTRACT}\nBe brief."
    assert (variant == "hybrid") == (prompts.PASSAGES_HEADING in asked[0]["messages"][-1]["content"])
    if adapter_only:
        assert (done.dtype, done.same, done.difference) == ("", None, None)
        assert not (tmp_path / "out" / "model.safetensors").exists()
    else:
        assert (done.dtype, done.same, done.asked) == ("float32", 8, 8)
        assert done.difference < 1e-3
    assert all(path.stat().st_mode & 0o044 == 0o044 for path in (tmp_path / "out").iterdir())
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_the_record_and_the_page_name_what_it_is_made_of(built, tmp_path):
    project = Project(built)
    project.export("tuned", to=tmp_path / "out")
    record = json.loads((tmp_path / "out" / "graft.json").read_text(encoding="utf-8"))
    key = json.loads((built / ".graft/adapters/tuned.json").read_text(encoding="utf-8"))["key"]
    assert (record["variant"], record["adapter"], record["prompt"]) == (
        "tuned",
        key,
        prompts.fingerprint("Be brief."),
    )
    assert record["base_fingerprint"] == project.parts.models.generator().fingerprint
    assert (record["max_tokens"], record["stop"]) == (16, ["<|end|>"])
    page = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    for part in (
        key,
        record["prompt"],
        "Be brief.",
        "vllm serve . --served-model-name keys-tuned",
        "convert_hf_to_gguf.py",
    ):
        assert part in page
    generation = json.loads((tmp_path / "out" / "generation_config.json").read_text(encoding="utf-8"))
    assert generation["eos_token_id"] == [1]
    project.export("tuned", to=tmp_path / "adapter", adapter_only=True)
    page = (tmp_path / "adapter" / "README.md").read_text(encoding="utf-8")
    assert "--enable-lora --max-lora-rank 16" in page
    assert "--lora-modules keys-tuned=." in page


def test_the_released_variant_is_the_default_with_its_own_adapter(built, tmp_path):
    root = tmp_path / "keys"
    shutil.copytree(built, root)
    with pytest.raises(NotBuilt, match=r"rag has no adapter.*what answers now"):
        Project(root).export()
    Project(root).compare()
    promoted = Project(root).release("tuned")
    (root / "graft.toml").write_text(
        (root / "graft.toml").read_text(encoding="utf-8").replace("epochs = 6", "epochs = 1"),
        encoding="utf-8",
    )
    Project(root).build()
    newest = json.loads((root / ".graft/adapters/tuned.json").read_text(encoding="utf-8"))["key"]
    done = CliRunner().invoke(app, ["export", "-p", str(root), "--dtype", "bfloat16", "--json"])
    assert done.exit_code == 0, done.output
    written = json.loads(done.stdout)
    assert (written["adapter"], written["dtype"]) == (promoted.adapter, "bfloat16")
    assert written["folder"] == str(root / "models" / f"tuned-{promoted.adapter[:8]}")
    assert newest != promoted.adapter
    assert Project(root).export("tuned", adapter_only=True).adapter == newest
    with pytest.raises(WorkspaceError, match="is not empty"):
        Project(root).export(dtype="bfloat16")


def test_what_cannot_be_exported_is_refused_with_a_remedy(built, tmp_path, small):
    def refused(
        kind: type[GraftError], match: str, root: Path = built, variant: str | None = "tuned", **options
    ) -> GraftError:
        with pytest.raises(kind, match=match) as error:
            Project(root).export(variant, **{"to": tmp_path / "out", **options})
        assert error.value.hint
        return error.value

    assert (
        "graft export tuned"
        in refused(NotBuilt, "rag has no adapter, so there is nothing to export", variant="rag").hint
    )
    refused(UnknownName, "Unknown variant 'tunned'", variant="tunned")
    refused(NotBuilt, "'echo' carries no adapters", root=small)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("keep")
    refused(WorkspaceError, "is not empty", to=tmp_path / "full")
    assert (tmp_path / "full" / "mine.txt").read_text() == "keep"
    refused(WorkspaceError, "is not empty", to=tmp_path / "full" / "mine.txt")
    refused(ConfigError, "lies among the documents", to=built / "documents" / "model")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full", "small"]


def test_nothing_is_left_of_an_export_that_failed(built, tmp_path, monkeypatch):
    def failed(kind: type[GraftError], match: str, root: Path = built, **options: object) -> None:
        with pytest.raises(kind, match=match):
            Project(root).export("tuned", to=tmp_path / "out" / "model", **options)
        assert list((tmp_path / "out").iterdir()) == []

    usage = namedtuple("usage", "total used free")  # noqa: PYI024
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda _path: usage(1, 1, 2**20))
        failed(WorkspaceError, r"takes 0\.0 GiB, and the disk of")
        failed(WorkspaceError, "the disk of", adapter_only=True)
    with monkeypatch.context() as patched:
        patched.setattr(exports, "EXACT", -1.0)
        failed(Mismatch, "differs from the adapter")
    (tmp_path / "out" / ".model.part").mkdir()  # what a kill left behind
    Project(built).export("tuned", to=tmp_path / "out" / "model")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["model"]


def test_a_base_in_4_bits_is_not_merged_into(built, tmp_path):
    from graft.backends.generators.generate_transformers import TransformersGenerator

    adapter = next(path for path in (built / ".graft/adapters").iterdir() if path.is_dir())
    model = built.parent / "tiny"
    options = TransformersGenerator.Options(model=str(model), adapter=str(adapter), load_in_4bit=True)
    with pytest.raises(Mismatch, match="loaded in 4 bits"):
        TransformersGenerator(options).export(tmp_path, [], max_tokens=4)
    shutil.copytree(model, tmp_path / "quantised")
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    (tmp_path / "quantised" / "config.json").write_text(
        json.dumps({**config, "quantization_config": {"bits": 4}})
    )
    with pytest.raises(Mismatch, match="are quantised"):
        exports.merge(str(tmp_path / "quantised"), adapter, tmp_path / "out", [])


def test_without_a_question_there_is_nothing_to_compare_on(built, tmp_path):
    root = tmp_path / "keys"
    shutil.copytree(built, root)
    (root / "questions.jsonl").unlink()
    Project(root).export("tuned", to=tmp_path / "by-examples", adapter_only=True)
    assert "Where is key 0?" in rows(tmp_path / "by-examples")[0]["messages"][-1]["content"]
    (root / "examples.jsonl").unlink()
    with pytest.raises(DataError, match="no question to compare the export on"):
        Project(root).export("tuned", to=tmp_path / "out")


def test_variables_that_the_template_reads_are_told(built, tmp_path):
    from graft.backends import models

    tokenizer = models.load_tokenizer(built.parent / "tiny")
    assert exports.switches(tokenizer) == {}
    tokenizer.chat_template = "{% if enable_thinking is defined %}x{% endif %}"
    assert exports.switches(tokenizer) == {"enable_thinking": False}


def test_the_written_model_is_greedy_and_stops_where_the_template_does(built, tmp_path):
    """A base whose own file asks for sampling and does not name the end of a turn would talk on elsewhere."""
    shutil.copytree(built.parent / "tiny", tmp_path / "base")
    sampled = {"do_sample": True, "temperature": 0.6, "top_p": 0.95, "top_k": 20, "eos_token_id": 2}
    (tmp_path / "base" / "generation_config.json").write_text(json.dumps(sampled), encoding="utf-8")
    adapter = next(path for path in (built / ".graft/adapters").iterdir() if path.is_dir())
    exports.merge(str(tmp_path / "base"), adapter, tmp_path / "out", [])
    written = json.loads((tmp_path / "out" / "generation_config.json").read_text(encoding="utf-8"))
    assert (written["do_sample"], written["eos_token_id"]) == (False, [1, 2])
    assert not {"temperature", "top_p", "top_k"} & written.keys()


def page(**changed: object) -> str:
    """The README of an adapter alone."""
    exported = Exported(base="org/model", dtype="", rank=24, answers=("x",), same=None, difference=None, stop=("<|end|>",),
                        switches={"enable_thinking": False})  # fmt: skip
    asked = [Message("system", "s"), Message("user", "````\nq")]
    given = Card("keys-tuned", "tuned", (), asked, 16, 0.0, exported, wide=False)
    return card(replace(given, **changed))


def test_the_page_gives_commands_that_the_servers_take() -> None:
    told = page()
    assert "vllm serve org/model --enable-lora --max-lora-rank 32" in told, "24 is no value that vLLM takes"
    assert '"chat_template_kwargs": {"enable_thinking": false}' in told
    assert "enable_thinking=False" in told
    assert "--base-model-id org/model" in told
    assert "`````\n````\nq\n`````" in told, "a fence in a question does not end the block"
    wide = page(wide=True)
    assert "Export it merged" in wide
    assert "vllm serve" not in wide
    assert "convert_lora" not in wide
