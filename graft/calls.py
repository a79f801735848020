"""Functions that a model may call, as text: what it is told of them, and how a call is written.

Rows as OpenAI and TRL write them hold descriptions (`tools`) and calls (`tool_calls`) beside the messages. Not every model's
template knows them, and all variants are to see the same prompt, so the descriptions become a system message and a call
becomes JSON: then it is compared as a record, field by field, like any other. Knows rows and texts only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from graft.records import json_in

HEADING = (
    "You may call these functions. To call, reply with nothing but a JSON list of "
    '{"name": "…", "arguments": {…}}, one entry a call:'
)
_ASKED = ("input", "question")


def spelled_out(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row whose functions stand in its system message and whose calls are the text of their turns. A row without
    either is returned as it is. Raises ValueError for functions and calls that cannot be read."""
    made = dict(row)
    tools = [made.pop(key) or [] for key in ("tools", "functions") if key in made]
    told = _described([tool for some in tools for tool in _listed(some, "tools", "functions")])
    if isinstance(made.get("messages"), list):
        made["messages"] = _turns(made["messages"])
    if not told:
        return made
    asked = next((key for key in _ASKED if isinstance(made.get(key), str)), None)
    if asked is not None and "messages" not in made:
        made["messages"] = [{"role": "user", "content": made.pop(asked)}]
    turns = made.get("messages")
    if isinstance(turns, list):
        made["messages"] = _with_system(turns, told)
    return made


def offered(row: Mapping[str, Any]) -> frozenset[str]:
    """Return the names of the functions of a row that `spelled_out` can read."""
    tools = [tool for key in ("tools", "functions") for tool in row.get(key) or []]
    return frozenset(tool.get("function", tool)["name"] for tool in tools)


def read(text: str, names: Collection[str]) -> list[dict[str, Any]] | None:
    """Return the calls that a reply consists of, one or a list, fenced as code or not; None when it is something else or calls
    what is not among the names."""
    said = json_in(text)
    calls = [said] if isinstance(said, dict) else said
    if not calls or not all(isinstance(call, dict) and call.get("name") in names for call in calls):
        return None
    return [{"name": call["name"], "arguments": call.get("arguments") or {}} for call in calls]


def schema(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema of a reply that calls functions of a row that `spelled_out` can read, in the form of `written`:
    the one that `tool_choice` names or any of them; one call where `parallel_tool_calls` is false. Raises ValueError for
    a choice that is not offered, and for definitions that are none."""
    tools = [tool for key in ("tools", "functions") for tool in row.get(key) or []]
    functions = {told["name"]: told for told in (tool.get("function", tool) for tool in tools)}
    choice = row.get("tool_choice")
    if isinstance(choice, Mapping):
        named = choice.get("function")
        name = named.get("name") if isinstance(named, Mapping) else None
        if not isinstance(name, str) or name not in functions:
            raise ValueError(f'"tool_choice" names {name!r}, which is none of "tools"')
        functions = {name: functions[name]}
    if not functions:
        raise ValueError('"tool_choice" asks for a call, and there are no "tools"')
    found: dict[str, Any] = {}
    calls = [
        {
            "type": "object",
            "properties": {"name": {"const": name}, "arguments": _arguments(told, name, found)},
            "required": ["name", "arguments"],
            "additionalProperties": False,
        }
        for name, told in functions.items()
    ]
    single = isinstance(choice, Mapping) or row.get("parallel_tool_calls") is False
    most = {"maxItems": 1} if single else {}
    shared = {"$defs": found} if found else {}
    return {"type": "array", "items": {"anyOf": calls}, "minItems": 1, **most, **shared}


def _arguments(told: Mapping[str, Any], name: str, found: dict[str, Any]) -> Any:
    """Return the schema of a function's arguments; what it defines for itself goes to `found`, under the function's name."""
    wanted = told.get("parameters")
    if not isinstance(wanted, Mapping):
        return {"type": "object"}

    def moved(value: Any) -> Any:
        if isinstance(value, list):
            return [moved(one) for one in value]
        if not isinstance(value, Mapping):
            return value
        made = {key: moved(one) for key, one in value.items()}
        if isinstance(value.get("$ref"), str):
            made["$ref"] = re.sub(r"^#/(?:\$defs|definitions)/", f"#/$defs/{name}.", value["$ref"])
        return made

    own = {"type": "object", **moved(wanted)}
    for key in ("$defs", "definitions"):
        inner = own.pop(key, {})
        if not isinstance(inner, Mapping):
            raise ValueError(f'"{key}" of {name} must be an object')  # noqa: TRY004
        found |= {f"{name}.{one}": rule for one, rule in inner.items()}
    return own


def written(calls: Sequence[Any]) -> str:
    """Return calls, as `tool_calls` has them, as the text that a model is to say."""
    return json.dumps([_call(call) for call in calls], ensure_ascii=False)


def _described(tools: Sequence[Any]) -> str:
    lines = []
    for tool in tools:
        function = tool.get("function", tool) if isinstance(tool, Mapping) else None
        if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
            raise ValueError('each of "tools" needs a "name", or a "function" that has one')  # noqa: TRY004
        kept = {
            key: function[key]
            for key in ("name", "description", "parameters")
            if function.get(key) is not None
        }
        lines.append(json.dumps(kept, ensure_ascii=False))
    return "\n".join([HEADING, *lines]) if lines else ""


def _listed(value: Any, key: str, items: str) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f'"{key}" must be a list of {items}')  # noqa: TRY004
    return value


def _with_system(turns: Sequence[Any], told: str) -> list[Any]:
    first = turns[0] if turns else None
    if isinstance(first, Mapping) and first.get("role") == "system" and isinstance(first.get("content"), str):
        return [{**first, "content": f"{first['content']}\n\n{told}"}, *turns[1:]]
    return [{"role": "system", "content": told}, *turns]


def _turns(turns: Sequence[Any]) -> list[Any]:
    """Calls as text; what functions returned as the user's next turn, several in a row as one."""
    made: list[Any] = []
    returned = False  # whether the last of `made` is what functions returned
    for turn in turns:
        if not isinstance(turn, Mapping):
            made.append(turn)
            continue
        calls = turn.get("tool_calls") or ([turn["function_call"]] if turn.get("function_call") else None)
        back = turn.get("role") in ("tool", "function")
        if calls:
            said = written(_listed(calls, "tool_calls", "calls"))
            made.append({"role": turn.get("role"), "content": said})
        elif back and returned:
            made[-1] = {**made[-1], "content": f"{made[-1]['content']}\n{_returned(turn)}"}
        elif back:
            made.append({"role": "user", "content": _returned(turn)})
        else:
            made.append(turn)
        returned = back
    return made


def _returned(turn: Mapping[str, Any]) -> str:
    """Return what a function returned: a text, or the texts of its parts."""
    content = turn.get("content")
    parts: list[Any] = content if isinstance(content, list) else [{"text": content}]
    texts = [
        part["text"] for part in parts if isinstance(part, Mapping) and isinstance(part.get("text"), str)
    ]
    if len(texts) < len(parts):
        raise ValueError("what a function returned must be text")
    return "\n".join(texts)


def _call(call: Any) -> dict[str, Any]:
    function = call.get("function", call) if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise ValueError('each of "tool_calls" needs a "function" with a "name"')  # noqa: TRY004
    arguments = function.get("arguments") or {}
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except ValueError as error:
            raise ValueError(f"the arguments of {function['name']} are no JSON ({error})") from error
    return {"name": function["name"], "arguments": arguments}
