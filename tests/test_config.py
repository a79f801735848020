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
        ("project = 'x'\n", "graft.toml:1: 'project' must be a table. Write [project] and the keys below it."),
        ("[project]\neffort = ['best']\n", "graft.toml:2: 'effort' in [project] is ['best']. Use one of 'fast',"),
        ("[retrieval\n", "is not valid TOML"),
    ],
)  # fmt: skip
def test_a_mistake_is_refused_with_its_line_and_the_remedy(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "graft.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        settings.read(path)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("section", "setting", "message"),
    [
        ("project", "seed = -1", "'seed' in [project] is -1. Give a number from 0 to 4294967295."),
        ("retrieval", "fusion_k = -1", "'fusion_k' in [retrieval] is -1. Give"),
        ("tuning", "retention_margin = 0", "'retention_margin' in [tuning] is 0.0. Give a number above 0, at most 1."),
        ("evaluation", "batch_size = 0", "'batch_size' in [evaluation] is 0. Give a number from 1 to 10000."),
        ("evaluation", "latency_questions = -1", "'latency_questions' in [evaluation] is -1. Give a number from 0"),
        ("evaluation", "repeats = 0", "'repeats' in [evaluation] is 0. Give a number from 1 to 100."),
        ("evaluation", "shots = 0", "'shots' in [evaluation] is 0. Give a number from 1 to 100."),
        ("decision", "margin = 0", "'margin' in [decision] is 0.0. Give a number above 0, at most 1."),
        ("decision", "right = 0", "'right' in [decision] is 0.0. Give a number above 0, at most 1000000000."),
        ("decision", "wrong = -1", "'wrong' in [decision] is -1.0. Give a number from 0 to"),
        ("decision", "queries_per_month = 0", "'queries_per_month' in [decision] is 0.0. Give a number above 0,"),
        ("decision", "queries_per_month = nan", "'queries_per_month' in [decision] is nan. Give a number above 0,"),
        ("decision", "input_price = -1", "'input_price' in [decision] is -1.0. Give a number from 0 to"),
        ("decision", "guardrails = { format = 0 }",
         "'guardrails' in [decision] says format = 0.0. Give a margin above 0, for example: guardrails = { format = 0.01 }."),
        ("costs", "wage = -1", "'wage' in [costs] is -1.0. Give a number from 0 to"),
        ("costs", "hosting = { hybird = 2037 }",
         "'hosting' in [costs] names 'hybird', which does not compete. Known: base, rag, tuned, hybrid."),
        ("costs", "hosting = { hybrid = -1 }", "'hosting' in [costs] says hybrid = -1.0. Give USD a month, 0 or more."),
        ("costs", "prices = { m = 0.25 }",
         "'prices' in [costs] gives 0.25 for 'm'. Write prices = { \"m\" = { input = …, output = … } } in USD per 1M tokens;"),
        ("costs", "prices = { m = { input = '1', output = 2 } }",
         "'prices' in [costs] has no valid 'input' for 'm'. Give USD as a number that is not negative."),
        ("serve", "cache = -1", "'cache' in [serve] is -1. Give a number from 0 to"),
        ("variants.them", "answers = 'a.jsonl'\ninput_price = -1", "'input_price' in [variants.them] is -1.0. Give"),
        ("evaluation.judge", "endpoint = 'https://a/v1'\nmodel = 'm'\nconcurrency = 0",
         "'concurrency' in [evaluation.judge] is 0. Give a number from 1 to 1000."),
    ],
)  # fmt: skip
def test_a_number_that_nothing_can_be_done_with_is_refused_before_anything_is_asked(
    tmp_path: Path, section: str, setting: str, message: str
) -> None:
    path = tmp_path / "graft.toml"
    path.write_text(f"[{section}]\n{setting}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        settings.read(path)
    line = 2 + setting.count("\n")
    assert f"graft.toml:{line}: {message}" in str(caught.value)


def test_prices_and_margins_that_are_in_order_are_read() -> None:
    table = {
        "hosting": {"them": 0},
        "prices": {"m": {"input": 1, "output": 2, "cached": 0}, "h100": {"per_hour": 2}},
    }
    read = settings.from_tables({
        "costs": table, "decision": {"guardrails": {"format": 0.01}}, "variants": {"them": {"answers": "a.jsonl"}},
        "evaluation": {"latency_questions": 0, "repeats": 1, "batch_size": 1, "shots": 1},
    })  # fmt: skip
    assert (read.costs.hosting, read.decision.guardrails) == ({"them": 0.0}, {"format": 0.01})


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
