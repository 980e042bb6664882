"""Whether a reader of yesterday's schema can read what today's writes.

An event version may gain optional fields. Anything else is a new version: a field that goes, a type that changes, a
closed set that gains a word its readers do not know.
"""

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]


def incompatibilities(old: Schema, new: Schema) -> list[str]:
    """What breaks readers of `old`, by the path of the field; empty when nothing does."""
    return list(_differences(old, new, old, new, "data"))


def _differences(old: Schema, new: Schema, old_root: Schema, new_root: Schema, path: str) -> Iterator[str]:
    old, new = _resolved(old, old_root), _resolved(new, new_root)
    if "anyOf" in old or "anyOf" in new:
        yield from _alternatives(old, new, old_root, new_root, path)
        return
    if old.get("type") != new.get("type"):
        yield f"{path}: its type was {old.get('type')} and is {new.get('type')}"
        return
    strangers = set(map(str, _words(new))) - set(map(str, _words(old)))
    if _words(old) and strangers:
        yield f"{path}: {', '.join(sorted(strangers))} would be new words of a closed set"
    if "items" in old:
        yield from _differences(old["items"], new.get("items", {}), old_root, new_root, f"{path}[]")
    known: Schema = old.get("properties", {})
    for name, field in known.items():
        if name not in new.get("properties", {}):
            yield f"{path}.{name}: it is gone"
        elif name in old.get("required", ()) and name not in new.get("required", ()):
            yield f"{path}.{name}: it was always there and may be missing"
        else:
            yield from _differences(field, new["properties"][name], old_root, new_root, f"{path}.{name}")


def _alternatives(old: Schema, new: Schema, old_root: Schema, new_root: Schema, path: str) -> Iterator[str]:
    """Each form that may be written now must be one that could be written before."""
    before = [_resolved(one, old_root) for one in old.get("anyOf", [old])]
    for one in new.get("anyOf", [new]):
        problems = [list(_differences(other, one, old_root, new_root, path)) for other in before]
        if all(problems):
            yield min(problems, key=len)[0]


def _words(schema: Schema) -> list[Any]:
    return list(schema.get("enum", [schema["const"]] if "const" in schema else []))


def _resolved(schema: Schema, root: Schema) -> Schema:
    reference = schema.get("$ref")
    return schema if reference is None else root["$defs"][reference.rsplit("/", 1)[-1]]
