"""The index: exact updates, nothing embedded twice, kill -9 loses nothing."""

import random
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.backends.stores import store_lancedb
from graft.backends.stores.store_lancedb import LanceStore
from graft.errors import DataError, WorkspaceError
from graft.protocols import Filter
from graft.retrieval.chunks import FixedChunker, StructureChunker
from graft.retrieval.documents import load_documents
from graft.retrieval.index import Held, Index
from graft.testing.fakes import HashingEmbedder, MemoryStore
from graft.types import Document
from graft.workspace import Workspace


class CountingEmbedder(HashingEmbedder):
    """A hashing embedder that remembers what it was asked for."""

    def __init__(self, dimension: int = 64) -> None:
        super().__init__(HashingEmbedder.Options(dimension))
        self.asked: list[str] = []

    def encode(self, texts: Sequence[str], *, query: bool = False):
        self.asked += texts
        return super().encode(texts, query=query)


def quiet(stage: str, done: int, total: int) -> None:
    pass


def document(name: str, sections: Sequence[str], **metadata) -> Document:
    text = "\n\n".join(f"## Part {at}\n\n{section}" for at, section in enumerate(sections))
    return Document(name, text, title=name, metadata=metadata)


def long(words: str) -> str:
    return f"{words} is what this section tells about in some detail, again and again. " * 8


DOCUMENTS = [
    document(f"d{n}.md", [long(f"topic {n} {part}") for part in ("alpha", "beta", "gamma")]) for n in range(4)
]


@pytest.fixture(params=[MemoryStore, LanceStore])
def make(request, tmp_path):
    """Return a function that opens the index, always over the same workspace, and its embedder."""

    def opened(chunker=None, dimension=64):
        workspace = Workspace(tmp_path / ".graft")
        embedder = CountingEmbedder(dimension)
        store = request.param(workspace.index / "store")
        return (
            Index.open(workspace, store=store, embedder=embedder, chunker=chunker or StructureChunker()),
            store,
            embedder,
        )

    return opened


def state(store) -> tuple:
    return store.documents(), list(store.chunks())


def test_first_build_then_nothing_to_do(make):
    index, store, embedder = make()
    report = index.update(DOCUMENTS, quiet)
    assert (report.documents, report.added, report.unchanged, report.chunks) == (4, 4, 0, 12)
    assert (report.embedded, report.cached, len(embedder.asked)) == (12, 0, 12)
    before = state(store)
    index, store, embedder = make()
    again = index.update(DOCUMENTS, quiet)
    assert (again.added, again.changed, again.deleted, again.unchanged, again.embedded) == (0, 0, 0, 4, 0)
    assert embedder.asked == []
    assert state(store) == before


def test_only_what_changed_is_embedded(make):
    index, store, _ = make()
    index.update(DOCUMENTS, quiet)
    index, store, embedder = make()
    changed = document("d1.md", [long("topic 1 alpha"), long("topic 1 NEW"), long("topic 1 gamma")])
    added = document("new.md", [long("a new topic")])
    after = [DOCUMENTS[0], changed, DOCUMENTS[3], added]
    assert index.plan(after) == {"added": 1, "changed": 1, "deleted": 1, "unchanged": 2}
    report = index.update(after, quiet)
    assert (report.added, report.changed, report.deleted, report.unchanged) == (1, 1, 1, 2)
    assert (report.embedded, report.cached) == (2, 2)
    assert sorted("NEW" in text for text in embedder.asked) == [False, True]
    assert sorted(store.documents()) == ["d0.md", "d1.md", "d3.md", "new.md"]
    assert not any("topic 2" in chunk.text or "1 beta" in chunk.text for chunk in store.chunks())


def test_an_updated_index_equals_a_fresh_one(make, tmp_path):
    index, store, _ = make()
    index.update(DOCUMENTS, quiet)
    after = [document("d0.md", [long("changed")]), *DOCUMENTS[2:]]
    index.update(after, quiet)
    fresh_store = type(store)(tmp_path / "fresh")
    fresh = Index.open(
        Workspace(tmp_path / "other"),
        store=fresh_store,
        embedder=CountingEmbedder(),
        chunker=StructureChunker(),
    )
    fresh.update(after, quiet)
    assert state(store) == state(fresh_store)
    assert index.fingerprint == fresh.fingerprint
    for query in ("topic 3 gamma", "changed section"):
        vector = HashingEmbedder(HashingEmbedder.Options(64)).encode([query])[0]
        assert store.search_text(query, 20) == fresh_store.search_text(query, 20)
        assert store.search_dense(vector, 20) == fresh_store.search_dense(vector, 20)


def test_a_rename_embeds_nothing_when_the_title_stays(make):
    index, _, _ = make()
    index.update([Document("old.md", "Some text.", title="T")], quiet)
    index, store, embedder = make()
    report = index.update([Document("new.md", "Some text.", title="T")], quiet)
    assert (report.added, report.deleted, report.embedded, report.cached) == (1, 1, 0, 1)
    assert list(store.documents()) == ["new.md"]
    assert embedder.asked == []


def test_changed_metadata_is_stored_and_embeds_nothing(make):
    index, _, _ = make()
    index.update([Document("a.md", "Some text.", metadata={"team": "people"})], quiet)
    index, store, _ = make()
    report = index.update([Document("a.md", "Some text.", metadata={"team": "legal"})], quiet)
    assert (report.changed, report.embedded, report.cached) == (1, 0, 1)
    assert store.search_text("text", 5, Filter({"team": "people"})) == []
    assert len(store.search_text("text", 5, Filter({"team": "legal"}))) == 1


def test_another_chunker_makes_all_chunks_anew(make):
    index, _, _ = make()
    index.update(DOCUMENTS, quiet)
    index, store, _ = make(FixedChunker(FixedChunker.Options(tokens=30, overlap=0)))
    report = index.update(DOCUMENTS, quiet)
    assert (report.changed, report.unchanged) == (4, 0)
    assert list(store.chunks(["d0.md"])) == FixedChunker(FixedChunker.Options(tokens=30, overlap=0)).split(
        DOCUMENTS[0]
    )


def test_another_embedder_replaces_all_vectors_even_of_another_length(make):
    index, _, _ = make()
    index.update(DOCUMENTS, quiet)
    index, store, embedder = make(dimension=32)
    report = index.update(DOCUMENTS, quiet)
    assert (report.documents, report.chunks, report.embedded) == (4, 12, 12)
    vector = embedder.encode(["topic 2 beta"])[0]
    assert "topic 2 beta" in store.search_dense(vector, 1)[0][0].text


def test_equal_texts_are_embedded_once(make):
    index, _, embedder = make()
    report = index.update([Document(f"{n}.md", "The same text.", title="T") for n in range(5)], quiet)
    assert (report.chunks, report.embedded, report.cached, len(embedder.asked)) == (5, 1, 4, 1)


def test_progress_ends_at_the_number_of_documents(make):
    index, _, _ = make()
    seen = []
    index.update(DOCUMENTS, lambda *step: seen.append(step))
    assert seen[0] == ("index", 0, 4)
    assert seen[-1] == ("index", 4, 4)


def test_two_documents_with_one_id_are_refused(make):
    index, store, _ = make()
    with pytest.raises(DataError, match="two\\.md"):
        index.update([Document("two.md", "a"), Document("two.md", "b")], quiet)
    assert store.documents() == {}


def test_a_second_process_is_told_to_wait(make, tmp_path):
    index, _, _ = make()
    with Workspace(tmp_path / ".graft").lock("index"), pytest.raises(WorkspaceError, match="index"):
        index.update(DOCUMENTS, quiet)


def test_a_broken_cache_says_what_to_do(make, tmp_path):
    index, _, _ = make()
    cache = Workspace(tmp_path / ".graft").embeddings
    cache.parent.mkdir(parents=True)
    cache.write_bytes(b"this is not a database" * 100)
    with pytest.raises(WorkspaceError, match=r"delete embeddings\.sqlite"):
        index.update(DOCUMENTS, quiet)


def test_a_long_life_of_small_updates_is_tidied_up(tmp_path, monkeypatch):
    """Old versions of the table are dropped, and what is stored stays."""
    monkeypatch.setattr(store_lancedb, "_MOST_VERSIONS", 4)
    monkeypatch.setattr(store_lancedb, "_KEEP_VERSIONS", timedelta(milliseconds=1))
    store = LanceStore(tmp_path / "store")
    index = Index.open(
        Workspace(tmp_path / ".graft"), store=store, embedder=CountingEmbedder(), chunker=StructureChunker()
    )
    for version in range(12):
        index.update([Document("a.md", f"Version {version}."), Document("b.md", "Stays.")], quiet)
        store.close()  # versions kept for a millisecond only must not be read while they are dropped
    assert [chunk.text for chunk in store.chunks()] == ["Version 11.", "Stays."]
    # Untidied there would be more than twelve. A compaction leaves itself and what it commits on its way: two on a busy
    # core and three on an idle one, where those are younger than the millisecond above.
    assert len(list((tmp_path / "store").glob("*.lance/_versions/*"))) <= 4 + 3


def test_an_update_of_some_documents_leaves_the_rest_alone_and_unread(make):
    index, store, _ = make()
    index.update(DOCUMENTS, quiet)

    read = []

    class Some(Held):
        def read(self, ids):
            read.extend(ids)
            return super().read(ids)

    changed = document("d1.md", [long("topic 1 NEW")])
    after = Some([DOCUMENTS[0], changed, DOCUMENTS[3]])
    report = index.update(after, quiet, only={"d1.md", "d2.md", "unknown.md"})
    assert (report.added, report.changed, report.deleted, report.unchanged) == (0, 1, 1, 2)
    assert (report.documents, report.chunks, report.embedded) == (3, 7, 1)
    assert index.update(after, quiet).unchanged == 3
    assert read == ["d1.md"]
    assert sorted(store.documents()) == ["d0.md", "d1.md", "d3.md"]


def test_after_a_failure_the_next_partial_update_does_all(make, monkeypatch):
    index, store, embedder = make()
    index.update(DOCUMENTS, quiet)
    changed = [document("d0.md", [long("changed")]), *DOCUMENTS[1:]]
    monkeypatch.setattr(embedder, "encode", lambda texts, query=False: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        index.update(changed, quiet, only={"d0.md"})
    monkeypatch.undo()
    assert index.update(changed, quiet, only=set()).changed == 1
    assert any("changed" in chunk.text for chunk in store.chunks(["d0.md"]))


OPERATIONS = st.lists(st.dictionaries(st.sampled_from("abcde"), st.sampled_from(["one", "two", "three\n\n## S\n\nfour"]), max_size=5), min_size=1, max_size=4)  # fmt: skip


@given(OPERATIONS)
@settings(deadline=None, max_examples=25)
def test_any_sequence_of_updates_ends_like_a_fresh_build(tmp_path_factory, folders):
    workspace = Workspace(tmp_path_factory.mktemp("index"))
    store, fresh_store = MemoryStore(), MemoryStore()
    for folder in folders:
        documents = [Document(name, text) for name, text in folder.items()]
        index = Index.open(workspace, store=store, embedder=CountingEmbedder(), chunker=StructureChunker())
        index.update(documents, quiet)
    Index.open(workspace, store=fresh_store, embedder=CountingEmbedder(), chunker=StructureChunker()).update(
        documents, quiet
    )
    assert state(store) == state(fresh_store)


# --- kill -9 -----------------------------------------------------------------------------------------------------------


def build(root, progress=quiet) -> None:
    """Index a folder in many small commits, so that a kill has many places to fall."""
    workspace = Workspace(root / ".graft")
    store = LanceStore(workspace.index / "store")
    made = Index.open(workspace, store=store, embedder=HashingEmbedder(), chunker=StructureChunker())
    made.update(load_documents([root / "docs"]).documents, progress)


BUILD = """
import sys
from pathlib import Path
import lancedb
sys.path.insert(0, sys.argv[2])
import test_index
from graft.retrieval import index

index._COMMIT_CHUNKS, index._ENCODE_TEXTS = 20, 8
print("go", flush=True)
test_index.build(Path(sys.argv[1]))
print("done", flush=True)
"""


def write_corpus(folder, seed: int, count: int = 60) -> None:
    chooser = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        if chooser.random() < 0.2:
            old.unlink()
    for n in range(count):
        if seed == 0 or chooser.random() < 0.4:
            words = " ".join(
                chooser.choices(["leave", "travel", "policy", "days", "printer", "limit"], k=200)
            )
            (folder / f"doc{n}.md").write_text(
                f"# Doc {n}\n\n{words}. Version {seed}.\n\n## Second\n\n{words}.\n"
            )


def kill_and_resume(tmp_path, delays) -> None:
    root, fresh = tmp_path / "killed", tmp_path / "fresh"
    command = [sys.executable, "-c", BUILD, str(root), str(Path(__file__).parent)]
    killed = 0
    for round_number, delay in enumerate(delays):
        write_corpus(root / "docs", round_number)
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "go\n"
        time.sleep(delay)
        process.kill()
        killed += "done" not in process.communicate()[0]
    assert killed > 0  # else the test tested nothing
    fresh.mkdir()
    shutil.copytree(root / "docs", fresh / "docs")
    build(root)
    build(fresh)
    stores = [LanceStore(folder / ".graft" / "index" / "store") for folder in (root, fresh)]
    assert state(stores[0]) == state(stores[1])
    vector = HashingEmbedder().encode(["travel policy"])[0]
    assert stores[0].search_dense(vector, 500) == stores[1].search_dense(vector, 500)
    assert stores[0].search_text("leave policy version", 500) == stores[1].search_text(
        "leave policy version", 500
    )


def test_killed_builds_end_like_an_undisturbed_one(tmp_path):
    kill_and_resume(tmp_path, [0.08, 0.25])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_twenty_killed_builds_end_like_an_undisturbed_one(tmp_path):
    chooser = random.Random(7)
    kill_and_resume(tmp_path, [chooser.uniform(0.0, 0.8) for _ in range(20)])
