"""Where content does not fit its form, in the form's own words: a name that somebody made up may be about a patient."""

from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

SOMETHING = "*"
"""Stands for what the form does not name: an unknown field, a key of a table."""
_NAMED = frozenset({"properties", "schemas", "$defs", "mapping"})


def names_in(schema: Mapping[str, Any]) -> frozenset[str]:
    """The fields, parameters, tags and forms that a JSON Schema or an OpenAPI document names."""
    return frozenset(_names(schema))


@lru_cache(maxsize=128)
def names_of(form: type[BaseModel]) -> frozenset[str]:
    """The same of one form."""
    return names_in(form.model_json_schema())


def known_place(location: Collection[int | str], names: Collection[str]) -> list[str]:
    """A place in what was sent (pydantic's `loc`), with `*` for every part that is no position and none of `names`."""
    return [str(part) if isinstance(part, int) or part in names else SOMETHING for part in location]


def pointer(location: Collection[int | str], names: Collection[str]) -> str:
    """The same as a JSON pointer in a fragment (RFC 6901, section 6)."""
    return "/".join(("#", *known_place(location, names)))


def _names(schema: object) -> Iterator[str]:
    if isinstance(schema, list):
        for one in schema:
            yield from _names(one)
    elif isinstance(schema, Mapping):
        for key, value in schema.items():
            if key in _NAMED and isinstance(value, Mapping):
                yield from value
            elif key == "parameters" and isinstance(value, list):
                yield from (one["name"] for one in value if "name" in one)
            if key not in {"default", "example", "examples"}:
                yield from _names(value)
