"""What staff and patients do to a conversation: applied, or rejected with a reason."""

from dataclasses import dataclass, replace
from typing import Literal, assert_never

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
class Note:
    """Something that belongs to the history and changes nothing: a transcript, a consent, a link."""


Action = (
    Assign | MoveToUnassigned | MoveToSharedInbox | Close | Reply | Read | CorrectLabel | StartTopic | Reroute | Note
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
    after = replace(changed, version=conversation.version + 1)
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
    """Whether a change of the settings leaves a conversation to be matched again (D4, M4).

    Its inbox is gone, or nobody who looked after it in Unassigned is still there and somebody else would be told now.
    Labels are never looked up again (L3).
    """
    if not conversation.is_open:
        return False
    if current_destination(conversation, after)[0] != conversation.destination:
        return True
    if not isinstance(conversation.destination, Unassigned):
        return False
    is_left_alone = not any(after.active(one.staff_id) for one in audience_of(conversation, before, directory))
    return is_left_alone and bool(audience_of(conversation, after, directory))


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
        case Note():
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
