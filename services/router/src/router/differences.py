"""What one version of the routing settings changed against another, for people to read."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from shared_schemas.practice_settings import RoutingSettingsPublishedV1

_KEYS = ("id", "staff_id", "digits")
"""What names an entry of a list."""
_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it was. `place` names entries by their ids: `members/fay-front/active`."""

    place: str
    before: Any
    """None where there was nothing."""
    after: Any
    """None where there is nothing any more."""


def differences(before: RoutingSettingsPublishedV1, after: RoutingSettingsPublishedV1) -> list[Difference]:
    """Everything that differs, apart from the version itself, in the order of the settings."""
    old, new = (one.model_dump(mode="json", exclude={"version", "practice_id"}) for one in (before, after))
    return list(_between("", old, new))


def _between(place: str, before: object, after: object) -> Iterator[Difference]:
    if before == after:
        return
    old, new = _named(before), _named(after)
    if old is None or new is None:
        yield Difference(place, _shown(before), _shown(after))
        return
    for name in dict.fromkeys((*old, *new)):
        yield from _between(f"{place}/{name}" if place else name, old.get(name, _ABSENT), new.get(name, _ABSENT))
    if old.keys() == new.keys() and list(old) != list(new):
        yield Difference(f"{place}/order", list(old), list(new))


def _named(value: object) -> dict[str, object] | None:
    """The entries by name; None for what has none: a text, a number, a list of ids."""
    if isinstance(value, dict):
        return value
    if isinstance(value, list) and value and all(isinstance(entry, dict) for entry in value):
        key = next((key for key in _KEYS if key in value[0]), None)
        return None if key is None else {str(entry[key]): entry for entry in value}
    return {} if value == [] else None


def _shown(value: object) -> object:
    return None if value is _ABSENT else value
