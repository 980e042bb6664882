"""Who sees a conversation: its audience, and everybody who looks into the inbox that it is in (rules M3, D2, D3)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, assert_never

from shared_schemas.practice_settings import Subscription
from shared_schemas.staff_notifications import Listing

InboxKind = Literal["unassigned", "member", "shared_inbox"]


@dataclass(frozen=True, slots=True)
class Member:
    """A person on the staff."""

    staff_id: str
    is_active: bool
    is_administrator: bool
    sees_unassigned: bool
    name: str = ""
    subscriptions: tuple[Subscription, ...] = ()

    def wants(self, reason_id: str) -> bool:
        """Whether a subscription of theirs has this reason, for whatever location and provider."""
        return any(one.reasons == "all" or reason_id in one.reasons for one in self.subscriptions)


@dataclass(frozen=True)
class Practice:
    """A practice's people and its custom shared inboxes, as of settings version `version`."""

    version: int
    members: tuple[Member, ...]
    shared_inboxes: Mapping[str, tuple[str, ...]]
    inbox_labels: Mapping[str, str] = field(default_factory=dict[str, str])
    default_subscribers: tuple[str, ...] = ()

    @cached_property
    def by_id(self) -> Mapping[str, Member]:
        """Everybody on the staff, the deactivated too."""
        return {member.staff_id: member for member in self.members}

    @cached_property
    def _people(self) -> Mapping[str, frozenset[str]]:
        return {inbox_id: frozenset(people) for inbox_id, people in self.shared_inboxes.items()}

    def people_of(self, inbox_id: str | None) -> frozenset[str]:
        """Who looks after a custom shared inbox; nobody after one that is gone."""
        return self._people.get(inbox_id or "", frozenset())

    def is_deactivated(self, staff_id: str) -> bool:
        """Whether this person may see nothing any more (D4). Somebody whom the settings do not name is not."""
        member = self.by_id.get(staff_id)
        return member is not None and not member.is_active


def who_sees(
    practice: Practice, kind: InboxKind, inbox_id: str | None, audience: Iterable[str], *, is_unrouted: bool = False
) -> tuple[str, ...]:
    """The staff ids, each once, in the order of the settings. Deactivated people see nothing (D4).

    What is unrouted is shown to administrators, too (M4).
    """
    sees = set(audience) | _inbox_people(practice, kind, inbox_id)
    if is_unrouted:
        sees |= {member.staff_id for member in practice.members if member.is_administrator}
    return tuple(member.staff_id for member in practice.members if member.is_active and member.staff_id in sees)


def still_sees(practice: Practice, listing: Listing, staff_id: str) -> bool:
    """Whether the settings of now let a person see what was announced to them under earlier ones.

    Of a shared inbox whoever left it sees nothing more, though they were told of it when they belonged to it.
    """
    member = practice.by_id.get(staff_id)
    if member is None or not member.is_active:
        return False
    kind, is_told = listing.destination.kind, staff_id in listing.audience
    match kind:
        case "unassigned":
            is_unrouted = not listing.audience and member.is_administrator
            return is_told or member.sees_unassigned or is_unrouted
        case "member":
            return is_told or listing.destination.id == staff_id
        case "shared_inbox":
            return staff_id in practice.people_of(listing.destination.id)
        case _:
            assert_never(kind)


def whose_view_changed(before: Practice, after: Practice) -> tuple[str, ...]:
    """The members who see other inboxes, or are told of other things, than before."""
    return tuple(
        member.staff_id
        for member in after.members
        if before.by_id.get(member.staff_id) != member
        or _shared_inboxes_of(before, member.staff_id) != _shared_inboxes_of(after, member.staff_id)
    )


def _shared_inboxes_of(practice: Practice, staff_id: str) -> set[str]:
    return {inbox_id for inbox_id in practice.shared_inboxes if staff_id in practice.people_of(inbox_id)}


def _inbox_people(practice: Practice, kind: InboxKind, inbox_id: str | None) -> set[str]:
    match kind:
        case "unassigned":
            return {member.staff_id for member in practice.members if member.sees_unassigned}
        case "member":
            return {inbox_id} if inbox_id is not None else set()
        case "shared_inbox":
            return set(practice.people_of(inbox_id))
        case _:
            assert_never(kind)
