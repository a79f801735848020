import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.generation.grounding import abstains, quote_span, resolve_citations, settled, trim
from graft.types import Citation, Context, Passage

LEAVE = "You get 25 days of leave. Ask Dr. Smith first. Unused days lapse on 31 March."
CONTEXT = Context((
    Passage("leave.md", 10, 10 + len(LEAVE), LEAVE, "Leave", page=3),
    Passage("coffee.md", 0, 15, "Coffee is free.", "Coffee"),
))  # fmt: skip
DAYS = Citation(1, "leave.md", 10, 35, "You get 25 days of leave.", "Leave", 3)
ASK = Citation(1, "leave.md", 36, 56, "Ask Dr. Smith first.", "Leave", 3)
FREE = Citation(2, "coffee.md", 0, 15, "Coffee is free.", "Coffee")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("You get 25 days [1].", ("You get 25 days [1].", (DAYS,), 0)),
        ("Leave is 25 days.[1] Coffee costs nothing [2].", ("Leave is 25 days.[1] Coffee costs nothing [2].", (DAYS, FREE), 0)),
        ("Ask first. [1]\n\nCoffee: [ 2 ]", ("Ask first. [1]\n\nCoffee: [2]", (ASK, FREE), 0)),
        ("Ask first.\n[1]", ("Ask first.\n[1]", (ASK,), 0)),
        ("[1] Ask first.", ("[1] Ask first.", (ASK,), 0)),
        ("25 days [1][1]. You get 25 days [1].", ("25 days [1][1]. You get 25 days [1].", (DAYS,), 0)),
        ("Coffee [1, 2]", ("Coffee [1][2]", (Citation(1, "leave.md", 10, 87, LEAVE, "Leave", 3), FREE), 0)),
        ("Coffee [2; 7, 0].", ("Coffee [2].", (FREE,), 2)),
        ("No tables [7].", ("No tables.", (), 1)),
        ("No [7] tables", ("No tables", (), 1)),
        ("[7] No tables", ("No tables", (), 1)),
        ("No tables ([7]), none.", ("No tables, none.", (), 1)),
        ("One [7] [8].\n[9] Two", ("One.\nTwo", (), 3)),
        ("[3]", ("", (), 1)),
        ("It was in [2019].", ("It was in [2019].", (), 0)),
        ("Use `rows[0]` here [7]", ("Use `rows[0]` here", (), 1)),
        ("```\nrows[0]\n```\nrows[0]", ("```\nrows[0]\n```\nrows", (), 1)),
        ('{"days": [25, 7], "why": "Coffee [2] [7]"}', ('{"days": [25, 7], "why": "Coffee [2]"}', (FREE,), 1)),
        ("  plain \n", ("plain", (), 0)),
    ],
)  # fmt: skip
def test_markers_become_citations_or_go(text, expected):
    assert resolve_citations(text, CONTEXT) == expected


def test_without_passages_every_marker_points_nowhere():
    assert resolve_citations("Yes [1] and [2, 3].", Context()) == ("Yes and.", (), 3)


def test_removing_a_marker_cannot_turn_code_into_a_citation():
    text, citations, dropped = resolve_citations("[9]```\n```\na[7]", CONTEXT)
    assert (text, citations, dropped) == ("```\n```\na[7]", (), 1)


@pytest.mark.parametrize(
    ("claim", "quote"),
    [
        ("25 days", "You get 25 days of leave."),
        ("They lapse on March 31", "Unused days lapse on 31 March."),
        ("25 days; Dr. Smith is asked", "You get 25 days of leave. Ask Dr. Smith first."),
        ("nothing in common", LEAVE),
        ("", LEAVE),
    ],
)
def test_the_quote_is_the_best_supporting_part(claim, quote):
    start, end = quote_span(claim, LEAVE)
    assert LEAVE[start:end] == quote


def test_a_bare_answer_rests_on_what_the_question_asks():
    assert resolve_citations("Yes [1]", CONTEXT, "Must I ask somebody first?").citations == (ASK,)
    assert resolve_citations("25 [1]", CONTEXT, "How much leave is there?").citations == (DAYS,)
    assert resolve_citations("Yes [1]", CONTEXT, "Is it of the?").citations[0].quote == LEAVE


def test_scripts_without_spaces_are_quoted_by_sentence_too():
    passage = "休暇は25日です。申請は上司に出します。"
    start, end = quote_span("申請は誰に出しますか", passage)
    assert passage[start:end] == "申請は上司に出します。"


MARKUP = st.lists(
    st.sampled_from(["[1]", "[2]", "[9]", "[1, 9]", "[", "]", "(", ")", " ", "\n", "`", "```", '{"', '"', ".", ",", "days", "7"]),
    max_size=14,
).map("".join)  # fmt: skip


@given(MARKUP)
@settings(deadline=None, max_examples=300)
def test_every_citation_is_an_exact_span_and_resolving_again_drops_nothing_new(text):
    resolved = resolve_citations(text, CONTEXT)
    for citation in resolved.citations:
        passage = CONTEXT.passages[citation.number - 1]
        inside = slice(citation.start - passage.start, citation.end - passage.start)
        assert (citation.document, citation.quote) == (passage.document, passage.text[inside])
    assert resolved.text == resolved.text.strip()
    assert len(resolved.text.replace(" ", "")) <= len(text.replace(" ", "")) + text.count(",") * 2


@given(MARKUP, st.data())
@settings(deadline=None, max_examples=300)
def test_a_stream_never_takes_back_what_it_showed(text, data):
    cut = data.draw(st.integers(0, len(text)))
    assert resolve_citations(text, CONTEXT).text.startswith(settled(text[:cut], CONTEXT))


def test_trim_drops_the_weakest_and_keeps_the_order():
    passages = tuple(
        Passage(name, 0, 1, name, score=score) for name, score in [("a", 0.2), ("b", 0.9), ("c", 0.2)]
    )
    context = Context(passages)

    def count(some):
        return 10 + 5 * len(some.passages)

    assert trim(context, count, 25) == (context, 0)
    assert trim(context, count, 20) == (Context(passages[:2]), 1)
    assert trim(context, count, 15) == (Context(passages[1:2]), 2)
    assert trim(context, count, 14) == (Context(), 3)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I don't know.", True),
        (" i don\u2019t know", True),
        ("I don't know. The passages say nothing.", True),
        ("I don't knowingly eat.", False),
        ("You should ask; I don't know.", False),
        ("", False),
    ],
)
def test_abstains_reads_the_contracts_words(text, expected):
    assert abstains(text) is expected
