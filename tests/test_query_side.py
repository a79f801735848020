"""What happens to a question before and between searches: spelling, other wordings, feedback, rounds, follow-ups."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.errors import BackendError
from graft.generation.followup import SearchFor, condensed, search_query
from graft.retrieval.expansion import Wording, Written, feedback, rewrite
from graft.retrieval.rounds import search_in_rounds
from graft.retrieval.search import Searcher
from graft.retrieval.spelling import Vocabulary, correct, distances
from graft.testing.fakes import HashingEmbedder, MemoryStore
from graft.testing.retrieval import sample_chunks
from graft.types import Chunk, Generation, Hit, Message, Usage

TEXTS = [
    "Annual leave is 25 days a year.",
    "The calibration of the hygrometer",
    "leave the room, leave early",
]


def mended(query, holds=None):
    vocabulary = Vocabulary.of(TEXTS)
    return correct(query, lambda: vocabulary, holds or (lambda word: word in vocabulary.counts))


def writing(*replies):
    """A generator that says these things in turn, three tokens each, and keeps what it was asked."""
    asked = []

    def write(prompts):
        made = [
            Generation(replies[(len(asked) + at) % len(replies)], Usage(2, 1)) for at, _ in enumerate(prompts)
        ]
        asked.extend(prompts)
        return made

    return write, asked


def failing(prompts):
    raise BackendError("The endpoint is down.", "Start it.")


# --- spelling --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("How many days of anual leave?", "How many days of annual leave?"),
        ("laeve", "leave"),  # neighbours swapped
        ("the calibratoin of a Hygrometr", "the calibration of a hygrometer"),
        ("xalibration", "calibration"),  # a first letter may be wrong once
        ("calibartoin", "calibration"),
        ("annual leave", "annual leave"),  # nothing unknown
        (
            "dys 24 2O25 H4-x KPMG daye",
            "dys 24 2O25 H4-x KPMG days",
        ),  # short words, numbers, codes and acronyms
        ("年次休暇", "年次休暇"),
        ("", ""),
        ("zebras", "zebras"),  # nothing near
    ],
)
def test_only_unknown_words_are_mended(query, wanted):
    assert mended(query) == wanted


def test_the_index_decides_what_is_known_and_what_may_be_proposed():
    assert mended("anual", holds=lambda word: word == "anual") == "anual"  # its stemmer knows the form
    assert mended("anual", holds=lambda word: False) == "anual"  # only in texts closed to the caller


def test_more_edits_cost_the_match_and_frequent_words_go_first():
    assert Vocabulary.of(["lease", "leaves leaves", "leave"]).like("leavee") == ["leaves", "leave"]
    assert Vocabulary.of(["abcdefgh"]).like("abxxxfgh") == []


def test_the_vocabulary_is_made_only_for_a_word_that_could_be_wrong():
    assert correct("is it 25?", lambda: pytest.fail("made"), lambda word: False) == "is it 25?"
    assert correct("annual leave", lambda: pytest.fail("made"), lambda word: True) == "annual leave"


def edits(a: str, b: str) -> int:
    """Optimal string alignment by its definition."""
    table = np.zeros((len(a) + 1, len(b) + 1), dtype=int)
    table[:, 0], table[0] = range(len(a) + 1), range(len(b) + 1)
    for i, j in itertools.product(range(1, len(a) + 1), range(1, len(b) + 1)):
        replaced = table[i - 1, j - 1] + (a[i - 1] != b[j - 1])
        table[i, j] = min(table[i - 1, j] + 1, table[i, j - 1] + 1, replaced)
        if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
            table[i, j] = min(table[i, j], table[i - 2, j - 2] + 1)
    return int(table[-1, -1])


@given(st.text("abcdé", max_size=12), st.lists(st.text("abcdé", max_size=12), max_size=8))
@settings(deadline=None, max_examples=100)
def test_distances_are_those_of_the_definition(word, others):
    signs = np.array([*others, "x" * 12], dtype="U12").view(np.uint32).reshape(-1, 12)
    found = distances(word, signs[:-1], np.array([len(other) for other in others], dtype=np.intp))
    assert found.tolist() == [edits(word, other) for other in others]


@given(
    st.text("abcdefghij", min_size=4, max_size=12),
    st.integers(0, 11),
    st.sampled_from("xyz"),
    st.integers(0, 3),
)
@settings(deadline=None, max_examples=100)
def test_any_single_edit_is_found_again(word, at, sign, kind):
    at %= len(word)
    swapped = word[:at] + word[at + 1 : at + 2] + word[at] + word[at + 2 :]
    edited = [
        word[:at] + word[at + 1 :],
        word[:at] + sign + word[at:],
        word[:at] + sign + word[at + 1 :],
        swapped,
    ][kind]
    if len(edited) >= 4:
        assert word in Vocabulary.of([word, "unrelated words"]).like(edited)


# --- other wordings --------------------------------------------------------------------------------------------------


def test_phrasings_are_cleaned_counted_and_weigh_as_much_as_the_question():
    write, asked = writing('1. "how much holiday"\n- Days off?\n\nhow much leave\nfour\nfive')
    [made] = rewrite(["How much leave"], write, "multi-query")
    assert made == Written(
        (
            Wording("how much holiday", "query-1", weight=1 / 3),
            Wording("Days off?", "query-2", weight=1 / 3),
            Wording("four", "query-3", weight=1 / 3),
        ),
        Usage(2, 1),
    )
    assert "How much leave" in asked[0]


def test_a_hypothetical_passage_is_searched_by_vector_as_a_passage():
    write, _ = writing("Leave is 25 days. It is paid.")
    [made] = rewrite(["How much leave?"], write, "hyde")
    assert made.wordings == (
        Wording("Leave is 25 days. It is paid.", "hyde", passage=True, lists=frozenset({"dense"})),
    )


@pytest.mark.parametrize("write", [failing, writing("")[0], writing("…\n- ")[0]])
@pytest.mark.parametrize("way", ["multi-query", "hyde"])
def test_a_generator_that_fails_leaves_the_plain_question_and_is_counted(write, way):
    made = rewrite(["q"], write, way)
    assert [(one.wordings, one.failed) for one in made] == [((), True)]
    assert rewrite([], failing, way) == []


def stored(*texts):
    store, embedder = MemoryStore(), HashingEmbedder()
    chunks = [sample_chunks(f"{at}.md", [text])[0] for at, text in enumerate(texts)]
    store.replace(
        {chunk.document: "v" for chunk in chunks}, chunks, embedder.encode([c.searchable for c in chunks])
    )
    return store, embedder


def test_what_another_wording_finds_is_fused_in():
    store, embedder = stored("Holiday: 25 days", "The printer is broken", "Leave it at the desk")
    write, _ = writing("holiday days")
    searcher = Searcher(
        store, embedder, mode="bm25", reword=lambda asked: rewrite(asked, write, "multi-query")
    )
    result = searcher.search("vacation", 3)
    assert [hit.chunk.document for hit in result.hits] == ["0.md"]
    assert (result.searched, result.usage, result.failed) == (
        ("vacation", "holiday days"),
        Usage(2, 1),
        False,
    )
    plain = Searcher(store, embedder, mode="bm25", reword=lambda asked: rewrite(asked, failing, "hyde"))
    assert plain.search("vacation", 3).failed
    assert plain.search("printer", 3).hits == Searcher(store, embedder, mode="bm25").search("printer", 3).hits


def test_a_passage_is_embedded_as_a_passage():
    seen = []

    class Listening(HashingEmbedder):
        def encode(self, texts, *, query=False):
            seen.append((query, list(texts)))
            return super().encode(texts, query=query)

    store, _ = stored("Holiday: 25 days", "The printer is broken")
    write, _ = writing("Made up.")
    result = Searcher(store, Listening(), reword=lambda asked: rewrite(asked, write, "hyde")).search("q", 2)
    assert seen == [(True, ["q"]), (False, ["Made up."])]
    assert set(result.hits[0].ranks) == {"dense", "dense/hyde"}


# --- feedback --------------------------------------------------------------------------------------------------------


def hits_of(*texts):
    return [Hit(Chunk(str(at), "d", 0, 1, text), 1.0 - at / 100) for at, text in enumerate(texts)]


def test_feedback_takes_the_words_that_set_the_first_hits_apart():
    first = ["holiday allowance of staff", "holiday allowance in days"]
    rest = ["the printer of staff", "in days the room", "the desk", "staff in the room"]
    wording = feedback("leave", hits_of(*first, *rest), first=2, terms=2)
    assert wording == Wording("leave allowance holiday", "feedback", lists=frozenset({"bm25"}), weight=0.5)
    assert feedback("leave", hits_of(*first), first=2) is None
    assert feedback("leave", hits_of("a b", "c d", "e f"), first=2) is None  # no word of both


def test_feedback_finds_what_the_question_did_not_name():
    store, embedder = stored(
        "Leave means holiday allowance",
        "Leave, a holiday allowance",
        "Holiday allowance: 25 days",
        "Printer",
        "Room",
    )
    plain = Searcher(store, embedder, mode="bm25")
    fed = Searcher(store, embedder, mode="bm25", feedback=lambda q, hits: feedback(q, hits, first=1, terms=2))
    assert len(plain.search("leave", 5).hits) == 2
    more = Searcher(store, embedder, feedback=lambda q, hits: feedback(q, hits, first=2, terms=2)).search(
        "leave", 5
    )
    assert {hit.chunk.document for hit in more.hits if "bm25/feedback" in hit.ranks} == {
        "0.md",
        "1.md",
        "2.md",
    }
    assert more.searched == ("leave", "leave allowance holiday")
    assert "feedback" in fed.search("leave", 5).timings


# --- rounds ----------------------------------------------------------------------------------------------------------

DIRECTOR, BIRTH, OTHER = hits_of("The director of X is Y.", "Y was born in Z.", "Other.")


def run(write, rounds=3, max_tokens=1000, search=None):
    found = {"where was Y born": [BIRTH, DIRECTOR], "other": [OTHER]}
    return search_in_rounds(
        "where was the director of X born?", [DIRECTOR], search or (lambda query: found.get(query, [])), write,
        rounds=rounds, max_tokens=max_tokens,
    )  # fmt: skip


def test_rounds_search_for_what_is_missing_until_it_is_enough():
    write, asked = writing("Query: where was Y born\nbecause…", "ENOUGH.")
    done = run(write)
    assert [hit.chunk.id for hit in done.hits] == [DIRECTOR.chunk.id, BIRTH.chunk.id]
    assert done.queries == ("where was the director of X born?", "where was Y born")
    assert (done.stopped, done.usage) == ("enough", Usage(4, 2))
    assert "The director of X is Y." in asked[0]
    assert "Y was born in Z." in asked[1]


@pytest.mark.parametrize(
    ("write", "limits", "stopped", "searches"),
    [
        (writing("where was Y born", "other", "third")[0], {"rounds": 2}, "rounds", 2),
        (writing("where was Y born", "other", "third")[0], {"max_tokens": 3}, "tokens", 2),
        (writing("Where was the director of X born?")[0], {}, "repeated", 1),
        (writing("nonsense")[0], {}, "nothing new", 2),
        (writing("")[0], {}, "enough", 1),
        (writing("essay " * 100)[0], {}, "enough", 1),
        (failing, {}, "failed", 1),
        (failing, {"rounds": 1}, "rounds", 1),
    ],
)
def test_rounds_are_bounded_and_say_why_they_stopped(write, limits, stopped, searches):
    done = run(write, **limits)
    assert (done.stopped, len(done.queries)) == (stopped, searches)
    assert DIRECTOR.chunk in [hit.chunk for hit in done.hits]


def test_one_round_changes_nothing():
    assert run(failing, rounds=1).hits == (DIRECTOR,)


# --- follow-ups ------------------------------------------------------------------------------------------------------

TALK = (
    Message("system", "Be kind."),
    Message("user", "When was the Eiffel Tower built?"),
    Message("assistant", "In 1889."),
    Message("user", "And how tall is it?"),
)


def test_a_follow_up_is_rewritten_and_a_first_question_asks_nobody():
    write, asked = writing(' "How tall is the Eiffel Tower?"\n')
    assert condensed(TALK, write) == SearchFor("How tall is the Eiffel Tower?", Usage(2, 1))
    assert "assistant: In 1889." in asked[0]
    assert "Be kind" not in asked[0]
    assert condensed(TALK[:2], failing) == SearchFor("When was the Eiffel Tower built?")


@pytest.mark.parametrize("write", [failing, writing(" ")[0], writing("x" * 600)[0]])
def test_a_rewrite_that_fails_leaves_the_rule(write):
    made = condensed(TALK, write)
    assert made.text == search_query(TALK) == f"{TALK[1].content}\n{TALK[3].content}"
    assert made.failed


# --- spelling within a search ------------------------------------------------------------------------------------------


def test_a_corrected_question_is_searched_beside_the_one_asked():
    from graft.wiring.ranking import corrector

    store, embedder = stored("Annual leave: 25 days", "The printer is broken", "Laeve it")
    searcher = Searcher(store, embedder, correct=corrector(store))
    found = searcher.search("anual leave", 3)
    assert found.searched == ("anual leave", "annual leave")
    assert set(found.hits[0].ranks) == {"dense", "bm25", "dense/spelling", "bm25/spelling"}
    assert found.best_dense == max(found.hits[0].scores["dense"], found.hits[0].scores["dense/spelling"])
    plain = searcher.search("laeve", 3)  # a word of the index, however odd
    assert plain.searched == ("laeve",)
    assert plain.hits == Searcher(store, embedder).search("laeve", 3).hits
