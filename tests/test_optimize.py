"""graft optimize: the search itself, the parts that remember, the verb on a small project, and writing back."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft import Project
from graft.decision.statistics import Interval
from graft.errors import BudgetExceeded, DataError, LeakError
from graft.retrieval import space
from graft.retrieval.optimize import Dimension, Measured, Search, Setting, Try, changes, choose, lighter
from graft.retrieval.recorded import RecordedEmbedder, RecordedReranker, RecordedStore
from graft.settings import RetrievalSection
from graft.tables import edited
from graft.testing.fakes import HashingEmbedder, MemoryStore
from graft.types import Chunk
from graft.verbs.optimizing.judge import Judged
from graft.verbs.optimizing.questions import sets
from graft.wiring.trials import as_section, as_setting

# --- the search ------------------------------------------------------------------------------------------------------

START = {"chunker": "a", "passages": 3, "mode": "hybrid", "weights": "even"}
SPACE = [
    Dimension("chunker", ("a", "b", "c"), costly=True),
    Dimension("passages", (3, 1, 2, 4)),
    Dimension("mode", ("hybrid", "dense", "bm25")),
    Dimension("weights", ("even", "words", "meaning")),
]
WORTH = {
    "chunker": {"a": 0.0, "b": 0.2, "c": -0.1}, "passages": {1: -0.1, 2: 0.0, 3: 0.05, 4: 0.1},
    "mode": {"hybrid": 0.1, "dense": 0.0, "bm25": -0.05}, "weights": {"even": 0.0, "words": 0.05, "meaning": -0.05},
}  # fmt: skip


def measured(setting: Setting, noise: float = 0.0) -> Measured:
    """Forty questions whose scores are the sum of what each value is worth; tokens are the passages' number."""
    mean = 0.4 + sum(WORTH[name][value] for name, value in setting.items())
    rng = np.random.default_rng(len(repr(setting)))
    scores = tuple(float(mean + noise * value) for value in rng.standard_normal(40))
    return Measured(scores, scores, 100.0 * setting["passages"])


def search(measure: Callable[[Setting], Measured] = measured, **given: Any) -> Search:
    return Search(**{
        "dimensions": SPACE, "start": START, "measure": measure, "seconds_left": lambda: 60.0, "limit": 400.0, "seed": 0,
        **given,
    })  # fmt: skip


def test_the_best_setting_of_every_dimension_is_found_without_trying_all() -> None:
    made = search()
    assert made.run().setting == {"chunker": "b", "passages": 4, "mode": "hybrid", "weights": "words"}
    assert len(made.tries) < 3 * 4 * 3 * 3


def test_a_setting_that_shows_more_than_is_allowed_is_never_chosen() -> None:
    made = search(limit=300.0)
    assert made.run().setting["passages"] == 3
    assert any(not one.feasible for one in made.tries)


def test_cheap_settings_of_the_index_at_hand_come_first() -> None:
    made = search()
    made.run()
    order = [one.setting["chunker"] for one in made.tries]
    first_other = order.index("b")
    assert set(order[:first_other]) == {"a"}
    assert {one.setting["mode"] for one in made.tries[:first_other]} == {"hybrid", "dense", "bm25"}


def test_what_the_user_asked_for_is_tried_before_anything_else() -> None:
    made = search(dimensions=[Dimension("chunker", ("a", "b"), costly=True, asked=True), *SPACE[1:]])
    made.run()
    assert [one.setting["chunker"] for one in made.tries[:2]] == ["a", "b"]
    assert made.tries[1].setting == {**START, "chunker": "b"}


def test_the_time_limit_ends_the_search_with_what_is_known() -> None:
    left = iter([10.0, 10.0, 10.0])
    made = search(seconds_left=lambda: next(left, 0.0))
    chosen = made.run()
    assert made.stopped == "the time was used up"
    assert len(made.tries) == 4
    assert chosen in made.tries


def test_an_index_that_takes_longer_than_is_left_ends_the_search_too() -> None:
    def slow(setting: Setting) -> Measured:
        if setting["chunker"] != "a":
            raise BudgetExceeded("the time was used up")
        return measured(setting)

    made = search(slow)
    assert made.run().setting == {"chunker": "a", "passages": 4, "mode": "hybrid", "weights": "words"}
    assert made.stopped == "the time was used up"


def test_the_same_seed_tries_the_same_settings_and_none_twice() -> None:
    first, second = search(), search()
    first.run()
    second.run()
    assert [one.setting for one in first.tries] == [one.setting for one in second.tries]
    assert len({repr(sorted(one.setting.items())) for one in first.tries}) == len(first.tries)


def test_a_better_mean_within_noise_changes_nothing() -> None:
    start = Try({"x": 1, "y": 1}, Measured((0.5,) * 20 + (0.4,) * 20, (), 1.0), feasible=True)
    lucky = Try({"x": 2, "y": 1}, Measured((0.5,) * 19 + (0.9, 0.1) + (0.41,) * 19, (), 1.0), feasible=True)
    assert lucky.measured.mean > start.measured.mean
    assert choose([start, lucky], start.setting) is start


def test_of_those_as_good_as_the_best_the_one_that_changes_least_is_chosen() -> None:
    base = tuple(0.2 + 0.01 * number for number in range(30))
    start = Try({"x": 1, "y": 1}, Measured(base, (), 1.0), feasible=True)
    one = Try({"x": 2, "y": 1}, Measured(tuple(v + 0.2 for v in base), (), 1.0), feasible=True)
    both = Try(
        {"x": 2, "y": 2}, Measured((base[0] + 0.3, *(v + 0.2 for v in base[1:])), (), 1.0), feasible=True
    )
    assert choose([start, one, both], start.setting) is one


def test_the_lightest_of_those_as_good_as_today_loses_neither_rank_nor_recall() -> None:
    def one(passages: int, score: float, recall: float, tokens: float) -> Try:
        return Try(
            {"passages": passages}, Measured((score,) * 4, (recall,) * 4, tokens), feasible=tokens <= 100
        )

    today, less, least, weaker = (
        one(5, 0.8, 0.9, 100.0), one(3, 0.8, 0.9, 60.0), one(2, 0.8, 0.9, 40.0), one(1, 0.8, 0.8, 20.0),
    )  # fmt: skip
    assert lighter([today, less, least, weaker], today.setting) is least
    assert lighter([today, one(4, 0.9, 0.9, 81.0), weaker], today.setting) is today


@pytest.mark.parametrize(
    ("ndcg_low", "recall_low", "tokens", "expected"),
    [(-0.02, 0.0, 80.0, True), (-0.021, 0.0, 80.0, False), (0.0, -0.03, 50.0, False), (0.0, 0.0, 81.0, False),
     (None, 0.0, 50.0, False)],
)  # fmt: skip
def test_as_good_is_said_only_where_the_interval_shows_it(
    ndcg_low: float | None, recall_low: float, tokens: float, *, expected: bool
) -> None:
    ndcg, recall = (Interval(0.0, low, 0.01) for low in (ndcg_low, recall_low))
    judged = Judged(30, 1, Measured((0.5,), (0.5,), 100.0), Measured((0.5,), (0.5,), tokens), ndcg, recall)
    assert judged.lighter is expected


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 4), st.floats(0, 1)), min_size=1, max_size=12)
)
def test_what_is_chosen_was_tried_is_feasible_and_no_worse_than_the_start(
    tried: list[tuple[str, int, float]],
) -> None:
    tries = [
        Try({"chunker": name, "passages": count}, Measured((score,) * 5, (), float(count)), feasible=at == 0 or count < 4)
        for at, (name, count, score) in enumerate(tried)
    ]  # fmt: skip
    chosen = choose(tries, tries[0].setting)
    assert chosen in tries
    assert chosen.feasible
    assert chosen.measured.mean >= tries[0].measured.mean - 1e-9


# --- the space -------------------------------------------------------------------------------------------------------


def test_the_space_varies_real_settings_and_always_holds_today() -> None:
    section = RetrievalSection(passages=7)
    start = as_setting(section)
    varied = space.dimensions(start)
    for one in varied:
        assert one.values[0] == start[one.name]
        for value in one.values:
            as_section(section, {one.name: value})
    assert [one.name for one in varied if one.costly] == ["chunker"]
    assert "reranker" not in {one.name for one in varied}


def test_a_tuned_embedder_and_reranker_join_the_space() -> None:
    start = as_setting(RetrievalSection())
    tuned, reader = {"name": "minilm", "path": "models/x"}, {"name": "cross-encoder", "model": "models/y"}
    varied = {one.name: one for one in space.dimensions(start, embedders=[tuned], rerankers=[reader])}
    assert varied["embedder"].values == ({"name": "minilm"}, tuned)
    assert varied["embedder"].costly
    assert varied["reranker"].values == (None, reader)


def test_settings_survive_the_way_to_plain_values_and_back() -> None:
    section = RetrievalSection(passages=7, weights={"bm25": 0.5}, mode="dense")
    assert as_section(RetrievalSection(), as_setting(section)) == section


# --- parts that remember ---------------------------------------------------------------------------------------------


def chunk(number: int, text: str) -> Chunk:
    return Chunk(f"c{number}", f"d{number}", 0, len(text), text)


class Counting:
    """A reranker by length that counts what it reads."""

    fingerprint = "counting"

    def __init__(self) -> None:
        self.read: list[str] = []

    def score(self, query: str, texts: list[str]) -> list[float]:
        del query
        self.read += texts
        return [float(len(text)) for text in texts]


def test_a_recorded_store_answers_as_the_store_does_and_searches_once(tmp_path: Path) -> None:
    embedder = HashingEmbedder()
    chunks = [
        chunk(number, text) for number, text in enumerate(("red apple", "green pear", "red car", "blue car"))
    ]
    store = MemoryStore(tmp_path, MemoryStore.Options() if hasattr(MemoryStore, "Options") else None)
    store.replace(
        {one.document: "x" for one in chunks}, chunks, embedder.encode([one.text for one in chunks])
    )
    recorded = RecordedStore(store, 10)
    vector = embedder.encode(["red"], query=True)[0]
    for k in (1, 2, 4):
        assert recorded.search_dense(vector, k) == store.search_dense(vector, k)
        assert recorded.search_text("red car", k) == store.search_text("red car", k)
    assert list(recorded.chunks(["d1"])) == list(store.chunks(["d1"]))
    store.replace({one.document: "" for one in chunks}, [], np.zeros((0, 0), dtype=np.float32))
    assert [found.id for found, _ in recorded.search_text("red car", 1)] == ["c2"]


def test_a_recorded_reranker_reads_a_pair_once() -> None:
    counting = Counting()
    recorded = RecordedReranker(counting)
    assert recorded.score("q", ["aa", "b"]) == [2.0, 1.0]
    assert recorded.score("q", ["b", "ccc", "ccc"]) == [1.0, 3.0, 3.0]
    assert counting.read == ["aa", "b", "ccc"]


def test_a_recorded_embedder_gives_the_same_vectors() -> None:
    embedder = HashingEmbedder()
    recorded = RecordedEmbedder(embedder)
    texts = ["red", "green", "red"]
    for _ in range(2):
        np.testing.assert_array_equal(recorded.encode(texts, query=True), embedder.encode(texts, query=True))


# --- writing back ----------------------------------------------------------------------------------------------------


def test_an_edited_table_keeps_comments_and_order() -> None:
    text = (
        '# top\n[project]\nname = "x" # why\n\n[retrieval]\n# few\npassages = 3\nmode = "dense"\n\n[tuning]\n'
    )
    made = edited(
        text, "retrieval", {"passages": 4, "chunker": {"name": "fixed", "tokens": 80}, "mode": None}
    )
    assert made == (
        '# top\n[project]\nname = "x" # why\n\n[retrieval]\n# few\npassages = 4\n'
        'chunker = {name = "fixed", tokens = 80}\n\n[tuning]\n'
    )


def test_a_table_that_is_not_there_is_added() -> None:
    made = edited('[project]\nname = "x"\n', "retrieval", {"passages": 4})
    assert tomllib.loads(made) == {"project": {"name": "x"}, "retrieval": {"passages": 4}}


# --- the verb --------------------------------------------------------------------------------------------------------

THINGS = (
    "kettle",
    "ladder",
    "printer",
    "scanner",
    "trolley",
    "heater",
    "fan",
    "drill",
    "sander",
    "lathe",
    "press",
    "crane",
)
PLACES = ("Oslo", "Bern", "Lyon", "Turin", "Porto", "Gent")
PROJECT = """[project]
name = "depot"
[retrieval]
# Chosen by hand.
embedder = {{ name = "hashing", dimension = 16 }}
store = "memory"
{retrieval}
[generation]
model = "echo"
"""


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A space of two further chunkers and three rankings: the whole one is for real projects."""
    monkeypatch.setattr(space, "CHUNKERS", ({"name": "structure", "tokens": 40}, {"name": "document"}))
    names = ("passages", "mode", "fusion")
    monkeypatch.setattr(space, "RANKINGS", {name: space.RANKINGS[name] for name in names})


@pytest.fixture
def depot(tmp_path: Path, write_jsonl: Callable[..., Path], narrow: None) -> Callable[..., Path]:
    """A project of 72 facts, six to a document; half of them are asked in development, half held out."""

    def make(retrieval: str, *, dev: bool = True) -> Path:
        root = tmp_path / "depot"
        (root / "documents").mkdir(parents=True)
        rows: list[list[dict[str, Any]]] = [[], []]
        for number, thing in enumerate(THINGS):
            text = f"# The {thing}\n\n"
            for place, room in zip(PLACES, range(100, 160, 10), strict=True):
                fact = f"In {place} the {thing} is in room {room + number}."
                question = {
                    "id": f"{thing}-{place}", "question": f"In which room stands the {thing} of {place}?",
                    "answers": [str(room + number)],
                    "evidence": [{"document": f"{thing}.md", "start": len(text), "end": len(text) + len(fact)}],
                }  # fmt: skip
                rows[number % 2].append(question)
                text += (
                    f"{fact}\n\n"
                    f"It was bought for {place} in a good year and is checked by its keeper there.\n\n"
                )
            (root / "documents" / f"{thing}.md").write_text(text, encoding="utf-8")
        write_jsonl(root / "questions.jsonl", rows[1])
        if dev:
            write_jsonl(root / "questions-dev.jsonl", rows[0])
        (root / "graft.toml").write_text(PROJECT.format(retrieval=retrieval), encoding="utf-8")
        return root

    return make


BAD = 'mode = "dense"\npassages = 2\nchunker = { name = "structure", tokens = 100 }'


def test_optimize_writes_what_the_held_out_questions_confirm(depot: Callable[..., Path]) -> None:
    root = depot(BAD)
    found = Project(root).optimize(minutes=1)
    assert found.judged is not None
    assert found.judged.better
    assert found.written
    assert found.chosen.measured.tokens <= 1.05 * found.start.measured.tokens
    text = (root / "graft.toml").read_text(encoding="utf-8")
    assert "# Chosen by hand." in text
    assert as_setting(Project(root).config.retrieval) == dict(found.chosen.setting)
    assert "Chosen (→): the fewest changes within a standard error of the best." in found.text
    assert "Written to graft.toml" in found.text
    assert found.diff.startswith("--- graft.toml")
    plain = json.loads(json.dumps(found.to_json()))
    assert plain["chosen"] == changes(found.chosen.setting, found.start.setting)
    assert plain["held_out"]["better"] is True


def test_optimize_leaves_the_file_alone_when_told_to_or_when_nothing_is_better(
    depot: Callable[..., Path],
) -> None:
    root = depot(BAD)
    before = (root / "graft.toml").read_bytes()
    found = Project(root).optimize(minutes=1, write=False)
    assert found.diff
    assert (root / "graft.toml").read_bytes() == before
    (root / "graft.toml").write_text(found_file(root, found.chosen.setting), encoding="utf-8")
    again = Project(root).optimize(minutes=1)
    assert not again.written
    assert "graft.toml is unchanged" in again.text


def found_file(root: Path, chosen: Setting) -> str:
    """The project file with a setting put in."""
    start = as_setting(Project(root).config.retrieval)
    return edited((root / "graft.toml").read_text(encoding="utf-8"), "retrieval", changes(chosen, start))


def test_as_good_for_fewer_tokens_is_reported_and_taken_over_when_asked_for(
    depot: Callable[..., Path],
) -> None:
    root = depot('passages = 8\nchunker = { name = "structure", tokens = 60 }')
    before = (root / "graft.toml").read_bytes()
    found = Project(root).optimize(minutes=1)
    assert found.judged is not None
    assert (found.judged.better, found.judged.lighter, found.written) == (False, True, False)
    assert found.judged.after.tokens <= 0.8 * found.judged.before.tokens
    assert "Chosen (→): nothing is better beyond noise; the fewest tokens without a loss." in found.text
    assert "as good within 2 points" in found.text
    assert "--cheaper takes it over" in found.text
    assert (root / "graft.toml").read_bytes() == before
    taken = Project(root).optimize(minutes=1, cheaper=True)
    assert taken.written
    assert as_setting(Project(root).config.retrieval) == dict(found.chosen.setting)
    assert json.loads(json.dumps(taken.to_json()))["held_out"]["lighter"] is True


def test_an_interrupted_search_goes_on_and_ends_where_an_undisturbed_one_does(
    depot: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from graft.wiring.trials import Trials

    root = depot(BAD)
    real, calls = Trials.measure, [0]

    def killed(self: Trials, setting: Setting, questions: Any) -> Measured:
        calls[0] += 1
        if calls[0] == 7:
            raise KeyboardInterrupt
        return real(self, setting, questions)

    monkeypatch.setattr(Trials, "measure", killed)
    with pytest.raises(KeyboardInterrupt):
        Project(root).optimize(minutes=1, write=False)
    asked = calls[0]
    whole = Project(root).optimize(minutes=1, write=False)
    assert calls[0] - asked == len(whole.tries) - 6 + 2  # six were remembered; two are the judgement
    again = Project(root).optimize(minutes=1, write=False)
    assert [one.setting for one in again.tries] == [one.setting for one in whole.tries]
    assert again.judged is not None
    assert again.judged.looks == 1


def test_the_project_s_own_index_is_not_touched_and_the_others_are_removed(
    depot: Callable[..., Path],
) -> None:
    root = depot(BAD)
    project = Project(root)
    project.build()
    before = project.parts.retrieval.index.fingerprint
    Project(root).optimize(minutes=1, write=False)
    assert Project(root).parts.retrieval.index.fingerprint == before
    assert not (root / ".graft" / "optimize" / "index").exists()


def test_without_time_only_today_s_settings_are_measured(depot: Callable[..., Path]) -> None:
    found = Project(depot(BAD)).optimize(minutes=0)
    assert [one.setting for one in found.tries] == [found.start.setting]
    assert found.stopped == "the time was used up"
    assert not found.written


def test_every_further_winner_widens_the_interval(depot: Callable[..., Path]) -> None:
    root = depot(BAD)
    first = Project(root).optimize(minutes=1, write=False)
    other = f"{BAD}\nfusion_k = 10"
    (root / "graft.toml").write_text(PROJECT.format(retrieval=other), encoding="utf-8")
    second = Project(root).optimize(minutes=1, write=False)
    assert first.judged is not None
    assert second.judged is not None
    assert [first.judged.looks, second.judged.looks] == [1, 2]
    assert "97.5 % interval" in second.text


def test_generated_questions_help_out_where_examples_are_few(
    depot: Callable[..., Path], write_jsonl: Callable[..., Path]
) -> None:
    root = depot(BAD, dev=False)
    project = Project(root)
    project.build()
    project.generate_questions(how="cloze", count=120, unanswerable=0.1, multi_document=0.0)
    held = json.loads((root / "questions.jsonl").read_text().splitlines()[0])
    with (root / "questions-synthetic.jsonl").open("a") as handle:  # asked by people, too, in the meantime
        handle.write(json.dumps({**held, "id": "again"}) + "\n")
    parts = Project(root).parts
    alone, trained = sets(parts), sets(parts, train=True)
    assert alone.source == trained.source == "questions-synthetic.jsonl"
    assert "again" not in {one.id for one in alone.questions}
    assert not {one.id for one in trained.questions} & {one.id for one in trained.examples}
    assert {one.id for one in trained.questions} | {one.id for one in trained.examples} == {
        one.id for one in alone.questions
    }
    for one in trained.examples:  # the passage to learn holds what the question was made from
        texts = [chunk.text for chunk in parts.retrieval.store.chunks(list(one.documents))]
        assert any(one.output in text for text in texts)
    rows = [
        {"input": f"Where is the {thing}?", "output": "In its room.", "documents": [f"{thing}.md"]}
        for thing in THINGS
    ]
    write_jsonl(root / "examples.jsonl", rows)
    assert sets(Project(root).parts).source == "examples.jsonl and questions-synthetic.jsonl"
    write_jsonl(root / "questions-dev.jsonl", [held])
    (root / "questions.jsonl").rename(root / "questions-dev.jsonl")
    (root / "questions-synthetic.jsonl").rename(root / "questions.jsonl")
    assert sets(Project(root).parts).source == "questions-dev.jsonl"


def test_without_development_questions_it_says_what_to_write(depot: Callable[..., Path]) -> None:
    with pytest.raises(DataError, match=r"no questions-dev\.jsonl, and no example"):
        Project(depot(BAD, dev=False)).optimize(minutes=1)


def test_examples_that_name_documents_stand_in_for_development_questions(
    depot: Callable[..., Path], write_jsonl: Callable[..., Path]
) -> None:
    root = depot(BAD, dev=False)
    rows = [
        {"input": f"Where is the {thing} kept in {place}?", "output": "Room 7.", "documents": [f"{thing}.md"]}
        for thing in THINGS[::2] for place in PLACES
    ]  # fmt: skip
    write_jsonl(root / "examples.jsonl", rows)
    found = Project(root).optimize(minutes=1, write=False)
    assert found.source == "examples.jsonl"
    assert found.development == 36


def test_a_held_out_question_among_the_development_questions_is_refused(
    depot: Callable[..., Path], write_jsonl: Callable[..., Path]
) -> None:
    root = depot(BAD)
    held = json.loads((root / "questions.jsonl").read_text(encoding="utf-8").splitlines()[0])
    path = root / "questions-dev.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    write_jsonl(path, [*rows, {**held, "id": "again", "question": held["question"].upper()}])
    with pytest.raises(LeakError):
        Project(root).optimize(minutes=1)


def test_a_dry_run_says_what_would_be_tried_and_builds_nothing(depot: Callable[..., Path]) -> None:
    root = depot(BAD)
    planned = Project(root).plan_optimize()
    assert planned["development"] == {"questions": 36, "source": "questions-dev.jsonl"}
    assert planned["held_out"]["questions"] == 36
    assert planned["texts_to_embed"]["document"] == 12
    assert not (root / ".graft" / "index").exists()
