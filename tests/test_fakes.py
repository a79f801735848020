"""What the fakes promise to other tests."""

import pytest

from graft import protocols
from graft.errors import BackendError
from graft.generation import prompts
from graft.testing.fakes import EchoGenerator, MemoryStore
from graft.types import Context, Generation, Message, Passage, Usage

CONTEXT = Context(
    (Passage("a", 0, 1, "The limit is 30 days. More.\n\nEnd.", "T"), Passage("b", 0, 1, "Other."))
)


def reply(
    generator: EchoGenerator, question: str = "What?", context: Context | None = None, **options
) -> Generation:
    (made,) = generator.generate([prompts.build(question, context)], **{"max_tokens": 50, **options})
    return made


def test_echo_quotes_the_first_passage_or_abstains():
    assert isinstance(EchoGenerator(), protocols.Generator)
    assert reply(EchoGenerator(), context=CONTEXT).text == "The limit is 30 days. [1]"
    assert reply(EchoGenerator(), context=Context((Passage("a", 0, 1, "No stop"),))).text == "No stop [1]"
    assert reply(EchoGenerator()).text == "I don't know."


def test_echo_counts_and_cuts_by_words():
    made = reply(EchoGenerator(EchoGenerator.Options(reply="one two three")), max_tokens=2)
    assert (made.text, made.finish, made.usage.completion) == ("one two", "length", 2)
    assert EchoGenerator().count_tokens([Message("user", "a b"), Message("user", "c")]) == 3


def test_echo_streams_what_it_generates():
    prompt = prompts.build("What?", CONTEXT)
    *deltas, last = EchoGenerator().stream(prompt, max_tokens=50)
    assert last == EchoGenerator().generate([prompt], max_tokens=50)[0]
    assert "".join(deltas) == last.text
    assert last.usage == Usage(EchoGenerator().count_tokens(prompt), 6)


def test_echo_fails_every_nth_call():
    generator = EchoGenerator(EchoGenerator.Options(fail_every=3))
    assert [reply(generator).text for _ in range(2)] == ["I don't know."] * 2
    with pytest.raises(BackendError, match="call 3"):
        reply(generator)
    assert reply(generator).text == "I don't know."


def test_a_memory_store_without_a_folder_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert len(MemoryStore()) == 0
    assert list(tmp_path.iterdir()) == []
