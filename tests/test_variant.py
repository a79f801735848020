import math
from dataclasses import replace

import pytest

from graft.errors import BackendError, DataError
from graft.generation import prompts
from graft.generation.followup import search_query
from graft.generation.variant import Retrieved, Variant
from graft.protocols import Answerer
from graft.testing.fakes import EchoGenerator
from graft.types import Answer, Citation, Context, Generation, Message, Passage, RankedHit, Usage

LEAVE = Passage("leave.md", 100, 131, "You get 25 days. Ask your lead.", "Leave", ("Days",), 2, 0.9)
COFFEE = Passage("coffee.md", 0, 15, "Coffee is free.", "Coffee", score=0.1)
RANKING = (RankedHit("c1", "leave.md", 100, 131), RankedHit("c2", "other.md", 0, 9))
TIMINGS = {"embed": 0.25, "search": 0.5}


def searching(*passages, best=0.8):
    """A search that finds the same passages for every query, and remembers the queries."""

    def search(queries):
        search.queries += queries
        return [Retrieved(Context(passages), TIMINGS, best, ranking=RANKING) for _ in queries]

    search.queries = []
    return search


def echo(reply=""):
    return EchoGenerator(EchoGenerator.Options(reply=reply))


def untimed(answer):
    return replace(answer, timings={key: value for key, value in answer.timings.items() if key != "total"})


class Recorder(EchoGenerator):
    """Remembers what it was asked, and how."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def generate(self, prompts, *, max_tokens, temperature=0.0, seed=0):
        self.calls.append((list(prompts), max_tokens, temperature, seed))
        return super().generate(prompts, max_tokens=max_tokens, temperature=temperature, seed=seed)


def test_a_variant_with_search_answers_from_its_passages():
    rag = Variant("rag", echo(), search=searching(LEAVE, COFFEE), price=lambda usage, timings: 0.5)
    assert isinstance(rag, Answerer)
    answer = rag.answer("How many days?")
    assert untimed(answer) == Answer(
        "You get 25 days. [1]",
        variant="rag",
        citations=(Citation(1, "leave.md", 100, 116, "You get 25 days.", "Leave", 2),),
        passages=(LEAVE, COFFEE),
        usage=Usage(rag.generator.count_tokens(prompts.build("How many days?", Context((LEAVE, COFFEE)))), 5),
        timings=TIMINGS,
        cost=0.5,
        fingerprint=rag.fingerprint,
        ranking=RANKING,
    )
    assert answer.timings["total"] > 0
    assert Variant("base", echo()).answer("How many days?").ranking is None


def test_the_model_sees_the_prompt_that_training_sees_with_the_variants_decoding():
    generator = Recorder()
    rag = Variant(
        "rag",
        generator,
        search=searching(LEAVE),
        instructions="Be brief.",
        max_tokens=7,
        temperature=0.5,
        seed=3,
    )
    rag.answer("How many days?")
    assert generator.calls == [([prompts.build("How many days?", Context((LEAVE,)), "Be brief.")], 7, 0.5, 3)]


def test_base_asks_without_passages_and_has_no_price():
    base = Variant("base", Recorder())
    answer = base.answer("How many days?")
    assert base.generator.calls[0][0] == [prompts.build("How many days?")]
    assert (answer.text, answer.abstained, answer.passages, answer.cost) == ("I don't know.", True, (), None)


def test_weak_evidence_abstains_without_asking_the_model():
    generator = Recorder()
    priced = {}

    def price(usage, timings):
        priced.update(usage=usage, timings=timings)
        return 0.125

    for search in [searching(), searching(LEAVE, best=0.29)]:
        answer = Variant("rag", generator, search=search, min_score=0.3, price=price).answer("How many days?")
        assert (answer.text, answer.abstained, answer.usage, answer.cost) == (
            "I don't know.",
            True,
            Usage(),
            0.125,
        )
        assert priced["usage"] == Usage()
        assert priced["timings"].keys() == {"embed", "search", "total"}
    assert (answer.passages, answer.ranking) == ((LEAVE,), RANKING)  # measured, whether or not it was used
    assert generator.calls == []
    for fine in [searching(LEAVE, best=0.3), searching(LEAVE, best=None)]:
        assert not Variant("rag", generator, search=fine, min_score=0.3).answer("How many days?").abstained


def test_a_batch_keeps_its_order_when_some_are_not_asked():
    def search(queries):
        return [Retrieved(Context((LEAVE,) if "days" in query else ()), {}, None) for query in queries]

    generator = Recorder()
    rag = Variant("rag", generator, search=search)
    questions = [[Message("user", text)] for text in ["coffee?", "days?", "tea?", "which days?"]]
    answers = rag.answer_batch(questions)
    assert [answer.text for answer in answers] == ["I don't know.", "You get 25 days. [1]"] * 2
    assert len(generator.calls) == 1
    assert rag.answer_batch([]) == []


def test_citations_that_point_nowhere_are_dropped_and_counted():
    answer = Variant("rag", echo("You get 25 days [1], [4] they say [2]."), search=searching(LEAVE)).answer(
        "How many?"
    )
    assert (answer.text, answer.dropped_citations) == ("You get 25 days [1], they say.", 2)
    assert [citation.number for citation in answer.citations] == [1]


def test_passages_that_do_not_fit_are_left_out_and_counted():
    generator = Recorder()
    rag = Variant("rag", generator, search=searching(COFFEE, LEAVE))
    both = generator.count_tokens(prompts.build("Days?", Context((COFFEE, LEAVE))))
    one = generator.count_tokens(prompts.build("Days?", Context((LEAVE,))))
    assert replace(rag, prompt_budget=both).answer("Days?").trimmed_passages == 0
    answer = replace(rag, prompt_budget=both - 1).answer("Days?")
    assert (answer.passages, answer.trimmed_passages, answer.text) == ((LEAVE,), 1, "You get 25 days. [1]")
    with pytest.raises(DataError, match="leaves no room for a single passage"):
        replace(rag, prompt_budget=one - 1).answer("Days?")


@pytest.mark.parametrize(
    "reply", ["You get 25 days [1], [4] they say [2].", "[9]", " Yes ([3]) and no [1, 7]", "plain", ""]
)
def test_a_stream_is_the_answer_in_pieces(reply):
    rag = Variant("rag", echo(reply), search=searching(LEAVE))
    *pieces, last = rag.stream("How many days?")
    assert "".join(pieces) == last.text
    assert untimed(last) == untimed(rag.answer("How many days?"))


def test_a_stream_abstains_like_an_answer():
    rag = Variant("rag", echo(), search=searching())
    pieces = list(rag.stream("How many days?"))
    assert pieces[0] == "I don't know."
    assert untimed(pieces[1]) == untimed(rag.answer("How many days?"))


def test_closing_a_stream_stops_the_generator():
    class Endless(EchoGenerator):
        closed = False

        def stream(self, prompt, *, max_tokens, temperature=0.0, seed=0):
            try:
                while True:
                    yield "more "
            finally:
                self.closed = True

    generator = Endless()
    stream = Variant("base", generator).stream("How many days?")
    assert next(stream) == "more"
    stream.close()
    assert generator.closed


def test_a_stream_without_its_generation_is_an_error():
    class Torn(EchoGenerator):
        def stream(self, prompt, *, max_tokens, temperature=0.0, seed=0):
            yield "half "

    with pytest.raises(BackendError, match="ended without its final Generation"):
        list(Variant("base", Torn()).stream("How many days?"))


class Sure(EchoGenerator):
    """Says how sure it is: a mean log-probability."""

    def __init__(self, reply, logprob):
        super().__init__(EchoGenerator.Options(reply=reply))
        self.logprob = logprob

    def generate(self, prompts, *, max_tokens, temperature=0.0, seed=0):
        made = super().generate(prompts, max_tokens=max_tokens, temperature=temperature, seed=seed)
        return [replace(one, logprob=self.logprob) for one in made]

    def stream(self, prompt, *, max_tokens, temperature=0.0, seed=0):
        for piece in super().stream(prompt, max_tokens=max_tokens, temperature=temperature, seed=seed):
            yield replace(piece, logprob=self.logprob) if isinstance(piece, Generation) else piece


@pytest.mark.parametrize(
    ("least", "text", "abstained"), [(0.4, "25 days [1]", False), (0.6, "I don't know.", True)]
)
def test_an_answer_below_the_confidence_is_withheld(least, text, abstained):
    rag = Variant("rag", Sure("25 days [1]", math.log(0.5)), search=searching(LEAVE), min_confidence=least)
    answer = rag.answer("How many days?")
    assert (answer.text, answer.abstained, answer.confidence) == (text, abstained, pytest.approx(0.5))
    assert [citation.number for citation in answer.citations] == ([] if abstained else [1])
    *pieces, last = rag.stream("How many days?")
    assert ("".join(pieces), untimed(last)) == (text, untimed(answer))
    assert len(pieces) == 1  # nothing is said before it is known whether it will be


def test_a_generator_that_does_not_tell_is_never_withheld():
    answer = Variant("base", echo("25 days"), min_confidence=0.99).answer("How many days?")
    assert (answer.text, answer.confidence) == ("25 days", None)


def test_timings_of_a_batch_are_shares_of_its_time():
    class Timed(EchoGenerator):
        def generate(self, prompts, *, max_tokens, temperature=0.0, seed=0):
            return [Generation("x", timings={"prefill": 1.0, "decode": 2.0}) for _ in prompts]

    [one, other] = Variant("rag", Timed(), search=searching(LEAVE)).answer_batch(
        [[Message("user", "a")], [Message("user", "b")]]
    )
    assert untimed(one).timings == {**TIMINGS, "prefill": 1.0, "decode": 2.0}
    assert one.timings["total"] == other.timings["total"]


def test_the_fingerprint_covers_all_that_decides_an_answer():
    one = Variant("rag", echo(), fingerprint_parts=["index"])
    others = [
        replace(one, name="hybrid"), replace(one, generator=echo("x")), replace(one, instructions="Be brief."),
        replace(one, max_tokens=5), replace(one, temperature=0.5), replace(one, seed=1), replace(one, min_score=0.2),
        replace(one, prompt_budget=100), replace(one, fingerprint_parts=["index", "x"]),
        replace(one, min_confidence=0.5),
    ]  # fmt: skip
    assert len({variant.fingerprint for variant in [one, *others]}) == 11
    assert replace(one).fingerprint == one.fingerprint


def talk(*users):
    turns = []
    for user in users:
        turns += [Message("user", user), Message("assistant", "Fine.")]
    return [Message("system", "Be kind."), *turns[:-1]]


@pytest.mark.parametrize(
    ("conversation", "query"),
    [
        (talk("How many days of leave do I get?"), "How many days of leave do I get?"),
        (talk("And?"), "And?"),
        (talk("How many days?", "And in Spain?"), "How many days?\nAnd in Spain?"),
        (talk("Who runs the Bern office?", "When was it opened to the public?"), "Who runs the Bern office?\nWhen was it opened to the public?"),
        (talk("How many days?", "Who approves a new laptop?"), "Who approves a new laptop?"),
        (talk("One?", "Two?", "Who approves those?"), "Two?\nWho approves those?"),
    ],
)  # fmt: skip
def test_a_follow_up_searches_with_the_turn_it_leans_on(conversation, query):
    assert search_query(conversation) == query
    search = searching(LEAVE)
    Variant("rag", echo(), search=search).answer(conversation)
    assert search.queries == [query]


@pytest.mark.parametrize("question", ["", "  ", [], [Message("assistant", "Hello.")]])
def test_a_conversation_must_end_with_a_question(question):
    with pytest.raises(DataError, match="does not end with a question"):
        Variant("base", echo()).answer(question)
