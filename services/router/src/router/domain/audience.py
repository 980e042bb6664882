"""Which inbox a conversation is in, and who is told (rules D1 to D4, M1 to M5)."""

from typing import assert_never

from msgspec import Struct

from router.domain.facts import (
    OTHER,
    AssignedTo,
    Conversation,
    Destination,
    InSharedInbox,
    Message,
    PlaceId,
    ReasonId,
    Unassigned,
)
from router.domain.policy import Policy, Recipient, ToSharedInbox, matching


class Buckets(Struct, frozen=True):
    """What subscriptions are matched with."""

    reason: ReasonId | None
    location: PlaceId
    provider: PlaceId


def decide_destination(
    message: Message, conversation: Conversation, policy: Policy, *, is_late: bool
) -> tuple[Destination, tuple[str, ...]]:
    """Where the conversation is once this message is in it, and the rules that said so."""
    if not is_late and message.channel == "voicemail":
        target = policy.extensions.get(message.extension or "")
        if isinstance(target, ToSharedInbox) and target.inbox_id in policy.shared_inboxes:
            return InSharedInbox(target.inbox_id), ("R6", "D3")
    if not conversation.is_open:
        return Unassigned(), ("D1",)
    return current_destination(conversation, policy)


def current_destination(conversation: Conversation, policy: Policy) -> tuple[Destination, tuple[str, ...]]:
    """Where an open conversation is: where it was, unless the assignee was deactivated (D4) or the inbox removed."""
    match conversation.destination:
        case AssignedTo(staff_id):
            return (conversation.destination, ("D2",)) if policy.active(staff_id) else (Unassigned(), ("D4",))
        case InSharedInbox(inbox_id):
            is_there = inbox_id in policy.shared_inboxes
            return (conversation.destination, ("D3",)) if is_there else (Unassigned(), ("D3",))
        case Unassigned():
            return conversation.destination, ("M3",)
        case _:
            assert_never(conversation.destination)


def decide_audience(
    destination: Destination, buckets: Buckets, policy: Policy
) -> tuple[tuple[Recipient, ...], tuple[str, ...]]:
    """Who is told, each once, and the rules that said so. Nobody is a possible answer (M4)."""
    match destination:
        case AssignedTo(staff_id):
            return (Recipient(staff_id, "assignee"),), ()
        case InSharedInbox(inbox_id):
            members = policy.shared_inboxes[inbox_id]
            return tuple(Recipient(member, "inbox_member") for member in members if policy.active(member)), ()
        case Unassigned():
            return _subscribers(buckets, policy)
        case _:
            assert_never(destination)


def _subscribers(buckets: Buckets, policy: Policy) -> tuple[tuple[Recipient, ...], tuple[str, ...]]:
    """Those whose subscription matches (M1, M2); nobody: the default subscribers (M4). Dimensions that are off are
    ignored (M1); with reasons and locations both off it is whoever sees Unassigned (M5).
    """
    if not (policy.reason_routing or policy.location_routing or policy.provider_routing):
        watching = (member.staff_id for member in policy.active_members() if member.sees_unassigned)
        return _or_default(
            tuple(Recipient(staff_id, "unassigned_subscriber") for staff_id in watching), ("M5",), policy
        )
    found = matching(
        policy,
        (buckets.reason or OTHER) if policy.reason_routing else None,
        buckets.location if policy.location_routing else None,
        buckets.provider if policy.provider_routing else None,
    )
    return _or_default(found, ("M1", "M2"), policy)


def _or_default(
    recipients: tuple[Recipient, ...], rules: tuple[str, ...], policy: Policy
) -> tuple[tuple[Recipient, ...], tuple[str, ...]]:
    if recipients:
        return recipients, rules
    default = tuple(dict.fromkeys(policy.default_subscribers))
    return tuple(Recipient(member, "default_subscriber") for member in default if policy.active(member)), ("M4",)
