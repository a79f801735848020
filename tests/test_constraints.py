"""Answers held to a format: the grammar, the choice to decline, and what the server makes of both."""

import json

import llguidance
import llguidance.hf
import openai
import pytest
from conftest import edit
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field
from serving import listening

from graft import Project
from graft.backends import models
from graft.backends.generators import constraints
from graft.backends.generators.generate_openai import OpenAIGenerator
from graft.backends.generators.generate_transformers import TransformersGenerator
from graft.errors import BackendError, ConfigError
from graft.evaluation.checks.formats import keeps_format
from graft.generation import prompts
from graft.generation.variant import Retrieved, Variant
from graft.protocols import Constrained
from graft.server.app import create_app
from graft.testing.fakes import EchoGenerator
from graft.testing.models import tiny_model
from graft.types import Context, Message, Passage

DESKS = Passage(
    "offices.md", 0, 62, "The Blue Harbour office opened on 4 May 2019. It has 37 desks.", "Offices"
)
SCHEMA = {
    "type": "object",
    "properties": {"answer": {"type": "string"}, "page": {"type": "integer"}},
    "required": ["answer", "page"],
    "additionalProperties": False,
}
KEY = "k"
# The engine writes control characters as escapes, DEL among them, which json.dumps does not.
TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=8)
TOKENS = llguidance.hf.from_tokenizer(models.load_tokenizer(models.locate("nano")))


class Told(BaseModel):
    answer: str
    page: int


@pytest.fixture(scope="module")
def nano():
    return TransformersGenerator(TransformersGenerator.Options())


def ask(question):
    return prompts.build(question, Context((DESKS,)))


def test_a_model_that_was_not_told_the_format_keeps_it(nano):
    held = nano.constrained({"schema": SCHEMA})
    [made] = held.generate([ask("How many desks does the Blue Harbour office have?")], max_tokens=48)
    assert (json.loads(made.text)["answer"], made.finish) == ("37", "stop")


def test_it_declines_only_where_it_would_have(nano):
    questions = [
        "How many desks does the Blue Harbour office have?",
        "Who is the owner of the Blue Harbour office?",
    ]
    held = nano.constrained({"schema": SCHEMA}, prompts.ABSTENTION)
    told, untold = (made.text for made in held.generate([ask(one) for one in questions], max_tokens=48))
    assert json.loads(told)["answer"] == "37"
    assert untold == prompts.ABSTENTION


def test_a_name_that_begins_as_a_refusal_does_is_no_refusal(nano):
    vendor = Passage("vendor.md", 0, 50, "The vendor of the Blue Harbour office is called IBM.", "Vendor")
    prompt = prompts.build("What is the vendor of the Blue Harbour office called?", Context((vendor,)))
    held = nano.constrained({"schema": SCHEMA}, prompts.ABSTENTION)
    free, [made] = nano.generate([prompt], max_tokens=16)[0].text, held.generate([prompt], max_tokens=48)
    assert free.startswith("IBM")
    assert json.loads(made.text)["answer"] == "IBM"


def test_the_order_of_properties_is_part_of_the_format(nano):
    turned = {**SCHEMA, "properties": dict(reversed(SCHEMA["properties"].items()))}
    one, other = nano.constrained({"schema": SCHEMA}), nano.constrained({"schema": turned})
    assert one.fingerprint != other.fingerprint
    assert other.generate([ask("How many desks?")], max_tokens=48)[0].text.startswith('{"page": ')


def test_what_the_engine_gives_up_is_told(nano):
    ways = [{"type": "object", "properties": {f"k{n}": {"type": "integer"}}} for n in range(2500)]
    held = nano.constrained({"schema": {"anyOf": ways}})
    with pytest.raises(BackendError, match="too much for the engine"):
        held.generate([ask("How many desks?")], max_tokens=8)


def test_a_held_text_is_not_touched():
    class Says(EchoGenerator):
        def constrained(self, contract, otherwise=""):
            return self

    shown = [Retrieved(Context((DESKS, DESKS)))]
    for said in ("[2, 7]", '{"see": "[9]"}', '{"see": "a [2]"}'):
        free = Variant("rag", Says(EchoGenerator.Options(reply=said)), search=lambda _: shown)
        held = free.constrained({"schema": {}})
        *pieces, answer = held.stream("How many?")
        assert (answer.text, "".join(pieces)) == (said, said)
        assert [cited.number for cited in answer.citations] == [2] * ("2" in said)
    assert free.answer("How many?").text == said


def test_a_regular_expression_is_matched_as_a_whole(nano):
    held = nano.constrained({"regex": r"(yes|no)/\d"})
    [made] = held.generate([ask("Does it have desks?")], max_tokens=16)
    assert keeps_format({"regex": r"(yes|no)/\d"}, made.text)


def test_what_the_limit_cuts_is_the_beginning_of_an_instance(nano):
    [made] = nano.constrained({"schema": SCHEMA}).generate([ask("How many desks?")], max_tokens=4)
    assert (made.text[:2], made.finish) == ('{"', "length")


@pytest.mark.parametrize(
    ("contract", "reason"),
    [
        ({"schema": {"type": "objct"}}, "Invalid type: objct"),
        ({"schema": {"type": "array", "uniqueItems": True}}, "uniqueItems"),
        ({"regex": "(a"}, "regex"),
    ],
)
def test_a_contract_that_cannot_be_kept_is_refused_before_anything_is_loaded(contract, reason):
    generator = TransformersGenerator(TransformersGenerator.Options())
    with pytest.raises(ConfigError, match=reason):
        generator.constrained(contract)
    assert "loaded" not in vars(generator)


@settings(max_examples=60, deadline=None)
@given(st.recursive(
    st.none() | st.booleans() | st.integers(-999, 999) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=6,
))  # fmt: skip
def test_the_engine_accepts_what_json_dumps_writes_of_a_const(value):
    matcher = llguidance.LLMatcher(TOKENS, constraints.grammar({"schema": {"const": value}}))
    ids = TOKENS.tokenize_str(" " + json.dumps(value, ensure_ascii=False))
    assert matcher.validate_tokens(ids) == len(ids)


@pytest.mark.parametrize(
    ("names", "allowed"),
    [({"enum": ["a", "b.c"]}, ["{}", '{"b.c": 1, "a": 2}']), ({"pattern": "^x"}, ['{"xy": 1}'])],
)
def test_names_of_properties_are_kept(names, allowed):
    schema = {"type": "object", "propertyNames": names, "additionalProperties": {"type": "integer"}}
    for text in (*allowed, '{"bxc": 1}', '{"a": "1"}'):
        matcher = llguidance.LLMatcher(TOKENS, constraints.grammar({"schema": schema}))
        ids = TOKENS.tokenize_str(text)
        assert (matcher.validate_tokens(ids) == len(ids)) == (text in allowed)


def test_a_property_may_be_called_as_a_keyword_is():
    inner = {
        "type": "object",
        "properties": {"propertyNames": {"enum": ["a"]}},
        "required": ["propertyNames"],
    }
    matcher = llguidance.LLMatcher(TOKENS, constraints.grammar({"schema": inner}))
    ids = TOKENS.tokenize_str('{"propertyNames": "a"}')
    assert matcher.validate_tokens(ids) == len(ids)


@pytest.mark.parametrize(
    ("schema", "sent"),
    [
        ({"type": "object"}, {"type": "json_object"}),
        (
            SCHEMA,
            {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True}},
        ),
        (
            {"type": "array", "items": {"type": "object"}},
            {
                "type": "json_schema",
                "json_schema": {
                    "name": "answer",
                    "schema": {"type": "array", "items": {"type": "object"}},
                    "strict": False,
                },
            },
        ),
    ],
)
def test_only_what_openai_takes_as_strict_is_called_so(schema, sent):
    held = OpenAIGenerator(OpenAIGenerator.Options("m", base_url="http://127.0.0.1:9/v1")).constrained(
        {"schema": schema}
    )
    assert held._body([], 8, 0.0, 0)["response_format"] == sent


def test_an_endpoint_is_asked_for_structured_outputs():
    options = OpenAIGenerator.Options("m", base_url="http://127.0.0.1:9/v1", extra={"top_k": 1})
    free = OpenAIGenerator(options)
    held = free.constrained({"schema": SCHEMA}, prompts.ABSTENTION)
    body = held._body([], 8, 0.0, 0)
    assert body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True},
    }
    assert body["top_k"] == 1
    assert "response_format" not in free._body([], 8, 0.0, 0)
    assert held.fingerprint != free.fingerprint
    with pytest.raises(ConfigError, match="regular expression"):
        free.constrained({"regex": "a"})


def test_a_variant_of_a_model_that_cannot_says_so():
    assert not isinstance(EchoGenerator(), Constrained)
    with pytest.raises(ConfigError, match="base cannot be held to a format"):
        Variant("base", EchoGenerator()).constrained({"schema": SCHEMA})


@pytest.fixture(scope="module")
def talk(nano):
    rag = Variant("rag", nano, search=lambda queries: [Retrieved(Context((DESKS,))) for _ in queries])
    app = create_app({"rag": rag}, default="rag", key=KEY)
    with listening(app) as url, openai.OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0) as client:
        yield client


HOW_MANY = [{"role": "user", "content": "How many desks does the Blue Harbour office have?"}]
WHO = [{"role": "user", "content": "Who is the owner of the Blue Harbour office?"}]


def test_the_openai_client_parses_structured_outputs(talk):
    reply = talk.chat.completions.parse(model="rag", messages=HOW_MANY, response_format=Told)
    assert (reply.choices[0].message.parsed.answer, reply.choices[0].message.refusal) == ("37", None)
    declined = talk.chat.completions.parse(model="rag", messages=WHO, response_format=Told).choices[0].message
    assert (declined.parsed, declined.content, declined.refusal) == (None, None, prompts.ABSTENTION)


def test_a_stream_of_structured_outputs_tells_json_from_a_refusal(talk):
    form = {"type": "json_schema", "json_schema": {"name": "told", "schema": SCHEMA}}
    said = []
    for messages in (HOW_MANY, WHO):
        chunks = talk.chat.completions.create(
            model="rag", messages=messages, response_format=form, stream=True
        )
        deltas = [chunk.choices[0].delta for chunk in chunks]
        said.append(("".join(d.content or "" for d in deltas), "".join(d.refusal or "" for d in deltas)))
    assert json.loads(said[0][0])["answer"] == "37"
    assert said == [(said[0][0], ""), ("", prompts.ABSTENTION)]


def test_any_object_will_do_where_none_is_described(talk):
    form = {"type": "json_object"}
    reply = talk.chat.completions.create(model="rag", messages=HOW_MANY, response_format=form)
    text = reply.choices[0].message.content
    assert text.startswith("{")
    assert reply.choices[0].finish_reason == "length" or isinstance(json.loads(text), dict)


def test_a_call_can_be_forced(talk):
    def tool(name, field):
        parameters = {"type": "object", "properties": {field: {"enum": [4, 37]}}, "required": [field],
                      "additionalProperties": False}  # fmt: skip
        return {"type": "function", "function": {"name": name, "parameters": parameters}}

    tools = [tool("order_desks", "count"), tool("book_room", "seats")]
    for choice, allowed in (
        ("required", {"order_desks", "book_room"}),
        ({"type": "function", "function": {"name": "book_room"}}, {"book_room"}),
    ):
        reply = talk.chat.completions.create(
            model="rag", messages=HOW_MANY, tools=tools, tool_choice=choice, parallel_tool_calls=False
        ).choices[0]
        [call] = reply.message.tool_calls
        assert reply.finish_reason == "tool_calls"
        assert call.function.name in allowed
        assert all(isinstance(value, int) for value in json.loads(call.function.arguments).values())


def test_a_call_may_have_definitions_of_its_own(talk):
    class Row(BaseModel):
        seats: int = Field(ge=0, le=99)

    class Args(BaseModel):
        rows: list[Row] = Field(max_length=2)

    tool = openai.pydantic_function_tool(Args, name="book")
    [call] = talk.chat.completions.create(
        model="rag", messages=HOW_MANY, tools=[tool], tool_choice="required", parallel_tool_calls=False
    ).choices[0].message.tool_calls  # fmt: skip
    assert Args.model_validate_json(call.function.arguments)


def test_json_or_a_call_may_be_wanted(talk):
    seats = {
        "properties": {"seats": {"type": "integer"}},
        "required": ["seats"],
        "additionalProperties": False,
    }
    tool = {"type": "function", "function": {"name": "book", "parameters": seats}}
    form = {"type": "json_schema", "json_schema": {"name": "told", "schema": SCHEMA}}
    both = {
        "model": "rag",
        "messages": HOW_MANY,
        "tools": [tool],
        "response_format": form,
        "parallel_tool_calls": False,
    }
    said = talk.chat.completions.create(**both).choices[0].message
    assert said.tool_calls or Told.model_validate_json(said.content)
    assert talk.chat.completions.create(**both, tool_choice="required").choices[0].message.tool_calls


@pytest.mark.parametrize("key", ["$defs", "definitions"])
def test_json_with_definitions_or_a_call_may_be_wanted(talk, key):
    class Args(BaseModel):
        rows: list[Told] = Field(max_length=2)

    schema = {"$ref": f"#/{key}/Told", key: {"Told": SCHEMA}}
    said = talk.chat.completions.create(
        model="rag",
        messages=HOW_MANY,
        tools=[openai.pydantic_function_tool(Args, name="book")],
        response_format={"type": "json_schema", "json_schema": {"name": "told", "schema": schema}},
        parallel_tool_calls=False,
    ).choices[0].message  # fmt: skip
    assert said.tool_calls or Told.model_validate_json(said.content)


def test_definitions_that_are_none_are_the_clients_mistake(talk):
    tool = {"type": "function", "function": {"name": "book", "parameters": {"$defs": 5}}}
    with pytest.raises(openai.BadRequestError, match='"\\$defs" of book must be an object'):
        talk.chat.completions.create(model="rag", messages=HOW_MANY, tools=[tool], tool_choice="required")


def test_a_schema_that_no_engine_keeps_is_the_clients_mistake(talk):
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "objct"}}}
    with pytest.raises(openai.BadRequestError, match="Invalid type: objct"):
        talk.chat.completions.create(model="rag", messages=HOW_MANY, response_format=form)


# --- in a project ----------------------------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path):
    """A project without documents on a tiny random model, whose answers are held to SCHEMA."""
    model = tiny_model(tmp_path / "tiny")
    (tmp_path / "answer.json").write_text(json.dumps(SCHEMA), encoding="utf-8")
    (tmp_path / "graft.toml").write_text(
        f'[generation]\nmodel = {{ name = "transformers", model = "{model}" }}\nschema = "answer.json"\nmax_tokens = 200\n',
        encoding="utf-8",
    )
    return tmp_path


def test_a_variant_of_the_project_keeps_its_schema(project):
    variant = Project(project).parts.variant("base")
    answers = variant.answer_batch([[Message("user", f"Where is key {n}?")] for n in range(3)])
    kept = [
        keeps_format({"schema": SCHEMA}, one.text) or one.abstained or one.finish == "length"
        for one in answers
    ]
    assert kept == [True] * 3
    assert all(one.text.startswith(("{", prompts.ABSTENTION)) for one in answers)
    edit(project, 'schema = "answer.json"\n', "")
    free = Project(project).parts.variant("base")
    assert free.fingerprint != variant.fingerprint
    assert not free.answer("Where is key 0?").text.startswith("{")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("answer.json", "absent.json", "'schema' in [generation] names"),
        (
            '"answer.json"',
            '"answer.json"\nregex = "a"',
            "graft.toml:4: 'regex' in [generation] stands beside 'schema'",
        ),
        ('"answer.json"', '"list.json"', "list.json holds no JSON Schema"),
        ('"answer.json"', '"broken.json"', "broken.json is not valid JSON"),
        ('{ name = "transformers"', '{ name = "echo"', "'echo' cannot be held to a format"),
    ],
)
def test_a_format_that_cannot_be_kept_is_told(project, old, new, said):
    (project / "list.json").write_text("[]", encoding="utf-8")
    (project / "broken.json").write_text("{", encoding="utf-8")
    edit(project, old, new)
    if "echo" in new:
        edit(project, f', model = "{project / "tiny"}"', "")
    with pytest.raises(ConfigError) as caught:
        Project(project).parts.variant("base")
    assert said in str(caught.value)
