"""Routing settings that fit together: every id that is referred to exists, and none exists twice.

What is said of a mistake points at it and does not repeat it: an id that somebody got wrong may be a patient's number.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from shared_schemas.practice_settings import IdsOrAll, RoutingSettingsPublishedV1

OTHER = "other"


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong, and where: the path of keys and indexes."""

    location: tuple[int | str, ...]
    detail: str

    @property
    def pointer(self) -> str:
        """As a JSON pointer (RFC 6901)."""
        return "/".join(("#", *(str(part) for part in self.location)))


def mistakes_in(settings: RoutingSettingsPublishedV1) -> list[Mistake]:
    """Everything that does not fit together; locations and providers are the PM system's and are not checked."""
    return [*_repeated(settings), *_unknown(settings)]


def _repeated(settings: RoutingSettingsPublishedV1) -> Iterator[Mistake]:
    yield from _twice((("reasons", index, "id"), one.id) for index, one in enumerate(settings.reasons))
    yield from _twice((("extensions", index, "digits"), one.digits) for index, one in enumerate(settings.extensions))
    yield from _twice((("shared_inboxes", index, "id"), one.id) for index, one in enumerate(settings.shared_inboxes))
    yield from _twice((("members", index, "staff_id"), one.staff_id) for index, one in enumerate(settings.members))
    yield from _twice(
        (("members", index, "subscriptions", position, "id"), one.id)
        for index, member in enumerate(settings.members)
        for position, one in enumerate(member.subscriptions)
    )
    for index, reason in enumerate(settings.reasons):
        if reason.id == OTHER:
            yield Mistake(("reasons", index, "id"), "other is implied and cannot be defined (R17)")


def _twice(ids: Iterable[tuple[tuple[int | str, ...], str]]) -> Iterator[Mistake]:
    seen: set[str] = set()
    for place, id_ in ids:
        if id_ in seen:
            yield Mistake(place, "this is there already")
        seen.add(id_)


def _unknown(settings: RoutingSettingsPublishedV1) -> Iterator[Mistake]:
    reasons = {OTHER, *(reason.id for reason in settings.reasons)}
    inboxes = {inbox.id for inbox in settings.shared_inboxes}
    staff = {member.staff_id for member in settings.members}
    for index, extension in enumerate(settings.extensions):
        if extension.reason_id is not None and extension.reason_id not in reasons:
            yield Mistake(("extensions", index, "reason_id"), "there is no such reason")
        if extension.shared_inbox_id is not None and extension.shared_inbox_id not in inboxes:
            yield Mistake(("extensions", index, "shared_inbox_id"), "there is no such inbox")
    for index, inbox in enumerate(settings.shared_inboxes):
        yield from _not_in(staff, inbox.members, ("shared_inboxes", index, "members"), "member")
    for index, member in enumerate(settings.members):
        for position, one in enumerate(member.subscriptions):
            place = ("members", index, "subscriptions", position, "reasons")
            yield from _not_in(reasons, one.reasons, place, "reason")
    yield from _not_in(staff, settings.default_subscribers, ("default_subscribers",), "member")


def _not_in(known: set[str], ids: IdsOrAll, place: tuple[int | str, ...], what: str) -> Iterator[Mistake]:
    if ids != "all":
        for index, id_ in enumerate(ids):
            if id_ not in known:
                yield Mistake((*place, index), f"there is no such {what}")
