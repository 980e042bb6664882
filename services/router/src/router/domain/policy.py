"""A practice's routing settings in the form that the rules use: compiled once for each version."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from router.domain.facts import Channel, PlaceId, ReasonId, StaffId

Chosen = frozenset[str] | None
"""The chosen values of one dimension; None for all of them, those to come too."""
Because = Literal["subscription", "default_subscriber", "assignee", "inbox_member", "unassigned_subscriber"]


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a member wants to be told of: these reasons × these locations × these providers."""

    subscription_id: str
    reasons: Chosen
    locations: Chosen
    providers: Chosen


@dataclass(frozen=True, slots=True)
class Member:
    """A person on the staff. The deactivated ones are kept: a conversation may still be assigned to one (D4)."""

    staff_id: StaffId
    is_active: bool
    sees_unassigned: bool
    subscriptions: tuple[Subscription, ...]


@dataclass(frozen=True, slots=True)
class Recipient:
    """One person who is told, and why."""

    staff_id: StaffId
    because: Because
    subscription_id: str | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason of the practice's list."""

    reason_id: ReasonId
    label: str
    is_retired: bool


@dataclass(frozen=True, slots=True)
class ToReason:
    """An extension that is about a reason (R6)."""

    reason_id: ReasonId


@dataclass(frozen=True, slots=True)
class ToSharedInbox:
    """An extension that goes to a custom shared inbox (R6)."""

    inbox_id: str


@dataclass(frozen=True, slots=True, eq=False)
class Policy:
    """How one practice wants its messages routed, as of `version`."""

    version: int
    reason_routing: bool
    location_routing: bool
    provider_routing: bool
    window: timedelta
    broken_by: frozenset[Channel]
    reasons: Mapping[ReasonId, Reason]
    """In the practice's order; `other` is implied."""
    extensions: Mapping[str, ToReason | ToSharedInbox]
    shared_inboxes: Mapping[str, tuple[StaffId, ...]]
    members: Mapping[StaffId, Member]
    default_subscribers: tuple[StaffId, ...]
    freshness_limit: timedelta
    label_correction: bool = False
    sms_reason_menu: bool = False
    matches: dict[tuple[str | None, str | None, str | None], tuple[Recipient, ...]] = field(
        default_factory=dict, repr=False
    )
    """Filled as messages ask: which subscriptions match these labels. A cache of this version, and of nothing else."""

    def active(self, staff_id: StaffId) -> bool:
        """Whether this person may be told of anything (D4)."""
        member = self.members.get(staff_id)
        return member is not None and member.is_active

    def active_members(self) -> Iterator[Member]:
        """Everybody who may be told of something, in the order of the settings."""
        return (member for member in self.members.values() if member.is_active)

    def takes(self, reason_id: ReasonId | None) -> bool:
        """Whether the practice has this reason now. Retired ones do not count (R14)."""
        reason = self.reasons.get(reason_id) if reason_id is not None else None
        return reason is not None and not reason.is_retired

    def words_for(self, reason_id: ReasonId | None) -> str | None:
        """The practice's words for a reason, retired or not."""
        reason = self.reasons.get(reason_id) if reason_id is not None else None
        return reason.label if reason is not None else None


def matching(
    policy: Policy, reason: ReasonId | None, location: PlaceId | None, provider: PlaceId | None
) -> tuple[Recipient, ...]:
    """The active members with a matching subscription, and which one: the first of each (M1, M2).

    None for a dimension means that its routing is off: it is ignored.
    """
    key = (reason, location, provider)
    found = policy.matches.get(key)
    if found is None:
        found = policy.matches[key] = tuple(_matching(policy, key))
    return found


def _matching(policy: Policy, labels: tuple[str | None, str | None, str | None]) -> Iterator[Recipient]:
    for member in policy.active_members():
        for subscription in member.subscriptions:
            chosen = (subscription.reasons, subscription.locations, subscription.providers)
            if all(
                label is None or values is None or label in values for label, values in zip(labels, chosen, strict=True)
            ):
                yield Recipient(member.staff_id, "subscription", subscription.subscription_id)
                break
