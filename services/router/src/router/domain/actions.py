"""What staff and patients do to a conversation: applied, or rejected with a reason."""

from dataclasses import dataclass
from typing import Literal, assert_never

from msgspec.structs import replace

from router.domain.audience import Buckets, current_destination, decide_audience
from router.domain.facts import (
    UNKNOWN,
    AssignedTo,
    CarriedPlace,
    Conversation,
    Directory,
    InSharedInbox,
    PlaceId,
    ReasonId,
    StaffId,
    Unassigned,
)
from router.domain.place import compared
from router.domain.policy import Policy, Recipient


@dataclass(frozen=True, slots=True)
class Assign:
    """Into one member's inbox; None: back to Unassigned. `expected_version` as the person saw it."""

    to: StaffId | None
    expected_version: int | None = None


@dataclass(frozen=True, slots=True)
class MoveToUnassigned:
    """Back to everybody."""


@dataclass(frozen=True, slots=True)
class MoveToSharedInbox:
    """Into a custom shared inbox."""

    inbox_id: str


@dataclass(frozen=True, slots=True)
class Close:
    """The matter is settled."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The practice wrote to the patient, who has not read it yet."""

    message_id: str


@dataclass(frozen=True, slots=True)
class Read:
    """The patient has read the practice's messages up to this one (R2)."""

    message_id: str


@dataclass(frozen=True, slots=True)
class CorrectLabel:
    """An administrator knows better (V4). None leaves a label as it is."""

    reason_id: ReasonId | None
    location_id: PlaceId | None


@dataclass(frozen=True, slots=True)
class StartTopic:
    """Staff say that the talk is about something new: the reason goes, and nothing brings it back (V4)."""


@dataclass(frozen=True, slots=True)
class Reroute:
    """The settings changed: find out anew which inbox the conversation is in, and who looks after it (D4, M4)."""


@dataclass(frozen=True, slots=True)
class CompareLabels:
    """An appointment is elsewhere now, or nowhere (None): labels that came from it say so, and stay (L3)."""

    appointment_id: str
    location_id: PlaceId | None
    provider_id: PlaceId | None


@dataclass(frozen=True, slots=True)
class Note:
    """Something that belongs to the history and changes nothing: a transcript, a consent, a link."""


@dataclass(frozen=True, slots=True)
class Amend:
    """More is known of a message: the conversation has not changed, so nobody's view of it is out of date."""


Action = (
    Assign
    | MoveToUnassigned
    | MoveToSharedInbox
    | Close
    | Reply
    | Read
    | CorrectLabel
    | StartTopic
    | Reroute
    | CompareLabels
    | Note
    | Amend
)
Rejection = Literal[
    "version_conflict", "unknown_member", "inactive_member", "unknown_inbox", "unknown_reason", "unknown_location",
    "not_open", "not_allowed",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Applied:
    """How the conversation is now, and who looks after it."""

    conversation: Conversation
    audience: tuple[Recipient, ...]


@dataclass(frozen=True, slots=True)
class Rejected:
    """The conversation is as it was."""

    rejection: Rejection


def apply(action: Action, conversation: Conversation, policy: Policy, directory: Directory) -> Applied | Rejected:
    """Apply an action to a conversation, or say why not. Pure and total."""
    changed = _changed(action, conversation, policy, directory)
    if isinstance(changed, Rejected):
        return changed
    after = changed if isinstance(action, Amend) else replace(changed, version=conversation.version + 1)
    return Applied(after, audience_of(after, policy, directory) if after.is_open else ())


def audience_of(conversation: Conversation, policy: Policy, directory: Directory) -> tuple[Recipient, ...]:
    """Who looks after an open conversation as it is labelled now."""
    destination, _ = current_destination(conversation, policy)
    location, provider = (
        UNKNOWN if label is None or (known.get(label.id) is not None and known[label.id].is_retired) else label.id
        for label, known in (
            (conversation.location, directory.locations),
            (conversation.provider, directory.providers),
        )
    )
    return decide_audience(destination, Buckets(conversation.reason_id, location, provider), policy)[0]


def needs_rerouting(conversation: Conversation, before: Policy, after: Policy, directory: Directory) -> bool:
    """Whether a change of the settings leaves a conversation to be matched again (D3, D4, M4).

    Its inbox is gone, or has other members now; or nobody who looked after it in Unassigned is still there and somebody
    else would be told now. Labels are never looked up again (L3).
    """
    if not conversation.is_open:
        return False
    if current_destination(conversation, after)[0] != conversation.destination:
        return True
    looked_after, would = audience_of(conversation, before, directory), audience_of(conversation, after, directory)
    match conversation.destination:
        case AssignedTo():
            return False
        case InSharedInbox():
            return set(looked_after) != set(would)
        case Unassigned():
            return bool(would) and not any(after.active(one.staff_id) for one in looked_after)
        case _:
            assert_never(conversation.destination)


def _changed(  # noqa: PLR0911 - one answer for each way to be refused
    action: Action, conversation: Conversation, policy: Policy, directory: Directory
) -> Conversation | Rejected:
    match action:
        case Assign():
            return _assigned(action, conversation, policy)
        case MoveToUnassigned():
            return replace(conversation, is_open=True, destination=Unassigned())
        case MoveToSharedInbox(inbox_id):
            if inbox_id not in policy.shared_inboxes:
                return Rejected("unknown_inbox")
            return replace(conversation, is_open=True, destination=InSharedInbox(inbox_id))
        case Close():
            if not conversation.is_open:
                return Rejected("not_open")
            return replace(conversation, is_open=False, destination=Unassigned())
        case Reply(message_id):
            return replace(conversation, unread_practice_message_id=message_id)
        case Read():
            return replace(conversation, unread_practice_message_id=None)
        case CorrectLabel():
            return _corrected(action, conversation, policy, directory)
        case StartTopic():
            return replace(conversation, reason_id=None) if policy.label_correction else Rejected("not_allowed")
        case Reroute():
            if not conversation.is_open:
                return Rejected("not_open")
            return replace(conversation, destination=current_destination(conversation, policy)[0])
        case CompareLabels(appointment_id, location_id, provider_id):
            return replace(
                conversation,
                location=compared(conversation.location, appointment_id, location_id),
                provider=compared(conversation.provider, appointment_id, provider_id),
            )
        case Note() | Amend():
            return conversation
        case _:
            assert_never(action)


def _assigned(action: Assign, conversation: Conversation, policy: Policy) -> Conversation | Rejected:
    """Of two people who assign at once the first wins: the other saw an older version."""
    if action.expected_version is not None and action.expected_version != conversation.version:
        return Rejected("version_conflict")
    if action.to is None:
        return replace(conversation, is_open=True, destination=Unassigned())
    if action.to not in policy.members:
        return Rejected("unknown_member")
    if not policy.active(action.to):
        return Rejected("inactive_member")
    return replace(conversation, is_open=True, destination=AssignedTo(action.to))


def _corrected(
    action: CorrectLabel, conversation: Conversation, policy: Policy, directory: Directory
) -> Conversation | Rejected:
    if not policy.label_correction:
        return Rejected("not_allowed")
    if action.reason_id is not None and action.reason_id != "other" and not policy.takes(action.reason_id):
        return Rejected("unknown_reason")
    if action.location_id is not None and action.location_id not in directory.locations:
        return Rejected("unknown_location")
    return replace(
        conversation,
        reason_id=action.reason_id or conversation.reason_id,
        location=CarriedPlace(action.location_id) if action.location_id else conversation.location,
    )
