"""graft.toml: what is read, what is refused, and that `graft init` writes a file that reads back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from graft import config as settings
from graft.errors import ConfigError
from graft.settings import Backend, Config
from graft.settings_serving import KeySection
from graft.verbs.init import init


def test_an_empty_file_is_the_defaults() -> None:
    assert settings.from_tables({}) == Config()


def test_backends_are_names_or_tables() -> None:
    read = settings.from_tables(
        {"retrieval": {"embedder": "hashing", "store": {"name": "memory"}, "chunker": {"tokens": 80}}}
    ).retrieval
    assert (read.embedder, read.store, read.chunker) == (
        Backend("hashing"), Backend("memory"), Backend("structure", {"tokens": 80}),
    )  # fmt: skip


def test_the_dial_sets_what_is_left_out_and_a_key_wins_over_it() -> None:
    dialled = settings.from_tables({"project": {"effort": "fast"}})
    assert (dialled.retrieval.passages, dialled.evaluation.draws) == (3, 2_000)
    own = settings.from_tables({"project": {"effort": "fast"}, "retrieval": {"passages": 7}})
    assert (own.retrieval.passages, own.retrieval.candidates) == (7, 50)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[retreival]\n", "graft.toml:1: Unknown key 'retreival' in graft.toml. Did you mean 'retrieval'?"),
        ("\n[retrieval]\npasages = 3\n", "graft.toml:3: Unknown key 'pasages' in [retrieval]. Did you mean 'passages'?"),
        ("[retrieval]\npassages = 'x'\n", "graft.toml:2: 'passages' in [retrieval] is 'x'. Give a whole number."),
        ("[retrieval]\npassages = 0\n", "graft.toml:2: 'passages' in [retrieval] is 0. Give a number from 1 to 50."),
        ("[project]\neffort = 'slow'\n", "graft.toml:2: 'effort' in [project] is 'slow'. Use one of 'fast', 'balanced', 'best'."),
        ("[evaluation]\nvariants = ['bass']\n", "graft.toml:2: 'variants' in [evaluation] names 'bass', which is none."),
        ("[retrieval]\npassages = true\n", "graft.toml:2: 'passages' in [retrieval] is True. Give a whole number."),
        ("# a\u2028b\n[retrieval]\npassages = 0\n", "graft.toml:3: 'passages' in [retrieval] is 0. Give a number from 1 to 50."),
        ("retrieval = 3\n", "graft.toml:1: 'retrieval' must be a table. Write [retrieval] and the keys below it."),
        ("[retrieval\n", "is not valid TOML"),
    ],
)  # fmt: skip
def test_a_mistake_is_refused_with_its_line_and_the_remedy(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "graft.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        settings.read(path)
    assert message in str(caught.value)


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="graft init"):
        settings.read(tmp_path / "graft.toml")


def test_init_finds_documents_examples_and_questions(small: Path) -> None:
    (small / "graft.toml").unlink()
    outcome = init(small)
    assert outcome.found.documents == "documents"
    assert dict(outcome.found.suffixes) == {".md": 2, ".txt": 1}
    assert (outcome.found.examples, outcome.found.questions) == (None, "questions.jsonl")
    read = settings.read(small / "graft.toml")
    assert read == settings.from_tables({"project": {"name": "small"}})
    with pytest.raises(ConfigError, match="--force"):
        init(small)


@pytest.mark.parametrize(
    "row",
    [
        {"input": "a", "output": "b"},
        {"prompt": "a", "completion": "b"},
        {"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]},
        {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]},
    ],
)
def test_init_knows_the_common_forms_of_examples(
    tmp_path: Path, write_jsonl: Any, row: dict[str, Any]
) -> None:
    write_jsonl(tmp_path / "train.jsonl", [row])
    write_jsonl(tmp_path / "asked.jsonl", [{"messages": [{"role": "user", "content": "a"}]}])
    assert init(tmp_path).found.examples == "train.jsonl"


def test_every_commented_default_is_valid_toml_that_means_the_default(small: Path) -> None:
    (small / "graft.toml").unlink()
    text = init(small).path.read_text(encoding="utf-8")
    lines = []
    for line in text.splitlines():
        bare = line.removeprefix("# ")
        is_key = line.startswith("# ") and "=" in bare and bare.split(" = ")[0].isidentifier()
        lines.append(bare if is_key and not bare.endswith("=") else line)
    (small / "graft.toml").write_text("\n".join(lines).replace("# reranker =", ""), encoding="utf-8")
    assert settings.read(small / "graft.toml") == settings.from_tables({"project": {"name": "small"}})


def test_init_refuses_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nothing to index"):
        init(tmp_path)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"boost": {"status": 1.0}}, "not key=value"),
        ({"boost": {"status=old": "much"}}, "'status=old' of 'boost'"),
        ({"weights": {"sparse": 2}}, "'weights' in [retrieval] names 'sparse'"),
        ({"least": {"reranker": 0.1}}, "names 'reranker'"),
        ({"weights": 2}, "'weights' in [retrieval] is 2"),
        ({"diversity": 1.5}, "'diversity'"),
        ({"rounds": 0}, "'rounds'"),
        ({"fusion": "sum"}, "'fusion'"),
    ],
)
def test_ranking_settings_are_checked(table, message) -> None:
    with pytest.raises(ConfigError) as caught:
        settings.from_tables({"retrieval": table})
    assert message in caught.value.message


def test_callers_have_a_key_and_a_rule() -> None:
    table = {"env": "KEY", "where": {"team": ["people", "all"]}}
    read = settings.from_tables({"serve": {"keys": {"people": table}}})
    assert read.serve.keys == {"people": KeySection("KEY", {"team": ["people", "all"]})}
    for wrong in ({"env": "KEY"}, {"where": {"team": "x"}}, {"env": "KEY", "where": {"a": "b"}, "more": 1}):
        with pytest.raises(ConfigError, match=r"\[serve.keys.people\]"):
            settings.from_tables({"serve": {"keys": {"people": wrong}}})
    with pytest.raises(ConfigError, match="must hold tables"):
        settings.from_tables({"serve": {"keys": {"people": "KEY"}}})
