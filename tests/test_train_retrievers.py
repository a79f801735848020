"""Fine-tuning an embedder and a reranker: mined rows, both trainers on a tiny BERT made here, and the optimise verb."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graft import Project
from graft.errors import ConfigError, DataError, LeakError, NotBuilt
from graft.protocols import RankingRow
from graft.tuning.pairs import mine
from graft.types import Chunk, Hit
from graft.verbs.optimizing.questions import sets
from graft.wiring.retrievers import tune

# --- mining ----------------------------------------------------------------------------------------------------------


def chunk(name: str, text: str = "") -> Chunk:
    return Chunk(name, f"doc-{name}", 0, 1, text or f"text of {name}")


def hits(*scored: tuple[str, float | None]) -> list[Hit]:
    """Hits in order; None is one that only the words found."""
    return [
        Hit(chunk(name), 1.0, scores={"bm25": 1.0} if score is None else {"dense": score})
        for name, score in scored
    ]


def mined(found: list[Hit], count: int = 4, **given: Any) -> tuple[str, ...]:
    row = mine(
        "q",
        chunk("gold"),
        0.8,
        found,
        is_gold=lambda one: one.id in {"gold", "also"},
        count=count,
        seed=0,
        **given,
    )
    assert (row.query, row.positive) == ("q", "text of gold")
    return row.negatives


def test_what_scores_nearly_as_high_as_the_positive_is_not_called_wrong() -> None:
    found = hits(("twin", 0.77), ("near", 0.75), ("far", 0.2), ("words", None))
    assert mined(found) == ("text of near", "text of far", "text of words")
    assert mined(found, margin=0.9) == ("text of far", "text of words")


def test_neither_gold_nor_a_copy_of_it_is_a_negative() -> None:
    found = [
        *hits(("gold", 0.1), ("also", 0.1)),
        Hit(chunk("copy", "text of gold"), 1.0),
        *hits(("other", 0.1)),
    ]
    assert mined(found) == ("text of other",)


def test_half_are_the_hardest_and_half_are_drawn() -> None:
    found = hits(*((f"n{number}", 0.5) for number in range(40)))
    got = mined(found, count=6, depth=20)
    assert got[:3] == ("text of n0", "text of n1", "text of n2")
    assert len(set(got)) == 6
    assert set(got) <= {f"text of n{number}" for number in range(20)}
    assert got == mined(found, count=6, depth=20)


# --- training --------------------------------------------------------------------------------------------------------

torch_only = pytest.mark.skipif(find_spec("torch") is None, reason="needs the extra 'models'")
THINGS = ("kettle", "ladder", "printer", "scanner", "trolley", "heater", "fan", "drill")
WORDS = ("where", "is", "the", "in", "room", "stands", "it", "red", "old", *THINGS)


def rows() -> list[RankingRow]:
    """Which passage names the thing asked for."""
    made = []
    for at, thing in enumerate(THINGS):
        others = tuple(
            f"the {THINGS[(at + step) % len(THINGS)]} stands in the old room" for step in (1, 2, 3)
        )
        made.append(RankingRow(f"where is the {thing}", f"the {thing} stands in the red room", others))
    return made


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of two layers and 24 words, with random weights."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    path = tmp_path_factory.mktemp("start")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS]
    tokenizer = Tokenizer(models.WordLevel({word: at for at, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    ).save_pretrained(path)
    torch.manual_seed(0)
    BertModel(BertConfig(
        vocab_size=len(words), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=64,
    )).save_pretrained(path)  # fmt: skip
    return path


def quiet(stage: str, done: int, total: int) -> None:
    """Take progress."""


def embedder_trainer(start: Path, **given: Any) -> Any:
    from graft.backends.trainers.train_embedder import EmbedderTrainer

    return EmbedderTrainer(EmbedderTrainer.Options(
        **{"start": str(start), "epochs": 20, "batch_size": 8, "learning_rate": 3e-3, "mix": 1.0, **given}
    ))  # fmt: skip


def rank_of_right(folder: Path, truth: list[RankingRow]) -> list[int]:
    """The place of each query's passage among all rows' passages, by the trained embedder."""
    from graft.backends.encoders.embed_minilm import MiniLMEmbedder

    embedder = MiniLMEmbedder(MiniLMEmbedder.Options(path=str(folder), precision="fp32"))
    passages = [row.positive for row in truth] + sorted({text for row in truth for text in row.negatives})
    scores = embedder.encode([row.query for row in truth], query=True) @ embedder.encode(passages).T
    return [int((scores[at] > scores[at, at]).sum()) for at in range(len(truth))]


@torch_only
def test_a_trained_embedder_ranks_what_it_was_shown_and_opens_by_its_path(
    start: Path, tmp_path: Path
) -> None:
    report = embedder_trainer(start).train(rows(), tmp_path / "made", seed=0, progress=quiet)
    assert report["steps"] == report["planned_steps"] == 20
    assert report["loss"][-1][1] < 0.7 * report["loss"][0][1]
    assert sum(rank_of_right(tmp_path / "made", rows())) < sum(rank_of_right(start, rows()))
    assert rank_of_right(tmp_path / "made", rows()) == [0] * 8
    assert not (tmp_path / "made" / "checkpoint.pt").exists()


@torch_only
def test_the_mix_goes_from_the_start_to_the_tuned_weights(start: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    name = "encoder.layer.1.output.dense.weight"
    made = {}
    for mix in (0.0, 0.5, 1.0):
        folder = tmp_path / str(mix)
        embedder_trainer(start, epochs=2, mix=mix).train(rows(), folder, seed=0, progress=quiet)
        made[mix] = load_file(folder / "model.safetensors")[name].float().numpy()
    before = load_file(start / "model.safetensors")[name].numpy()
    np.testing.assert_allclose(made[0.0], before, atol=1e-3)
    np.testing.assert_allclose(made[0.5], (before + made[1.0]) / 2, atol=1e-3)
    assert np.abs(made[1.0] - before).max() > 1e-3


@torch_only
@pytest.mark.parametrize("kind", ["embedder", "reranker"])
def test_a_killed_training_goes_on_and_ends_at_the_same_weights(
    kind: str, start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors.torch import load_file

    from graft.backends.trainers import train_ranking

    monkeypatch.setattr(train_ranking, "CHECKPOINT_SECONDS", 0.0)
    trainer = trainer_of(kind, start, epochs=4)

    def killed(stage: str, done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trainer.train(rows(), tmp_path / "cut", seed=1, progress=killed)
    trainer.train(rows(), tmp_path / "cut", seed=1, progress=quiet)
    trainer.train(rows(), tmp_path / "whole", seed=1, progress=quiet)
    cut, whole = (load_file(tmp_path / name / "model.safetensors") for name in ("cut", "whole"))
    for name, weight in whole.items():
        np.testing.assert_array_equal(cut[name].float().numpy(), weight.float().numpy())


def trainer_of(kind: str, start: Path, **given: Any) -> Any:
    if kind == "embedder":
        return embedder_trainer(start, **{"batch_size": 4, **given})
    from graft.backends.trainers.train_reranker import RerankerTrainer

    return RerankerTrainer(RerankerTrainer.Options(
        **{"start": str(start), "epochs": 30, "batch_size": 4, "learning_rate": 3e-3, "max_tokens": 32, **given}
    ))  # fmt: skip


@torch_only
def test_a_trained_reranker_puts_the_right_passage_first_and_opens_as_a_cross_encoder(
    start: Path, tmp_path: Path
) -> None:
    from graft.backends.encoders.rerank_cross_encoder import CrossEncoderReranker

    report = trainer_of("reranker", start).train(rows(), tmp_path / "made", seed=0, progress=quiet)
    assert report["rows"] == 8
    assert report["loss"][-1][1] < 0.5
    reranker = CrossEncoderReranker(
        CrossEncoderReranker.Options(model=str(tmp_path / "made"), precision="fp32")
    )
    for row in rows():
        scores = reranker.score(row.query, [row.positive, *row.negatives])
        assert scores[0] == max(scores)


@torch_only
def test_the_passage_of_a_query_asked_twice_is_not_counted_as_wrong() -> None:
    from graft.backends.trainers.train_embedder import _also_right

    made = [RankingRow("a", "x"), RankingRow("a", "y"), RankingRow("b", "x"), RankingRow("c", "z", ("x",))]
    wrong = _also_right(made, ["x", "y", "x", "z", "x"]).tolist()
    assert wrong == [
        [False, True, True, False, True],
        [True, False, True, False, True],
        [True, False, False, False, True],
        [False, False, False, False, False],
    ]


@torch_only
def test_too_few_rows_or_another_model_are_refused(start: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="too few"):
        embedder_trainer(start).train(rows()[:1], tmp_path / "a", seed=0, progress=quiet)
    with pytest.raises(DataError, match="negative"):
        trainer_of("reranker", start).train([RankingRow("q", "p")], tmp_path / "b", seed=0, progress=quiet)
    with pytest.raises(ConfigError, match="holds no model"):
        embedder_trainer(tmp_path).train(rows(), tmp_path / "c", seed=0, progress=quiet)


# --- the verb --------------------------------------------------------------------------------------------------------

PROJECT = """[project]
name = "rooms"
[retrieval]
embedder = {{ name = "minilm", path = "{start}", precision = "fp32" }}
store = "memory"
passages = 2
[generation]
model = "echo"
[evaluation]
variants = ["rag"]
"""


@pytest.fixture
def rooms(
    start: Path, tmp_path: Path, write_jsonl: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A project of 64 one-line documents with an embedder that knows nothing yet."""
    from graft.retrieval import space

    monkeypatch.setattr(space, "CHUNKERS", ())
    monkeypatch.setattr(space, "RANKINGS", {"mode": ("dense",)})
    root = tmp_path / "rooms"
    (root / "documents").mkdir(parents=True)
    kinds = [(thing, mark) for thing in THINGS for mark in ("red", "old", "the", "in", "it")]
    asked: dict[str, list[dict[str, Any]]] = {"dev": [], "held": [], "examples": []}
    for number, (thing, mark) in enumerate(kinds):
        name = f"{thing}-{mark}.md"
        (root / "documents" / name).write_text(f"the {mark} {thing} stands in room\n", encoding="utf-8")
        for group, words in (("dev", "where stands"), ("held", "in room"), ("examples", "where is")):
            made = {"id": f"{group}{number}", "question": f"{words} {mark} {thing}", "answers": ["room"],
                    "evidence": [{"document": name}]}  # fmt: skip
            if group == "examples":
                made = {"input": made["question"], "output": "It stands in room.", "documents": [name]}
            asked[group].append(made)
    write_jsonl(root / "questions-dev.jsonl", asked["dev"])
    write_jsonl(root / "questions.jsonl", asked["held"])
    write_jsonl(root / "examples.jsonl", asked["examples"])
    (root / "graft.toml").write_text(PROJECT.format(start=start), encoding="utf-8")
    return root


@torch_only
def test_a_tuned_embedder_competes_and_what_becomes_of_it_is_told(rooms: Path) -> None:
    with pytest.raises(NotBuilt):
        Project(rooms).optimize(train=["embedder"])
    Project(rooms).build()
    found = Project(rooms).optimize(minutes=1, train=["embedder"])
    tables = [
        one.setting["embedder"]
        for one in found.tries
        if one.setting["embedder"]["path"].startswith("models/")
    ]
    assert tables
    kept = (rooms / tables[0]["path"]).exists()
    assert kept == (found.written and found.chosen.setting["embedder"] == tables[0])
    assert found.notes[0].startswith("The embedder was trained on 40 rows")
    assert found.notes[0].endswith(f"lies in {tables[0]['path']}." if kept else "is deleted.")


@torch_only
def test_the_model_that_the_project_file_names_is_not_deleted_by_another_run(
    rooms: Path, start: Path
) -> None:
    Project(rooms).build()
    parts = Project(rooms).parts
    won = tune(parts, "embedder", sets(parts, train=True).examples, quiet)
    text = (rooms / "graft.toml").read_text(encoding="utf-8").replace(str(start), won.table["path"])
    (rooms / "graft.toml").write_text(text, encoding="utf-8")
    found = Project(rooms).optimize(minutes=0, train=["embedder"])
    assert found.start.setting["embedder"] == won.table
    assert not found.written
    assert found.notes[0].endswith(f"lies in {won.table['path']}.")
    assert Project(rooms).build().index.chunks == 40


@torch_only
def test_a_folder_beside_the_project_file_is_found_by_its_relative_path(rooms: Path, start: Path) -> None:
    import shutil

    shutil.copytree(start, rooms / "models" / "mine")
    text = (rooms / "graft.toml").read_text(encoding="utf-8").replace(str(start), "models/mine")
    (rooms / "graft.toml").write_text(text, encoding="utf-8")
    assert Project(rooms).build().index.chunks == 40


@torch_only
def test_examples_that_hold_a_held_out_question_are_refused(
    rooms: Path, write_jsonl: Callable[..., Path]
) -> None:
    Project(rooms).build()
    held = json.loads((rooms / "questions.jsonl").read_text(encoding="utf-8").splitlines()[0])
    lines = [json.loads(line) for line in (rooms / "examples.jsonl").read_text(encoding="utf-8").splitlines()]
    lines.append({"input": held["question"], "output": "room", "documents": ["kettle-red.md"]})
    write_jsonl(rooms / "examples.jsonl", lines)
    with pytest.raises(LeakError):
        Project(rooms).optimize(train=["embedder"])
