"""The documents of a folder: nothing is parsed twice, every change is seen, and what is cached never lies."""

import errno
import os
import random
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.backends.loaders.load_table import JsonlLoader
from graft.backends.loaders.load_text import TextLoader
from graft.errors import DataError, WorkspaceError
from graft.retrieval import library as module
from graft.retrieval.cache import ParseCache, trim, usage
from graft.retrieval.documents import load_documents
from graft.retrieval.library import Library


class Counting:
    """The text loader, counting what it reads. `meanwhile` runs once, after a file was read and before it returns."""

    suffixes = (".md",)

    def __init__(self):
        self.read, self.meanwhile = [], lambda: None

    def load(self, path, document_id):
        made = list(TextLoader().load(path, document_id))
        self.read.append(document_id)
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        return made


def open_library(root, loader=None, **changes) -> Library:
    loaders = {".md": loader or Counting(), ".jsonl": JsonlLoader()}
    cache = ParseCache(root / "cache" / "documents.sqlite")
    (root / "docs").mkdir(exist_ok=True)
    return Library(cache, [root / "docs"], loaders, base=root, **changes)


def contents(catalogue) -> dict:
    return {document.id: document for document in catalogue.read(list(catalogue.fingerprints))}


def test_what_it_finds_is_what_load_documents_finds(tmp_path):
    library = open_library(tmp_path)
    docs = tmp_path / "docs"
    (docs / "a.md").write_text("---\nteam: people\n---\n# A\n\ntext")
    (docs / "sub").mkdir()
    (docs / "sub/b.md").write_text("# B\n\ntext")
    (docs / "rows.jsonl").write_text('{"id": "r1", "text": "one"}\nnot json\n{"id": "a.md", "text": "two"}\n')
    (docs / "empty.md").write_text("")
    (docs / "left.bin").write_text("x")
    expected = load_documents([docs], base=tmp_path, loaders={"text": Counting(), "jsonl": JsonlLoader()})
    for _ in range(2):
        catalogue = library.look()
        assert contents(catalogue) == {document.id: document for document in expected.documents}
        assert catalogue.fingerprints == {one.id: one.fingerprint for one in expected.documents}
        assert sorted(catalogue.problems, key=repr) == sorted(expected.problems, key=repr)
        assert catalogue.skipped == expected.skipped == {".bin": 1}


def test_nothing_is_parsed_twice(tmp_path):
    loader = Counting()
    library = open_library(tmp_path, loader)
    for name in "abc":
        (tmp_path / f"docs/{name}.md").write_text(f"# {name}\n\ntext")
    first = contents(library.look())
    assert sorted(loader.read) == ["a.md", "b.md", "c.md"]
    (tmp_path / "docs/b.md").write_text("# b\n\nnew")
    os.utime(tmp_path / "docs/c.md", (1, 1))
    second = contents(library.look())
    assert loader.read[3:] == ["b.md"]
    assert (second["b.md"].text, second["c.md"].modified, second["a.md"]) == (
        "# b\n\nnew",
        1.0,
        first["a.md"],
    )
    (tmp_path / "docs/b.md").write_text("# b\n\ntext")  # as it was: still known
    assert contents(library.look())["b.md"].text == "# b\n\ntext"
    assert loader.read[4:] == []


def test_an_unchanged_file_is_not_even_opened(tmp_path, monkeypatch):
    library = open_library(tmp_path)
    (tmp_path / "docs/a.md").write_text("# A\n\ntext")
    monkeypatch.setattr(module, "_RACY_SECONDS", -1.0)
    first = library.look().fingerprints
    (tmp_path / "docs/a.md").chmod(0)  # changes the inode's time: its content is read again
    (tmp_path / "docs/a.md").chmod(0o600)
    library.look()
    monkeypatch.setattr(module.hashlib, "file_digest", None)
    assert library.look().fingerprints == first


def test_an_edit_within_one_tick_that_keeps_size_and_time_is_seen(tmp_path):
    library = open_library(tmp_path)
    path = tmp_path / "docs/a.md"
    path.write_text("# A\n\none")
    info = path.stat()
    assert contents(library.look())["a.md"].text == "# A\n\none"
    path.write_text("# A\n\ntwo")
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))
    assert contents(library.look())["a.md"].text == "# A\n\ntwo"


def test_a_file_that_changes_while_it_is_read_is_not_kept_under_the_wrong_key(tmp_path):
    loader = Counting()
    library = open_library(tmp_path, loader)
    path = tmp_path / "docs/a.md"
    path.write_text("# A\n\none")
    loader.meanwhile = lambda: path.write_text("# A\n\ntwo, longer")
    assert contents(library.look())["a.md"].text == "# A\n\none"  # what was read, this once
    assert contents(library.look())["a.md"].text == "# A\n\ntwo, longer"
    path.write_text("# A\n\none")
    assert contents(library.look())["a.md"].text == "# A\n\none"
    assert loader.read == ["a.md"] * 3


def test_a_failure_is_tried_again_after_an_hour_or_an_installation(tmp_path, monkeypatch):
    loader = Counting()
    library = open_library(tmp_path, loader)
    (tmp_path / "docs/good.md").write_text("# A\n\ntext")
    (tmp_path / "docs/bad.md").write_text("---\nteam: [\n---\ntext")
    tried = []
    monkeypatch.setattr(
        loader, "load", lambda path, name: tried.append(name) or TextLoader().load(path, name)
    )

    def look() -> list[str]:
        tried.clear()
        assert [problem.path for problem in library.look().problems] == ["docs/bad.md"]
        return list(tried)

    assert (look(), look()) == (["bad.md", "good.md"], [])
    monkeypatch.setattr(module, "_installed", lambda: "something new")
    assert (look(), look()) == (["bad.md"], [])
    later = time.time() + 3700
    monkeypatch.setattr(module.time, "time", lambda: later)
    assert look() == ["bad.md"]


def test_another_parser_is_another_key(tmp_path):
    class Other(Counting):
        fingerprint = "2"

    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/a.md").write_text("# A\n\ntext")
    first, second = Counting(), Other()
    for loader in (first, second, first, second):
        open_library(tmp_path, loader).look()
    assert (first.read, second.read) == (["a.md"], ["a.md"])


def test_changed_paths_only(tmp_path):
    loader = Counting()
    library = open_library(tmp_path, loader)
    docs = tmp_path / "docs"
    for name in ("a", "b", "c"):
        (docs / f"{name}.md").write_text(f"# {name}\n\ntext")
    catalogue = library.look()
    (docs / "a.md").write_text("# a\n\nnew")
    (docs / "b.md").rename(docs / "d.md")
    (docs / "e.md").write_text("")
    (docs / ".a.md.swp").write_text("x")
    paths = [docs / name for name in ("a.md", "b.md", "d.md", "e.md", ".a.md.swp", "4913")]
    after, changed = library.look_at(catalogue, paths)
    assert after is catalogue
    assert changed == {"a.md", "b.md", "d.md"}
    assert sorted(after.fingerprints) == ["a.md", "c.md", "d.md"]
    assert [problem.path for problem in after.problems] == ["docs/e.md"]
    assert after.fingerprints == library.look().fingerprints
    (docs / "e.md").write_text("# e\n\nfull")
    assert library.look_at(after, [docs / "e.md"])[1] == {"e.md"}
    assert after.problems == ()


def test_a_folder_that_moves_is_looked_at_whole(tmp_path):
    library = open_library(tmp_path)
    docs = tmp_path / "docs"
    (docs / "old").mkdir()
    (docs / "keep.md").write_text("# K\n\ntext")
    (docs / "old/a.md").write_text("# A\n\ntext")
    catalogue = library.look()
    (docs / "old").rename(docs / "new")
    after, changed = library.look_at(catalogue, [docs / "old", docs / "new"])
    assert changed == {"old/a.md", "new/a.md"}
    assert sorted(after.fingerprints) == ["keep.md", "new/a.md"]


@pytest.mark.parametrize("link", ["current.md", "z.md"])  # before and behind the file that it leads to
def test_a_file_with_a_link_to_it_is_one_document_whatever_becomes_of_either(tmp_path, link):
    library = open_library(tmp_path)
    docs = tmp_path / "docs"
    (docs / "guide-2.md").write_text("# Guide\n\ntwo")
    (docs / "guide-3.md").write_text("# Guide\n\nthree")
    (docs / link).symlink_to("guide-2.md")
    catalogue = library.look()
    name = min(link, "guide-2.md")
    assert sorted(catalogue.fingerprints) == sorted([name, "guide-3.md"])

    def after(*names: str) -> list[str]:
        nonlocal catalogue
        catalogue, changed = library.look_at(catalogue, [docs / name for name in names])
        whole = library.look()
        assert catalogue.fingerprints == whole.fingerprints
        assert sorted(catalogue.problems, key=repr) == sorted(whole.problems, key=repr)
        return sorted(changed)

    (docs / "guide-2.md").write_text("# Guide\n\ntwo and a half")
    assert after("guide-2.md") == [name]
    (docs / link).unlink()
    (docs / link).symlink_to("guide-3.md")
    assert after(link) == sorted({link, "guide-2.md", "guide-3.md"} if link == "current.md" else {})
    (docs / "guide-3.md").unlink()
    after("guide-3.md", link)
    (docs / link).unlink()
    (docs / link).write_text("# Guide\n\nitself")
    assert after(link) == [link]
    assert sorted(catalogue.fingerprints) == sorted([link, "guide-2.md"])


def test_what_lies_behind_a_link_to_a_folder_is_never_taken(tmp_path):
    library = open_library(tmp_path)
    for name in ("docs/a.md", "docs/sub/b.md", "outside/c.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("# A\n\ntext")
    (tmp_path / "docs/in").symlink_to("sub")
    (tmp_path / "docs/out").symlink_to(tmp_path / "outside")
    catalogue = library.look()
    for path in ("docs/in/b.md", "docs/out/c.md"):  # as the system tells of them
        (tmp_path / path).write_text("# A\n\nnew")
        catalogue, _ = library.look_at(catalogue, [tmp_path / path])
        assert catalogue.fingerprints == library.look().fingerprints


def test_an_id_that_two_files_claim_goes_to_the_first_and_comes_free_again(tmp_path):
    library = open_library(tmp_path)
    docs = tmp_path / "docs"
    (docs / "a.jsonl").write_text('{"id": "x", "text": "of a"}\n')
    (docs / "c.jsonl").write_text('{"id": "y", "text": "of c"}\n')
    catalogue = library.look()
    (docs / "b.jsonl").write_text('{"id": "x", "text": "of b"}\n')
    catalogue, changed = library.look_at(catalogue, [docs / "b.jsonl"])
    assert changed == set()
    assert ["already taken by docs/a.jsonl" in problem.reason for problem in catalogue.problems] == [True]
    (docs / "a.jsonl").unlink()
    catalogue, changed = library.look_at(catalogue, [docs / "a.jsonl"])
    assert (changed, contents(catalogue)["x"].text, catalogue.problems) == ({"x"}, "of b", ())


def test_an_emptied_folder_is_an_error_and_not_an_empty_library(tmp_path):
    library = open_library(tmp_path)
    (tmp_path / "docs/a.md").write_text("# A\n\ntext")
    library.look()
    (tmp_path / "docs/a.md").unlink()
    with pytest.raises(DataError, match="no documents"):
        library.look()


def close(patch, folder, *, listed):
    """Have the system refuse a folder, as for the modes 000 and, `listed`, 444; the suite may run as one who may all."""
    scandir, stat, lstat = os.scandir, os.stat, os.lstat

    def refusing(call):
        def refused(path, *rest, **given):
            if isinstance(path, str | Path) and folder in Path(path).parents:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
            return call(path, *rest, **given)

        return refused

    def scanned(path="."):
        if Path(path) == folder and not listed:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scandir(path)

    patch.setattr(os, "scandir", scanned)
    patch.setattr(os, "stat", refusing(stat))
    patch.setattr(os, "lstat", refusing(lstat))


@pytest.mark.parametrize("listed", [False, True])
def test_a_folder_that_cannot_be_looked_at_is_an_error_and_not_an_empty_one(tmp_path, monkeypatch, listed):
    library = open_library(tmp_path)
    docs = tmp_path / "docs"
    (docs / "sub").mkdir()
    for name in ("a.md", "sub/b.md"):
        (docs / name).write_text("# A\n\ntext")
    catalogue = library.look()
    with monkeypatch.context() as patch:
        close(patch, docs / "sub", listed=listed)
        with pytest.raises(DataError, match=r"docs/sub.* cannot be looked at: Permission denied"):
            library.look()
        for path in (docs / "sub", docs / "sub/b.md"):
            with pytest.raises(DataError, match=r"docs/sub.* cannot be looked at: Permission denied"):
                library.look_at(catalogue, [path])
        assert list(replace(library, exclude=["sub/**"]).look().fingerprints) == ["a.md"]
    assert sorted(catalogue.fingerprints) == sorted(library.look().fingerprints) == ["a.md", "sub/b.md"]


def test_the_cache_can_be_measured_trimmed_and_lost(tmp_path):
    loader = Counting()
    library = open_library(tmp_path, loader)
    path, cache = tmp_path / "docs/a.md", tmp_path / "cache/documents.sqlite"
    for number in range(3):
        path.write_text(f"# A\n\ntext {number}")
        catalogue = library.look()
    assert (usage(cache, "parsed").entries, usage(cache, "parsed").bytes > 0) == (3, True)
    assert trim(cache, "parsed", catalogue.keys) == 2
    assert contents(catalogue)["a.md"].text == "# A\n\ntext 2"
    assert trim(cache, "parsed", []) == 1
    with pytest.raises(WorkspaceError, match=r"lost docs/a\.md.*again"):
        contents(catalogue)
    assert contents(library.look())["a.md"].text == "# A\n\ntext 2"


STEPS = st.lists(
    st.tuples(st.sampled_from(["write", "remove", "rename", "empty"]), st.sampled_from("abc"), st.sampled_from("abc"),
              st.integers(0, 3)),
    min_size=1, max_size=12,
)  # fmt: skip


@given(STEPS, st.integers(1, 4))
@settings(deadline=None, max_examples=40)
def test_looking_at_changes_ends_where_looking_at_everything_does(tmp_path_factory, steps, every):
    root = tmp_path_factory.mktemp("library")
    library = open_library(root)
    docs = root / "docs"
    (docs / "stays.md").write_text("# stays\n\ntext")
    catalogue = library.look()
    before, touched = dict(catalogue.fingerprints), []
    for number, (step, name, other, version) in enumerate(steps, start=1):
        path = docs / f"{name}.md"
        touched.append(path)
        if step == "write":
            path.write_text(f"# {name}\n\nversion {version}")
        elif step == "empty":
            path.write_text("")
        elif path.exists():
            target = docs / f"{other}.md"
            path.unlink() if step == "remove" else path.rename(target)
            touched.append(target)
        if number % every == 0:
            catalogue, changed = library.look_at(
                catalogue, random.Random(number).sample(touched, len(touched))
            )
            after = dict(catalogue.fingerprints)
            assert changed >= {
                name for name in before.keys() | after.keys() if before.get(name) != after.get(name)
            }
            before, touched = after, []
    catalogue, _ = library.look_at(catalogue, touched)
    whole = library.look()
    assert catalogue.fingerprints == whole.fingerprints
    assert contents(catalogue) == contents(whole)
    assert sorted(catalogue.problems, key=repr) == sorted(whole.problems, key=repr)
