"""Routing settings that fit together: every id that is referred to exists, and none exists twice."""

from collections import Counter
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
    subscriptions = (one.id for member in settings.members for one in member.subscriptions)
    lists: dict[str, Iterable[str]] = {
        "reasons": (reason.id for reason in settings.reasons),
        "extensions": (extension.digits for extension in settings.extensions),
        "shared_inboxes": (inbox.id for inbox in settings.shared_inboxes),
        "members": (member.staff_id for member in settings.members),
        "subscriptions": subscriptions,
    }
    for name, ids in lists.items():
        for id_, count in Counter(ids).items():
            if count > 1:
                yield Mistake((name,), f"{id_} is there {count} times")
    if any(reason.id == OTHER for reason in settings.reasons):
        yield Mistake(("reasons",), "other is implied and cannot be defined (R17)")


def _unknown(settings: RoutingSettingsPublishedV1) -> Iterator[Mistake]:
    reasons = {OTHER, *(reason.id for reason in settings.reasons)}
    inboxes = {inbox.id for inbox in settings.shared_inboxes}
    staff = {member.staff_id for member in settings.members}
    for index, extension in enumerate(settings.extensions):
        if extension.reason_id is not None and extension.reason_id not in reasons:
            yield Mistake(("extensions", index, "reason_id"), f"there is no reason {extension.reason_id}")
        if extension.shared_inbox_id is not None and extension.shared_inbox_id not in inboxes:
            yield Mistake(("extensions", index, "shared_inbox_id"), f"there is no inbox {extension.shared_inbox_id}")
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
                yield Mistake((*place, index), f"there is no {what} {id_}")
