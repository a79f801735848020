"""Access rules: whatever the rules, the users and the queries, nobody is shown, cited or served a passage outside their
rights, through any list, step or cache; and what a caller asks for can only narrow what a rule allows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft import Project
from graft.errors import BackendError, ConfigError
from graft.protocols import Filter
from graft.retrieval import expansion, fusion, refine
from graft.retrieval.context import assemble
from graft.retrieval.diversity import diversify
from graft.retrieval.rounds import search_in_rounds
from graft.retrieval.search import Searcher
from graft.testing.fakes import HashingEmbedder, MemoryStore
from graft.types import Chunk, Generation, content_hash
from graft.wiring.ranking import corrector
from graft.wiring.retrieval import narrowed

# --- search ----------------------------------------------------------------------------------------------------------

KEYS = st.sampled_from(["team", "visibility", "date", "type"])
VALUES = st.sampled_from(["people", "it", "public", "2026", 2026, True])
METADATA = st.dictionaries(KEYS, VALUES | st.lists(VALUES, max_size=2), max_size=3)
RULES = st.dictionaries(KEYS, VALUES | st.lists(VALUES, max_size=2).map(tuple), max_size=2)
TEXT = st.lists(
    st.sampled_from(["annual", "leave", "days", "travel", "budget", "printer", "secret"]),
    min_size=1,
    max_size=5,
)
QUERIES = st.lists(
    st.sampled_from(["annual", "anual", "leave", "laeve", "budget", "budgett", "secert", "zebra"]),
    min_size=1,
    max_size=3,
)


class ByLetters:
    """A reranker with an opinion of its own."""

    fingerprint = "letters"

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        return [float(len(set(text))) for text in texts]


def says(*lines: str) -> expansion.Write:
    return lambda prompts: [Generation("\n".join(lines)) for _ in prompts]


def searchers(store: MemoryStore, embedder: HashingEmbedder, candidates: int) -> dict[str, Searcher]:
    """Every list and step there is, alone and all together."""
    make = partial(Searcher, store, embedder, candidates=candidates)
    write = says("secret budget", "printer days")
    steps = {
        "boost": lambda _, hits: refine.boost(hits, {"team=it": 2.0}),
        "freshen": lambda _, hits: refine.freshen(hits, "date", 30, 1.0),
        "rerank": lambda query, hits: refine.rerank(ByLetters(), query, hits, 5),
        "diversify": lambda _, hits: diversify(hits, 0.5),
        "threshold": lambda _, hits: refine.keep_above(hits, {"dense": 0.01}),
    }
    reword = partial(expansion.rewrite, write=write, way="multi-query")
    feedback = partial(expansion.feedback, first=1, terms=2)
    return {
        "bm25": make(mode="bm25"),
        "dense": make(mode="dense"),
        "weighted": make(),
        "rrf": make(fuse=partial(fusion.fuse, method="rrf")),
        "corrected": make(correct=corrector(store)),
        "fed": make(feedback=feedback),
        "multi-query": make(reword=reword),
        "hyde": make(reword=partial(expansion.rewrite, write=write, way="hyde")),
        **{name: make(steps={name: step}) for name, step in steps.items()},
        "all": make(correct=corrector(store), reword=reword, feedback=feedback, steps=steps),
    }


def stored(documents: Sequence[tuple[dict, list[str]]]) -> tuple[MemoryStore, HashingEmbedder]:
    """Two chunks a document, each to be shown with the other."""
    store, embedder = MemoryStore(), HashingEmbedder()
    chunks = []
    for number, (metadata, words) in enumerate(documents):
        first, second = " ".join(words), " ".join(reversed(words))
        spans = [(0, len(first), first), (len(first) + 1, len(first) + 1 + len(second), second)]
        chunks += [
            Chunk(content_hash(str(number), str(start)), str(number), start, end, text, metadata=metadata,
                  shown=(0, spans[1][1]))
            for start, end, text in spans
        ]  # fmt: skip
    store.replace({c.document: "v" for c in chunks}, chunks, embedder.encode([c.searchable for c in chunks]))
    return store, embedder


@given(st.lists(st.tuples(METADATA, TEXT), min_size=1, max_size=6), RULES, RULES, QUERIES, st.integers(1, 4))
@settings(deadline=None, max_examples=60)
def test_no_search_returns_a_chunk_outside_the_rule_and_the_request(
    documents, rule, asked, words, candidates
):
    store, embedder = stored(documents)
    where = narrowed(rule, Filter(asked) if asked else None)
    own, request = Filter(rule), Filter(asked)
    for name, searcher in searchers(store, embedder, candidates).items():
        result = searcher.search(" ".join(words), 10, where)
        hits = search_in_rounds(
            "q", result.hits, lambda query, s=searcher: s.search(query, 10, where).hits, says("secret leave"),
            rounds=3, max_tokens=100,
        ).hits  # fmt: skip
        for hit in hits:
            assert own.allows(hit.chunk), name
            assert request.allows(hit.chunk), name
        allowed = {c.document for c in store.chunks() if own.allows(c) and request.allows(c)}
        context = assemble(
            hits, siblings=lambda one: [c for c in store.chunks([one]) if where is None or where.allows(c)]
        )
        assert {passage.document for passage in context.passages} <= allowed, name


@given(st.lists(st.tuples(METADATA, TEXT), min_size=1, max_size=6), RULES, QUERIES)
@settings(deadline=None, max_examples=40)
def test_what_may_not_be_seen_pushes_nothing_down(documents, rule, words):
    """Closed documents change neither which open ones are found nor their order in a single list."""
    store, embedder = stored(documents)
    where, query = Filter(rule), " ".join(words)
    for mode in ("dense", "bm25"):
        everything = Searcher(store, embedder, mode=mode).search(query, 100).hits
        seen = Searcher(store, embedder, mode=mode, candidates=1).search(query, 100, where).hits
        assert [hit.chunk for hit in seen] == [hit.chunk for hit in everything if where.allows(hit.chunk)]


@given(st.lists(st.tuples(METADATA, TEXT), min_size=1, max_size=6), RULES, QUERIES)
@settings(deadline=None, max_examples=60)
def test_what_is_searched_beside_the_question_names_no_word_that_only_others_may_read(documents, rule, words):
    """The wordings are part of the answer: a mended word, or one of a passage found first, could tell of a secret."""
    store, embedder = stored(documents)
    where = Filter(rule)
    known = {*words, *(word for c in store.chunks() if where.allows(c) for word in c.text.split())}
    made = searchers(store, embedder, 4)
    for name in ("corrected", "fed"):
        searched = made[name].search(" ".join(words), 10, where).searched
        assert {word for wording in searched for word in wording.split()} <= known, name


def test_a_store_that_ignores_the_filter_gets_no_answer_out():
    class Leaky(MemoryStore):
        def search_text(self, query, k, where=None):
            return super().search_text(query, k)

    store = Leaky()
    embedder = HashingEmbedder()
    chunk = Chunk("i", "d", 0, 5, "leave", metadata={"team": "it"})
    store.replace({"d": "v"}, [chunk], embedder.encode(["leave"]))
    with pytest.raises(BackendError, match="filter forbids"):
        Searcher(store, embedder).search("leave", 5, Filter({"team": "people"}))


# --- ask, and the server with its cache --------------------------------------------------------------------------------

TEAMS, LEVELS = ("people", "it"), ("open", "closed")
CALLERS = {
    "people": {"team": "people"},
    "it": {"team": ["it"]},
    "open": {"visibility": "open"},
    "people-open": {"team": ["people", "none"], "visibility": "open"},
    "nobody": {"team": "nobody"},
}


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    root: Path = tmp_path_factory.mktemp("access")
    (root / "documents").mkdir()
    for team in TEAMS:
        for level in LEVELS:
            for number in range(2):
                (root / f"documents/{team}-{level}-{number}.md").write_text(
                    f"---\nteam: {team}\nvisibility: {level}\n---\n# Leave of {team}\n\nAnnual leave of {team} is "
                    f"{level} and counts {number} days. The budget is {number}.\n"
                )
    keys = "".join(
        f'[serve.keys.{name}]\nenv = "KEY_{name}"\n[serve.keys.{name}.where]\n'
        + "".join(f"{key} = {json.dumps(value)}\n" for key, value in rule.items())
        for name, rule in CALLERS.items()
    )
    (root / "graft.toml").write_text(
        '[retrieval]\nembedder = "hashing"\nstore = "memory"\ndiversity = 0.2\nfeedback = true\n'
        '[retrieval.chunker]\nname = "sentence-window"\n'
        '[generation]\nmodel = "echo"\n[evaluation]\nvariants = ["base", "rag"]\n[serve]\ncache = 50\n' + keys
    )
    made = Project(root)
    made.build()
    return made


def may_see(document: str, *rules: dict) -> bool:
    team, level, _ = document.split("-")
    metadata = {"team": team, "visibility": level}
    chunk = Chunk("i", document, 0, 1, "x", metadata=metadata)
    return all(Filter(rule).allows(chunk) for rule in rules)


REQUESTS = st.dictionaries(
    st.sampled_from(["team", "visibility"]),
    st.sampled_from(["people", "it", "open", "closed"])
    | st.lists(st.sampled_from([*TEAMS, *LEVELS]), max_size=2),
    max_size=2,
)
ASKED = st.sampled_from(
    ["annual leave", "Leave of it?", "anual laeve of people", "budget closed", "days open"]
)


@given(ASKED, REQUESTS)
@settings(deadline=None, max_examples=30)
def test_ask_shows_and_cites_only_what_the_request_allows(project, question, request_):
    answer = project.ask(question, variant="rag", where=Filter(request_))
    shown = [passage.document for passage in answer.passages]
    assert all(may_see(document, request_) for document in [*shown, *(c.document for c in answer.citations)])
    assert bool(shown) == any(may_see(f"{t}-{v}-0", request_) for t in TEAMS for v in LEVELS)


@pytest.fixture(scope="module")
def served(project):
    from fastapi.testclient import TestClient

    from graft.server.app import create_app
    from graft.verbs.serve import callers_of, narrowing, offered

    with pytest.MonkeyPatch.context() as patch:
        for name in CALLERS:
            patch.setenv(f"KEY_{name}", f"secret-{name}")
        callers = callers_of(project.parts)
        default, variants, _ = offered(project.parts)
        app = create_app(
            variants,
            default=default,
            key="secret-all",
            narrow=narrowing(project.parts),
            callers=callers,
            cache=50,
        )
        with TestClient(app) as client:
            yield client


def post(client, caller, question, where=None, model="rag"):
    body = {
        "model": model,
        "messages": [{"role": "user", "content": question}],
        **({"where": where} if where else {}),
    }
    return client.post(
        "/v1/chat/completions", json=body, headers={"Authorization": f"Bearer secret-{caller}"}
    )


@given(st.lists(st.tuples(st.sampled_from(["all", *CALLERS]), ASKED, REQUESTS), min_size=2, max_size=6))
@settings(deadline=None, max_examples=25)
def test_the_server_answers_each_key_from_its_own_documents_cached_or_not(served, asked):
    for caller, question, where in asked:
        reply = post(served, caller, question, where, model="graft")
        assert reply.status_code == 200, reply.text
        details = reply.json()["graft"]
        documents = [one["document"] for one in [*details["passages"], *details["citations"]]]
        assert all(may_see(document, CALLERS.get(caller, {}), where) for document in documents)
        if caller == "all" and not where:
            assert documents


def test_the_same_caller_is_answered_from_the_cache_and_another_is_not(served):
    first = post(served, "people", "What is cached?").json()["graft"]
    again = post(served, "people", "What is cached?").json()["graft"]
    other = post(served, "it", "What is cached?").json()["graft"]
    assert (first["cached"], again["cached"], other["cached"]) == (False, True, False)
    assert again["passages"] == first["passages"]
    assert not {p["document"] for p in first["passages"]} & {p["document"] for p in other["passages"]}


def test_wrong_keys_and_wrong_filters_are_refused(served):
    assert post(served, "nobody-known", "annual leave").status_code == 401
    reply = served.post(
        "/v1/chat/completions",
        json={
            "model": "rag",
            "messages": [{"role": "user", "content": "x"}],
            "where": {"team": {"$ne": "it"}},
        },
        headers={"Authorization": "Bearer secret-people"},
    )
    assert (reply.status_code, reply.json()["error"]["param"].split(".")[0]) == (400, "where")


def test_a_key_that_is_not_set_stops_the_server(project, monkeypatch):
    from graft.verbs.serve import callers_of

    monkeypatch.delenv("KEY_people", raising=False)
    with pytest.raises(ConfigError, match=r"\[serve.keys.people\] is not set"):
        callers_of(project.parts)
