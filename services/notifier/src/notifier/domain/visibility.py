"""Who sees a conversation: its audience, and everybody who looks into the inbox that it is in (rules M3, D2, D3)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, assert_never

InboxKind = Literal["unassigned", "member", "shared_inbox"]


@dataclass(frozen=True, slots=True)
class Member:
    """A person on the staff."""

    staff_id: str
    is_active: bool
    is_administrator: bool
    sees_unassigned: bool


@dataclass(frozen=True, slots=True)
class Practice:
    """A practice's people and its custom shared inboxes, as of settings version `version`."""

    version: int
    members: tuple[Member, ...]
    shared_inboxes: dict[str, tuple[str, ...]]


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


def _inbox_people(practice: Practice, kind: InboxKind, inbox_id: str | None) -> set[str]:
    match kind:
        case "unassigned":
            return {member.staff_id for member in practice.members if member.sees_unassigned}
        case "member":
            return {inbox_id} if inbox_id is not None else set()
        case "shared_inbox":
            return set(practice.shared_inboxes.get(inbox_id or "", ()))
        case _:
            assert_never(kind)
