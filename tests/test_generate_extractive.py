import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft import plugins
from graft.backends.generators import generate_extractive
from graft.backends.generators.generate_extractive import ExtractiveGenerator, Shown, parse_prompt
from graft.generation import prompts
from graft.protocols import Generator
from graft.testing.models import GeneratorConformance
from graft.types import Context, Generation, Message, Passage, Usage

LEAVE = Passage(
    "leave.md",
    0,
    1,
    "## Leave\nEmployees get 25 days of leave a year. [3] Unused days lapse on 31 March.",
    "Leave policy",
)
SPAIN = Passage(
    "spain.md",
    0,
    1,
    "Everyone gets 30 days.\n| Day | Office |\n|---|---|\n| 6 January | closed |",
    "Leave policy",
    ("Spain",),
)
LUNCH = Passage("lunch.md", 0, 1, "Lunch is served at noon.", "Canteen")


def ask(question, *passages, max_tokens=50, **options):
    generator = ExtractiveGenerator(ExtractiveGenerator.Options(**options))
    [made] = generator.generate([prompts.build(question, Context(passages))], max_tokens=max_tokens)
    return made


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("How many days of leave does an employee get?", "Employees get 25 days of leave a year. [2]"),
        ("When do my unused days lapse?", "Unused days lapse on 31 March. [2]"),
        ("How many leave days does everyone in Spain get?", "Everyone gets 30 days. [3]"),
        ("Is the office closed on 6 January?", "| 6 January | closed | [3]"),
        ("When is lunch?", "Lunch is served at noon. [1]"),
        ("Who founded the firm?", "I don't know."),
        ("?", "I don't know."),
    ],
)
def test_it_quotes_the_sentence_that_fits_best(question, answer):
    assert ask(question, LUNCH, LEAVE, SPAIN).text == answer


def test_without_passages_it_does_not_know():
    made = ask("When is lunch?")
    words = sum(len(turn.content.split()) for turn in prompts.build("When is lunch?"))
    assert made == Generation("I don't know.", Usage(words, 3), "stop", made.timings)


def test_several_sentences_come_in_the_order_of_the_passages():
    made = ask(
        "When do unused leave days lapse, and how many days are there?",
        LEAVE,
        LUNCH,
        sentences=2,
        min_overlap=0.2,
    )
    assert made.text == "Employees get 25 days of leave a year. [1] Unused days lapse on 31 March. [1]"


def test_the_limit_cuts_and_says_so():
    made = ask("When is lunch?", LUNCH, max_tokens=3)
    assert (made.text, made.finish) == ("Lunch is served [1]", "length")


def test_a_stream_is_the_answer_in_pieces():
    prompt = prompts.build("When is lunch?", Context((LUNCH,)))
    generator = plugins.build("generator", "extractive")
    assert isinstance(generator, Generator)
    *pieces, last = generator.stream(prompt, max_tokens=50)
    assert "".join(pieces) == last.text == "Lunch is served at noon. [1]"
    assert last.usage == Usage(generator.count_tokens(prompt), 6)


def test_it_uses_the_words_of_the_one_prompt_builder():
    assert generate_extractive._ABSTENTION == prompts.ABSTENTION
    assert generate_extractive._QUESTION == prompts.QUESTION_PREFIX


TEXT = st.text(alphabet="ab1 .\n[]()Question: \u2028\r", max_size=40)


@given(st.lists(st.tuples(TEXT, TEXT), max_size=4), TEXT)
@settings(deadline=None, max_examples=150)
def test_the_prompt_is_read_back_as_it_was_written(passages, question):
    context = Context(tuple(Passage(str(n), 0, 1, text, title) for n, (title, text) in enumerate(passages)))
    [_, turn] = prompts.build([Message("user", question)], context)
    asked, shown = parse_prompt(turn.content)
    assert asked == question
    assert [one.number for one in shown] == list(range(1, len(passages) + 1))
    assert [one.text.strip() for one in shown] == [
        prompts.fence(text.strip()).strip() for _, text in passages
    ]


def test_labels_are_read_back_too():
    [_, turn] = prompts.build("And?", Context((SPAIN, Passage("x", 0, 1, "No title."))))
    assert parse_prompt(turn.content) == (
        "And?",
        [Shown(1, "Leave policy > Spain", SPAIN.text), Shown(2, "", "No title.")],
    )


class TestConformance(GeneratorConformance):
    @pytest.fixture
    def generator(self):
        return ExtractiveGenerator()
