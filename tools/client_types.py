"""The types of the clients, from the forms of the staff API and of its stream: for Python and for TypeScript.

The server writes every field, so none is optional.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic.json_schema import models_json_schema

from notifier import views

if TYPE_CHECKING:
    from pydantic import BaseModel

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Language:
    """How a language writes types."""

    words: Mapping[str, str]
    closed: Callable[[list[str]], str]
    array: str
    record: str
    anything: str


_PYTHON = _Language(
    {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"},
    closed=lambda values: f"Literal[{', '.join(values)}]",
    array="list[{}]",
    record="dict[str, {}]",
    anything="dict[str, Any]",
)
_TYPESCRIPT = _Language(
    {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"},
    closed=" | ".join,
    array="Array<{}>",
    record="Record<string, {}>",
    anything="Record<string, unknown>",
)
_ANSWERS = (
    views.Inbox, views.ConversationPage, views.Conversation, views.FoundPage, views.PracticeView, views.ReplyTemplate,
    views.EventPage, views.SeenResult,
)  # fmt: skip


def python_types() -> str:
    """A module of TypedDicts."""
    lines = ['"""The forms of the staff API and of its stream. Generated from the contracts: `just contracts`."""', ""]
    lines += ["from typing import Any, Literal, TypedDict", ""]
    for name, schema in _definitions().items():
        lines += ["", f"class {name}(TypedDict):", f'    """{_sentence(schema)}"""', ""]
        for field, form in schema["properties"].items():
            lines.append(f"    {field}: {_kind(form, _PYTHON)}")
        lines.append("")
    return "\n".join(lines)


def typescript_types() -> str:
    """A module of interfaces, and the data of each stream event by its name."""
    lines = ["// The forms of the staff API and of its stream. Generated from the contracts: `just contracts`."]
    for name, schema in _definitions().items():
        lines += ["", f"/** {_sentence(schema)} */", f"export interface {name} {{"]
        for field, form in schema["properties"].items():
            lines.append(f"  {field}: {_kind(form, _TYPESCRIPT)};")
        lines.append("}")
    lines += ["", "/** The data of each stream event, by its name. */", "export interface StreamEvents {"]
    lines += [
        f"  {json.dumps(event)}: {' | '.join(model.__name__ for model in models)};"
        for event, models in views.STREAM.items()
    ]
    return "\n".join([*lines, "}", ""])


def _definitions() -> dict[str, Schema]:
    """Every named form, each after those that it is made of, without the version in the name."""
    streamed = (model for models in views.STREAM.values() for model in models)
    forms: list[tuple[type[BaseModel], Any]] = [(model, "serialization") for model in (*_ANSWERS, *streamed)]
    _, schema = models_json_schema(forms)
    definitions: Mapping[str, Schema] = schema["$defs"]
    ordered: dict[str, Schema] = {}

    def add(name: str) -> None:
        if name not in ordered:
            for needed in sorted(set(_references(definitions[name]))):
                add(needed)
            ordered[name] = definitions[name]

    for name in sorted(definitions):
        add(name)
    return ordered


def _references(part: object) -> Iterable[str]:
    if isinstance(part, dict):
        if "$ref" in part:
            yield _name(part)
        for value in part.values():
            yield from _references(value)
    elif isinstance(part, list):
        for value in part:
            yield from _references(value)


def _name(form: Schema) -> str:
    return str(form["$ref"]).rsplit("/", 1)[1]


def _sentence(schema: Schema) -> str:
    return str(schema.get("description", "")).split("\n\n", 1)[0].replace("\n", " ").replace('"', "'")


def _kind(form: Schema, language: _Language) -> str:
    match form:
        case {"$ref": _}:
            kind = _name(form)
        case {"anyOf": options}:
            kind = " | ".join(dict.fromkeys(_kind(option, language) for option in options))
        case {"const": value}:
            kind = language.closed([json.dumps(value)])
        case {"enum": values}:
            kind = language.closed([json.dumps(value) for value in values])
        case {"type": "array", "items": items}:
            kind = language.array.format(_kind(items, language))
        case {"type": "object", "additionalProperties": dict(values)}:
            kind = language.record.format(_kind(values, language))
        case {"type": "object"}:
            kind = language.anything
        case _:
            kind = language.words[form["type"]]
    return kind
